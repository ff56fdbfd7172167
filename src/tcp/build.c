/*
 * Segments leave here. Headers are written into the packet's head, payload is referenced: a super-segment of 64 KiB
 * costs what a small one costs, and its checksum is left to whoever cuts it (RN_CSUM_PARTIAL).
 */
#include "base/checksum.h"
#include "tcp/accecn.h"

#include <runnel/err.h>

#define ECN_MASK 3u

static bool is_synchronized(const struct rn_tcp *conn)
{
    return conn->state != RN_TCP_SYN_SENT && conn->state != RN_TCP_CLOSED &&
           conn->state != RN_TCP_LISTEN;
}

static enum rn_tcp_opts_kind opts_kind(uint16_t flags)
{
    if ((flags & RN_TCP_SYN) == 0)
        return RN_TCP_OPTS_SEGMENT;
    return (flags & RN_TCP_ACK) != 0 ? RN_TCP_OPTS_SYN_ACK : RN_TCP_OPTS_SYN;
}

/* RFC 3168 §6.1.2, §6.1.3: echo until CWR comes; tell of our own reduction with the next new data. */
static uint16_t ecn_flags(struct rn_tcp *conn, const struct rn_tcp_out *out)
{
    uint16_t flags = 0;

    if ((conn->cc.ecn & (RN_TCP_ECN_ON | RN_TCP_ECN_ACCURATE)) == 0 ||
        (out->flags & (RN_TCP_SYN | RN_TCP_RST)) != 0)
        return 0;
    if (rn_tcp_is_accurate(conn))
        return rn_tcp_accecn_flags(conn, out);
    if ((conn->cc.ecn & RN_TCP_ECN_ECHO) != 0)
        flags |= RN_TCP_ECE;
    if ((conn->cc.ecn & RN_TCP_ECN_CWR) != 0 && out->len != 0 && !out->is_retransmit) {
        flags |= RN_TCP_CWR;
        conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_CWR;
    }
    return flags;
}

/* RFC 3168 §6.1.4 - 6.1.6: only new data is ECN-capable; a retransmission or a bare ACK could be forged or lost. */
static uint8_t tos_of(const struct rn_tcp *conn, const struct rn_tcp_out *out)
{
    uint8_t tos = (uint8_t)(conn->sock.tos & ~ECN_MASK);

    if ((conn->cc.ecn & RN_TCP_ECN_ON) != 0 && out->len != 0 && !out->is_retransmit)
        tos |= RN_TCP_ECT_0;
    return tos;
}

static struct rn_ip_out ip_out_of(const struct rn_tcp *conn, const struct rn_tcp_out *out)
{
    const struct rn_demux_key *key = &conn->sock.demux.key;

    return (struct rn_ip_out){
        .src = key->local,
        .dst = key->remote,
        .nic = key->nic,
        .proto = RN_PROTO_TCP,
        .tos = tos_of(conn, out),
        .ttl = conn->sock.ttl,
        .is_spoofed = (conn->sock.flags & RN_SOCK_SPOOFED) != 0,
    };
}

static uint16_t flags_of(struct rn_tcp *conn, const struct rn_tcp_out *out)
{
    uint16_t flags = (uint16_t)(out->flags | ecn_flags(conn, out));

    if (is_synchronized(conn))
        flags |= RN_TCP_ACK;
    return flags;
}

