/* Timeouts: of data (RFC 6298 §5), of a SYN, of a closed window. Backoff, and when to give up. */
#include "tcp/cc.h"
#include "tcp/fastopen.h"
#include "tcp/rtt.h"

#include <runnel/err.h>

#define RETRIES_MAX        15u /* RFC 9293 §3.8.3 R2: at least 100 s; this is 15 minutes */
#define RETRIES_MAX_ORPHAN 8u
#define SYN_ACK_RETRIES    5u
#define PROBES_MAX         15u
#define PROBES_MAX_ORPHAN  8u

static bool is_orphan(const struct rn_tcp *conn)
{
    return (conn->sock.flags & RN_SOCK_ORPHAN) != 0;
}

/* Nobody answers, so nothing is sent (RFC 9293 §3.10.8, as Linux). */
static void give_up(struct rn_tcp *conn)
{
    conn->sock.stack->stats.tcp_aborts_on_timeout++;
    rn_tcp_conn_end(conn, RN_E_TIMED_OUT);
}

static void back_off(struct rn_tcp *conn)
{
    conn->rtt.backoff = rn_sat_u8((uint64_t)conn->rtt.backoff + 1);
}

/* --- user timeout (RFC 5482) ----------------------------------------------------------------------------------------- */

/* When what is unacknowledged will have been so for the user timeout; INT64_MAX: never. */
static int64_t user_deadline_ns(const struct rn_tcp *conn)
{
    int64_t timeout_ns = rn_tcp_cold_get(conn)->user_timeout_ns;

    if (timeout_ns == 0 || conn->flight == NULL || conn->flight->waits_since_ns == 0)
        return INT64_MAX;
    return conn->flight->waits_since_ns + timeout_ns;
}

int64_t rn_tcp_rto_capped_ns(const struct rn_tcp *conn)
{
    int64_t left_ns = user_deadline_ns(conn);

    if (left_ns == INT64_MAX)
        return rn_tcp_rto_ns(conn);
    left_ns -= rn_tcp_now_ns(conn);
    return rn_max_i64(rn_min_i64(rn_tcp_rto_ns(conn), left_ns), 0);
}

static void note_waiting(struct rn_tcp *conn)
{
    if (conn->flight->waits_since_ns == 0)
        conn->flight->waits_since_ns = rn_tcp_now_ns(conn) - rn_tcp_rto_ns(conn);
}

static bool is_out_of_patience(const struct rn_tcp *conn)
{
    if (rn_tcp_now_ns(conn) >= user_deadline_ns(conn))
        return true;
    return conn->rtt.backoff >= (is_orphan(conn) ? RETRIES_MAX_ORPHAN : RETRIES_MAX);
}

/* --- data -------------------------------------------------------------------------------------------------------------- */

/* Sent at once, whatever the window: the head is all the peer waits for (RFC 6298 §5.4). */
static void resend_head(struct rn_tcp *conn)
{
    struct rn_list *node = rn_list_first(&conn->flight->lost);

    if (node != NULL)
        (void)rn_tcp_retransmit(conn, rn_list_entry(node, struct rn_tcp_rec, link), conn->snd.mss);
}

void rn_tcp_rto_fired(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (flight == NULL || flight->n_recs == 0)
        return;
    note_waiting(conn);
    if (is_out_of_patience(conn)) {
        give_up(conn);
        return;
    }
    conn->sock.stack->stats.tcp_timeouts++;
    rn_tcp_pmtu_timeout(conn);
    rn_tcp_recovery_on_timeout(conn);
    back_off(conn);
    rn_tcp_fastopen_timed_out(conn);
    resend_head(conn);
    rn_tcp_timers_rto_restart(conn);
    rn_tcp_want_output(conn);
}

/* --- closed window ------------------------------------------------------------------------------------------------------ */

/* RFC 9293 §3.8.6.1. What held us may be a window too small to be worth a segment: then its use is forced here. */
static bool use_small_window(struct rn_tcp *conn)
{
    return conn->snd.wnd != 0 && rn_tcp_send_into_window(conn);
}

/* A peer that answers every probe and never opens the window may hold an application, which can see and end it; not us
 * when the application has gone (CVE-2008-4609). */
static bool is_probing_in_vain(const struct rn_tcp *conn)
{
    if (is_orphan(conn))
        return conn->rtt.backoff >= PROBES_MAX_ORPHAN;
    return conn->probes >= PROBES_MAX;
}

void rn_tcp_probe_fired(struct rn_tcp *conn)
{
    if (conn->flight == NULL) { /* it was wanted for a FIN, and there was no memory */
        rn_tcp_want_output(conn);
        return;
    }
    if (conn->flight->n_recs != 0)
        return;
    if (use_small_window(conn)) {
        rn_tcp_timers_rto_restart(conn);
        return;
    }
    note_waiting(conn);
    if (is_probing_in_vain(conn) || rn_tcp_now_ns(conn) >= user_deadline_ns(conn)) {
        give_up(conn);
        return;
    }
    conn->probes++;
    conn->sock.stack->stats.tcp_zero_window_probes++;
    rn_tcp_send_probe(conn);
    back_off(conn);
    rn_tcp_timers_window_closed(conn);
    rn_tcp_want_output(conn);
}

/* --- SYN ------------------------------------------------------------------------------------------------------------------ */

void rn_tcp_syn_fired(struct rn_tcp *conn)
{
    uint8_t most =
        conn->state == RN_TCP_SYN_RCVD ? SYN_ACK_RETRIES : rn_tcp_cold_get(conn)->syn_cnt;

    if (conn->state != RN_TCP_SYN_SENT && conn->state != RN_TCP_SYN_RCVD)
        return;
    if (conn->syn_retries >= most) {
        rn_tcp_conn_end(conn, RN_E_TIMED_OUT);
        return;
    }
    conn->syn_retries++;
    conn->sock.stack->stats.tcp_timeouts++;
    back_off(conn);
    rn_tcp_send_syn(conn);
}
