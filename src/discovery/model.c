#include "discovery/model.h"

#include <stdlib.h>

#define INDEX_FROM_LINKS 16u /* below, walking is as fast */

int rn_model_new(struct rn_map **ret)
{
    struct rn_map *map = calloc(1, sizeof(*map));

    if (map == NULL)
        return RN_E_NOMEM;
    map->host.hostname = "";
    map->host.os_name = "";
    map->host.os_version = "";
    map->host.kernel = "";
    map->host.cpus_online = "";
    *ret = map;
    return RN_OK;
}

void rn_model_free(struct rn_map *map)
{
    if (map == NULL)
        return;
    rn_arena_free(&map->arena);
    free(map);
}

/* One more zeroed element of @item_bytes in the array at *@items; NULL when the arena is full. Arrays are addressed
 * by memcpy, since a pointer to a typed pointer is no pointer to a void pointer. */
static void *append(struct rn_map *map, void *items_slot, size_t *n, size_t item_bytes)
{
    void *items;
    void *grown;

    memcpy(&items, items_slot, sizeof(items));
    grown = rn_arena_room(&map->arena, items, *n, item_bytes);
    if (grown == NULL)
        return NULL;
    memcpy(items_slot, &grown, sizeof(grown));
    (*n)++;
    return (uint8_t *)grown + (*n - 1) * item_bytes;
}

/* The same for an array of pointers, with a new object behind the new pointer. */
static void *append_object(struct rn_map *map, void *items_slot, size_t *n, size_t object_bytes)
{
    void *object = rn_arena_new(&map->arena, object_bytes);
    void *slot = object != NULL ? append(map, items_slot, n, sizeof(void *)) : NULL;

    if (slot == NULL)
        return NULL;
    memcpy(slot, &object, sizeof(object));
    return object;
}

struct rn_map_netns *rn_model_add_netns(struct rn_map *map, uint64_t dev, uint64_t ino)
{
    struct rn_map_netns *ns = append_object(map, &map->netns, &map->n_netns, sizeof(*ns));

    if (ns == NULL)
        return NULL;
    ns->dev = dev;
    ns->ino = ino;
    ns->name = "";
    ns->owner_uid = UINT32_MAX;
    return ns;
}

struct rn_map_link *rn_model_add_link(struct rn_map *map, struct rn_map_netns *netns)
{
    struct rn_map_link *link = append_object(map, &netns->links, &netns->n_links, sizeof(*link));

    if (link == NULL)
        return NULL;
    link->netns = netns;
    link->name = "";
    link->alias = "";
    link->kind_name = "";
    link->slave_kind = "";
    link->qdisc = "";
    link->parent_bus = "";
    link->parent_dev = "";
    link->phys_port_name = "";
    link->network = "";
    link->pf_bus = "";
    link->link_nsid = RN_MAP_NO_NSID;
    link->driver = (struct rn_map_driver){ .name = "",
                                           .version = "",
                                           .firmware = "",
                                           .bus = "",
                                           .rom = "",
                                           .speed_mbit = -1,
                                           .duplex = UINT8_MAX };
    return link;
}

struct rn_map_addr *rn_model_add_addr(struct rn_map *map, struct rn_map_netns *netns)
{
    struct rn_map_addr *addr =
        append(map, &netns->addrs, &netns->n_addrs, sizeof(struct rn_map_addr));

    if (addr == NULL)
        return NULL;
    addr->label = "";
    addr->valid_s = RN_MAP_FOREVER;
    addr->preferred_s = RN_MAP_FOREVER;
    return addr;
}

struct rn_map_route *rn_model_add_route(struct rn_map *map, struct rn_map_netns *netns)
{
    return append(map, &netns->routes, &netns->n_routes, sizeof(struct rn_map_route));
}

struct rn_map_nexthop *rn_model_add_nexthop(struct rn_map *map, struct rn_map_netns *netns)
{
    return append(map, &netns->nexthops, &netns->n_nexthops, sizeof(struct rn_map_nexthop));
}

