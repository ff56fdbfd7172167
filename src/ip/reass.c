#include "ip/reass.h"

#include "base/checksum.h"
#include "ip/ip.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/ipv6_ext.h"

#include <runnel/err.h>

struct key {
    struct rn_addr src;
    struct rn_addr dst;
    uint32_t id;
    uint32_t proto;
};

_Static_assert(sizeof(struct key) == 40, "no padding: it is hashed and compared as bytes");

struct piece {
    struct rn_pkt *pkt; /* pulled to its payload; the network header still before it */
    uint32_t off;
};

struct queue {
    struct rn_hash_node hash;
    struct rn_list age;
    struct key key;
    int64_t until_ns;
    uint32_t total; /* payload bytes; 0: the last fragment has not come */
    uint32_t held;  /* payload bytes here */
    uint32_t charged;
    uint32_t n_pieces;
    uint16_t src_slot;
    uint16_t nic;
    bool is_dead;               /* overlapped: eats what still comes, until its time is over */
    bool is_ce;                 /* RFC 3168 §5.3: one marked fragment marks the datagram */
    struct rn_reass_part first; /* of the fragment at offset 0 */
    struct piece pieces[RN_REASS_PARTS_MAX]; /* by offset */
};

static int64_t lifetime_ns(const struct rn_reass *r)
{
    return r->l3 == RN_L3_V4 ? RN_REASS_V4_NS : RN_REASS_V6_NS;
}

/* --- budget ---------------------------------------------------------------------------------------------------- */

static void charge(struct rn_reass *r, struct queue *q, uint32_t bytes)
{
    q->charged += bytes;
    r->src_bytes[q->src_slot] += bytes;
    r->stack->reass_bytes += bytes;
}

static void discharge(struct rn_reass *r, struct queue *q)
{
    r->src_bytes[q->src_slot] -= q->charged;
    r->stack->reass_bytes -= q->charged;
    q->charged = 0;
}

static void drop_pieces(struct queue *q, enum rn_drop why)
{
    for (uint32_t i = 0; i < q->n_pieces; i++)
        rn_pkt_drop(q->pieces[i].pkt, why);
    q->n_pieces = 0;
}

/* Consumes @q; its pieces must be gone. */
static void free_queue(struct rn_reass *r, struct queue *q)
{
    discharge(r, q);
    rn_hash_remove(&r->table, &q->hash);
    rn_list_remove(&q->age);
    rn_alloc_free(r->stack->alloc, q, sizeof(*q));
}

static struct queue *oldest(const struct rn_reass *r)
{
    struct rn_list *node = rn_list_first(&r->by_age);

    return node != NULL ? rn_list_entry(node, struct queue, age) : NULL;
}

static void give_up(struct rn_reass *r, struct queue *q, enum rn_drop why)
{
    if (!q->is_dead)
        r->stack->stats.ip_reass_failed++;
    drop_pieces(q, why);
    free_queue(r, q);
}

/* Down to three quarters, so that a flood does not evict one queue for each of its packets. */
static void evict(struct rn_reass *r)
{
    size_t low = r->stack->opts.reass_max_bytes / 4 * 3;
    struct queue *q;

    while (r->stack->reass_bytes > low && (q = oldest(r)) != NULL)
        give_up(r, q, RN_DROP_REASS_LIMIT);
}

static bool is_within_budget(struct rn_reass *r, uint16_t src_slot, uint32_t bytes)
{
    size_t max = r->stack->opts.reass_max_bytes;

    if (bytes > max / 4 || r->src_bytes[src_slot] > max / 4 - bytes)
        return false;
    if (r->stack->reass_bytes + bytes > max)
        evict(r);
    return r->stack->reass_bytes + bytes <= max;
}

/* --- time ------------------------------------------------------------------------------------------------------ */

/* RFC 792, RFC 8200 §4.5: told only to those whose first fragment came. */
static void tell_timeout(struct rn_reass *r, struct queue *q)
{
    struct rn_nic *nic = rn_nic_find(r->stack, q->nic);

    if (nic != NULL && q->n_pieces != 0 && q->pieces[0].off == 0)
        rn_icmp_send_error(nic, q->pieces[0].pkt, RN_ICMP_REASS_TIME, 0);
}

