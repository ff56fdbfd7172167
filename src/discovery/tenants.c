/* Who lives where. A tenant is a process at the top of a subtree within a network namespace, or the first process of a
 * container. Containers are recognised by their cgroups, which no engine can do without. */
#include "discovery/phases.h"

#include "host/cgroup.h"

#include <stdlib.h>

static int cmp_netns(const void *pa, const void *pb)
{
    const struct rn_map_netns *a = *(struct rn_map_netns *const *)pa;
    const struct rn_map_netns *b = *(struct rn_map_netns *const *)pb;

    if (a->ino != b->ino)
        return a->ino > b->ino ? 1 : -1;
    return (a->dev > b->dev) - (a->dev < b->dev);
}

/* Every process looks its namespace up; thousands of both make a walk too slow. */
static void find_netns(struct rn_map *map)
{
    size_t bytes = map->n_netns * sizeof(struct rn_map_netns *);
    struct rn_map_netns **sorted = malloc(bytes + 1);

    if (sorted == NULL)
        return;
    if (bytes != 0)
        memcpy(sorted, map->netns, bytes);
    qsort(sorted, map->n_netns, sizeof(*sorted), cmp_netns);
    for (size_t i = 0; i < map->n_processes; i++) {
        struct rn_map_process *p = map->processes[i];
        struct rn_map_netns key = { .dev = p->netns_dev, .ino = p->netns_ino };
        struct rn_map_netns *key_ptr = &key;
        struct rn_map_netns **hit =
            bsearch(&key_ptr, sorted, map->n_netns, sizeof(*sorted), cmp_netns);

        p->netns = hit != NULL && p->netns_ino != 0 ? *hit : NULL;
        if (p->netns != NULL)
            p->netns->n_processes++;
        p->parent = rn_model_process(map, p->ppid);
        if (p->parent == p)
            p->parent = NULL;
    }
    free(sorted);
}

/* ---- containers ---- */

static enum rn_map_engine_kind kind_of(enum rn_cgroup_kind kind)
{
    switch (kind) {
    case RN_CGROUP_DOCKER:
        return RN_ENGINE_DOCKER;
    case RN_CGROUP_PODMAN:
        return RN_ENGINE_PODMAN;
    case RN_CGROUP_CONTAINERD:
        return RN_ENGINE_CONTAINERD;
    case RN_CGROUP_CRIO:
        return RN_ENGINE_CRIO;
    case RN_CGROUP_LXC:
        return RN_ENGINE_LXC;
    case RN_CGROUP_NSPAWN:
        return RN_ENGINE_NSPAWN;
    case RN_CGROUP_UNIT:
        return RN_ENGINE_SYSTEMD;
    case RN_CGROUP_OTHER:
    default:
        return RN_ENGINE_OTHER;
    }
}

/* Units of the host's own network are the host's furniture; one with a network of its own is worth a name. */
static bool is_furniture(const struct rn_map_process *p, const struct rn_cgroup_id *id)
{
    return id->kind == RN_CGROUP_UNIT && (p->netns == NULL || p->netns->is_initial);
}

#define SHORT_ID_CHARS 12u

static struct rn_map_container *container_of(struct rn_map *map, const struct rn_cgroup_id *id)
{
    const char *text = rn_arena_str(&map->arena, id->id);
    struct rn_map_container *c = rn_model_container_by_id(map, text);

    if (c != NULL)
        return c;
    c = rn_model_add_container(map);
    if (c == NULL)
        return NULL;
    c->id = text;
    c->name = id->is_hash ? rn_arena_str(&map->arena, rn_view_of(text, SHORT_ID_CHARS)) : text;
    c->engine_kind = kind_of(id->kind);
    if (id->pod.len != 0)
        c->pod = rn_arena_str(&map->arena, rn_view_of(id->pod.ptr, SHORT_ID_CHARS));
    return c;
}

/* An engine's helpers (conmon) may sit in the container's cgroup, but not in its namespaces: the first process is the
 * oldest with other namespaces than its parent, else the oldest. */
static bool is_better_init(const struct rn_map_process *p, const struct rn_map_process *have)
{
    bool p_is_top = p->parent == NULL || p->parent->mntns_ino != p->mntns_ino;
    bool have_is_top;

    if (have == NULL)
        return true;
    have_is_top = have->parent == NULL || have->parent->mntns_ino != have->mntns_ino;
    if (p_is_top != have_is_top)
        return p_is_top;
    return p->start_ticks < have->start_ticks;
}

static void find_containers(struct rn_map *map)
{
    const char *last_path = NULL;
    struct rn_map_container *last = NULL;

    for (size_t i = 0; i < map->n_processes; i++) {
        struct rn_map_process *p = map->processes[i];
        struct rn_cgroup_id id;

        if (p->is_kernel_thread || p->cgroup[0] == '\0')
            continue;
        if (last_path == NULL || strcmp(last_path, p->cgroup) != 0) {
            last_path = p->cgroup;
            last = NULL;
            if (rn_cgroup_identify(rn_view_of(p->cgroup, strlen(p->cgroup)), &id) &&
                !is_furniture(p, &id))
                last = container_of(map, &id);
        }
        p->container = last;
        if (last != NULL && is_better_init(p, last->process)) {
            last->process = p;
            last->netns = p->netns;
        }
    }
}

/* ---- tenants ---- */

static bool is_leader(const struct rn_map_process *p)
{
    if (p->netns == NULL || p->is_kernel_thread)
        return false;
    return p->parent == NULL || p->parent->is_kernel_thread || p->parent->netns != p->netns;
}

static void add_tenant(struct rn_map *map, struct rn_map_process *p)
{
    struct rn_map_tenant *t = rn_model_add_tenant(map, p->netns);

    if (t == NULL)
        return;
    t->process = p;
    t->container = p->container != NULL && p->container->process == p ? p->container : NULL;
}

void rn_tenants(struct rn_load *l)
{
    struct rn_map *map = l->map;

    find_netns(map);
    find_containers(map);
    rn_engine_bundles(l);
    for (size_t i = 0; i < map->n_processes; i++) {
        struct rn_map_process *p = map->processes[i];
        bool is_container_init = p->container != NULL && p->container->process == p;

        if (p->netns != NULL && (is_leader(p) || is_container_init))
            add_tenant(map, p);
    }
}
