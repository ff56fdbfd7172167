#include "io/pcap_file.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "io/clock.h"
#include "wire/pcapng.h"
#include <runnel/err.h>

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
};

struct rn_pcap_out {
    struct rn_loop *loop; /* borrows */
    int fd;
    struct rn_timer timer;  /* armed while something is gathered */
    int64_t wall_offset_ns; /* what makes a turn's time a date */
    size_t len;
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
static void complete_checksum(const struct rn_pkt *pkt, uint8_t *bytes)
{
    size_t field = (size_t)pkt->csum_start + pkt->csum_offset;
    uint16_t sum;

    if (pkt->csum != RN_CSUM_PARTIAL || field + 2 > pkt->len)
        return;
    sum = rn_checksum(bytes + pkt->csum_start, pkt->len - pkt->csum_start, 0);
    rn_put_be16(bytes + field, rn_pkt_checksum_field(sum, pkt->csum_offset));
}

static void record(void *arg, const struct rn_pkt *pkt, bool is_out, int64_t now_ns)
{
    const struct interface *interface = arg;
    struct rn_pcap_out *out = interface->out;
    const struct rn_pcapng_packet packet = { .time_ns = now_ns + out->wall_offset_ns,
                                             .interface = interface->id,
                                             .captured = pkt->len,
                                             .original = pkt->len,
                                             .direction = is_out ? RN_PCAPNG_OUT : RN_PCAPNG_IN };
    struct rn_writer w = room(out);
    uint8_t *bytes;

    rn_pcapng_packet_head_emit(&packet, &w);
    bytes = rn_write_room(&w, pkt->len);
    if (bytes != NULL) {
        rn_pkt_copy_out(pkt, 0, bytes, pkt->len);
        complete_checksum(pkt, bytes);
    }
    rn_pcapng_packet_tail_emit(&packet, &w);
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

int rn_pcap_out_new(struct rn_pcap_out **ret, struct rn_loop *loop, int fd, const char *app)
{
    struct rn_pcap_out *out = rn_alloc_new(rn_turn_alloc(&loop->turn), sizeof(*out));
    struct rn_writer w;

    if (out == NULL)
        return RN_E_NOMEM;
    out->loop = loop;
    out->fd = fd;
    out->timer.fire = on_timer;
    out->wall_offset_ns = rn_clock_wall_ns() - rn_clock_now_ns();
    unblock_pipe(fd);
    w = room(out);
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

int rn_pcap_out_interface(struct rn_pcap_out *out, const char *name, enum rn_link_type link,
                          struct rn_sniff_sink *ret)
{
    const struct rn_pcapng_interface description = {
        .name = rn_view_of(name, strlen(name)),
        .link = link == RN_LINK_ETHERNET ? RN_PCAP_LINK_ETHERNET : RN_PCAP_LINK_RAW,
        .ts_digits = 9,
    };
    struct rn_writer w = room(out);
    struct interface *interface = &out->interfaces[out->n_interfaces];

    if (out->n_interfaces == RN_PCAP_OUT_INTERFACES_MAX)
        return RN_E_LIMIT;
    rn_pcapng_interface_emit(&description, &w);
    if (!keep(out, &w))
        return RN_E_LIMIT;
    *interface = (struct interface){ out, out->n_interfaces++ };
    *ret = (struct rn_sniff_sink){ .packet = record, .arg = interface };
    return RN_OK;
}

void rn_pcap_out_get_stats(const struct rn_pcap_out *out, struct rn_pcap_out_stats *ret)
{
    *ret = out->stats;
}
