/* Life of a flight and of its records; which list a record is in, and the sums over them. */
#include "tcp/cc.h"

/* --- the flight ---------------------------------------------------------------------------------------------- */

/* Data begins behind a SYN that is not acknowledged yet. */
static rn_seq first_data_seq(const struct rn_tcp *conn)
{
    bool is_syn_out = conn->state == RN_TCP_SYN_SENT || conn->state == RN_TCP_SYN_RCVD ||
                      conn->state == RN_TCP_CLOSED || conn->state == RN_TCP_LISTEN;

    return is_syn_out ? rn_seq_add(conn->iss, 1) : conn->snd.una;
}

struct rn_tcp_flight *rn_tcp_flight_need(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (flight != NULL)
        return flight;
    flight = rn_alloc_new(conn->sock.stack->alloc, sizeof(*flight));
    if (flight == NULL)
        return NULL;
    rn_tcp_queue_init(&flight->queue, first_data_seq(conn));
    rn_list_init(&flight->in_order);
    rn_list_init(&flight->sent);
    rn_list_init(&flight->lost);
    rn_list_init(&flight->spare);
    flight->rack.wnd_mult = 1;
    flight->rack.is_reordering = (conn->flags & RN_TCPF_REORDERS) != 0;
    flight->rack.fack = flight->queue.start;
    flight->mdev_us = conn->rtt.rttvar_us;
    flight->rtt_round = flight->queue.start;
    flight->max_out_end = flight->queue.start;
    flight->rate.app_limited = 1; /* it had nothing to send until now */
    conn->flight = flight;
    rn_tcp_stack_of(conn)->n_flights++;
    if (conn->cc.ops->on_flight != NULL)
        conn->cc.ops->on_flight(conn);
    return flight;
}

static void free_recs(struct rn_stack *stack, struct rn_list *head, size_t link_at)
{
    struct rn_list *node;

    while ((node = rn_list_pop_front(head)) != NULL) {
        rn_stack_charge(stack, -(int64_t)sizeof(struct rn_tcp_rec));
        rn_alloc_free(stack->alloc, (char *)node - link_at, sizeof(struct rn_tcp_rec));
    }
}

/* What was learnt of the path outlives what was sent over it. */
static void keep_knowledge(struct rn_tcp *conn)
{
    rn_tcp_recovery_end(conn);
    if (conn->flight->rack.is_reordering)
        conn->flags |= RN_TCPF_REORDERS;
    if (conn->flight->rate.bytes_per_s != 0)
        conn->rtt.last_rate = rn_tcp_rate_pack(&conn->flight->rate);
}

void rn_tcp_flight_free(struct rn_tcp *conn)
{
    const struct rn_alloc *alloc = conn->sock.stack->alloc;
    struct rn_tcp_flight *flight = conn->flight;

    if (flight == NULL)
        return;
    rn_tcp_busy_end(conn);
    rn_tcp_stack_of(conn)->n_flights--;
    keep_knowledge(conn);
    free_recs(conn->sock.stack, &flight->in_order, offsetof(struct rn_tcp_rec, order));
    free_recs(conn->sock.stack, &flight->spare, offsetof(struct rn_tcp_rec, link));
    rn_tcp_queue_fini(conn, &flight->queue);
    rn_alloc_free(alloc, flight, sizeof(*flight));
    conn->flight = NULL;
}

/* --- finding -------------------------------------------------------------------------------------------------- */

static struct rn_tcp_rec *rec_of(struct rn_tree_node *node)
{
    return node == NULL ? NULL : rn_container_of(node, struct rn_tcp_rec, node);
}

static int compare(const struct rn_tree_node *a, const struct rn_tree_node *b)
{
    const struct rn_tcp_rec *rec = rn_container_of(a, const struct rn_tcp_rec, node);
    const struct rn_tcp_rec *other = rn_container_of(b, const struct rn_tcp_rec, node);

    return rn_seq_diff(rec->seq, other->seq);
}

/* Records before the key end at or before it, so that the lower bound is the one that holds it. */
static int compare_end(const void *key, const struct rn_tree_node *node)
{
    const rn_seq *seq = key;
    const struct rn_tcp_rec *rec = rn_container_of(node, const struct rn_tcp_rec, node);

    return rn_seq_lt(*seq, rec->end) ? -1 : 1;
}

struct rn_tcp_rec *rn_tcp_rec_find(const struct rn_tcp_flight *flight, rn_seq seq)
{
    return rec_of(rn_tree_lower_bound(&flight->recs, &seq, compare_end));
}

static struct rn_tcp_rec *in_order(const struct rn_tcp_flight *flight, struct rn_list *node)
{
    return node == &flight->in_order ? NULL : rn_list_entry(node, struct rn_tcp_rec, order);
}

