#include "io/vhost_ring.h"

#include "base/bytes.h"

#include <endian.h>

enum desc_flag { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY     1u
#define DESC_BYTES         16u
/* Where things are in the available and in the used ring (§2.7.6, §2.7.8). */
#define FLAGS_AT 0u
#define INDEX_AT 2u
#define RING_AT  4u

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

/* --- words --------------------------------------------------------------------------------------------------------
 * Sequentially consistent where the two sides look at each other's: who goes to sleep says so and then looks once more, who adds
 * something says so and then looks whether the other sleeps. */
static _Atomic uint16_t *word(void *part, size_t at)
{
    return (_Atomic uint16_t *)(void *)((uint8_t *)part + at);
}

static uint16_t load16(void *part, size_t at)
{
    return le16toh(atomic_load(word(part, at)));
}

static void store16(void *part, size_t at, uint16_t v)
{
    atomic_store(word(part, at), htole16(v));
}

static uint16_t used_event(const struct rn_vhost_ring *ring)
{
    return load16(ring->parts.avail, RING_AT + (size_t)2 * ring->size);
}

static struct rn_vhost_used *used_entry(const struct rn_vhost_ring *ring, uint16_t at)
{
    uint8_t *first = (uint8_t *)ring->parts.used + RING_AT;

    return (struct rn_vhost_used *)(void *)(first + (size_t)8 * (at & (ring->size - 1)));
}

/* Entry @at of an aligned table, by two loads: it may change while we look. */
static struct desc desc_at(const void *table, uint32_t at)
{
    _Atomic uint64_t *words = (_Atomic uint64_t *)(uintptr_t)table + (size_t)2 * at;
    uint64_t addr = atomic_load_explicit(&words[0], memory_order_relaxed);
    uint64_t rest = le64toh(atomic_load_explicit(&words[1], memory_order_relaxed));

    return (struct desc){ le64toh(addr), (uint32_t)rest, (uint16_t)(rest >> 32),
                          (uint16_t)(rest >> 48) };
}

/* Always false, to be returned. */
static bool breaks(struct rn_vhost_ring *ring, const char *why)
{
    if (ring->broken == NULL)
        ring->broken = why;
    return false;
}

/* --- taking ------------------------------------------------------------------------------------------------------- */
void rn_vhost_ring_start(struct rn_vhost_ring *ring, const struct rn_vhost_parts *parts,
                         uint32_t size, uint16_t base)
{
    ring->parts = *parts;
    ring->size = size;
    ring->taken_at = base;
    ring->seen = base;
    ring->used_at = load16(parts->used, INDEX_AT);
    ring->told_at = ring->used_at;
    ring->has_told = false;
    ring->broken = NULL;
}

uint32_t rn_vhost_ring_waiting(struct rn_vhost_ring *ring)
{
    uint16_t n;

    if (ring->broken != NULL)
        return 0;
    ring->seen = load16(ring->parts.avail, INDEX_AT);
    n = (uint16_t)(ring->seen - ring->taken_at);
    if (n <= ring->size)
        return n;
    (void)breaks(ring, "available index jumps over more than the ring holds");
    return 0;
}

/* Appends the guest's @len bytes at @addr, in several pieces where regions meet. */
static bool append(struct rn_vhost_ring *ring, struct rn_vhost_span *span, uint64_t addr,
                   uint32_t len)
{
    while (len > 0) {
        uint64_t there;
        uint8_t *at = rn_vhost_mem_guest(ring->mem, addr, &there);
        uint32_t n = (uint32_t)rn_min_u64(len, at != NULL ? there : 0);

        if (at == NULL)
            return breaks(ring, "descriptor points outside of the memory");
        if (span->n_pieces == RN_VHOST_PIECES_MAX)
            return breaks(ring, "packet of too many pieces");
        span->pieces[span->n_pieces++] = (struct iovec){ at, n };
        span->bytes += n;
        addr += n; /* regions end before addresses do: beyond the last one nothing is found */
        len -= n;
    }
    return true;
}

struct walk {
    struct rn_vhost_ring *ring;
    struct rn_vhost_span *span;
    const void *table;
    uint32_t size; /* entries of .table */
    enum rn_vhost_dir dir;
};

/* The chain that begins at entry @at of @w. Longer than its table, it goes round in circles. */
static bool walk_table(const struct walk *w, uint16_t at, struct desc *ret_last)
{
    for (uint32_t n = 0; n < w->size; n++) {
        struct desc desc;

        if (at >= w->size)
            return breaks(w->ring, "descriptor index outside of its table");
        desc = desc_at(w->table, at);
        *ret_last = desc;
        if ((desc.flags & DESC_INDIRECT) != 0)
            return true; /* the caller's to follow, or to refuse */
        if (((desc.flags & DESC_WRITE) != 0) != (w->dir == RN_VHOST_WRITE))
            return breaks(w->ring, "descriptor for the wrong direction");
        if (!append(w->ring, w->span, desc.addr, desc.len))
            return false;
        if ((desc.flags & DESC_NEXT) == 0)
            return true;
        at = desc.next;
    }
    return breaks(w->ring, "chain of descriptors without an end");
}

/* §2.7.5.3: one table, and nothing behind it. */
static bool walk_indirect(const struct walk *w, const struct desc *desc)
{
    struct walk inner = *w;
    uint64_t there;
    struct desc last;

    if ((desc->flags & DESC_NEXT) != 0)
        return breaks(w->ring, "indirect descriptor that goes on");
    if (desc->len == 0 || desc->len % DESC_BYTES != 0 || desc->len / DESC_BYTES > RN_VHOST_RING_MAX)
        return breaks(w->ring, "indirect table of an impossible size");
    inner.table = rn_vhost_mem_guest(w->ring->mem, desc->addr, &there);
    inner.size = desc->len / DESC_BYTES;
    if (inner.table == NULL || there < desc->len)
        return breaks(w->ring, "indirect table outside of the memory");
    if ((uintptr_t)inner.table % sizeof(uint64_t) != 0)
        return breaks(w->ring, "indirect table is not aligned");
    if (!walk_table(&inner, 0, &last))
        return false;
    return (last.flags & DESC_INDIRECT) == 0 || breaks(w->ring, "indirect table in another");
}

static bool walk_chain(struct rn_vhost_ring *ring, uint16_t head, enum rn_vhost_dir dir,
                       struct rn_vhost_span *span)
{
    const struct walk w = { ring, span, ring->parts.desc, ring->size, dir };
    struct desc last;

