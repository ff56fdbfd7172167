#include "tcp/flight.h"
#include "tcp/life.h"
#include "tcp/reorder.h"

#include <runnel/err.h>

/*
 * When the memory of all sockets is full, somebody holds it in vain, perhaps on purpose: peers that leave holes in what
 * they send, or take nothing of what we send (sockstress, CVE-2008-4609). First goes data that came out of order, which
 * its sender still has (RFC 2018 §8 lets us); then connections whose peer has taken nothing for longest, orphans sooner.
 * Who makes progress is not touched.
 */

#define AGAIN_NS      RN_NS_PER_S
#define RETRY_NS      (50 * RN_NS_PER_MS)
#define AGE_FIRST_NS  (64 * RN_NS_PER_S)
#define AGE_LEAST_NS  (8 * RN_NS_PER_S)
#define ORPHAN_FACTOR 4

static bool is_relieved(const struct rn_tcp_stack *tcp)
{
    return !tcp->stack->was_full;
}

static void drop_early_data(struct rn_tcp_stack *tcp)
{
    struct rn_list *it;

    rn_list_for_each (it, &tcp->conns) {
        struct rn_tcp *conn = rn_list_entry(it, struct rn_tcp, link);

        while (!is_relieved(tcp) && rn_tcp_reorder_evict(conn))
            continue;
        if (is_relieved(tcp))
            return;
    }
}

/* How long the peer has let us wait since the first timeout or probe; 0: it has not. */
static int64_t stalled_ns(const struct rn_tcp *conn)
{
    if (conn->state == RN_TCP_CLOSED || conn->flight == NULL || conn->flight->waits_since_ns == 0)
        return 0;
    return rn_tcp_now_ns(conn) - conn->flight->waits_since_ns;
}

static void abort_stalled(struct rn_tcp_stack *tcp, int64_t age_ns)
{
    struct rn_list *it;

    rn_list_for_each (it, &tcp->conns) {
        struct rn_tcp *conn = rn_list_entry(it, struct rn_tcp, link);
        bool is_orphan = (conn->flags & RN_TCPF_ORPHAN) != 0;

        if (is_relieved(tcp))
            return;
        if (stalled_ns(conn) * (is_orphan ? ORPHAN_FACTOR : 1) < age_ns)
            continue;
        tcp->stack->stats.tcp_aborts_on_memory++;
        rn_tcp_conn_abort(conn, RN_E_NO_BUFFER);
    }
}

static void reclaim(struct rn_timer *timer)
{
    struct rn_tcp_stack *tcp = rn_container_of(timer, struct rn_tcp_stack, reclaim);

    if (is_relieved(tcp))
        return;
    drop_early_data(tcp);
    for (int64_t age_ns = AGE_FIRST_NS; age_ns >= AGE_LEAST_NS && !is_relieved(tcp); age_ns /= 2)
        abort_stalled(tcp, age_ns);
    if (!is_relieved(tcp))
        rn_turn_arm(tcp->stack->turn, timer, rn_stack_now_ns(tcp->stack) + AGAIN_NS);
}

void rn_tcp_strained(struct rn_stack *stack, void *state)
{
    struct rn_tcp_stack *tcp = state;
    (void)stack;

    tcp->reclaim.fire = reclaim;
    if (!rn_timer_is_armed(&tcp->reclaim))
        reclaim(&tcp->reclaim);
}

/* Writers whose own ACKs have all come would wait for ever for memory that others gave back. */
static void wake_writers(struct rn_tcp_stack *tcp)
{
    struct rn_list *it;

    rn_list_for_each (it, &tcp->conns) {
        struct rn_tcp *conn = rn_list_entry(it, struct rn_tcp, link);

        if ((conn->flags & RN_TCPF_WANT_WRITE) == 0 || rn_tcp_snd_room(conn) == 0)
            continue;
        conn->flags &= ~(uint32_t)RN_TCPF_WANT_WRITE;
        rn_sock_refill(&conn->sock);
    }
}

void rn_tcp_relieved(struct rn_stack *stack, void *state)
{
    (void)stack;
    wake_writers(state);
}

static void retry(struct rn_timer *timer)
{
    wake_writers(rn_container_of(timer, struct rn_tcp_stack, retry));
}

/* Slabs come home to the pool from anywhere and nobody tells, so the writer is asked to try again. */
void rn_tcp_memory_short(struct rn_tcp *conn)
{
    struct rn_tcp_stack *tcp = rn_tcp_stack_of(conn);

    conn->flags |= RN_TCPF_WANT_WRITE;
    tcp->retry.fire = retry;
    if (!rn_timer_is_armed(&tcp->retry))
        rn_turn_arm(tcp->stack->turn, &tcp->retry, rn_tcp_now_ns(conn) + RETRY_NS);
}