struct rn_map_rule *rn_model_add_rule(struct rn_map *map, struct rn_map_netns *netns)
{
    struct rn_map_rule *rule =
        append(map, &netns->rules, &netns->n_rules, sizeof(struct rn_map_rule));

    if (rule == NULL)
        return NULL;
    rule->iif = "";
    rule->oif = "";
    rule->suppress_prefix_bits = -1;
    return rule;
}

struct rn_map_sock *rn_model_add_sock(struct rn_map *map, struct rn_map_netns *netns)
{
    struct rn_map_sock *sock =
        append(map, &netns->socks, &netns->n_socks, sizeof(struct rn_map_sock));

    if (sock == NULL)
        return NULL;
    sock->path = "";
    return sock;
}

struct rn_map_fwd *rn_model_add_fwd(struct rn_map *map, struct rn_map_netns *netns)
{
    struct rn_map_fwd *fwd = append(map, &netns->fwds, &netns->n_fwds, sizeof(struct rn_map_fwd));

    if (fwd == NULL)
        return NULL;
    fwd->iif = "";
    fwd->rule = "";
    fwd->comment = "";
    fwd->why = "";
    fwd->netns = netns;
    return fwd;
}

struct rn_map_ref *rn_model_add_ref(struct rn_map *map, struct rn_map_netns *netns)
{
    struct rn_map_ref *ref = append(map, &netns->refs, &netns->n_refs, sizeof(struct rn_map_ref));

    if (ref == NULL)
        return NULL;
    ref->path = "";
    return ref;
}

struct rn_map_tenant *rn_model_add_tenant(struct rn_map *map, struct rn_map_netns *netns)
{
    return append(map, &netns->tenants, &netns->n_tenants, sizeof(struct rn_map_tenant));
}

struct rn_map_neigh *rn_model_add_neigh(struct rn_map *map, struct rn_map_netns *netns)
{
    return append(map, &netns->neighs, &netns->n_neighs, sizeof(struct rn_map_neigh));
}

struct rn_map_neigh *rn_model_add_fdb(struct rn_map *map, struct rn_map_netns *netns)
{
    return append(map, &netns->fdb, &netns->n_fdb, sizeof(struct rn_map_neigh));
}

struct rn_map_process *rn_model_add_process(struct rn_map *map, uint32_t pid)
{
    struct rn_map_process *p = append_object(map, &map->processes, &map->n_processes, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->pid = pid;
    p->comm = "";
    p->cmdline = "";
    p->cgroup = "";
    p->affinity = "";
    return p;
}

struct rn_map_container *rn_model_add_container(struct rn_map *map)
{
    struct rn_map_container *c =
        append_object(map, &map->containers, &map->n_containers, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->id = "";
    c->name = "";
    c->image = "";
    c->project = "";
    c->service = "";
    c->pod = "";
    return c;
}

struct rn_map_engine *rn_model_add_engine(struct rn_map *map)
{
    struct rn_map_engine *e = append_object(map, &map->engines, &map->n_engines, sizeof(*e));

    if (e == NULL)
        return NULL;
    e->id = "";
    e->version = "";
    e->api_path = "";
    return e;
}

void rn_model_note(struct rn_map *map, struct rn_map_unreadable note)
{
    struct rn_map_unreadable *u = append(map, &map->unreadable, &map->n_unreadable, sizeof(*u));

    if (u == NULL)
        return;
    u->what = rn_arena_strdup(&map->arena, note.what);
    u->id = rn_arena_strdup(&map->arena, note.id);
    u->why = rn_arena_strdup(&map->arena, note.why);
    u->needs = rn_arena_strdup(&map->arena, note.needs != NULL ? note.needs : "");
    u->netns = note.netns;
}

void rn_model_list_link(struct rn_map *map, struct rn_map_link ***list, size_t *n,
                        struct rn_map_link *link)
{
    struct rn_map_link **slot;

