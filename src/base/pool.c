#include "base/pool.h"

#include "base/bytes.h"
#include "base/slab.h"

#include <runnel/err.h>

/* Slabs of 2^n bytes side by side would put every header into the same few sets of the cache. */
#define CACHE_LINE 64u
/* Each kind can always have this part of the budget, whatever the others took: without a slab to read into or a packet
 * for an acknowledgement nothing moves, and what is held never comes home. Pools too small to divide are not divided. */
#define SHARE_DIVISOR     16u
#define SHARES_FROM_BYTES ((size_t)16 << 20)
#define TRIM_STEP_DIVISOR 64u

struct slab_chunk {
    struct slab_chunk *next;
    size_t bytes;
    uint32_t n_objects;
    uint32_t n_free; /* counted by trim, meaningless otherwise */
};

struct pkt_slot {
    struct slab_chunk *home;
    struct rn_pkt pkt;
};

struct buf_slot {
    struct slab_chunk *home;
    struct rn_buf buf;
};

struct kind {
    size_t slot_bytes;
    size_t payload_bytes; /* of a buffer; 0: none here */
    uint32_t per_chunk;
};

static const struct kind kinds[SLAB_COUNT] = {
    [SLAB_SMALL] = { sizeof(struct buf_slot), RN_BUF_SMALL_BYTES, 64 },
    [SLAB_BIG] = { sizeof(struct buf_slot), RN_BUF_BIG_BYTES, 4 },
    [SLAB_LENT] = { sizeof(struct buf_slot), 0, 64 },
    [SLAB_PKT] = { sizeof(struct pkt_slot), 0, 64 },
};

/* Payloads are one cache line further apart than they are long. */
static size_t stride(const struct kind *k)
{
    return k->payload_bytes == 0 ? 0 : k->payload_bytes + CACHE_LINE;
}

static size_t object_bytes(const struct kind *k)
{
    return k->slot_bytes + stride(k);
}

static size_t chunk_bytes(const struct kind *k, size_t n_objects)
{
    return sizeof(struct slab_chunk) + CACHE_LINE + n_objects * object_bytes(k);
}

/* The last chunk before the budget may be a short one. */
static size_t objects_within(const struct kind *k, size_t budget_bytes)
{
    if (budget_bytes < chunk_bytes(k, 1))
        return 0;
    return rn_min_size(k->per_chunk, (budget_bytes - chunk_bytes(k, 0)) / object_bytes(k));
}

static uint8_t *align_up(uint8_t *p)
{
    return p + (CACHE_LINE - (uintptr_t)p % CACHE_LINE) % CACHE_LINE;
}

static void add_pkts(struct rn_pool *pool, struct slab_chunk *chunk)
{
    struct slab *slab = &pool->slabs[SLAB_PKT];
    struct pkt_slot *slots = (struct pkt_slot *)(void *)(chunk + 1);

    for (uint32_t i = chunk->n_objects; i-- > 0;) {
        slots[i].home = chunk;
        slots[i].pkt.next = slab->free;
        slab->free = &slots[i].pkt;
        rn_slab_hide_pkt(&slots[i].pkt);
    }
}

static void add_bufs(struct rn_pool *pool, struct slab_chunk *chunk, enum slab_kind kind)
{
    const struct kind *k = &kinds[kind];
    struct slab *slab = &pool->slabs[kind];
    struct buf_slot *slots = (struct buf_slot *)(void *)(chunk + 1);
    uint8_t *payload = align_up((uint8_t *)(slots + chunk->n_objects));

    for (uint32_t i = chunk->n_objects; i-- > 0;) {
        struct rn_buf *buf = &slots[i].buf;

        slots[i].home = chunk;
        buf->pool = pool;
        buf->class = (uint8_t)kind;
        buf->cap_bytes = (uint32_t)k->payload_bytes;
        buf->data = payload + i * stride(k);
        buf->next_free = slab->free;
        slab->free = buf;
        RN_HIDE(buf->data, buf->cap_bytes);
    }
}

static size_t bytes_in_use(const struct rn_pool *pool)
{
    size_t bytes = 0;

    for (unsigned kind = 0; kind < SLAB_COUNT; kind++)
        bytes += pool->slabs[kind].in_use * object_bytes(&kinds[kind]);
    return bytes;
}

/* What @kind may still take: the budget less what is held and less what the others have not yet taken of their share. */
static size_t room_for(const struct rn_pool *pool, enum slab_kind kind)
{
    size_t share = pool->max_bytes >= SHARES_FROM_BYTES ? pool->max_bytes / SHARE_DIVISOR : 0;
    size_t spoken_for = pool->bytes_held;

    for (unsigned other = 0; other < SLAB_COUNT; other++) {
        size_t held = pool->slabs[other].bytes_held;

        if (other != kind && held < share)
            spoken_for += share - held;
    }
    return spoken_for < pool->max_bytes ? pool->max_bytes - spoken_for : 0;
}

/*
 * The budget may be held by free objects of other kinds. Trimming walks all free objects, so it is done only when a good
 * part of the budget came home since the last time; otherwise there is little to gain.
 */
static bool trim_for_want(struct rn_pool *pool)
{
    size_t in_use = bytes_in_use(pool);

    if (in_use + pool->max_bytes / TRIM_STEP_DIVISOR > pool->in_use_at_trim) {
        pool->in_use_at_trim = in_use > pool->in_use_at_trim ? in_use : pool->in_use_at_trim;
        return false;
    }
    pool->in_use_at_trim = in_use;
    rn_pool_trim(pool);
    return true;
}

