#include "discovery/ask_path.h"

#include "base/text.h"
#include "discovery/ask_route.h"
#include "discovery/ask_walk.h"
#include "discovery/ask_wireguard.h"
#include "discovery/name.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

void rn_walk_line(struct rn_walk *w, enum rn_path_step step, const char *text)
{
    struct rn_path *p = w->path;
    struct rn_path_line *grown = rn_arena_room(&p->arena, p->lines, p->n_lines, sizeof(*grown));

    if (grown == NULL)
        return;
    p->lines = grown;
    grown[p->n_lines++] = (struct rn_path_line){ w->ns, step, rn_arena_strdup(&p->arena, text) };
}

/* Returns false: so ends every way. */
bool rn_walk_end(struct rn_walk *w, const char *why)
{
    w->path->why = rn_arena_strdup(&w->path->arena, why);
    w->path->netns = w->ns;
    return false;
}

bool rn_walk_end_with(struct rn_walk *w, const char *before, const char *name, const char *after)
{
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_str(&t, before);
    rn_text_str(&t, name);
    rn_text_str(&t, after);
    return rn_walk_end(w, buf);
}

static void put_target(struct rn_text *t, struct rn_addr a, uint16_t port)
{
    if (port == 0) {
        rn_text_addr(t, a);
        return;
    }
    rn_text_endpoint(t, &(struct rn_endpoint){ .addr = a, .port = port });
}

/* ---- destinations rewritten ---- */

static bool iif_fits(const struct rn_map_fwd *fwd, const struct rn_map_link *iif)
{
    const char *name = iif != NULL ? iif->name : "lo";

    if (fwd->iif[0] == '\0')
        return true;
    return fwd->iif[0] == '!' ? strcmp(fwd->iif + 1, name) != 0 : strcmp(fwd->iif, name) == 0;
}

enum { HOOK_PREROUTING = 1u << 0, HOOK_OUTPUT = 1u << 3 };

static bool is_local(const struct rn_map_netns *ns, struct rn_addr a);

bool rn_walk_fwd_fits(const struct rn_walk *w, const struct rn_map_fwd *fwd)
{
    uint8_t hook = w->iif != NULL ? HOOK_PREROUTING : HOOK_OUTPUT;

    if (fwd->origin == RN_FWD_PROXY || fwd->family != rn_addr_family(w->to) ||
        (fwd->hooks & hook) == 0)
        return false;
    if (fwd->ip_proto != 0 && fwd->ip_proto != w->ip_proto)
        return false;
    if (!(fwd->port_from == 0 && (fwd->port_to == 0 || fwd->port_to == UINT16_MAX)) &&
        (w->port < fwd->port_from || w->port > fwd->port_to))
        return false;
    /* a rule without an address is for this machine's own ones: others would be somebody else's traffic */
    if (fwd->addr.bits != 0 ? !rn_prefix_contains(&fwd->addr, w->to) : !is_local(w->ns, w->to))
        return false;
    return iif_fits(fwd, w->iif);
}

static void rewrite(struct rn_walk *w, const struct rn_map_fwd *fwd, const char *who)
{
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    w->is_rewritten = true;
    put_target(&t, w->to, w->port);
    if (!rn_addr_is_none(fwd->to))
        w->to = fwd->to;
    if (fwd->to_port_from != 0)
        w->port = (uint16_t)(fwd->to_port_from +
                             (fwd->to_port_to > fwd->to_port_from ? w->port - fwd->port_from : 0));
    rn_text_str(&t, " becomes ");
    put_target(&t, w->to, w->port);
    rn_text_str(&t, " by ");
    rn_text_str(&t, who);
    rn_walk_line(w, RN_PATH_NAT, buf);
}

static bool take_nat(struct rn_walk *w)
{
    for (size_t i = 0; w->port != 0 && i < w->ns->n_fwds; i++) {
        const struct rn_map_fwd *fwd = &w->ns->fwds[i];

        if (!rn_walk_fwd_fits(w, fwd))
            continue;
        if (fwd->is_conditional)
            return rn_walk_end_with(w, "cannot tell: the rule ", fwd->rule,
                                    " may change the destination");
        if (++w->n_nats > RN_PATH_HOPS_MAX)
            return rn_walk_end(w, "cannot tell: destinations are rewritten in a circle");
        rewrite(w, fwd, fwd->rule);
        return true;
    }
    return true;
}

/* ---- at the end ---- */

/* Also every address of lo's prefixes: 127.0.0.0/8. */
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

