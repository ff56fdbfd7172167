#include "discovery/ask_route.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

enum fit { NO, YES, UNKNOWN };

static enum fit both(enum fit a, enum fit b)
{
    if (a == NO || b == NO)
        return NO;
    return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : YES;
}

/* An address not chosen yet is zero to the kernel, and fits no selector but "all". */
static enum fit prefix_fits(const struct rn_prefix *p, struct rn_addr a)
{
    if (p->bits == 0)
        return YES;
    return !rn_addr_is_none(a) && rn_prefix_contains(p, a) ? YES : NO;
}

static enum fit name_fits(const char *name, const struct rn_map_link *link, const char *otherwise)
{
    if (name[0] == '\0')
        return YES;
    return strcmp(name, link != NULL ? link->name : otherwise) == 0 ? YES : NO;
}

static enum fit port_fits(const struct rn_map_rule *rule, const struct rn_route_query *q)
{
    enum fit fit = YES;

    if (rule->dport_to != 0)
        fit = q->port == 0                                               ? UNKNOWN
              : q->port >= rule->dport_from && q->port <= rule->dport_to ? YES
                                                                         : NO;
    if (rule->ip_proto != 0)
        fit = both(fit, q->ip_proto == 0 ? UNKNOWN : q->ip_proto == rule->ip_proto ? YES : NO);
    if (rule->sport_to != 0)
        fit = both(fit, UNKNOWN);
    return fit;
}

/* The VRF whose port, or itself, the packet came in through or is bound to; NULL: none. */
static const struct rn_map_link *vrf_of(const struct rn_route_query *q)
{
    const struct rn_map_link *link = q->oif != NULL ? q->oif : q->iif;

    if (link != NULL && link->kind != RN_KIND_VRF)
        link = link->master;
    return link != NULL && link->kind == RN_KIND_VRF ? link : NULL;
}

/* A rule for VRFs leads to the table of the one at hand. */
static enum fit vrf_fits(const struct rn_map_rule *rule, const struct rn_route_query *q)
{
    return rule->l3mdev == 0 || vrf_of(q) != NULL ? YES : NO;
}

static uint32_t table_of(const struct rn_map_rule *rule, const struct rn_route_query *q)
{
    return rule->l3mdev != 0 ? vrf_of(q)->vrf_table : rule->table;
}

static enum fit mark_fits(const struct rn_map_rule *rule, const struct rn_route_query *q)
{
    uint32_t mask = rule->fwmark != 0 && rule->fwmask == 0 ? UINT32_MAX : rule->fwmask;

    if (mask == 0)
        return YES;
    if (q->is_mark_unknown)
        return UNKNOWN;
    return ((q->mark ^ rule->fwmark) & mask) == 0 ? YES : NO;
}

/* Packets are taken to carry no type of service and no tunnel's number: that is how programs send them. */
static enum fit rule_fits(const struct rn_map_rule *rule, const struct rn_route_query *q)
{
    enum fit fit = both(prefix_fits(&rule->dst, q->to), prefix_fits(&rule->src, q->from));

    fit = both(fit, name_fits(rule->iif, q->iif, "lo"));
    fit = both(fit, name_fits(rule->oif, q->oif, ""));
    fit = both(fit, port_fits(rule, q));
    fit = both(fit, vrf_fits(rule, q));
    fit = both(fit, mark_fits(rule, q));
    if (rule->tos != 0 || rule->tun_id != 0)
        fit = NO;
    if (rule->has_uid_range && !(rule->uid_from == 0 && rule->uid_to >= UINT32_MAX - 1))
        fit = both(fit, UNKNOWN);
    if (rule->is_inverted && fit != UNKNOWN)
        fit = fit == YES ? NO : YES;
    return fit;
}

static bool leads_through(const struct rn_map_route *r, const struct rn_map_link *oif)
{
    if (oif == NULL || r->link == oif)
        return true;
    for (size_t i = 0; i < r->n_hops; i++) {
        if (r->hops[i].link == oif)
            return true;
    }
    return false;
}

static bool is_better(const struct rn_map_route *r, const struct rn_map_route *best)
{
    if (best == NULL || r->dst.bits != best->dst.bits)
        return best == NULL || r->dst.bits > best->dst.bits;
    return r->priority < best->priority;
}

static const struct rn_map_route *best_in_table(const struct rn_route_query *q, uint32_t table)
{
    uint8_t family = (uint8_t)rn_addr_family(q->to);
    const struct rn_map_route *best = NULL;

    for (size_t i = 0; i < q->netns->n_routes; i++) {
        const struct rn_map_route *r = &q->netns->routes[i];

        if (r->table != table || r->family != family || r->tos != 0 || !leads_through(r, q->oif))
            continue;
        if (r->src.bits != 0 && prefix_fits(&r->src, q->from) != YES)
            continue;
        if (rn_prefix_contains(&r->dst, q->to) && is_better(r, best))
            best = r;
    }
    return best;
}

static bool is_suppressed(const struct rn_map_rule *rule, const struct rn_map_route *route)
{
    if (rule->suppress_prefix_bits >= 0 && route->dst.bits <= rule->suppress_prefix_bits)
        return true;
    return rule->has_suppress_group && route->link != NULL &&
           route->link->group == rule->suppress_group;
}

static bool refuses(const struct rn_map_rule *rule)
{
    return rule->action == FR_ACT_BLACKHOLE || rule->action == FR_ACT_UNREACHABLE ||
           rule->action == FR_ACT_PROHIBIT;
}

struct rn_route_answer rn_route_choose(const struct rn_route_query *q)
{
    uint8_t family = (uint8_t)rn_addr_family(q->to);
    uint32_t from_priority = 0;

    for (size_t i = 0; i < q->netns->n_rules; i++) {
        const struct rn_map_rule *rule = &q->netns->rules[i];
        struct rn_route_answer answer = { .rule = rule };
        enum fit fit;

        if (rule->family != family || rule->priority < from_priority)
            continue;
        fit = rule_fits(rule, q);
        if (fit == NO)
            continue;
        answer.is_in_doubt = fit == UNKNOWN;
        answer.is_refused = refuses(rule);
        if (answer.is_in_doubt || answer.is_refused)
            return answer;
        if (rule->action == FR_ACT_GOTO)
            from_priority = rule->goto_priority;
        if (rule->action != FR_ACT_TO_TBL)
            continue;
        answer.route = best_in_table(q, table_of(rule, q));
        if (answer.route != NULL && answer.route->type != RTN_THROW &&
            !is_suppressed(rule, answer.route))
            return answer;
    }
    return (struct rn_route_answer){ 0 };
}
