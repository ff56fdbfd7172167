#include "ip/nd.h"

#include "base/checksum.h"
#include "ip/dad.h"
#include "stack/neigh.h"
#include "wire/eth.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"
#include "wire/ndp.h"
#include "wire/ndp_opts.h"

#include <runnel/err.h>

#define MSG_MAX_BYTES 64u /* NS or NA with one link-layer option */

struct envelope {
    struct rn_addr src;
    struct rn_addr dst;
    struct rn_mac to;
};

/* Not through rn_ip_output: what finds neighbours must not need one. */
static void send(struct rn_nic *nic, const struct envelope *env, const struct rn_writer *msg)
{
    struct rn_pkt *pkt = rn_pkt_new(nic->stack->turn->pool);
    uint8_t *at = pkt != NULL && !msg->overflow ? rn_pkt_push(pkt, msg->len) : NULL;
    struct rn_ipv6_hdr hdr = { .src = env->src,
                               .dst = env->dst,
                               .next = RN_PROTO_ICMP6,
                               .hop_limit = RN_NDP_HOP_LIMIT,
                               .payload_len = rn_sat_u16(msg->len) };
    uint16_t sum;

    if (at == NULL) {
        rn_pkt_free(pkt);
        return;
    }
    memcpy(at, msg->start, msg->len);
    sum = rn_checksum_pseudo(env->src, env->dst, RN_PROTO_ICMP6, pkt->len);
    rn_put_be16(at + RN_ICMP6_CHECKSUM_AT, (uint16_t)~rn_checksum(at, msg->len, sum));
    at = rn_pkt_push(pkt, RN_IPV6_HDR_BYTES);
    rn_ipv6_emit(&hdr, at);
    pkt->ethertype = RN_ETHERTYPE_IPV6;
    pkt->l4_proto = RN_PROTO_ICMP6;
    rn_nic_output_to(nic, env->to, pkt);
}

void rn_nd_solicit(struct rn_nic *nic, struct rn_addr target, const struct rn_mac *to)
{
    uint8_t bytes[MSG_MAX_BYTES];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));
    struct rn_ndp_ns ns = { .target = target };
    struct envelope env = { .dst = to != NULL ? target : rn_ndp_solicited_node(target) };

    if (rn_pick_source(nic, target, &env.src) < 0)
        return;
    env.to = to != NULL ? *to : rn_mac_of_group(env.dst);
    rn_ndp_ns_emit(&ns, &w);
    rn_ndp_opt_lla_emit(RN_NDP_OPT_SOURCE_LLA, nic->device->mac, &w);
    send(nic, &env, &w);
}

void rn_nd_probe(struct rn_nic *nic, struct rn_addr addr)
{
    uint8_t bytes[MSG_MAX_BYTES];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));
    struct rn_ndp_ns ns = { .target = addr };
    struct envelope env = { .dst = rn_ndp_solicited_node(addr) };

    env.to = rn_mac_of_group(env.dst);
    rn_ndp_ns_emit(&ns, &w);
    send(nic, &env, &w);
}

/* RFC 4861 §7.2.4; to an asker without an address it goes to everybody. */
static void advertise(struct rn_nic *nic, struct rn_addr target, struct rn_addr asker,
                      const struct rn_mac *to)
{
    static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
    uint8_t bytes[MSG_MAX_BYTES];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));
    bool has_asker = !rn_addr_is_any(asker);
    struct rn_ndp_na na = { .target = target,
                            .is_router = nic->stack->opts.is_forwarding,
                            .is_solicited = has_asker,
                            .may_override = true };
    struct envelope env = { .src = target, .dst = has_asker ? asker : rn_addr_v6(all_nodes) };

    env.to = has_asker && to != NULL ? *to : rn_mac_of_group(env.dst);
    rn_ndp_na_emit(&na, &w);
    rn_ndp_opt_lla_emit(RN_NDP_OPT_TARGET_LLA, nic->device->mac, &w);
    send(nic, &env, &w);
}

