#include "discovery/phases.h"

#include <stdlib.h>

/* ---- NSIDs ---- */

static void add_nsid(struct rn_load *l, const struct rn_fact_nsid *fact)
{
    struct rn_map_netns *ns = fact->netns;
    struct rn_map_nsid *grown;

    if (fact->seq >= l->n_seq)
        return;
    grown = rn_arena_room(&l->map->arena, ns->nsids, ns->n_nsids, sizeof(*grown));
    if (grown == NULL)
        return;
    ns->nsids = grown;
    ns->nsids[ns->n_nsids].nsid = fact->nsid;
    ns->nsids[ns->n_nsids++].netns = l->by_seq[fact->seq];
}

static int cmp_nsid(const void *pa, const void *pb)
{
    const struct rn_map_nsid *a = pa;
    const struct rn_map_nsid *b = pb;

    return (a->nsid > b->nsid) - (a->nsid < b->nsid);
}

static void join_nsids(struct rn_load *l)
{
    for (size_t i = 0; i < l->n_nsids; i++)
        add_nsid(l, &l->nsids[i]);
    for (size_t i = 0; i < l->map->n_netns; i++) {
        struct rn_map_netns *ns = l->map->netns[i];

        if (ns->n_nsids > 1)
            qsort(ns->nsids, ns->n_nsids, sizeof(ns->nsids[0]), cmp_nsid);
    }
}

/* Where the indices of @link's relatives count; NULL if it is unknown. */
static struct rn_map_netns *link_netns(const struct rn_map_link *link)
{
    const struct rn_map_nsid key = { .nsid = link->link_nsid };
    const struct rn_map_nsid *hit;

    if (link->link_nsid == RN_MAP_NO_NSID)
        return link->netns;
    if (link->netns->n_nsids == 0)
        return NULL;
    hit = bsearch(&key, link->netns->nsids, link->netns->n_nsids, sizeof(key), cmp_nsid);
    return hit != NULL ? hit->netns : NULL;
}

/* ---- links ---- */

/* The two ends of a pair name each other; an end seen after its other half moved does not. */
static void join_peer(struct rn_map_link *link)
{
    struct rn_map_netns *there = link_netns(link);
    struct rn_map_link *peer = there != NULL ? rn_model_link(there, link->link_index) : NULL;

    if (peer == NULL || peer == link || peer->kind != link->kind || peer->link_index != link->index)
        return;
    link->peer = peer;
}

static uint32_t lower_index(const struct rn_map_link *link)
{
    if (link->kind == RN_KIND_VXLAN || link->kind == RN_KIND_TUNNEL)
        return link->tunnel.lower_index;
    if (link->kind == RN_KIND_GENEVE)
        return 0;
    return link->link_index;
}

static void join_lower(struct rn_map *map, struct rn_map_link *link)
{
    struct rn_map_netns *there = link_netns(link);
    uint32_t index = lower_index(link);
    struct rn_map_link *lower;

    if (index == 0 || there == NULL)
        return;
    lower = rn_model_link(there, index);
    if (lower == NULL || lower == link)
        return;
    link->lower = lower;
    rn_model_list_link(map, &lower->uppers, &lower->n_uppers, link);
}

static void join_link(struct rn_map *map, struct rn_map_link *link)
{
    if (link->master_index != 0) {
        link->master = rn_model_link(link->netns, link->master_index);
        if (link->master == link)
            link->master = NULL;
        if (link->master != NULL)
            rn_model_list_link(map, &link->master->ports, &link->master->n_ports, link);
    }
    if (link->kind == RN_KIND_VETH || link->kind == RN_KIND_NETKIT)
        join_peer(link);
    else
        join_lower(map, link);
}

/* One side may have been read before the pair existed, the other after: what both know wins. */
static void drop_one_sided_peers(struct rn_map *map)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        for (size_t k = 0; k < map->netns[i]->n_links; k++) {
            struct rn_map_link *link = map->netns[i]->links[k];

            if (link->peer != NULL && link->peer->peer == NULL)
                link->peer->peer = link;
        }
    }
}

/* Functions of one card may be spread over namespaces; their bus addresses are the machine's. */
static struct rn_map_link *find_pf(const struct rn_map *map, const char *bus)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        for (size_t k = 0; k < map->netns[i]->n_links; k++) {
            struct rn_map_link *link = map->netns[i]->links[k];

            if (link->sriov == RN_SRIOV_PF && strcmp(link->driver.bus, bus) == 0)
                return link;
        }
    }
    return NULL;
}

static void join_functions(struct rn_map *map)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        for (size_t k = 0; k < map->netns[i]->n_links; k++) {
            struct rn_map_link *link = map->netns[i]->links[k];

            if (link->sriov == RN_SRIOV_VF)
                link->pf = find_pf(map, link->pf_bus);
        }
    }
}

/* ---- what hangs on links ---- */

static void join_routes(struct rn_map_netns *ns)
{
    for (size_t i = 0; i < ns->n_routes; i++) {
        struct rn_map_route *r = &ns->routes[i];

        r->link = rn_model_link(ns, r->link_index);
        for (size_t k = 0; k < r->n_hops; k++)
            r->hops[k].link = rn_model_link(ns, r->hops[k].link_index);
    }
    for (size_t i = 0; i < ns->n_nexthops; i++)
        ns->nexthops[i].hop.link = rn_model_link(ns, ns->nexthops[i].hop.link_index);
}

static void join_rest(struct rn_map_netns *ns)
{
    for (size_t i = 0; i < ns->n_addrs; i++)
        ns->addrs[i].link = rn_model_link(ns, ns->addrs[i].link_index);
    for (size_t i = 0; i < ns->n_neighs; i++)
        ns->neighs[i].link = rn_model_link(ns, ns->neighs[i].link_index);
    for (size_t i = 0; i < ns->n_fdb; i++)
        ns->fdb[i].link = rn_model_link(ns, ns->fdb[i].link_index);
    for (size_t i = 0; i < ns->n_socks; i++) {
        if (ns->socks[i].link_index != 0)
            ns->socks[i].link = rn_model_link(ns, ns->socks[i].link_index);
    }
}

void rn_join(struct rn_load *l)
{
    struct rn_map *map = l->map;

    rn_model_index_links(map);
    join_nsids(l);
    for (size_t i = 0; i < map->n_netns; i++) {
        for (size_t k = 0; k < map->netns[i]->n_links; k++)
            join_link(map, map->netns[i]->links[k]);
        join_routes(map->netns[i]);
        join_rest(map->netns[i]);
    }
    drop_one_sided_peers(map);
    join_functions(map);
}
