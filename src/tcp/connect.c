#include "tcp/accecn.h"
#include "tcp/fastopen.h"
#include "tcp/flight.h"
#include "tcp/life.h"
#include "tcp/reorder.h"
#include "tcp/timewait.h"

#include <runnel/err.h>

/* Active open: RFC 9293 §3.10.1, and SYN-SENT (§3.10.7.3) with simultaneous open. */

static int check_connectable(const struct rn_tcp *conn, const struct rn_endpoint *remote)
{
    if (rn_tcp_is_deferred(conn))
        return RN_E_ALREADY_CONNECTED;
    if (conn->state == RN_TCP_SYN_SENT || conn->state == RN_TCP_SYN_RCVD)
        return RN_E_ALREADY_CONNECTING;
    if (conn->state == RN_TCP_LISTEN)
        return RN_E_BAD_STATE;
    if (conn->state != RN_TCP_CLOSED || conn->sock.demux.is_listed || conn->iss.v != 0)
        return RN_E_ALREADY_CONNECTED;
    if (remote->port == 0 || rn_addr_is_none(remote->addr))
        return RN_E_BAD_ADDR;
    if (rn_addr_is_multicast(remote->addr) || rn_addr_is_broadcast(remote->addr))
        return RN_E_NET_UNREACH;
    return RN_OK;
}

/* The zero address means ourselves (as BSD has it). */
static struct rn_endpoint real_remote(const struct rn_endpoint *remote)
{
    static const uint8_t loopback6[16] = { [15] = 1 };
    struct rn_endpoint real = *remote;

    if (rn_addr_is_any(remote->addr))
        real.addr = rn_addr_is_v4(remote->addr) ? rn_addr_v4(0x7f000001) : rn_addr_v6(loopback6);
    return real;
}

/* RFC 6191: a name of ours in TIME-WAIT may be taken again when timestamps tell the old segments from the new. */
static bool recycle_name(struct rn_tcp *conn, const struct rn_endpoint *local,
                         const struct rn_endpoint *remote, rn_seq *ret_isn)
{
    struct rn_demux_key key = rn_tcp_key_of(local, remote);
    struct rn_demux_node *node;

    key.nic = local->nic;
    node = rn_demux_find_exact(&conn->sock.stack->demux, &key);
    return node != NULL && node->kind == RN_TCP_NODE_TIMEWAIT &&
           rn_tcp_timewait_recycle(node, ret_isn);
}

/* The source address decides which ports are free, so the way is looked up first. */
static int choose_source(struct rn_tcp *conn, struct rn_endpoint *local,
                         const struct rn_endpoint *remote)
{
    struct rn_ip_out out = { .src = local->addr,
                             .dst = remote->addr,
                             .nic = local->nic != 0 ? local->nic : remote->nic,
                             .proto = RN_PROTO_TCP };

    if (rn_addr_is_any(out.src))
        out.src = rn_addr_none();
    return rn_flow_find(conn->sock.stack, &conn->flow, &out, &local->addr);
}

/* SYN-SENT, with names and first sequence number, but without a SYN. */
static int begin(struct rn_tcp *conn, const struct rn_endpoint *remote)
{
    struct rn_sock *sock = &conn->sock;
    struct rn_endpoint to = real_remote(remote);
    struct rn_endpoint local = rn_sock_local(sock);
    rn_seq isn = { 0 };
    bool has_isn;
    int err;

    err = check_connectable(conn, remote);
    if (err < 0)
        return err;
    err = rn_tcp_ecn_prepare(conn);
    if (err < 0)
        return err;
    err = choose_source(conn, &local, &to);
    if (err < 0)
        return err;
    if ((sock->flags & RN_SOCK_BOUND) == 0) {
        err = rn_sock_claim_any(sock, &local, &to);
        if (err < 0)
            return err;
        local.port = sock->claim->port;
    }
    has_isn = recycle_name(conn, &local, &to, &isn);
    err = rn_tcp_conn_name(conn, &local, &to);
    if (err < 0)
        return err == RN_E_EXISTS ? RN_E_PORT_IN_USE : err;
    rn_tcp_conn_draw(conn);
    if (has_isn)
        rn_tcp_conn_start_at(conn, isn);
    rn_sock_share_claim(sock);
    conn->rcv.wscale = rn_tcp_tune_wscale(conn);
    conn->last_recv_ms =
        rn_tcp_clock_ms(sock->stack); /* until the peer speaks: when we did first */
    rn_tcp_move(conn, RN_TCP_EV_OPEN_ACTIVE);
    return RN_OK;
}

static bool has_outcome(const struct rn_tcp *conn)
{
    return (conn->flags & RN_TCPF_CONNECT_ASKED) != 0 && conn->state != RN_TCP_SYN_SENT &&
           conn->state != RN_TCP_SYN_RCVD && !rn_tcp_is_deferred(conn);
}

int rn_tcp_connect(struct rn_sock *sock, const struct rn_endpoint *remote)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    int err;

    if (has_outcome(conn)) {
        conn->flags &= ~(uint32_t)RN_TCPF_CONNECT_ASKED;
        err = rn_sock_take_error(sock);
        if (err < 0 || conn->state != RN_TCP_CLOSED)
            return err;
    }
    err = begin(conn, remote);
    if (err < 0)
        return err;
    conn->flags |= RN_TCPF_CONNECT_ASKED;
    if ((conn->flags & RN_TCPF_FO_CONNECT) != 0 && rn_tcp_fastopen_prepare(conn)) {
        conn->flags |= RN_TCPF_FO_DEFERRED;
        return RN_OK;
    }
    rn_tcp_send_syn(conn);
    return RN_E_CONNECT_STARTED;
}