struct rn_tcp_rec *rn_tcp_rec_first(const struct rn_tcp_flight *flight)
{
    return in_order(flight, flight->in_order.next);
}

struct rn_tcp_rec *rn_tcp_rec_last(const struct rn_tcp_flight *flight)
{
    return in_order(flight, flight->in_order.prev);
}

struct rn_tcp_rec *rn_tcp_rec_next(const struct rn_tcp_flight *flight, const struct rn_tcp_rec *rec)
{
    return in_order(flight, rec->order.next);
}

static struct rn_tcp_rec *prev_of(const struct rn_tcp_flight *flight, const struct rn_tcp_rec *rec)
{
    return in_order(flight, rec->order.prev);
}

/* --- making and dropping ---------------------------------------------------------------------------------------- */

static struct rn_tcp_rec *new_rec(struct rn_tcp *conn)
{
    struct rn_list *spare = rn_list_pop_front(&conn->flight->spare);
    struct rn_tcp_rec *rec;

    if (spare == NULL) {
        rec = rn_alloc_new(conn->sock.stack->alloc, sizeof(*rec));
        if (rec != NULL)
            rn_stack_charge(conn->sock.stack, (int64_t)sizeof(*rec));
        return rec;
    }
    rec = rn_list_entry(spare, struct rn_tcp_rec, link);
    *rec = (struct rn_tcp_rec){ 0 };
    return rec;
}

static uint32_t count_segs(const struct rn_tcp_rec *rec)
{
    uint32_t len = rn_tcp_rec_len(rec);

    if (len <= rec->mss)
        return 1;
    return (len + rec->mss - 1) / rec->mss;
}

/* How much of @rec counts as in flight again. */
static void count_resent(struct rn_tcp_flight *flight, struct rn_tcp_rec *rec, uint32_t segs)
{
    flight->resent_segs += segs - rec->resent;
    rec->resent = segs;
}

static void recount_resent(struct rn_tcp_flight *flight, struct rn_tcp_rec *rec)
{
    bool is_again = rec->state == RN_TCP_REC_FLYING && rec->sent_more != 0;

    count_resent(flight, rec, is_again ? rec->segs : 0);
}

struct rn_tcp_rec *rn_tcp_rec_append(struct rn_tcp *conn, rn_seq seq, rn_seq end)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *rec = new_rec(conn);

    if (rec == NULL)
        return NULL;
    rec->seq = seq;
    rec->end = end;
    rec->mss = conn->snd.mss;
    rec->segs = count_segs(rec);
    rn_tree_insert(&flight->recs, &rec->node, compare);
    rn_list_push_back(&flight->in_order, &rec->order);
    flight->n_recs++;
    return rec;
}

struct rn_tcp_rec *rn_tcp_rec_split(struct rn_tcp *conn, struct rn_tcp_rec *rec, rn_seq at)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *right = new_rec(conn);
    uint32_t segs = rec->segs;

    if (right == NULL)
        return NULL;
    *right = *rec;
    right->seq = at;
    right->resent = 0;
    rec->end = at;
    rec->is_pushed = false;
    rec->segs = count_segs(rec);
    right->segs = count_segs(right);
    recount_resent(flight, rec);
    recount_resent(flight, right);
    if (rec->state == RN_TCP_REC_SACKED)
        flight->sacked_segs += rec->segs + right->segs - segs;
    right->order = (struct rn_list){ 0 };
    rn_list_insert_before(rec->order.next, &right->order);
    right->link = (struct rn_list){ 0 };
    if (rn_list_is_linked(&rec->link))
        rn_list_insert_before(rec->link.next, &right->link);
    right->node = (struct rn_tree_node){ 0 };
    rn_tree_insert(&flight->recs, &right->node, compare);
    flight->n_recs++;
    return right;
}

/* Takes @bytes and @segs of @rec out of the sum of its state. */
static void uncount(struct rn_tcp_flight *flight, const struct rn_tcp_rec *rec, uint32_t bytes,
                    uint32_t segs)
{
    switch ((enum rn_tcp_rec_state)rec->state) {
    case RN_TCP_REC_FLYING:
        flight->pipe -= bytes;
        break;
    case RN_TCP_REC_LOST:
        flight->lost_bytes -= bytes;
        break;
    case RN_TCP_REC_SACKED:
        flight->sacked_bytes -= bytes;
        flight->sacked_segs -= segs;
        break;
    }
}

