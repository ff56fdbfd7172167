#include "discovery/ask_filter_run.h"

#include "discovery/ask_route.h"
#include "host/proc.h"

#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/rtnetlink.h>

#define PRIORITY_DSTNAT    (-100) /* NF_IP_PRI_NAT_DST */
#define PRIORITY_CONNTRACK (-200) /* NF_IP_PRI_CONNTRACK */

/* A chain of nf_tables, or a table of iptables-legacy, that is asked at the hook. */
struct base {
    const struct rn_nft_chain *nft; /* NULL: legacy */
    struct rn_view legacy;
    int32_t priority;
};

struct bases {
    struct base *of;
    size_t n;
};

/* ---- what is known of the packet ---- */

uint8_t rn_filter_addr_type(const struct rn_map_netns *netns, struct rn_addr addr)
{
    if (rn_addr_is_none(addr) || rn_addr_is_multicast(addr) || rn_addr_is_broadcast(addr))
        return 0;
    if (rn_addr_is_loopback(addr) || rn_model_link_with_addr(netns, addr) != NULL)
        return RTN_LOCAL;
    return RTN_UNICAST;
}

bool rn_filter_is_untracked_yet(const struct rn_filter_run *run)
{
    const struct rn_filter_packet *p = run->packet;

    return run->priority < PRIORITY_CONNTRACK && p->layer == RN_FILTER_IP &&
           (p->hook == RN_FILTER_PREROUTING || p->hook == RN_FILTER_OUTPUT);
}

/* Only the plain case: one way, known for sure, in a network that the packet came into. */
enum rn_fit rn_filter_way_back(const struct rn_filter_packet *p)
{
    struct rn_route_answer a;

    if (rn_addr_is_none(p->from) || p->iif == NULL || p->iif->master != NULL ||
        rn_addr_is_loopback(p->from) || rn_addr_is_link_local(p->from))
        return RN_FIT_MAYBE;
    a = rn_route_choose(&(struct rn_route_query){ .netns = p->netns, .to = p->from });
    if (a.is_in_doubt || (a.route != NULL && a.route->n_hops != 0))
        return RN_FIT_MAYBE;
    return !a.is_refused && a.route != NULL && a.route->type == RTN_UNICAST &&
                   a.route->link == p->iif
               ? RN_FIT_YES
               : RN_FIT_NO;
}

bool rn_filter_decide(struct rn_filter_run *run, enum rn_outcome outcome, enum rn_fit fit,
                      const char *rule)
{
    if (fit == RN_FIT_YES) {
        run->decided = outcome != RN_RETURNED ? rule : run->decided;
        return true;
    }
    if (outcome == RN_RETURNED)
        run->may_return = true;
    else if (outcome == RN_DROPPED)
        run->may_drop = run->may_drop != NULL ? run->may_drop : rule;
    else
        run->may_accept = run->may_accept != NULL ? run->may_accept : rule;
    return false;
}

/* ---- hooks ---- */

static bool is_asked_of_ip(const struct rn_nft_chain *c, const struct rn_filter_packet *p)
{
    uint8_t family = rn_addr_is_v4(p->to) ? NFPROTO_IPV4 : NFPROTO_IPV6;

    if (rn_view_is(c->type, "nat") || c->hook != (uint32_t)p->hook ||
        (c->id.family != family && c->id.family != NFPROTO_INET))
        return false;
    return p->hook != RN_FILTER_PREROUTING || p->is_before_nat == (c->priority < PRIORITY_DSTNAT);
}

static bool is_asked_of_device(const struct rn_nft_chain *c, const struct rn_filter_packet *p)
{
    bool is_in = p->layer == RN_FILTER_INGRESS;
    const struct rn_map_link *link = is_in ? p->iif : p->oif;

    if (c->id.family == NFPROTO_NETDEV)
        return c->hook == (is_in ? NF_NETDEV_INGRESS : NF_NETDEV_EGRESS) &&
               rn_nft_chain_has_device(c, link->name);
    if (p->is_question && rn_addr_is_v4(p->to))
        return false;
    return is_in && c->id.family == NFPROTO_INET && c->hook == NF_INET_INGRESS &&
           rn_nft_chain_has_device(c, link->name);
}

