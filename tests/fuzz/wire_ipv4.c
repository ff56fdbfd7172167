/* The IPv4 header with its options: what parses is emitted to a header that says the same; options end. */
#include "wire/ipv4.h"
#include "wire/ipv4_opts.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_option(const struct rn_ipv4_opt *opt)
{
    struct rn_ipv4_opt_route route;
    struct rn_ipv4_opt_ts ts;
    uint16_t alert;

    if (rn_ipv4_opt_route_parse(&route, opt) == RN_OK && !route.is_full &&
        route.pointer - 4u + 4 > route.slots.len)
        abort();
    if (rn_ipv4_opt_ts_parse(&ts, opt) == RN_OK && !ts.is_full &&
        ts.pointer - 5u + 4 > ts.slots.len)
        abort();
    if (rn_ipv4_opt_alert_parse(&alert, opt) == RN_OK && opt->data.len != 2)
        abort();
}

static void check_options(struct rn_view options)
{
    struct rn_ipv4_opt_iter it = rn_ipv4_opt_iter_of(options);
    struct rn_ipv4_opt opt;
    unsigned n = 0;

    while (rn_ipv4_opt_next(&it, &opt) > 0) {
        if (++n > RN_IPV4_OPTS_MAX_BYTES / 2 || opt.at + 2 + opt.data.len > options.len)
            abort();
        check_option(&opt);
    }
}

static void check_emitted(const struct rn_ipv4_hdr *hdr, struct rn_view options)
{
    uint8_t out[RN_IPV4_HDR_MAX_BYTES];
    struct rn_ipv4_hdr again;
    int len = rn_ipv4_emit_options(hdr, options, out, sizeof out);

    if (len != hdr->hdr_len || !rn_ipv4_checksum_ok(rn_view_of(out, (size_t)len), (size_t)len))
        abort();
    if (rn_ipv4_parse(&again, rn_view_of(out, (size_t)len), RN_IPV4_TOTAL_MAX) < 0)
        abort();
    again.checksum = hdr->checksum; /* the emitter's is right, the input's need not be */
    if (!rn_addr_eq(again.src, hdr->src) || !rn_addr_eq(again.dst, hdr->dst) ||
        again.total_len != hdr->total_len || again.id != hdr->id || again.tos != hdr->tos ||
        again.frag_off_bytes != hdr->frag_off_bytes || again.ttl != hdr->ttl ||
        again.proto != hdr->proto || again.dont_fragment != hdr->dont_fragment ||
        again.more_fragments != hdr->more_fragments)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_view front = rn_view_of(data, size);
    struct rn_ipv4_hdr hdr;

    if (rn_ipv4_parse(&hdr, front, size) < 0)
        return 0;
    if (hdr.hdr_len > size || hdr.total_len > size || hdr.total_len < hdr.hdr_len)
        abort();
    check_emitted(&hdr, rn_ipv4_options(front, &hdr));
    check_options(rn_ipv4_options(front, &hdr));
    return 0;
}
