#include "base/rand.h"

#include "base/bytes.h"

static uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

/* SplitMix64 (Steele, Lea, Flood 2014): spreads a seed; never yields the all-zero state xoshiro would stay in. */
static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void rn_rand_init(struct rn_rand *r, const uint8_t seed[16])
{
    uint64_t a = rn_get_be64(seed);
    uint64_t b = rn_get_be64(seed + 8);

    r->s[0] = splitmix(&a);
    r->s[1] = splitmix(&a);
    r->s[2] = splitmix(&b);
    r->s[3] = splitmix(&b);
}

void rn_rand_init_u64(struct rn_rand *r, uint64_t seed)
{
    uint8_t bytes[16] = { 0 };

    rn_put_be64(bytes, seed);
    rn_rand_init(r, bytes);
}

/* xoshiro256** 1.0 (Blackman, Vigna 2018). */
uint64_t rn_rand_u64(struct rn_rand *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t rn_rand_below(struct rn_rand *r, uint64_t n)
{
    uint64_t reject_below;
    uint64_t v;

    if (n == 0)
        return 0;
    reject_below = (0 - n) % n; /* 2^64 mod n: what would make small results likelier */
    do {
        v = rn_rand_u64(r);
    } while (v < reject_below);
    return v % n;
}

void rn_rand_bytes(struct rn_rand *r, void *out, uint64_t len)
{
    uint8_t *to = out;
    uint8_t word[8];

    while (len != 0) {
        size_t n = rn_min_size(len, sizeof(word));

        rn_put_be64(word, rn_rand_u64(r));
        memcpy(to, word, n);
        to += n;
        len -= n;
    }
}
