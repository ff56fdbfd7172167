#include "discovery/gostwire.h"
#include "discovery/name.h"

static bool is_mapped(struct rn_addr a)
{
    return rn_addr_is_none(a) || rn_addr_is_v4(a);
}

/* Interfaces that take the traffic: the one with the address, or all for any address. */
static void nif_refs(struct rn_json *j, const char *key, const struct rn_map_netns *ns,
                     struct rn_addr local)
{
    char id[RN_GW_ID_BYTES];

    rn_json_open(j, key, '[');
    for (size_t i = 0; i < ns->n_links; i++) {
        const struct rn_map_link *link = ns->links[i];
        bool is_one =
            rn_addr_is_any(local) || (link->kind == RN_KIND_LOOPBACK && rn_addr_is_loopback(local));

        for (size_t k = 0; k < link->n_addrs && !is_one; k++)
            is_one = rn_addr_eq(link->addrs[k].addr, local);
        if (is_one)
            rn_json_text(j, NULL, rn_gw_nif_id(link, id));
    }
    rn_json_close(j, ']');
}

static const char *service(const struct rn_draw *draw, uint16_t port, const char *proto)
{
    const char *name =
        draw->service_name != NULL && port != 0 ? draw->service_name(port, proto) : NULL;

    return name != NULL ? name : "";
}

static const char *state_text(const struct rn_map_sock *s)
{
    static const char *const texts[] = { "closed",          "connected", "SYN sent",
                                         "SYN received",    "FIN WAIT1", "FIN WAIT2",
                                         "time wait",       "closed",    "close wait",
                                         "last ACK",        "listening", "closing",
                                         "new SYN received" };

    if (s->proto == RN_PROTO_UDP)
        return s->state == RN_STATE_ESTABLISHED ? "connected" : "listening";
    return s->state < RN_ARRAY_LEN(texts) ? texts[s->state] : "closed";
}

static const char *macrostate(const struct rn_map_sock *s)
{
    if (s->proto == RN_PROTO_UDP)
        return s->state == RN_STATE_ESTABLISHED ? "connected" : "listening";
    if (s->state == RN_STATE_LISTEN)
        return "listening";
    return s->state == RN_STATE_ESTABLISHED || s->state == RN_STATE_FIN_WAIT1 ||
                   s->state == RN_STATE_FIN_WAIT2
               ? "connected"
               : "unconnected";
}

struct as_family {
    bool is_v6;
    bool is_v4mapped;
};

static void port(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns,
                 const struct rn_map_sock *s, struct as_family as)
{
    const char *proto = s->proto == RN_PROTO_UDP ? "udp" : "tcp";

    rn_json_open(j, NULL, '{');
    rn_json_int(j, "family", as.is_v6 ? 10 : 2);
    rn_json_text(j, "protocol", proto);
    rn_gw_addr(j, "local-address", s->local, as.is_v6);
    rn_json_int(j, "local-port", s->local_port);
    rn_json_text(j, "local-servicename", service(draw, s->local_port, proto));
    rn_gw_addr(j, "remote-address", s->remote, as.is_v6);
    rn_json_int(j, "remote-port", s->remote_port);
    rn_json_text(j, "remote-servicename", service(draw, s->remote_port, proto));
    rn_json_text(j, "state", state_text(s));
    rn_json_text(j, "macrostate", macrostate(s));
    if (as.is_v4mapped)
        rn_json_bool(j, "v4mapped", true);
    rn_gw_owners(j, "owners", s->owners, s->n_owners);
    nif_refs(j, "network-interface-idrefs", ns, s->local);
    rn_json_close(j, '}');
}

static bool is_port(const struct rn_map_sock *s)
{
    return (s->proto == RN_PROTO_TCP || s->proto == RN_PROTO_MPTCP || s->proto == RN_PROTO_UDP) &&
           s->family != RN_FAMILY_NONE;
}

