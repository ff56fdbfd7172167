#include "wire/pcapng.h"

#include <runnel/err.h>

/* draft-ietf-opsawg-pcapng: §4.1 section, §4.2 interface, §4.3 packet, §3.5 options. */
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define BYTE_ORDER_SWAP  0x4d3c2b1au
#define LENGTH_UNKNOWN   UINT64_MAX

enum { VERSION_MAJOR = 1, VERSION_MINOR = 0 };
enum { BLOCK_FRAME_BYTES = 12 }; /* type, length, and the length again at the end */
enum { SECTION_BYTES = 16, INTERFACE_BYTES = 8, PACKET_BYTES = 20, STATS_BYTES = 12 };
enum { US_DIGITS = 6, NS_DIGITS = 9 };

enum option {
    OPT_END = 0,
    OPT_COMMENT = 1,
    OPT_SECTION_APP = 4,
    OPT_INTERFACE_NAME = 2,
    OPT_INTERFACE_TS_RESOLUTION = 9,
    OPT_PACKET_FLAGS = 2,
};
enum { FLAGS_DIRECTION_MASK = 3 };

static size_t padding(size_t len)
{
    return (RN_PCAPNG_ALIGN - len % RN_PCAPNG_ALIGN) % RN_PCAPNG_ALIGN;
}

static size_t padded(size_t len)
{
    return len + padding(len);
}

static int section_is_ours(struct rn_view body)
{
    struct rn_reader r = rn_reader_of(body);
    uint32_t magic = rn_read_le32(&r);

    if (magic == BYTE_ORDER_SWAP)
        return RN_E_NOT_SUPPORTED;
    return magic == BYTE_ORDER_MAGIC ? RN_OK : RN_E_MALFORMED;
}

int rn_pcapng_next(struct rn_pcapng_block *ret, struct rn_reader *r)
{
    struct rn_pcapng_block b;
    uint32_t len;
    uint32_t len_again;

    if (r->rest.len == 0 && !r->short_read)
        return 0;
    b.type = rn_read_le32(r);
    len = rn_read_le32(r);
    /* The section's type reads the same both ways; its length does not, so the byte order is asked first. */
    if (b.type == RN_PCAPNG_SECTION && section_is_ours(r->rest) < 0)
        return section_is_ours(r->rest);
    if (len < BLOCK_FRAME_BYTES || len % RN_PCAPNG_ALIGN != 0)
        return RN_E_MALFORMED;
    b.body = rn_read_view(r, len - (uint32_t)BLOCK_FRAME_BYTES);
    len_again = rn_read_le32(r);
    if (r->short_read || len_again != len)
        return RN_E_MALFORMED;

    *ret = b;
    return 1;
}

/* 1: an option; 0: end of options. */
static int next_option(struct rn_reader *r, uint16_t *ret_code, struct rn_view *ret_value)
{
    uint16_t code;
    uint16_t len;

    if (r->rest.len == 0)
        return 0;
    code = rn_read_le16(r);
    len = rn_read_le16(r);
    *ret_value = rn_read_view(r, len);
    (void)rn_read_view(r, padding(len));
    if (r->short_read)
        return RN_E_MALFORMED;
    *ret_code = code;
    return code != OPT_END;
}

int rn_pcapng_interface_parse(struct rn_pcapng_interface *ret, struct rn_view body)
{
    struct rn_reader r = rn_reader_of(body);
    struct rn_pcapng_interface i = { .ts_digits = US_DIGITS };
    struct rn_view value;
    uint16_t code = OPT_END;
    int more;

    i.link = rn_read_le16(&r);
    (void)rn_read_le16(&r); /* reserved */
    i.snap_len = rn_read_le32(&r);
    if (r.short_read)
        return RN_E_MALFORMED;
    while ((more = next_option(&r, &code, &value)) > 0) {
        if (code == OPT_INTERFACE_NAME)
            i.name = value;
        if (code == OPT_INTERFACE_TS_RESOLUTION && value.len == 1)
            i.ts_digits = value.ptr[0];
    }
    if (more < 0)
        return more;
    if (i.ts_digits != US_DIGITS && i.ts_digits != NS_DIGITS)
        return RN_E_NOT_SUPPORTED;

    *ret = i;
    return RN_OK;
}

static int read_packet_options(struct rn_reader *r, struct rn_pcapng_packet *p)
{
    struct rn_view value;
    uint16_t code = OPT_END;
    int more;

    while ((more = next_option(r, &code, &value)) > 0) {
        struct rn_reader v = rn_reader_of(value);

        if (code == OPT_COMMENT)
            p->comment = value;
        if (code == OPT_PACKET_FLAGS)
            p->direction = rn_read_le32(&v) & FLAGS_DIRECTION_MASK;
    }
    return more;
}

int rn_pcapng_packet_parse(struct rn_pcapng_packet *ret, struct rn_view *ret_bytes,
                           struct rn_view body, uint8_t ts_digits)
{
    struct rn_reader r = rn_reader_of(body);
    struct rn_pcapng_packet p = { 0 };
    struct rn_view bytes;
    uint64_t time;
    int err;

    p.interface = rn_read_le32(&r);
    time = (uint64_t)rn_read_le32(&r) << 32;
    time |= rn_read_le32(&r);
    p.captured = rn_read_le32(&r);
    p.original = rn_read_le32(&r);
    bytes = rn_read_view(&r, p.captured);
    (void)rn_read_view(&r, padding(p.captured));
    if (r.short_read || p.captured > RN_PCAP_SNAP_MAX)
        return RN_E_MALFORMED;
    err = read_packet_options(&r, &p);
    if (err < 0)
        return err;

