#include "tcp/timewait.h"

#include "tcp/life.h"

struct timewait {
    struct rn_demux_node demux;
    struct rn_list link; /* rn_tcp_stack.timewaits, in the order they were made */
    struct rn_timer timer;
    struct rn_stack *stack;
    struct rn_port_claim *claim; /* owned; the local port stays taken */
    int64_t length_ns;
    int64_t made_ns;
    rn_seq snd_nxt;
    rn_seq rcv_nxt;
    uint32_t ts_recent;
    uint32_t ts_offset;
    uint32_t last_ack_ms; /* limits our answers as rn_tcp_challenge does */
    uint16_t window;
    bool has_ts;
    bool is_spoofed;
};

#define ACK_INTERVAL_MS 500u
/* RFC 6528 and RFC 9293 §3.4.3: the new ISN must lie beyond anything of the old connection. */
#define ISN_AHEAD (65535u + 2)

static struct rn_tcp_stack *tcp_of(const struct timewait *tw)
{
    return rn_stack_l4_state(tw->stack, RN_PROTO_TCP);
}

static void free_entry(struct timewait *tw)
{
    struct rn_stack *stack = tw->stack;

    rn_turn_cancel(stack->turn, &tw->timer);
    rn_demux_remove(&stack->demux, &tw->demux);
    rn_list_remove(&tw->link);
    tcp_of(tw)->n_timewait--;
    rn_ports_drop(&stack->ports, tw->claim);
    rn_alloc_free(stack->alloc, tw, sizeof(*tw));
}

static void expire(struct rn_timer *timer)
{
    free_entry(rn_container_of(timer, struct timewait, timer));
}

static void restart(struct timewait *tw)
{
    rn_turn_arm(tw->stack->turn, &tw->timer, rn_stack_now_ns(tw->stack) + tw->length_ns);
}

static void make_room(struct rn_tcp_stack *tcp)
{
    if (tcp->n_timewait >= RN_TCP_TIMEWAIT_MAX)
        free_entry(rn_list_entry(rn_list_first(&tcp->timewaits), struct timewait, link));
}

static void copy_from(struct timewait *tw, struct rn_tcp *conn)
{
    tw->stack = conn->sock.stack;
    tw->demux.kind = RN_TCP_NODE_TIMEWAIT;
    tw->demux.is_yielding = (conn->flags & RN_TCPF_TS) != 0;
    tw->length_ns = rn_tcp_cold_get(conn)->timewait_ns;
    tw->made_ns = rn_tcp_now_ns(conn);
    tw->snd_nxt = conn->snd.nxt;
    tw->rcv_nxt = conn->rcv.nxt;
    tw->ts_recent = conn->rcv.ts_recent;
    tw->ts_offset = conn->ts_offset;
    tw->has_ts = (conn->flags & RN_TCPF_TS) != 0;
    tw->is_spoofed = (conn->sock.flags & RN_SOCK_SPOOFED) != 0;
    tw->window = rn_sat_u16(conn->rcv.wnd >> conn->rcv.wscale);
    tw->timer.fire = expire;
}

void rn_tcp_timewait_enter(struct rn_tcp *conn)
{
    struct rn_stack *stack = conn->sock.stack;
    struct rn_tcp_stack *tcp = rn_tcp_stack_of(conn);
    struct timewait *tw = rn_alloc_new(stack->alloc, sizeof(*tw));

    if (tw == NULL || rn_tcp_cold_get(conn)->timewait_ns == 0) {
        rn_alloc_free(stack->alloc, tw, sizeof(*tw));
        rn_tcp_conn_end(conn, 0);
        return;
    }
    make_room(tcp);
    copy_from(tw, conn);
    rn_demux_replace(&stack->demux, &conn->sock.demux, &tw->demux);
    tw->claim = conn->sock.claim;
    conn->sock.claim = NULL;
    rn_list_push_back(&tcp->timewaits, &tw->link);
    tcp->n_timewait++;
    stack->stats.tcp_tw_made++;
    restart(tw);
    rn_tcp_conn_end(conn, 0);
}

/* RFC 1337 does not say what an ACK here may cost; a peer that repeats its FIN gets one each time, noise does not. */
static bool may_answer(struct timewait *tw, const struct rn_tcp_seg *seg)
{
    uint32_t now = rn_tcp_clock_ms(tw->stack) | 1;

    if ((seg->flags & RN_TCP_FIN) != 0)
        return true;
    if (tw->last_ack_ms != 0 && now - tw->last_ack_ms < ACK_INTERVAL_MS)
        return false;
    tw->last_ack_ms = now;
    return true;
}

