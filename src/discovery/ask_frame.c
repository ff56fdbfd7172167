#include "discovery/ask_frame.h"

struct hooks {
    struct rn_filter_packet *of;
    size_t n;
    const struct rn_wire_step *step;
    bool is_v4;
};

static const struct rn_map_link *bridge_of(const struct rn_map_link *port)
{
    return port->master != NULL && port->master->kind == RN_KIND_BRIDGE ? port->master : NULL;
}

static struct rn_filter_packet *add(struct hooks *h, enum rn_filter_layer layer)
{
    struct rn_filter_packet *p = &h->of[h->n++];

    *p = (struct rn_filter_packet){ .netns = h->step->link->netns,
                                    .layer = layer,
                                    .is_tagged = h->step->is_tagged };
    return p;
}

static void add_bridge(struct hooks *h, enum rn_filter_hook hook, const struct rn_map_link *iif,
                       const struct rn_map_link *oif)
{
    struct rn_filter_packet *p = add(h, RN_FILTER_BRIDGE);

    p->hook = hook;
    p->iif = iif;
    p->oif = oif;
}

/* Tagged frames are not shown, unless somebody wills it (bridge-nf-filter-vlan-tagged). */
static bool shows_ip(const struct hooks *h, const struct rn_map_link *bridge)
{
    const struct rn_map_netns *ns = bridge->netns;
    enum rn_map_forwarding calls = h->is_v4 ? ns->calls_ip_filters : ns->calls_ip6_filters;

    return !h->step->is_tagged &&
           (calls == RN_FORWARDING_ON || (h->is_v4 && bridge->bridge.has_nf_call_iptables));
}

static void add_ip(struct hooks *h, enum rn_filter_hook hook, const struct rn_map_link *bridge)
{
    struct rn_filter_packet *p;

    if (!shows_ip(h, bridge))
        return;
    p = add(h, RN_FILTER_IP);
    p->hook = hook;
    p->iif = hook != RN_FILTER_POSTROUTING ? bridge : NULL;
    p->oif = hook != RN_FILTER_PREROUTING ? bridge : NULL;
}

/* Out of a port: of the bridge's own, or of what came in at another. */
static void leave_bridge(struct hooks *h, const struct rn_wire_step *before)
{
    const struct rn_map_link *port = h->step->link;
    const struct rn_map_link *bridge = bridge_of(port);

    if (bridge == NULL || before == NULL)
        return;
    if (before->is_out && before->link == bridge) {
        add_bridge(h, RN_FILTER_OUTPUT, NULL, port);
        add_bridge(h, RN_FILTER_POSTROUTING, NULL, port);
    } else if (!before->is_out && bridge_of(before->link) == bridge) {
        add_bridge(h, RN_FILTER_FORWARD, before->link, port);
        add_ip(h, RN_FILTER_FORWARD, bridge);
        add_bridge(h, RN_FILTER_POSTROUTING, NULL, port);
        add_ip(h, RN_FILTER_POSTROUTING, bridge);
    }
}

static void enter_bridge(struct hooks *h, const struct rn_wire_step *after)
{
    const struct rn_map_link *port = h->step->link;
    const struct rn_map_link *bridge = bridge_of(port);

    if (bridge == NULL || after == NULL || after->link->netns != port->netns ||
        (after->link != bridge && bridge_of(after->link) != bridge))
        return;
    add_bridge(h, RN_FILTER_PREROUTING, port, NULL);
    if (after->link == bridge) { /* IP asks by itself what it is given */
        add_bridge(h, RN_FILTER_INPUT, port, NULL);
        return;
    }
    add_ip(h, RN_FILTER_PREROUTING, bridge);
}

size_t rn_frame_hooks(const struct rn_wire_trail *trail, size_t at, bool is_v4,
                      struct rn_filter_packet ret[RN_FRAME_HOOKS_MAX])
{
    struct hooks h = { .of = ret, .step = &trail->steps[at], .is_v4 = is_v4 };
    const struct rn_wire_step *before = at != 0 ? &trail->steps[at - 1] : NULL;
    const struct rn_wire_step *after = at + 1 < trail->n ? &trail->steps[at + 1] : NULL;

    if (h.step->is_out) {
        leave_bridge(&h, before);
        add(&h, RN_FILTER_EGRESS)->oif = h.step->link;
    } else {
        add(&h, RN_FILTER_INGRESS)->iif = h.step->link;
        enter_bridge(&h, after);
    }
    return h.n;
}
