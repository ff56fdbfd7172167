#include "tcp/reorder.h"

/* RFC 9293 §3.10.7.4 lets us keep data that came too early; RFC 2018 tells the peer of it, RFC 2883 of what came twice. */

struct island {
    struct rn_tree_node node;
    struct rn_list recent;
    rn_seq from;
    rn_seq to;
    struct rn_pktq data;
};

static struct island *island_of(const struct rn_tree_node *node)
{
    return node == NULL
               ? NULL
               : rn_container_of((struct rn_tree_node *)(uintptr_t)node, struct island, node);
}

static int by_from(const struct rn_tree_node *a, const struct rn_tree_node *b)
{
    return rn_seq_diff(island_of(a)->from, island_of(b)->from);
}

static int seq_to_island(const void *key, const struct rn_tree_node *node)
{
    const rn_seq *seq = key;

    return rn_seq_diff(*seq, island_of(node)->from);
}

struct rn_tcp_rx *rn_tcp_rx_of(struct rn_tcp *conn)
{
    struct rn_tcp_rx *rx = conn->rcv.rx;

    if (rx != NULL)
        return rx;
    rx = rn_alloc_new(conn->sock.stack->alloc, sizeof(*rx));
    if (rx == NULL)
        return NULL;
    rn_list_init(&rx->recent);
    conn->rcv.rx = rx;
    rn_tcp_stack_of(conn)->n_receivers++;
    return rx;
}

bool rn_tcp_reorder_is_empty(const struct rn_tcp *conn)
{
    return conn->rcv.rx == NULL || conn->rcv.rx->islands.root == NULL;
}

static void add_cost(struct rn_tcp *conn, const struct rn_pkt *pkt)
{
    rn_tcp_rcv_charge(conn, rn_tcp_rcv_pkt_cost(pkt));
}

static void remove_cost(struct rn_tcp *conn, const struct island *isle)
{
    const struct rn_pkt *pkt;

    for (pkt = isle->data.first; pkt != NULL; pkt = pkt->next)
        rn_tcp_rcv_charge(conn, -(int64_t)rn_tcp_rcv_pkt_cost(pkt));
    rn_tcp_rcv_charge(conn, -(int64_t)sizeof(*isle));
}

/* Frees the island; its packets must be gone or dead. */
static void forget(struct rn_tcp *conn, struct island *isle)
{
    rn_tree_remove(&conn->rcv.rx->islands, &isle->node);
    rn_list_remove(&isle->recent);
    rn_alloc_free(conn->sock.stack->alloc, isle, sizeof(*isle));
}

static void destroy(struct rn_tcp *conn, struct island *isle, enum rn_drop why)
{
    remove_cost(conn, isle);
    rn_pktq_drop_all(&isle->data, why);
    forget(conn, isle);
}

static void touch(struct rn_tcp_rx *rx, struct island *isle)
{
    rn_list_remove(&isle->recent);
    rn_list_push_front(&rx->recent, &isle->recent);
}

/* The island that begins at or before @seq. */
static struct island *find_before(const struct rn_tcp_rx *rx, rn_seq seq)
{
    struct rn_tree_node *at = rn_tree_lower_bound(&rx->islands, &seq, seq_to_island);

    if (at != NULL && rn_seq_eq(island_of(at)->from, seq))
        return island_of(at);
    return island_of(at != NULL ? rn_tree_prev(at) : rn_tree_last(&rx->islands));
}

/* Cuts off the front what @left has; false when nothing is left. */
static bool cut_front(struct rn_tcp *conn, struct rn_tcp_seg *seg, const struct island *left)
{
    rn_seq end = rn_seq_add(seg->seq, seg->data_len);
    uint32_t dup;

    if (left == NULL || rn_seq_le(left->to, seg->seq))
        return true;
    rn_tcp_reorder_note_dup(conn, seg->seq, rn_seq_min(left->to, end));
    if (rn_seq_ge(left->to, end))
        return false;
    dup = (uint32_t)rn_seq_diff(left->to, seg->seq);
    rn_pkt_pull(seg->pkt, dup);
    seg->seq = left->to;
    seg->data_len -= dup;
    return true;
}

/* Islands that lie wholly in @seg go, since it brings the same; one it reaches into cuts off its end. Returns the island
 * that begins where @seg ends, if there is one. */
static struct island *cut_back(struct rn_tcp *conn, struct rn_tcp_seg *seg, struct island *left)
{
    struct rn_tcp_rx *rx = conn->rcv.rx;
    rn_seq end = rn_seq_add(seg->seq, seg->data_len);
    struct island *next =
        island_of(left != NULL ? rn_tree_next(&left->node) : rn_tree_first(&rx->islands));

