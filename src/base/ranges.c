#include "base/ranges.h"

#include "base/bytes.h"

#include <runnel/err.h>

#define FIRST_CAP 4u

void rn_ranges_init(struct rn_ranges *r, const struct rn_alloc *alloc, uint32_t max)
{
    *r = (struct rn_ranges){ .alloc = alloc, .max = max };
}

void rn_ranges_fini(struct rn_ranges *r)
{
    rn_alloc_free(r->alloc, r->items, r->cap * sizeof(r->items[0]));
    *r = (struct rn_ranges){ .alloc = r->alloc, .max = r->max };
}

uint32_t rn_ranges_find(const struct rn_ranges *r, uint64_t at)
{
    uint32_t low = 0;
    uint32_t high = r->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (r->items[mid].to > at)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* Doubles the array, so that n + 1 items fit. */
static int grow(struct rn_ranges *r)
{
    uint32_t cap = r->cap == 0 ? FIRST_CAP : r->cap * 2;
    struct rn_range *items;

    if (r->n < r->cap)
        return RN_OK;
    if (r->cap > UINT32_MAX / 2)
        return RN_E_LIMIT;
    items = rn_alloc_array(r->alloc, cap, sizeof(items[0]));
    if (items == NULL)
        return RN_E_NOMEM;
    if (r->n != 0)
        memcpy(items, r->items, r->n * sizeof(items[0]));
    rn_alloc_free(r->alloc, r->items, r->cap * sizeof(items[0]));
    r->items = items;
    r->cap = cap;
    return RN_OK;
}

static int insert_at(struct rn_ranges *r, uint32_t i, struct rn_range range)
{
    int err;

    if (r->max != 0 && r->n >= r->max)
        return RN_E_LIMIT;
    err = grow(r);
    if (err < 0)
        return err;
    memmove(&r->items[i + 1], &r->items[i], (r->n - i) * sizeof(r->items[0]));
    r->items[i] = range;
    r->n++;
    return RN_OK;
}

/* Takes the items [first, end) away. */
static void erase(struct rn_ranges *r, uint32_t first, uint32_t end)
{
    if (first == end)
        return;
    memmove(&r->items[first], &r->items[end], (r->n - end) * sizeof(r->items[0]));
    r->n -= end - first;
}

/* Index of the first range that ends at or behind @from, so touching counts. */
static uint32_t first_touching(const struct rn_ranges *r, uint64_t from)
{
    return from == 0 ? 0 : rn_ranges_find(r, from - 1);
}

int rn_ranges_add(struct rn_ranges *r, uint64_t from, uint64_t to)
{
    uint32_t first = first_touching(r, from);
    uint32_t end = first;

    if (from >= to)
        return RN_OK;
    while (end < r->n && r->items[end].from <= to)
        end++;
    if (first == end)
        return insert_at(r, first, (struct rn_range){ from, to });
    r->items[first].from = rn_min_u64(r->items[first].from, from);
    r->items[first].to = rn_max_u64(r->items[end - 1].to, to);
    erase(r, first + 1, end);
    return RN_OK;
}

/* The one range around [from, to) becomes two. */
static int split(struct rn_ranges *r, uint32_t i, uint64_t from, uint64_t to)
{
    struct rn_range upper = { to, r->items[i].to };
    int err = insert_at(r, i + 1, upper);

    if (err < 0)
        return err;
    r->items[i].to = from;
    return RN_OK;
}

int rn_ranges_remove(struct rn_ranges *r, uint64_t from, uint64_t to)
{
    uint32_t first = rn_ranges_find(r, from);
    uint32_t end;

    if (from >= to || first == r->n)
        return RN_OK;
    if (r->items[first].from < from && r->items[first].to > to)
        return split(r, first, from, to);
    if (r->items[first].from < from)
        r->items[first++].to = from;
    end = first;
    while (end < r->n && r->items[end].to <= to)
        end++;
    if (end < r->n && r->items[end].from < to)
        r->items[end].from = to;
    erase(r, first, end);
    return RN_OK;
}

bool rn_ranges_contains(const struct rn_ranges *r, uint64_t from, uint64_t to)
{
    uint32_t i = rn_ranges_find(r, from);

    return from >= to || (i < r->n && r->items[i].from <= from && to <= r->items[i].to);
}

bool rn_ranges_overlaps(const struct rn_ranges *r, uint64_t from, uint64_t to)
{
    uint32_t i = rn_ranges_find(r, from);

    return from < to && i < r->n && r->items[i].from < to;
}

uint64_t rn_ranges_total(const struct rn_ranges *r)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < r->n; i++)
        total += r->items[i].to - r->items[i].from;
    return total;
}
