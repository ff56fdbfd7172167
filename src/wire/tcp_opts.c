#include "wire/tcp_opts.h"

/* IANA "TCP Option Kind Numbers". */
enum {
    KIND_END = 0,
    KIND_NOP = 1,
    KIND_MSS = 2,
    KIND_WSCALE = 3,
    KIND_SACK_OK = 4,
    KIND_SACK = 5,
    KIND_TS = 8,
    KIND_FASTOPEN = 34,
    KIND_ACCECN0 = 172, /* RFC 9768 §3.2.3: the two orders of its counters */
    KIND_ACCECN1 = 174,
    KIND_EXPERIMENT = 254, /* RFC 6994: two more bytes say which */
};

#define EXID_FASTOPEN 0xf989u /* RFC 7413 §4.1.1: the form before there was a number */

/* The length fields of those options, kind and length included. */
enum {
    LEN_MSS = 4,
    LEN_WSCALE = 3,
    LEN_SACK_OK = 2,
    LEN_SACK_BASE = 2,
    LEN_SACK_BLOCK = 8,
    LEN_TS = 10,
    LEN_FASTOPEN_BASE = 2,
    LEN_EXPERIMENT_BASE = 4,
    LEN_FASTOPEN_MIN = 6, /* RFC 7413 §4.1.1 */
    LEN_FASTOPEN_MAX = 18,
    LEN_ACCECN_BASE = 2,
    LEN_ACCECN_COUNTER = 3,
};

#define SACK_OK_TS 0x0402080au /* in the place of RN_TCP_NOP_NOP_TS */

/* All of the option was read, and nothing is left of it. */
static bool is_whole(const struct rn_reader *body)
{
    return !body->short_read && body->rest.len == 0;
}

static bool read_mss(struct rn_tcp_opts *opts, struct rn_reader *body)
{
    uint16_t mss = rn_read_be16(body);

    if (!is_whole(body))
        return false;
    opts->mss = mss;
    opts->has_mss = true;
    return true;
}

static bool read_wscale(struct rn_tcp_opts *opts, struct rn_reader *body)
{
    uint8_t wscale = rn_read_u8(body);

    if (!is_whole(body))
        return false;
    opts->wscale = wscale > RN_TCP_WSCALE_MAX ? RN_TCP_WSCALE_MAX : wscale;
    opts->has_wscale = true;
    return true;
}

static bool read_ts(struct rn_tcp_opts *opts, struct rn_reader *body)
{
    uint32_t val = rn_read_be32(body);
    uint32_t ecr = rn_read_be32(body);

    if (!is_whole(body))
        return false;
    opts->ts_val = val;
    opts->ts_ecr = ecr;
    opts->has_ts = true;
    return true;
}

static bool read_sack(struct rn_tcp_opts *opts, struct rn_reader *body)
{
    size_t n = body->rest.len / LEN_SACK_BLOCK;

    if (n == 0 || n > RN_TCP_SACK_MAX || body->rest.len % LEN_SACK_BLOCK != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        opts->sack[i].from = rn_seq_of(rn_read_be32(body));
        opts->sack[i].to = rn_seq_of(rn_read_be32(body));
    }
    opts->n_sack = (uint8_t)n;
    return true;
}

/* An invalid cookie length means "no such option", not a malformed segment (RFC 7413 §4.1.1). */
static bool read_fastopen(struct rn_tcp_opts *opts, struct rn_reader *body)
{
    size_t n = body->rest.len;

    if (n != 0 && (n < LEN_FASTOPEN_MIN - LEN_FASTOPEN_BASE ||
                   n > LEN_FASTOPEN_MAX - LEN_FASTOPEN_BASE || n % 2 != 0))
        return true;
    rn_read_bytes(body, opts->cookie, n);
    opts->cookie_len = (uint8_t)n;
    opts->has_fastopen = true;
    opts->is_fastopen_exp = false;
    return true;
}

static bool read_experiment(struct rn_tcp_opts *opts, struct rn_reader *body)
{
    if (body->rest.len < 2 || rn_read_be16(body) != EXID_FASTOPEN)
        return true;
    if (!read_fastopen(opts, body))
        return false;
    opts->is_fastopen_exp = opts->has_fastopen;
    return true;
}

static uint32_t read_be24(struct rn_reader *body)
{
    uint32_t high = rn_read_u8(body);

    return high << 16 | rn_read_be16(body);
}

/* Of a length we do not know, the whole counters count (RFC 9768 §3.2.3). */
static bool read_accecn(struct rn_tcp_opts *opts, struct rn_reader *body, uint8_t order)
{
    size_t n = body->rest.len / LEN_ACCECN_COUNTER;

    opts->n_accecn = (uint8_t)(n < RN_TCP_ACCECN_MAX ? n : RN_TCP_ACCECN_MAX);
    for (unsigned i = 0; i < opts->n_accecn; i++)
        opts->accecn[i] = read_be24(body);
    opts->accecn_order = order;
    opts->has_accecn = true;
    return true;
}

static bool read_option(struct rn_tcp_opts *opts, uint8_t kind, struct rn_reader *body)
{
    switch (kind) {
    case KIND_MSS:
        return read_mss(opts, body);
    case KIND_WSCALE:
        return read_wscale(opts, body);
    case KIND_SACK_OK:
        opts->sack_ok = opts->sack_ok || is_whole(body);
        return is_whole(body);
    case KIND_SACK:
        return read_sack(opts, body);
    case KIND_TS:
        return read_ts(opts, body);
    case KIND_FASTOPEN:
        return read_fastopen(opts, body);
    case KIND_ACCECN0:
        return read_accecn(opts, body, 0);
    case KIND_ACCECN1:
        return read_accecn(opts, body, 1);
    case KIND_EXPERIMENT:
        return read_experiment(opts, body);
    default:
        return true;
    }
}

