/*
 * The size of segments follows the path: a route or ICMP that says less (validated by the input side, RFC 5927), and black
 * holes that say nothing (RFC 4821 §4.2's sign: large segments time out again and again). A guess is the connection's own
 * until a smaller segment was acknowledged; only then does the stack learn of it.
 */
#include "tcp/flight.h"

#define BLACKHOLE_TIMEOUTS 3u
#define BASE_MTU           1280u /* RFC 8899 §5.1.2: BASE_PLPMTU as IPv6 guarantees it */
#define LEAST_MTU_V4       552u  /* DESIGN: the floor of ip/pmtu.c */

static bool is_v4(const struct rn_tcp *conn)
{
    return rn_addr_is_v4(conn->sock.demux.key.remote);
}

static uint32_t header_bytes(const struct rn_tcp *conn)
{
    return (is_v4(conn) ? 20u : 40u) + RN_TCP_HDR_BYTES;
}

uint16_t rn_tcp_mss_now(const struct rn_tcp *conn)
{
    uint32_t path = rn_flow_payload_mtu(&conn->flow, conn->sock.demux.key.remote);
    uint32_t mss = path > RN_TCP_HDR_BYTES ? path - RN_TCP_HDR_BYTES : 0;
    uint32_t opts = rn_tcp_opts_segment_bytes(conn);

    mss = rn_min_u32(mss, conn->snd.mss_peer);
    if (conn->snd.mss_user != 0)
        mss = rn_min_u32(mss, conn->snd.mss_user);
    if (conn->flight != NULL && conn->flight->mss_cap != 0)
        mss = rn_min_u32(mss, conn->flight->mss_cap);
    /* RFC 6691 §2: MSS counts options out. Never below 8 bytes, whatever a peer says. */
    return rn_sat_u16(rn_max_u32(mss > opts ? mss - opts : 0, 8));
}

static void find_way(struct rn_tcp *conn)
{
    const struct rn_demux_key *key = &conn->sock.demux.key;
    struct rn_ip_out out = { .src = key->local,
                             .dst = key->remote,
                             .nic = key->nic,
                             .proto = RN_PROTO_TCP,
                             .is_spoofed = (conn->sock.flags & RN_SOCK_SPOOFED) != 0 };
    struct rn_addr src;

    /* Without a route the old one's size stands; the output will hear of it (RFC 1122 §4.2.3.9: a soft error). */
    if (rn_flow_find(conn->sock.stack, &conn->flow, &out, &src) < 0)
        return;
}

/* What is in flight and too big for the path now was dropped on the way: it goes again, in smaller pieces, and that is
 * no sign of congestion. */
static void resend_too_big(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *rec = flight == NULL ? NULL : rn_tcp_rec_first(flight);
    bool has_any = false;

    for (; rec != NULL; rec = rn_tcp_rec_next(flight, rec)) {
        if (rec->state != RN_TCP_REC_FLYING || rn_tcp_rec_len(rec) <= conn->snd.mss ||
            rec->mss <= conn->snd.mss)
            continue;
        rn_tcp_rec_to_lost(conn, rec);
        has_any = true;
    }
    if (has_any) {
        rn_tcp_recovery_on_resize(conn);
        rn_tcp_want_output(conn);
    }
}

void rn_tcp_mtu_changed(struct rn_tcp *conn)
{
    uint16_t before = conn->snd.mss;

    find_way(conn);
    conn->snd.mss = rn_tcp_mss_now(conn);
    if (conn->snd.mss < before)
        resend_too_big(conn);
}

/* --- black holes ---------------------------------------------------------------------------------------------------- */

static uint16_t next_cap(const struct rn_tcp *conn)
{
    uint32_t base = BASE_MTU - header_bytes(conn);
    uint32_t least = is_v4(conn) ? LEAST_MTU_V4 - header_bytes(conn) : base;
    uint32_t mss = conn->snd.mss + rn_tcp_opts_segment_bytes(conn);

    if (mss > base)
        return rn_sat_u16(base);
    return mss > least ? rn_sat_u16(least) : 0;
}

void rn_tcp_pmtu_timeout(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    const struct rn_tcp_rec *head = rn_tcp_rec_first(flight);
    uint16_t cap = next_cap(conn);

    /* A segment that would not become smaller says nothing about sizes. */
    if (cap == 0 || rn_tcp_rec_len(head) + rn_tcp_opts_segment_bytes(conn) <= cap ||
        ++flight->n_blackhole < BLACKHOLE_TIMEOUTS)
        return;
    flight->n_blackhole = 0;
    flight->mss_cap = cap;
    conn->snd.mss = rn_tcp_mss_now(conn);
}

/* An ACK advanced after segments were made smaller: so it was the path. */
void rn_tcp_pmtu_acked(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    flight->n_blackhole = 0;
    if (flight->mss_cap == 0 || flight->is_cap_told)
        return;
    flight->is_cap_told = true;
    rn_pmtu_lower(conn->sock.stack, conn->sock.demux.key.remote,
                  flight->mss_cap + header_bytes(conn));
}
