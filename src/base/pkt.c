#include "base/pkt.h"

#include "base/bytes.h"
#include "base/slab.h"

_Static_assert(RN_PKT_HEAD_BYTES >= 192,
               "Ethernet, VLAN, IPv6 with extensions and TCP options fit");

static const char *const drop_names[RN_DROP_COUNT] = {
#define X(name, text) #name,
#include "base/drops.def"
#undef X
};

static const char *const drop_texts[RN_DROP_COUNT] = {
#define X(name, text) text,
#include "base/drops.def"
#undef X
};

const char *rn_drop_text(enum rn_drop why)
{
    return (unsigned)why < RN_DROP_COUNT ? drop_texts[why] : "unknown reason";
}

const char *rn_drop_name(enum rn_drop why)
{
    return (unsigned)why < RN_DROP_COUNT ? drop_names[why] : "UNKNOWN";
}

struct rn_pkt *rn_pkt_new(struct rn_pool *pool)
{
    struct slab *slab = &pool->slabs[SLAB_PKT];
    struct rn_pkt *pkt;

    if (RN_UNLIKELY(slab->free == NULL) && !rn_slab_grow(pool, SLAB_PKT))
        return NULL;
    pkt = slab->free;
    slab->free = pkt->next;
    slab->in_use++;
    RN_SHOW(pkt, sizeof(*pkt));
    /* Frags and head are written before they are read; clearing them would be most of the cost. */
    memset(pkt, 0, offsetof(struct rn_pkt, frags));
    pkt->pool = pool;
    pkt->head_off = RN_PKT_HEAD_BYTES;
    return pkt;
}

void rn_pkt_free(struct rn_pkt *pkt)
{
    struct slab *slab;

    if (pkt == NULL)
        return;
    for (unsigned i = 0; i < pkt->n_frags; i++)
        rn_buf_unref(pkt->frags[i].buf);
    slab = &pkt->pool->slabs[SLAB_PKT];
    pkt->next = slab->free;
    slab->free = pkt;
    slab->in_use--;
    rn_slab_hide_pkt(pkt);
}

void rn_pkt_drop(struct rn_pkt *pkt, enum rn_drop why)
{
    struct rn_drop_account *account = pkt->account;

    if (account == NULL)
        account = &pkt->pool->drops;
    rn_assert((unsigned)why < RN_DROP_COUNT);
    account->n[why]++;
    if (account->trace != NULL)
        account->trace(account->arg, pkt, why);
    rn_pkt_free(pkt);
}

struct rn_pkt *rn_pkt_clone(const struct rn_pkt *pkt)
{
    struct rn_pkt *copy = rn_pkt_new(pkt->pool);
    size_t from = (size_t)pkt->head_off - pkt->head_pulled;

    if (copy == NULL)
        return NULL;
    memcpy(copy, pkt, offsetof(struct rn_pkt, frags));
    copy->next = NULL;
    memcpy(copy->head + from, pkt->head + from, (size_t)pkt->head_pulled + pkt->head_len);
    for (unsigned i = 0; i < pkt->n_frags; i++) {
        copy->frags[i] = pkt->frags[i];
        rn_buf_ref(copy->frags[i].buf);
    }
    return copy;
}

static uint16_t less_or_zero(uint16_t v, size_t n)
{
    return v > n ? (uint16_t)(v - n) : 0;
}

static void forget_pulled(struct rn_pkt *pkt)
{
    pkt->head_pulled = 0;
    pkt->frag_pulled = 0;
}

uint8_t *rn_pkt_push(struct rn_pkt *pkt, size_t n)
{
    if (n > pkt->head_off)
        return NULL;
    pkt->head_off = (uint16_t)(pkt->head_off - n);
    pkt->head_len = (uint16_t)(pkt->head_len + n);
    pkt->len += (uint32_t)n;
    pkt->csum_start = rn_sat_u16(pkt->csum_start + n);
    pkt->gso_hdr = rn_sat_u16(pkt->gso_hdr + n);
    forget_pulled(pkt);
    return pkt->head + pkt->head_off;
}

static void remove_first_frag(struct rn_pkt *pkt)
{
    rn_buf_unref(pkt->frags[0].buf);
    pkt->n_frags--;
    memmove(pkt->frags, pkt->frags + 1, pkt->n_frags * sizeof(pkt->frags[0]));
    pkt->frag_pulled = 0;
}

/* The last fragment stays, even empty: the headers pulled off it can still be quoted. */
static void pull_frags(struct rn_pkt *pkt, size_t n)
{
    while (n != 0) {
        struct rn_frag *frag = &pkt->frags[0];
        uint32_t part = (uint32_t)rn_min_size(n, frag->len);

        frag->off += part;
        frag->len -= part;
        pkt->frag_pulled = rn_sat_u16((uint64_t)pkt->frag_pulled + part);
        n -= part;
        if (frag->len == 0 && pkt->n_frags > 1)
            remove_first_frag(pkt);
    }
}

