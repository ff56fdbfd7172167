/* Links whose other half may be in another namespace, as visits met them: (namespace, index) knows the other only by a
 * number of that namespace's own, an NSID. Shared memory, since visits are made by children; each shares the links of
 * a visit at once, and what is shared stays where it is until all are sorted. */
#include "discovery/broker.h"

#include <stdlib.h>
#include <sys/mman.h>

void rn_far_links_init(struct rn_broker *b)
{
    void *p = mmap(NULL, sizeof(*b->far), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    b->far = p != MAP_FAILED ? p : NULL; /* then peers stay unknown, and a note says so */
}

void rn_far_links_fini(struct rn_broker *b)
{
    if (b->far != NULL)
        munmap(b->far, sizeof(*b->far));
    free(b->met);
}

void rn_far_links_add(struct rn_broker *b, const struct rn_far_link *link)
{
    uint32_t max = b->n_met_max != 0 ? b->n_met_max * 2 : 64;
    struct rn_far_link *grown;

    if (b->far == NULL)
        return;
    if (b->n_met == b->n_met_max) {
        grown = max <= RN_FAR_LINKS_MAX ? realloc(b->met, max * sizeof(*grown)) : NULL;
        if (grown == NULL) {
            b->far->is_full = true;
            return;
        }
        b->met = grown;
        b->n_met_max = max;
    }
    b->met[b->n_met++] = *link;
}

uint32_t rn_far_links_count(const struct rn_broker *b)
{
    return b->n_met;
}

void rn_far_links_rewind(struct rn_broker *b, uint32_t count)
{
    b->n_met = count;
}

/* The count comes last: who reads it finds all before it. */
void rn_far_links_share(struct rn_broker *b)
{
    struct rn_far_table *far = b->far;
    uint32_t n;
    uint32_t take;

    if (b->n_met == 0)
        return;
    rn_take_turn(b, RN_TURN_LINKS);
    n = atomic_load(&far->n);
    take = b->n_met <= RN_FAR_LINKS_MAX - n ? b->n_met : RN_FAR_LINKS_MAX - n;
    if (take < b->n_met)
        far->is_full = true;
    memcpy(far->links + n, b->met, take * sizeof(*b->met));
    atomic_store(&far->n, n + take);
    rn_end_turn(b, RN_TURN_LINKS);
    b->n_met = 0;
}

static int cmp_link(const void *pa, const void *pb)
{
    const struct rn_far_link *a = pa;
    const struct rn_far_link *b = pb;

    if (a->seq != b->seq)
        return a->seq > b->seq ? 1 : -1;
    if (a->nsid != b->nsid)
        return a->nsid > b->nsid ? 1 : -1;
    return (a->index > b->index) - (a->index < b->index);
}

void rn_far_links_sort(struct rn_broker *b)
{
    qsort(b->far->links, b->far->n, sizeof(b->far->links[0]), cmp_link);
}

struct rn_far_links rn_far_links_of(const struct rn_broker *b, uint32_t seq)
{
    struct rn_far_link *links = b->far->links;
    size_t lo = 0;
    size_t hi = b->far->n;
    size_t end;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (links[mid].seq < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (end = lo; end < b->far->n && links[end].seq == seq; end++)
        ;
    return (struct rn_far_links){ links + lo, end - lo };
}
