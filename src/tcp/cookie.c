#include "tcp/accecn.h"
#include "tcp/life.h"
#include "tcp/listen.h"
#include "tcp/reorder.h"

/*
 * SYN cookies (Bernstein 1996; RFC 4987 §3.6). The ISN is h(tuple) + peer's ISN + period << 24 + (h(tuple, period) +
 * MSS index) mod 2^24, so that an answer within two periods of 64 s proves the peer has seen it. What MSS alone leaves
 * out travels in the lowest bits of our timestamp, if the peer has timestamps.
 */

#define PERIOD_S     64
#define MAX_AGE      2u
#define HASH_BITS    24u
#define HASH_MASK    ((1u << HASH_BITS) - 1)
#define TS_BITS      6u /* 4 window scale (15: none), 1 SACK, 1 ECN */
#define TS_NO_WSCALE 15u
#define TS_SACK      (1u << 4)
#define TS_ECN       (1u << 5)

static const uint16_t mss_table[] = { 536, 1220, 1300, 1440, 1460, 4312, 8960, 65495 };

struct material {
    struct rn_demux_key key;
    uint32_t period;
    uint32_t which;
};

static uint32_t hash(const struct rn_stack *stack, const struct rn_tcp_syn *syn, uint32_t period,
                     uint32_t which)
{
    struct material m = { .key = rn_tcp_key_of(&syn->local, &syn->remote),
                          .period = period,
                          .which = which };

    return (uint32_t)rn_siphash24(&stack->secrets.cookie, &m, sizeof(m));
}

static uint32_t period_now(const struct rn_stack *stack)
{
    return (uint32_t)(rn_stack_now_ns(stack) / (PERIOD_S * RN_NS_PER_S));
}

static uint32_t mss_index(uint16_t mss)
{
    uint32_t i = RN_ARRAY_LEN(mss_table) - 1;

    while (i > 0 && mss_table[i] > mss)
        i--;
    return i;
}

static uint32_t encode_ts(const struct rn_stack *stack, const struct rn_tcp_syn *syn)
{
    struct rn_demux_key key = rn_tcp_key_of(&syn->local, &syn->remote);
    uint32_t now = rn_tcp_clock_ms(stack) + rn_tcp_ts_offset(stack, &key);
    uint32_t bits = syn->opts.has_wscale ? syn->opts.wscale : TS_NO_WSCALE;
    uint32_t ts;

    if (syn->opts.sack_ok)
        bits |= TS_SACK;
    if ((syn->flags & RN_TCP_ECE) != 0 && (syn->flags & RN_TCP_AE) == 0)
        bits |= TS_ECN;
    ts = (now & ~((1u << TS_BITS) - 1)) | bits;
    /* A later segment must not carry an earlier time. */
    return ts > now ? ts - (1u << TS_BITS) : ts;
}

static void decode_ts(struct rn_tcp_syn *syn, const struct rn_tcp_opts *opts)
{
    uint32_t bits = opts->ts_ecr & ((1u << TS_BITS) - 1);
    uint32_t wscale = bits & 15;

    syn->opts.has_ts = true;
    syn->opts.ts_val = opts->ts_val;
    syn->opts.has_wscale = wscale != TS_NO_WSCALE;
    syn->opts.wscale = syn->opts.has_wscale ? (uint8_t)wscale : 0;
    syn->opts.sack_ok = (bits & TS_SACK) != 0;
    if ((bits & TS_ECN) != 0)
        syn->flags = RN_TCP_SYN | RN_TCP_ECE | RN_TCP_CWR;
}

static rn_seq make_isn(const struct rn_stack *stack, const struct rn_tcp_syn *syn)
{
    uint32_t period = period_now(stack);
    uint32_t mss = syn->opts.has_mss ? syn->opts.mss : mss_table[0];
    uint32_t low = (hash(stack, syn, period, 1) + mss_index(rn_sat_u16(mss))) & HASH_MASK;

    return rn_seq_of(hash(stack, syn, 0, 0) + syn->seq.v + (period << HASH_BITS) + low);
}

