/*
 * Every deadline of a connection. The wheel holds one node per connection, armed for the least deadline or earlier: a
 * deadline that moves later leaves the node where it is, which then fires for nothing once and is armed anew. So the
 * timer that every ACK pushes back costs a store.
 */
#include "tcp/cc.h"
#include "tcp/rtt.h"

#include <runnel/err.h>

#define CORK_NS        (200 * RN_NS_PER_MS)
#define PERSIST_MAX_NS (60 * RN_NS_PER_S) /* as BSD; RFC 9293 §3.8.6.1 leaves it open */
/* Deadlines are compared modulo 2^32 ticks; further than this they would look past. */
#define FAR_NS ((int64_t)1 << (31 + RN_WHEEL_TICK_SHIFT))

/* conn->persist_kind: what T_RTO means now. */
enum { KIND_RTO, KIND_PERSIST, KIND_SYN };

/* --- deadlines in ticks ------------------------------------------------------------------------------------------ */

static uint32_t tick_of(int64_t ns)
{
    uint32_t tick = (uint32_t)((ns + (1 << RN_WHEEL_TICK_SHIFT) - 1) >> RN_WHEEL_TICK_SHIFT);

    return tick == 0 ? 1 : tick; /* 0 says "not armed" */
}

static int64_t ns_of(const struct rn_tcp *conn, uint32_t tick)
{
    int64_t now_ns = rn_tcp_now_ns(conn);
    uint32_t now_tick = (uint32_t)(now_ns >> RN_WHEEL_TICK_SHIFT);
    int32_t ahead = (int32_t)(tick - now_tick);

    return ((now_ns >> RN_WHEEL_TICK_SHIFT) + ahead) * (1 << RN_WHEEL_TICK_SHIFT);
}

static bool is_due(const struct rn_tcp *conn, uint32_t tick)
{
    return ns_of(conn, tick) <= rn_tcp_now_ns(conn);
}

static void arm_node(struct rn_tcp *conn, int64_t deadline_ns)
{
    if (rn_timer_is_armed(&conn->timer) && conn->timer.deadline_ns <= deadline_ns)
        return;
    rn_turn_arm(conn->sock.stack->turn, &conn->timer, deadline_ns);
}

static void arm(struct rn_tcp *conn, enum rn_tcp_timer which, int64_t deadline_ns)
{
    int64_t now_ns = rn_tcp_now_ns(conn);

    deadline_ns = rn_min_i64(rn_max_i64(deadline_ns, now_ns), now_ns + FAR_NS - 1);
    conn->due[which] = tick_of(deadline_ns);
    arm_node(conn, ns_of(conn, conn->due[which]));
}

static void arm_in(struct rn_tcp *conn, enum rn_tcp_timer which, int64_t ns)
{
    arm(conn, which, rn_tcp_now_ns(conn) + ns);
}

static void stop(struct rn_tcp *conn, enum rn_tcp_timer which)
{
    conn->due[which] = 0;
}

static void arm_least(struct rn_tcp *conn)
{
    int64_t least_ns = INT64_MAX;

    for (unsigned i = 0; i < RN_TCP_T_COUNT; i++) {
        if (conn->due[i] != 0)
            least_ns = rn_min_i64(least_ns, ns_of(conn, conn->due[i]));
    }
    if (least_ns != INT64_MAX)
        arm_node(conn, least_ns);
}

/* --- what fires --------------------------------------------------------------------------------------------------- */

static void fire_rto(struct rn_tcp *conn)
{
    if (conn->persist_kind == KIND_SYN)
        rn_tcp_syn_fired(conn);
    else if (conn->persist_kind == KIND_PERSIST)
        rn_tcp_probe_fired(conn);
    else
        rn_tcp_rto_fired(conn);
}

static void fire_loss(struct rn_tcp *conn)
{
    if (conn->flight == NULL)
        return;
    switch ((enum rn_tcp_loss_timer)conn->flight->loss_timer) {
    case RN_TCP_LOSS_REORDER:
        rn_tcp_reorder_fired(conn);
        break;
    case RN_TCP_LOSS_PROBE:
        rn_tcp_tlp_fired(conn);
        break;
    case RN_TCP_LOSS_LINGER:
        if (conn->snd.queued == 0 && conn->snd.una.v == conn->snd.nxt.v)
            rn_tcp_flight_free(conn);
        break;
    }
}

