#include "tcp/accecn.h"
#include "tcp/life.h"
#include "tcp/reorder.h"
#include "tcp/rtt.h"

#include <runnel/err.h>

/* TCP_INFO: reads the connection and changes nothing. */

static int64_t us_to_ns(uint32_t us)
{
    return (int64_t)us * RN_NS_PER_US;
}

static int64_t since_ms(const struct rn_tcp *conn, uint32_t then_ms)
{
    return (int64_t)(rn_tcp_clock_ms(conn->sock.stack) - then_ms) * RN_NS_PER_MS;
}

/* SYN and FIN take a number each and are no bytes. */
static uint64_t bytes_acked(const struct rn_tcp *conn)
{
    uint64_t n = (uint64_t)conn->count.una_wraps << 32 | (conn->snd.una.v - conn->iss.v);
    bool is_fin_acked =
        (conn->flags & RN_TCPF_FIN_SENT) != 0 && rn_seq_eq(conn->snd.una, conn->snd.nxt);

    return n == 0 ? 0 : n - 1 - (is_fin_acked ? 1 : 0);
}

static uint64_t bytes_received(const struct rn_tcp *conn)
{
    uint64_t n = (uint64_t)conn->count.nxt_wraps << 32 | (conn->rcv.nxt.v - conn->irs.v);

    return n == 0 ? 0 : n - 1 - ((conn->flags & RN_TCPF_FIN_RCVD) != 0 ? 1 : 0);
}

static void fill_names(const struct rn_tcp *conn, struct rn_tcp_info *info)
{
    info->state = (enum rn_tcp_state)conn->state;
    info->ca_state = (enum rn_tcp_ca_state)conn->cc.ca_state;
    info->has_timestamps = (conn->flags & RN_TCPF_TS) != 0;
    info->has_sack = (conn->flags & RN_TCPF_SACK) != 0;
    info->has_wscale = (conn->flags & RN_TCPF_WSCALE) != 0;
    info->has_ecn = (conn->cc.ecn & (RN_TCP_ECN_ON | RN_TCP_ECN_ACCURATE)) != 0;
    info->has_syn_data = (conn->flags & RN_TCPF_SYN_DATA_ACKED) != 0;
    info->snd_wscale = conn->snd.wscale;
    info->rcv_wscale = conn->rcv.wscale;
    info->probes = conn->probes;
    info->syn_retries = conn->syn_retries;
    info->bytes_acked = bytes_acked(conn);
    info->bytes_received = bytes_received(conn);
    info->segs_in = conn->count.segs_in;
    info->segs_out = conn->count.segs_out;
    info->data_segs_in = conn->count.data_segs_in;
    info->delivered_pkts = conn->count.delivered;
    info->total_retrans_pkts = conn->count.retrans;
}

static void fill_times(const struct rn_tcp *conn, struct rn_tcp_info *info)
{
    info->rto_ns = us_to_ns(rn_tcp_rto_us(conn));
    info->srtt_ns = us_to_ns(conn->rtt.srtt_us);
    info->rttvar_ns = us_to_ns(conn->rtt.rttvar_us);
    info->min_rtt_ns = us_to_ns(conn->rtt.min_us);
    info->backoff = conn->rtt.backoff;
    info->last_recv_ns = since_ms(conn, conn->last_recv_ms);
    info->last_data_recv_ns = since_ms(conn, conn->rcv.last_data_ms);
    info->last_data_sent_ns = since_ms(conn, conn->cc.last_sent_ms);
}

static int64_t ms_to_ns(uint32_t ms)
{
    return (int64_t)ms * RN_NS_PER_MS;
}

static void fill_busy(const struct rn_tcp *conn, struct rn_tcp_info *info)
{
    uint32_t busy_ms;
    uint32_t rwnd_ms;
    uint32_t sndbuf_ms;

    rn_tcp_busy_times(conn, &busy_ms, &rwnd_ms, &sndbuf_ms);
    info->busy_ns = ms_to_ns(busy_ms);
    info->rwnd_limited_ns = ms_to_ns(rwnd_ms);
    info->sndbuf_limited_ns = ms_to_ns(sndbuf_ms);
}

