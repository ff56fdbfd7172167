#include "tcp/accecn.h"
#include "tcp/fastopen.h"
#include "tcp/life.h"
#include "tcp/listen.h"
#include "tcp/reorder.h"

#include <runnel/err.h>

/*
 * A SYN that waits for the end of its handshake. It costs a record, not a connection: whoever sends SYNs has proven
 * nothing yet. The record stands in the demux as connections do and answers as RFC 9293 §3.10.7.4 wants it of SYN-RCVD;
 * the ACK that completes the handshake makes the connection.
 */

#define RETRIES_MAX           5u
#define FIRST_TIMEOUT_NS      RN_NS_PER_S /* RFC 6298 §2.1 */
#define CHALLENGE_INTERVAL_MS 500u        /* as in reset.c */

struct rn_tcp_half {
    struct rn_demux_node demux;
    struct rn_list link; /* rn_tcp_listen.half_open */
    struct rn_timer timer;
    struct rn_tcp *listener; /* borrows: it ends us before itself */
    rn_seq iss;
    rn_seq irs;
    uint32_t ts_recent;
    uint32_t ts_offset;
    uint32_t last_challenge_ms;
    uint16_t syn_flags;
    uint16_t wnd; /* the peer's */
    uint16_t mss; /* the peer's; 0: not said */
    uint16_t our_wnd;
    uint8_t tos;
    uint8_t wscale;     /* the peer's */
    uint8_t our_wscale; /* as told it */
    uint8_t retries;
    bool has_wscale;
    bool has_ts;
    bool has_sack;
    bool is_ect_unsafe; /* as in struct rn_tcp_syn */
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct rn_tcp_half) <= 160,
               "what a SYN from anywhere may cost");

static struct rn_stack *stack_of(const struct rn_tcp_half *half)
{
    return half->listener->sock.stack;
}

static struct rn_endpoint local_of(const struct rn_tcp_half *half)
{
    const struct rn_demux_key *key = &half->demux.key;

    return (struct rn_endpoint){ key->local, key->local_port, key->nic };
}

static struct rn_endpoint remote_of(const struct rn_tcp_half *half)
{
    const struct rn_demux_key *key = &half->demux.key;

    return (struct rn_endpoint){ key->remote, key->remote_port, key->nic };
}

/* --- what is kept, and its way back ------------------------------------------------------------------------------ */

static void keep_facts(struct rn_tcp_half *half, const struct rn_tcp_syn *syn)
{
    const struct rn_tcp *listener = half->listener;

    half->demux.kind = RN_TCP_NODE_HALF;
    half->demux.key = rn_tcp_key_of(&syn->local, &syn->remote);
    half->iss = rn_tcp_isn(listener->sock.stack, &half->demux.key, &half->ts_offset);
    if (syn->has_isn)
        half->iss = syn->isn;
    half->demux.key.nic = syn->local.nic;
    half->irs = syn->seq;
    half->ts_recent = syn->opts.ts_val;
    half->syn_flags = syn->flags;
    half->tos = syn->tos;
    half->wnd = rn_sat_u16(syn->wnd);
    half->mss = syn->opts.has_mss ? syn->opts.mss : 0;
    half->wscale = syn->opts.wscale;
    half->has_wscale = syn->opts.has_wscale;
    half->has_ts = syn->opts.has_ts;
    half->has_sack = syn->opts.sack_ok;
    half->our_wnd = rn_tcp_rcv_first_window(listener);
    half->our_wscale = rn_tcp_tune_wscale(listener);
}

static struct rn_tcp_syn facts_of(const struct rn_tcp_half *half)
{
    return (struct rn_tcp_syn){
        .local = local_of(half),
        .remote = remote_of(half),
        .nic = half->demux.key.nic,
        .flags = half->syn_flags,
        .tos = half->tos,
        .is_ect_unsafe = half->is_ect_unsafe,
        .has_isn = true,
        .isn = half->iss,
        .has_ts_offset = true,
        .ts_offset = half->ts_offset,
        .seq = half->irs,
        .wnd = half->wnd,
        .opts = { .has_mss = half->mss != 0,
                  .mss = half->mss,
                  .has_wscale = half->has_wscale,
                  .wscale = half->wscale,
                  .sack_ok = half->has_sack,
                  .has_ts = half->has_ts,
                  .ts_val = half->ts_recent },
    };
}

static void free_half(struct rn_tcp_half *half)
{
    struct rn_stack *stack = stack_of(half);

    rn_turn_cancel(stack->turn, &half->timer);
    rn_demux_remove(&stack->demux, &half->demux);
    rn_list_remove(&half->link);
    half->listener->listen->n_half_open--;
    rn_alloc_free(stack->alloc, half, sizeof(*half));
}