/* Leaves lists and sums of its state; a record that was just appended has no list and counts nowhere. */
static void leave(struct rn_tcp_flight *flight, struct rn_tcp_rec *rec)
{
    if (!rn_list_is_linked(&rec->link) && rec->state != RN_TCP_REC_SACKED)
        return;
    uncount(flight, rec, rn_tcp_rec_len(rec), rec->segs);
    count_resent(flight, rec, 0);
    if (flight->last_lost == rec)
        flight->last_lost = NULL;
    rn_list_remove(&rec->link);
}

void rn_tcp_rec_remove(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    struct rn_tcp_flight *flight = conn->flight;

    leave(flight, rec);
    rn_tree_remove(&flight->recs, &rec->node);
    rn_list_remove(&rec->order);
    flight->n_recs--;
    rn_list_push_front(&flight->spare, &rec->link);
}

void rn_tcp_rec_trim(struct rn_tcp *conn, struct rn_tcp_rec *rec, rn_seq una)
{
    uint32_t segs = rec->segs;
    uint32_t bytes = una.v - rec->seq.v;

    rec->seq = una;
    rec->segs = count_segs(rec);
    uncount(conn->flight, rec, bytes, segs - rec->segs);
    recount_resent(conn->flight, rec);
}

void rn_tcp_rec_to_flying(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    struct rn_tcp_flight *flight = conn->flight;

    leave(flight, rec);
    rec->state = RN_TCP_REC_FLYING;
    rn_list_push_back(&flight->sent, &rec->link);
    flight->pipe += rn_tcp_rec_len(rec);
    recount_resent(flight, rec);
}

void rn_tcp_rec_found(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    struct rn_tcp_flight *flight = conn->flight;

    leave(flight, rec);
    rec->state = RN_TCP_REC_FLYING;
    rn_list_push_front(&flight->sent, &rec->link);
    flight->pipe += rn_tcp_rec_len(rec);
    recount_resent(flight, rec);
}

static struct rn_tcp_rec *lost_of(struct rn_list *node)
{
    return rn_list_entry(node, struct rn_tcp_rec, link);
}

/*
 * The lost go again in order of sequence (RFC 6675 §4): the lowest is what the peer waits for. Records are found lost in
 * ascending runs, so the place is next to that of the one before.
 */
static struct rn_list *place_of_lost(struct rn_tcp_flight *flight, const struct rn_tcp_rec *rec)
{
    struct rn_list *head = &flight->lost;
    struct rn_list *at = flight->last_lost != NULL ? &flight->last_lost->link : head;

    if (!rn_list_is_empty(head) && rn_seq_lt(lost_of(head->prev)->seq, rec->seq))
        return head;
    while (at->prev != head && rn_seq_gt(lost_of(at->prev)->seq, rec->seq))
        at = at->prev;
    while (at != head && rn_seq_lt(lost_of(at)->seq, rec->seq))
        at = at->next;
    return at;
}

void rn_tcp_rec_to_lost(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    struct rn_tcp_flight *flight = conn->flight;

    leave(flight, rec);
    rec->state = RN_TCP_REC_LOST;
    rn_list_insert_before(place_of_lost(flight, rec), &rec->link);
    flight->last_lost = rec;
    flight->lost_bytes += rn_tcp_rec_len(rec);
}

void rn_tcp_rec_lose(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    conn->flight->rate.lost += rn_tcp_rec_len(rec);
    if (conn->cc.ops->on_lost != NULL)
        conn->cc.ops->on_lost(conn, rec);
    rn_tcp_rec_to_lost(conn, rec);
}

static bool is_sacked(const struct rn_tcp_rec *rec)
{
    return rec != NULL && rec->state == RN_TCP_REC_SACKED;
}

/* @rec swallows its right neighbour: only ends and counts matter of what was SACKed. */
static void swallow(struct rn_tcp *conn, struct rn_tcp_rec *rec, struct rn_tcp_rec *right)
{
    struct rn_tcp_flight *flight = conn->flight;
    uint32_t bytes = rn_tcp_rec_len(right);
    uint32_t segs = right->segs;

    rec->end = right->end;
    rec->segs += segs;
    rn_tcp_rec_remove(conn, right);
    flight->sacked_bytes += bytes;
    flight->sacked_segs += segs;
}

struct rn_tcp_rec *rn_tcp_rec_to_sacked(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *left = prev_of(flight, rec);
    struct rn_tcp_rec *right = rn_tcp_rec_next(flight, rec);

    leave(flight, rec);
    rec->state = RN_TCP_REC_SACKED;
    flight->sacked_bytes += rn_tcp_rec_len(rec);
    flight->sacked_segs += rec->segs;
    if (is_sacked(right))
        swallow(conn, rec, right);
    if (!is_sacked(left))
        return rec;
    swallow(conn, left, rec);
    return left;
}