/* What the ACK will not bring back must not be agreed on. */
static void forget_what_is_not_kept(struct rn_tcp_syn *syn)
{
    if (syn->opts.has_ts)
        return;
    syn->opts.sack_ok = false;
    syn->opts.has_wscale = false;
    if ((syn->flags & RN_TCP_AE) == 0)
        syn->flags = RN_TCP_SYN;
}

void rn_tcp_cookie_send(struct rn_tcp *listener, const struct rn_tcp_syn *syn)
{
    struct rn_stack *stack = listener->sock.stack;
    struct rn_tcp_syn kept = *syn;
    struct rn_tcp_syn_ack answer = {
        .isn = make_isn(stack, syn),
        .window = rn_tcp_rcv_first_window(listener),
        .wscale = rn_tcp_tune_wscale(listener),
    };

    if (syn->opts.has_ts) {
        answer.opts.has_ts = true;
        answer.opts.ts_val = encode_ts(stack, syn);
        answer.opts.ts_ecr = syn->opts.ts_val;
    }
    forget_what_is_not_kept(&kept);
    listener->listen->cookie_used_ns = rn_stack_now_ns(stack);
    stack->stats.tcp_cookies_sent++;
    rn_tcp_send_syn_ack(listener, &kept, &answer);
}

static bool were_cookies_sent(const struct rn_tcp *listener)
{
    int64_t age_ns = rn_tcp_now_ns(listener) - listener->listen->cookie_used_ns;

    return listener->listen->cookie_used_ns != 0 &&
           age_ns <= (int64_t)MAX_AGE * PERIOD_S * RN_NS_PER_S;
}

/* The MSS index, or the table's length when @cookie is none of ours. */
static uint32_t decode_isn(const struct rn_stack *stack, const struct rn_tcp_syn *syn,
                           uint32_t cookie)
{
    uint32_t rest = cookie - hash(stack, syn, 0, 0) - syn->seq.v;
    uint32_t now = period_now(stack);
    uint32_t age = (now - (rest >> HASH_BITS)) & 0xff;
    uint32_t index;

    if (age >= MAX_AGE)
        return RN_ARRAY_LEN(mss_table);
    index = (rest - hash(stack, syn, now - age, 1)) & HASH_MASK;
    return rn_min_u32(index, RN_ARRAY_LEN(mss_table));
}

/* RFC 9768 §5.1: only who asked for AccECN, and was granted it, says such a number in his ACK. */
static uint16_t flags_told_by(const struct rn_tcp *listener, const struct rn_tcp_seg *seg)
{
    bool is_accurate = (listener->cc.ecn & RN_TCP_ECN_ACCURATE_IN) != 0 &&
                       (seg->flags & (RN_TCP_AE | RN_TCP_CWR)) != 0;

    return is_accurate ? RN_TCP_AE | RN_TCP_CWR | RN_TCP_ECE : 0;
}

bool rn_tcp_cookie_check(struct rn_tcp *listener, struct rn_tcp_syn *syn,
                         const struct rn_tcp_seg *seg)
{
    struct rn_stack *stack = listener->sock.stack;
    rn_seq isn = rn_seq_sub(seg->ack, 1);
    uint32_t index;

    if ((seg->flags & RN_TCP_SYN) != 0 || !were_cookies_sent(listener))
        return false;
    syn->seq = rn_seq_sub(seg->seq, 1);
    index = decode_isn(stack, syn, isn.v);
    if (index >= RN_ARRAY_LEN(mss_table)) {
        stack->stats.tcp_cookies_failed++;
        return false;
    }
    syn->opts = (struct rn_tcp_opts){ .has_mss = true, .mss = mss_table[index] };
    syn->flags = (uint16_t)(RN_TCP_SYN | flags_told_by(listener, seg));
    if (seg->opts.has_ts &&
        (listener->flags & RN_TCPF_TS) != 0) /* our echoed value tells the rest */
        decode_ts(syn, &seg->opts);
    syn->has_isn = true;
    syn->isn = isn;
    return true;
}
