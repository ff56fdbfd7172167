#pragma once
/*
 * How many ICMP errors may leave: a bucket per destination first, then one for all (RFC 4443 §2.4 f; the order keeps one
 * victim of a spoofed flood from using up everybody's share). Destinations share buckets by keyed hash.
 *
 * What is left in the bucket for all can be seen by whoever makes us answer, and so tells him whether probes he sent in
 * another's name were answered: which ports are open to that one (SAD DNS, CVE-2020-25705). So a destination's burst is a
 * small part of it, and what an error takes from it is one to four tokens, by chance.
 */
#include "base/bucket.h"
#include "base/hashkey.h"
#include "base/rand.h"
#include <runnel/addr.h>

#define RN_ICMP_LIMIT_DSTS 64u
/* Of the burst, what one destination may have at once. */
#define RN_ICMP_LIMIT_DST_PART 16u

struct rn_icmp_limit {
    struct rn_bucket all;
    struct rn_bucket by_dst[RN_ICMP_LIMIT_DSTS];
    struct rn_hash_key key;
};

void rn_icmp_limit_init(struct rn_icmp_limit *l, uint64_t rate_per_s, uint64_t burst,
                        int64_t now_ns);
/* Takes one error to @dst, if it may be sent. */
bool rn_icmp_limit_take(struct rn_icmp_limit *l, struct rn_rand *rand, struct rn_addr dst,
                        int64_t now_ns);