static void on_timer(struct rn_timer *timer)
{
    struct rn_reass *r = rn_container_of(timer, struct rn_reass, timer);
    struct queue *q;

    while ((q = oldest(r)) != NULL && q->until_ns <= r->stack->turn->now_ns) {
        tell_timeout(r, q);
        give_up(r, q, RN_DROP_REASS_TIMEOUT);
    }
    if (q != NULL)
        rn_turn_arm(r->stack->turn, timer, q->until_ns);
}

int rn_reass_init(struct rn_reass *r, struct rn_stack *stack, enum rn_l3 l3)
{
    r->stack = stack;
    r->l3 = l3;
    r->timer.fire = on_timer;
    rn_list_init(&r->by_age);
    return rn_hash_init(&r->table, stack->alloc, 16);
}

void rn_reass_fini(struct rn_reass *r)
{
    struct queue *q;

    if (r->stack == NULL)
        return;
    while ((q = oldest(r)) != NULL)
        give_up(r, q, RN_DROP_CLOSED);
    rn_turn_cancel(r->stack->turn, &r->timer);
    rn_hash_fini(&r->table);
}

/* --- queues ---------------------------------------------------------------------------------------------------- */

static struct key key_of(const struct rn_reass *r, const struct rn_reass_part *part)
{
    return (struct key){ part->src, part->dst, part->id, r->l3 == RN_L3_V4 ? part->proto : 0u };
}

/* SipHash-2-4: whoever can choose identifications and sources must not be able to choose the bucket. */
static uint32_t hash_of(const struct rn_reass *r, const struct key *key)
{
    return (uint32_t)rn_siphash24(&r->stack->secrets.table, key, sizeof(*key));
}

static struct queue *find(const struct rn_reass *r, const struct key *key)
{
    struct rn_hash_node *node = rn_hash_first(&r->table, hash_of(r, key));

    for (; node != NULL; node = rn_hash_next(node)) {
        struct queue *q = rn_container_of(node, struct queue, hash);

        if (memcmp(&q->key, key, sizeof(*key)) == 0)
            return q;
    }
    return NULL;
}

static uint16_t src_slot_of(const struct rn_reass *r, struct rn_addr src)
{
    uint64_t hash = rn_siphash13_words(&r->stack->secrets.table, src.w, RN_ARRAY_LEN(src.w));

    return (uint16_t)(hash % RN_REASS_SRC_SLOTS);
}