static void pull_pieces(struct rn_pkt *pkt, size_t n)
{
    size_t from_head = rn_min_size(n, pkt->head_len);

    pkt->head_off = (uint16_t)(pkt->head_off + from_head);
    pkt->head_len = (uint16_t)(pkt->head_len - from_head);
    pkt->head_pulled = (uint16_t)(pkt->head_pulled + from_head);
    pull_frags(pkt, n - from_head);
}

/* A header of a received packet: it lies in the first fragment, which stays. */
static bool pull_header(struct rn_pkt *pkt, size_t n)
{
    struct rn_frag *frag = &pkt->frags[0];

    if (pkt->head_len != 0 || pkt->n_frags == 0 || n > frag->len ||
        (n == frag->len && pkt->n_frags > 1))
        return false;
    frag->off += (uint32_t)n;
    frag->len -= (uint32_t)n;
    pkt->frag_pulled = rn_sat_u16(pkt->frag_pulled + n);
    return true;
}

void rn_pkt_pull(struct rn_pkt *pkt, size_t n)
{
    rn_assert(n <= pkt->len);
    pkt->len -= (uint32_t)n;
    pkt->csum_start = less_or_zero(pkt->csum_start, n);
    pkt->gso_hdr = less_or_zero(pkt->gso_hdr, n);
    if (!pull_header(pkt, n))
        pull_pieces(pkt, n);
}

const uint8_t *rn_pkt_pulled(const struct rn_pkt *pkt, size_t n)
{
    if (pkt->frag_pulled != 0) /* the head, if there ever was one, was pulled before */
        return n <= pkt->frag_pulled ? pkt->frags[0].buf->data + pkt->frags[0].off - n : NULL;
    return n <= pkt->head_pulled ? pkt->head + pkt->head_off - n : NULL;
}

bool rn_pkt_unpull(struct rn_pkt *pkt, size_t n)
{
    if (rn_pkt_pulled(pkt, n) == NULL)
        return false;
    if (pkt->frag_pulled != 0) {
        pkt->frags[0].off -= (uint32_t)n;
        pkt->frags[0].len += (uint32_t)n;
        pkt->frag_pulled = (uint16_t)(pkt->frag_pulled - n);
    } else {
        pkt->head_off = (uint16_t)(pkt->head_off - n);
        pkt->head_len = (uint16_t)(pkt->head_len + n);
        pkt->head_pulled = (uint16_t)(pkt->head_pulled - n);
    }
    pkt->len += (uint32_t)n;
    pkt->csum_start = rn_sat_u16(pkt->csum_start + n);
    pkt->gso_hdr = rn_sat_u16(pkt->gso_hdr + n);
    return true;
}

void rn_pkt_trim(struct rn_pkt *pkt, size_t len)
{
    size_t excess = pkt->len - len;

    rn_assert(len <= pkt->len);
    pkt->len = (uint32_t)len;
    while (excess != 0 && pkt->n_frags != 0) {
        struct rn_frag *last = &pkt->frags[pkt->n_frags - 1];
        uint32_t part = (uint32_t)rn_min_size(excess, last->len);

        last->len -= part;
        excess -= part;
        if (last->len != 0 || pkt->n_frags == 1)
            break;
        rn_buf_unref(last->buf);
        pkt->n_frags--;
    }
    pkt->head_len = (uint16_t)(pkt->head_len - excess);
}

/* The bytes move to the end of the head, so that all the room left is headroom. */
static uint8_t *gather_front(struct rn_pkt *pkt, size_t n)
{
    uint8_t *front = pkt->head + RN_PKT_HEAD_BYTES - n;
    size_t from_frags = n - pkt->head_len;

    memmove(front, pkt->head + pkt->head_off, pkt->head_len);
    rn_pkt_copy_out(pkt, pkt->head_len, front + pkt->head_len, from_frags);
    pull_frags(pkt, from_frags);
    forget_pulled(pkt);
    pkt->head_off = (uint16_t)(RN_PKT_HEAD_BYTES - n);
    pkt->head_len = (uint16_t)n;
    return front;
}

uint8_t *rn_pkt_own_front(struct rn_pkt *pkt, size_t n)
{
    if (n <= pkt->head_len)
        return pkt->head + pkt->head_off;
    if (n > RN_PKT_HEAD_BYTES || n > pkt->len)
        return NULL;
    return gather_front(pkt, n);
}

static struct rn_frag *last_frag(struct rn_pkt *pkt)
{
    return pkt->n_frags == 0 ? NULL : &pkt->frags[pkt->n_frags - 1];
}

/* Consumes one reference of @buf. An empty last fragment gives way: none may hide what follows it. */
static bool add_frag(struct rn_pkt *pkt, struct rn_buf *buf, uint32_t off, uint32_t len)
{
    struct rn_frag *last = last_frag(pkt);

    if (last != NULL && last->len == 0) {
        rn_buf_unref(last->buf);
        pkt->n_frags--;
        pkt->frag_pulled = 0;
    }
    if (pkt->n_frags == RN_PKT_FRAGS_MAX) {
        rn_buf_unref(buf);
        return false;
    }
    pkt->frags[pkt->n_frags++] = (struct rn_frag){ buf, off, len };
    pkt->len += len;
    return true;
}