/* Without a cookie the bytes are not taken: the caller writes them when the handshake is done. */
int64_t rn_tcp_connect_write(struct rn_sock *sock, const struct rn_endpoint *remote,
                             const void *bytes, size_t len)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    int err;

    if (sock->ops != &rn_tcp_sock_ops)
        return RN_E_BAD_STATE;
    if (conn->state == RN_TCP_CLOSED && conn->iss.v == 0) {
        err = begin(conn, remote);
        if (err < 0)
            return err;
        if (!rn_tcp_fastopen_prepare(conn)) {
            rn_tcp_send_syn(conn);
            return RN_E_CONNECT_STARTED;
        }
        conn->flags |= RN_TCPF_FO_DEFERRED;
    } else if (conn->state == RN_TCP_SYN_SENT && !rn_tcp_is_deferred(conn)) {
        return RN_E_ALREADY_CONNECTING;
    }
    return rn_tcp_write(sock, bytes, len, 0);
}

/* --- SYN-SENT --------------------------------------------------------------------------------------------------- */

void rn_tcp_established(struct rn_tcp *conn)
{
    rn_tcp_move(conn, RN_TCP_EV_SYN_ACKED);
    rn_tcp_snd_established(conn);
    rn_tcp_timers_segment_received(conn);  /* else it seems to have been silent for ever */
    rn_tcp_timers_keepalive_changed(conn); /* asked for before, or by the listener */
    rn_sock_ready(&conn->sock, RN_WRITABLE);
}

/* RFC 7323 §3.2: what a SYN+ACK echoes is the time of one of our SYNs, or it answers somebody else's. */
static bool echoes_our_time(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    uint32_t ago_ms = rn_tcp_ts_now(conn) - seg->opts.ts_ecr;

    if ((conn->flags & RN_TCPF_TS) == 0 || !seg->has_opts || !seg->opts.has_ts ||
        seg->opts.ts_ecr == 0)
        return true;
    return ago_ms <= rn_tcp_clock_ms(conn->sock.stack) - conn->last_recv_ms;
}

static bool acks_our_syn(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    return rn_seq_gt(seg->ack, conn->iss) && rn_seq_le(seg->ack, conn->snd.nxt) &&
           echoes_our_time(conn, seg);
}

static void reset_answer(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_endpoint local = rn_sock_local(&conn->sock);
    struct rn_endpoint remote = rn_sock_remote(&conn->sock);

    rn_tcp_send_reset_for(conn->sock.stack, &local, &remote, seg);
}

static void take_syn(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    rn_tcp_rcv_start(conn, seg->seq);
    rn_tcp_opts_negotiate(conn, &seg->opts);
    conn->snd.wnd = seg->wnd; /* never scaled in a SYN, RFC 7323 §2.2 */
    conn->snd.wnd_max = seg->wnd;
    conn->snd.wl1 = seg->seq;
}

/* What came with the SYN is treated as of the new state. */
static void rest_of_syn(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    rn_seq fin = rn_seq_add(seg->seq, 1 + seg->data_len);

    seg->seq = rn_seq_add(seg->seq, 1);
    if (seg->data_len > 0)
        rn_tcp_rcv_data(conn, seg);
    if ((seg->flags & RN_TCP_FIN) != 0)
        rn_tcp_rcv_fin(conn, fin);
}

static void on_syn_ack(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    take_syn(conn, seg);
    rn_tcp_ecn_on_syn_ack(conn, seg);
    rn_tcp_fastopen_on_syn_ack(conn, seg);
    rn_tcp_established(conn);
    rn_tcp_ack_in(conn, seg);
    if (conn->state != RN_TCP_ESTABLISHED)
        return;
    rn_tcp_fastopen_resend(conn);
    conn->flags |= RN_TCPF_ACK_NOW;
    if (rn_tcp_is_accurate(conn)) /* before data that may wait (RFC 9768 §3.2.2.1) */
        rn_tcp_accecn_ack_syn_ack(conn, seg);
    rn_tcp_want_output(conn);
    rest_of_syn(conn, seg);
}

/* Simultaneous open, RFC 9293 §3.5 figure 8. */
static enum rn_drop on_bare_syn(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    struct rn_tcp_syn syn = { .flags = seg->flags, .tos = seg->tos };

    if (rn_tcp_ecn_on_syn(conn, &syn) < 0)
        return RN_DROP_NOMEM;
    take_syn(conn, seg);
    rn_tcp_move(conn, RN_TCP_EV_SYN_RCVD);
    rn_tcp_send_syn(conn);
    return RN_DROP_CONSUMED;
}

static enum rn_drop syn_sent_step(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    bool has_ack = (seg->flags & RN_TCP_ACK) != 0;

    if (has_ack && !acks_our_syn(conn, seg)) {
        reset_answer(conn, seg);
        return RN_DROP_TCP_BAD_ACK;
    }
    if ((seg->flags & RN_TCP_RST) != 0) {
        conn->sock.stack->stats.tcp_in_rsts++;
        if (!has_ack)
            return RN_DROP_TCP_RST_BLIND;
        rn_tcp_conn_end(conn, RN_E_CONN_REFUSED);
        return RN_DROP_CONSUMED;
    }
    if ((seg->flags & RN_TCP_SYN) == 0)
        return RN_DROP_TCP_UNACCEPTABLE;
    if (!has_ack)
        return on_bare_syn(conn, seg);
    on_syn_ack(conn, seg);
    return RN_DROP_CONSUMED;
}

void rn_tcp_syn_sent_in(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    enum rn_drop why = syn_sent_step(conn, seg);

    if (why == RN_DROP_CONSUMED)
        rn_pkt_free(seg->pkt);
    else
        rn_pkt_drop(seg->pkt, why);
}
