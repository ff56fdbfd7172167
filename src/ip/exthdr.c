#include "ip/exthdr.h"

#include "ip/state.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"
#include "wire/ipv6_ext.h"

#include <runnel/err.h>

enum { NEXT_HEADER_AT = 6 }; /* of the fixed header */

/* What the walk carries from header to header. */
struct walk {
    struct rn_nic *nic;
    struct rn_pkt *pkt;
    struct rn_ip_in *ip;
    struct rn_ipv6_ext ext;
    unsigned n_seen; /* headers before .ext */
};

/* Offset from the packet's start of the field that named the header at hand. */
static uint16_t named_at(const struct walk *w)
{
    return w->n_seen == 0 ? (uint16_t)NEXT_HEADER_AT
                          : (uint16_t)(RN_IPV6_HDR_BYTES + w->ext.next_at);
}

/* Consumes the packet; always false, for callers that end with it. */
static bool refuse(struct walk *w, enum rn_icmp6_param code, uint32_t pointer)
{
    struct rn_icmp_out out = { .kind = RN_ICMP_PARAM, .arg = pointer, .param_code = (uint8_t)code };

    rn_icmp_answer(w->nic, w->pkt, &out);
    rn_pkt_drop(w->pkt, RN_DROP_OPTION);
    return false;
}

static bool drop(struct walk *w, enum rn_drop why)
{
    rn_pkt_drop(w->pkt, why);
    return false;
}

static bool on_unknown_option(struct walk *w, const struct rn_ipv6_opt *opt)
{
    uint32_t pointer = RN_IPV6_HDR_BYTES + w->ext.at + 2u + opt->at;

    switch (rn_ipv6_opt_action(opt->type)) {
    case RN_IPV6_OPT_SKIP:
        return true;
    case RN_IPV6_OPT_DROP:
        return drop(w, RN_DROP_OPTION);
    case RN_IPV6_OPT_DROP_ICMP_UNICAST:
        if (w->ip->is_to_many)
            return drop(w, RN_DROP_OPTION);
        break;
    case RN_IPV6_OPT_DROP_ICMP:
        break;
    }
    return refuse(w, RN_ICMP6_PARAM_OPTION, pointer);
}

static bool on_options(struct walk *w)
{
    struct rn_ipv6_opt_iter it = rn_ipv6_opt_iter_of(w->ext.body);
    struct rn_ipv6_opt opt;
    int more;

    while ((more = rn_ipv6_opt_next(&it, &opt)) > 0) {
        if (opt.type != RN_IPV6_OPT_ROUTER_ALERT && !on_unknown_option(w, &opt))
            return false;
    }
    return more == 0 || drop(w, RN_DROP_MALFORMED);
}

/* No routing type is spoken; type 0 is refused whenever it still wants something (RFC 5095 §3). */
static bool on_routing(struct walk *w)
{
    if (w->ext.segments_left == 0)
        return true;
    return refuse(w, RN_ICMP6_PARAM_FIELD, RN_IPV6_HDR_BYTES + w->ext.at + 2u);
}

static size_t least_transport(uint8_t proto)
{
    switch (proto) {
    case RN_PROTO_TCP:
        return 20;
    case RN_PROTO_UDP:
    case RN_PROTO_ICMP6:
        return 8;
    default:
        return 0;
    }
}

/* RFC 7112 §5: the first fragment holds the whole chain of headers, transport included. */
static bool chain_is_whole(struct rn_ipv6_ext_iter it)
{
    struct rn_ipv6_ext ext;
    int more;

    while ((more = rn_ipv6_ext_next(&it, &ext)) > 0)
        ;
    return more == 0 && it.rest.rest.len >= least_transport(it.next);
}

/* True: an atomic fragment, processed alone whatever else has its identification (RFC 6946 §4). */
static bool on_fragment(struct walk *w, const struct rn_ipv6_ext_iter *rest)
{
    const struct rn_ipv6_frag *frag = &w->ext.frag;
    struct rn_reass_part part = {
        .src = w->ip->src,
        .dst = w->ip->dst,
        .id = frag->id,
        .off_bytes = frag->off_bytes,
        .more = frag->more,
        .proto = rest->next,
        .hdr_len = (uint16_t)(RN_IPV6_HDR_BYTES + rest->at),
        .next_at = named_at(w),
    };
    struct rn_pkt *whole;

    if (frag->off_bytes == 0 && !frag->more)
        return w->pkt->gso == RN_GSO_NONE || drop(w, RN_DROP_MALFORMED);
    if (frag->off_bytes == 0 && !chain_is_whole(*rest))
        return refuse(w, RN_ICMP6_PARAM_FIRST_FRAGMENT, 0);
    w->pkt->tos = w->ip->tos;
    whole = rn_reass_input(&rn_ip_state_of(w->nic->stack, RN_L3_V6)->reass, w->pkt, &part);
    if (whole != NULL && !rn_stack_gives_away(w->nic->stack, whole, RN_SHARE_WHOLE))
        rn_nic_deliver(w->nic, whole);
    return false;
}

static bool on_header(struct walk *w, const struct rn_ipv6_ext_iter *rest)
{
    switch (w->ext.type) {
    case RN_PROTO_HOP_BY_HOP:
        if (w->n_seen != 0)
            return refuse(w, RN_ICMP6_PARAM_NEXT_HEADER, named_at(w));
        return on_options(w);
    case RN_PROTO_DST_OPTS:
        return on_options(w);
    case RN_PROTO_ROUTING:
        return on_routing(w);
    case RN_PROTO_FRAGMENT:
        return on_fragment(w, rest);
    default: /* AH: nobody here can check it */
        return refuse(w, RN_ICMP6_PARAM_NEXT_HEADER, named_at(w));
    }
}

bool rn_exthdr_walk(struct rn_nic *nic, struct rn_pkt *pkt, struct rn_ip_in *ip, uint8_t first,
                    uint16_t *ret_l3_len)
{
    struct rn_reader r = rn_reader_of(rn_pkt_front(pkt));
    struct walk w = { .nic = nic, .pkt = pkt, .ip = ip };
    struct rn_ipv6_ext_iter it;
    int more;

    (void)rn_read_view(&r, RN_IPV6_HDR_BYTES);
    it = rn_ipv6_ext_iter_of(first, r.rest);
    while ((more = rn_ipv6_ext_next(&it, &w.ext)) > 0) {
        if (!on_header(&w, &it))
            return false;
        w.n_seen++;
    }
    if (more < 0)
        return drop(&w, RN_DROP_MALFORMED);
    ip->proto = it.next;
    *ret_l3_len = (uint16_t)(RN_IPV6_HDR_BYTES + it.at);
    return true;
}
