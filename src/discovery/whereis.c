#include "discovery/whereis.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#define SEGMENT_LINKS_MAX 4096u

/* ---- routes ---- */

/* Longest prefix first, then the least metric (the kernel's order within a table). */
static bool is_better(const struct rn_map_route *r, const struct rn_map_route *best)
{
    if (best == NULL || r->dst.bits != best->dst.bits)
        return best == NULL || r->dst.bits > best->dst.bits;
    return r->priority < best->priority;
}

static const struct rn_map_route *best_in_table(const struct rn_map_netns *ns, uint32_t table,
                                                struct rn_addr addr)
{
    uint8_t family = (uint8_t)rn_addr_family(addr);
    const struct rn_map_route *best = NULL;

    for (size_t i = 0; i < ns->n_routes; i++) {
        const struct rn_map_route *r = &ns->routes[i];

        if (r->table != table || r->family != family || r->tos != 0 || r->src.bits != 0)
            continue;
        if (rn_prefix_contains(&r->dst, addr) && is_better(r, best))
            best = r;
    }
    return best;
}

/* A rule that looks at anything but the destination may or may not apply to the packet in question. */
static bool asks_for_more(const struct rn_map_rule *r)
{
    return r->src.bits != 0 || r->iif[0] != '\0' || r->oif[0] != '\0' || r->fwmark != 0 ||
           r->fwmask != 0 || r->tos != 0 || r->ip_proto != 0 || r->has_uid_range ||
           r->sport_from != 0 || r->dport_from != 0 || r->is_inverted || r->l3mdev != 0;
}

static bool is_suppressed(const struct rn_map_rule *rule, const struct rn_map_route *route)
{
    return rule->suppress_prefix_bits >= 0 && route->dst.bits <= rule->suppress_prefix_bits;
}

const struct rn_map_route *rn_map_route_for(const struct rn_map_netns *netns, struct rn_addr addr)
{
    uint8_t family = (uint8_t)rn_addr_family(addr);

    for (size_t i = 0; i < netns->n_rules; i++) {
        const struct rn_map_rule *rule = &netns->rules[i];
        const struct rn_map_route *route;

        if (rule->family != family || rule->action != FR_ACT_TO_TBL || asks_for_more(rule))
            continue;
        if (rule->dst.bits != 0 && !rn_prefix_contains(&rule->dst, addr))
            continue;
        route = best_in_table(netns, rule->table, addr);
        if (route != NULL && route->type != RTN_THROW && !is_suppressed(rule, route))
            return route;
    }
    return NULL;
}

/* ---- segments: what is joined on layer 2 ---- */

/* Links are visited in the order they were met: the list of those seen is the queue as well. */
struct segment {
    struct rn_map_link *seen[SEGMENT_LINKS_MAX];
    size_t n_seen;
};

static bool has_addr(const struct rn_map_link *link, struct rn_addr addr)
{
    const struct rn_map_netns *ns = link->netns;

    for (size_t i = 0; i < ns->n_addrs; i++) {
        if (ns->addrs[i].link == link && rn_addr_eq(ns->addrs[i].addr, addr))
            return true;
    }
    return false;
}

static void meet(struct segment *s, struct rn_map_link *link)
{
    if (link == NULL || s->n_seen == SEGMENT_LINKS_MAX)
        return;
    for (size_t i = 0; i < s->n_seen; i++) {
        if (s->seen[i] == link)
            return;
    }
    s->seen[s->n_seen++] = link;
}

static bool is_on_lower(const struct rn_map_link *link)
{
    return link->kind == RN_KIND_MACVLAN || link->kind == RN_KIND_MACVTAP ||
           link->kind == RN_KIND_IPVLAN || link->kind == RN_KIND_IPVTAP;
}

static bool has_ports(const struct rn_map_link *link)
{
    return link->kind == RN_KIND_BRIDGE || link->kind == RN_KIND_BOND || link->kind == RN_KIND_TEAM;
}

/* Whatever @link hears, its neighbours on the wire, in the bridge and on the same lower link hear too. macvlan and
 * ipvlan share their lower link's segment; a vlan does not, since it hears tagged frames only. */
static void meet_neighbours(struct segment *s, const struct rn_map_link *link)
{
    meet(s, link->peer);
    if (link->master != NULL && link->master->kind != RN_KIND_VRF)
        meet(s, link->master);
    for (size_t i = 0; has_ports(link) && i < link->n_ports; i++)
        meet(s, link->ports[i]);
    if (is_on_lower(link))
        meet(s, link->lower);
    for (size_t i = 0; i < link->n_uppers; i++) {
        if (is_on_lower(link->uppers[i]))
            meet(s, link->uppers[i]);
    }
}

