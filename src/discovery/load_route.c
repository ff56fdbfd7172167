/* Addresses, routes, rules, neighbours, nexthop objects, NSIDs: host/rtnl_*.c parses, this keeps. */
#include "discovery/load.h"

#include "host/nlattr.h"
#include "host/rtnl_addr.h"
#include "host/rtnl_neigh.h"
#include "host/rtnl_route.h"
#include "host/rtnl_rule.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

void rn_load_addr(struct rn_load *l, struct rn_view payload)
{
    struct rn_rtnl_addr from;
    struct rn_map_addr *a;

    if (rn_rtnl_addr_parse(payload, &from) < 0) {
        l->n_malformed++;
        return;
    }
    a = rn_model_add_addr(l->map, l->current);
    if (a == NULL)
        return;
    a->addr = from.local;
    a->peer = from.peer;
    a->broadcast = from.broadcast;
    a->anycast = from.anycast;
    a->label = rn_load_str(l, from.label);
    a->link_index = from.ifindex;
    a->flags = from.flags;
    a->valid_s = from.valid_s;
    a->preferred_s = from.preferred_s;
    a->metric = from.metric;
    a->prefix_bits = from.prefix_bits;
    a->scope = from.scope;
    a->proto = from.proto;
}

static void keep_hops(struct rn_load *l, const struct rn_rtnl_route *from, struct rn_map_route *r)
{
    size_t n = rn_min_size(from->n_hops, RN_RTNL_HOPS_MAX);

    if (n == 0)
        return;
    r->hops = rn_arena_new(&l->map->arena, n * sizeof(*r->hops));
    if (r->hops == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        r->hops[i].gateway = from->hops[i].gateway;
        r->hops[i].link_index = from->hops[i].ifindex;
        r->hops[i].weight = from->hops[i].weight;
        r->hops[i].flags = from->hops[i].flags;
    }
    r->n_hops = n;
}

void rn_load_route(struct rn_load *l, struct rn_view payload)
{
    struct rn_rtnl_route from;
    struct rn_map_route *r;
    int err = rn_rtnl_route_parse(payload, &from);

    if (err == RN_E_ADDR_FAMILY)
        return; /* MPLS, multicast routing: not of this picture */
    if (err < 0) {
        l->n_malformed++;
        return;
    }
    r = rn_model_add_route(l->map, l->current);
    if (r == NULL)
        return;
    r->dst = from.dst;
    r->src = from.src;
    r->gateway = from.gateway;
    r->prefsrc = from.prefsrc;
    r->link_index = from.ifindex;
    r->table = from.table;
    r->priority = from.priority;
    r->flags = from.flags;
    r->nexthop_id = from.nexthop_id;
    r->mtu = from.mtu;
    r->advmss = from.advmss;
    r->expires_s = from.expires_s;
    r->encap_type = from.encap_type;
    r->family = from.family;
    r->type = from.type;
    r->scope = from.scope;
    r->protocol = from.protocol;
    r->tos = from.tos;
    r->pref = from.pref;
    keep_hops(l, &from, r);
}

void rn_load_rule(struct rn_load *l, struct rn_view payload)
{
    struct rn_rtnl_rule from;
    struct rn_map_rule *r;
    int err = rn_rtnl_rule_parse(payload, &from);

    if (err == RN_E_ADDR_FAMILY)
        return; /* rules of multicast routing */
    if (err < 0) {
        l->n_malformed++;
        return;
    }
    r = rn_model_add_rule(l->map, l->current);
    if (r == NULL)
        return;
    r->src = from.src;
    r->dst = from.dst;
    r->iif = rn_load_str(l, from.iif);
    r->oif = rn_load_str(l, from.oif);
    r->priority = from.priority;
    r->table = from.table;
    r->fwmark = from.fwmark;
    r->fwmask = from.fwmask;
    r->goto_priority = from.goto_priority;
    r->flags = from.flags;
    r->uid_from = from.uid_from;
    r->uid_to = from.uid_to;
    r->sport_from = from.sport_from;
    r->sport_to = from.sport_to;
    r->dport_from = from.dport_from;
    r->dport_to = from.dport_to;
    r->suppress_prefix_bits =
        from.suppress_prefix_bits <= 128 ? (int32_t)from.suppress_prefix_bits : -1;
    r->family = from.family;
    r->action = from.action;
    r->tos = from.tos;
    r->ip_proto = from.ip_proto;
    r->protocol = from.protocol;
    r->l3mdev = from.l3mdev;
    r->has_uid_range = from.has_uid_range;
    r->has_suppress_group = from.has_suppress_group;
    r->suppress_group = from.suppress_group;
    r->tun_id = from.tun_id;
    r->is_inverted = from.is_inverted;
}

