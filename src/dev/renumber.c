#include "dev/renumber.h"

#include "base/checksum.h"
#include "dev/flow.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include <runnel/err.h>

#define IPV4_CHECKSUM_AT 10u
#define IPV4_SRC_AT      12u
#define IPV4_DST_AT      16u
#define IPV6_SRC_AT      8u
#define IPV6_DST_AT      24u

/* An address that is known by another name on the far side. */
struct rename {
    struct rn_addr from;
    struct rn_addr to;
};

/* What is being rewritten: the front of a packet, private to us. */
struct work {
    const struct rename *names; /* two */
    uint8_t *bytes;
    size_t len;
    uint16_t delta; /* folded sum that, added to a sum over what was rewritten, makes up for it */
};

/* New minus old in one's complement arithmetic (RFC 1624 eqn. 3 without the checksum). */
static void account(struct work *w, const uint8_t *old_bytes, const uint8_t *new_bytes, size_t n)
{
    uint16_t gone = (uint16_t)~rn_checksum(old_bytes, n, 0);
    uint16_t come = rn_checksum(new_bytes, n, 0);

    w->delta = rn_checksum_add(w->delta, rn_checksum_add(gone, come, 0), 0);
}

static void rename_at(struct work *w, size_t at, struct rn_addr addr, bool is_v4)
{
    size_t skip = is_v4 ? 12 : 0;

    for (unsigned i = 0; i < 2; i++) {
        const struct rename *name = &w->names[i];

        if (!rn_addr_eq(name->from, addr) || rn_addr_is_none(name->from))
            continue;
        account(w, w->bytes + at, name->to.b + skip, 16 - skip);
        memcpy(w->bytes + at, name->to.b + skip, 16 - skip);
        return;
    }
}

/* A complemented checksum field follows the bytes it covers. */
static void mend(uint8_t *field, uint16_t delta)
{
    rn_put_be16(field, (uint16_t)~rn_checksum_add((uint16_t)~rn_get_be16(field), delta, 0));
}

/* Renames both addresses of the IP header at @at and mends an IPv4 header's own checksum; .delta holds the change of the
 * addresses, which pseudo-headers share. */
static void rename_header(struct work *w, size_t at, const struct rn_pkt_flow *flow)
{
    w->delta = 0;
    rename_at(w, at + (flow->is_v4 ? IPV4_SRC_AT : IPV6_SRC_AT), flow->src, flow->is_v4);
    rename_at(w, at + (flow->is_v4 ? IPV4_DST_AT : IPV6_DST_AT), flow->dst, flow->is_v4);
    if (flow->is_v4)
        mend(w->bytes + at + IPV4_CHECKSUM_AT, w->delta);
}

static bool quotes_a_packet(const struct rn_pkt_flow *flow)
{
    if (!flow->has_transport)
        return false;
    if (flow->is_v4)
        return flow->proto == RN_PROTO_ICMP4 && rn_icmp4_is_error(flow->icmp_type);
    return flow->proto == RN_PROTO_ICMP6 && flow->icmp_type < RN_ICMP6_ECHO;
}

/* The quoted packet went the other way under the other names. Its IPv4 header mends itself, so that the sum over it stays;
 * IPv6 has none, and the ICMPv6 checksum must follow. The quoted transport checksum is nobody's to verify. */
static void rename_quotation(struct work *w, const struct rn_pkt_flow *outer)
{
    size_t at = (size_t)outer->l4_at + RN_ICMP4_HDR_BYTES;
    uint16_t outer_delta = w->delta;
    struct rn_pkt_flow inner;

    if (at >= w->len || !rn_flow_of_view(rn_view_of(w->bytes + at, w->len - at), &inner) ||
        inner.is_v4 != outer->is_v4)
        return;
    rename_header(w, at, &inner);
    w->delta = inner.is_v4 ? outer_delta : rn_checksum_add(w->delta, outer_delta, 0);
}

/* Where the transport checksum is that covers the addresses; 0 if there is none. */
static size_t covering_checksum_at(const struct work *w, const struct rn_pkt_flow *flow)
{
    size_t at = 0;

    if (!flow->has_transport)
        return 0;
    if (flow->proto == RN_PROTO_TCP)
        at = (size_t)flow->l4_at + RN_TCP_CHECKSUM_AT;
    else if (flow->proto == RN_PROTO_UDP)
        at = (size_t)flow->l4_at + RN_UDP_CHECKSUM_AT;
    else if (flow->proto == RN_PROTO_ICMP6 && !flow->is_v4)
        at = (size_t)flow->l4_at + RN_ICMP6_CHECKSUM_AT;
    return at + 2 <= w->len ? at : 0;
}

static void mend_transport(const struct work *w, const struct rn_pkt *pkt,
                           const struct rn_pkt_flow *flow)
{
    size_t at = covering_checksum_at(w, flow);
    uint16_t field;

    if (at == 0)
        return;
    field = rn_get_be16(w->bytes + at);
    if (pkt->csum == RN_CSUM_PARTIAL && at == (size_t)pkt->csum_start + pkt->csum_offset) {
        rn_put_be16(w->bytes + at, rn_checksum_add(field, w->delta, 0)); /* not complemented yet */
        return;
    }
    if (flow->proto == RN_PROTO_UDP && field == 0)
        return; /* none was computed */
    mend(w->bytes + at, w->delta);
    if (flow->proto == RN_PROTO_UDP && rn_get_be16(w->bytes + at) == 0)
        rn_put_be16(w->bytes + at, 0xffff);
}

static bool is_concerned(const struct rename names[2], const struct rn_pkt_flow *flow)
{
    for (unsigned i = 0; i < 2; i++) {
        if (rn_addr_is_none(names[i].from))
            continue;
        if (rn_addr_eq(names[i].from, flow->src) || rn_addr_eq(names[i].from, flow->dst))
            return true;
    }
    return false;
}

static struct rn_pkt *rewrite(const struct rename names[2], struct rn_pkt *pkt)
{
    struct work w = { .names = names, .len = rn_min_size(pkt->len, RN_PKT_HEAD_BYTES) };
    struct rn_pkt_flow flow;

    if (!rn_flow_of(pkt, RN_LINK_IP, &flow)) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return NULL;
    }
    if (!is_concerned(names, &flow) && !quotes_a_packet(&flow))
        return pkt;
    w.bytes = rn_pkt_own_front(pkt, w.len); /* all of it, so that the headers stay in one piece */
    if (w.bytes == NULL) {
        rn_pkt_drop(pkt, RN_DROP_NOMEM);
        return NULL;
    }
    rename_header(&w, 0, &flow);
    if (quotes_a_packet(&flow))
        rename_quotation(&w, &flow);
    mend_transport(&w, pkt, &flow);
    return pkt;
}

struct rn_pkt *rn_renumber_a_to_b(const struct rn_renumber *map, struct rn_pkt *pkt)
{
    const struct rename names[2] = { { map->a_own, map->a_seen }, { map->b_seen, map->b_own } };

    return rewrite(names, pkt);
}

struct rn_pkt *rn_renumber_b_to_a(const struct rn_renumber *map, struct rn_pkt *pkt)
{
    const struct rename names[2] = { { map->b_own, map->b_seen }, { map->a_seen, map->a_own } };

    return rewrite(names, pkt);
}