static void give_up(struct rn_tcp_half *half)
{
    stack_of(half)->stats.tcp_attempt_fails++;
    free_half(half);
}

/* --- what it sends ------------------------------------------------------------------------------------------------ */

static void put_timestamps(const struct rn_tcp_half *half, struct rn_tcp_opts *opts)
{
    if (!half->has_ts)
        return;
    opts->has_ts = true;
    opts->ts_val = rn_tcp_clock_ms(stack_of(half)) + half->ts_offset;
    opts->ts_ecr = half->ts_recent;
}

static void send(const struct rn_tcp_half *half, uint16_t flags)
{
    struct rn_tcp_opts opts = { 0 };
    struct rn_tcp_bare bare = {
        .local = local_of(half),
        .remote = remote_of(half),
        .seq = rn_seq_add(half->iss, 1),
        .ack = rn_seq_add(half->irs, 1),
        .flags = flags,
        .window = (uint16_t)(half->our_wnd >> (half->has_wscale ? half->our_wscale : 0)),
        .nic = half->demux.key.nic,
        .tos = half->listener->sock.tos,
        .ttl = half->listener->sock.ttl,
        .opts = &opts,
    };

    put_timestamps(half, &opts);
    rn_tcp_send_bare(stack_of(half), &bare);
}

void rn_tcp_send_syn_ack(const struct rn_tcp *listener, const struct rn_tcp_syn *syn,
                         const struct rn_tcp_syn_ack *answer)
{
    struct rn_stack *stack = listener->sock.stack;
    struct rn_tcp_opts opts = answer->opts;
    struct rn_flow flow = { 0 };
    struct rn_addr src;
    struct rn_ip_out way = { .src = syn->local.addr,
                             .dst = syn->remote.addr,
                             .nic = syn->local.nic,
                             .proto = RN_PROTO_TCP };
    struct rn_tcp_bare bare = {
        .local = syn->local,
        .remote = syn->remote,
        .seq = answer->isn,
        .ack = rn_seq_add(syn->seq, 1),
        .flags = (uint16_t)(RN_TCP_SYN | RN_TCP_ACK | rn_tcp_ecn_answer(syn, answer->retries)),
        .window = answer->window,
        .nic = syn->local.nic,
        .tos = listener->sock.tos,
        .ttl = listener->sock.ttl,
        .is_retransmit = answer->is_retransmit,
        .opts = &opts,
        .flow = &flow,
    };

    if (rn_flow_find(stack, &flow, &way, &src) < 0)
        return;
    if (!answer->is_retransmit)
        rn_tcp_fastopen_offer(listener, syn, &opts);
    opts.has_mss = true;
    opts.mss = rn_tcp_opts_mss_of(&flow, syn->remote.addr, listener->snd.mss_user);
    opts.sack_ok = syn->opts.sack_ok;
    opts.has_wscale = syn->opts.has_wscale;
    opts.wscale = answer->wscale;
    if ((syn->flags & RN_TCP_AE) != 0 && !answer->is_retransmit)
        rn_tcp_accecn_put_first(&opts);
    rn_tcp_send_bare(stack, &bare);
    rn_flow_release(&flow);
}

/* Asks for AccECN, and was granted it. */
static bool is_accurate(const struct rn_tcp_half *half)
{
    return (half->syn_flags & RN_TCP_AE) != 0;
}

static struct rn_tcp_syn_ack syn_ack_of(const struct rn_tcp_half *half)
{
    struct rn_tcp_syn_ack ours = { .isn = half->iss,
                                   .window = half->our_wnd,
                                   .wscale = half->our_wscale,
                                   .retries = half->retries };

    put_timestamps(half, &ours.opts);
    return ours;
}

static void answer(const struct rn_tcp_half *half, const struct rn_tcp_syn *syn)
{
    struct rn_tcp_syn_ack ours = syn_ack_of(half);

    rn_tcp_send_syn_ack(half->listener, syn, &ours);
}

/* By what was kept of the SYN. */
static void answer_again(const struct rn_tcp_half *half)
{
    struct rn_tcp_syn kept = facts_of(half);
    struct rn_tcp_syn_ack ours = syn_ack_of(half);

    ours.is_retransmit = true;
    rn_tcp_send_syn_ack(half->listener, &kept, &ours);
}

/* RFC 9768 §3.1.5: what else than the mode it was answered in a SYN may still change. false: it asks for another. */
static bool takes_ecn_of(struct rn_tcp_half *half, const struct rn_tcp_seg *seg)
{
    uint16_t all = RN_TCP_AE | RN_TCP_CWR | RN_TCP_ECE;
    uint16_t wish = rn_tcp_ecn_wish(half->listener->cc.ecn, seg->flags);

    if ((half->syn_flags & all) != 0 && wish != 0 && wish != (half->syn_flags & all))
        return false;
    half->tos = seg->tos;
    half->is_ect_unsafe |= is_accurate(half) && wish == 0;
    return true;
}

