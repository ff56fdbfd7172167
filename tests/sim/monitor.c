#include "monitor.h"

#include "base/checksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/tcp_opts.h"

#include <stdlib.h>

enum { SYNS_MAX = 8, WIRE_MAX = 66000 };

/* What one side of a connection has said and heard. Sequence numbers are of the wire. */
struct half {
    bool is_known; /* it sent a SYN */
    bool has_acked;
    bool has_heard; /* a SYN of the peer arrived */
    bool has_fin;   /* sent */
    bool has_heard_fin;
    bool is_reset; /* sent a RST for this connection: silence follows */
    bool has_ts;
    bool is_passive;
    uint8_t wscale; /* offered in its SYN; 0 none */
    uint16_t n_syns;
    uint16_t n_heard_syns; /* with .heard_iss: each may be answered by a SYN of ours */
    uint32_t iss;
    uint32_t end;           /* after the highest sequence number sent */
    uint32_t fin;           /* sequence number of the FIN */
    uint32_t ack;           /* highest sent */
    uint32_t edge;          /* right edge of the window promised to the peer */
    uint32_t heard_iss;     /* of the newest SYN that arrived: taken up by our own */
    uint32_t heard_syn_len; /* and its data (Fast Open) */
    uint32_t heard_syn_wnd;
    uint32_t heard_end; /* after the highest sequence number that arrived */
    uint32_t may_reach; /* highest right edge that arrived */
    uint32_t ts;
};

struct talk {
    struct half half[2];
    uint32_t n_segments;
    bool is_scaled;
    bool is_muddled;
};

struct sim_monitor {
    struct talk *talks[4][65536]; /* by the client's side and family, and port */
    bool is_starved;
    uint8_t bytes[WIRE_MAX];
};

struct seen {
    struct rn_tcp_hdr tcp;
    struct rn_tcp_opts opts;
    uint32_t len;
    uint32_t seq;
    uint32_t end;
    unsigned client; /* side */
    uint16_t port;   /* client's */
    bool is_v6;
};

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

struct sim_monitor *sim_monitor_new(void)
{
    return calloc(1, sizeof(struct sim_monitor));
}

