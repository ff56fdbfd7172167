#include "base/checksum.h"
#include "tcp/life.h"

/* RSTs, challenge ACKs (RFC 5961) and other segments without a connection behind them. */

/* Linux' tcp_invalid_ratelimit. Per connection: a limit that connections share can be counted from outside
 * (CVE-2016-5696). */
#define CHALLENGE_INTERVAL_MS 500u

static bool fill_bare(struct rn_pkt *pkt, const struct rn_tcp_bare *bare)
{
    size_t opts_len = bare->opts != NULL ? rn_tcp_opts_bytes(bare->opts) : 0;
    size_t len = RN_TCP_HDR_BYTES + opts_len;
    struct rn_tcp_hdr hdr = {
        .src_port = bare->local.port,
        .dst_port = bare->remote.port,
        .seq = bare->seq,
        .ack = bare->ack,
        .flags = bare->flags,
        .window = bare->window,
        .hdr_len = (uint8_t)len,
    };
    uint8_t *bytes = opts_len <= RN_TCP_OPTS_MAX_BYTES ? rn_pkt_push(pkt, len) : NULL;
    struct rn_writer w;

    if (bytes == NULL)
        return false;
    hdr.checksum =
        rn_checksum_pseudo(bare->local.addr, bare->remote.addr, RN_PROTO_TCP, (uint32_t)len);
    rn_tcp_emit(&hdr, bytes);
    w = rn_writer_of(bytes + RN_TCP_HDR_BYTES, opts_len);
    if (bare->opts != NULL)
        rn_tcp_opts_emit(bare->opts, &w);
    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = 0;
    pkt->csum_offset = RN_TCP_CHECKSUM_AT;
    pkt->flags |= RN_PKT_NO_FRAGMENT;
    return !w.overflow;
}

void rn_tcp_send_bare(struct rn_stack *stack, const struct rn_tcp_bare *bare)
{
    struct rn_pkt *pkt = rn_pkt_new(stack->turn->pool);
    struct rn_flow own = { 0 };
    struct rn_flow *flow = bare->flow != NULL ? bare->flow : &own;
    struct rn_addr src;
    struct rn_ip_out out = {
        .src = bare->local.addr,
        .dst = bare->remote.addr,
        .nic = bare->nic,
        .proto = RN_PROTO_TCP,
        .tos = bare->tos,
        .ttl = bare->ttl,
        .is_spoofed = bare->is_spoofed,
    };

    if (pkt == NULL)
        return;
    pkt->account = &stack->drops;
    if (!fill_bare(pkt, bare) || rn_flow_find(stack, flow, &out, &src) < 0) {
        rn_pkt_drop(pkt, RN_DROP_NO_ROUTE);
        return;
    }
    stack->stats.tcp_out_segs += !bare->is_retransmit;
    stack->stats.tcp_retrans_segs += bare->is_retransmit;
    /* Nobody waits for it; a failure is counted where it happens. */
    (void)rn_ip_output(stack, flow, &out, pkt);
    rn_flow_release(&own);
}

void rn_tcp_send_reset_for(struct rn_stack *stack, const struct rn_endpoint *local,
                           const struct rn_endpoint *remote, const struct rn_tcp_seg *seg)
{
    struct rn_tcp_bare rst = {
        .local = *local, .remote = *remote, .nic = local->nic, .is_spoofed = true
    };

    if ((seg->flags & RN_TCP_RST) != 0)
        return;
    if ((seg->flags & RN_TCP_ACK) != 0) {
        rst.seq = seg->ack;
        rst.flags = RN_TCP_RST;
    } else {
        rst.ack = rn_tcp_seg_end(seg);
        rst.flags = RN_TCP_RST | RN_TCP_ACK;
    }
    stack->stats.tcp_out_rsts++;
    rn_tcp_send_bare(stack, &rst);
}

/* Without a limit: it is no larger than what it answers, and a limit that all share tells a spy who sends as somebody else
 * whether that one has a connection here: where it has, no RST is taken from the limit (CVE-2016-5696, CVE-2020-25705). */
void rn_tcp_reset_unknown(struct rn_nic *nic, const struct rn_ip_in *ip,
                          const struct rn_tcp_seg *seg, const struct rn_tcp_hdr *hdr)
{
    struct rn_stack *stack = nic->stack;
    struct rn_endpoint local = { .addr = ip->dst, .port = hdr->dst_port };
    struct rn_endpoint remote = { .addr = ip->src, .port = hdr->src_port };

    if (rn_addr_is_link_local(ip->src))
        local.nic = nic->id;
    rn_tcp_send_reset_for(stack, &local, &remote, seg);
}

void rn_tcp_send_reset(struct rn_tcp *conn)
{
    struct rn_tcp_out rst = { .seq = conn->snd.nxt, .flags = RN_TCP_RST };

    conn->sock.stack->stats.tcp_out_rsts++;
    (void)rn_tcp_build(conn, &rst);
}

/* RFC 9293 §3.10.5: who has seen our SYN acknowledged, or sent us his, is owed a RST. */
static bool is_owed_reset(const struct rn_tcp *conn)
{
    return conn->state != RN_TCP_CLOSED && conn->state != RN_TCP_LISTEN &&
           conn->state != RN_TCP_SYN_SENT && conn->state != RN_TCP_TIME_WAIT;
}

void rn_tcp_conn_abort(struct rn_tcp *conn, int err)
{
    if (is_owed_reset(conn))
        rn_tcp_send_reset(conn);
    rn_tcp_conn_end(conn, err);
}

void rn_tcp_challenge(struct rn_tcp *conn)
{
    /* One is added so that 0 can mean "none yet". */
    uint32_t now = rn_tcp_clock_ms(conn->sock.stack) | 1;

    if (conn->last_challenge_ms != 0 && now - conn->last_challenge_ms < CHALLENGE_INTERVAL_MS) {
        conn->sock.stack->stats.tcp_challenge_limited++;
        return;
    }
    conn->last_challenge_ms = now;
    conn->sock.stack->stats.tcp_challenge_acks++;
    rn_tcp_send_ack(conn);
}
