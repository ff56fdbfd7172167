/*
 * Larger segments are tried again after a black hole was suspected (RFC 8899 in the way of RFC 4821 §7: the probe is data,
 * one segment too large among others that are known to fit). First the full size: if that gets through, all was a
 * mistake. Else the border is looked for between what does and what does not. A lost probe is not congestion.
 *
 * The stack is told of the border only when the path lost next to nothing else: then it was the size.
 */
#include "tcp/flight.h"

#define MAX_PROBES    3u    /* RFC 8899 §5.1.2 */
#define PROBE_GAP_MS  1000u /* between two of one size: what loses the one may lose the other */
#define RAISE_MS      (600u * 1000u)   /* RFC 8899 §5.1.1: PMTU_RAISE_TIMER */
#define BORDER_BYTES  32u              /* near enough */
#define CLEAR_PERCENT 5u               /* losses up to which a path is clear */
#define CLEAR_SEGS    20u              /* and what it takes to tell */
#define FOLLOWERS     RN_TCP_DUPTHRESH /* segments behind the probe that show its loss */

static uint32_t now_ms(const struct rn_tcp *conn)
{
    return (uint32_t)(rn_tcp_now_ns(conn) / RN_NS_PER_MS);
}

static struct rn_tcp_sizes *sizes_of(const struct rn_tcp *conn)
{
    return &conn->cold->sizes;
}

static void look_afresh(struct rn_tcp *conn)
{
    struct rn_tcp_sizes *sizes = sizes_of(conn);

    sizes->bad = 0;
    sizes->failed = 0;
    conn->flight->sizes_lost = conn->flight->rate.lost;
    conn->flight->sizes_delivered = conn->flight->rate.delivered;
}

void rn_tcp_size_probe_begin(struct rn_tcp *conn)
{
    look_afresh(conn);
    sizes_of(conn)->next_ms = now_ms(conn);
}

/* --- sending ---------------------------------------------------------------------------------------------------------- */

/* The size to try: all of it, or the middle of what is not known. 0: there is nothing larger. */
static uint32_t candidate(const struct rn_tcp *conn, const struct rn_tcp_sizes *sizes)
{
    uint32_t full = rn_tcp_pmtu_full(conn);

    if (full <= sizes->good)
        return 0;
    return sizes->bad == 0 ? full : (sizes->good + rn_min_u32(sizes->bad, full)) / 2;
}

uint32_t rn_tcp_size_probe_len(struct rn_tcp *conn)
{
    struct rn_tcp_sizes *sizes = conn->cold == NULL ? NULL : sizes_of(conn);
    uint32_t opts = rn_tcp_opts_segment_bytes(conn);
    uint32_t size;

    if (sizes == NULL || sizes->good == 0 || conn->flight->is_size_guessed)
        return 0;
    if (conn->flight->is_size_probe_out || conn->cc.ca_state != RN_TCP_CA_OPEN ||
        (int32_t)(now_ms(conn) - sizes->next_ms) < 0)
        return 0;
    size = candidate(conn, sizes);
    if (size <= conn->snd.mss + opts ||
        rn_tcp_unsent(conn) < size - opts + FOLLOWERS * conn->snd.mss)
        return 0;
    sizes->probe = rn_sat_u16(size);
    return size - opts;
}

void rn_tcp_size_probe_sent(struct rn_tcp *conn, rn_seq seq)
{
    conn->flight->size_probe = seq;
    conn->flight->is_size_probe_out = true;
}

/* --- what becomes of it ----------------------------------------------------------------------------------------------- */

bool rn_tcp_size_probe_is(const struct rn_tcp_flight *flight, const struct rn_tcp_rec *rec)
{
    return flight->is_size_probe_out && rn_seq_eq(rec->seq, flight->size_probe);
}

/* What was lost of other segments since probing began: nearly nothing, much, or too few were sent to tell. */
enum weather { CLEAR, LOSSY, UNKNOWN };

static enum weather weather_since(const struct rn_tcp *conn, uint64_t lost, uint64_t delivered)
{
    const struct rn_tcp_rate *rate = &conn->flight->rate;

    lost = rate->lost - lost;
    delivered = rate->delivered - delivered;
    if (delivered < (uint64_t)CLEAR_SEGS * conn->snd.mss)
        return UNKNOWN;
    return lost * 100 <= delivered * CLEAR_PERCENT ? CLEAR : LOSSY;
}

bool rn_tcp_size_path_is_lossy(const struct rn_tcp *conn)
{
    return weather_since(conn, 0, 0) == LOSSY;
}

static enum weather weather(const struct rn_tcp *conn)
{
    return weather_since(conn, conn->flight->sizes_lost, conn->flight->sizes_delivered);
}

/* The border is known well enough, for ten minutes. */
static void settle(struct rn_tcp *conn)
{
    struct rn_tcp_sizes *sizes = sizes_of(conn);

    if (weather(conn) == CLEAR)
        rn_pmtu_lower(conn->sock.stack, conn->sock.demux.key.remote,
                      sizes->good + rn_tcp_pmtu_header_bytes(conn));
    look_afresh(conn);
    sizes->next_ms = now_ms(conn) + RAISE_MS;
}

static void next_size(struct rn_tcp *conn)
{
    struct rn_tcp_sizes *sizes = sizes_of(conn);

    sizes->failed = 0;
    sizes->next_ms = now_ms(conn);
    if (sizes->bad != 0 && sizes->bad <= sizes->good + BORDER_BYTES)
        settle(conn);
}

static void size_is_good(struct rn_tcp *conn)
{
    struct rn_tcp_sizes *sizes = sizes_of(conn);

    sizes->good =
        sizes->bad == 0 ? 0 : sizes->probe; /* the full size: nothing is wrong with this path */
    next_size(conn);
}

void rn_tcp_size_probe_lost(struct rn_tcp *conn)
{
    struct rn_tcp_sizes *sizes = sizes_of(conn);

    conn->flight->is_size_probe_out = false;
    sizes->next_ms = now_ms(conn) + PROBE_GAP_MS;
    if (weather(conn) == LOSSY || ++sizes->failed < MAX_PROBES)
        return; /* where all kinds are lost, one more lost says nothing */
    sizes->bad = sizes->probe;
    next_size(conn);
}

/* Sent a second time it went in smaller pieces, and proves nothing. */
void rn_tcp_size_probe_delivered(struct rn_tcp *conn, const struct rn_tcp_rec *rec, uint32_t bytes)
{
    bool is_whole = rec->sent_more == 0 && bytes == rn_tcp_rec_len(rec) && bytes > conn->snd.mss;

    if (!is_whole) {
        rn_tcp_size_probe_lost(conn);
        return;
    }
    conn->flight->is_size_probe_out = false;
    size_is_good(conn);
}