struct rn_map_link *rn_map_link_on_segment(struct rn_map_link *bridge, struct rn_addr addr)
{
    struct segment s = { .n_seen = 0 };

    meet(&s, bridge);
    for (size_t i = 0; i < s.n_seen; i++) {
        if (has_addr(s.seen[i], addr))
            return s.seen[i];
        meet_neighbours(&s, s.seen[i]);
    }
    return NULL;
}

/* ---- the way ---- */

static const char *why_not(const struct rn_map_route *route)
{
    switch (route->type) {
    case RTN_BLACKHOLE:
        return "cannot tell: a blackhole route swallows it";
    case RTN_UNREACHABLE:
        return "cannot tell: an unreachable route refuses it";
    case RTN_PROHIBIT:
        return "cannot tell: a prohibit route refuses it";
    case RTN_MULTICAST:
    case RTN_BROADCAST:
        return "cannot tell: it is for everybody";
    default:
        return NULL;
    }
}

/* An address on lo with a shorter prefix makes the whole prefix local: 127.0.0.0/8. */
static struct rn_map_link *local_link(const struct rn_map_netns *ns, struct rn_addr addr)
{
    struct rn_map_link *link = rn_model_link_with_addr(ns, addr);

    for (size_t i = 0; link == NULL && i < ns->n_addrs; i++) {
        const struct rn_map_addr *a = &ns->addrs[i];
        struct rn_prefix p = rn_prefix_of(a->addr, a->prefix_bits);

        if (a->link != NULL && a->link->kind == RN_KIND_LOOPBACK &&
            p.is_v4 == rn_addr_is_v4(addr) && rn_prefix_contains(&p, addr))
            link = a->link;
    }
    return link;
}

static struct rn_map_step *add_step(struct rn_map_way *way, struct rn_map_netns *ns)
{
    struct rn_map_step *step = &way->steps[way->n_steps++];

    *step = (struct rn_map_step){ .netns = ns };
    return step;
}

/* Ways of equal cost are as good as each other: the first whose next hop answers is followed. */
static struct rn_map_link *answer_on(struct rn_map_step *step, const struct rn_map_route *route,
                                     struct rn_addr addr)
{
    struct rn_map_link *found;

    for (size_t i = 0; i < route->n_hops; i++) {
        const struct rn_map_hop *h = &route->hops[i];

        step->link = h->link;
        step->next_hop = rn_addr_is_none(h->gateway) ? addr : h->gateway;
        found = h->link != NULL ? rn_map_link_on_segment(h->link, step->next_hop) : NULL;
        if (found != NULL)
            return found;
    }
    if (route->n_hops != 0)
        return NULL;
    step->link = route->link;
    step->next_hop = rn_addr_is_none(route->gateway) ? addr : route->gateway;
    return route->link != NULL ? rn_map_link_on_segment(route->link, step->next_hop) : NULL;
}

/* One namespace's part. Returns where to go on; NULL when the way ends here, one way or the other. */
static struct rn_map_netns *take_step(struct rn_map_way *way, struct rn_map_netns *ns,
                                      struct rn_addr addr)
{
    struct rn_map_step *step = add_step(way, ns);
    struct rn_map_link *found = local_link(ns, addr);

    step->next_hop = addr;
    if (found != NULL) {
        step->link = found;
        way->end = (struct rn_map_place){ .netns = ns, .link = found, .why = "" };
        return NULL;
    }
    if (!ns->is_entered) {
        way->end.why = "cannot tell: the namespace could not be read";
        return NULL;
    }
    step->route = rn_map_route_for(ns, addr);
    if (step->route == NULL) {
        way->end.why = "cannot tell: no route";
        return NULL;
    }
    way->end.why = why_not(step->route);
    if (way->end.why != NULL)
        return NULL;
    found = answer_on(step, step->route, addr);
    way->end.why = "cannot tell: nobody known has the next hop's address on that link";
    return found != NULL ? found->netns : NULL;
}

void rn_map_find_way(struct rn_map_netns *from, struct rn_addr addr, struct rn_map_way *ret)
{
    struct rn_map_netns *ns = from;

    ret->n_steps = 0;
    ret->end = (struct rn_map_place){ .why = "" };
    while (ns != NULL) {
        if (ret->n_steps == RN_MAP_HOPS_MAX) {
            ret->end = (struct rn_map_place){ .why = "cannot tell: the routes lead in a circle" };
            return;
        }
        ns = take_step(ret, ns, addr);
    }
}

void rn_map_where_is(struct rn_map_netns *from, struct rn_addr addr, struct rn_map_place *ret)
{
    struct rn_map_way way;

    rn_map_find_way(from, addr, &way);
    *ret = way.end;
}