static bool is_asked(const struct rn_nft_chain *c, const struct rn_filter_packet *p)
{
    if (!c->is_base)
        return false;
    switch (p->layer) {
    case RN_FILTER_IP:
        return is_asked_of_ip(c, p);
    case RN_FILTER_BRIDGE:
        return c->id.family == NFPROTO_BRIDGE && c->hook == (uint32_t)p->hook;
    case RN_FILTER_ARP:
        return c->id.family == NFPROTO_ARP &&
               c->hook == (p->hook == RN_FILTER_INPUT ? NF_ARP_IN : NF_ARP_OUT);
    case RN_FILTER_INGRESS:
    case RN_FILTER_EGRESS:
        return is_asked_of_device(c, p);
    }
    return false;
}

/* By priority; what has the same stays as it came. */
static void add_base(struct rn_arena *arena, struct bases *bases, const struct base *base)
{
    struct base *grown = rn_arena_room(arena, bases->of, bases->n, sizeof(*grown));
    size_t at = bases->n;

    if (grown == NULL)
        return;
    bases->of = grown;
    bases->n++;
    for (; at != 0 && grown[at - 1].priority > base->priority; at--)
        grown[at] = grown[at - 1];
    grown[at] = *base;
}

static struct bases find_bases(struct rn_filter_run *run)
{
    const struct rn_map_netns *ns = run->packet->netns;
    struct bases bases = { 0 };

    for (size_t i = 0; run->rules != NULL && i < run->rules->n_chains; i++) {
        const struct rn_nft_chain *c = &run->rules->chains[i];

        if (is_asked(c, run->packet))
            add_base(run->arena, &bases, &(struct base){ .nft = c, .priority = c->priority });
    }
    for (size_t i = 0; i < ns->n_old_tables; i++) {
        struct base base = { .legacy = ns->old_tables[i].bytes };

        if (ns->old_tables[i].family == rn_addr_family(run->packet->to) &&
            rn_filter_legacy_hooks(base.legacy, run->packet, &base.priority) &&
            (run->packet->hook != RN_FILTER_PREROUTING ||
             run->packet->is_before_nat == (base.priority < PRIORITY_DSTNAT)))
            add_base(run->arena, &bases, &base);
    }
    return bases;
}

static enum rn_outcome ask_base(struct rn_filter_run *run, const struct base *base)
{
    run->may_accept = NULL;
    run->may_return = false;
    run->priority = base->priority;
    run->is_inet = base->nft != NULL && base->nft->id.family == NFPROTO_INET;
    return base->nft != NULL ? rn_filter_nft_ask(run, base->nft)
                             : rn_filter_legacy_ask(run, base->legacy);
}

struct rn_filter_answer rn_filter_ask(struct rn_arena *arena, const struct rn_filter_packet *packet)
{
    struct rn_filter_run run = { .arena = arena,
                                 .packet = packet,
                                 .rules = packet->netns->ruleset };
    struct rn_filter_answer answer = { .rule = "" };
    struct bases bases = find_bases(&run);

    if (packet->marks != NULL)
        run.marks = *packet->marks;
    answer.n_chains = bases.n;
    for (size_t i = 0; i < bases.n; i++) {
        if (ask_base(&run, &bases.of[i]) != RN_DROPPED)
            continue;
        answer.verdict = run.may_accept == NULL ? RN_FILTER_DROP : RN_FILTER_DOUBT;
        answer.rule = run.may_accept == NULL ? run.decided : run.may_accept;
        return answer;
    }
    if (packet->marks != NULL)
        *packet->marks = run.marks;
    answer.verdict = run.may_drop != NULL ? RN_FILTER_DOUBT : RN_FILTER_PASS;
    answer.rule = run.may_drop != NULL ? run.may_drop : run.decided != NULL ? run.decided : "";
    return answer;
}
