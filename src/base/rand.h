#pragma once
/* Seeded generator (xoshiro256**): same seed, same stream. Not for secrets: those come from the stack's entropy. */
#include <stdint.h>

struct rn_rand {
    uint64_t s[4];
};

void rn_rand_init(struct rn_rand *r, const uint8_t seed[16]);
void rn_rand_init_u64(struct rn_rand *r, uint64_t seed);
uint64_t rn_rand_u64(struct rn_rand *r);
static inline uint32_t rn_rand_u32(struct rn_rand *r)
{
    return (uint32_t)(rn_rand_u64(r) >> 32);
}
/* Uniform in [0, n); 0 for n == 0. */
uint64_t rn_rand_below(struct rn_rand *r, uint64_t n);
void rn_rand_bytes(struct rn_rand *r, void *out, uint64_t len);
