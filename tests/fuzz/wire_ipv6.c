/* The IPv6 header, its extension headers and their options: same bytes again; chains end within their limits. */
#include "wire/ipv6.h"
#include "wire/ipv6_ext.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_options(struct rn_view body)
{
    struct rn_ipv6_opt_iter it = rn_ipv6_opt_iter_of(body);
    struct rn_ipv6_opt opt;

    while (rn_ipv6_opt_next(&it, &opt) > 0) {
        if (opt.at + 2u + opt.data.len > body.len || body.ptr[opt.at] != opt.type)
            abort();
    }
}

static void check_chain(uint8_t next, struct rn_view bytes)
{
    struct rn_ipv6_ext_iter it = rn_ipv6_ext_iter_of(next, bytes);
    struct rn_ipv6_ext ext;
    unsigned n = 0;

    while (rn_ipv6_ext_next(&it, &ext) > 0) {
        if (++n > RN_IPV6_EXT_MAX || it.at > RN_IPV6_EXT_MAX_BYTES ||
            it.at + it.rest.rest.len != bytes.len || ext.at + 2u + ext.body.len != it.at)
            abort();
        if (bytes.ptr[it.next_at] != it.next)
            abort();
        check_options(ext.body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_ipv6_hdr hdr;
    uint8_t out[RN_IPV6_HDR_BYTES];

    if (rn_ipv6_parse(&hdr, rn_view_of(data, size), size) < 0)
        return 0;
    rn_ipv6_emit(&hdr, out);
    if (memcmp(out, data, sizeof out) != 0 || hdr.payload_len + sizeof out > size)
        abort();
    check_chain(hdr.next, rn_view_of(data + sizeof out, hdr.payload_len));
    return 0;
}
