/* The TCP header and its options: the header says the same again; options that were read are written and read alike. */
#include "wire/tcp.h"
#include "wire/tcp_opts.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_options(const struct rn_tcp_opts *a, const struct rn_tcp_opts *b)
{
    return a->has_mss == b->has_mss && a->mss == b->mss && a->has_wscale == b->has_wscale &&
           a->wscale == b->wscale && a->sack_ok == b->sack_ok && a->has_ts == b->has_ts &&
           a->ts_val == b->ts_val && a->ts_ecr == b->ts_ecr && a->n_sack == b->n_sack &&
           memcmp(a->sack, b->sack, sizeof(a->sack[0]) * a->n_sack) == 0 &&
           a->has_fastopen == b->has_fastopen && a->cookie_len == b->cookie_len &&
           memcmp(a->cookie, b->cookie, a->cookie_len) == 0 && a->has_accecn == b->has_accecn &&
           a->accecn_order == b->accecn_order && a->n_accecn == b->n_accecn &&
           memcmp(a->accecn, b->accecn, sizeof(a->accecn[0]) * a->n_accecn) == 0;
}

static void check_options(struct rn_view bytes)
{
    struct rn_tcp_opts opts;
    struct rn_tcp_opts again;
    uint8_t out[128];
    struct rn_writer w = rn_writer_of(out, sizeof out);

    (void)rn_tcp_opts_parse(&opts, bytes);
    if (opts.n_sack > RN_TCP_SACK_MAX || opts.cookie_len > RN_TCP_COOKIE_MAX_BYTES ||
        opts.n_accecn > RN_TCP_ACCECN_MAX || opts.wscale > RN_TCP_WSCALE_MAX)
        abort();
    rn_tcp_opts_emit(&opts, &w);
    if (w.overflow || w.len % 4 != 0 || w.len != rn_tcp_opts_bytes(&opts))
        abort();
    if (!rn_tcp_opts_parse(&again, rn_view_of(out, w.len)) || !same_options(&opts, &again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_view segment = rn_view_of(data, size);
    struct rn_tcp_hdr hdr;
    uint8_t out[RN_TCP_HDR_BYTES];

    if (rn_tcp_parse(&hdr, segment, size) < 0)
        return 0;
    rn_tcp_emit(&hdr, out);
    if (hdr.hdr_len > size || memcmp(out, data, 12) != 0 || memcmp(out + 13, data + 13, 7) != 0)
        abort(); /* byte 12 has three reserved bits */
    check_options(rn_tcp_options(segment, &hdr));
    return 0;
}