static void fire_delack(struct rn_tcp *conn)
{
    conn->flags |= RN_TCPF_ACK_NOW;
    rn_tcp_want_output(conn);
}

/* Departures and the cork share a timer: whichever is nearer. */
static void fire_pace(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (flight != NULL && flight->cork_ns > rn_tcp_now_ns(conn)) {
        arm(conn, RN_TCP_T_PACE, flight->cork_ns);
    } else if (flight != NULL && flight->cork_ns != 0) {
        flight->is_cork_over = true;
        flight->cork_ns = 0;
    }
    rn_tcp_want_output(conn);
}

static int64_t silent_ns(const struct rn_tcp *conn)
{
    uint32_t now_ms = (uint32_t)(rn_tcp_now_ns(conn) / RN_NS_PER_MS);

    return (int64_t)(now_ms - conn->last_recv_ms) * RN_NS_PER_MS;
}

static bool is_keepalive_over(const struct rn_tcp *conn)
{
    const struct rn_tcp_cold *cold = rn_tcp_cold_get(conn);

    if (cold->user_timeout_ns != 0)
        return conn->probes > 0 && silent_ns(conn) >= cold->user_timeout_ns;
    return conn->probes >= cold->keep_cnt;
}

static void fire_keepalive(struct rn_tcp *conn)
{
    int64_t idle_ns = rn_tcp_cold_get(conn)->keep_idle_ns;

    /* Retransmission and zero-window probes already ask whether the peer is there. */
    if (conn->flight != NULL && conn->flight->n_recs != 0) {
        arm_in(conn, RN_TCP_T_LIFE, idle_ns);
        return;
    }
    if (silent_ns(conn) < idle_ns) {
        conn->probes = 0;
        arm_in(conn, RN_TCP_T_LIFE, idle_ns - silent_ns(conn));
        return;
    }
    if (is_keepalive_over(conn)) {
        conn->sock.stack->stats.tcp_aborts_on_timeout++;
        rn_tcp_send_reset(conn);
        rn_tcp_conn_end(conn, RN_E_TIMED_OUT);
        return;
    }
    conn->probes++;
    conn->sock.stack->stats.tcp_keepalive_probes++;
    rn_tcp_send_probe(conn);
    arm_in(conn, RN_TCP_T_LIFE, rn_tcp_cold_get(conn)->keep_intvl_ns);
}

static void fire_life(struct rn_tcp *conn)
{
    bool is_orphan = (conn->flags & RN_TCPF_ORPHAN) != 0;

    if (is_orphan && conn->state == RN_TCP_FIN_WAIT_2)
        rn_tcp_conn_end(conn, 0);
    else if (is_orphan && rn_tcp_cold_get(conn)->linger_ns > 0)
        rn_tcp_conn_abort(conn, RN_E_TIMED_OUT);
    else if (conn->state != RN_TCP_CLOSED && conn->state != RN_TCP_LISTEN)
        fire_keepalive(conn);
}

static void fire_one(struct rn_tcp *conn, enum rn_tcp_timer which)
{
    static void (*const fire[RN_TCP_T_COUNT])(struct rn_tcp * conn) = {
        [RN_TCP_T_RTO] = fire_rto,   [RN_TCP_T_LOSS] = fire_loss, [RN_TCP_T_DELACK] = fire_delack,
        [RN_TCP_T_LIFE] = fire_life, [RN_TCP_T_PACE] = fire_pace,
    };

    if (conn->due[which] == 0 || !is_due(conn, conn->due[which]))
        return;
    conn->due[which] = 0;
    fire[which](conn);
}

static void on_timer(struct rn_timer *timer)
{
    /* The probe goes first: sent in place of the timeout, it gives that another round (RFC 8985 §7.3). */
    static const enum rn_tcp_timer order[RN_TCP_T_COUNT] = {
        RN_TCP_T_LOSS, RN_TCP_T_RTO, RN_TCP_T_DELACK, RN_TCP_T_LIFE, RN_TCP_T_PACE,
    };
    struct rn_tcp *conn = rn_container_of(timer, struct rn_tcp, timer);

    /* Another connection may have learnt of a smaller path: what a probe sends must still fit. */
    if (conn->flight != NULL && conn->flight->n_recs != 0)
        rn_tcp_refresh_path(conn);
    for (unsigned i = 0; i < RN_TCP_T_COUNT && conn->state != RN_TCP_CLOSED; i++)
        fire_one(conn, order[i]);
    if (conn->state != RN_TCP_CLOSED)
        arm_least(conn);
}

