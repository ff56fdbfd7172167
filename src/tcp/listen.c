#include "tcp/listen.h"

#include "tcp/accecn.h"
#include "tcp/fastopen.h"
#include "tcp/life.h"
#include "tcp/reorder.h"

#include <runnel/err.h>

/* What the handshake negotiates may only be less than what the model wants. */
#define WANTED_FLAGS (RN_TCPF_TS | RN_TCPF_SACK | RN_TCPF_WSCALE)
#define INHERITED_FLAGS                                                                            \
    (WANTED_FLAGS | RN_TCPF_NODELAY | RN_TCPF_CORK | RN_TCPF_QUICKACK | RN_TCPF_KEEPALIVE |        \
     RN_TCPF_SNDBUF_FIXED | RN_TCPF_RCVBUF_FIXED | RN_TCPF_WANT_DRAINED)

static struct rn_stats *stats_of(const struct rn_tcp *conn)
{
    return &conn->sock.stack->stats;
}

/* --- birth ------------------------------------------------------------------------------------------------------ */

static int inherit(struct rn_tcp *conn, const struct rn_tcp *model)
{
    conn->flags &= ~(uint32_t)WANTED_FLAGS;
    conn->flags |= model->flags & INHERITED_FLAGS;
    conn->snd.buf_max = model->snd.buf_max;
    conn->snd.mss_user = model->snd.mss_user;
    conn->rcv.buf_max = model->rcv.buf_max;
    conn->cc.ops = model->cc.ops;
    conn->cc.ecn = model->cc.ecn & RN_TCP_ECN_CHOICE;
    conn->sock.tos = model->sock.tos;
    conn->sock.ttl = model->sock.ttl;
    conn->sock.pmtud = model->sock.pmtud;
    if (model->cold == NULL)
        return RN_OK;
    if (rn_tcp_cold_of(conn) == NULL)
        return RN_E_NOMEM;
    *conn->cold = *model->cold;
    conn->cold->fastopen = NULL;
    conn->cold->accecn = NULL;
    return RN_OK;
}

static int take_syn(struct rn_tcp *conn, const struct rn_tcp_syn *syn)
{
    if (syn->has_ts_offset)
        conn->ts_offset = syn->ts_offset;
    else
        rn_tcp_conn_draw(conn);
    if (syn->has_isn)
        rn_tcp_conn_start_at(conn, syn->isn);
    conn->rcv.wscale = rn_tcp_tune_wscale(conn);
    rn_tcp_rcv_start(conn, syn->seq);
    rn_tcp_opts_negotiate(conn, &syn->opts);
    conn->snd.wnd = syn->wnd;
    conn->snd.wnd_max = syn->wnd;
    return rn_tcp_ecn_on_syn(conn, syn);
}

int rn_tcp_passive_new(struct rn_tcp **ret, struct rn_stack *stack, const struct rn_tcp_syn *syn,
                       const struct rn_tcp *model)
{
    struct rn_tcp *conn;
    int err;

    err = rn_tcp_conn_new(&conn, stack);
    if (err < 0)
        return err;
    conn->flags |= RN_TCPF_PASSIVE;
    if (syn->is_spoofed)
        conn->sock.flags |= RN_SOCK_SPOOFED;
    if (model != NULL)
        err = inherit(conn, model);
    if (err >= 0)
        err = rn_tcp_conn_name(conn, &syn->local, &syn->remote);
    if (err >= 0)
        err = take_syn(conn, syn);
    if (err < 0) {
        rn_tcp_conn_free(conn);
        return err;
    }
    rn_tcp_move(conn, RN_TCP_EV_SYN_RCVD);
    *ret = conn;
    return RN_OK;
}

/* --- queues ----------------------------------------------------------------------------------------------------- */

static void enqueue(struct rn_tcp_listen *listen, struct rn_tcp *conn)
{
    rn_list_remove(&conn->link);
    rn_list_push_back(&listen->ready, &conn->link);
    listen->n_ready++;
    conn->listen = listen;
    rn_sock_ready(&listen->listener->sock, RN_READABLE);
}

/* As Linux counts it: so many SYN+ACKs (after 0, 1, 3, 7, ... s) are sent in the time the listener will wait. */
bool rn_tcp_listen_defers(const struct rn_tcp *listener, unsigned retries)
{
    int64_t wait_ns = rn_tcp_cold_get(listener)->defer_ns;
    int64_t after_ns = 0;
    unsigned wanted = 0;

    while (after_ns < wait_ns && wanted < 8)
        after_ns += RN_NS_PER_S << wanted++;
    return retries < wanted;
}

/* Back among the connections that are in no queue. */
static void leave_queue(struct rn_tcp *conn)
{
    rn_list_remove(&conn->link);
    rn_list_push_back(&rn_tcp_stack_of(conn)->conns, &conn->link);
    conn->listen = NULL;
}

struct rn_tcp *rn_tcp_listen_accept(struct rn_tcp_listen *listen)
{
    struct rn_list *node = rn_list_first(&listen->ready);
    struct rn_tcp *conn;

    if (node == NULL)
        return NULL;
    conn = rn_list_entry(node, struct rn_tcp, link);
    listen->n_ready--;
    leave_queue(conn);
    return conn;
}

static void end_unaccepted(struct rn_tcp_listen *listen)
{
    struct rn_list *node;

    while ((node = rn_list_first(&listen->ready)) != NULL) {
        struct rn_tcp *conn = rn_list_entry(node, struct rn_tcp, link);

        rn_tcp_conn_abort(conn, RN_E_CONN_ABORTED);
        rn_tcp_conn_free(conn);
    }
}

