#include "discovery/ask_path.h"

#include "base/text.h"
#include "discovery/ask_filter.h"
#include "discovery/ask_frame.h"
#include "discovery/ask_route.h"
#include "discovery/ask_wire.h"
#include "discovery/name.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#define LINE_BYTES 640u

struct walk {
    const struct rn_map *map;
    struct rn_path *path;
    struct rn_map_netns *ns;
    struct rn_map_link *iif;          /* NULL: it starts here */
    const struct rn_map_link *sender; /* of the frame that came in through it */
    const struct rn_map_link *oif;    /* only where it starts */
    struct rn_addr to;
    struct rn_addr from;     /* none until a route chose it */
    struct rn_addr first_to; /* as it came into this network, or was sent */
    uint16_t port, first_port;
    uint8_t ip_proto;
    struct rn_filter_marks marks;
    unsigned n_nats;
    bool is_rewritten; /* its destination, in this network */
    bool asks_filters;
};

static void add_line(struct walk *w, enum rn_path_step step, const char *text)
{
    struct rn_path *p = w->path;
    struct rn_path_line *grown = rn_arena_room(&p->arena, p->lines, p->n_lines, sizeof(*grown));

    if (grown == NULL)
        return;
    p->lines = grown;
    grown[p->n_lines++] = (struct rn_path_line){ w->ns, step, rn_arena_strdup(&p->arena, text) };
}

/* Returns false: so ends every way. */
static bool end(struct walk *w, const char *why)
{
    w->path->why = rn_arena_strdup(&w->path->arena, why);
    w->path->netns = w->ns;
    return false;
}

