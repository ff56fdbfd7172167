/* The dump reader and every parser behind it: netlink, /proc, files of tenants, nf_tables, engines' JSON. Whatever the
 * bytes, a picture comes out or an error, in bounded time and memory. */
#include "discovery/scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every relation, so that a dangling pointer does not go unnoticed. */
static size_t walk(const struct rn_map *map)
{
    size_t n = 0;

    for (size_t i = 0; i < map->n_netns; i++) {
        const struct rn_map_netns *ns = map->netns[i];

        for (size_t k = 0; k < ns->n_links; k++) {
            const struct rn_map_link *link = ns->links[k];

            n += strlen(link->name) + link->n_addrs + link->n_ports;
            n += link->peer != NULL ? link->peer->index : 0;
            n += link->lower != NULL ? link->lower->n_uppers : 0;
        }
        for (size_t k = 0; k < ns->n_socks; k++)
            n += strlen(ns->socks[k].path) + ns->socks[k].n_owners;
        for (size_t k = 0; k < ns->n_fwds; k++)
            n += strlen(ns->fwds[k].rule) + strlen(ns->fwds[k].why);
        for (size_t k = 0; k < ns->n_tenants; k++)
            n += strlen(ns->tenants[k].process->comm);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_map *map;

    if (rn_scan_view(rn_view_of(data, size), &map) < 0)
        return 0;
    if (walk(map) == SIZE_MAX)
        abort();
    rn_model_free(map);
    return 0;
}