    while (next != NULL && rn_seq_le(next->to, end)) {
        struct island *covered = next;

        rn_tcp_reorder_note_dup(conn, covered->from, covered->to);
        next = island_of(rn_tree_next(&next->node));
        destroy(conn, covered, RN_DROP_TCP_DUPLICATE);
    }
    if (next == NULL || rn_seq_gt(next->from, end))
        return NULL;
    if (rn_seq_lt(next->from, end)) {
        rn_tcp_reorder_note_dup(conn, next->from, end);
        seg->data_len = (uint32_t)rn_seq_diff(next->from, seg->seq);
        rn_pkt_trim(seg->pkt, seg->data_len);
    }
    return next;
}

static void take_pkt(struct rn_tcp *conn, struct rn_tcp_seg *seg, struct rn_pktq *data)
{
    add_cost(conn, seg->pkt);
    rn_pktq_push(data, seg->pkt);
    seg->pkt = NULL;
}

/* @left ends where @seg begins; @right, if any, begins where @seg ends. */
static void grow_right(struct rn_tcp *conn, struct rn_tcp_seg *seg, struct island *left,
                       struct island *right)
{
    left->to = rn_seq_add(seg->seq, seg->data_len);
    take_pkt(conn, seg, &left->data);
    touch(conn->rcv.rx, left);
    if (right == NULL)
        return;
    left->to = right->to;
    rn_pktq_splice(&left->data, &right->data);
    rn_tcp_rcv_charge(conn, -(int64_t)sizeof(*right));
    forget(conn, right);
}

/* Order in the tree does not change: nothing lies between. */
static void grow_left(struct rn_tcp *conn, struct rn_tcp_seg *seg, struct island *right)
{
    right->from = seg->seq;
    add_cost(conn, seg->pkt);
    rn_pktq_push_front(&right->data, seg->pkt);
    seg->pkt = NULL;
    touch(conn->rcv.rx, right);
}

static bool add_island(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    struct rn_tcp_rx *rx = conn->rcv.rx;
    struct island *isle = NULL;

    if (rx->islands.n_nodes < RN_TCP_ISLANDS_MAX)
        isle = rn_alloc_new(conn->sock.stack->alloc, sizeof(*isle));
    if (isle == NULL)
        return false;
    isle->from = seg->seq;
    isle->to = rn_seq_add(seg->seq, seg->data_len);
    rn_tree_insert(&rx->islands, &isle->node, by_from);
    rn_list_push_front(&rx->recent, &isle->recent);
    rn_tcp_rcv_charge(conn, (int64_t)sizeof(*isle));
    take_pkt(conn, seg, &isle->data);
    return true;
}

static void refuse(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    conn->sock.stack->stats.tcp_ooo_dropped++;
    rn_pkt_drop(seg->pkt, RN_DROP_TCP_NO_BUFFER);
    seg->pkt = NULL;
}

/* Stores what is left after cutting. Data that finds no room has not been reported, so the peer keeps it (no reneging). */
static void store(struct rn_tcp *conn, struct rn_tcp_seg *seg, struct island *left)
{
    struct island *right = cut_back(conn, seg, left);

    seg->pkt = rn_tcp_rcv_compact(seg->pkt);
    if (rn_tcp_rcv_is_full(conn, rn_tcp_rcv_pkt_cost(seg->pkt))) {
        refuse(conn, seg);
        return;
    }
    conn->sock.stack->stats.tcp_ooo_queued++;
    conn->rcv.rx->n_ooo++;
    if (left != NULL && rn_seq_eq(left->to, seg->seq))
        grow_right(conn, seg, left, right);
    else if (right != NULL)
        grow_left(conn, seg, right);
    else if (!add_island(conn, seg))
        refuse(conn, seg);
}

bool rn_tcp_reorder_add(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    struct rn_tcp_rx *rx = rn_tcp_rx_of(conn);
    struct island *left;

    if (rx == NULL) {
        refuse(conn, seg);
        return true;
    }
    left = find_before(rx, seg->seq);
    if (!cut_front(conn, seg, left)) {
        touch(rx, left);
        rn_pkt_drop(seg->pkt, RN_DROP_TCP_DUPLICATE);
        seg->pkt = NULL;
        return false;
    }
    store(conn, seg, left);
    return true;
}

