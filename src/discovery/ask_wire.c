#include "discovery/ask_wire.h"

#include <net/if.h>

#define STATES_MAX 8192u
#define SLOTS      16384u /* of the index by state: a power of two, never more than half full */

/* A frame at a link: going out of it, or come in through it; with a VLAN tag or none. */
struct state {
    struct rn_map_link *link;
    uint32_t parent; /* index of the state it came from; its own for the first */
    uint16_t tag;
    bool is_out;
};

struct follow {
    const struct rn_map *map;
    struct rn_addr next_hop;
    struct state *states;
    uint32_t *slots; /* index + 1 into states; 0 free */
    uint32_t n;
    uint32_t at; /* the one being followed */
    struct rn_map_link *exit;
    bool is_cut;
};

enum { MACVLAN_BRIDGE = 4, MACVLAN_SOURCE = 16 };

static bool is_up(const struct rn_map_link *link)
{
    return (link->flags & IFF_UP) != 0 && link->oper != RN_OPER_DOWN &&
           link->oper != RN_OPER_LOWER_LAYER_DOWN;
}

static bool is_same(const struct state *a, const struct state *b)
{
    return a->link == b->link && a->is_out == b->is_out && a->tag == b->tag;
}

/* The slot that holds @s, or the free one where it belongs. */
static uint32_t *slot_of(const struct follow *f, const struct state *s)
{
    uint64_t mix = ((uintptr_t)s->link >> 4) * 0x9e3779b97f4a7c15u + s->tag * 2u + s->is_out;
    uint32_t i = (uint32_t)(mix >> 32) & (SLOTS - 1);

    while (f->slots[i] != 0 && !is_same(&f->states[f->slots[i] - 1], s))
        i = (i + 1) & (SLOTS - 1);
    return &f->slots[i];
}

static void go(struct follow *f, struct rn_map_link *link, bool is_out, uint16_t tag)
{
    const struct state s = { link, f->at, tag, is_out };
    uint32_t *slot;

    if (link == NULL || !is_up(link))
        return;
    slot = slot_of(f, &s);
    if (*slot != 0)
        return;
    if (f->n == STATES_MAX) {
        f->is_cut = true;
        return;
    }
    f->states[f->n++] = s;
    *slot = f->n;
}

static bool joins_ports(const struct rn_map_link *link)
{
    return link->kind == RN_KIND_BRIDGE || link->kind == RN_KIND_BOND || link->kind == RN_KIND_TEAM;
}

static bool is_macvlan(const struct rn_map_link *link)
{
    return link->kind == RN_KIND_MACVLAN || link->kind == RN_KIND_MACVTAP;
}

static bool is_ipvlan(const struct rn_map_link *link)
{
    return link->kind == RN_KIND_IPVLAN || link->kind == RN_KIND_IPVTAP;
}

static bool are_siblings(const struct rn_map_link *a, const struct rn_map_link *b)
{
    if (is_ipvlan(a))
        return is_ipvlan(b);
    return is_macvlan(b) && a->macvlan.mode == MACVLAN_BRIDGE && b->macvlan.mode == MACVLAN_BRIDGE;
}

/* Does @link's machine side answer at @addr? Its lower link's namespace is where a vxlan's outer packets go. */
static bool has_outer_addr(const struct rn_map_link *link, struct rn_addr addr)
{
    const struct rn_map_netns *ns = link->lower != NULL ? link->lower->netns : link->netns;

    return rn_addr_eq(link->tunnel.local, addr) || rn_model_link_with_addr(ns, addr) != NULL;
}

/* Same number and port, at the remote address or in the same group. */
bool rn_wire_reaches(const struct rn_map_link *vxlan, const struct rn_map_link *other)
{
    const struct rn_map_tunnel *t = &vxlan->tunnel;

    if (other == vxlan || other->kind != RN_KIND_VXLAN || other->tunnel.id != t->id ||
        other->tunnel.dst_port != t->dst_port || rn_addr_is_none(t->remote))
        return false;
    return (rn_addr_is_multicast(t->remote) && rn_addr_eq(other->tunnel.remote, t->remote)) ||
           has_outer_addr(other, t->remote);
}

/* The other ends of a vxlan on this machine. */
static void out_of_vxlan(struct follow *f, const struct rn_map_link *link, uint16_t tag)
{
    f->exit = f->exit != NULL ? f->exit : f->states[f->at].link;
    if (rn_addr_is_none(link->tunnel.remote))
        return;
    for (size_t i = 0; i < f->map->n_netns; i++) {
        const struct rn_map_netns *ns = f->map->netns[i];

        for (size_t k = 0; k < ns->n_links; k++) {
            struct rn_map_link *other = ns->links[k];

            if (rn_wire_reaches(link, other))
                go(f, other, false, tag);
        }
    }
}

static void out_of_upper(struct follow *f, struct rn_map_link *link, uint16_t tag)
{
    for (size_t i = 0; link->lower != NULL && i < link->lower->n_uppers; i++) {
        if (link->lower->uppers[i] != link && are_siblings(link, link->lower->uppers[i]))
            go(f, link->lower->uppers[i], false, tag);
    }
    go(f, link->lower, true, tag);
}

