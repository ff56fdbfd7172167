#include "io/pcap_file.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "io/clock.h"
#include "wire/pcapng.h"
#include <runnel/err.h>
#include <runnel/pkt.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUF_BYTES   (512u << 10)
#define FLUSH_BYTES (128u << 10)
#define FLUSH_NS    (100 * RN_NS_PER_MS)

struct interface {
    struct rn_pcap_out *out;
    uint32_t id;
    enum rn_link_type link;
};

/* What is said of every file of the old format. */
static const struct rn_pcap_file classic = { .snap_len = RN_PCAP_SNAP_MAX, .is_ns = true };

struct rn_pcap_out {
    struct rn_loop *loop; /* borrows */
    int fd;
    struct rn_timer timer;  /* armed while something is gathered */
    int64_t wall_offset_ns; /* what makes a turn's time a date */
    size_t len;
    struct rn_pkt_filter filter;
    uint32_t snap_bytes;
    bool is_classic;
    unsigned n_interfaces;
    struct interface interfaces[RN_PCAP_OUT_INTERFACES_MAX];
    struct rn_pcap_out_stats stats;
    uint8_t buf[BUF_BYTES];
};

/* Writes what the descriptor takes; the rest moves to the front. */
static void flush(struct rn_pcap_out *out)
{
    size_t done = 0;

    while (done < out->len && out->stats.err == 0) {
        ssize_t n = write(out->fd, out->buf + done, out->len - done); /* syscalls: write */

        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            out->stats.err = rn_err_from_errno(errno);
    }
    memmove(out->buf, out->buf + done, out->len - done);
    out->len -= done;
}

static void on_timer(struct rn_timer *timer)
{
    struct rn_pcap_out *out = rn_container_of(timer, struct rn_pcap_out, timer);

    flush(out);
    if (out->len > 0 && out->stats.err == 0)
        rn_turn_arm(&out->loop->turn, timer, out->loop->turn.now_ns + FLUSH_NS);
}

static struct rn_writer room(struct rn_pcap_out *out)
{
    return rn_writer_of(out->buf + out->len, BUF_BYTES - out->len);
}

/* Keeps the block in @w, if it fitted. */
static bool keep(struct rn_pcap_out *out, const struct rn_writer *w)
{
    if (w->overflow || out->stats.err != 0)
        return false;
    out->len += w->len;
    if (!rn_timer_is_armed(&out->timer))
        rn_turn_arm(&out->loop->turn, &out->timer, out->loop->turn.now_ns + FLUSH_NS);
    if (out->len >= FLUSH_BYTES)
        flush(out);
    return true;
}

/* A checksum left to offload is completed in the copy: a reader of the file should not have to wonder. */
static void complete_checksum(const struct rn_pkt *pkt, uint8_t *bytes, size_t captured)
{
    size_t field = (size_t)pkt->csum_start + pkt->csum_offset;
    uint16_t sum;

    if (pkt->csum != RN_CSUM_PARTIAL || field + 2 > captured)
        return;
    sum = rn_pkt_checksum(pkt, pkt->csum_start, pkt->len - pkt->csum_start, 0);
    rn_put_be16(bytes + field, rn_pkt_checksum_field(sum, pkt->csum_offset));
}

/* What lies between the head of a record and its end. */
static void write_bytes(const struct rn_pkt *pkt, uint32_t captured, struct rn_writer *w)
{
    uint8_t *bytes = rn_write_room(w, captured);

    if (bytes == NULL)
        return;
    rn_pkt_copy_out(pkt, 0, bytes, captured);
    complete_checksum(pkt, bytes, captured);
}

static void emit_classic(const struct rn_pkt *pkt, const struct rn_pcapng_packet *packet,
                         struct rn_writer *w)
{
    const struct rn_pcap_record record = { packet->time_ns, packet->captured, packet->original };

    rn_pcap_record_emit(&record, &classic, w);
    write_bytes(pkt, packet->captured, w);
}

static void emit(const struct rn_pkt *pkt, const struct rn_pcapng_packet *packet,
                 struct rn_writer *w)
{
    rn_pcapng_packet_head_emit(packet, w);
    write_bytes(pkt, packet->captured, w);
    rn_pcapng_packet_tail_emit(packet, w);
}

