/* ICMP of both families and the packets their errors quote. The first byte chooses the family. */
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/quote.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quote(const struct rn_quote *quote, struct rn_view packet)
{
    if (quote->transport.len > packet.len)
        abort();
    if (quote->has_transport && quote->transport.len < RN_QUOTE_TRANSPORT_BYTES)
        abort();
    if (quote->is_later_fragment && quote->has_transport)
        abort();
}

/* Fields that a type does not use are not kept, so bytes are compared after a second round. */
static void check_icmp4(struct rn_view msg)
{
    struct rn_icmp4_hdr hdr;
    struct rn_view payload;
    struct rn_quote quote;
    uint8_t once[RN_ICMP4_HDR_BYTES];
    uint8_t twice[RN_ICMP4_HDR_BYTES];

    if (rn_icmp4_parse(&hdr, &payload, msg) < 0)
        return;
    if (rn_quote_parse4(&quote, payload) == RN_OK)
        check_quote(&quote, payload);
    rn_icmp4_emit(&hdr, once);
    if (rn_icmp4_parse(&hdr, &payload, rn_view_of(once, sizeof once)) < 0)
        abort();
    rn_icmp4_emit(&hdr, twice);
    if (memcmp(once, twice, sizeof once) != 0 || memcmp(once, msg.ptr, 4) != 0)
        abort();
}

static void check_icmp6(struct rn_view msg)
{
    struct rn_icmp6_hdr hdr;
    struct rn_view payload;
    struct rn_quote quote;
    uint8_t once[RN_ICMP6_HDR_BYTES];
    uint8_t twice[RN_ICMP6_HDR_BYTES];

    if (rn_icmp6_parse(&hdr, &payload, msg) < 0)
        return;
    if (rn_quote_parse6(&quote, payload) == RN_OK)
        check_quote(&quote, payload);
    rn_icmp6_emit(&hdr, once);
    if (rn_icmp6_parse(&hdr, &payload, rn_view_of(once, sizeof once)) < 0)
        abort();
    rn_icmp6_emit(&hdr, twice);
    if (memcmp(once, twice, sizeof once) != 0 || memcmp(once, msg.ptr, 4) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 4)
        check_icmp4(rn_view_of(data + 1, size - 1));
    else
        check_icmp6(rn_view_of(data + 1, size - 1));
    return 0;
}