void sim_monitor_free(struct sim_monitor *m)
{
    for (unsigned i = 0; i < 4 * 65536; i++)
        free(m->talks[i / 65536][i % 65536]);
    free(m);
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

static bool read_ip(struct rn_view all, struct rn_view *ret, uint32_t *ret_sum)
{
    struct rn_ipv4_hdr v4;
    struct rn_ipv6_hdr v6;

    if (all.len < 20)
        return false;
    if (all.ptr[0] >> 4 == 4) {
        if (rn_ipv4_parse(&v4, all, all.len) < 0 || !rn_ipv4_checksum_ok(all, v4.hdr_len) ||
            v4.proto != RN_PROTO_TCP || rn_ipv4_is_fragment(&v4))
            return false;
        *ret = rn_view_of(all.ptr + v4.hdr_len, v4.total_len - (size_t)v4.hdr_len);
        *ret_sum = rn_checksum_pseudo(v4.src, v4.dst, v4.proto, (uint32_t)ret->len);
        return true;
    }
    if (rn_ipv6_parse(&v6, all, all.len) < 0 || v6.next != RN_PROTO_TCP)
        return false;
    *ret = rn_view_of(all.ptr + RN_IPV6_HDR_BYTES, v6.payload_len);
    *ret_sum = rn_checksum_pseudo(v6.src, v6.dst, v6.next, (uint32_t)ret->len);
    return true;
}

static bool read_tcp(struct rn_view seg, struct seen *s)
{
    if (rn_tcp_parse(&s->tcp, seg, seg.len) < 0 ||
        !rn_tcp_opts_parse(&s->opts, rn_tcp_options(seg, &s->tcp)))
        return false;
    s->len = (uint32_t)seg.len - s->tcp.hdr_len;
    s->seq = s->tcp.seq.v;
    s->end =
        s->seq + s->len + ((s->tcp.flags & RN_TCP_SYN) != 0) + ((s->tcp.flags & RN_TCP_FIN) != 0);
    return true;
}

enum reading { NOT_TCP, BAD_TCP, GOOD_TCP };

/* @sender: side that sent it. */
static enum reading read_pkt(struct sim_monitor *m, unsigned sender, const struct rn_pkt *pkt,
                             struct seen *s)
{
    struct rn_view seg;
    uint32_t sum;
    bool is_from_server;

    if (pkt->len > sizeof(m->bytes))
        return BAD_TCP;
    rn_pkt_copy_out(pkt, 0, m->bytes, pkt->len);
    if (!read_ip(rn_view_of(m->bytes, pkt->len), &seg, &sum))
        return NOT_TCP;
    if (pkt->csum != RN_CSUM_PARTIAL && rn_checksum(seg.ptr, seg.len, sum) != 0xffff)
        return BAD_TCP;
    if (!read_tcp(seg, s))
        return BAD_TCP;
    is_from_server = s->tcp.src_port == SIM_SERVER_PORT;
    s->client = is_from_server ? 1 - sender : sender;
    s->is_v6 = m->bytes[0] >> 4 == 6;
    s->port = is_from_server ? s->tcp.dst_port : s->tcp.src_port;
    return GOOD_TCP;
}

static struct talk *talk_of(struct sim_monitor *m, const struct seen *s)
{
    struct talk **slot = &m->talks[2 * s->client + s->is_v6][s->port];

    if (*slot == NULL)
        *slot = calloc(1, sizeof(**slot));
    return *slot;
}

/* --- rules ---------------------------------------------------------------------------------------------------------- */

static uint32_t window_of(const struct talk *talk, const struct half *h, const struct seen *s)
{
    bool is_scaled = talk->is_scaled && (s->tcp.flags & RN_TCP_SYN) == 0;

    return (uint32_t)s->tcp.window << (is_scaled ? h->wscale : 0);
}

static const char *on_syn(struct talk *talk, struct half *me, const struct seen *s)
{
    bool is_passive = (s->tcp.flags & RN_TCP_ACK) != 0;

    if (s->len != 0 && (is_passive || s->opts.cookie_len == 0))
        return "SYN with data and no cookie";
    if (!me->is_known || me->iss != s->seq) {
        struct half fresh = { .is_known = true,
                              .is_passive = is_passive,
                              .iss = s->seq,
                              .end = s->seq + 1,
                              .heard_iss = me->heard_iss,
                              .n_heard_syns = me->n_heard_syns,
                              .heard_end = me->heard_iss + 1 + me->heard_syn_len,
                              .heard_syn_len = me->heard_syn_len,
                              .heard_syn_wnd = me->heard_syn_wnd,
                              .may_reach = is_passive ? s->seq + 1 + me->heard_syn_wnd : 0,
                              .has_heard = is_passive };

        talk->is_muddled |=
            me->is_known && is_passive; /* segments of the one before are on their way */
        *me = fresh;
    }
    me->wscale = s->opts.has_wscale ? s->opts.wscale : 0;
    if (is_passive)
        talk->is_scaled = s->opts.has_wscale;
    me->n_syns++;
    return me->n_syns > SYNS_MAX + me->n_heard_syns ? "SYN without end" : NULL;
}

static const char *check_ack(struct talk *talk, struct half *me, const struct seen *s)
{
    uint32_t ack = s->tcp.ack.v;
    uint32_t edge = ack + window_of(talk, me, s);
    uint32_t slack = talk->is_scaled ? (1u << me->wscale) - 1 : 0;

    if (!me->has_heard)
        return "acknowledges a peer never heard";
    if (before(me->heard_end, ack))
        return "acknowledges what never arrived";
    if (me->has_acked && before(ack, me->ack))
        return "takes an acknowledgment back";
    if (me->has_acked && !me->has_heard_fin && (s->tcp.flags & RN_TCP_SYN) == 0 &&
        before(edge + slack, me->edge))
        return "shrinks its window";
    if (!me->has_acked || before(me->edge, edge))
        me->edge = edge;
    me->ack = ack;
    me->has_acked = true;
    return NULL;
}

static const char *check_sack(const struct half *me, const struct seen *s)
{
    for (unsigned i = 0; i < s->opts.n_sack; i++) {
        uint32_t from = s->opts.sack[i].from.v;
        uint32_t to = s->opts.sack[i].to.v;

        if (i == 0 && before(from, s->tcp.ack.v))
            continue; /* DSACK: of anything old, forged segments included */
        if (!before(from, to) || before(me->heard_end, to))
            return "SACKs what never arrived";
        if (before(from, s->tcp.ack.v))
            return "SACKs below its ACK";
    }
    return NULL;
}

static const char *check_ts(struct half *me, const struct seen *s)
{
    bool is_older = s->opts.has_ts && me->has_ts && before(s->opts.ts_val, me->ts);

    me->has_ts |= s->opts.has_ts;
    if (s->opts.has_ts)
        me->ts = s->opts.ts_val;
    return is_older ? "timestamp runs backwards" : NULL;
}

static const char *check_data(struct half *me, const struct seen *s, bool is_starved)
{
    bool has_fin = (s->tcp.flags & RN_TCP_FIN) != 0;
    bool is_syn = (s->tcp.flags & RN_TCP_SYN) != 0;
    uint32_t data_end = s->seq + s->len + is_syn;

    if (before(me->end, s->seq) && !is_starved)
        return "skips sequence numbers";
    if (before(s->seq, me->iss))
        return "sends from before its SYN";
    if (s->len > 0 && !is_syn && before(me->may_reach, data_end))
        return "sends beyond the peer's window";
    if (s->len > 0 && me->has_fin && before(me->fin, data_end))
        return "sends data after its FIN";
    if (has_fin && me->has_fin && me->fin != data_end)
        return "moves its FIN";
    if (has_fin) {
        me->has_fin = true;
        me->fin = data_end;
    }
    if (before(me->end, s->end))
        me->end = s->end;
    return NULL;
}

static void on_rst_sent(struct half *me, const struct seen *s)
{
    /* One for a connection that is: a stray segment is answered with numbers of its own. */
    if (me->is_known && me->has_acked && s->seq - me->iss - 1 <= me->end - me->iss - 1)
        me->is_reset = true;
}

const char *sim_monitor_sent(struct sim_monitor *m, unsigned side, const struct rn_pkt *pkt)
{
    struct seen s;
    enum reading reading = read_pkt(m, side, pkt, &s);
    struct talk *talk;
    struct half *me;
    const char *wrong = NULL;

    if (reading != GOOD_TCP)
        return reading == NOT_TCP ? NULL : "malformed segment";
    talk = talk_of(m, &s);
    me = &talk->half[side];
    talk->n_segments++;
    if (talk->is_muddled)
        return NULL;
    if ((s.tcp.flags & RN_TCP_RST) != 0) {
        on_rst_sent(me, &s);
        return NULL;
    }
    if ((s.tcp.flags & RN_TCP_SYN) != 0)
        wrong = on_syn(talk, me, &s);
    else if (!me->is_known)
        return "a segment before any SYN";
    else if (me->is_reset)
        return "a segment after its RST";
    else if ((s.tcp.flags & RN_TCP_ACK) == 0)
        return "a segment without ACK";
    if (wrong == NULL && (s.tcp.flags & RN_TCP_ACK) != 0)
        wrong = check_ack(talk, me, &s);
    if (wrong == NULL)
        wrong = check_sack(me, &s);
    if (wrong == NULL)
        wrong = check_ts(me, &s);
    return wrong != NULL ? wrong : check_data(me, &s, m->is_starved);
}

void sim_monitor_arrived(struct sim_monitor *m, unsigned side, const struct rn_pkt *pkt)
{
    struct seen s;
    struct talk *talk;
    struct half *me;
    const struct half *you;
    uint32_t edge;

    if (read_pkt(m, 1 - side, pkt, &s) != GOOD_TCP || (s.tcp.flags & RN_TCP_RST) != 0)
        return;
    talk = talk_of(m, &s);
    me = &talk->half[side];
    you = &talk->half[1 - side];
    /* A segment of an earlier connection tells nothing. */
    if (!you->is_known || before(s.seq, you->iss) || before(you->end, s.end))
        return;
    if ((s.tcp.flags & RN_TCP_SYN) != 0) {
        /* A SYN sent again goes without the data of the first. */
        me->heard_syn_len =
            me->heard_iss == s.seq && me->heard_syn_len > s.len ? me->heard_syn_len : s.len;
        me->n_heard_syns = me->heard_iss == s.seq ? me->n_heard_syns + 1 : 1;
        me->heard_iss = s.seq;
        me->heard_syn_wnd = s.tcp.window;
        if (me->is_known && me->has_heard)
            return; /* of an old connection, or a repetition */
        me->has_heard = me->is_known;
        me->heard_end = s.end;
    }
    if (!me->has_heard)
        return;
    if (before(me->heard_end, s.end))
        me->heard_end = s.end;
    me->has_heard_fin |= (s.tcp.flags & RN_TCP_FIN) != 0;
    edge = s.tcp.ack.v + window_of(talk, you, &s);
    if ((s.tcp.flags & RN_TCP_ACK) != 0 && me->is_known && !before(s.tcp.ack.v, me->iss) &&
        (me->may_reach == 0 || before(me->may_reach, edge)))
        me->may_reach = edge;
}

bool sim_monitor_is_asking(struct sim_monitor *m, unsigned side, const struct rn_pkt *pkt)
{
    struct seen s;
    const struct half *me;

    if (read_pkt(m, 1 - side, pkt, &s) != GOOD_TCP)
        return false;
    me = &talk_of(m, &s)->half[side];
    return me->is_known && !me->is_passive && !me->has_acked;
}

void sim_monitor_muddle(struct sim_monitor *m, unsigned side, const struct rn_pkt *pkt)
{
    struct seen s;

    if (read_pkt(m, 1 - side, pkt, &s) == GOOD_TCP && (s.tcp.flags & RN_TCP_SYN) != 0)
        talk_of(m, &s)->is_muddled = true;
}

void sim_monitor_starve(struct sim_monitor *m)
{
    m->is_starved = true;
}

void sim_monitor_rebooted(struct sim_monitor *m)
{
    for (unsigned i = 0; i < 4 * 65536; i++) {
        struct talk *talk = m->talks[i / 65536][i % 65536];

        if (talk != NULL)
            talk->is_muddled = true;
    }
}

uint32_t sim_monitor_segments(const struct sim_monitor *m, unsigned side, bool is_v6, uint16_t port)
{
    const struct talk *talk = m->talks[2 * side + is_v6][port];

    return talk != NULL ? talk->n_segments : 0;
}