static void record(void *arg, const struct rn_pkt *pkt, bool is_out, int64_t now_ns)
{
    const struct interface *interface = arg;
    struct rn_pcap_out *out = interface->out;
    const struct rn_pcapng_packet packet = { .time_ns = now_ns + out->wall_offset_ns,
                                             .interface = interface->id,
                                             .captured = rn_min_u32(pkt->len, out->snap_bytes),
                                             .original = pkt->len,
                                             .direction = is_out ? RN_PCAPNG_OUT : RN_PCAPNG_IN };
    struct rn_writer w = room(out);

    if (!rn_pkt_filter_matches(&out->filter, pkt, interface->link)) {
        out->stats.passed_over++;
        return;
    }
    if (out->is_classic)
        emit_classic(pkt, &packet, &w);
    else
        emit(pkt, &packet, &w);
    if (keep(out, &w))
        out->stats.written++;
    else
        out->stats.lost++;
}

/* A pipe's reader may be slow: it must not hold up the network. Files do not block in that sense. */
static void unblock_pipe(int fd)
{
    struct stat st;
    int flags;

    if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return;
    flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int rn_pcap_out_new(struct rn_pcap_out **ret, struct rn_loop *loop, int fd,
                    const struct rn_pcap_out_opts *opts)
{
    struct rn_pcap_out *out = rn_alloc_new(rn_turn_alloc(&loop->turn), sizeof(*out));
    const char *app = opts->app != NULL ? opts->app : "";
    struct rn_writer w;

    if (out == NULL)
        return RN_E_NOMEM;
    out->loop = loop;
    out->fd = fd;
    out->timer.fire = on_timer;
    out->wall_offset_ns = rn_clock_wall_ns() - rn_clock_now_ns();
    out->snap_bytes = opts->snap_bytes != 0 ? opts->snap_bytes : UINT32_MAX;
    out->is_classic = opts->is_classic;
    if (opts->filter != NULL)
        out->filter = *opts->filter;
    unblock_pipe(fd);
    w = room(out);
    if (!opts->is_classic)
        rn_pcapng_section_emit(rn_view_of(app, strlen(app)), &w);
    (void)keep(out, &w);
    *ret = out;
    return RN_OK;
}

struct rn_pcap_out *rn_pcap_out_free(struct rn_pcap_out *out)
{
    if (out == NULL)
        return NULL;
    flush(out);
    rn_turn_cancel(&out->loop->turn, &out->timer);
    close(out->fd);
    rn_alloc_free(rn_turn_alloc(&out->loop->turn), out, sizeof(*out));
    return NULL;
}

static void describe(const struct rn_pcap_out *out, const char *name, enum rn_link_type link,
                     struct rn_writer *w)
{
    struct rn_pcapng_interface interface = {
        .name = rn_view_of(name, strlen(name)),
        .snap_len = out->snap_bytes == UINT32_MAX ? 0 : out->snap_bytes,
        .link = link == RN_LINK_ETHERNET ? RN_PCAP_LINK_ETHERNET : RN_PCAP_LINK_RAW,
        .ts_digits = 9,
    };
    struct rn_pcap_file file = classic;

    file.link = interface.link;
    if (out->is_classic)
        rn_pcap_file_emit(&file, w);
    else
        rn_pcapng_interface_emit(&interface, w);
}

int rn_pcap_out_interface(struct rn_pcap_out *out, const char *name, enum rn_link_type link,
                          struct rn_sniff_sink *ret)
{
    unsigned max = out->is_classic ? 1 : RN_PCAP_OUT_INTERFACES_MAX;
    struct interface *interface = &out->interfaces[out->n_interfaces];
    struct rn_writer w = room(out);

    if (out->n_interfaces == max)
        return RN_E_LIMIT;
    describe(out, name, link, &w);
    if (!keep(out, &w))
        return RN_E_LIMIT;
    *interface = (struct interface){ out, out->n_interfaces++, link };
    *ret = (struct rn_sniff_sink){ .packet = record, .arg = interface };
    return RN_OK;
}

void rn_pcap_out_get_stats(const struct rn_pcap_out *out, struct rn_pcap_out_stats *ret)
{
    *ret = out->stats;
}
