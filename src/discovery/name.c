#include "discovery/name.h"

#include "base/text.h"

#include <string.h>

#define NAMED_TENANTS_MAX 3u

/* A cut name must not end within a character: its first bytes alone would be shown as broken. */
static char *finish(struct rn_text *t)
{
    if (t->cut) {
        while (t->len > 0 && ((uint8_t)t->buf[t->len - 1] & 0xc0) == 0x80)
            t->len--;
        if (t->len > 0 && ((uint8_t)t->buf[t->len - 1] & 0x80) != 0)
            t->len--;
        t->buf[t->len] = '\0';
    }
    return t->buf;
}

static void put_process(struct rn_text *t, const struct rn_map_process *p)
{
    rn_text_str(t, p->comm[0] != '\0' ? p->comm : "process");
    rn_text_char(t, '(');
    rn_text_u64(t, p->pid);
    rn_text_char(t, ')');
}

static void put_tenant(struct rn_text *t, const struct rn_map_tenant *tenant)
{
    if (tenant->container != NULL)
        rn_text_str(t, tenant->container->name);
    else if (tenant->process != NULL)
        put_process(t, tenant->process);
    else
        rn_text_str(t, "process");
}

char *rn_name_process(const struct rn_map_process *p, char buf[RN_NAME_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_NAME_BYTES);

    put_process(&t, p);
    return finish(&t);
}

char *rn_name_tenant(const struct rn_map_tenant *tenant, char buf[RN_NAME_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_NAME_BYTES);

    put_tenant(&t, tenant);
    return finish(&t);
}

/* Containers if there are any, then processes of their own will: others beside them do not name a network. */
static void put_tenants(struct rn_text *t, const struct rn_map_netns *ns, size_t max)
{
    bool has_containers = ns->tenants[0].container != NULL;
    bool are_helpers = rn_map_tenant_is_helper(&ns->tenants[0]);
    size_t n = 0;
    size_t n_left = 0;

    for (size_t i = 0; i < ns->n_tenants; i++) {
        if ((ns->tenants[i].container != NULL) != has_containers ||
            rn_map_tenant_is_helper(&ns->tenants[i]) != are_helpers)
            continue;
        if (n == max) {
            n_left++;
            continue;
        }
        if (n++ > 0)
            rn_text_str(t, ", ");
        put_tenant(t, &ns->tenants[i]);
    }
    if (n_left > 0) {
        rn_text_str(t, " +");
        rn_text_u64(t, n_left);
    }
}

static char *name_netns(const struct rn_map *map, const struct rn_map_netns *ns, size_t max,
                        char buf[RN_NAME_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_NAME_BYTES);

    if (ns->is_initial) {
        rn_text_str(&t, map->host.hostname[0] != '\0' ? map->host.hostname : "host");
    } else if (ns->n_tenants != 0 && ns->tenants[0].container != NULL) {
        put_tenants(&t, ns, max);
    } else if (ns->name[0] != '\0') {
        rn_text_str(&t, ns->name);
    } else if (ns->n_tenants != 0) {
        put_tenants(&t, ns, max);
    } else if (ns->ino != 0) {
        rn_text_str(&t, "net:[");
        rn_text_u64(&t, ns->ino);
        rn_text_char(&t, ']');
    } else {
        rn_text_str(&t, "unknown network");
    }
    return finish(&t);
}

char *rn_name_netns(const struct rn_map *map, const struct rn_map_netns *ns,
                    char buf[RN_NAME_BYTES])
{
    return name_netns(map, ns, NAMED_TENANTS_MAX, buf);
}

char *rn_name_netns_short(const struct rn_map *map, const struct rn_map_netns *ns,
                          char buf[RN_NAME_BYTES])
{
    bool has_containers = ns->n_tenants != 0 && ns->tenants[0].container != NULL;

    return name_netns(map, ns, has_containers ? NAMED_TENANTS_MAX : 1, buf);
}

/* The one that says most: of a project or pod before any. */
static const struct rn_map_container *first_container(const struct rn_map_netns *ns)
{
    const struct rn_map_container *first = NULL;

    for (size_t i = 0; i < ns->n_tenants; i++) {
        const struct rn_map_container *c = ns->tenants[i].container;

        if (c != NULL && (c->project[0] != '\0' || c->pod[0] != '\0'))
            return c;
        if (first == NULL)
            first = c;
    }
    return first;
}

enum rn_map_engine_kind rn_netns_engine(const struct rn_map_netns *ns)
{
    const struct rn_map_container *c = first_container(ns);

    return c != NULL && !ns->is_initial ? c->engine_kind : RN_ENGINE_OTHER;
}

char *rn_name_group(const struct rn_map_netns *ns, char buf[RN_NAME_BYTES])
{
    const struct rn_map_container *c = first_container(ns);
    struct rn_text t = rn_text_of(buf, RN_NAME_BYTES);

    if (ns->is_initial) {
        rn_text_str(&t, "this machine");
    } else if (!ns->is_entered) {
        rn_text_str(&t, "unreadable");
    } else if (c != NULL) {
        rn_text_str(&t, rn_map_engine_text(c->engine_kind));
        if (c->project[0] != '\0') {
            rn_text_str(&t, " project ");
            rn_text_str(&t, c->project);
        } else if (c->pod[0] != '\0') {
            rn_text_str(&t, " pod ");
            rn_text_str(&t, c->pod);
        }
    } else if (ns->name[0] != '\0') {
        rn_text_str(&t, "named");
    } else if (ns->n_tenants != 0) {
        rn_text_str(&t, "processes");
    } else {
        rn_text_str(&t, "without processes");
    }
    return finish(&t);
}