static void fill_windows(const struct rn_tcp *conn, struct rn_tcp_info *info)
{
    int32_t wnd = rn_seq_diff(rn_tcp_rcv_edge(conn), conn->rcv.nxt);

    info->snd_mss = conn->snd.mss;
    info->rcv_mss = conn->rcv.mss_est;
    info->pmtu = conn->flow.mtu;
    info->advmss = conn->flow.mtu != 0 ? rn_tcp_opts_our_mss(conn) : 0;
    info->cwnd = conn->cc.cwnd;
    info->ssthresh = conn->cc.ssthresh;
    info->snd_wnd = conn->snd.wnd;
    info->rcv_wnd = wnd > 0 ? (uint32_t)wnd : 0;
    info->rcv_space = conn->rcv.buf_max;
    if (conn->rcv.rx == NULL)
        return;
    info->rcv_rtt_ns = us_to_ns(conn->rcv.rx->rtt_us);
    info->rcv_ooo_pkts = conn->rcv.rx->n_ooo;
}

static void fill_accurate_ecn(const struct rn_tcp *conn, struct rn_tcp_info *info)
{
    const struct rn_tcp_accecn *accecn;

    if (!rn_tcp_is_accurate(conn))
        return;
    accecn = rn_tcp_accecn_of(conn);
    info->has_accurate_ecn = true;
    info->sends_ect = (conn->cc.ecn & RN_TCP_ECN_ON) != 0;
    info->delivered_ce_pkts = accecn->delivered_ce;
    info->delivered_ce_bytes = accecn->delivered[RN_TCP_CE];
    info->delivered_ect0_bytes = accecn->delivered[RN_TCP_ECT_0];
    info->delivered_ect1_bytes = accecn->delivered[RN_TCP_ECT_1];
    info->received_ce_pkts = accecn->received_ce;
    info->received_ce_bytes = accecn->received[RN_TCP_CE];
    info->received_ect0_bytes = accecn->received[RN_TCP_ECT_0];
    info->received_ect1_bytes = accecn->received[RN_TCP_ECT_1];
}

static uint32_t pkts_of(const struct rn_tcp *conn, uint32_t bytes)
{
    return conn->snd.mss == 0 ? 0 : (bytes + conn->snd.mss - 1) / conn->snd.mss;
}

static void fill_flight(const struct rn_tcp *conn, struct rn_tcp_info *info)
{
    const struct rn_tcp_flight *flight = conn->flight;

    info->pacing_rate = rn_tcp_pacing_rate(conn);
    info->reordering_pkts = RN_TCP_DUPTHRESH;
    if (flight == NULL)
        return;
    info->inflight = rn_tcp_pipe(conn);
    info->notsent = rn_tcp_unsent(conn);
    info->unacked_pkts = pkts_of(conn, (uint32_t)rn_seq_diff(conn->snd.nxt, conn->snd.una));
    info->sacked_pkts = flight->sacked_segs;
    /* What was sent again stays lost until something of it arrives, as Linux counts it. */
    info->lost_pkts = pkts_of(conn, flight->lost_bytes) + flight->resent_segs;
    info->retrans_pkts = flight->resent_segs;
    info->reord_seen = flight->rack.reord_seen;
    info->reordering_pkts = rn_max_u32(flight->rack.reord_pkts, RN_TCP_DUPTHRESH);
}

/* The newest sample, if need be of an earlier flight. */
static void fill_rate(const struct rn_tcp *conn, struct rn_tcp_info *info)
{
    const struct rn_tcp_flight *flight = conn->flight;

    if (flight == NULL || flight->rate.bytes_per_s == 0) {
        info->delivery_rate =
            rn_tcp_rate_unpack(conn->rtt.last_rate, &info->delivery_rate_app_limited);
        return;
    }
    info->delivery_rate = flight->rate.bytes_per_s;
    info->delivery_rate_app_limited = flight->rate.is_sample_app_limited;
}

int rn_tcp_get_info(const struct rn_sock *sock, struct rn_tcp_info *ret)
{
    const struct rn_tcp *conn = rn_tcp_of_const(sock);
    struct rn_tcp_info info = { 0 };

    if (sock->ops != &rn_tcp_sock_ops)
        return RN_E_BAD_STATE;
    fill_names(conn, &info);
    fill_times(conn, &info);
    fill_busy(conn, &info);
    fill_windows(conn, &info);
    fill_flight(conn, &info);
    fill_rate(conn, &info);
    fill_accurate_ecn(conn, &info);
    *ret = info;
    return RN_OK;
}