    if (ts_digits == US_DIGITS)
        time = time > INT64_MAX / RN_NS_PER_US ? INT64_MAX : time * RN_NS_PER_US;
    p.time_ns = (int64_t)rn_min_u64(time, INT64_MAX);
    *ret = p;
    *ret_bytes = bytes;
    return RN_OK;
}

static struct rn_view cut(struct rn_view text)
{
    return rn_view_of(text.ptr, rn_min_size(text.len, RN_PCAPNG_TEXT_MAX));
}

static size_t option_bytes(size_t value_len)
{
    return 4 + padded(value_len);
}

static size_t text_option_bytes(struct rn_view text)
{
    return text.len == 0 ? 0 : option_bytes(cut(text).len);
}

static void write_option(struct rn_writer *w, enum option code, struct rn_view value)
{
    rn_write_le16(w, (uint16_t)code);
    rn_write_le16(w, (uint16_t)value.len);
    rn_write_bytes(w, value.ptr, value.len);
    rn_write_zeros(w, padding(value.len));
}

static void write_text_option(struct rn_writer *w, enum option code, struct rn_view text)
{
    if (text.len != 0)
        write_option(w, code, cut(text));
}

static void write_end_option(struct rn_writer *w)
{
    rn_write_le32(w, OPT_END);
}

void rn_pcapng_section_emit(struct rn_view app, struct rn_writer *w)
{
    size_t len = BLOCK_FRAME_BYTES + SECTION_BYTES + text_option_bytes(app) + option_bytes(0);

    rn_write_le32(w, RN_PCAPNG_SECTION);
    rn_write_le32(w, (uint32_t)len);
    rn_write_le32(w, BYTE_ORDER_MAGIC);
    rn_write_le16(w, VERSION_MAJOR);
    rn_write_le16(w, VERSION_MINOR);
    rn_write_be64(w, LENGTH_UNKNOWN);
    write_text_option(w, OPT_SECTION_APP, app);
    write_end_option(w);
    rn_write_le32(w, (uint32_t)len);
}

void rn_pcapng_interface_emit(const struct rn_pcapng_interface *interface, struct rn_writer *w)
{
    static const uint8_t ns_digits = NS_DIGITS;
    size_t len = BLOCK_FRAME_BYTES + INTERFACE_BYTES + text_option_bytes(interface->name) +
                 option_bytes(sizeof(ns_digits)) + option_bytes(0);

    rn_write_le32(w, RN_PCAPNG_INTERFACE);
    rn_write_le32(w, (uint32_t)len);
    rn_write_le16(w, interface->link);
    rn_write_le16(w, 0);
    rn_write_le32(w, interface->snap_len);
    write_text_option(w, OPT_INTERFACE_NAME, interface->name);
    write_option(w, OPT_INTERFACE_TS_RESOLUTION, rn_view_of(&ns_digits, sizeof(ns_digits)));
    write_end_option(w);
    rn_write_le32(w, (uint32_t)len);
}

static size_t packet_options_bytes(const struct rn_pcapng_packet *packet)
{
    size_t len = text_option_bytes(packet->comment);

    if (packet->direction != RN_PCAPNG_UNKNOWN)
        len += option_bytes(sizeof(uint32_t));
    return len == 0 ? 0 : len + option_bytes(0);
}

static uint32_t packet_block_bytes(const struct rn_pcapng_packet *packet)
{
    return (uint32_t)(BLOCK_FRAME_BYTES + PACKET_BYTES + padded(packet->captured) +
                      packet_options_bytes(packet));
}

static void write_time(struct rn_writer *w, int64_t time_ns)
{
    rn_write_le32(w, (uint32_t)((uint64_t)time_ns >> 32));
    rn_write_le32(w, (uint32_t)time_ns);
}

void rn_pcapng_packet_head_emit(const struct rn_pcapng_packet *packet, struct rn_writer *w)
{
    rn_write_le32(w, RN_PCAPNG_PACKET);
    rn_write_le32(w, packet_block_bytes(packet));
    rn_write_le32(w, packet->interface);
    write_time(w, packet->time_ns);
    rn_write_le32(w, packet->captured);
    rn_write_le32(w, packet->original);
}

void rn_pcapng_packet_tail_emit(const struct rn_pcapng_packet *packet, struct rn_writer *w)
{
    uint8_t flags[4];

    rn_write_zeros(w, padding(packet->captured));
    if (packet->direction != RN_PCAPNG_UNKNOWN) {
        rn_put_le32(flags, packet->direction & FLAGS_DIRECTION_MASK);
        write_option(w, OPT_PACKET_FLAGS, rn_view_of(flags, sizeof(flags)));
    }
    write_text_option(w, OPT_COMMENT, packet->comment);
    if (packet_options_bytes(packet) != 0)
        write_end_option(w);
    rn_write_le32(w, packet_block_bytes(packet));
}

void rn_pcapng_note_emit(uint32_t interface, int64_t time_ns, struct rn_view text,
                         struct rn_writer *w)
{
    size_t len = BLOCK_FRAME_BYTES + STATS_BYTES + text_option_bytes(text) + option_bytes(0);

    rn_write_le32(w, RN_PCAPNG_STATS);
    rn_write_le32(w, (uint32_t)len);
    rn_write_le32(w, interface);
    write_time(w, time_ns);
    write_text_option(w, OPT_COMMENT, text);
    write_end_option(w);
    rn_write_le32(w, (uint32_t)len);
}
