/* The tree of PID namespaces, made of what processes say: whose first process is whose child. */
#include "discovery/gostwire.h"

#include <inttypes.h>

#define DEPTH_MAX 33u /* the kernel nests 32 deep */

static const struct rn_map_process *first_of(const struct rn_map *map, uint64_t pidns)
{
    const struct rn_map_process *first = NULL;

    for (size_t i = 0; i < map->n_processes; i++) {
        const struct rn_map_process *p = map->processes[i];

        if (p->pidns_ino != pidns)
            continue;
        if (p->n_nspids != 0 && p->nspids[p->n_nspids - 1] == 1)
            return p;
        if (first == NULL)
            first = p;
    }
    return first;
}

/* 0 for a root. The first process was cloned by one in the namespace around it. */
static uint64_t parent_of(const struct rn_map *map, uint64_t pidns)
{
    const struct rn_map_process *first = first_of(map, pidns);
    const struct rn_map_process *p = first != NULL ? first->parent : NULL;

    for (unsigned i = 0; p != NULL && i < 64; i++) {
        if (p->pidns_ino != 0 && p->pidns_ino != pidns && p->n_nspids < first->n_nspids)
            return p->pidns_ino;
        p = p->parent;
    }
    return 0;
}

/* Each namespace once, with its parent: computed once, since looking for it walks all processes. */
struct pid_tree {
    const struct rn_map *map;
    uint64_t *inos;
    uint64_t *parents;
    size_t n;
};

static bool has_seen(const struct pid_tree *tree, uint64_t ino)
{
    for (size_t i = 0; i < tree->n; i++) {
        if (tree->inos[i] == ino)
            return true;
    }
    return false;
}

static void containers(struct rn_json *j, const struct rn_map *map, uint64_t pidns)
{
    char id[RN_GW_ID_BYTES];

    rn_json_open(j, "container-idrefs", '[');
    for (size_t i = 0; i < map->n_containers; i++) {
        const struct rn_map_process *p = map->containers[i]->process;

        if (p != NULL && p->pidns_ino == pidns)
            rn_json_text(j, NULL, rn_gw_container_id(p, id));
    }
    rn_json_close(j, ']');
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX deep */
static void pid_namespace(struct rn_json *j, const struct pid_tree *tree, size_t at, unsigned depth)
{
    uint64_t ino = tree->inos[at];
    char id[RN_GW_ID_BYTES];

    rn_json_open(j, NULL, '{');
    (void)snprintf(id, sizeof(id), "pidns-%" PRIu64, ino);
    rn_json_text(j, "id", id);
    rn_json_int(j, "pidnsid", (int64_t)ino);
    rn_json_open(j, "children", '[');
    for (size_t i = 0; i < tree->n && depth < DEPTH_MAX; i++) {
        if (tree->parents[i] == ino)
            pid_namespace(j, tree, i, depth + 1);
    }
    rn_json_close(j, ']');
    containers(j, tree->map, ino);
    rn_json_close(j, '}');
}

void rn_gw_pid_namespaces(struct rn_json *j, const struct rn_map *map)
{
    struct rn_arena arena = { 0 };
    size_t bytes = (map->n_processes + 1) * sizeof(uint64_t);
    struct pid_tree tree = { .map = map,
                             .inos = rn_arena_new(&arena, bytes),
                             .parents = rn_arena_new(&arena, bytes) };

    rn_json_open(j, "pid-namespaces", '[');
    for (size_t i = 0; tree.parents != NULL && i < map->n_processes; i++) {
        uint64_t ino = map->processes[i]->pidns_ino;

        if (ino == 0 || has_seen(&tree, ino))
            continue;
        tree.inos[tree.n] = ino;
        tree.parents[tree.n] = parent_of(map, ino);
        tree.n++;
    }
    for (size_t i = 0; i < tree.n; i++) {
        if (tree.parents[i] == 0)
            pid_namespace(j, &tree, i, 0);
    }
    rn_json_close(j, ']');
    if (tree.parents == NULL)
        j->out->err = RN_E_NOMEM;
    rn_arena_free(&arena);
}
