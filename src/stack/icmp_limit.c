#include "stack/icmp_limit.h"

#include "base/bytes.h"

void rn_icmp_limit_init(struct rn_icmp_limit *l, uint64_t rate_per_s, uint64_t burst,
                        int64_t now_ns)
{
    rn_bucket_init(&l->all, rate_per_s, burst, now_ns);
    for (unsigned i = 0; i < RN_ICMP_LIMIT_DSTS; i++)
        rn_bucket_init(&l->by_dst[i], rate_per_s / 2,
                       (burst + RN_ICMP_LIMIT_DST_PART - 1) / RN_ICMP_LIMIT_DST_PART, now_ns);
}

bool rn_icmp_limit_take(struct rn_icmp_limit *l, struct rn_rand *rand, struct rn_addr dst,
                        int64_t now_ns)
{
    uint64_t slot = rn_siphash13_words(&l->key, dst.w, RN_ARRAY_LEN(dst.w)) % RN_ICMP_LIMIT_DSTS;

    return rn_bucket_take(&l->by_dst[slot], 1, now_ns) &&
           rn_bucket_take(&l->all, 1 + rn_rand_below(rand, 4), now_ns);
}