bool rn_slab_grow(struct rn_pool *pool, enum slab_kind kind)
{
    const struct kind *k = &kinds[kind];
    size_t n = objects_within(k, room_for(pool, kind));
    struct slab_chunk *chunk;

    if (n == 0 && trim_for_want(pool))
        n = objects_within(k, room_for(pool, kind));
    chunk = n == 0 ? NULL : rn_alloc_new(&pool->alloc, chunk_bytes(k, n));
    if (chunk == NULL) {
        pool->failures++;
        return false;
    }
    chunk->bytes = chunk_bytes(k, n);
    chunk->n_objects = (uint32_t)n;
    chunk->next = pool->slabs[kind].chunks;
    pool->slabs[kind].chunks = chunk;
    pool->bytes_held += chunk->bytes;
    pool->slabs[kind].bytes_held += chunk->bytes;
    if (kind == SLAB_PKT)
        add_pkts(pool, chunk);
    else
        add_bufs(pool, chunk, kind);
    return true;
}

int rn_pool_new(struct rn_pool **ret, const struct rn_alloc *alloc,
                const struct rn_pool_limits *limits)
{
    struct rn_pool *pool = rn_alloc_new(alloc, sizeof(*pool));

    if (pool == NULL)
        return RN_E_NOMEM;
    pool->alloc = *alloc;
    pool->max_bytes = limits != NULL ? limits->max_bytes : 0;
    if (pool->max_bytes == 0)
        pool->max_bytes = RN_POOL_DEFAULT_MAX_BYTES;
    pool->in_use_at_trim = SIZE_MAX;
    *ret = pool;
    return RN_OK;
}

static void free_chunk(struct rn_pool *pool, struct slab *slab, struct slab_chunk *chunk)
{
    RN_SHOW(chunk, chunk->bytes);
    pool->bytes_held -= chunk->bytes;
    slab->bytes_held -= chunk->bytes;
    rn_alloc_free(&pool->alloc, chunk, chunk->bytes);
}

static void free_slab(struct rn_pool *pool, struct slab *slab)
{
    rn_assert(slab->in_use == 0);
    while (slab->chunks != NULL) {
        struct slab_chunk *chunk = slab->chunks;

        slab->chunks = chunk->next;
        free_chunk(pool, slab, chunk);
    }
}

struct rn_pool *rn_pool_free(struct rn_pool *pool)
{
    struct rn_alloc alloc;

    if (pool == NULL)
        return NULL;
    for (unsigned kind = 0; kind < SLAB_COUNT; kind++)
        free_slab(pool, &pool->slabs[kind]);
    alloc = pool->alloc;
    rn_alloc_free(&alloc, pool, sizeof(*pool));
    return NULL;
}

const struct rn_alloc *rn_pool_alloc(const struct rn_pool *pool)
{
    return &pool->alloc;
}

struct rn_drop_account *rn_pool_drops(struct rn_pool *pool)
{
    return &pool->drops;
}

void rn_pool_get_stats(const struct rn_pool *pool, struct rn_pool_stats *ret)
{
    *ret = (struct rn_pool_stats){
        .bytes_max = pool->max_bytes,
        .bytes_held = pool->bytes_held,
        .bytes_in_use = bytes_in_use(pool),
        .pkts_in_use = pool->slabs[SLAB_PKT].in_use,
        .small_in_use = pool->slabs[SLAB_SMALL].in_use,
        .big_in_use = pool->slabs[SLAB_BIG].in_use,
        .lent_in_use = pool->slabs[SLAB_LENT].in_use,
        .failures = pool->failures,
    };
}

static void **free_link(void *object, enum slab_kind kind)
{
    if (kind == SLAB_PKT)
        return (void **)(void *)&((struct rn_pkt *)object)->next;
    return (void **)(void *)&((struct rn_buf *)object)->next_free;
}

static struct slab_chunk *home_of(void *object, enum slab_kind kind)
{
    if (kind == SLAB_PKT)
        return rn_container_of(object, struct pkt_slot, pkt)->home;
    return rn_container_of(object, struct buf_slot, buf)->home;
}

static void count_free(struct slab *slab, enum slab_kind kind)
{
    for (struct slab_chunk *chunk = slab->chunks; chunk != NULL; chunk = chunk->next)
        chunk->n_free = 0;
    for (void *object = slab->free; object != NULL; object = *free_link(object, kind))
        home_of(object, kind)->n_free++;
}

/* Takes what lies in wholly free chunks off the free list; the rest keeps its order. */
static void unlink_free(struct slab *slab, enum slab_kind kind)
{
    void **at = &slab->free;

    while (*at != NULL) {
        const struct slab_chunk *home = home_of(*at, kind);

        if (home->n_free == home->n_objects)
            *at = *free_link(*at, kind);
        else
            at = free_link(*at, kind);
    }
}

static void trim_slab(struct rn_pool *pool, enum slab_kind kind)
{
    struct slab *slab = &pool->slabs[kind];
    struct slab_chunk **at = &slab->chunks;

    count_free(slab, kind);
    unlink_free(slab, kind);
    while (*at != NULL) {
        struct slab_chunk *chunk = *at;

        if (chunk->n_free < chunk->n_objects) {
            at = &chunk->next;
            continue;
        }
        *at = chunk->next;
        free_chunk(pool, slab, chunk);
    }
}

void rn_pool_trim(struct rn_pool *pool)
{
    for (unsigned kind = 0; kind < SLAB_COUNT; kind++)
        trim_slab(pool, (enum slab_kind)kind);
}