static void out_of(struct follow *f, struct rn_map_link *link, uint16_t tag)
{
    if (link->kind == RN_KIND_VETH || link->kind == RN_KIND_NETKIT) {
        go(f, link->peer, false, tag);
    } else if (joins_ports(link)) {
        for (size_t i = 0; i < link->n_ports; i++)
            go(f, link->ports[i], true, tag);
    } else if (link->kind == RN_KIND_VLAN) {
        if (tag == 0) /* a second tag is not followed */
            go(f, link->lower, true, link->vlan.id);
    } else if (is_macvlan(link) || is_ipvlan(link)) {
        out_of_upper(f, link, tag);
    } else if (link->kind == RN_KIND_VXLAN) {
        out_of_vxlan(f, link, tag);
    } else if (f->exit == NULL && link->kind != RN_KIND_DUMMY && link->kind != RN_KIND_LOOPBACK) {
        f->exit = link;
    }
}

static void into(struct follow *f, struct rn_map_link *link, uint16_t tag)
{
    struct rn_map_link *master = link->master;

    for (size_t i = 0; i < link->n_uppers; i++) {
        struct rn_map_link *upper = link->uppers[i];

        if (upper->kind == RN_KIND_VLAN && upper->vlan.id == tag)
            go(f, upper, false, 0);
        else if (is_macvlan(upper) || is_ipvlan(upper))
            go(f, upper, false, tag);
    }
    if (master == NULL || !joins_ports(master))
        return;
    go(f, master, false, tag);
    for (size_t i = 0; master->kind == RN_KIND_BRIDGE && i < master->n_ports; i++) {
        if (master->ports[i] != link &&
            !(link->port.is_isolated && master->ports[i]->port.is_isolated))
            go(f, master->ports[i], true, tag);
    }
}

static bool has_addr(const struct rn_map_link *link, struct rn_addr addr)
{
    for (size_t i = 0; i < link->n_addrs; i++) {
        if (rn_addr_eq(link->addrs[i].addr, addr))
            return true;
    }
    return false;
}

/* A frame is taken in where it arrives untagged at what is no port. */
static bool takes_frames(const struct state *s)
{
    return !s->is_out && s->tag == 0 && (s->link->master == NULL || !joins_ports(s->link->master));
}

static void keep_trail(struct rn_wire_trail *trail, const struct follow *f, struct rn_arena *arena,
                       uint32_t at)
{
    size_t n = 1;

    for (uint32_t i = at; f->states[i].parent != i; i = f->states[i].parent)
        n++;
    trail->steps = rn_arena_new(arena, n * sizeof(*trail->steps));
    if (trail->steps == NULL)
        return;
    trail->n = n;
    for (uint32_t i = at; n-- > 0; i = f->states[i].parent)
        trail->steps[n] = (struct rn_wire_step){ .link = f->states[i].link,
                                                 .is_out = f->states[i].is_out,
                                                 .is_tagged = f->states[i].tag != 0 };
}

/* First who has the address on that very link; then, since Linux answers for every address it has, whose namespace has it. */
static uint32_t find_answer(const struct follow *f, bool is_exact)
{
    for (uint32_t i = 0; i < f->n; i++) {
        const struct state *s = &f->states[i];

        if (!takes_frames(s))
            continue;
        if (is_exact ? has_addr(s->link, f->next_hop)
                     : rn_model_link_with_addr(s->link->netns, f->next_hop) != NULL)
            return i;
    }
    return UINT32_MAX;
}

struct rn_wire_trail rn_wire_follow(struct rn_arena *arena, const struct rn_map *map,
                                    struct rn_map_link *out, struct rn_addr next_hop)
{
    struct rn_wire_trail trail = { 0 };
    struct rn_arena work = { 0 };
    struct follow f = { .map = map,
                        .next_hop = next_hop,
                        .states = rn_arena_new(&work, STATES_MAX * sizeof(struct state)),
                        .slots = rn_arena_new(&work, SLOTS * sizeof(uint32_t)) };
    uint32_t found;

    if (f.states == NULL || f.slots == NULL) {
        rn_arena_free(&work);
        trail.is_cut = true;
        return trail;
    }
    go(&f, out, true, 0);
    for (; f.at < f.n; f.at++) {
        if (f.states[f.at].is_out)
            out_of(&f, f.states[f.at].link, f.states[f.at].tag);
        else
            into(&f, f.states[f.at].link, f.states[f.at].tag);
    }
    found = find_answer(&f, true);
    if (found == UINT32_MAX) {
        found = find_answer(&f, false);
        trail.is_elsewhere = found != UINT32_MAX;
    }
    if (found != UINT32_MAX) {
        keep_trail(&trail, &f, arena, found);
        trail.answers = f.states[found].link;
    }
    trail.exit = f.exit;
    trail.is_cut = f.is_cut;
    rn_arena_free(&work);
    return trail;
}