static void send_ack(struct timewait *tw)
{
    const struct rn_demux_key *key = &tw->demux.key;
    struct rn_tcp_opts opts = { .has_ts = true,
                                .ts_val = rn_tcp_clock_ms(tw->stack) + tw->ts_offset,
                                .ts_ecr = tw->ts_recent };
    struct rn_tcp_bare ack = {
        .local = { key->local, key->local_port, key->nic },
        .remote = { key->remote, key->remote_port, key->nic },
        .seq = tw->snd_nxt,
        .ack = tw->rcv_nxt,
        .flags = RN_TCP_ACK,
        .window = tw->window,
        .nic = key->nic,
        .is_spoofed = tw->is_spoofed,
        .opts = tw->has_ts ? &opts : NULL,
    };

    rn_tcp_send_bare(tw->stack, &ack);
}

/* RFC 6191 §2: a newer timestamp, or without timestamps a sequence number beyond all of the old connection. */
static bool may_reuse(const struct timewait *tw, const struct rn_tcp_seg *seg)
{
    if ((seg->flags & (RN_TCP_SYN | RN_TCP_ACK | RN_TCP_RST)) != RN_TCP_SYN)
        return false;
    if (tw->has_ts && seg->opts.has_ts && seg->opts.ts_val != tw->ts_recent)
        return (int32_t)(seg->opts.ts_val - tw->ts_recent) > 0;
    return rn_seq_gt(seg->seq, tw->rcv_nxt);
}

static bool is_old_timestamp(const struct timewait *tw, const struct rn_tcp_seg *seg)
{
    return tw->has_ts && seg->opts.has_ts && (int32_t)(seg->opts.ts_val - tw->ts_recent) < 0;
}

static void answer(struct timewait *tw, const struct rn_tcp_seg *seg)
{
    bool is_fin_again =
        (seg->flags & RN_TCP_FIN) != 0 && rn_seq_eq(rn_tcp_seg_end(seg), tw->rcv_nxt);

    if (is_fin_again && !is_old_timestamp(tw, seg))
        restart(tw);
    /* An ACK of everything, in place, needs no answer: else two TIME-WAITs would talk for ever. */
    if (seg->data_len == 0 && (seg->flags & (RN_TCP_FIN | RN_TCP_SYN)) == 0 &&
        rn_seq_eq(seg->seq, tw->rcv_nxt) && rn_seq_eq(seg->ack, tw->snd_nxt))
        return;
    if (may_answer(tw, seg))
        send_ack(tw);
}

bool rn_tcp_timewait_in(struct rn_demux_node *node, struct rn_tcp_seg *seg, rn_seq *ret_isn)
{
    struct timewait *tw = rn_container_of(node, struct timewait, demux);

    if (may_reuse(tw, seg)) {
        *ret_isn = rn_seq_add(tw->snd_nxt, ISN_AHEAD);
        tw->stack->stats.tcp_tw_reused++;
        free_entry(tw);
        return true;
    }
    /* RFC 1337 fix F1: a RST must not end TIME-WAIT. */
    if ((seg->flags & RN_TCP_RST) != 0) {
        rn_pkt_drop(seg->pkt, RN_DROP_TCP_RST_BLIND);
        return false;
    }
    answer(tw, seg);
    rn_pkt_drop(seg->pkt, RN_DROP_TCP_DUPLICATE);
    return false;
}

bool rn_tcp_timewait_recycle(struct rn_demux_node *node, rn_seq *ret_isn)
{
    struct timewait *tw = rn_container_of(node, struct timewait, demux);

    if (!tw->has_ts || rn_stack_now_ns(tw->stack) - tw->made_ns < RN_NS_PER_S)
        return false;
    *ret_isn = rn_seq_add(tw->snd_nxt, ISN_AHEAD);
    tw->stack->stats.tcp_tw_reused++;
    free_entry(tw);
    return true;
}

void rn_tcp_timewait_free_all(struct rn_tcp_stack *tcp)
{
    struct rn_list *node;

    while ((node = rn_list_first(&tcp->timewaits)) != NULL)
        free_entry(rn_list_entry(node, struct timewait, link));
}
