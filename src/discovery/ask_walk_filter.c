/* The filters that a packet meets on its way. */
#include "discovery/ask_frame.h"
#include "discovery/ask_walk.h"

#include "base/text.h"

#include <net/if.h>
#include <string.h>

/* ---- filters ---- */

static bool end_by_filter(struct rn_walk *w, const struct rn_filter_packet *packet,
                          const struct rn_filter_answer *answer)
{
    bool is_drop = answer->verdict == RN_FILTER_DROP;
    char buf[RN_WALK_LINE_BYTES];
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
    return rn_walk_end(w, buf);
}

static bool were_rules_read(const struct rn_walk *w, const struct rn_map_netns *ns)
{
    for (size_t i = 0; i < w->map->n_unreadable; i++) {
        const struct rn_map_unreadable *u = &w->map->unreadable[i];

        if (u->netns == ns && strncmp(u->what, "forwarded ports", 15) == 0)
            return false;
    }
    return true;
}

static void say_passed(struct rn_walk *w, const struct rn_filter_packet *packet, const char *rule)
{
    static const char *const hooks[] = { "prerouting", "input", "forward", "output",
                                         "postrouting" };
    const struct rn_map_link *link = packet->iif != NULL ? packet->iif : packet->oif;
    struct rn_map_netns *ns = w->ns;
    char buf[RN_WALK_LINE_BYTES];
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
    rn_walk_line(w, RN_PATH_FILTER, buf);
    w->ns = ns;
}

/* True: it goes on. */
static bool pass(struct rn_walk *w, struct rn_filter_packet *packet)
{
    struct rn_filter_answer answer;

    if (!w->asks_filters)
        return true;
    if (packet->netns == NULL)
        packet->netns = w->ns;
    if (!were_rules_read(w, packet->netns)) {
        w->ns = (struct rn_map_netns *)packet->netns;
        return rn_walk_end(w, "cannot tell: the rules of this network could not be read");
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

bool rn_walk_pass_in(struct rn_walk *w, bool is_before_nat)
{
    return w->iif == NULL || pass(w, &(struct rn_filter_packet){ .hook = RN_FILTER_PREROUTING,
                                                                 .iif = w->iif,
                                                                 .sender = w->sender,
                                                                 .taker = w->iif,
                                                                 .is_before_nat = is_before_nat });
}

static bool pass_out(struct rn_walk *w, enum rn_filter_hook hook, const struct rn_map_link *oif)
{
    struct rn_filter_packet packet = { .hook = hook, .oif = oif };

    packet.iif = hook == RN_FILTER_FORWARD ? w->iif : NULL;
    packet.sender = packet.iif != NULL ? w->sender : NULL;
    packet.taker = packet.iif;
    return pass(w, &packet);
}

static bool pass_lo(struct rn_walk *w, const struct rn_map_link *lo)
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
bool rn_walk_pass_to_local(struct rn_walk *w)
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
static bool may_be_rerouted(const struct rn_walk *w)
{
    for (size_t i = 0; i < w->ns->n_rules; i++) {
        const struct rn_map_rule *rule = &w->ns->rules[i];

        if ((rule->fwmark != 0 || rule->fwmask != 0) &&
            (w->marks.mark != 0 || w->marks.is_mark_unknown))
            return true;
    }
    return false;
}

bool rn_walk_pass_away(struct rn_walk *w, const struct rn_map_link *oif)
{
    bool is_v4 = rn_addr_is_v4(w->to);
    bool is_off = (is_v4 ? w->ns->forwarding_v4 : w->ns->forwarding_v6) == RN_FORWARDING_OFF;

    if (w->iif != NULL && w->asks_filters && is_off)
        return rn_walk_end(
            w, is_v4 ? "this network does not forward: net.ipv4.ip_forward is 0"
                     : "this network does not forward: net.ipv6.conf.all.forwarding is 0");
    if (!pass_out(w, w->iif != NULL ? RN_FILTER_FORWARD : RN_FILTER_OUTPUT, oif))
        return false;
    if (w->iif == NULL && may_be_rerouted(w))
        return rn_walk_end(
            w, "cannot tell: rules mark it on its way out, and its route may change by that");
    return pass_out(w, RN_FILTER_POSTROUTING, oif);
}

/* ---- frames ---- */

/* A connection is tracked in each network anew; marks on the packet stay behind where it leaves the network. */
void rn_walk_forget_marks(struct rn_walk *w, bool leaves)
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

static bool pass_one(struct rn_walk *w, const struct frame *f, struct rn_filter_packet *packet)
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
        struct rn_walk there = *w;

        there.ns = (struct rn_map_netns *)packet->netns;
        there.iif = (struct rn_map_link *)packet->iif;
        if (rn_walk_fwd_fits(&there, &packet->netns->fwds[i]))
            return rn_walk_end_with(w, "cannot tell: the rule ", packet->netns->fwds[i].rule,
                                    " may change the destination of what crosses a bridge");
    }
    packet->is_before_nat = packet->hook == RN_FILTER_PREROUTING;
    if (!pass(w, packet))
        return false;
    packet->is_before_nat = false;
    return packet->hook != RN_FILTER_PREROUTING || pass(w, packet);
}

static bool pass_arp(struct rn_walk *w, const struct frame *f, enum rn_filter_hook hook)
{
    const struct rn_map_link *link =
        hook == RN_FILTER_OUTPUT ? f->trail->steps[0].link : f->trail->answers;
    struct rn_filter_packet packet = { .netns = link->netns, .layer = RN_FILTER_ARP, .hook = hook };

    packet.oif = hook == RN_FILTER_OUTPUT ? link : NULL;
    packet.iif = hook == RN_FILTER_OUTPUT ? NULL : link;
    return !f->is_question || !rn_addr_is_v4(w->to) || pass_one(w, f, &packet);
}

static bool pass_frame(struct rn_walk *w, const struct frame *f)
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
            rn_walk_forget_marks(w, ns != before);
        for (size_t k = 0; k < n; k++) {
            if (!pass_one(w, f, &hooks[k]))
                return false;
        }
    }
    return pass_arp(w, f, RN_FILTER_INPUT);
}

/* First the question, unless its answer is known; then the packet. */
bool rn_walk_pass_wire(struct rn_walk *w, const struct rn_wire_trail *trail,
                       struct rn_addr next_hop)
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
