#include "tcp/conn.h"

#include "tcp/accecn.h"
#include "tcp/fastopen.h"
#include "tcp/forwarder.h"
#include "tcp/life.h"
#include "tcp/listen.h"
#include "tcp/reorder.h"
#include "tcp/timewait.h"

#include <runnel/err.h>

/*
 * Birth and death of connections, and TCP's state of one stack. A connection has one owner: the application from
 * rn_tcp_new or accept to close, its listener before, itself afterwards (an orphan; the reaper frees it).
 */

const struct rn_tcp_cold rn_tcp_cold_defaults = {
    .keep_idle_ns = 7200 * RN_NS_PER_S, /* RFC 9293 §3.8.4 */
    .keep_intvl_ns = 75 * RN_NS_PER_S,
    .keep_cnt = 9,
    .linger_ns = -1,
    .linger2_ns = 60 * RN_NS_PER_S,
    .timewait_ns = 60 * RN_NS_PER_S,
    .syn_cnt = 6,
    .rcvlowat = 1,
    .burst_segs =
        2, /* Linux tcp_min_tso_segs: one would have every second one acknowledged alone */
    .rcvbuf_most = 6u << 20, /* Linux tcp_rmem[2] */
    .max_pacing_rate = UINT64_MAX,
};

struct rn_tcp_cold *rn_tcp_cold_of(struct rn_tcp *conn)
{
    if (conn->cold == NULL) {
        conn->cold = rn_alloc_new(conn->sock.stack->alloc, sizeof(*conn->cold));
        if (conn->cold != NULL)
            *conn->cold = rn_tcp_cold_defaults;
    }
    return conn->cold;
}

bool rn_tcp_check(struct rn_tcp *conn, bool holds)
{
    if (RN_LIKELY(holds))
        return true;
    conn->sock.stack->stats.tcp_invariant_broken++;
    rn_tcp_conn_end(conn, RN_E_ABORTED);
    return false;
}

int rn_tcp_conn_new(struct rn_tcp **ret, struct rn_stack *stack)
{
    struct rn_tcp *conn = rn_alloc_new(stack->alloc, sizeof(*conn));

    if (conn == NULL)
        return RN_E_NOMEM;
    rn_sock_init(&conn->sock, stack, &rn_tcp_sock_ops);
    conn->state = RN_TCP_CLOSED;
    conn->flags = RN_TCPF_TS | RN_TCPF_SACK | RN_TCPF_WSCALE;
    conn->output.run = rn_tcp_flush;
    rn_tcp_timers_init(conn);
    rn_tcp_snd_init(conn);
    rn_tcp_rcv_init(conn);
    rn_list_push_back(&rn_tcp_stack_of(conn)->conns, &conn->link);
    *ret = conn;
    return RN_OK;
}

void rn_tcp_conn_free(struct rn_tcp *conn)
{
    const struct rn_alloc *alloc = conn->sock.stack->alloc;

    rn_tcp_timers_stop_all(conn);
    rn_turn_unschedule(&conn->output);
    if ((conn->flags & RN_TCPF_ORPHAN) != 0)
        rn_tcp_stack_of(conn)->n_orphans--;
    rn_list_remove(&conn->link);
    rn_tcp_snd_clear(conn);
    rn_tcp_snd_fini(conn);
    rn_tcp_rcv_clear(conn);
    rn_flow_release(&conn->flow);
    rn_sock_fini(&conn->sock);
    rn_tcp_fastopen_release(conn);
    rn_tcp_accecn_free(conn);
    rn_alloc_free(alloc, conn->cold, sizeof(*conn->cold));
    rn_alloc_free(alloc, conn, sizeof(*conn));
}

static void reap(struct rn_task *task)
{
    rn_tcp_conn_free(rn_container_of(task, struct rn_tcp, output));
}

/* The output task has nothing to send any more; its last run frees what nobody owns. */
static void schedule_reaper(struct rn_tcp *conn)
{
    rn_turn_unschedule(&conn->output);
    conn->output.run = reap;
    rn_turn_schedule(conn->sock.stack->turn, RN_PHASE_EVENT, &conn->output);
}

static bool has_owner(const struct rn_tcp *conn)
{
    return (conn->flags & RN_TCPF_ORPHAN) == 0;
}

static void tell_the_end(struct rn_tcp *conn, int err)
{
    unsigned events = RN_READABLE | RN_WRITABLE | RN_HANGUP;

    if (err < 0)
        rn_sock_set_error(&conn->sock, err);
    rn_sock_ready(&conn->sock, events);
}

void rn_tcp_conn_end(struct rn_tcp *conn, int err)
{
    if (conn->state == RN_TCP_CLOSED)
        return;
    rn_tcp_move(conn, err == RN_E_TIMED_OUT ? RN_TCP_EV_TIMEOUT : RN_TCP_EV_RESET);
    rn_tcp_fastopen_settled(conn, err);
    rn_tcp_conn_quiesce(conn);
    rn_demux_remove(&conn->sock.stack->demux, &conn->sock.demux);
    if (has_owner(conn))
        tell_the_end(conn, err);
    else
        schedule_reaper(conn);
}