/* --- the vocabulary ------------------------------------------------------------------------------------------------ */

void rn_tcp_timers_init(struct rn_tcp *conn)
{
    conn->timer.fire = on_timer;
}

void rn_tcp_timers_stop_all(struct rn_tcp *conn)
{
    memset(conn->due, 0, sizeof(conn->due));
    rn_turn_cancel(conn->sock.stack->turn, &conn->timer);
}

void rn_tcp_timers_syn_sent(struct rn_tcp *conn)
{
    conn->persist_kind = KIND_SYN;
    arm_in(conn, RN_TCP_T_RTO, rn_tcp_rto_ns(conn));
}

void rn_tcp_timers_syn_was_sent(struct rn_tcp *conn, int64_t sent_ns)
{
    conn->persist_kind = KIND_SYN;
    arm(conn, RN_TCP_T_RTO, sent_ns + rn_tcp_rto_ns(conn));
}

void rn_tcp_timers_handshake_done(struct rn_tcp *conn)
{
    conn->persist_kind = KIND_RTO;
    stop(conn, RN_TCP_T_RTO);
    if (conn->flight != NULL && conn->flight->n_recs != 0)
        rn_tcp_timers_data_sent(conn);
}

/* The deadline was rounded up to a tick: an age may come out below zero. */
int64_t rn_tcp_timers_syn_age_ns(const struct rn_tcp *conn)
{
    int64_t left_ns;

    if (conn->persist_kind != KIND_SYN || conn->due[RN_TCP_T_RTO] == 0)
        return -1;
    left_ns = ns_of(conn, conn->due[RN_TCP_T_RTO]) - rn_tcp_now_ns(conn);
    return rn_max_i64(rn_tcp_rto_ns(conn) - left_ns, 0);
}

/* The loss probe comes instead of the timeout, the reordering timer before either. */
static void arm_probe(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    int64_t probe_ns;

    if (conn->due[RN_TCP_T_LOSS] != 0 && flight->loss_timer == RN_TCP_LOSS_REORDER)
        return;
    probe_ns = rn_tcp_tlp_deadline_ns(conn);
    stop(conn, RN_TCP_T_LOSS);
    if (probe_ns == 0)
        return;
    flight->loss_timer = RN_TCP_LOSS_PROBE;
    arm(conn, RN_TCP_T_LOSS, rn_min_i64(probe_ns, ns_of(conn, conn->due[RN_TCP_T_RTO])));
}

void rn_tcp_timers_data_sent(struct rn_tcp *conn)
{
    /* Before the SYN is acknowledged nothing else is sent again (RFC 7413 §4.2.2). */
    if (conn->persist_kind == KIND_SYN)
        return;
    if (conn->due[RN_TCP_T_RTO] == 0 || conn->persist_kind != KIND_RTO)
        rn_tcp_timers_rto_restart(conn);
    arm_probe(conn);
}

/* RFC 6298 §5.3, §5.1. The user timeout may be nearer than the next doubling. */
void rn_tcp_timers_rto_restart(struct rn_tcp *conn)
{
    conn->persist_kind = KIND_RTO;
    arm_in(conn, RN_TCP_T_RTO, rn_tcp_rto_capped_ns(conn));
}

void rn_tcp_timers_probe_sent(struct rn_tcp *conn)
{
    rn_tcp_timers_rto_restart(conn);
    arm_probe(conn);
}

void rn_tcp_timers_data_acked(struct rn_tcp *conn)
{
    if (conn->flight != NULL && conn->flight->n_recs != 0) {
        rn_tcp_timers_probe_sent(conn);
        return;
    }
    stop(conn, RN_TCP_T_LOSS);
    if (conn->persist_kind != KIND_PERSIST)
        stop(conn, RN_TCP_T_RTO);
}