static bool is_local(const struct rn_map_netns *ns, struct rn_addr a)
{
    return local_link(ns, a) != NULL;
}

static bool sock_takes(const struct rn_walk *w, const struct rn_map_sock *s)
{
    bool is_tcp = s->proto == RN_PROTO_TCP || s->proto == RN_PROTO_MPTCP;
    bool is_v4 = rn_addr_is_v4(w->to);

    if (!rn_sock_is_listening(s) || s->local_port != w->port || is_tcp != (w->ip_proto == 6))
        return false;
    if (!is_tcp && s->proto != RN_PROTO_UDP)
        return false;
    if (is_v4 ? !(s->family == RN_FAMILY_V4 || s->is_dual) : s->family != RN_FAMILY_V6)
        return false;
    return rn_addr_is_any(s->local) || rn_addr_eq(s->local, w->to);
}

static const struct rn_map_fwd *proxy_of(const struct rn_walk *w, const struct rn_map_process *p)
{
    for (size_t i = 0; i < w->ns->n_fwds; i++) {
        const struct rn_map_fwd *fwd = &w->ns->fwds[i];

        if (fwd->origin == RN_FWD_PROXY && fwd->proxy == p && p != NULL &&
            w->port >= fwd->port_from && w->port <= fwd->port_to &&
            (fwd->ip_proto == 0 || fwd->ip_proto == w->ip_proto) && !rn_addr_is_none(fwd->to))
            return fwd;
    }
    return NULL;
}

static bool were_socks_read(const struct rn_walk *w)
{
    for (size_t i = 0; i < w->map->n_unreadable; i++) {
        const struct rn_map_unreadable *u = &w->map->unreadable[i];

        if (u->netns == w->ns && strcmp(u->what, "sockets") == 0)
            return false;
    }
    return true;
}

static bool reach(struct rn_walk *w, struct rn_map_link *link, struct rn_map_process *process)
{
    w->path->is_reached = true;
    w->path->link = link;
    w->path->process = process;
    w->path->netns = w->ns;
    return false;
}

static void say_local(struct rn_walk *w, const struct rn_map_link *link)
{
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_addr(&t, w->to);
    rn_text_str(&t, " is an address of ");
    rn_text_str(&t, link->name);
    rn_walk_line(w, RN_PATH_LOCAL, buf);
}

/* A proxy listens in place of whom it passes on to: the way goes on from here, as a new connection. */
static bool pass_on(struct rn_walk *w, const struct rn_map_fwd *fwd,
                    const struct rn_map_process *proxy)
{
    char name[RN_NAME_BYTES];

    if (++w->n_nats > RN_PATH_HOPS_MAX)
        return rn_walk_end(w, "cannot tell: proxies pass it on in a circle");
    rewrite(w, fwd, rn_name_process(proxy, name));
    w->iif = NULL;
    w->sender = NULL;
    w->marks = (struct rn_filter_marks){ 0 };
    w->from = rn_addr_none();
    return true;
}

/* true: it goes on, through a proxy. */
static bool deliver(struct rn_walk *w, struct rn_map_link *link)
{
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    say_local(w, link);
    if (w->port == 0) {
        (void)rn_walk_end(w, "the address is here");
        return reach(w, link, NULL);
    }
    for (size_t i = 0; i < w->ns->n_socks; i++) {
        const struct rn_map_sock *s = &w->ns->socks[i];
        struct rn_map_process *owner = s->n_owners != 0 ? s->owners[0] : NULL;
        const struct rn_map_fwd *proxy;
        char name[RN_NAME_BYTES];

        if (!sock_takes(w, s))
            continue;
        proxy = proxy_of(w, owner);
        if (proxy != NULL)
            return pass_on(w, proxy, owner);
        rn_text_str(&t, owner != NULL ? rn_name_process(owner, name)
                                      : "a socket whose owner is unknown");
        rn_text_str(&t, " listens here on port ");
        rn_text_u64(&t, w->port);
        (void)rn_walk_end(w, buf);
        return reach(w, link, owner);
    }
    if (!were_socks_read(w))
        return rn_walk_end(w, "cannot tell: the sockets of this network could not be read");
    rn_text_str(&t, "nobody listens here on port ");
    rn_text_u64(&t, w->port);
    rn_text_str(&t, w->ip_proto == 17 ? "/udp" : "/tcp");
    return rn_walk_end(w, buf);
}

/* ---- routes ---- */

static void put_rule(struct rn_text *t, const struct rn_map_rule *rule)
{
    rn_text_str(t, "rule ");
    rn_text_u64(t, rule->priority);
}

