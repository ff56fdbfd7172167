#include "ip/arp.h"

#include "stack/neigh.h"
#include "stack/stack.h"
#include "wire/arp.h"
#include "wire/eth.h"

#include <runnel/err.h>

static void send(struct rn_nic *nic, const struct rn_arp *arp, struct rn_mac to)
{
    struct rn_pkt *pkt = rn_pkt_new(nic->stack->turn->pool);
    uint8_t *at = pkt != NULL ? rn_pkt_push(pkt, RN_ARP_BYTES) : NULL;

    if (at == NULL)
        return;
    rn_arp_emit(arp, at);
    pkt->ethertype = RN_ETHERTYPE_ARP;
    rn_nic_output_to(nic, to, pkt);
}

/* Any address of ours on the link of @target; the sender of a question must be somebody. */
static struct rn_addr asking_address(const struct rn_nic *nic, struct rn_addr target)
{
    struct rn_addr src = rn_addr_v4(0);

    if (rn_pick_source(nic, target, &src) < 0)
        return rn_addr_v4(0);
    return src;
}

void rn_arp_solicit(struct rn_nic *nic, struct rn_addr target, const struct rn_mac *to)
{
    struct rn_arp ask = {
        .op = RN_ARP_REQUEST,
        .sender_mac = nic->device->mac,
        .sender_ip = asking_address(nic, target),
        .target_ip = target,
    };

    send(nic, &ask, to != NULL ? *to : rn_mac_broadcast());
}

void rn_arp_announce(struct rn_nic *nic, struct rn_addr addr)
{
    struct rn_arp tell = {
        .op = RN_ARP_REQUEST,
        .sender_mac = nic->device->mac,
        .sender_ip = addr,
        .target_ip = addr,
    };

    if (nic->neigh[RN_L3_V4] != NULL)
        send(nic, &tell, rn_mac_broadcast());
}

static void answer(struct rn_nic *nic, const struct rn_arp *ask)
{
    struct rn_arp reply = {
        .op = RN_ARP_REPLY,
        .sender_mac = nic->device->mac,
        .sender_ip = ask->target_ip,
        .target_mac = ask->sender_mac,
        .target_ip = ask->sender_ip,
    };

    send(nic, &reply, ask->sender_mac);
}

/* RFC 826: merge always; create only when the question was for us. */
static void learn(struct rn_nic *nic, const struct rn_arp *arp, bool is_for_us)
{
    struct rn_neigh_news news = {
        .addr = arp->sender_ip,
        .mac = arp->sender_mac,
        .has_mac = true,
        .may_create = is_for_us && arp->op == RN_ARP_REQUEST,
        .is_solicited = is_for_us && arp->op == RN_ARP_REPLY,
        .may_override = true,
    };

    rn_neigh_learn(nic->neigh[RN_L3_V4], &news);
}

void rn_arp_input(struct rn_nic *nic, struct rn_pkt *pkt)
{
    struct rn_arp arp;
    bool is_for_us;

    if (rn_arp_parse(&arp, rn_pkt_front(pkt)) < 0 || rn_mac_is_group(arp.sender_mac) ||
        rn_mac_is_zero(arp.sender_mac) || rn_addr_is_multicast(arp.sender_ip) ||
        rn_nic_is_broadcast(nic, arp.sender_ip) || rn_addr_is_loopback(arp.sender_ip)) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    /* A spoof, a loop or a duplicate: what we own is not learned from others. */
    if (rn_nic_find_addr(nic, arp.sender_ip) != NULL) {
        rn_pkt_drop(pkt, RN_DROP_DUP_ADDRESS);
        return;
    }
    is_for_us = rn_nic_find_addr(nic, arp.target_ip) != NULL && !rn_addr_is_loopback(arp.target_ip);
    if (!rn_addr_is_any(arp.sender_ip)) /* an RFC 5227 probe tells no address */
        learn(nic, &arp, is_for_us);
    if (!is_for_us) {
        rn_pkt_drop(pkt, RN_DROP_ARP_IGNORED);
        return;
    }
    if (arp.op == RN_ARP_REQUEST)
        answer(nic, &arp);
    rn_pkt_free(pkt);
}