bool rn_pkt_append_ref(struct rn_pkt *pkt, struct rn_buf *buf, uint32_t off, uint32_t len)
{
    struct rn_frag *last = last_frag(pkt);

    if (len == 0)
        return true;
    if (last == NULL || last->buf != buf || last->off + last->len != off)
        return add_frag(pkt, rn_buf_ref(buf), off, len);
    last->len += len;
    pkt->len += len;
    return true;
}

/* Room behind the last fragment that nobody else can see; returns how much of @from went there. */
static size_t extend_last(struct rn_pkt *pkt, const uint8_t *from, size_t len)
{
    struct rn_frag *last = last_frag(pkt);
    uint32_t end;
    size_t part;

    if (last == NULL || !rn_buf_is_writable(last->buf))
        return 0;
    end = last->off + last->len;
    part = rn_min_size(len, last->buf->cap_bytes - end);
    memcpy(last->buf->data + end, from, part);
    last->len += (uint32_t)part;
    pkt->len += (uint32_t)part;
    return part;
}

static size_t append_fresh(struct rn_pkt *pkt, const uint8_t *from, size_t len)
{
    size_t part = rn_min_size(len, RN_BUF_BIG_BYTES);
    struct rn_buf *buf = rn_buf_new_for(pkt->pool, part);

    if (buf == NULL)
        return 0;
    memcpy(buf->data, from, part);
    return add_frag(pkt, buf, 0, (uint32_t)part) ? part : 0;
}

bool rn_pkt_append_copy(struct rn_pkt *pkt, const void *bytes, size_t len)
{
    uint32_t old_len = pkt->len;
    const uint8_t *from = bytes;
    size_t done;

    if (len == 0)
        return true;
    done = extend_last(pkt, from, len);
    while (done < len) {
        size_t part = append_fresh(pkt, from + done, len - done);

        if (part == 0) {
            rn_pkt_trim(pkt, old_len);
            return false;
        }
        done += part;
    }
    return true;
}

struct rn_pkt *rn_pkt_from_bytes(struct rn_pool *pool, const void *bytes, size_t len)
{
    struct rn_pkt *pkt = rn_pkt_new(pool);
    struct rn_buf *buf = pkt != NULL && len != 0 ? rn_buf_new(pool, RN_BUF_SMALL) : NULL;
    uint32_t first = (uint32_t)rn_min_size(len, RN_BUF_SMALL_BYTES);

    if (buf == NULL) {
        if (len == 0)
            return pkt;
        rn_pkt_free(pkt);
        return NULL;
    }
    memcpy(buf->data, bytes, first);
    pkt->frags[0] = (struct rn_frag){ buf, 0, first };
    pkt->n_frags = 1;
    pkt->len = first;
    if (len == first || rn_pkt_append_copy(pkt, (const uint8_t *)bytes + first, len - first))
        return pkt;
    rn_pkt_free(pkt);
    return NULL;
}

/* The part of @piece that lies in [*off, *off + *len); moves both on. */
static struct rn_view cut(struct rn_view piece, size_t *off, size_t *len)
{
    size_t skip = rn_min_size(*off, piece.len);
    size_t part = rn_min_size(*len, piece.len - skip);

    *off -= skip;
    *len -= part;
    return rn_view_of(piece.ptr + skip, part);
}

uint32_t rn_pkt_length(const struct rn_pkt *pkt)
{
    return pkt->len;
}

void rn_pkt_copy_out(const struct rn_pkt *pkt, size_t off, void *out, size_t len)
{
    uint8_t *to = out;

    rn_assert(off <= pkt->len && len <= pkt->len - off);
    for (unsigned i = 0; len != 0; i++) {
        struct rn_view v = cut(rn_pkt_piece(pkt, i), &off, &len);

        memcpy(to, v.ptr, v.len);
        to += v.len;
    }
}

unsigned rn_pkt_views(const struct rn_pkt *pkt, size_t off, struct rn_view *views, unsigned max)
{
    size_t len = pkt->len - off;
    unsigned n = 0;

    rn_assert(off <= pkt->len);
    for (unsigned i = 0; len != 0 && n < max; i++) {
        struct rn_view v = cut(rn_pkt_piece(pkt, i), &off, &len);

        if (v.len != 0)
            views[n++] = v;
    }
    return n;
}

uint32_t rn_pkt_true_bytes(const struct rn_pkt *pkt)
{
    uint32_t bytes = (uint32_t)sizeof(*pkt);

    for (unsigned i = 0; i < pkt->n_frags; i++)
        bytes += rn_buf_true_bytes(pkt->frags[i].buf);
    return bytes;
}