void rn_tcp_conn_quiesce(struct rn_tcp *conn)
{
    rn_tcp_timers_stop_all(conn);
    rn_turn_unschedule(&conn->output);
    rn_tcp_snd_clear(conn);
    rn_flow_release(&conn->flow);
}

void rn_tcp_conn_orphan(struct rn_tcp *conn)
{
    conn->flags |= RN_TCPF_ORPHAN;
    rn_tcp_stack_of(conn)->n_orphans++;
}

/* What is secret of a name. Its halves tell nothing of each other: one is for the ISN, one for the timestamps. */
static uint64_t secret_of(const struct rn_stack *stack, const struct rn_demux_key *key)
{
    return rn_siphash24(&stack->secrets.conn, key, sizeof(*key));
}

/* RFC 6528 §3: ISN = M + F(4-tuple, secret), M a clock of 4 us. */
static rn_seq isn_now(const struct rn_stack *stack, uint64_t secret)
{
    uint64_t clock = (uint64_t)rn_stack_now_ns(stack) / 4000;

    return rn_seq_of((uint32_t)(clock + secret));
}

/* RFC 7323 §5.4. */
static uint32_t ts_offset_from(uint64_t secret)
{
    return (uint32_t)(secret >> 32);
}

rn_seq rn_tcp_isn(const struct rn_stack *stack, const struct rn_demux_key *key,
                  uint32_t *ret_ts_offset)
{
    uint64_t secret = secret_of(stack, key);

    *ret_ts_offset = ts_offset_from(secret);
    return isn_now(stack, secret);
}

void rn_tcp_conn_start_at(struct rn_tcp *conn, rn_seq isn)
{
    conn->iss = isn;
    conn->snd.una = conn->snd.nxt = isn;
}

uint32_t rn_tcp_ts_offset(const struct rn_stack *stack, const struct rn_demux_key *key)
{
    return ts_offset_from(secret_of(stack, key));
}

struct rn_demux_key rn_tcp_key_of(const struct rn_endpoint *local, const struct rn_endpoint *remote)
{
    return (struct rn_demux_key){
        .local = local->addr,
        .remote = remote->addr,
        .local_port = local->port,
        .remote_port = remote->port,
        .proto = RN_PROTO_TCP,
    };
}

static int find_way(struct rn_tcp *conn, const struct rn_endpoint *local,
                    const struct rn_endpoint *remote, struct rn_addr *ret_src)
{
    struct rn_ip_out out = {
        .src = local->addr,
        .dst = remote->addr,
        .nic = local->nic != 0 ? local->nic : remote->nic,
        .proto = RN_PROTO_TCP,
        .is_spoofed = (conn->sock.flags & RN_SOCK_SPOOFED) != 0,
    };

    return rn_flow_find(conn->sock.stack, &conn->flow, &out, ret_src);
}

void rn_tcp_conn_draw(struct rn_tcp *conn)
{
    struct rn_demux_key key = conn->sock.demux.key;

    key.nic = 0;
    rn_tcp_conn_start_at(conn, rn_tcp_isn(conn->sock.stack, &key, &conn->ts_offset));
}

int rn_tcp_conn_name(struct rn_tcp *conn, const struct rn_endpoint *local,
                     const struct rn_endpoint *remote)
{
    struct rn_stack *stack = conn->sock.stack;
    struct rn_endpoint from = *local;
    int err;

    err = find_way(conn, local, remote, &from.addr);
    if (err < 0)
        return err;
    rn_demux_remove(&stack->demux, &conn->sock.demux);
    conn->sock.demux.key = rn_tcp_key_of(&from, remote);
    conn->sock.demux.key.nic = local->nic;
    conn->sock.demux.kind = RN_TCP_NODE_CONN;
    conn->sock.demux.family_any = 0;
    conn->sock.demux.is_reuseport = false;
    return rn_demux_add(&stack->demux, &conn->sock.demux);
}

/* --- the protocol's state of one stack ---------------------------------------------------------------------- */

int rn_tcp_attach(struct rn_stack *stack, void **ret_state)
{
    struct rn_tcp_stack *tcp = rn_alloc_new(stack->alloc, sizeof(*tcp));

    if (tcp == NULL)
        return RN_E_NOMEM;
    tcp->stack = stack;
    rn_list_init(&tcp->conns);
    rn_list_init(&tcp->timewaits);
    *ret_state = tcp;
    return RN_OK;
}

/* The network is going: no RST can leave any more. */
static void abort_all(struct rn_tcp_stack *tcp)
{
    struct rn_list *node;

    while ((node = rn_list_first(&tcp->conns)) != NULL) {
        struct rn_tcp *conn = rn_list_entry(node, struct rn_tcp, link);

        if (conn->state == RN_TCP_LISTEN)
            rn_tcp_listen_end(conn);
        rn_tcp_conn_free(conn);
    }
}

void rn_tcp_detach(struct rn_stack *stack, void *state)
{
    struct rn_tcp_stack *tcp = state;

    rn_turn_cancel(stack->turn, &tcp->reclaim);
    rn_turn_cancel(stack->turn, &tcp->retry);
    rn_tcp_forwarder_detach(tcp);
    abort_all(tcp);
    rn_tcp_timewait_free_all(tcp);
    rn_tcp_fastopen_forget_all(tcp);
    rn_alloc_free(stack->alloc, tcp, sizeof(*tcp));
}
