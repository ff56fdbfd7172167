#include "outnet/gate_error.h"

#include "ip/ip.h"

static enum rn_icmp_kind kind_of(enum rn_net_dgram_why why)
{
    static const enum rn_icmp_kind kinds[] = {
        [RN_NET_PORT] = RN_ICMP_PORT_UNREACH, [RN_NET_HOST] = RN_ICMP_HOST_UNREACH,
        [RN_NET_NET] = RN_ICMP_NET_UNREACH,   [RN_NET_PROHIBITED] = RN_ICMP_PROHIBITED,
        [RN_NET_TOO_BIG] = RN_ICMP_TOO_BIG,   [RN_NET_TTL] = RN_ICMP_TTL,
    };

    return kinds[why];
}

void rn_gate_pass_error(struct rn_stack *stack, const struct rn_endpoint *inner,
                        const struct rn_endpoint *to, uint8_t proto,
                        const struct rn_net_dgram_err *err)
{
    uint8_t quote[RN_IP_QUOTE_BYTES];
    size_t len = rn_ip_quote_make(inner, to, proto, quote);
    struct rn_icmp_out out = { .kind = kind_of(err->why), .arg = err->mtu };

    /* Who said so outside says so inside, unless it was this host about itself. */
    if (!rn_addr_is_none(err->offender) && !rn_addr_is_loopback(err->offender) &&
        rn_addr_is_v4(err->offender) == rn_addr_is_v4(inner->addr))
        out.from = err->offender;
    rn_icmp_send(stack, &out, rn_view_of(quote, len));
}

void rn_gate_refuse(struct rn_stack *stack, const struct rn_endpoint *inner,
                    const struct rn_endpoint *to, uint8_t proto, int err)
{
    struct rn_net_dgram_err said = { .peer = *to, .why = RN_NET_HOST };

    if (err == RN_E_NET_UNREACH)
        said.why = RN_NET_NET;
    else if (err == RN_E_NOT_PERMITTED)
        said.why = RN_NET_PROHIBITED;
    else if (err == RN_E_CONN_REFUSED)
        said.why = RN_NET_PORT;
    rn_gate_pass_error(stack, inner, to, proto, &said);
}