void rn_load_neigh(struct rn_load *l, struct rn_view payload)
{
    struct rn_rtnl_neigh from;
    struct rn_map_neigh *n;
    int err = rn_rtnl_neigh_parse(payload, &from);

    if (err == RN_E_ADDR_FAMILY)
        return;
    if (err < 0) {
        l->n_malformed++;
        return;
    }
    n = from.is_fdb ? rn_model_add_fdb(l->map, l->current) : rn_model_add_neigh(l->map, l->current);
    if (n == NULL)
        return;
    n->addr = from.addr;
    memcpy(n->hwaddr, from.hwaddr, sizeof(n->hwaddr));
    n->hwaddr_len = from.hwaddr_len;
    n->flags = from.flags;
    n->state = from.state;
    n->vlan = from.vlan;
    n->port = from.port;
    n->vni = from.vni;
    n->link_index = from.ifindex;
    n->master_index = from.master;
    n->ext_flags = from.ext_flags;
    n->protocol = from.protocol;
}

static void keep_group(struct rn_load *l, const struct rn_rtnl_nexthop *from,
                       struct rn_map_nexthop *n)
{
    if (from->n_group == 0)
        return;
    n->group_ids = rn_arena_new(&l->map->arena, from->n_group * sizeof(*n->group_ids));
    n->group_weights = rn_arena_new(&l->map->arena, from->n_group * sizeof(*n->group_weights));
    if (n->group_ids == NULL || n->group_weights == NULL)
        return;
    memcpy(n->group_ids, from->group_ids, from->n_group * sizeof(*n->group_ids));
    memcpy(n->group_weights, from->group_weights, from->n_group * sizeof(*n->group_weights));
    n->n_group = from->n_group;
}

void rn_load_nexthop(struct rn_load *l, struct rn_view payload)
{
    struct rn_rtnl_nexthop from;
    struct rn_map_nexthop *n;

    if (rn_rtnl_nexthop_parse(payload, &from) < 0) {
        l->n_malformed++;
        return;
    }
    n = rn_model_add_nexthop(l->map, l->current);
    if (n == NULL)
        return;
    n->id = from.id;
    n->family = from.family;
    n->protocol = from.protocol;
    n->is_blackhole = from.is_blackhole;
    n->is_fdb = from.is_fdb;
    n->hop.gateway = from.gateway;
    n->hop.link_index = from.ifindex;
    n->hop.flags = from.flags;
    n->hop.weight = 1;
    keep_group(l, &from, n);
}

static void keep_nsid(struct rn_load *l, const struct rn_fact_nsid *fact)
{
    struct rn_fact_nsid *grown =
        rn_arena_room(&l->map->arena, l->nsids, l->n_nsids, sizeof(*grown));

    if (grown == NULL)
        return;
    l->nsids = grown;
    l->nsids[l->n_nsids++] = *fact;
}

void rn_load_nsid_of(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    uint32_t seq = rn_read_be32(&r);
    uint32_t nsid = rn_read_be32(&r);
    uint32_t of = rn_read_be32(&r);

    if (r.short_read || seq >= l->n_seq || nsid > INT32_MAX) {
        l->n_malformed++;
        return;
    }
    keep_nsid(l, &(struct rn_fact_nsid){ l->by_seq[seq], (int32_t)nsid, of });
}

void rn_load_nsid(struct rn_load *l, struct rn_view payload)
{
    struct rn_view tb[NETNSA_MAX + 1];
    struct rn_view head;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct rtgenmsg), &head)) {
        l->n_malformed++;
        return;
    }
    rn_nlattr_table(payload, tb, NETNSA_MAX);
    if (!rn_nl_has(tb[NETNSA_NSID]) || rn_nl_i32(tb[NETNSA_CURRENT_NSID]) < 0 ||
        !rn_nl_has(tb[NETNSA_CURRENT_NSID]))
        return; /* a namespace that nobody found */
    keep_nsid(l, &(struct rn_fact_nsid){ l->current, rn_nl_i32(tb[NETNSA_NSID]),
                                         rn_nl_u32(tb[NETNSA_CURRENT_NSID]) });
}