    for (size_t i = 0; i < *n; i++) {
        if ((*list)[i] == link)
            return;
    }
    slot = append(map, list, n, sizeof(struct rn_map_link *));
    if (slot != NULL)
        *slot = link;
}

void rn_model_list_process(struct rn_map *map, struct rn_map_process ***list, size_t *n,
                           struct rn_map_process *process)
{
    struct rn_map_process **slot;

    for (size_t i = 0; i < *n; i++) {
        if ((*list)[i] == process)
            return;
    }
    slot = append(map, list, n, sizeof(struct rn_map_process *));
    if (slot != NULL)
        *slot = process;
}

struct rn_map_netns *rn_model_netns(const struct rn_map *map, uint64_t dev, uint64_t ino)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        if (map->netns[i]->ino == ino && map->netns[i]->dev == dev)
            return map->netns[i];
    }
    return NULL;
}

static int cmp_index(const void *pa, const void *pb)
{
    const struct rn_map_link *a = *(struct rn_map_link *const *)pa;
    const struct rn_map_link *b = *(struct rn_map_link *const *)pb;

    return (a->index > b->index) - (a->index < b->index);
}

void rn_model_index_links(struct rn_map *map)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        struct rn_map_netns *ns = map->netns[i];
        size_t bytes = ns->n_links * sizeof(struct rn_map_link *);

        if (ns->n_links < INDEX_FROM_LINKS)
            continue;
        ns->links_by_index = rn_arena_new(&map->arena, bytes);
        if (ns->links_by_index == NULL)
            return;
        memcpy(ns->links_by_index, ns->links, bytes);
        qsort(ns->links_by_index, ns->n_links, sizeof(struct rn_map_link *), cmp_index);
    }
}

struct rn_map_link *rn_model_link(const struct rn_map_netns *netns, uint32_t index)
{
    struct rn_map_link key = { .index = index };
    struct rn_map_link *key_ptr = &key;
    struct rn_map_link **hit;

    if (netns->links_by_index != NULL) {
        hit = bsearch(&key_ptr, netns->links_by_index, netns->n_links, sizeof(struct rn_map_link *),
                      cmp_index);
        return hit != NULL ? *hit : NULL;
    }
    for (size_t i = 0; i < netns->n_links; i++) {
        if (netns->links[i]->index == index)
            return netns->links[i];
    }
    return NULL;
}

static bool has_name(const struct rn_map_link *link, const char *name)
{
    if (strcmp(link->name, name) == 0)
        return true;
    for (size_t i = 0; i < link->n_altnames; i++) {
        if (strcmp(link->altnames[i], name) == 0)
            return true;
    }
    return false;
}

struct rn_map_link *rn_model_link_by_name(const struct rn_map_netns *netns, const char *name)
{
    for (size_t i = 0; i < netns->n_links; i++) {
        if (has_name(netns->links[i], name))
            return netns->links[i];
    }
    return NULL;
}

struct rn_map_link *rn_model_link_with_addr(const struct rn_map_netns *netns, struct rn_addr a)
{
    for (size_t i = 0; i < netns->n_addrs; i++) {
        if (rn_addr_eq(netns->addrs[i].addr, a) && netns->addrs[i].link != NULL)
            return netns->addrs[i].link;
    }
    return NULL;
}

/* /proc is read in ascending order, so the list is sorted even before rn_model_sort(). */
struct rn_map_process *rn_model_process(const struct rn_map *map, uint32_t pid)
{
    size_t lo = 0;
    size_t hi = map->n_processes;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (map->processes[mid]->pid < pid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < map->n_processes && map->processes[lo]->pid == pid ? map->processes[lo] : NULL;
}

struct rn_map_container *rn_model_container_by_id(const struct rn_map *map, const char *id)
{
    for (size_t i = 0; i < map->n_containers; i++) {
        if (strcmp(map->containers[i]->id, id) == 0)
            return map->containers[i];
    }
    return NULL;
}