static void put_table(struct rn_text *t, uint32_t table)
{
    if (table == RT_TABLE_MAIN)
        rn_text_str(t, "main");
    else if (table == RT_TABLE_LOCAL)
        rn_text_str(t, "local");
    else
        rn_text_u64(t, table);
}

struct hop {
    struct rn_map_link *link;
    struct rn_addr gateway;
};

static void say_route(struct rn_walk *w, const struct rn_route_answer *a, const struct hop *hop)
{
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    if (a->route->dst.bits == 0)
        rn_text_str(&t, "default");
    else
        rn_text_prefix(&t, &a->route->dst);
    if (!rn_addr_is_none(hop->gateway)) {
        rn_text_str(&t, " via ");
        rn_text_addr(&t, hop->gateway);
    }
    rn_text_str(&t, " dev ");
    rn_text_str(&t, hop->link->name);
    rn_text_str(&t, ", table ");
    put_table(&t, a->route->table);
    if (a->route->priority != 0) {
        rn_text_str(&t, " priority ");
        rn_text_u64(&t, a->route->priority);
    }
    rn_text_str(&t, ", ");
    put_rule(&t, a->rule);
    rn_walk_line(w, RN_PATH_ROUTE, buf);
}

static bool end_by_rule(struct rn_walk *w, const struct rn_route_answer *a)
{
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_str(&t, a->is_in_doubt ? "cannot tell: " : "");
    put_rule(&t, a->rule);
    rn_text_str(&t, a->is_in_doubt ? " asks for what is not known here" : " refuses it");
    return rn_walk_end(w, buf);
}

static bool end_by_type(struct rn_walk *w, const struct rn_map_route *route)
{
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));
    bool is_for_all = route->type == RTN_MULTICAST || route->type == RTN_BROADCAST;

    rn_text_str(&t, is_for_all ? "cannot tell: " : "");
    rn_text_str(&t, "the route to ");
    rn_text_prefix(&t, &route->dst);
    rn_text_str(&t, " is ");
    rn_text_str(&t, rn_name_route_type(route->type));
    return rn_walk_end(w, buf);
}

/* Several ways of equal cost are the kernel's choice by a hash we do not know; dead ones do not count. */
static bool pick_hop(struct rn_walk *w, const struct rn_map_route *route, struct hop *ret)
{
    size_t n = 0;

    *ret = (struct hop){ route->link, route->gateway };
    for (size_t i = 0; i < route->n_hops; i++) {
        const struct rn_map_hop *h = &route->hops[i];

        if ((h->flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0 ||
            (w->oif != NULL && h->link != w->oif))
            continue;
        *ret = (struct hop){ h->link, h->gateway };
        n++;
    }
    if (route->n_hops == 0)
        return ret->link != NULL || rn_walk_end(w, "cannot tell: the route's interface is gone");
    if (n == 0)
        return rn_walk_end(w, "all ways of that route are down");
    if (n > 1)
        return rn_walk_end(w, "cannot tell: which of several ways of equal cost the kernel takes");
    return ret->link != NULL || rn_walk_end(w, "cannot tell: the route's interface is gone");
}

static void choose_source(struct rn_walk *w, const struct rn_map_route *route,
                          const struct rn_map_link *link)
{
    if (!rn_addr_is_none(w->from))
        return;
    w->from = route->prefsrc;
    for (size_t i = 0; i < link->n_addrs && rn_addr_is_none(w->from); i++) {
        if (rn_addr_is_v4(link->addrs[i].addr) == rn_addr_is_v4(w->to) &&
            !rn_addr_is_link_local(link->addrs[i].addr))
            w->from = link->addrs[i].addr;
    }
}

/* ---- wires ---- */

static void say_trail(struct rn_walk *w, const struct rn_wire_trail *trail)
{
    char name[RN_NAME_BYTES];
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));
    const struct rn_map_netns *ns = w->ns;

    for (size_t i = 0; i < trail->n; i++) {
        const struct rn_map_link *link = trail->steps[i].link;

        if (i != 0 && link == trail->steps[i - 1].link)
            continue;
        rn_text_str(&t, i != 0 ? " -> " : "");
        rn_text_str(&t, link->name);
        if (link->netns != ns) {
            rn_text_str(&t, " in ");
            rn_text_str(&t, rn_name_netns_short(w->map, link->netns, name));
        }
        ns = link->netns;
    }
    if (trail->is_elsewhere)
        rn_text_str(&t, ", which answers for all its addresses");
    rn_walk_line(w, RN_PATH_WIRE, buf);
}

