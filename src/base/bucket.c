#include "base/bucket.h"

#include "base/bytes.h"

#define SCALE_SHIFT 20

/* Fits: bursts and counts are capped so that neither they nor their scaled form overflow. */
#define TOKENS_MAX (UINT64_MAX >> SCALE_SHIFT)

static uint64_t scaled(uint64_t tokens)
{
    return rn_min_u64(tokens, TOKENS_MAX) << SCALE_SHIFT;
}

static uint64_t elapsed_ns(const struct rn_bucket *b, int64_t now_ns)
{
    return now_ns > b->updated_ns ? (uint64_t)now_ns - (uint64_t)b->updated_ns : 0;
}

/* Split at the second and at the ns, so that 64 bits do; saturating. */
static uint64_t earned_in(uint64_t ns, uint64_t rate_scaled)
{
    uint64_t per_s = RN_NS_PER_S;
    uint64_t whole;
    uint64_t rest = rate_scaled / per_s * (ns % per_s) + rate_scaled % per_s * (ns % per_s) / per_s;

    if (__builtin_mul_overflow(ns / per_s, rate_scaled, &whole) || whole > UINT64_MAX - rest)
        return UINT64_MAX;
    return whole + rest;
}

/* At least the time in which @missing is earned, too long by at most one ns; saturating. */
static uint64_t ns_to_earn(uint64_t missing, uint64_t rate_scaled)
{
    uint64_t per_s = RN_NS_PER_S;
    uint64_t rest = missing % rate_scaled;
    uint64_t whole;

    if (__builtin_mul_overflow(missing / rate_scaled, per_s, &whole))
        return UINT64_MAX;
    while (rate_scaled >= (uint64_t)1 << 33) { /* 33 bits are precise enough, and 10^9 has 30 */
        rate_scaled >>= 1;
        rest = (rest + 1) >> 1;
    }
    rest = (rest * per_s + rate_scaled - 1) / rate_scaled;
    return whole > UINT64_MAX - rest ? UINT64_MAX : whole + rest;
}

static uint64_t tokens_at(const struct rn_bucket *b, int64_t now_ns)
{
    uint64_t earned = earned_in(elapsed_ns(b, now_ns), scaled(b->rate_per_s));
    uint64_t full = scaled(b->burst);

    return earned >= full - b->tokens_scaled ? full : b->tokens_scaled + earned;
}

void rn_bucket_init(struct rn_bucket *b, uint64_t rate_per_s, uint64_t burst, int64_t now_ns)
{
    *b = (struct rn_bucket){ .updated_ns = now_ns,
                             .tokens_scaled = scaled(burst),
                             .rate_per_s = rate_per_s,
                             .burst = burst };
}

/* Only success moves the time on: asking in vain, however often, must not round the earnings away. */
bool rn_bucket_take(struct rn_bucket *b, uint64_t n, int64_t now_ns)
{
    uint64_t tokens;

    if (b->rate_per_s == 0)
        return true;
    tokens = tokens_at(b, now_ns);
    if (n > b->burst || scaled(n) > tokens)
        return false;
    b->tokens_scaled = tokens - scaled(n);
    b->updated_ns = rn_max_i64(b->updated_ns, now_ns);
    return true;
}

int64_t rn_bucket_ready_ns(const struct rn_bucket *b, uint64_t n, int64_t now_ns)
{
    uint64_t missing;
    uint64_t wait_ns;

    if (b->rate_per_s == 0 || (n <= b->burst && scaled(n) <= tokens_at(b, now_ns)))
        return now_ns;
    if (n > b->burst)
        return INT64_MAX;
    missing = scaled(n) - b->tokens_scaled;
    wait_ns = ns_to_earn(missing, scaled(b->rate_per_s));
    if (wait_ns > (uint64_t)INT64_MAX - (uint64_t)rn_max_i64(b->updated_ns, 0))
        return INT64_MAX;
    return rn_max_i64(now_ns, b->updated_ns + (int64_t)wait_ns);
}
