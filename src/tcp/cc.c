/* What the controllers share: windows, slow start, restart after idle, the table of names. */
#include "tcp/cc.h"

#include "tcp/rtt.h"

#include <runnel/err.h>

/* RFC 9293 §3.8.1: cwnd beyond any send buffer says nothing; the bound keeps sums of windows within 32 bits. */
#define CWND_MAX_BYTES (1u << 30)

static const struct rn_tcp_cc_ops *const controllers[] = { &rn_tcp_cubic, &rn_tcp_reno, &rn_tcp_bbr,
                                                           &rn_tcp_cubic_bbr };

static bool same_text(const char *a, const char *b)
{
    size_t len = strlen(a);

    return strlen(b) == len && memcmp(a, b, len) == 0;
}

const struct rn_tcp_cc_ops *rn_tcp_cc_find(const char *name)
{
    if (name == NULL)
        return controllers[0];
    for (size_t i = 0; i < RN_ARRAY_LEN(controllers); i++) {
        if (same_text(controllers[i]->name, name))
            return controllers[i];
    }
    return NULL;
}

void rn_tcp_cc_fini(struct rn_tcp *conn)
{
    if (conn->cc.state != NULL)
        rn_alloc_free(conn->sock.stack->alloc, conn->cc.state, conn->cc.ops->state_bytes);
    conn->cc.state = NULL;
}

/* A model knows no threshold; who takes over in an episode needs one to come down to. */
static void leave_model(struct rn_tcp *conn)
{
    if (conn->cc.ca_state > RN_TCP_CA_DISORDER)
        conn->cc.ssthresh =
            rn_min_u32(conn->cc.ssthresh, rn_max_u32(conn->cc.cwnd, 2u * conn->snd.mss));
}

void rn_tcp_cc_set(struct rn_tcp *conn, const struct rn_tcp_cc_ops *ops)
{
    if (conn->cc.ops->control != NULL && ops->control == NULL)
        leave_model(conn);
    rn_tcp_cc_fini(conn);
    conn->cc.ops = ops;
}

void *rn_tcp_cc_state(struct rn_tcp *conn)
{
    if (conn->cc.state == NULL)
        conn->cc.state = rn_alloc_new(conn->sock.stack->alloc, conn->cc.ops->state_bytes);
    return conn->cc.state;
}

uint32_t rn_tcp_cc_initial_window(const struct rn_tcp *conn)
{
    uint32_t mss = conn->snd.mss;

    return rn_min_u32(10 * mss, rn_max_u32(2 * mss, 14600));
}

void rn_tcp_cc_grow(struct rn_tcp *conn, uint32_t bytes)
{
    struct rn_tcp_cc *cc = &conn->cc;

    cc->cwnd = cc->cwnd > CWND_MAX_BYTES - rn_min_u32(bytes, CWND_MAX_BYTES) ? CWND_MAX_BYTES
                                                                             : cc->cwnd + bytes;
}

uint32_t rn_tcp_cc_slow_start(struct rn_tcp *conn, uint32_t acked)
{
    uint32_t step = rn_min_u32(acked, conn->cc.ssthresh - conn->cc.cwnd);

    rn_tcp_cc_grow(conn, step);
    return acked - step;
}

/* One segment per window: an ACK adds mss * acked / cwnd; what division leaves is kept for the next. */
void rn_tcp_cc_avoid(struct rn_tcp *conn, uint32_t acked)
{
    uint32_t cwnd = rn_max_u32(conn->cc.cwnd, 1);
    uint64_t gain = (uint64_t)conn->snd.mss * acked + conn->flight->avoid_rest;

    conn->flight->avoid_rest = (uint32_t)(gain % cwnd);
    rn_tcp_cc_grow(conn, rn_sat_u32(gain / cwnd));
}

static uint32_t now_ms(const struct rn_tcp *conn)
{
    return (uint32_t)(rn_tcp_now_ns(conn) / RN_NS_PER_MS);
}

void rn_tcp_cc_restart_after_idle(struct rn_tcp *conn)
{
    struct rn_tcp_cc *cc = &conn->cc;
    uint32_t idle_ms = now_ms(conn) - cc->last_sent_ms;
    uint32_t rto_ms = (uint32_t)(rn_tcp_rto_ns(conn) / RN_NS_PER_MS);
    uint32_t floor = rn_min_u32(cc->cwnd, rn_tcp_cc_initial_window(conn));
    uint32_t left = idle_ms;

    if (cc->ops->on_restart != NULL) {
        cc->ops->on_restart(conn);
        return;
    }
    if (rto_ms == 0 || idle_ms <= rto_ms)
        return;
    /* RFC 2861 §3.1: what the path once carried stays known. */
    cc->ssthresh = rn_max_u32(cc->ssthresh, cc->cwnd / 4 * 3);
    while (left > rto_ms && cc->cwnd > floor) {
        cc->cwnd /= 2;
        left -= rto_ms;
    }
    cc->cwnd = rn_max_u32(cc->cwnd, floor);
}

/* --- the application's choice ----------------------------------------------------------------------------------------- */

int rn_tcp_set_congestion(struct rn_sock *sock, const char *name)
{
    const struct rn_tcp_cc_ops *ops = rn_tcp_cc_find(name);

    if (sock->ops->proto != RN_PROTO_TCP)
        return RN_E_NO_PROTO_OPTION;
    if (ops == NULL)
        return RN_E_NOT_FOUND;
    rn_tcp_cc_set(rn_tcp_of(sock), ops);
    return RN_OK;
}

int rn_tcp_set_default_congestion(struct rn_stack *stack, const char *name)
{
    struct rn_tcp_stack *tcp = rn_stack_l4_state(stack, RN_PROTO_TCP);
    const struct rn_tcp_cc_ops *ops = rn_tcp_cc_find(name);

    if (tcp == NULL)
        return RN_E_NO_PROTO_OPTION;
    if (ops == NULL)
        return RN_E_NOT_FOUND;
    tcp->congestion = ops;
    return RN_OK;
}

const char *rn_tcp_congestion(const struct rn_sock *sock)
{
    return rn_container_of(sock, const struct rn_tcp, sock)->cc.ops->name;
}
