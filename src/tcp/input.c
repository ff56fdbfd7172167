#include "base/checksum.h"
#include "tcp/fastopen.h"
#include "tcp/flight.h"
#include "tcp/forwarder.h"
#include "tcp/life.h"
#include "tcp/listen.h"
#include "tcp/timewait.h"

#include <runnel/err.h>

/* From packet to endpoint: parse, checksum, then connection, listener, TIME-WAIT, forwarder, or RST. */

struct arrival {
    struct rn_nic *nic;
    const struct rn_ip_in *ip;
    struct rn_tcp_hdr hdr;
    struct rn_tcp_seg seg;
    bool has_isn;
    rn_seq isn;
};

const struct rn_l4_ops rn_tcp_ops = {
    .proto = RN_PROTO_TCP,
    .name = "tcp",
    .attach = rn_tcp_attach,
    .detach = rn_tcp_detach,
    .input = rn_tcp_input,
    .strained = rn_tcp_strained,
    .relieved = rn_tcp_relieved,
    .error = rn_tcp_error_in,
};

/* --- parse ------------------------------------------------------------------------------------------------------ */

static bool is_checksum_good(const struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    uint16_t pseudo;

    if (pkt->csum != RN_CSUM_NONE)
        return true;
    pseudo = rn_checksum_pseudo(ip->src, ip->dst, RN_PROTO_TCP, pkt->len);
    return rn_pkt_checksum(pkt, 0, pkt->len, pseudo) == 0xffff;
}

static void fill_seg(struct arrival *a, struct rn_pkt *pkt)
{
    a->seg.pkt = pkt;
    a->seg.seq = a->hdr.seq;
    a->seg.ack = a->hdr.ack;
    a->seg.wnd = a->hdr.window;
    a->seg.flags = a->hdr.flags;
    a->seg.tos = a->ip->tos;
    a->seg.data_len = pkt->len - a->hdr.hdr_len;
}

/* Of an arrival all is zero at first. false: as rn_tcp_opts_parse. */
static bool read_options(struct arrival *a, struct rn_view options)
{
    struct rn_tcp_opts *opts = &a->seg.opts;

    a->seg.has_opts = true;
    opts->has_ts = rn_tcp_opts_parse_ts_only(&opts->ts_val, &opts->ts_ecr, options);
    return opts->has_ts || rn_tcp_opts_parse(opts, options);
}

/* false: @pkt is gone. */
static bool parse(struct arrival *a, struct rn_pkt *pkt)
{
    struct rn_view front = rn_pkt_front(pkt);
    enum rn_drop why = RN_DROP_MALFORMED;

    if (rn_tcp_parse(&a->hdr, front, pkt->len) < 0)
        goto bad;
    why = RN_DROP_BAD_CHECKSUM;
    if (!is_checksum_good(pkt, a->ip))
        goto bad;
    why = RN_DROP_MALFORMED;
    if (a->hdr.hdr_len > RN_TCP_HDR_BYTES && !read_options(a, rn_tcp_options(front, &a->hdr)))
        goto bad;
    fill_seg(a, pkt);
    return true;

bad:
    a->nic->stack->stats.tcp_in_errs++;
    rn_pkt_drop(pkt, why);
    return false;
}

/* --- find ------------------------------------------------------------------------------------------------------- */

static struct rn_demux_key key_of(const struct arrival *a)
{
    return (struct rn_demux_key){
        .local = a->ip->dst,
        .remote = a->ip->src,
        .local_port = a->hdr.dst_port,
        .remote_port = a->hdr.src_port,
        .nic = a->nic->id,
        .proto = RN_PROTO_TCP,
    };
}

static struct rn_tcp_syn syn_of(const struct arrival *a)
{
    struct rn_tcp_syn syn = {
        .local = { .addr = a->ip->dst, .port = a->hdr.dst_port },
        .remote = { .addr = a->ip->src, .port = a->hdr.src_port },
        .nic = a->nic->id,
        .flags = a->seg.flags,
        .tos = a->seg.tos,
        .has_isn = a->has_isn,
        .isn = a->isn,
        .seq = a->seg.seq,
        .wnd = a->seg.wnd,
        .opts = a->seg.opts,
    };