/* Header and options into the head. @pkt holds the payload already. */
static bool write_header(struct rn_tcp *conn, const struct rn_tcp_out *out, struct rn_pkt *pkt)
{
    const struct rn_demux_key *key = &conn->sock.demux.key;
    struct rn_tcp_hdr hdr = { .src_port = key->local_port, .dst_port = key->remote_port };
    struct rn_tcp_opts opts;
    struct rn_writer w;
    uint8_t *at;

    hdr.seq = out->seq;
    hdr.flags = flags_of(conn, out);
    if ((hdr.flags & RN_TCP_ACK) != 0)
        hdr.ack = conn->rcv.nxt;
    rn_tcp_opts_for(conn, opts_kind(hdr.flags), &opts);
    if (rn_tcp_is_accurate(conn) && (hdr.flags & RN_TCP_SYN) == 0)
        rn_tcp_accecn_put(conn, out, &opts);
    if ((hdr.flags & RN_TCP_RST) != 0)
        opts.n_sack = 0; /* only timestamps belong on a RST (RFC 7323 §3.2) */
    hdr.window = rn_tcp_rcv_announce(conn, hdr.flags);
    hdr.hdr_len = rn_sat_u8(RN_TCP_HDR_BYTES + rn_tcp_opts_bytes(&opts));
    at = rn_pkt_push(pkt, hdr.hdr_len);
    if (at == NULL)
        return false;
    hdr.checksum = rn_checksum_pseudo(key->local, key->remote, RN_PROTO_TCP, pkt->len);
    rn_tcp_emit(&hdr, at);
    w = rn_writer_of(at + RN_TCP_HDR_BYTES, hdr.hdr_len - RN_TCP_HDR_BYTES);
    rn_tcp_opts_emit(&opts, &w);
    return !w.overflow;
}

static void describe_offload(const struct rn_tcp *conn, const struct rn_tcp_out *out,
                             struct rn_pkt *pkt)
{
    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = 0;
    pkt->csum_offset = RN_TCP_CHECKSUM_AT;
    pkt->l4_proto = RN_PROTO_TCP;
    pkt->flags |= RN_PKT_NO_FRAGMENT;
    if (out->len <= conn->snd.mss || out->is_size_probe)
        return;
    pkt->gso = rn_addr_is_v4(conn->sock.demux.key.remote) ? RN_GSO_TCP4 : RN_GSO_TCP6;
    pkt->gso_size = conn->snd.mss;
    pkt->gso_hdr = (uint16_t)(pkt->len - out->len);
}

static struct rn_pkt *assemble(struct rn_tcp *conn, const struct rn_tcp_out *out)
{
    struct rn_pkt *pkt = rn_pkt_new(conn->sock.stack->turn->pool);
    rn_seq data = rn_seq_add(out->seq, (out->flags & RN_TCP_SYN) != 0);

    if (pkt == NULL)
        return NULL;
    if ((out->len != 0 && !rn_tcp_queue_attach(&conn->flight->queue, data, out->len, pkt)) ||
        !write_header(conn, out, pkt)) {
        rn_pkt_free(pkt);
        return NULL;
    }
    describe_offload(conn, out, pkt);
    return pkt;
}

static void count(struct rn_tcp *conn, const struct rn_tcp_out *out, uint32_t segs)
{
    struct rn_stats *stats = &conn->sock.stack->stats;

    conn->count.segs_out += segs;
    if (out->is_retransmit)
        stats->tcp_retrans_segs += segs;
    else
        stats->tcp_out_segs += segs;
}

int rn_tcp_build(struct rn_tcp *conn, const struct rn_tcp_out *out)
{
    struct rn_ip_out ip = ip_out_of(conn, out);
    struct rn_pkt *pkt = assemble(conn, out);

    if (pkt == NULL)
        return RN_E_NOMEM;
    count(conn, out, rn_pkt_segments(pkt));
    pkt->tos = ip.tos;
    return rn_ip_output(conn->sock.stack, &conn->flow, &ip, pkt);
}

void rn_tcp_send_ack(struct rn_tcp *conn)
{
    struct rn_tcp_out out = { .seq = conn->snd.nxt };

    (void)rn_tcp_build(conn, &out);
}

/* One number before what the peer acknowledged: unacceptable there, so it must answer (RFC 9293 §3.8.4). */
void rn_tcp_send_probe(struct rn_tcp *conn)
{
    struct rn_tcp_out out = { .seq = rn_seq_sub(conn->snd.una, 1) };

    (void)rn_tcp_build(conn, &out);
}