static bool end_at_exit(struct rn_walk *w, const struct rn_map_link *link)
{
    char name[RN_NAME_BYTES];

    if (link->kind == RN_KIND_TUNTAP && link->tuntap.n_processors != 0)
        return rn_walk_end_with(w, "cannot tell: what ",
                                rn_name_process(link->tuntap.processors[0], name),
                                " does with it, who serves that interface");
    return rn_walk_end_with(w, "cannot tell: it leaves what is known through ", link->name, "");
}

static bool cross_wire(struct rn_walk *w, const struct hop *hop)
{
    struct rn_addr next = rn_addr_is_none(hop->gateway) ? w->to : hop->gateway;
    struct rn_wire_trail trail;
    char text[RN_ADDR_TEXT_BYTES];

    if ((hop->link->flags & IFF_UP) == 0 || hop->link->oper == RN_OPER_DOWN)
        return rn_walk_end_with(w, "the interface ", hop->link->name, " is down");
    if (hop->link->kind == RN_KIND_WIREGUARD)
        return rn_walk_through_wireguard(w, hop->link);
    trail = rn_wire_follow(&w->path->arena, w->map, hop->link, next);
    if (trail.answers == NULL) {
        if (trail.exit != NULL)
            return end_at_exit(w, trail.exit);
        return rn_walk_end_with(w,
                                trail.is_cut ? "cannot tell: too many interfaces to look for "
                                             : "cannot tell: nobody known has ",
                                rn_addr_print(next, text), " on that wire");
    }
    say_trail(w, &trail);
    if (!rn_walk_pass_wire(w, &trail, next))
        return false;
    w->sender = hop->link;
    w->iif = trail.answers;
    w->ns = trail.answers->netns;
    w->oif = NULL;
    w->is_rewritten = false;
    return true;
}

/* One network's part of the way: true if it goes on. */
static bool take_hop(struct rn_walk *w)
{
    struct rn_route_answer answer;
    struct rn_map_link *local;
    struct hop hop;

    if (!w->ns->is_entered)
        return rn_walk_end(w, "cannot tell: this network could not be read");
    w->first_to = w->to;
    w->first_port = w->port;
    if (!rn_walk_pass_in(w, true) || !take_nat(w) || !rn_walk_pass_in(w, false))
        return false;
    local = local_link(w->ns, w->to);
    if (local != NULL)
        return rn_walk_pass_to_local(w) && deliver(w, local);
    answer = rn_route_choose(&(struct rn_route_query){ .netns = w->ns,
                                                       .to = w->to,
                                                       .from = w->from,
                                                       .iif = w->iif,
                                                       .oif = w->oif,
                                                       .mark = w->marks.mark,
                                                       .is_mark_unknown = w->marks.is_mark_unknown,
                                                       .port = w->port,
                                                       .ip_proto = w->ip_proto });
    if (answer.is_in_doubt || answer.is_refused)
        return end_by_rule(w, &answer);
    if (answer.route == NULL)
        return rn_walk_end(w, "no route leads there");
    if (answer.route->type != RTN_UNICAST && answer.route->type != RTN_LOCAL)
        return end_by_type(w, answer.route);
    if (!pick_hop(w, answer.route, &hop))
        return false;
    say_route(w, &answer, &hop);
    if (answer.route->type == RTN_LOCAL)
        return rn_walk_pass_to_local(w) && deliver(w, hop.link);
    choose_source(w, answer.route, hop.link);
    return rn_walk_pass_away(w, hop.link) && cross_wire(w, &hop);
}

void rn_walk_all_hops(struct rn_walk *w)
{
    for (unsigned i = 0; i < RN_PATH_HOPS_MAX; i++) {
        if (!take_hop(w))
            return;
    }
    (void)rn_walk_end(w, "cannot tell: it goes round in a circle");
}

int rn_path_find(struct rn_path *ret, const struct rn_map *map, const struct rn_path_query *query)
{
    struct rn_walk w = { .map = map,
                         .path = ret,
                         .ns = query->from,
                         .oif = query->oif,
                         .to = query->to,
                         .port = query->port,
                         .ip_proto = query->ip_proto,
                         .asks_filters = query->asks_filters };

    *ret = (struct rn_path){ .why = "", .has_asked_filters = query->asks_filters };
    rn_walk_all_hops(&w);
    return ret->arena.is_full ? RN_E_NOMEM : RN_OK;
}

void rn_path_free(struct rn_path *path)
{
    rn_arena_free(&path->arena);
    *path = (struct rn_path){ .why = "" };
}
