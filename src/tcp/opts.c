#include "tcp/accecn.h"
#include "tcp/fastopen.h"
#include "tcp/life.h"
#include "tcp/reorder.h"

/* Which options a segment carries, and what those of the peer's SYN mean. Their bytes are wire/tcp_opts.c. */

#define MSS_DEFAULT_V4 536u /* RFC 9293 §3.7.1 */
#define MSS_DEFAULT_V6 1220u
#define MSS_FLOOR                                                                                  \
    48u /* below that a segment is all header; a peer may not make us send such (CVE-2019-11479) */

/* What we ask for at most, unless TCP_MAXSEG says more: Linux sizes a sender's buffer by the segment and what it keeps beside
 * it, rounded up to a power of two (tcp_sndbuf_expand()), so a segment that fills 64 KiB doubles it: 4 MiB for every
 * connection over a link of MTU 65520, and with a thousand of them TCP's memory of the whole machine is full. */
#define MSS_ASKED_MAX 61440u

uint16_t rn_tcp_opts_mss_of(const struct rn_flow *flow, struct rn_addr dst, uint16_t mss_user)
{
    uint32_t mss = rn_flow_payload_mtu(flow, dst);

    mss = mss > RN_TCP_HDR_BYTES ? mss - RN_TCP_HDR_BYTES : MSS_FLOOR;
    mss = rn_min_u32(mss, mss_user != 0 ? mss_user : MSS_ASKED_MAX);
    return rn_sat_u16(mss);
}

uint16_t rn_tcp_opts_our_mss(const struct rn_tcp *conn)
{
    return rn_tcp_opts_mss_of(&conn->flow, conn->sock.demux.key.remote, conn->snd.mss_user);
}

static uint16_t default_mss(const struct rn_tcp *conn)
{
    return rn_addr_is_v4(conn->sock.demux.key.remote) ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
}

void rn_tcp_opts_negotiate(struct rn_tcp *conn, const struct rn_tcp_opts *peer)
{
    uint16_t mss = peer->has_mss ? peer->mss : default_mss(conn);

    conn->snd.mss_peer = (uint16_t)rn_max_u32(mss, conn->sock.stack->opts.tcp_mss_floor);
    if (!peer->has_ts)
        conn->flags &= ~(uint32_t)RN_TCPF_TS;
    if (!peer->sack_ok)
        conn->flags &= ~(uint32_t)RN_TCPF_SACK;
    if (!peer->has_wscale)
        conn->flags &= ~(uint32_t)RN_TCPF_WSCALE;
    if ((conn->flags & RN_TCPF_TS) != 0) {
        conn->rcv.ts_recent = peer->ts_val;
        conn->rcv.ts_recent_s = (uint32_t)(rn_tcp_now_ns(conn) / RN_NS_PER_S);
    }
    if ((conn->flags & RN_TCPF_WSCALE) != 0) {
        conn->snd.wscale = peer->wscale;
    } else {
        /* RFC 7323 §2.2: both sides or none. */
        conn->snd.wscale = 0;
        conn->rcv.wscale = 0;
    }
}

static void put_timestamps(const struct rn_tcp *conn, struct rn_tcp_opts *ret)
{
    ret->has_ts = true;
    ret->ts_val = rn_tcp_ts_now(conn);
    ret->ts_ecr = conn->rcv.ts_recent;
}

static void syn_opts(const struct rn_tcp *conn, struct rn_tcp_opts *ret)
{
    ret->has_mss = true;
    ret->mss = rn_tcp_opts_our_mss(conn);
    ret->sack_ok = (conn->flags & RN_TCPF_SACK) != 0;
    ret->has_wscale = (conn->flags & RN_TCPF_WSCALE) != 0;
    ret->wscale = conn->rcv.wscale;
    if ((conn->flags & RN_TCPF_TS) != 0)
        put_timestamps(conn, ret);
    ret->ts_ecr = 0; /* RFC 7323 §3.2: valid only with ACK */
    rn_tcp_fastopen_syn_opts(conn, ret);
}

static void syn_ack_opts(const struct rn_tcp *conn, struct rn_tcp_opts *ret)
{
    ret->has_mss = true;
    ret->mss = rn_tcp_opts_our_mss(conn);
    ret->sack_ok = (conn->flags & RN_TCPF_SACK) != 0;
    ret->has_wscale = (conn->flags & RN_TCPF_WSCALE) != 0;
    ret->wscale = conn->rcv.wscale;
    if ((conn->flags & RN_TCPF_TS) != 0)
        put_timestamps(conn, ret);
    rn_tcp_fastopen_syn_ack_opts(conn, ret);
    if (rn_tcp_is_accurate(conn) && conn->syn_retries == 0)
        rn_tcp_accecn_put_first(ret);
}

static unsigned sack_room(const struct rn_tcp *conn)
{
    return (conn->flags & RN_TCPF_TS) != 0 ? RN_TCP_SACK_MAX - 1 : RN_TCP_SACK_MAX;
}

void rn_tcp_opts_for(struct rn_tcp *conn, enum rn_tcp_opts_kind kind, struct rn_tcp_opts *ret)
{
    *ret = (struct rn_tcp_opts){ 0 };
    if (kind == RN_TCP_OPTS_SYN) {
        syn_opts(conn, ret);
    } else if (kind == RN_TCP_OPTS_SYN_ACK) {
        syn_ack_opts(conn, ret);
    } else {
        if ((conn->flags & RN_TCPF_TS) != 0)
            put_timestamps(conn, ret);
        ret->n_sack = (uint8_t)rn_tcp_rcv_sack_blocks(conn, ret->sack, sack_room(conn));
    }
}

uint32_t rn_tcp_opts_segment_bytes(const struct rn_tcp *conn)
{
    unsigned n = rn_tcp_reorder_n_blocks(conn);
    uint32_t bytes = (conn->flags & RN_TCPF_TS) != 0 ? RN_TCP_TS_BYTES : 0;

    n = rn_min_u32(n, sack_room(conn));
    if (n != 0)
        bytes += 4 + 8 * n; /* NOP NOP kind length, 8 bytes a block (RFC 2018 §3) */
    if (rn_tcp_is_accurate(conn))
        bytes = rn_min_u32(bytes + rn_tcp_accecn_bytes(conn), RN_TCP_OPTS_MAX_BYTES);
    return bytes;
}