static struct queue *create(struct rn_reass *r, const struct key *key, uint16_t src_slot)
{
    struct queue *q = rn_alloc_new(r->stack->alloc, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->key = *key;
    q->src_slot = src_slot;
    q->until_ns = r->stack->turn->now_ns + lifetime_ns(r);
    rn_hash_insert(&r->table, &q->hash, hash_of(r, key));
    rn_list_push_back(&r->by_age, &q->age);
    charge(r, q, (uint32_t)sizeof(*q));
    if (!rn_timer_is_armed(&r->timer))
        rn_turn_arm(r->stack->turn, &r->timer, q->until_ns);
    return q;
}

/* Where a piece at @off belongs: the first index whose offset is not below. */
static uint32_t index_of(const struct queue *q, uint32_t off)
{
    uint32_t low = 0;
    uint32_t high = q->n_pieces;

    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (q->pieces[mid].off < off)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

enum fit { FITS, DUPLICATE, CONTRADICTS };

static enum fit fit_of(const struct queue *q, uint32_t i, const struct rn_reass_part *part,
                       uint32_t len)
{
    uint32_t end = part->off_bytes + len;
    const struct piece *p = q->pieces;

    if (i < q->n_pieces && p[i].off == part->off_bytes && p[i].pkt->len == len)
        return part->more == (q->total != end) ? DUPLICATE : CONTRADICTS;
    if (i < q->n_pieces && p[i].off < end)
        return CONTRADICTS;
    if (i > 0 && p[i - 1].off + p[i - 1].pkt->len > part->off_bytes)
        return CONTRADICTS;
    /* The end is where the last fragment said, once, and nothing lies beyond. */
    if (q->total != 0 && (end > q->total || !part->more))
        return CONTRADICTS;
    if (!part->more && i < q->n_pieces)
        return CONTRADICTS;
    return FITS;
}

static void kill(struct rn_reass *r, struct queue *q)
{
    drop_pieces(q, RN_DROP_REASS_OVERLAP);
    discharge(r, q);
    charge(r, q, (uint32_t)sizeof(*q));
    q->is_dead = true;
    r->stack->stats.ip_reass_failed++;
}

/* Consumes @pkt. */
static void insert(struct queue *q, uint32_t i, const struct rn_reass_part *part,
                   struct rn_pkt *pkt)
{
    memmove(&q->pieces[i + 1], &q->pieces[i], (q->n_pieces - i) * sizeof(q->pieces[0]));
    q->pieces[i] = (struct piece){ pkt, part->off_bytes };
    q->n_pieces++;
    q->held += pkt->len;
    q->nic = pkt->nic;
    q->is_ce |= (pkt->tos & RN_IP_ECN_MASK) == RN_ECN_CE;
    if (!part->more)
        q->total = part->off_bytes + pkt->len;
    if (part->off_bytes == 0)
        q->first = *part;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static void fix_header4(uint8_t *hdr, const struct queue *q)
{
    uint16_t hdr_len = q->first.hdr_len;

    if (q->is_ce)
        hdr[1] |= RN_ECN_CE;
    rn_put_be16(hdr + 2, rn_sat_u16(hdr_len + (uint64_t)q->total));
    rn_put_be16(hdr + 6, 0);
    rn_put_be16(hdr + 10, 0);
    rn_put_be16(hdr + 10, (uint16_t)~rn_checksum(hdr, hdr_len, 0));
}

static void fix_header6(uint8_t *hdr, const struct queue *q, uint16_t hdr_len)
{
    uint64_t payload = (uint64_t)hdr_len - RN_IPV6_HDR_BYTES + q->total;

    if (q->is_ce)
        hdr[1] |= RN_ECN_CE << 4; /* the low bits of the traffic class */
    rn_put_be16(hdr + 4, rn_sat_u16(payload));
    hdr[q->first.next_at] = q->first.proto;
}

static void copy_identity(struct rn_pkt *to, const struct rn_pkt *from)
{
    to->account = from->account;
    to->nic = from->nic;
    to->flags = from->flags;
    to->ethertype = from->ethertype;
    to->tos = from->tos;
    to->time_ns = from->time_ns;
}

/* The header of the first fragment and the payload of all, in one new buffer. Returns owned or NULL. */
static struct rn_pkt *join(const struct rn_reass *r, const struct queue *q)
{
    struct rn_pkt *first = q->pieces[0].pkt;
    uint16_t frag_len = r->l3 == RN_L3_V6 ? RN_IPV6_FRAG_BYTES : 0;
    uint16_t hdr_len = (uint16_t)(q->first.hdr_len - frag_len);
    const uint8_t *hdr = rn_pkt_pulled(first, q->first.hdr_len);
    struct rn_buf *buf = rn_buf_new_for(first->pool, (size_t)hdr_len + q->total);
    struct rn_pkt *whole = rn_pkt_new(first->pool);
    bool ok = buf != NULL && whole != NULL && hdr != NULL;

    if (ok) {
        memcpy(buf->data, hdr, hdr_len);
        for (uint32_t i = 0; i < q->n_pieces; i++)
            rn_pkt_copy_out(q->pieces[i].pkt, 0, buf->data + hdr_len + q->pieces[i].off,
                            q->pieces[i].pkt->len);
        if (r->l3 == RN_L3_V4)
            fix_header4(buf->data, q);
        else
            fix_header6(buf->data, q, hdr_len);
        ok = rn_pkt_append_ref(whole, buf, 0, hdr_len + q->total);
    }
    rn_buf_unref(buf);
    if (!ok) {
        rn_pkt_free(whole);
        return NULL;
    }
    copy_identity(whole, first);
    return whole;
}

static struct rn_pkt *complete(struct rn_reass *r, struct queue *q)
{
    struct rn_pkt *whole = join(r, q);

    if (whole == NULL) {
        give_up(r, q, RN_DROP_NOMEM);
        return NULL;
    }
    r->stack->stats.ip_reass_ok++;
    for (uint32_t i = 0; i < q->n_pieces; i++)
        rn_pkt_free(q->pieces[i].pkt);
    q->n_pieces = 0;
    free_queue(r, q);
    return whole;
}

/* What no fragment may be, whatever else came. */
static bool is_sane(const struct rn_pkt *pkt, const struct rn_reass_part *part)
{
    uint32_t len;

    if (pkt->gso != RN_GSO_NONE || pkt->csum == RN_CSUM_PARTIAL || part->hdr_len >= pkt->len)
        return false;
    len = pkt->len - part->hdr_len;
    if (part->more && len % 8 != 0)
        return false;
    /* The headers of the whole count as well, or its length would not fit its field ("ping of death"). */
    return len + (uint64_t)part->hdr_len + part->off_bytes <= RN_REASS_TOTAL_MAX;
}

static struct rn_pkt *store(struct rn_reass *r, struct queue *q, struct rn_pkt *pkt,
                            const struct rn_reass_part *part)
{
    uint32_t i = index_of(q, part->off_bytes);
    enum fit fit = q->is_dead ? CONTRADICTS : fit_of(q, i, part, pkt->len);

    if (fit == DUPLICATE) {
        rn_pkt_drop(pkt, RN_DROP_REASS_DUPLICATE);
        return NULL;
    }
    if (fit == CONTRADICTS || q->n_pieces == RN_REASS_PARTS_MAX) {
        rn_pkt_drop(pkt, fit == CONTRADICTS ? RN_DROP_REASS_OVERLAP : RN_DROP_REASS_LIMIT);
        if (!q->is_dead)
            kill(r, q);
        return NULL;
    }
    charge(r, q, rn_pkt_true_bytes(pkt));
    insert(q, i, part, pkt);
    return q->total != 0 && q->held == q->total ? complete(r, q) : NULL;
}

/*
 * Consumes @pkt. A small piece of a big slab would be charged for all of it, and hold it: it gets a small slab of its
 * own. Returns owned, @pkt itself if that is no better.
 */
static struct rn_pkt *compact(struct rn_pkt *pkt)
{
    struct rn_view views[1 + RN_PKT_FRAGS_MAX];
    unsigned n = rn_pkt_views(pkt, 0, views, RN_ARRAY_LEN(views));
    struct rn_pkt *copy;
    bool ok;

    if (pkt->len > RN_BUF_SMALL_BYTES || rn_pkt_true_bytes(pkt) < 2 * RN_BUF_SMALL_BYTES)
        return pkt;
    copy = rn_pkt_new(pkt->pool);
    ok = copy != NULL;
    for (unsigned i = 0; ok && i < n; i++)
        ok = rn_pkt_append_copy(copy, views[i].ptr, views[i].len);
    if (!ok) {
        rn_pkt_free(copy);
        return pkt;
    }
    copy_identity(copy, pkt);
    rn_pkt_free(pkt);
    return copy;
}

struct rn_pkt *rn_reass_input(struct rn_reass *r, struct rn_pkt *pkt,
                              const struct rn_reass_part *part)
{
    struct key key = key_of(r, part);
    uint16_t src_slot = src_slot_of(r, part->src);
    struct queue *q;

    if (!is_sane(pkt, part)) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return NULL;
    }
    pkt = compact(pkt);
    if (!is_within_budget(r, src_slot, rn_pkt_true_bytes(pkt) + (uint32_t)sizeof(*q))) {
        rn_pkt_drop(pkt, RN_DROP_REASS_LIMIT);
        return NULL;
    }
    q = find(r, &key);
    if (q == NULL)
        q = create(r, &key, src_slot);
    if (q == NULL) {
        rn_pkt_drop(pkt, RN_DROP_NOMEM);
        return NULL;
    }
    pkt->l3_len = part->hdr_len;
    rn_pkt_pull(pkt, part->hdr_len);
    return store(r, q, pkt, part);
}