    if (rn_addr_is_link_local(a->ip->src)) {
        syn.local.nic = a->nic->id;
        syn.remote.nic = a->nic->id;
    }
    return syn;
}

static struct rn_tcp *conn_of(struct rn_demux_node *node)
{
    return rn_container_of(node, struct rn_tcp, sock.demux);
}

static void give_to_conn(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    if (conn->state == RN_TCP_SYN_SENT)
        rn_tcp_syn_sent_in(conn, seg);
    else
        rn_tcp_segment_in(conn, seg);
}

/* Connections are never freed while packets are processed, so @conn stands after its segment. */
static RN_COLD void give_to_observed(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    struct rn_tcp_seg seen = *seg;

    give_to_conn(conn, seg);
    rn_tcp_probe_segment(conn, &seen);
}

static struct rn_view quote_of(const struct arrival *a)
{
    size_t len = (size_t)a->hdr.hdr_len + a->seg.pkt->l3_len;
    const uint8_t *bytes = rn_pkt_pulled(a->seg.pkt, len);

    return rn_view_of(bytes, bytes != NULL ? len : 0);
}

/* True: the segment is gone to where its connection may be. */
static bool give_away(struct arrival *a)
{
    struct rn_stack *stack = a->nic->stack;
    struct rn_pkt *pkt = a->seg.pkt;

    if (stack->share.take == NULL || !rn_pkt_unpull(pkt, (size_t)a->hdr.hdr_len + pkt->l3_len))
        return false;
    pkt->csum_start = pkt->l3_len; /* as it was before both headers were pulled */
    if (rn_stack_gives_away(stack, pkt, RN_SHARE_STRAY))
        return true;
    rn_pkt_pull(pkt, (size_t)a->hdr.hdr_len + pkt->l3_len);
    return false;
}

static void give_to_nobody(struct arrival *a)
{
    const struct rn_tcp_stack *tcp = rn_stack_l4_state(a->nic->stack, RN_PROTO_TCP);
    bool is_syn =
        (a->seg.flags & (RN_TCP_SYN | RN_TCP_ACK | RN_TCP_RST | RN_TCP_FIN)) == RN_TCP_SYN;

    if (tcp->forwarder != NULL && is_syn) {
        struct rn_tcp_syn syn = syn_of(a);

        syn.is_spoofed = true;
        rn_tcp_forwarder_in(tcp->forwarder, &syn, &a->seg, quote_of(a));
        return;
    }
    if (!is_syn && give_away(a))
        return;
    if (a->ip->is_ours || tcp->forwarder != NULL)
        rn_tcp_reset_unknown(a->nic, a->ip, &a->seg, &a->hdr);
    rn_pkt_drop(a->seg.pkt, RN_DROP_NO_LISTENER);
}

static void give_to_listener(struct rn_tcp *listener, struct arrival *a)
{
    struct rn_tcp_syn syn = syn_of(a);

    rn_tcp_listen_in(listener, &syn, &a->seg);
}

static void give_to(struct arrival *a, struct rn_demux_node *node)
{
    switch (node != NULL ? node->kind : 0) {
    case RN_TCP_NODE_CONN:
        if (RN_UNLIKELY(rn_tcp_stack_of(conn_of(node))->on_probe != NULL))
            give_to_observed(conn_of(node), &a->seg);
        else
            give_to_conn(conn_of(node), &a->seg);
        break;
    case RN_TCP_NODE_LISTENER:
        give_to_listener(conn_of(node), a);
        break;
    case RN_TCP_NODE_HALF:
        rn_tcp_half_in(node, &a->seg);
        break;
    case RN_TCP_NODE_REQUEST:
        rn_tcp_request_in(node, &a->seg);
        break;
    default:
        give_to_nobody(a);
    }
}

static void dispatch(struct arrival *a)
{
    struct rn_stack *stack = a->nic->stack;
    struct rn_demux_key key = key_of(a);
    struct rn_demux_node *node = rn_demux_find(&stack->demux, &key);

    if (node != NULL && node->kind == RN_TCP_NODE_TIMEWAIT) {
        if (!rn_tcp_timewait_in(node, &a->seg, &a->isn))
            return;
        a->has_isn = true;
        node = rn_demux_find_bound(&stack->demux, &key);
    }
    give_to(a, node);
}