/* RFC 9293 §3.8.6.1: the first probe after one RTO, then backing off. */
void rn_tcp_timers_window_closed(struct rn_tcp *conn)
{
    if (conn->due[RN_TCP_T_RTO] != 0 && conn->persist_kind != KIND_RTO)
        return;
    conn->persist_kind = KIND_PERSIST;
    arm_in(conn, RN_TCP_T_RTO, rn_min_i64(rn_tcp_rto_ns(conn), PERSIST_MAX_NS));
}

void rn_tcp_timers_window_opened(struct rn_tcp *conn)
{
    if (conn->persist_kind != KIND_PERSIST)
        return;
    conn->persist_kind = KIND_RTO;
    conn->rtt.backoff = 0;
    conn->probes = 0;
    stop(conn, RN_TCP_T_RTO);
}

void rn_tcp_timers_ack_owed(struct rn_tcp *conn, int64_t within_ns)
{
    if (conn->due[RN_TCP_T_DELACK] == 0)
        arm_in(conn, RN_TCP_T_DELACK, within_ns);
}

void rn_tcp_timers_ack_sent(struct rn_tcp *conn)
{
    stop(conn, RN_TCP_T_DELACK);
}

void rn_tcp_timers_segment_received(struct rn_tcp *conn)
{
    conn->last_recv_ms = (uint32_t)(rn_tcp_now_ns(conn) / RN_NS_PER_MS);
}

void rn_tcp_timers_keepalive_changed(struct rn_tcp *conn)
{
    bool is_open = conn->state != RN_TCP_CLOSED && conn->state != RN_TCP_LISTEN &&
                   conn->state != RN_TCP_SYN_SENT && conn->state != RN_TCP_SYN_RCVD;
    int64_t idle_ns = rn_tcp_cold_get(conn)->keep_idle_ns;

    if (conn->state == RN_TCP_FIN_WAIT_2 && (conn->sock.flags & RN_SOCK_ORPHAN) != 0)
        return;
    stop(conn, RN_TCP_T_LIFE);
    conn->probes = 0;
    if (is_open && (conn->flags & RN_TCPF_KEEPALIVE) != 0)
        arm_in(conn, RN_TCP_T_LIFE, idle_ns - rn_min_i64(silent_ns(conn), idle_ns));
}

void rn_tcp_timers_fin_wait_2(struct rn_tcp *conn)
{
    arm_in(conn, RN_TCP_T_LIFE, rn_tcp_cold_get(conn)->linger2_ns);
}

void rn_tcp_timers_orphaned(struct rn_tcp *conn)
{
    if (conn->state == RN_TCP_FIN_WAIT_2)
        rn_tcp_timers_fin_wait_2(conn);
    else if (rn_tcp_cold_get(conn)->linger_ns > 0)
        arm_in(conn, RN_TCP_T_LIFE, rn_tcp_cold_get(conn)->linger_ns);
}

void rn_tcp_timers_reorder(struct rn_tcp *conn, int64_t deadline_ns)
{
    conn->flight->loss_timer = RN_TCP_LOSS_REORDER;
    arm(conn, RN_TCP_T_LOSS, deadline_ns);
}

void rn_tcp_timers_reorder_stop(struct rn_tcp *conn)
{
    if (conn->flight->loss_timer == RN_TCP_LOSS_REORDER)
        stop(conn, RN_TCP_T_LOSS);
}

void rn_tcp_timers_linger(struct rn_tcp *conn, int64_t until_ns)
{
    conn->flight->loss_timer = RN_TCP_LOSS_LINGER;
    arm(conn, RN_TCP_T_LOSS, until_ns);
}

void rn_tcp_timers_pace(struct rn_tcp *conn, int64_t departure_ns)
{
    int64_t cork_ns = conn->flight->cork_ns;

    arm(conn, RN_TCP_T_PACE, cork_ns == 0 ? departure_ns : rn_min_i64(departure_ns, cork_ns));
}

void rn_tcp_timers_cork(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (flight->cork_ns != 0)
        return;
    flight->cork_ns = rn_tcp_now_ns(conn) + CORK_NS;
    if (conn->due[RN_TCP_T_PACE] == 0)
        arm(conn, RN_TCP_T_PACE, flight->cork_ns);
}