static int64_t timeout_ns(const struct rn_tcp_half *half)
{
    return FIRST_TIMEOUT_NS << half->retries;
}

static void arm(struct rn_tcp_half *half)
{
    struct rn_stack *stack = stack_of(half);

    rn_turn_arm(stack->turn, &half->timer, rn_stack_now_ns(stack) + timeout_ns(half));
}

static void on_timeout(struct rn_timer *timer)
{
    struct rn_tcp_half *half = rn_container_of(timer, struct rn_tcp_half, timer);

    if (half->retries == RETRIES_MAX) {
        give_up(half);
        return;
    }
    half->retries++;
    stack_of(half)->stats.tcp_timeouts++;
    answer_again(half);
    half->is_ect_unsafe |= is_accurate(half) && !rn_tcp_ecn_is_answered(half->retries);
    arm(half);
}

int rn_tcp_half_open(struct rn_tcp *listener, const struct rn_tcp_syn *syn)
{
    struct rn_stack *stack = listener->sock.stack;
    struct rn_tcp_half *half = rn_alloc_new(stack->alloc, sizeof(*half));
    int err;

    if (half == NULL)
        return RN_E_NOMEM;
    half->listener = listener;
    half->timer.fire = on_timeout;
    keep_facts(half, syn);
    err = rn_demux_add(&stack->demux, &half->demux);
    if (err < 0) {
        rn_alloc_free(stack->alloc, half, sizeof(*half));
        return err;
    }
    rn_list_push_back(&listener->listen->half_open, &half->link);
    listener->listen->n_half_open++;
    answer(half, syn);
    arm(half);
    return RN_OK;
}

static void reset(struct rn_tcp_half *half)
{
    stack_of(half)->stats.tcp_out_rsts++;
    send(half, RN_TCP_RST | RN_TCP_ACK);
    give_up(half);
}

void rn_tcp_half_end_all(struct rn_tcp_listen *listen)
{
    struct rn_list *node;

    while ((node = rn_list_first(&listen->half_open)) != NULL) {
        reset(rn_list_entry(node, struct rn_tcp_half, link));
    }
}

/* --- what arrives -------------------------------------------------------------------------------------------------- */

/* RFC 5961 §7: a limit of its own, as connections have. */
static void challenge(struct rn_tcp_half *half)
{
    struct rn_stats *stats = &stack_of(half)->stats;
    uint32_t now = rn_tcp_clock_ms(stack_of(half)) | 1;

    if (half->last_challenge_ms != 0 && now - half->last_challenge_ms < CHALLENGE_INTERVAL_MS) {
        stats->tcp_challenge_limited++;
        return;
    }
    half->last_challenge_ms = now;
    stats->tcp_challenge_acks++;
    /* RFC 9768 §3.2.1: no packet was marked yet, which is 5. */
    send(half, is_accurate(half) ? RN_TCP_ACK | RN_TCP_AE | RN_TCP_ECE : RN_TCP_ACK);
}

static bool is_syn_again(const struct rn_tcp_half *half, const struct rn_tcp_seg *seg)
{
    return (seg->flags & (RN_TCP_SYN | RN_TCP_ACK | RN_TCP_RST)) == RN_TCP_SYN &&
           rn_seq_eq(seg->seq, half->irs);
}

static bool is_old_timestamp(const struct rn_tcp_half *half, const struct rn_tcp_seg *seg)
{
    return half->has_ts && seg->opts.has_ts && (seg->flags & RN_TCP_RST) == 0 &&
           (int32_t)(seg->opts.ts_val - half->ts_recent) < 0;
}

static bool is_in_window(const struct rn_tcp_half *half, const struct rn_tcp_seg *seg)
{
    rn_seq nxt = rn_seq_add(half->irs, 1);

    if (rn_seq_eq(seg->seq, rn_tcp_seg_end(seg)))
        return rn_seq_ge(seg->seq, nxt) && rn_seq_le(seg->seq, rn_seq_add(nxt, half->our_wnd));
    return rn_seq_gt(rn_tcp_seg_end(seg), nxt) &&
           rn_seq_le(seg->seq, rn_seq_add(nxt, half->our_wnd));
}

/* RFC 5961 §3.2. */
static enum rn_drop on_reset(struct rn_tcp_half *half, const struct rn_tcp_seg *seg)
{
    rn_seq nxt = rn_seq_add(half->irs, 1);