static const char *const macvlan_modes[] = {
    [1] = "private", [2] = "vepa", [4] = "bridge", [8] = "passthru", [16] = "source",
};
static const char *const ipvlan_modes[] = { "l2", "l3", "l3s" };

static void put_kind_detail(struct rn_text *t, const struct rn_map_link *link)
{
    const struct rn_map_tunnel *tunnel = &link->tunnel;

    if (link->kind == RN_KIND_MACVLAN || link->kind == RN_KIND_MACVTAP) {
        if (link->macvlan.mode < RN_ARRAY_LEN(macvlan_modes) &&
            macvlan_modes[link->macvlan.mode] != NULL) {
            rn_text_char(t, ' ');
            rn_text_str(t, macvlan_modes[link->macvlan.mode]);
        }
    } else if (link->kind == RN_KIND_IPVLAN || link->kind == RN_KIND_IPVTAP) {
        if (link->ipvlan.mode < RN_ARRAY_LEN(ipvlan_modes)) {
            rn_text_char(t, ' ');
            rn_text_str(t, ipvlan_modes[link->ipvlan.mode]);
        }
    } else if (link->kind == RN_KIND_VLAN) {
        rn_text_char(t, ' ');
        rn_text_u64(t, link->vlan.id);
    } else if (link->kind == RN_KIND_VXLAN || link->kind == RN_KIND_GENEVE) {
        rn_text_char(t, ' ');
        if (tunnel->is_external)
            rn_text_str(t, "external");
        else
            rn_text_u64(t, tunnel->id);
    } else if (link->kind == RN_KIND_VRF) {
        rn_text_str(t, " table ");
        rn_text_u64(t, link->vrf_table);
    }
}

char *rn_name_kind(const struct rn_map_link *link, char buf[RN_NAME_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_NAME_BYTES);

    if (link->kind == RN_KIND_DEVICE)
        rn_text_str(&t, link->driver.name[0] != '\0' ? link->driver.name : "device");
    else if (link->kind == RN_KIND_TUNTAP)
        rn_text_str(&t, link->tuntap.is_tap ? "tap" : "tun");
    else if (link->kind == RN_KIND_OTHER || link->kind == RN_KIND_TUNNEL)
        rn_text_str(&t, link->kind_name[0] != '\0' ? link->kind_name : "other");
    else
        rn_text_str(&t, rn_map_kind_text(link->kind));
    put_kind_detail(&t, link);
    return finish(&t);
}

static void put_ref(struct rn_text *t, const struct rn_map *map, const struct rn_map_ref *ref)
{
    const struct rn_map_process *p = rn_model_process(map, ref->pid);

    switch (ref->found_by) {
    case RN_FOUND_BIND:
        rn_text_str(t, ref->path);
        if (ref->mntns_id != 0)
            rn_text_str(t, " in another mount namespace");
        return;
    case RN_FOUND_NSID:
        rn_text_str(t, "seen only from outside");
        return;
    case RN_FOUND_FD:
        rn_text_str(t, "held by descriptor ");
        rn_text_u64(t, ref->fd);
        rn_text_str(t, " of ");
        break;
    case RN_FOUND_SOCKET:
        rn_text_str(t, "held by a socket of ");
        break;
    case RN_FOUND_THREAD:
        rn_text_str(t, "held by a thread of ");
        break;
    case RN_FOUND_PROCESS:
        rn_text_str(t, "of ");
        break;
    }
    if (p != NULL) {
        put_process(t, p);
    } else {
        rn_text_str(t, "process ");
        rn_text_u64(t, ref->pid);
    }
}

char *rn_name_holder(const struct rn_map *map, const struct rn_map_netns *ns,
                     char buf[RN_NAME_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_NAME_BYTES);

    if (ns->n_tenants == 0 && ns->n_refs != 0)
        put_ref(&t, map, &ns->refs[0]);
    return finish(&t);
}

char *rn_name_hwaddr(const struct rn_map_hwaddr *hw, char buf[RN_NAME_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_NAME_BYTES);

    for (uint8_t i = 0; i < hw->len && i < RN_MAP_HWADDR_MAX; i++) {
        if (i > 0)
            rn_text_char(&t, ':');
        rn_text_hex(&t, hw->b[i], 2);
    }
    return t.buf;
}

const char *rn_name_route_type(uint8_t type)
{
    static const char *const texts[] = { "unspec",   "unicast",   "local",     "broadcast",
                                         "anycast",  "multicast", "blackhole", "unreachable",
                                         "prohibit", "throw",     "nat",       "xresolve" };

    return type < RN_ARRAY_LEN(texts) ? texts[type] : "unspec";
}

const char *rn_name_ip_proto(uint8_t ip_proto)
{
    switch (ip_proto) {
    case 0:
        return "any";
    case 6:
        return "tcp";
    case 17:
        return "udp";
    case 132:
        return "sctp";
    default:
        return "other";
    }
}

bool rn_sock_is_listening(const struct rn_map_sock *s)
{
    if (s->proto == RN_PROTO_TCP || s->proto == RN_PROTO_MPTCP || s->proto == RN_PROTO_SCTP ||
        s->proto == RN_PROTO_UNIX)
        return s->state == RN_STATE_LISTEN;
    if (s->proto == RN_PROTO_UDP || s->proto == RN_PROTO_UDPLITE)
        return s->state == RN_STATE_CLOSE && s->local_port != 0;
    return false;
}
