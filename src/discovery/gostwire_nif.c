#include "discovery/gostwire.h"
#include "discovery/name.h"

#include <inttypes.h>

enum { TABLE_MAIN = 254, TABLE_LOCAL = 255 };

static void ref(struct rn_json *j, const char *key, const struct rn_map_link *link)
{
    char id[RN_GW_ID_BYTES];

    if (link == NULL)
        return;
    rn_json_open(j, key, '{');
    rn_json_text(j, "idref", rn_gw_nif_id(link, id));
    rn_json_int(j, "index", link->index);
    rn_json_text(j, "name", link->name);
    rn_json_close(j, '}');
}

static void addrs(struct rn_json *j, const char *key, const struct rn_map_link *link, bool is_v6)
{
    rn_json_open(j, key, '[');
    for (size_t i = 0; i < link->n_addrs; i++) {
        const struct rn_map_addr *a = &link->addrs[i];

        if (rn_addr_is_v4(a->addr) == is_v6)
            continue;
        rn_json_open(j, NULL, '{');
        rn_json_int(j, "family", is_v6 ? 10 : 2);
        rn_gw_addr(j, "address", a->addr, is_v6);
        rn_json_int(j, "prefixlen", a->prefix_bits);
        rn_json_int(j, "preferred-lifetime", a->preferred_s);
        rn_json_int(j, "valid-lifetime", a->valid_s);
        rn_json_int(j, "scope", a->scope);
        rn_json_int(j, "index", link->index);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void text_if_any(struct rn_json *j, const char *key, const char *text)
{
    if (text[0] != '\0')
        rn_json_text(j, key, text);
}

static void driver(struct rn_json *j, const struct rn_map_driver *d)
{
    rn_json_open(j, "driverinfo", '{');
    rn_json_text(j, "driver", d->name);
    text_if_any(j, "version", d->version);
    text_if_any(j, "fwversion", d->firmware);
    text_if_any(j, "businfo", d->bus);
    text_if_any(j, "eromversion", d->rom);
    rn_json_close(j, '}');
}

/* The engine's labels of its network, and Gostwire's own keys for it. */
static void labels(struct rn_json *j, const struct rn_map_link *link)
{
    if (link->network[0] == '\0' && link->n_labels == 0)
        return;
    rn_json_open(j, "labels", '{');
    rn_gw_labels(j, link->labels, link->n_labels);
    if (link->network[0] != '\0')
        rn_json_text(j, "gostwire/network/name", link->network);
    if (link->is_network_internal)
        rn_json_text(j, "gostwire/bridge/internal", "true");
    if (link->is_network_default)
        rn_json_text(j, "gostwire/network/default-bridge", "true");
    rn_json_close(j, '}');
}

static bool is_macvlan(const struct rn_map_link *link)
{
    return link->kind == RN_KIND_MACVLAN;
}

/* Two lists in Gostwire: macvlans, and ports of a bridge with whatever else stands on a link. */
static void dependants(struct rn_json *j, const struct rn_map_link *link)
{
    size_t n_macvlans = 0;

    for (size_t i = 0; i < link->n_uppers; i++)
        n_macvlans += is_macvlan(link->uppers[i]);
    if (n_macvlans != 0) {
        rn_json_open(j, "macvlans", '[');
        for (size_t i = 0; i < link->n_uppers; i++) {
            if (is_macvlan(link->uppers[i]))
                ref(j, NULL, link->uppers[i]);
        }
        rn_json_close(j, ']');
    }
    if (link->n_ports + link->n_uppers - n_macvlans == 0)
        return;
    rn_json_open(j, "slaves", '[');
    for (size_t i = 0; i < link->n_ports; i++)
        ref(j, NULL, link->ports[i]);
    for (size_t i = 0; i < link->n_uppers; i++) {
        if (!is_macvlan(link->uppers[i]))
            ref(j, NULL, link->uppers[i]);
    }
    rn_json_close(j, ']');
}

static void far_addr(struct rn_json *j, const char *key, const char *keys[2], struct rn_addr a)
{
    if (rn_addr_is_none(a))
        return;
    rn_json_open(j, key, '{');
    rn_json_addr(j, keys[!rn_addr_is_v4(a)], a);
    rn_json_close(j, '}');
}

static void vxlan(struct rn_json *j, const struct rn_map_link *link)
{
    const struct rn_map_tunnel *t = &link->tunnel;
    char id[RN_GW_ID_BYTES];

    rn_json_open(j, "vxlan", '{');
    rn_json_text(j, "idref", rn_gw_nif_id(link->lower, id));
    rn_json_int(j, "vid", t->id);
    rn_json_bool(j, "arp-proxy", t->has_proxy);
    far_addr(j, "source", (const char *[]){ "source_ipv4", "source_ipv6" }, t->local);
    rn_json_open(j, "source-portrange", '{');
    rn_json_int(j, "low", t->src_port_low);
    rn_json_int(j, "high", t->src_port_high);
    rn_json_close(j, '}');
    far_addr(j, "remote", (const char *[]){ "remote_ipv4", "remote_ipv6" }, t->remote);
    rn_json_int(j, "remote-port", t->dst_port);
    rn_json_close(j, '}');
}

static void kind_details(struct rn_json *j, const struct rn_map_link *link)
{
    if (link->kind == RN_KIND_TUNTAP) {
        rn_json_open(j, "tuntap", '{');
        rn_json_text(j, "mode", link->tuntap.is_tap ? "tap" : "tun");
        rn_gw_owners(j, "processors", link->tuntap.processors, link->tuntap.n_processors);
        rn_json_close(j, '}');
    } else if (link->kind == RN_KIND_VXLAN) {
        vxlan(j, link);
    } else if (link->kind == RN_KIND_VLAN) {
        rn_json_open(j, "vlan", '{');
        rn_json_int(j, "vid", link->vlan.id);
        rn_json_int(j, "vlan-protocol", link->vlan.protocol);
        rn_json_close(j, '}');
    }
}

static void relations(struct rn_json *j, const struct rn_map_link *link)
{
    char id[RN_GW_ID_BYTES];

    /* One member for two relations: Gostwire lets the link below a VLAN win over its bridge. */
    if (link->kind == RN_KIND_VLAN && link->lower != NULL)
        ref(j, "master", link->lower);
    else if (link->master != NULL && link->master->kind == RN_KIND_BRIDGE)
        ref(j, "master", link->master);
    if (is_macvlan(link))
        ref(j, "macvlan", link->lower);
    dependants(j, link);
    if (link->peer != NULL) {
        rn_json_open(j, "peer", '{');
        rn_json_text(j, "peer-idref", rn_gw_nif_id(link->peer, id));
        rn_json_int(j, "peer-index", link->peer->index);
        rn_json_text(j, "peer-name", link->peer->name);
        rn_json_close(j, '}');
    }
}

static void nif(struct rn_json *j, const struct rn_map_link *link)
{
    static const char *const opers[] = { "UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN",
                                         "TESTING", "DORMANT",    "UP" };
    const char *alias = link->network[0] != '\0' ? link->network : link->alias;
    char text[RN_NAME_BYTES];

    rn_json_open(j, NULL, '{');
    rn_json_text(j, "id", rn_gw_nif_id(link, text));
    rn_json_text(j, "kind", link->kind == RN_KIND_TUNTAP ? "tuntap" : link->kind_name);
    rn_json_text(j, "name", link->name);
    text_if_any(j, "alias", alias);
    rn_json_int(j, "index", link->index);
    rn_json_open(j, "addresses", '{');
    rn_json_text(j, "mac", rn_name_hwaddr(&link->hwaddr, text));
    addrs(j, "ipv4", link, false);
    addrs(j, "ipv6", link, true);
    rn_json_close(j, '}');
    rn_json_text(j, "operstate", link->oper < RN_ARRAY_LEN(opers) ? opers[link->oper] : "UNKNOWN");
    rn_json_bool(j, "physical", link->is_physical);
    driver(j, &link->driver);
    rn_json_bool(j, "promisc", link->promiscuity != 0);
    labels(j, link);
    relations(j, link);
    kind_details(j, link);
    if (link->sriov != RN_SRIOV_NONE)
        rn_json_int(j, "sr-iov-role", link->sriov);
    ref(j, "pf", link->pf);
    rn_json_close(j, '}');
}

void rn_gw_nifs(struct rn_json *j, const struct rn_map_netns *ns)
{
    rn_json_open(j, "network-interfaces", '[');
    for (size_t i = 0; i < ns->n_links; i++)
        nif(j, ns->links[i]);
    rn_json_close(j, ']');
}

/* ---- routes ---- */

static void route(struct rn_json *j, const struct rn_map_route *r, const struct rn_map_hop *hop)
{
    static const char *const preferences[] = { "00", "01", "00", "11" };
    bool is_v6 = r->family == RN_FAMILY_V6;
    const struct rn_map_link *link = hop != NULL ? hop->link : r->link;
    struct rn_addr gateway = hop != NULL ? hop->gateway : r->gateway;
    char id[RN_GW_ID_BYTES];

    rn_json_open(j, NULL, '{');
    rn_json_text(j, "type", rn_name_route_type(r->type));
    rn_json_int(j, "family", is_v6 ? 10 : 2);
    rn_gw_addr(j, "destination", r->dst.addr, is_v6);
    rn_json_int(j, "destination-prefixlen", r->dst.bits);
    if (link != NULL) {
        rn_json_int(j, "index", link->index);
        rn_json_text(j, "network-interface-idref", rn_gw_nif_id(link, id));
    }
    if (!rn_addr_is_none(gateway))
        rn_json_addr(j, "next-hop", gateway);
    rn_json_text(j, "preference", preferences[r->pref & 3]);
    rn_json_int(j, "priority", r->priority);
    rn_json_int(j, "table", r->table);
    rn_json_close(j, '}');
}

static void family_routes(struct rn_json *j, const struct rn_map_netns *ns, bool is_v6,
                          bool is_policy)
{
    rn_json_open(j, is_v6 ? "ipv6" : "ipv4", '[');
    for (size_t i = 0; i < ns->n_routes; i++) {
        const struct rn_map_route *r = &ns->routes[i];

        if ((r->family == RN_FAMILY_V6) != is_v6 ||
            (r->table != TABLE_MAIN && r->table != TABLE_LOCAL) != is_policy)
            continue;
        if (r->n_hops == 0)
            route(j, r, NULL);
        for (size_t k = 0; k < r->n_hops; k++) /* the page knows one next hop for a route */
            route(j, r, &r->hops[k]);
    }
    rn_json_close(j, ']');
}

void rn_gw_routes(struct rn_json *j, const struct rn_map_netns *ns)
{
    rn_json_open(j, "routes", '{');
    family_routes(j, ns, false, false);
    family_routes(j, ns, true, false);
    rn_json_close(j, '}');
    /* Ours: the page sorts and hides by table numbers it knows, so other tables stay apart. */
    rn_json_open(j, "policy-routes", '{');
    family_routes(j, ns, false, true);
    family_routes(j, ns, true, true);
    rn_json_close(j, '}');
}
