#include "base/hashkey.h"

#include "base/bytes.h"

struct sip {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
};

static inline uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static inline struct sip sip_begin(const struct rn_hash_key *key)
{
    return (struct sip){ key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du,
                         key->k0 ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u };
}

static inline void absorb1(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static inline void absorb2(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t sip_end(struct sip *s)
{
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct rn_hash_key rn_hash_key_of(const uint8_t bytes[16])
{
    return (struct rn_hash_key){ rn_get_le64(bytes), rn_get_le64(bytes + 8) };
}

/* The bytes beyond the last whole word, and the length modulo 256 on top. */
static uint64_t last_word(const uint8_t *tail, size_t len)
{
    uint64_t word = (uint64_t)len << 56;

    for (size_t i = 0; i < len % 8; i++)
        word |= (uint64_t)tail[i] << (8 * i);
    return word;
}

uint64_t rn_siphash24(const struct rn_hash_key *key, const void *bytes, size_t len)
{
    struct sip s = sip_begin(key);
    const uint8_t *p = bytes;
    size_t n_words = len / 8;

    for (size_t i = 0; i < n_words; i++)
        absorb2(&s, rn_get_le64(p + 8 * i));
    absorb2(&s, last_word(p + 8 * n_words, len));
    s.v2 ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        sip_round(&s);
    return sip_end(&s);
}

static uint64_t sip_end3(struct sip *s)
{
    s->v2 ^= 0xff;
    sip_round(s);
    sip_round(s);
    sip_round(s);
    return sip_end(s);
}

uint64_t rn_siphash13_three(const struct rn_hash_key *key, uint64_t a, uint64_t b, uint64_t c)
{
    struct sip s = sip_begin(key);

    absorb1(&s, a);
    absorb1(&s, b);
    absorb1(&s, c);
    absorb1(&s, (uint64_t)3 << 59);
    return sip_end3(&s);
}

uint64_t rn_siphash13_words(const struct rn_hash_key *key, const uint64_t *words, size_t n_words)
{
    struct sip s = sip_begin(key);

    for (size_t i = 0; i < n_words; i++)
        absorb1(&s, words[i]);
    absorb1(&s, (uint64_t)n_words << 59); /* the length in bytes, modulo 256, on top */
    return sip_end3(&s);
}