void rn_tcp_listen_end(struct rn_tcp *listener)
{
    struct rn_tcp_listen *listen = listener->listen;

    rn_tcp_half_end_all(listen);
    end_unaccepted(listen);
    rn_demux_remove(&listener->sock.stack->demux, &listener->sock.demux);
    rn_tcp_move(listener, RN_TCP_EV_RESET);
    rn_alloc_free(listener->sock.stack->alloc, listen, sizeof(*listen));
    listener->listen = NULL;
}

/* --- segments --------------------------------------------------------------------------------------------------- */

/* RFC 7413: the peer was at its address before, so it is believed at once. */
static bool open_early(struct rn_tcp *listener, const struct rn_tcp_syn *syn,
                       struct rn_tcp_seg *seg)
{
    int key = rn_tcp_fastopen_check(listener, syn, seg);
    struct rn_tcp *conn;

    if (key < 0 || rn_tcp_passive_new(&conn, listener->sock.stack, syn, listener) < 0)
        return false;
    enqueue(listener->listen, conn);
    rn_tcp_fastopen_open(conn, seg);
    if (key != 0)
        rn_tcp_fastopen_renew(conn, syn);
    rn_tcp_send_syn(conn);
    if (seg->pkt != NULL)
        rn_pkt_free(seg->pkt);
    return true;
}

static void on_syn(struct rn_tcp *listener, const struct rn_tcp_syn *syn, struct rn_tcp_seg *seg)
{
    struct rn_tcp_listen *listen = listener->listen;

    if (rn_tcp_listen_is_full(listen)) {
        stats_of(listener)->tcp_listen_overflows++;
        stats_of(listener)->tcp_listen_drops++;
        rn_pkt_drop(seg->pkt, RN_DROP_TCP_BACKLOG);
        return;
    }
    if (open_early(listener, syn, seg))
        return;
    if (listen->n_half_open >= RN_TCP_HALF_OPEN_MAX) {
        rn_tcp_cookie_send(listener, syn);
    } else if (rn_tcp_half_open(listener, syn) < 0) {
        stats_of(listener)->tcp_listen_drops++;
        rn_pkt_drop(seg->pkt, RN_DROP_NOMEM);
        return;
    }
    /* Data beside such a SYN is not acknowledged, so it comes again when the peer has proven its address. */
    rn_pkt_free(seg->pkt);
}

/* The peer has our SYN+ACK already, so the connection enters SYN-RCVD as if it had sent it, and the ACK does the rest. */
void rn_tcp_listen_admit(struct rn_tcp *listener, struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    conn->snd.nxt = rn_seq_add(conn->iss, 1);
    enqueue(listener->listen, conn);
    rn_tcp_segment_in(conn, seg);
}

static void open_from_cookie(struct rn_tcp *listener, const struct rn_tcp_syn *syn,
                             struct rn_tcp_seg *seg)
{
    struct rn_tcp *conn;

    /* Data repeats the cookie's ACK, so nothing need be kept of an ACK without. */
    if (rn_tcp_listen_defers(listener, 0) && seg->data_len == 0 && (seg->flags & RN_TCP_FIN) == 0) {
        rn_pkt_free(seg->pkt);
        return;
    }
    if (rn_tcp_listen_is_full(listener->listen) ||
        rn_tcp_passive_new(&conn, listener->sock.stack, syn, listener) < 0) {
        stats_of(listener)->tcp_listen_overflows++;
        rn_pkt_drop(seg->pkt, RN_DROP_TCP_BACKLOG);
        return;
    }
    rn_tcp_rcv_announced(conn, rn_tcp_rcv_first_window(listener));
    rn_tcp_listen_admit(listener, conn, seg);
}

static void on_ack(struct rn_tcp *listener, struct rn_tcp_syn *syn, struct rn_tcp_seg *seg)
{
    if (rn_tcp_cookie_check(listener, syn, seg)) {
        stats_of(listener)->tcp_cookies_recv++;
        open_from_cookie(listener, syn, seg);
        return;
    }
    rn_tcp_send_reset_for(listener->sock.stack, &syn->local, &syn->remote, seg);
    rn_pkt_drop(seg->pkt, RN_DROP_TCP_COOKIE);
}

/* What is not wanted here was not offered. */
static void ignore_unwanted(const struct rn_tcp *listener, struct rn_tcp_syn *syn)
{
    struct rn_tcp_opts *opts = &syn->opts;

    opts->has_ts = opts->has_ts && (listener->flags & RN_TCPF_TS) != 0;
    opts->sack_ok = opts->sack_ok && (listener->flags & RN_TCPF_SACK) != 0;
    opts->has_wscale = opts->has_wscale && (listener->flags & RN_TCPF_WSCALE) != 0;
    syn->flags = (uint16_t)((syn->flags & ~(RN_TCP_AE | RN_TCP_CWR | RN_TCP_ECE)) |
                            rn_tcp_ecn_wish(listener->cc.ecn, syn->flags));
}

/* RFC 9293 §3.10.7.2. SYN with FIN opens nothing: only scanners send it. */
void rn_tcp_listen_in(struct rn_tcp *listener, struct rn_tcp_syn *syn, struct rn_tcp_seg *seg)
{
    ignore_unwanted(listener, syn);
    if ((seg->flags & RN_TCP_RST) != 0)
        rn_pkt_drop(seg->pkt, RN_DROP_TCP_RST_BLIND);
    else if ((seg->flags & RN_TCP_ACK) != 0)
        on_ack(listener, syn, seg);
    else if ((seg->flags & (RN_TCP_SYN | RN_TCP_FIN)) == RN_TCP_SYN)
        on_syn(listener, syn, seg);
    else
        rn_pkt_drop(seg->pkt, RN_DROP_TCP_UNACCEPTABLE);
}