    if (rn_seq_eq(seg->seq, nxt)) {
        stack_of(half)->stats.tcp_in_rsts++;
        give_up(half);
        return RN_DROP_CONSUMED;
    }
    if (rn_seq_gt(seg->seq, nxt) && rn_seq_lt(seg->seq, rn_seq_add(nxt, half->our_wnd)))
        challenge(half);
    return RN_DROP_TCP_RST_BLIND;
}

static enum rn_drop on_wrong_ack(struct rn_tcp_half *half, const struct rn_tcp_seg *seg)
{
    struct rn_endpoint local = local_of(half);
    struct rn_endpoint remote = remote_of(half);

    rn_tcp_send_reset_for(stack_of(half), &local, &remote, seg);
    return RN_DROP_TCP_BAD_ACK;
}

/* In the place of @half, which leaves its name to it. */
static struct rn_tcp *make_conn(struct rn_tcp_half *half)
{
    struct rn_stack *stack = stack_of(half);
    struct rn_tcp_syn syn = facts_of(half);
    struct rn_tcp *conn;

    rn_demux_remove(&stack->demux, &half->demux);
    if (rn_tcp_passive_new(&conn, stack, &syn, half->listener) < 0) {
        if (rn_demux_add(&stack->demux, &half->demux) < 0)
            give_up(half);
        return NULL;
    }
    rn_tcp_rcv_announced(conn, half->our_wnd);
    if (half->has_wscale)
        conn->rcv.wscale = half->our_wscale;
    conn->syn_retries = half->retries;
    conn->count.segs_in = 1;
    conn->count.segs_out = 1u + half->retries;
    conn->count.retrans = half->retries;
    rn_tcp_timers_syn_was_sent(conn, half->timer.deadline_ns - timeout_ns(half));
    return conn;
}

static enum rn_drop on_handshake_done(struct rn_tcp_half *half, struct rn_tcp_seg *seg)
{
    struct rn_tcp *listener = half->listener;
    struct rn_tcp *conn;

    if (rn_tcp_listen_defers(listener, half->retries) && seg->data_len == 0 &&
        (seg->flags & RN_TCP_FIN) == 0)
        return RN_DROP_CONSUMED;
    if (rn_tcp_listen_is_full(listener->listen)) {
        stack_of(half)->stats.tcp_listen_overflows++;
        return RN_DROP_TCP_BACKLOG;
    }
    conn = make_conn(half);
    if (conn == NULL)
        return RN_DROP_NOMEM;
    free_half(half);
    rn_tcp_listen_admit(listener, conn, seg);
    seg->pkt = NULL;
    return RN_DROP_CONSUMED;
}

static enum rn_drop half_step(struct rn_tcp_half *half, struct rn_tcp_seg *seg)
{
    if (is_syn_again(half, seg)) {
        if (!takes_ecn_of(half, seg)) {
            reset(half);
            return RN_DROP_TCP_UNACCEPTABLE;
        }
        answer_again(half);
        return RN_DROP_TCP_DUPLICATE;
    }
    if (is_old_timestamp(half, seg)) {
        stack_of(half)->stats.tcp_paws_drops++;
        challenge(half);
        return RN_DROP_TCP_PAWS;
    }
    if (!is_in_window(half, seg)) {
        if ((seg->flags & RN_TCP_RST) != 0)
            return RN_DROP_TCP_RST_BLIND;
        challenge(half);
        return RN_DROP_TCP_UNACCEPTABLE;
    }
    if ((seg->flags & RN_TCP_RST) != 0)
        return on_reset(half, seg);
    if ((seg->flags & RN_TCP_SYN) != 0) {
        challenge(half);
        return RN_DROP_TCP_UNACCEPTABLE;
    }
    if ((seg->flags & RN_TCP_ACK) == 0)
        return RN_DROP_TCP_BAD_ACK;
    if (!rn_seq_eq(seg->ack, rn_seq_add(half->iss, 1)))
        return on_wrong_ack(half, seg);
    return on_handshake_done(half, seg);
}

/* RFC 5461 §4.1: nobody waits for it, so even an error that may pass ends it. */
void rn_tcp_half_error(struct rn_demux_node *node, rn_seq seq)
{
    struct rn_tcp_half *half = rn_container_of(node, struct rn_tcp_half, demux);

    if (rn_seq_eq(seq, half->iss))
        give_up(half);
}

void rn_tcp_half_in(struct rn_demux_node *node, struct rn_tcp_seg *seg)
{
    struct rn_tcp_half *half = rn_container_of(node, struct rn_tcp_half, demux);
    enum rn_drop why = half_step(half, seg);

    if (seg->pkt == NULL)
        return;
    if (why == RN_DROP_CONSUMED)
        rn_pkt_free(seg->pkt);
    else
        rn_pkt_drop(seg->pkt, why);
}