/* The part of an island below @nxt came again in order. */
static void cut_taken(struct rn_tcp *conn, struct island *isle, rn_seq nxt)
{
    uint32_t dup = (uint32_t)rn_seq_diff(nxt, isle->from);

    while (dup > 0 && isle->data.first != NULL) {
        struct rn_pkt *pkt = rn_pktq_pop(&isle->data);
        uint32_t cost = rn_tcp_rcv_pkt_cost(pkt);

        rn_tcp_rcv_charge(conn, -(int64_t)cost);
        if (pkt->len <= dup) {
            dup -= pkt->len;
            rn_pkt_drop(pkt, RN_DROP_TCP_DUPLICATE);
            continue;
        }
        rn_pkt_pull(pkt, dup);
        dup = 0;
        rn_tcp_rcv_charge(conn, rn_tcp_rcv_pkt_cost(pkt));
        rn_pktq_push_front(&isle->data, pkt);
    }
    isle->from = nxt;
}

uint32_t rn_tcp_reorder_take(struct rn_tcp *conn, rn_seq nxt, struct rn_pktq *to)
{
    struct rn_tcp_rx *rx = conn->rcv.rx;
    struct island *first;
    uint32_t taken = 0;

    if (rx == NULL)
        return 0;
    while ((first = island_of(rn_tree_first(&rx->islands))) != NULL &&
           rn_seq_le(first->from, nxt)) {
        if (rn_seq_lt(first->from, nxt))
            rn_tcp_reorder_note_dup(conn, first->from, rn_seq_min(nxt, first->to));
        if (rn_seq_le(first->to, nxt)) {
            destroy(conn, first, RN_DROP_TCP_DUPLICATE);
            continue;
        }
        cut_taken(conn, first, nxt);
        taken = (uint32_t)rn_seq_diff(first->to, nxt);
        remove_cost(conn, first);
        rn_pktq_splice(to, &first->data);
        forget(conn, first);
        break; /* islands do not touch: the next one leaves a hole */
    }
    return taken;
}

bool rn_tcp_reorder_evict(struct rn_tcp *conn)
{
    struct island *last;

    if (rn_tcp_reorder_is_empty(conn))
        return false;
    last = island_of(rn_tree_last(&conn->rcv.rx->islands));
    conn->sock.stack->stats.tcp_ooo_dropped++;
    destroy(conn, last, RN_DROP_TCP_NO_BUFFER);
    return true;
}

void rn_tcp_reorder_note_dup(struct rn_tcp *conn, rn_seq from, rn_seq to)
{
    struct rn_tcp_rx *rx;

    if ((conn->flags & RN_TCPF_SACK) == 0)
        return;
    rx = rn_tcp_rx_of(conn);
    /* RFC 2883 §4.2.3: of several duplicate parts of a segment the first is told; its ACK leaves at once. */
    if (rx == NULL || rx->has_dsack)
        return;
    rx->dsack = (struct rn_tcp_sack_block){ from, to };
    rx->has_dsack = true;
}

unsigned rn_tcp_reorder_n_blocks(const struct rn_tcp *conn)
{
    const struct rn_tcp_rx *rx = conn->rcv.rx;
    size_t n;

    if (rx == NULL || (conn->flags & RN_TCPF_SACK) == 0)
        return 0;
    n = rx->islands.n_nodes + (rx->has_dsack ? 1 : 0);
    return (unsigned)rn_min_size(n, RN_TCP_SACK_MAX);
}

unsigned rn_tcp_rcv_sack_blocks(struct rn_tcp *conn, struct rn_tcp_sack_block *ret, unsigned max)
{
    struct rn_tcp_rx *rx = conn->rcv.rx;
    struct rn_list *at;
    unsigned n = 0;

    if (rx == NULL || (conn->flags & RN_TCPF_SACK) == 0)
        return 0;
    if (rx->has_dsack && n < max) {
        ret[n++] = rx->dsack;
        rx->has_dsack = false;
        conn->sock.stack->stats.tcp_dsack_out++;
    }
    rn_list_for_each (at, &rx->recent) {
        const struct island *isle = rn_list_entry(at, struct island, recent);

        if (n == max)
            break;
        ret[n++] = (struct rn_tcp_sack_block){ isle->from, isle->to };
    }
    return n;
}

void rn_tcp_reorder_clear(struct rn_tcp *conn)
{
    struct rn_tcp_rx *rx = conn->rcv.rx;
    struct rn_tree_node *node;

    if (rx == NULL)
        return;
    while ((node = rn_tree_first(&rx->islands)) != NULL)
        destroy(conn, island_of(node), RN_DROP_TCP_CLOSED);
    rn_alloc_free(conn->sock.stack->alloc, rx, sizeof(*rx));
    conn->rcv.rx = NULL;
    rn_tcp_stack_of(conn)->n_receivers--;
}