/* An IPv4 socket of the same address and port takes the traffic before a dual one does. */
static bool has_native(const struct rn_map_netns *ns, const struct rn_map_sock *dual)
{
    for (size_t i = 0; i < ns->n_socks; i++) {
        const struct rn_map_sock *s = &ns->socks[i];

        if (s->family == RN_FAMILY_V4 && s->proto == dual->proto &&
            s->local_port == dual->local_port && s->remote_port == dual->remote_port &&
            rn_addr_is_any(s->local) == rn_addr_is_any(dual->local) &&
            (rn_addr_is_any(s->local) || rn_addr_eq(s->local, dual->local)))
            return true;
    }
    return false;
}

static void ports_v4(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns)
{
    rn_json_open(j, "ipv4", '[');
    for (size_t i = 0; i < ns->n_socks; i++) {
        const struct rn_map_sock *s = &ns->socks[i];

        if (!is_port(s))
            continue;
        if (s->family == RN_FAMILY_V4)
            port(j, draw, ns, s, (struct as_family){ .is_v6 = false });
        else if (s->is_dual && is_mapped(s->local) && !has_native(ns, s))
            port(j, draw, ns, s, (struct as_family){ .is_v4mapped = true });
    }
    rn_json_close(j, ']');
}

static void ports_v6(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns)
{
    rn_json_open(j, "ipv6", '[');
    for (size_t i = 0; i < ns->n_socks; i++) {
        if (is_port(&ns->socks[i]) && ns->socks[i].family == RN_FAMILY_V6)
            port(j, draw, ns, &ns->socks[i], (struct as_family){ .is_v6 = true });
    }
    rn_json_close(j, ']');
}

static void forward(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_fwd *fwd,
                    const char *proto)
{
    bool is_v6 = fwd->family == RN_FAMILY_V6;
    uint16_t to_port = fwd->to_port_from != 0 ? fwd->to_port_from : fwd->port_from;
    char id[RN_GW_ID_BYTES];

    rn_json_open(j, NULL, '{');
    rn_json_int(j, "family", is_v6 ? 10 : 2);
    rn_json_text(j, "protocol", proto);
    rn_gw_addr(j, "ip", fwd->addr.bits != 0 ? fwd->addr.addr : rn_addr_none(), is_v6);
    rn_json_int(j, "port", fwd->port_from);
    rn_json_int(j, "port-max", fwd->port_to);
    rn_json_text(j, "servicename", service(draw, fwd->port_from, proto));
    rn_gw_addr(j, "forward-ip", fwd->to, is_v6);
    rn_json_int(j, "forward-port", to_port);
    rn_json_text(j, "forward-servicename", service(draw, to_port, proto));
    rn_json_int(j, "netnsid", fwd->to_netns != NULL ? (int64_t)fwd->to_netns->ino : 0);
    rn_gw_owners(j, "owners", fwd->owners, fwd->n_owners);
    rn_json_open(j, "network-interface-refs", '[');
    if (fwd->to_link != NULL)
        rn_json_text(j, NULL, rn_gw_nif_id(fwd->to_link, id));
    rn_json_close(j, ']');
    rn_json_close(j, '}');
}

static void forwards(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns,
                     bool is_v6)
{
    rn_json_open(j, is_v6 ? "ipv6" : "ipv4", '[');
    for (size_t i = 0; i < ns->n_fwds; i++) {
        const struct rn_map_fwd *fwd = &ns->fwds[i];

        if ((fwd->family == RN_FAMILY_V6) != is_v6)
            continue;
        if (fwd->ip_proto == 6 || fwd->ip_proto == 0)
            forward(j, draw, fwd, "tcp");
        if (fwd->ip_proto == 17 || fwd->ip_proto == 0)
            forward(j, draw, fwd, "udp");
    }
    rn_json_close(j, ']');
}

void rn_gw_ports(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns)
{
    rn_json_open(j, "transport-ports", '{');
    ports_v4(j, draw, ns);
    ports_v6(j, draw, ns);
    rn_json_close(j, '}');
    rn_json_open(j, "forwarded-ports", '{');
    forwards(j, draw, ns, false);
    forwards(j, draw, ns, true);
    rn_json_close(j, '}');
}