    if (!walk_table(&w, head, &last))
        return false;
    return (last.flags & DESC_INDIRECT) == 0 || walk_indirect(&w, &last);
}

bool rn_vhost_ring_take(struct rn_vhost_ring *ring, enum rn_vhost_dir dir,
                        struct rn_vhost_span *span)
{
    uint64_t had = span->bytes;
    uint16_t head;

    if (ring->broken != NULL || (ring->seen == ring->taken_at && rn_vhost_ring_waiting(ring) == 0))
        return false;
    if (span->n_chains == RN_VHOST_CHAINS_MAX)
        return breaks(ring, "packet of too many chains");
    head = load16(ring->parts.avail, RING_AT + (size_t)2 * (ring->taken_at & (ring->size - 1)));
    if (!walk_chain(ring, head, dir, span))
        return false;
    /* 1024 pieces of 4 GiB each do not overflow 64 bits, but a chain's length is told in 32 (§2.7.4.2 forbids more). */
    if (span->bytes - had > UINT32_MAX)
        return breaks(ring, "chain of more than 4 GiB");
    span->chains[span->n_chains++] = (struct rn_vhost_chain){ head, (uint32_t)(span->bytes - had) };
    ring->taken_at++;
    return true;
}

void rn_vhost_ring_put_back(struct rn_vhost_ring *ring, unsigned n)
{
    ring->taken_at = (uint16_t)(ring->taken_at - n);
}

/* --- giving back -------------------------------------------------------------------------------------------------- */
void rn_vhost_ring_use(struct rn_vhost_ring *ring, uint16_t head, uint32_t bytes)
{
    struct rn_vhost_used *entry = used_entry(ring, ring->used_at++);

    atomic_store_explicit(&entry->id, htole32(head), memory_order_relaxed);
    atomic_store_explicit(&entry->len, htole32(bytes), memory_order_relaxed);
}

/* Whether the driver's event is among those from told_at on (§2.7.7.2, vring_need_event). */
static bool passed_event(const struct rn_vhost_ring *ring, uint16_t event)
{
    return (uint16_t)(ring->used_at - event - 1) < (uint16_t)(ring->used_at - ring->told_at);
}

bool rn_vhost_ring_publish(struct rn_vhost_ring *ring)
{
    bool wants;

    if (ring->used_at == ring->told_at)
        return false;
    store16(ring->parts.used, INDEX_AT, ring->used_at);
    if (!ring->has_event_idx)
        wants = (load16(ring->parts.avail, FLAGS_AT) & AVAIL_NO_INTERRUPT) == 0;
    else
        wants = !ring->has_told || passed_event(ring, used_event(ring));
    ring->told_at = ring->used_at;
    ring->has_told = true;
    return wants;
}

/* --- kicks -------------------------------------------------------------------------------------------------------- */
void rn_vhost_ring_ask_kick(struct rn_vhost_ring *ring)
{
    if (ring->has_event_idx)
        store16(ring->parts.used, RING_AT + (size_t)8 * ring->size, ring->seen);
    else
        store16(ring->parts.used, FLAGS_AT, 0);
}

void rn_vhost_ring_hush(struct rn_vhost_ring *ring)
{
    /* With event indices a kick comes once, when the index passes what we asked for; there is nothing to take back. */
    if (!ring->has_event_idx)
        store16(ring->parts.used, FLAGS_AT, USED_NO_NOTIFY);
}
