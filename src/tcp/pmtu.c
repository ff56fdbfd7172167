/*
 * The size of segments follows the path: a route or ICMP that says less (validated by the input side, RFC 5927), and black
 * holes that say nothing (RFC 4821 §4.2's sign: large segments time out again and again). Black holes are guessed, so the
 * guess is the connection's own: it ends when it does not help, and when a larger segment gets through
 * (pmtu_probe.c). Where every third packet is lost, three timeouts in a row are nothing special.
 */
#include "tcp/flight.h"

/* Timeouts in a row: what they make us try. */
#define STALLS_TO_BASE  3u
#define STALLS_TO_LEAST 5u
#define STALLS_TO_UNDO  7u
#define STALLS_MORE     3u    /* to begin with, where much else is lost */
#define BASE_MTU        1280u /* RFC 8899 §5.1.2: BASE_PLPMTU as IPv6 guarantees it */
#define LEAST_MTU_V4    552u  /* DESIGN: the floor of ip/pmtu.c */

static bool is_v4(const struct rn_tcp *conn)
{
    return rn_addr_is_v4(conn->sock.demux.key.remote);
}

uint32_t rn_tcp_pmtu_header_bytes(const struct rn_tcp *conn)
{
    return (is_v4(conn) ? 20u : 40u) + RN_TCP_HDR_BYTES;
}

uint32_t rn_tcp_pmtu_full(const struct rn_tcp *conn)
{
    uint32_t path = rn_flow_payload_mtu(&conn->flow, conn->sock.demux.key.remote);
    uint32_t mss = path > RN_TCP_HDR_BYTES ? path - RN_TCP_HDR_BYTES : 0;

    mss = rn_min_u32(mss, conn->snd.mss_peer);
    return conn->snd.mss_user != 0 ? rn_min_u32(mss, conn->snd.mss_user) : mss;
}

uint32_t rn_tcp_mss_without_opts(const struct rn_tcp *conn)
{
    uint32_t mss = rn_tcp_pmtu_full(conn);
    uint16_t good = conn->cold == NULL ? 0 : conn->cold->sizes.good;

    return good != 0 ? rn_min_u32(mss, good) : mss;
}

uint16_t rn_tcp_mss_now(const struct rn_tcp *conn)
{
    uint32_t mss = rn_tcp_mss_without_opts(conn);
    uint32_t opts = rn_tcp_opts_segment_bytes(conn);

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

/* Segments of at most @mtu from now on; false: they are, or there is no memory to remember it. */
static bool shrink_to(struct rn_tcp *conn, uint32_t mtu)
{
    uint32_t good = mtu - rn_tcp_pmtu_header_bytes(conn);
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_cold *cold;

    if (conn->snd.mss + rn_tcp_opts_segment_bytes(conn) <= good)
        return false;
    cold = rn_tcp_cold_of(conn);
    if (cold == NULL)
        return false;
    if (!flight->is_size_guessed)
        flight->good_before = cold->sizes.good;
    flight->is_size_guessed = true;
    cold->sizes.good = rn_sat_u16(good);
    conn->snd.mss = rn_tcp_mss_now(conn);
    return true;
}

static void shrink_to_least(struct rn_tcp *conn)
{
    if (is_v4(conn))
        (void)shrink_to(conn, LEAST_MTU_V4);
}

/* Smaller ones vanish too: whatever it is, it is not their size. */
static void undo_guess(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (!flight->is_size_guessed)
        return;
    flight->is_size_guessed = false;
    conn->cold->sizes.good = flight->good_before;
    conn->snd.mss = rn_tcp_mss_now(conn);
}

/* A head that the next guess would not make smaller says nothing about sizes. */
static bool could_be_smaller(const struct rn_tcp *conn)
{
    uint32_t opts = rn_tcp_opts_segment_bytes(conn);
    uint32_t base = BASE_MTU - rn_tcp_pmtu_header_bytes(conn);
    bool is_above_base = !is_v4(conn) || conn->snd.mss + opts > base;
    uint32_t next = is_above_base ? base : LEAST_MTU_V4 - rn_tcp_pmtu_header_bytes(conn);

    return rn_tcp_rec_len(rn_tcp_rec_first(conn->flight)) + opts > next;
}

void rn_tcp_pmtu_timeout(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    uint32_t stalls;

    if (flight->is_size_probe_out)
        rn_tcp_size_probe_lost(conn);
    if (!flight->is_size_guessed && !could_be_smaller(conn))
        return;
    flight->n_stalls = rn_sat_u8((uint64_t)flight->n_stalls + 1);
    stalls = flight->n_stalls;
    if (rn_tcp_size_path_is_lossy(conn))
        stalls -= rn_min_u32(stalls, STALLS_MORE);
    if (stalls == STALLS_TO_BASE && !shrink_to(conn, BASE_MTU))
        shrink_to_least(conn);
    else if (stalls == STALLS_TO_LEAST)
        shrink_to_least(conn);
    else if (stalls == STALLS_TO_UNDO)
        undo_guess(conn);
}

/* An ACK advanced. If segments were made smaller, that may have been why; or not. */
void rn_tcp_pmtu_acked(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    flight->n_stalls = 0;
    if (!flight->is_size_guessed)
        return;
    flight->is_size_guessed = false;
    rn_tcp_size_probe_begin(conn);
}