/* The link-layer option of @type. False: none, or one that is nobody's address. */
static bool find_lla(struct rn_view options, enum rn_ndp_opt_type type, struct rn_mac *mac)
{
    struct rn_reader r = rn_reader_of(options);
    struct rn_ndp_opt opt;

    while (rn_ndp_opt_next(&r, &opt) > 0) {
        if (opt.type == type) {
            *mac = opt.lla;
            return !rn_mac_is_group(opt.lla) && !rn_mac_is_zero(opt.lla);
        }
    }
    return false;
}

/* RFC 4861 §7.2.3. False: invalid. */
static bool on_solicit(struct rn_nic *nic, struct rn_view msg, const struct rn_ip_in *ip)
{
    struct rn_neigh_news news = { .addr = ip->src, .may_create = true, .may_override = true };
    bool is_probe = rn_addr_is_any(ip->src);
    struct rn_nic_addr *own;
    struct rn_view options;
    struct rn_ndp_ns ns;

    if (rn_ndp_ns_parse(&ns, &options, msg) < 0)
        return false;
    news.has_mac = find_lla(options, RN_NDP_OPT_SOURCE_LLA, &news.mac);
    /* §7.1.1: who has no address yet asks the group, without a link-layer option. */
    if (is_probe && (news.has_mac || !rn_addr_eq(ip->dst, rn_ndp_solicited_node(ns.target))))
        return false;
    own = rn_nic_find_addr(nic, ns.target);
    if (own == NULL)
        return true;
    if (own->state == RN_ADDR_TENTATIVE) { /* RFC 4862 §5.4.3 */
        if (is_probe)
            rn_dad_fail(own);
        return true;
    }
    if (!is_probe)
        rn_neigh_learn(nic->neigh[RN_L3_V6], &news);
    if (news.has_mac || is_probe) {
        advertise(nic, ns.target, ip->src, &news.mac);
    } else {
        const struct rn_neigh *asker = rn_neigh_find(nic->neigh[RN_L3_V6], ip->src);

        /* Without the option we must have known each other; else there is nobody to send to. */
        if (asker != NULL && !rn_mac_is_zero(asker->mac))
            advertise(nic, ns.target, ip->src, &asker->mac);
    }
    return true;
}

/* RFC 4861 §7.2.5. False: invalid. */
static bool on_advert(struct rn_nic *nic, struct rn_view msg, const struct rn_ip_in *ip)
{
    struct rn_neigh_news news = { 0 };
    struct rn_nic_addr *own;
    struct rn_view options;
    struct rn_ndp_na na;

    if (rn_ndp_na_parse(&na, &options, msg) < 0)
        return false;
    if (ip->is_to_many && na.is_solicited)
        return false;
    own = rn_nic_find_addr(nic, na.target);
    if (own != NULL) {
        if (own->state == RN_ADDR_TENTATIVE)
            rn_dad_fail(own);
        else
            nic->stack->drops.n[RN_DROP_DUP_ADDRESS]++;
        return true;
    }
    news.addr = na.target;
    news.has_mac = find_lla(options, RN_NDP_OPT_TARGET_LLA, &news.mac);
    news.is_solicited = na.is_solicited;
    news.may_override = na.may_override;
    news.is_router = na.is_router;
    rn_neigh_learn(nic->neigh[RN_L3_V6], &news);
    return true;
}

void rn_nd_input(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip, uint8_t type)
{
    struct rn_view msg = rn_pkt_front(pkt);
    bool is_valid = ip->ttl == RN_NDP_HOP_LIMIT && msg.len == pkt->len;

    if (nic->neigh[RN_L3_V6] == NULL || (pkt->flags & RN_PKT_LOOPED) != 0) {
        rn_pkt_drop(pkt, RN_DROP_UNKNOWN_ICMP); /* links without addresses have no such talk */
        return;
    }
    if (is_valid && type == RN_ICMP6_NEIGH_SOLICIT)
        is_valid = on_solicit(nic, msg, ip);
    else if (is_valid && type == RN_ICMP6_NEIGH_ADVERT)
        is_valid = on_advert(nic, msg, ip);
    /* Router solicitations want a router; advertisements and redirects are not believed. */
    if (is_valid)
        rn_pkt_free(pkt);
    else
        rn_pkt_drop(pkt, RN_DROP_ND_INVALID);
}
