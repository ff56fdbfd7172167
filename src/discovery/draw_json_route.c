#include "discovery/draw_json.h"
#include "discovery/name.h"

static void hop(struct rn_json *j, const struct rn_map *map, const struct rn_map_hop *h)
{
    rn_json_open(j, NULL, '{');
    rn_json_addr(j, "gateway", h->gateway);
    rn_json_link_ref(j, "link", map, h->link);
    rn_json_int(j, "link_index", h->link_index);
    rn_json_int(j, "weight", h->weight);
    rn_json_int(j, "flags", h->flags);
    rn_json_close(j, '}');
}

static void route(struct rn_json *j, const struct rn_map *map, const struct rn_map_route *r)
{
    static const char *const prefs[] = { "medium", "high", "medium", "low" };

    rn_json_open(j, NULL, '{');
    rn_json_int(j, "family", r->family);
    rn_json_text(j, "type", rn_name_route_type(r->type));
    rn_json_prefix(j, "dst", &r->dst);
    if (r->src.bits != 0)
        rn_json_prefix(j, "src", &r->src);
    else
        rn_json_null(j, "src");
    rn_json_addr(j, "gateway", r->gateway);
    rn_json_addr(j, "prefsrc", r->prefsrc);
    rn_json_link_ref(j, "link", map, r->link);
    rn_json_int(j, "link_index", r->link_index);
    rn_json_open(j, "hops", '[');
    for (size_t i = 0; i < r->n_hops; i++)
        hop(j, map, &r->hops[i]);
    rn_json_close(j, ']');
    rn_json_int(j, "table", r->table);
    rn_json_int(j, "priority", r->priority);
    rn_json_int(j, "scope", r->scope);
    rn_json_int(j, "protocol", r->protocol);
    rn_json_int(j, "tos", r->tos);
    rn_json_text(j, "pref", prefs[r->pref & 3]);
    rn_json_int(j, "flags", r->flags);
    rn_json_int(j, "nexthop_id", r->nexthop_id);
    rn_json_int(j, "mtu", r->mtu);
    rn_json_int(j, "advmss", r->advmss);
    rn_json_int(j, "expires_s", r->expires_s);
    rn_json_int(j, "encap_type", r->encap_type);
    rn_json_close(j, '}');
}

