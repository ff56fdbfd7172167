#pragma once
/* SipHash-2-4 (Aumasson, Bernstein 2012) and the 1-3 variant, keyed per stack: hash tables that a peer cannot
 * aim at, ISNs (RFC 6528), timestamp offsets, SYN cookies, source ports (RFC 6056). */
#include <stddef.h>
#include <stdint.h>

struct rn_hash_key {
    uint64_t k0;
    uint64_t k1;
};

struct rn_hash_key rn_hash_key_of(const uint8_t bytes[16]);
/* SipHash-2-4 over any bytes; for secrets on the wire. */
uint64_t rn_siphash24(const struct rn_hash_key *key, const void *bytes, size_t len);
/* SipHash-1-3 over @n_words 64-bit words; for tables (demux keys are 5 words). */
uint64_t rn_siphash13_words(const struct rn_hash_key *key, const uint64_t *words, size_t n_words);
/* The same of three words. */
uint64_t rn_siphash13_three(const struct rn_hash_key *key, uint64_t a, uint64_t b, uint64_t c);

/* Good distribution, no secrecy, a few instructions: for tables that only the owner of the stack fills (its addresses,
 * its routes). What a peer makes us look up there cannot make a chain longer. */
static inline uint32_t rn_mix_words(const uint64_t *words, size_t n_words)
{
    uint64_t h = n_words;

    for (size_t i = 0; i < n_words; i++) {
        h ^= words[i];
        h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u; /* 2^64 / the golden ratio */
    }
    return (uint32_t)(h >> 32);
}
