/* The documented order of every list. qsort is not stable, so each comparison ends in something unique or equal. */
#include "discovery/model.h"

#include <stdlib.h>

#define CMP(a, b) (((a) > (b)) - ((a) < (b)))

/* The first difference decides. */
static int first_of(const int *cmps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cmps[i] != 0)
            return cmps[i];
    }
    return 0;
}

static int cmp_netns(const void *pa, const void *pb)
{
    const struct rn_map_netns *a = *(struct rn_map_netns *const *)pa;
    const struct rn_map_netns *b = *(struct rn_map_netns *const *)pb;
    const int by[] = {
        CMP(b->is_initial, a->is_initial),
        CMP(b->is_current, a->is_current),
        CMP(a->n_tenants == 0, b->n_tenants == 0),
        a->n_tenants != 0 && b->n_tenants != 0 ? rn_map_tenant_cmp(&a->tenants[0], &b->tenants[0])
                                               : 0,
        strcmp(a->name, b->name),
        CMP(a->ino, b->ino),
        CMP(a->dev, b->dev),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_link(const void *pa, const void *pb)
{
    const struct rn_map_link *a = *(struct rn_map_link *const *)pa;
    const struct rn_map_link *b = *(struct rn_map_link *const *)pb;
    const int by[] = {
        CMP(b->kind == RN_KIND_LOOPBACK, a->kind == RN_KIND_LOOPBACK),
        strcmp(a->name, b->name),
        CMP(a->netns->ino, b->netns->ino),
        CMP(a->index, b->index),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_addr(const void *pa, const void *pb)
{
    const struct rn_map_addr *a = pa;
    const struct rn_map_addr *b = pb;
    const int by[] = {
        CMP(a->link == NULL, b->link == NULL),
        a->link != NULL && b->link != NULL ? cmp_link(&a->link, &b->link) : 0,
        rn_addr_cmp(a->addr, b->addr),
        CMP(a->prefix_bits, b->prefix_bits),
        rn_addr_cmp(a->peer, b->peer),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_route(const void *pa, const void *pb)
{
    const struct rn_map_route *a = pa;
    const struct rn_map_route *b = pb;
    const int by[] = {
        CMP(a->family, b->family),
        CMP(a->table, b->table),
        rn_addr_cmp(a->dst.addr, b->dst.addr),
        CMP(a->dst.bits, b->dst.bits),
        CMP(a->tos, b->tos),
        CMP(a->priority, b->priority),
        CMP(a->type, b->type),
        CMP(a->link_index, b->link_index),
        rn_addr_cmp(a->gateway, b->gateway),
        rn_addr_cmp(a->src.addr, b->src.addr),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_rule(const void *pa, const void *pb)
{
    const struct rn_map_rule *a = pa;
    const struct rn_map_rule *b = pb;
    const int by[] = {
        CMP(a->family, b->family),
        CMP(a->priority, b->priority),
        rn_addr_cmp(a->src.addr, b->src.addr),
        rn_addr_cmp(a->dst.addr, b->dst.addr),
        CMP(a->fwmark, b->fwmark),
        strcmp(a->iif, b->iif),
        strcmp(a->oif, b->oif),
        CMP(a->table, b->table),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_nexthop(const void *pa, const void *pb)
{
    const struct rn_map_nexthop *a = pa;
    const struct rn_map_nexthop *b = pb;

    return CMP(a->id, b->id);
}

static int cmp_neigh(const void *pa, const void *pb)
{
    const struct rn_map_neigh *a = pa;
    const struct rn_map_neigh *b = pb;
    const int by[] = {
        CMP(a->link_index, b->link_index),
        rn_addr_cmp(a->addr, b->addr),
        memcmp(a->hwaddr, b->hwaddr, sizeof(a->hwaddr)),
        CMP(a->vlan, b->vlan),
        CMP(a->vni, b->vni),
        CMP(a->flags, b->flags),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

/* Listening before connected: the states' numbers know no such order. */
static int state_rank(const struct rn_map_sock *s)
{
    if (s->state == RN_STATE_LISTEN || (s->proto != RN_PROTO_TCP && s->state == RN_STATE_CLOSE))
        return 0;
    return s->state;
}

/* By address: most sockets of a machine differ before. */
static int cmp_inet_sock(const struct rn_map_sock *a, const struct rn_map_sock *b)
{
    const int by[] = {
        rn_addr_cmp(a->local, b->local),
        rn_addr_cmp(a->remote, b->remote),
        CMP(a->remote_port, b->remote_port),
        strcmp(a->path, b->path),
        CMP(a->inode, b->inode),
        CMP(a->cookie, b->cookie),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_local_sock(const struct rn_map_sock *a, const struct rn_map_sock *b)
{
    const int by[] = {
        strcmp(a->path, b->path),
        CMP(a->inode, b->inode),
        CMP(a->cookie, b->cookie),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_sock(const void *pa, const void *pb)
{
    const struct rn_map_sock *a = pa;
    const struct rn_map_sock *b = pb;
    const int by_kind[] = {
        CMP(a->family == RN_FAMILY_NONE, b->family == RN_FAMILY_NONE),
        CMP(a->local_port, b->local_port),
        CMP(a->proto, b->proto),
        CMP(state_rank(a), state_rank(b)),
        CMP(a->family, b->family),
    };
    int order = first_of(by_kind, RN_ARRAY_LEN(by_kind));

    if (order != 0)
        return order;
    return a->family == RN_FAMILY_NONE ? cmp_local_sock(a, b) : cmp_inet_sock(a, b);
}

static int cmp_fwd(const void *pa, const void *pb)
{
    const struct rn_map_fwd *a = pa;
    const struct rn_map_fwd *b = pb;
    const int by[] = {
        CMP(a->family, b->family),
        CMP(a->port_from, b->port_from),
        CMP(a->port_to, b->port_to),
        CMP(a->ip_proto, b->ip_proto),
        rn_addr_cmp(a->addr.addr, b->addr.addr),
        rn_addr_cmp(a->to, b->to),
        CMP(a->to_port_from, b->to_port_from),
        CMP(a->hooks, b->hooks),
        CMP(a->origin, b->origin),
        strcmp(a->rule, b->rule),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static const char *tenant_name(const struct rn_map_tenant *t)
{
    if (t->container != NULL)
        return t->container->name;
    return t->process != NULL ? t->process->comm : "";
}

static uint32_t tenant_pid(const struct rn_map_tenant *t)
{
    return t->process != NULL ? t->process->pid : UINT32_MAX;
}

/* The container that does nothing but hold a pod's namespaces. */
static bool is_pod_holder(const struct rn_map_container *c)
{
    size_t len = strlen(c->name);

    if (c->pod[0] == '\0')
        return false;
    return strcmp(c->name, "pause") == 0 || (len > 6 && strcmp(c->name + len - 6, "-infra") == 0);
}

bool rn_map_tenant_is_helper(const struct rn_map_tenant *t)
{
    static const char *const names[] = { "conmon", "containerd-shim", "docker-proxy",
                                         "aardvark-dns", "slirp4netns" };

    if (t->container != NULL)
        return is_pod_holder(t->container);
    for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
        if (strcmp(tenant_name(t), names[i]) == 0)
            return true;
    }
    return false;
}

int rn_map_tenant_cmp(const struct rn_map_tenant *a, const struct rn_map_tenant *b)
{
    const int by[] = {
        CMP(tenant_pid(b) == 1, tenant_pid(a) == 1),
        CMP(b->container != NULL, a->container != NULL),
        CMP(rn_map_tenant_is_helper(a), rn_map_tenant_is_helper(b)),
        strcmp(tenant_name(a), tenant_name(b)),
        CMP(tenant_pid(a), tenant_pid(b)),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_tenant(const void *pa, const void *pb)
{
    return rn_map_tenant_cmp(pa, pb);
}

static int cmp_ref(const void *pa, const void *pb)
{
    const struct rn_map_ref *a = pa;
    const struct rn_map_ref *b = pb;
    /* A path that outlives processes is worth most to a reader, an fd least. */
    static const uint8_t rank[] = {
        [RN_FOUND_BIND] = 0, [RN_FOUND_PROCESS] = 1, [RN_FOUND_THREAD] = 2,
        [RN_FOUND_FD] = 3,   [RN_FOUND_SOCKET] = 4,  [RN_FOUND_NSID] = 5,
    };
    const int by[] = {
        CMP(rank[a->found_by], rank[b->found_by]),
        CMP(a->mntns_id, b->mntns_id),
        strcmp(a->path, b->path),
        CMP(a->pid, b->pid),
        CMP(a->fd, b->fd),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_process(const void *pa, const void *pb)
{
    const struct rn_map_process *a = *(struct rn_map_process *const *)pa;
    const struct rn_map_process *b = *(struct rn_map_process *const *)pb;

    return CMP(a->pid, b->pid);
}

static int cmp_container(const void *pa, const void *pb)
{
    const struct rn_map_container *a = *(struct rn_map_container *const *)pa;
    const struct rn_map_container *b = *(struct rn_map_container *const *)pb;
    const int by[] = {
        CMP(a->engine_kind, b->engine_kind),
        strcmp(a->name, b->name),
        strcmp(a->id, b->id),
    };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_unreadable(const void *pa, const void *pb)
{
    const struct rn_map_unreadable *a = pa;
    const struct rn_map_unreadable *b = pb;
    const int by[] = { strcmp(a->what, b->what), strcmp(a->id, b->id), strcmp(a->why, b->why) };

    return first_of(by, RN_ARRAY_LEN(by));
}

static int cmp_label(const void *pa, const void *pb)
{
    const struct rn_map_label *a = pa;
    const struct rn_map_label *b = pb;

    return strcmp(a->key, b->key);
}

/* What the kernel dumps is mostly in order already. */
static void sort(void *items, size_t n, size_t item_bytes, int (*cmp)(const void *, const void *))
{
    const uint8_t *at = items;

    for (size_t i = 1; i < n; i++, at += item_bytes) {
        if (cmp(at, at + item_bytes) > 0) {
            qsort(items, n, item_bytes, cmp);
            return;
        }
    }
}

/* After sorting, the addresses of a link are neighbours: its slice starts at the first. */
static void slice_addrs(struct rn_map_netns *ns)
{
    for (size_t i = 0; i < ns->n_links; i++) {
        ns->links[i]->addrs = NULL;
        ns->links[i]->n_addrs = 0;
    }
    for (size_t i = 0; i < ns->n_addrs; i++) {
        struct rn_map_link *link = ns->addrs[i].link;

        if (link == NULL)
            continue;
        if (link->n_addrs == 0)
            link->addrs = &ns->addrs[i];
        link->n_addrs++;
    }
}

static void sort_links(struct rn_map_netns *ns)
{
    sort(ns->links, ns->n_links, sizeof(ns->links[0]), cmp_link);
    for (size_t i = 0; i < ns->n_links; i++) {
        struct rn_map_link *link = ns->links[i];

        sort(link->ports, link->n_ports, sizeof(link->ports[0]), cmp_link);
        sort(link->uppers, link->n_uppers, sizeof(link->uppers[0]), cmp_link);
        sort(link->labels, link->n_labels, sizeof(link->labels[0]), cmp_label);
        if (link->kind == RN_KIND_TUNTAP)
            sort(link->tuntap.processors, link->tuntap.n_processors,
                 sizeof(link->tuntap.processors[0]), cmp_process);
    }
}

static void sort_owners(struct rn_map_netns *ns)
{
    for (size_t i = 0; i < ns->n_socks; i++)
        sort(ns->socks[i].owners, ns->socks[i].n_owners, sizeof(ns->socks[i].owners[0]),
             cmp_process);
    for (size_t i = 0; i < ns->n_fwds; i++)
        sort(ns->fwds[i].owners, ns->fwds[i].n_owners, sizeof(ns->fwds[i].owners[0]), cmp_process);
}

static void sort_netns(struct rn_map_netns *ns)
{
    sort_links(ns);
    sort(ns->addrs, ns->n_addrs, sizeof(ns->addrs[0]), cmp_addr);
    slice_addrs(ns);
    sort(ns->routes, ns->n_routes, sizeof(ns->routes[0]), cmp_route);
    sort(ns->nexthops, ns->n_nexthops, sizeof(ns->nexthops[0]), cmp_nexthop);
    sort(ns->rules, ns->n_rules, sizeof(ns->rules[0]), cmp_rule);
    sort(ns->neighs, ns->n_neighs, sizeof(ns->neighs[0]), cmp_neigh);
    sort(ns->fdb, ns->n_fdb, sizeof(ns->fdb[0]), cmp_neigh);
    sort_owners(ns);
    sort(ns->socks, ns->n_socks, sizeof(ns->socks[0]), cmp_sock);
    sort(ns->fwds, ns->n_fwds, sizeof(ns->fwds[0]), cmp_fwd);
    sort(ns->refs, ns->n_refs, sizeof(ns->refs[0]), cmp_ref);
    sort(ns->tenants, ns->n_tenants, sizeof(ns->tenants[0]), cmp_tenant);
}

void rn_model_sort(struct rn_map *map)
{
    for (size_t i = 0; i < map->n_netns; i++)
        sort_netns(map->netns[i]);
    sort(map->netns, map->n_netns, sizeof(map->netns[0]), cmp_netns);
    sort(map->processes, map->n_processes, sizeof(map->processes[0]), cmp_process);
    for (size_t i = 0; i < map->n_containers; i++)
        sort(map->containers[i]->labels, map->containers[i]->n_labels, sizeof(struct rn_map_label),
             cmp_label);
    sort(map->containers, map->n_containers, sizeof(map->containers[0]), cmp_container);
    sort(map->unreadable, map->n_unreadable, sizeof(map->unreadable[0]), cmp_unreadable);
}