static void nexthop(struct rn_json *j, const struct rn_map *map, const struct rn_map_nexthop *n)
{
    rn_json_open(j, NULL, '{');
    rn_json_int(j, "id", n->id);
    rn_json_int(j, "family", n->family);
    rn_json_int(j, "protocol", n->protocol);
    rn_json_addr(j, "gateway", n->hop.gateway);
    rn_json_link_ref(j, "link", map, n->hop.link);
    rn_json_bool(j, "blackhole", n->is_blackhole);
    rn_json_bool(j, "fdb", n->is_fdb);
    rn_json_open(j, "group", '[');
    for (size_t i = 0; i < n->n_group; i++) {
        rn_json_open(j, NULL, '{');
        rn_json_int(j, "id", n->group_ids[i]);
        rn_json_int(j, "weight", n->group_weights[i]);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
    rn_json_close(j, '}');
}

static const char *action_of(uint8_t action)
{
    switch (action) {
    case 1:
        return "table";
    case 2:
        return "goto";
    case 3:
        return "nop";
    case 6:
        return "blackhole";
    case 7:
        return "unreachable";
    case 8:
        return "prohibit";
    default:
        return "unknown";
    }
}

static void prefix_or_null(struct rn_json *j, const char *key, const struct rn_prefix *p)
{
    if (p->bits != 0)
        rn_json_prefix(j, key, p);
    else
        rn_json_null(j, key);
}

static void range_or_null(struct rn_json *j, const char *key, bool is_set, const uint32_t range[2])
{
    if (!is_set) {
        rn_json_null(j, key);
        return;
    }
    rn_json_open(j, key, '[');
    rn_json_int(j, NULL, range[0]);
    rn_json_int(j, NULL, range[1]);
    rn_json_close(j, ']');
}

static void rule(struct rn_json *j, const struct rn_map_rule *r)
{
    rn_json_open(j, NULL, '{');
    rn_json_int(j, "family", r->family);
    rn_json_int(j, "priority", r->priority);
    rn_json_text(j, "action", action_of(r->action));
    rn_json_int(j, "table", r->table);
    rn_json_int(j, "goto", r->goto_priority);
    rn_json_bool(j, "inverted", r->is_inverted);
    prefix_or_null(j, "src", &r->src);
    prefix_or_null(j, "dst", &r->dst);
    rn_json_text(j, "iif", r->iif);
    rn_json_text(j, "oif", r->oif);
    rn_json_int(j, "fwmark", r->fwmark);
    rn_json_int(j, "fwmask", r->fwmask);
    rn_json_int(j, "tos", r->tos);
    rn_json_int(j, "ip_proto", r->ip_proto);
    rn_json_int(j, "l3mdev", r->l3mdev);
    range_or_null(j, "uid_range", r->has_uid_range, (const uint32_t[]){ r->uid_from, r->uid_to });
    range_or_null(j, "sport", r->sport_to != 0, (const uint32_t[]){ r->sport_from, r->sport_to });
    range_or_null(j, "dport", r->dport_to != 0, (const uint32_t[]){ r->dport_from, r->dport_to });
    rn_json_int(j, "suppress_prefix", r->suppress_prefix_bits);
    rn_json_int(j, "suppress_group", r->has_suppress_group ? (int64_t)r->suppress_group : -1);
    rn_json_u64(j, "tun_id", r->tun_id);
    rn_json_int(j, "protocol", r->protocol);
    rn_json_int(j, "flags", r->flags);
    rn_json_close(j, '}');
}

static void neigh(struct rn_json *j, const struct rn_map *map, const struct rn_map_neigh *n)
{
    struct rn_map_hwaddr hw = { .len = n->hwaddr_len };
    char buf[RN_NAME_BYTES];

    memcpy(hw.b, n->hwaddr, sizeof(hw.b));
    rn_json_open(j, NULL, '{');
    rn_json_addr(j, "address", n->addr);
    rn_json_text(j, "hwaddr", rn_name_hwaddr(&hw, buf));
    rn_json_link_ref(j, "link", map, n->link);
    rn_json_int(j, "link_index", n->link_index);
    rn_json_int(j, "master_index", n->master_index);
    rn_json_int(j, "state", n->state);
    rn_json_int(j, "flags", n->flags);
    rn_json_int(j, "ext_flags", n->ext_flags);
    rn_json_int(j, "vlan", n->vlan);
    rn_json_int(j, "vni", n->vni);
    rn_json_int(j, "port", n->port);
    rn_json_int(j, "protocol", n->protocol);
    rn_json_close(j, '}');
}

void rn_json_routing(struct rn_json *j, const struct rn_map *map, const struct rn_map_netns *ns)
{
    rn_json_open(j, "routes", '[');
    for (size_t i = 0; i < ns->n_routes; i++)
        route(j, map, &ns->routes[i]);
    rn_json_close(j, ']');
    rn_json_open(j, "nexthops", '[');
    for (size_t i = 0; i < ns->n_nexthops; i++)
        nexthop(j, map, &ns->nexthops[i]);
    rn_json_close(j, ']');
    rn_json_open(j, "rules", '[');
    for (size_t i = 0; i < ns->n_rules; i++)
        rule(j, &ns->rules[i]);
    rn_json_close(j, ']');
    rn_json_open(j, "neighbours", '[');
    for (size_t i = 0; i < ns->n_neighs; i++)
        neigh(j, map, &ns->neighs[i]);
    rn_json_close(j, ']');
    rn_json_open(j, "fdb", '[');
    for (size_t i = 0; i < ns->n_fdb; i++)
        neigh(j, map, &ns->fdb[i]);
    rn_json_close(j, ']');
}
