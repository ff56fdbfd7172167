#include "discovery/phases.h"

#include <stdlib.h>

static int cmp_fact(const void *pa, const void *pb)
{
    const struct rn_fact_sock *a = pa;
    const struct rn_fact_sock *b = pb;

    if (a->ino != b->ino)
        return a->ino > b->ino ? 1 : -1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

/* First fact of @ino, or n. */
static size_t first_of(const struct rn_load *l, uint64_t ino)
{
    size_t lo = 0;
    size_t hi = l->n_socks;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (l->socks[mid].ino < ino)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void own(struct rn_load *l, struct rn_map_sock *s)
{
    if (s->inode == 0)
        return; /* TIME_WAIT and half-open connections belong to nobody */
    for (size_t i = first_of(l, s->inode); i < l->n_socks && l->socks[i].ino == s->inode; i++) {
        struct rn_map_process *p = rn_model_process(l->map, l->socks[i].pid);

        /* Facts are sorted, so doubles (dup) are neighbours. */
        if (p == NULL || (s->n_owners != 0 && s->owners[s->n_owners - 1] == p))
            continue;
        rn_model_list_process(l->map, &s->owners, &s->n_owners, p);
    }
}

static void own_tuns(struct rn_load *l)
{
    for (size_t i = 0; i < l->n_tuns; i++) {
        const struct rn_fact_tun *t = &l->tuns[i];
        struct rn_map_process *p = rn_model_process(l->map, t->pid);
        struct rn_map_netns *ns = rn_model_netns(l->map, t->dev, t->ino);
        struct rn_map_link *link;

        /* Without the right to borrow the descriptor its namespace is unknown; most often it is the process's own. */
        if (ns == NULL && p != NULL && t->ino == 0)
            ns = p->netns;
        link = ns != NULL ? rn_model_link_by_name(ns, t->ifname) : NULL;
        if (p != NULL && link != NULL && link->kind == RN_KIND_TUNTAP)
            rn_model_list_process(l->map, &link->tuntap.processors, &link->tuntap.n_processors, p);
    }
}

void rn_owners(struct rn_load *l)
{
    if (l->n_socks > 1)
        qsort(l->socks, l->n_socks, sizeof(l->socks[0]), cmp_fact);
    for (size_t i = 0; i < l->map->n_netns; i++) {
        struct rn_map_netns *ns = l->map->netns[i];

        for (size_t k = 0; k < ns->n_socks; k++)
            own(l, &ns->socks[k]);
    }
    own_tuns(l);
}