static bool end_with(struct walk *w, const char *before, const char *name, const char *after)
{
    char buf[LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_str(&t, before);
    rn_text_str(&t, name);
    rn_text_str(&t, after);
    return end(w, buf);
}

static void put_target(struct rn_text *t, struct rn_addr a, uint16_t port)
{
    if (port == 0) {
        rn_text_addr(t, a);
        return;
    }
    rn_text_endpoint(t, &(struct rn_endpoint){ .addr = a, .port = port });
}

/* ---- filters ---- */

static bool end_by_filter(struct walk *w, const struct rn_filter_packet *packet,
                          const struct rn_filter_answer *answer)
{
    bool is_drop = answer->verdict == RN_FILTER_DROP;
    char buf[LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    w->ns = (struct rn_map_netns *)packet->netns; /* the same, or one that the frame crosses */
    rn_text_str(&t, is_drop ? "" : "cannot tell: ");
    if (packet->is_question) {
        rn_text_str(&t, is_drop ? "nobody hears who has " : "whether somebody hears who has ");
        rn_text_addr(&t, packet->next_hop);
        rn_text_str(&t, is_drop ? ": " : ", ");
    }
    rn_text_str(&t, is_drop ? "dropped by " : "");
    rn_text_str(&t, answer->rule);
    rn_text_str(&t, is_drop ? "" : " decides by what is not known here");
    return end(w, buf);
}

static bool were_rules_read(const struct walk *w, const struct rn_map_netns *ns)
{
    for (size_t i = 0; i < w->map->n_unreadable; i++) {
        const struct rn_map_unreadable *u = &w->map->unreadable[i];

        if (u->netns == ns && strncmp(u->what, "forwarded ports", 15) == 0)
            return false;
    }
    return true;
}

static void say_passed(struct walk *w, const struct rn_filter_packet *packet, const char *rule)
{
    static const char *const hooks[] = { "prerouting", "input", "forward", "output",
                                         "postrouting" };
    const struct rn_map_link *link = packet->iif != NULL ? packet->iif : packet->oif;
    struct rn_map_netns *ns = w->ns;
    char buf[LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    if (packet->layer == RN_FILTER_INGRESS || packet->layer == RN_FILTER_EGRESS) {
        rn_text_str(&t, packet->layer == RN_FILTER_INGRESS ? "ingress of " : "egress of ");
        rn_text_str(&t, link->name);
    } else {
        rn_text_str(&t, packet->layer == RN_FILTER_BRIDGE ? "bridge " : "");
        rn_text_str(&t, hooks[packet->hook]);
    }
    rn_text_str(&t, rule[0] != '\0' ? " passes by " : " passes");
    rn_text_str(&t, rule);
    w->ns = (struct rn_map_netns *)packet->netns;
    add_line(w, RN_PATH_FILTER, buf);
    w->ns = ns;
}

/* True: it goes on. */
static bool pass(struct walk *w, struct rn_filter_packet *packet)
{
    struct rn_filter_answer answer;

    if (!w->asks_filters)
        return true;
    if (packet->netns == NULL)
        packet->netns = w->ns;
    if (!were_rules_read(w, packet->netns)) {
        w->ns = (struct rn_map_netns *)packet->netns;
        return end(w, "cannot tell: the rules of this network could not be read");
    }
    packet->from = w->from;
    packet->to = w->to;
    packet->port = w->port;
    packet->ip_proto = w->ip_proto;
    packet->is_rewritten = w->is_rewritten;
    packet->first_to = w->first_to;
    packet->first_port = w->first_port;
    packet->marks = &w->marks;
    answer = rn_filter_ask(&w->path->arena, packet);
    if (answer.verdict != RN_FILTER_PASS)
        return end_by_filter(w, packet, &answer);
    if (answer.n_chains != 0 && !packet->is_question)
        say_passed(w, packet, answer.rule);
    return true;
}

static bool pass_in(struct walk *w, bool is_before_nat)
{
    return w->iif == NULL || pass(w, &(struct rn_filter_packet){ .hook = RN_FILTER_PREROUTING,
                                                                 .iif = w->iif,
                                                                 .sender = w->sender,
                                                                 .taker = w->iif,
                                                                 .is_before_nat = is_before_nat });
}

static bool pass_out(struct walk *w, enum rn_filter_hook hook, const struct rn_map_link *oif)
{
    struct rn_filter_packet packet = { .hook = hook, .oif = oif };

    packet.iif = hook == RN_FILTER_FORWARD ? w->iif : NULL;
    packet.sender = packet.iif != NULL ? w->sender : NULL;
    packet.taker = packet.iif;
    return pass(w, &packet);
}

static bool pass_lo(struct walk *w, const struct rn_map_link *lo)
{
    return pass_out(w, RN_FILTER_OUTPUT, lo) && pass_out(w, RN_FILTER_POSTROUTING, lo) &&
           (lo == NULL ||
            (pass(w, &(struct rn_filter_packet){ .layer = RN_FILTER_EGRESS, .oif = lo }) &&
             pass(w, &(struct rn_filter_packet){ .layer = RN_FILTER_INGRESS, .iif = lo }))) &&
           pass(w, &(struct rn_filter_packet){ .hook = RN_FILTER_PREROUTING,
                                               .iif = lo,
                                               .is_before_nat = true }) &&
           pass(w, &(struct rn_filter_packet){ .hook = RN_FILTER_PREROUTING, .iif = lo });
}

/* What a network sends to itself goes out of lo, and comes in again. */
static bool pass_to_local(struct walk *w)
{
    const struct rn_map_link *lo = rn_model_link_by_name(w->ns, "lo");

    if (w->iif == NULL && rn_addr_is_none(w->from))
        w->from = w->to;
    if (w->iif == NULL && !pass_lo(w, lo))
        return false;
    return pass(w, &(struct rn_filter_packet){ .hook = RN_FILTER_INPUT,
                                               .iif = w->iif != NULL ? w->iif : lo,
                                               .sender = w->sender,
                                               .taker = w->iif });
}

/* What starts here has its route before rules mark it, and some kinds of chains then look for another. */
static bool may_be_rerouted(const struct walk *w)
{
    for (size_t i = 0; i < w->ns->n_rules; i++) {
        const struct rn_map_rule *rule = &w->ns->rules[i];

        if ((rule->fwmark != 0 || rule->fwmask != 0) &&
            (w->marks.mark != 0 || w->marks.is_mark_unknown))
            return true;
    }
    return false;
}

static bool pass_away(struct walk *w, const struct rn_map_link *oif)
{
    bool is_v4 = rn_addr_is_v4(w->to);
    bool is_off = (is_v4 ? w->ns->forwarding_v4 : w->ns->forwarding_v6) == RN_FORWARDING_OFF;

    if (w->iif != NULL && w->asks_filters && is_off)
        return end(w, is_v4 ? "this network does not forward: net.ipv4.ip_forward is 0"
                            : "this network does not forward: net.ipv6.conf.all.forwarding is 0");
    if (!pass_out(w, w->iif != NULL ? RN_FILTER_FORWARD : RN_FILTER_OUTPUT, oif))
        return false;
    if (w->iif == NULL && may_be_rerouted(w))
        return end(w,
                   "cannot tell: rules mark it on its way out, and its route may change by that");
    return pass_out(w, RN_FILTER_POSTROUTING, oif);
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

static bool fwd_fits(const struct walk *w, const struct rn_map_fwd *fwd)
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

static void rewrite(struct walk *w, const struct rn_map_fwd *fwd, const char *who)
{
    char buf[LINE_BYTES];
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
    add_line(w, RN_PATH_NAT, buf);
}

static bool take_nat(struct walk *w)
{
    for (size_t i = 0; w->port != 0 && i < w->ns->n_fwds; i++) {
        const struct rn_map_fwd *fwd = &w->ns->fwds[i];

        if (!fwd_fits(w, fwd))
            continue;
        if (fwd->is_conditional)
            return end_with(w, "cannot tell: the rule ", fwd->rule, " may change the destination");
        if (++w->n_nats > RN_PATH_HOPS_MAX)
            return end(w, "cannot tell: destinations are rewritten in a circle");
        rewrite(w, fwd, fwd->rule);
        return true;
    }
    return true;
}

/* ---- frames ---- */

/* A connection is tracked in each network anew; marks on the packet stay behind where it leaves the network. */
static void forget_marks(struct walk *w, bool leaves)
{
    struct rn_filter_marks kept = { .mark = w->marks.mark,
                                    .is_mark_unknown = w->marks.is_mark_unknown };

    w->marks = leaves ? (struct rn_filter_marks){ 0 } : kept;
}

/* NUD_PERMANENT, NOARP, REACHABLE, STALE, DELAY, PROBE: whose MAC is known is not asked for. */
static bool is_neighbour_known(const struct rn_map_netns *ns, const struct rn_map_link *link,
                               struct rn_addr addr)
{
    enum { KNOWN = 0x80 | 0x40 | 0x02 | 0x04 | 0x08 | 0x10 };

    if (link->flags & IFF_NOARP)
        return true;
    for (size_t i = 0; i < ns->n_neighs; i++) {
        const struct rn_map_neigh *n = &ns->neighs[i];

        if (n->link == link && rn_addr_eq(n->addr, addr) && (n->state & KNOWN) != 0)
            return true;
    }
    return false;
}

/* One frame's way: the packet's own, or of the question for a MAC before it. */
struct frame {
    const struct rn_wire_trail *trail;
    struct rn_addr next_hop;
    bool is_question;
};

static bool pass_one(struct walk *w, const struct frame *f, struct rn_filter_packet *packet)
{
    bool is_v4 = rn_addr_is_v4(w->to);

    packet->is_question = f->is_question;
    packet->next_hop = f->next_hop;
    packet->sender = f->trail->steps[0].link;
    packet->taker = f->trail->answers;
    if (packet->layer != RN_FILTER_IP)
        return pass(w, packet);
    if (f->is_question)
        return true;
    for (size_t i = 0; is_v4 && packet->hook == RN_FILTER_PREROUTING && i < packet->netns->n_fwds;
         i++) {
        struct walk there = *w;

        there.ns = (struct rn_map_netns *)packet->netns;
        there.iif = (struct rn_map_link *)packet->iif;
        if (fwd_fits(&there, &packet->netns->fwds[i]))
            return end_with(w, "cannot tell: the rule ", packet->netns->fwds[i].rule,
                            " may change the destination of what crosses a bridge");
    }
    packet->is_before_nat = packet->hook == RN_FILTER_PREROUTING;
    if (!pass(w, packet))
        return false;
    packet->is_before_nat = false;
    return packet->hook != RN_FILTER_PREROUTING || pass(w, packet);
}

static bool pass_arp(struct walk *w, const struct frame *f, enum rn_filter_hook hook)
{
    const struct rn_map_link *link =
        hook == RN_FILTER_OUTPUT ? f->trail->steps[0].link : f->trail->answers;
    struct rn_filter_packet packet = { .netns = link->netns, .layer = RN_FILTER_ARP, .hook = hook };

    packet.oif = hook == RN_FILTER_OUTPUT ? link : NULL;
    packet.iif = hook == RN_FILTER_OUTPUT ? NULL : link;
    return !f->is_question || !rn_addr_is_v4(w->to) || pass_one(w, f, &packet);
}

static bool pass_frame(struct walk *w, const struct frame *f)
{
    struct rn_filter_packet hooks[RN_FRAME_HOOKS_MAX];

    if (!pass_arp(w, f, RN_FILTER_OUTPUT))
        return false;
    for (size_t i = 0; i < f->trail->n; i++) {
        const struct rn_map_netns *ns = f->trail->steps[i].link->netns;
        const struct rn_map_netns *before = f->trail->steps[i != 0 ? i - 1 : 0].link->netns;
        bool is_cable = i != 0 && f->trail->steps[i - 1].is_out && !f->trail->steps[i].is_out;
        size_t n = rn_frame_hooks(f->trail, i, rn_addr_is_v4(w->to), hooks);

        if (is_cable)
            forget_marks(w, ns != before);
        for (size_t k = 0; k < n; k++) {
            if (!pass_one(w, f, &hooks[k]))
                return false;
        }
    }
    return pass_arp(w, f, RN_FILTER_INPUT);
}

/* First the question, unless its answer is known; then the packet. */
static bool pass_wire(struct walk *w, const struct rn_wire_trail *trail, struct rn_addr next_hop)
{
    const struct rn_map_link *out = trail->steps[0].link;
    struct frame f = { trail, next_hop, .is_question = true };
    struct rn_filter_marks marks = w->marks;

    if (!w->asks_filters)
        return true;
    w->marks = (struct rn_filter_marks){ 0 };
    if (!is_neighbour_known(w->ns, out, next_hop) && !pass_frame(w, &f))
        return false;
    f.is_question = false;
    w->marks = marks;
    return pass_frame(w, &f);
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

static bool sock_takes(const struct walk *w, const struct rn_map_sock *s)
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

static const struct rn_map_fwd *proxy_of(const struct walk *w, const struct rn_map_process *p)
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

static bool were_socks_read(const struct walk *w)
{
    for (size_t i = 0; i < w->map->n_unreadable; i++) {
        const struct rn_map_unreadable *u = &w->map->unreadable[i];

        if (u->netns == w->ns && strcmp(u->what, "sockets") == 0)
            return false;
    }
    return true;
}

static bool reach(struct walk *w, struct rn_map_link *link, struct rn_map_process *process)
{
    w->path->is_reached = true;
    w->path->link = link;
    w->path->process = process;
    w->path->netns = w->ns;
    return false;
}

static void say_local(struct walk *w, const struct rn_map_link *link)
{
    char buf[LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_addr(&t, w->to);
    rn_text_str(&t, " is an address of ");
    rn_text_str(&t, link->name);
    add_line(w, RN_PATH_LOCAL, buf);
}

/* A proxy listens in place of whom it passes on to: the way goes on from here, as a new connection. */
static bool pass_on(struct walk *w, const struct rn_map_fwd *fwd,
                    const struct rn_map_process *proxy)
{
    char name[RN_NAME_BYTES];

    if (++w->n_nats > RN_PATH_HOPS_MAX)
        return end(w, "cannot tell: proxies pass it on in a circle");
    rewrite(w, fwd, rn_name_process(proxy, name));
    w->iif = NULL;
    w->sender = NULL;
    w->marks = (struct rn_filter_marks){ 0 };
    w->from = rn_addr_none();
    return true;
}

/* true: it goes on, through a proxy. */
static bool deliver(struct walk *w, struct rn_map_link *link)
{
    char buf[LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    say_local(w, link);
    if (w->port == 0) {
        (void)end(w, "the address is here");
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
        (void)end(w, buf);
        return reach(w, link, owner);
    }
    if (!were_socks_read(w))
        return end(w, "cannot tell: the sockets of this network could not be read");
    rn_text_str(&t, "nobody listens here on port ");
    rn_text_u64(&t, w->port);
    rn_text_str(&t, w->ip_proto == 17 ? "/udp" : "/tcp");
    return end(w, buf);
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

static void say_route(struct walk *w, const struct rn_route_answer *a, const struct hop *hop)
{
    char buf[LINE_BYTES];
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
    add_line(w, RN_PATH_ROUTE, buf);
}

static bool end_by_rule(struct walk *w, const struct rn_route_answer *a)
{
    char buf[LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_str(&t, a->is_in_doubt ? "cannot tell: " : "");
    put_rule(&t, a->rule);
    rn_text_str(&t, a->is_in_doubt ? " asks for what is not known here" : " refuses it");
    return end(w, buf);
}

static bool end_by_type(struct walk *w, const struct rn_map_route *route)
{
    char buf[LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));
    bool is_for_all = route->type == RTN_MULTICAST || route->type == RTN_BROADCAST;

    rn_text_str(&t, is_for_all ? "cannot tell: " : "");
    rn_text_str(&t, "the route to ");
    rn_text_prefix(&t, &route->dst);
    rn_text_str(&t, " is ");
    rn_text_str(&t, rn_name_route_type(route->type));
    return end(w, buf);
}

/* Several ways of equal cost are the kernel's choice by a hash we do not know; dead ones do not count. */
static bool pick_hop(struct walk *w, const struct rn_map_route *route, struct hop *ret)
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
        return ret->link != NULL || end(w, "cannot tell: the route's interface is gone");
    if (n == 0)
        return end(w, "all ways of that route are down");
    if (n > 1)
        return end(w, "cannot tell: which of several ways of equal cost the kernel takes");
    return ret->link != NULL || end(w, "cannot tell: the route's interface is gone");
}

static void choose_source(struct walk *w, const struct rn_map_route *route,
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

static void say_trail(struct walk *w, const struct rn_wire_trail *trail)
{
    char name[RN_NAME_BYTES];
    char buf[LINE_BYTES];
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
    add_line(w, RN_PATH_WIRE, buf);
}

static bool end_at_exit(struct walk *w, const struct rn_map_link *link)
{
    char name[RN_NAME_BYTES];

    if (link->kind == RN_KIND_TUNTAP && link->tuntap.n_processors != 0)
        return end_with(w, "cannot tell: what ", rn_name_process(link->tuntap.processors[0], name),
                        " does with it, who serves that interface");
    return end_with(w, "cannot tell: it leaves what is known through ", link->name, "");
}

static bool cross_wire(struct walk *w, const struct hop *hop)
{
    struct rn_addr next = rn_addr_is_none(hop->gateway) ? w->to : hop->gateway;
    struct rn_wire_trail trail;
    char text[RN_ADDR_TEXT_BYTES];

    if ((hop->link->flags & IFF_UP) == 0 || hop->link->oper == RN_OPER_DOWN)
        return end_with(w, "the interface ", hop->link->name, " is down");
    trail = rn_wire_follow(&w->path->arena, w->map, hop->link, next);
    if (trail.answers == NULL) {
        if (trail.exit != NULL)
            return end_at_exit(w, trail.exit);
        return end_with(w,
                        trail.is_cut ? "cannot tell: too many interfaces to look for "
                                     : "cannot tell: nobody known has ",
                        rn_addr_print(next, text), " on that wire");
    }
    say_trail(w, &trail);
    if (!pass_wire(w, &trail, next))
        return false;
    w->sender = hop->link;
    w->iif = trail.answers;
    w->ns = trail.answers->netns;
    w->oif = NULL;
    w->is_rewritten = false;
    return true;
}

/* One network's part of the way: true if it goes on. */
static bool take_hop(struct walk *w)
{
    struct rn_route_answer answer;
    struct rn_map_link *local;
    struct hop hop;

    if (!w->ns->is_entered)
        return end(w, "cannot tell: this network could not be read");
    w->first_to = w->to;
    w->first_port = w->port;
    if (!pass_in(w, true) || !take_nat(w) || !pass_in(w, false))
        return false;
    local = local_link(w->ns, w->to);
    if (local != NULL)
        return pass_to_local(w) && deliver(w, local);
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
        return end(w, "no route leads there");
    if (answer.route->type != RTN_UNICAST && answer.route->type != RTN_LOCAL)
        return end_by_type(w, answer.route);
    if (!pick_hop(w, answer.route, &hop))
        return false;
    say_route(w, &answer, &hop);
    if (answer.route->type == RTN_LOCAL)
        return pass_to_local(w) && deliver(w, hop.link);
    choose_source(w, answer.route, hop.link);
    return pass_away(w, hop.link) && cross_wire(w, &hop);
}

static void take_all_hops(struct walk *w)
{
    for (unsigned i = 0; i < RN_PATH_HOPS_MAX; i++) {
        if (!take_hop(w))
            return;
    }
    (void)end(w, "cannot tell: it goes round in a circle");
}

int rn_path_find(struct rn_path *ret, const struct rn_map *map, const struct rn_path_query *query)
{
    struct walk w = { .map = map,
                      .path = ret,
                      .ns = query->from,
                      .oif = query->oif,
                      .to = query->to,
                      .port = query->port,
                      .ip_proto = query->ip_proto,
                      .asks_filters = query->asks_filters };

    *ret = (struct rn_path){ .why = "", .has_asked_filters = query->asks_filters };
    take_all_hops(&w);
    return ret->arena.is_full ? RN_E_NOMEM : RN_OK;
}

void rn_path_free(struct rn_path *path)
{
    rn_arena_free(&path->arena);
    *path = (struct rn_path){ .why = "" };
}