void rn_tcp_input(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    struct arrival a = { .nic = nic, .ip = ip };

    nic->stack->stats.tcp_in_segs += rn_pkt_segments(pkt);
    /* RFC 9293 §3.9.2.3: TCP has two ends. */
    if (ip->is_to_many || !rn_addr_is_unicast(ip->src)) {
        rn_pkt_drop(pkt, RN_DROP_BAD_SOURCE);
        return;
    }
    if (!parse(&a, pkt))
        return;
    rn_pkt_pull(pkt, a.hdr.hdr_len);
    dispatch(&a);
}

/* --- ICMP errors ------------------------------------------------------------------------------------------------ */

/* RFC 5927 §4: it must quote something that is in flight. */
static bool is_about_flight(const struct rn_tcp *conn, const struct rn_icmp_err *err)
{
    return err->has_seq && rn_seq_ge(err->seq, conn->snd.una) && rn_seq_lt(err->seq, conn->snd.nxt);
}

static int connect_error(const struct rn_icmp_err *err)
{
    switch (err->kind) {
    case RN_ICMP_NET_UNREACH:
        return RN_E_NET_UNREACH;
    case RN_ICMP_PROTO_UNREACH:
    case RN_ICMP_PORT_UNREACH:
        return RN_E_CONN_REFUSED;
    case RN_ICMP_HOST_UNREACH:
    case RN_ICMP_PROHIBITED:
    case RN_ICMP_TTL:
        return RN_E_HOST_UNREACH;
    case RN_ICMP_TOO_BIG:
    case RN_ICMP_REASS_TIME:
    case RN_ICMP_PARAM:
    default:
        return RN_OK;
    }
}

static struct rn_demux_node *find_node(struct rn_stack *stack, const struct rn_icmp_err *err)
{
    struct rn_demux_key key = rn_tcp_key_of(&err->local, &err->remote);
    struct rn_demux_node *node = rn_demux_find_exact(&stack->demux, &key);

    if (node == NULL && err->local.nic != 0) {
        key.nic = err->local.nic;
        node = rn_demux_find_exact(&stack->demux, &key);
    }
    return node;
}

/* Data made the SYN too big for the path: it goes again without, and at once, since nothing else is lost. */
static void send_syn_again(struct rn_tcp *conn)
{
    struct rn_addr src;
    struct rn_ip_out out = { .src = conn->sock.demux.key.local,
                             .dst = conn->sock.demux.key.remote,
                             .nic = conn->sock.demux.key.nic,
                             .proto = RN_PROTO_TCP };

    if (conn->flight == NULL || conn->flight->n_recs == 0 || conn->syn_retries != 0)
        return;
    if (rn_flow_find(conn->sock.stack, &conn->flow, &out, &src) < 0)
        return;
    conn->syn_retries = 1;
    rn_tcp_send_syn(conn);
}

/* What the application still waits for, or has not got yet: an early connection in the accept queue. */
static bool is_unfinished(const struct rn_tcp *conn)
{
    return conn->state == RN_TCP_SYN_SENT || (rn_tcp_is_early(conn) && conn->listen != NULL);
}

/* RFC 5461: an error is only the end of a connection that does not stand yet; an established one outlives routes. */
void rn_tcp_error_in(struct rn_stack *stack, const struct rn_icmp_err *err)
{
    struct rn_demux_node *node = find_node(stack, err);
    struct rn_tcp *conn = node != NULL && node->kind == RN_TCP_NODE_CONN ? conn_of(node) : NULL;

    if (node != NULL && node->kind == RN_TCP_NODE_HALF && connect_error(err) < 0 && err->has_seq)
        rn_tcp_half_error(node, err->seq);
    if (conn == NULL || !is_about_flight(conn, err))
        return;
    if (err->kind == RN_ICMP_TOO_BIG) {
        /* RFC 5927 §7.2: what is no smaller than what we send cannot be the answer to it. */
        if (conn->flow.mtu != 0 && err->mtu >= conn->flow.mtu)
            return;
        rn_pmtu_lower(stack, err->remote.addr, err->mtu);
        if (conn->state == RN_TCP_SYN_SENT)
            send_syn_again(conn);
        else
            rn_tcp_mtu_changed(conn);
        return;
    }
    if (is_unfinished(conn) && connect_error(err) < 0)
        rn_tcp_conn_end(conn, connect_error(err));
}