bool rn_tcp_opts_parse(struct rn_tcp_opts *ret, struct rn_view options)
{
    struct rn_reader r = rn_reader_of(options);

    *ret = (struct rn_tcp_opts){ 0 };
    ret->has_ts = rn_tcp_opts_parse_ts_only(&ret->ts_val, &ret->ts_ecr, options);
    if (ret->has_ts)
        return true;

    while (r.rest.len != 0) {
        uint8_t kind = rn_read_u8(&r);
        struct rn_reader body;
        uint8_t len;

        if (kind == KIND_END)
            return true;
        if (kind == KIND_NOP)
            continue;
        len = rn_read_u8(&r);
        if (len < 2)
            return false;
        body = rn_reader_of(rn_read_view(&r, len - 2u));
        if (r.short_read || !read_option(ret, kind, &body))
            return false;
    }
    return true;
}

static size_t fastopen_len(const struct rn_tcp_opts *opts)
{
    size_t base = opts->is_fastopen_exp ? LEN_EXPERIMENT_BASE : LEN_FASTOPEN_BASE;

    return base + opts->cookie_len;
}

static size_t fastopen_padding(const struct rn_tcp_opts *opts)
{
    return (4 - fastopen_len(opts) % 4) % 4;
}

static size_t accecn_len(const struct rn_tcp_opts *opts)
{
    return LEN_ACCECN_BASE + (size_t)opts->n_accecn * LEN_ACCECN_COUNTER;
}

static size_t accecn_padding(const struct rn_tcp_opts *opts)
{
    return (4 - accecn_len(opts) % 4) % 4;
}

size_t rn_tcp_opts_bytes(const struct rn_tcp_opts *opts)
{
    size_t n = 0;

    if (opts->has_mss)
        n += LEN_MSS;
    if (opts->has_ts)
        n += RN_TCP_TS_BYTES; /* SACK permitted takes the place of its two NOPs */
    else if (opts->sack_ok)
        n += 4;
    if (opts->has_wscale)
        n += 4;
    if (opts->n_sack != 0)
        n += 4 + (size_t)opts->n_sack * LEN_SACK_BLOCK;
    if (opts->has_fastopen)
        n += fastopen_len(opts) + fastopen_padding(opts);
    if (opts->has_accecn)
        n += accecn_len(opts) + accecn_padding(opts);
    return n;
}

static void write_kind(struct rn_writer *w, uint8_t kind, uint8_t len)
{
    rn_write_u8(w, kind);
    rn_write_u8(w, len);
}

static void write_nops(struct rn_writer *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rn_write_u8(w, KIND_NOP);
}

static void write_sack_ok_and_ts(const struct rn_tcp_opts *opts, struct rn_writer *w)
{
    uint8_t *room;

    if (!opts->has_ts) {
        write_nops(w, 2);
        write_kind(w, KIND_SACK_OK, LEN_SACK_OK);
        return;
    }
    room = rn_write_room(w, RN_TCP_TS_BYTES);
    if (room == NULL)
        return;
    rn_put_be32(room, opts->sack_ok ? SACK_OK_TS : RN_TCP_NOP_NOP_TS);
    rn_put_be32(room + 4, opts->ts_val);
    rn_put_be32(room + 8, opts->ts_ecr);
}

static void write_sack(const struct rn_tcp_opts *opts, struct rn_writer *w)
{
    write_nops(w, 2);
    write_kind(w, KIND_SACK, (uint8_t)(LEN_SACK_BASE + opts->n_sack * LEN_SACK_BLOCK));
    for (unsigned i = 0; i < opts->n_sack; i++) {
        rn_write_be32(w, opts->sack[i].from.v);
        rn_write_be32(w, opts->sack[i].to.v);
    }
}

static void write_fastopen(const struct rn_tcp_opts *opts, struct rn_writer *w)
{
    write_kind(w, opts->is_fastopen_exp ? KIND_EXPERIMENT : KIND_FASTOPEN,
               (uint8_t)fastopen_len(opts));
    if (opts->is_fastopen_exp)
        rn_write_be16(w, EXID_FASTOPEN);
    rn_write_bytes(w, opts->cookie, opts->cookie_len);
    write_nops(w, fastopen_padding(opts));
}

static void write_accecn(const struct rn_tcp_opts *opts, struct rn_writer *w)
{
    write_kind(w, opts->accecn_order == 0 ? KIND_ACCECN0 : KIND_ACCECN1, (uint8_t)accecn_len(opts));
    for (unsigned i = 0; i < opts->n_accecn; i++) {
        rn_write_u8(w, opts->accecn[i] >> 16 & 0xff);
        rn_write_be16(w, opts->accecn[i] & 0xffff);
    }
    write_nops(w, accecn_padding(opts));
}

void rn_tcp_opts_emit(const struct rn_tcp_opts *opts, struct rn_writer *w)
{
    if (opts->has_mss) {
        write_kind(w, KIND_MSS, LEN_MSS);
        rn_write_be16(w, opts->mss);
    }
    if (opts->has_ts || opts->sack_ok)
        write_sack_ok_and_ts(opts, w);
    if (opts->has_wscale) {
        write_nops(w, 1);
        write_kind(w, KIND_WSCALE, LEN_WSCALE);
        rn_write_u8(w, opts->wscale);
    }
    if (opts->n_sack != 0)
        write_sack(opts, w);
    if (opts->has_fastopen)
        write_fastopen(opts, w);
    if (opts->has_accecn)
        write_accecn(opts, w);
}
