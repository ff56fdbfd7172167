#pragma once
/*
 * TCP options: MSS (RFC 9293 §3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018), Fast Open cookie
 * (RFC 7413), counters of Accurate ECN (RFC 9768). Whether an option may stand in this segment at all is TCP's question, not asked here.
 */
#include "base/seq.h"
#include "base/view.h"
#include "base/writer.h"

#define RN_TCP_OPTS_MAX_BYTES   40u /* 15 words of header less the fixed 5 (RFC 9293 §3.1) */
#define RN_TCP_SACK_MAX         4u  /* blocks that fit; 3 beside timestamps (RFC 2018 §3) */
#define RN_TCP_WSCALE_MAX       14u /* RFC 7323 §2.3 */
#define RN_TCP_COOKIE_MAX_BYTES 16u /* RFC 7413 §4.1.1 */
#define RN_TCP_ACCECN_MAX       3u  /* counters, RFC 9768 §3.2.3 */
#define RN_TCP_TS_BYTES         12u /* NOP NOP timestamps, RFC 7323 appendix A */

struct rn_tcp_sack_block {
    rn_seq from;
    rn_seq to; /* first byte after the block */
};

struct rn_tcp_opts {
    bool has_mss;
    bool has_wscale;
    bool sack_ok;
    bool has_ts;
    bool has_fastopen;    /* with cookie_len 0: a cookie is asked for */
    bool is_fastopen_exp; /* in the experimental form, kind 254 */
    bool has_accecn;
    uint8_t accecn_order; /* 0: ECT(0), CE, ECT(1); 1: ECT(1), CE, ECT(0) */
    uint8_t n_accecn;     /* so many counters of that order */
    uint8_t wscale;       /* a larger value was taken as 14, as RFC 7323 §2.3 wants it */
    uint8_t n_sack;
    uint8_t cookie_len;
    uint16_t mss;
    uint32_t ts_val;
    uint32_t ts_ecr;
    struct rn_tcp_sack_block sack[RN_TCP_SACK_MAX];
    uint8_t cookie[RN_TCP_COOKIE_MAX_BYTES];
    uint32_t accecn[RN_TCP_ACCECN_MAX]; /* bytes modulo 2^24 */
};

/*
 * Reads every option of @options. Unknown options are skipped; the first one with an illegal length ends the reading
 * and makes the answer false (RFC 9293 §3.1, MUST-7); @ret then holds what stood before it. Always writes @ret.
 */
bool rn_tcp_opts_parse(struct rn_tcp_opts *ret, struct rn_view options);
#define RN_TCP_NOP_NOP_TS 0x0101080au
/* Only the layout of nearly every segment of a connection, NOP NOP timestamps; false for any other. */
static inline bool rn_tcp_opts_parse_ts_only(uint32_t *ret_val, uint32_t *ret_ecr,
                                             struct rn_view options)
{
    if (options.len != RN_TCP_TS_BYTES || rn_get_be32(options.ptr) != RN_TCP_NOP_NOP_TS)
        return false;
    *ret_val = rn_get_be32(options.ptr + 4);
    *ret_ecr = rn_get_be32(options.ptr + 8);
    return true;
}

/* Bytes that emit writes, a multiple of 4. More than RN_TCP_OPTS_MAX_BYTES is possible if too much is asked for. */
size_t rn_tcp_opts_bytes(const struct rn_tcp_opts *opts);
/* Writes the options in the order and alignment Linux uses, so that we look like any other host. Ask @w for overflow. */
void rn_tcp_opts_emit(const struct rn_tcp_opts *opts, struct rn_writer *w);
