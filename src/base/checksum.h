#pragma once
/* The Internet checksum (RFC 1071), its incremental update (RFC 1624), SIMD variants chosen at start through a const
 * table. Sums are folded 16-bit values in host order, not complemented, unless a name says otherwise. */
#include <runnel/addr.h>
#include <stddef.h>
#include <stdint.h>

/* Folded sum over @len bytes, seeded with @sum (any 32-bit partial sum). Odd lengths are padded with zero. */
uint16_t rn_checksum(const void *bytes, size_t len, uint32_t sum);
/* Copies and sums in one pass. */
uint16_t rn_checksum_copy(void *to, const void *from, size_t len, uint32_t sum);
/* Adds two folded sums; @b is byte-swapped first when @b started at an odd offset. */
uint16_t rn_checksum_add(uint16_t a, uint16_t b, int b_at_odd_offset);
/* Pseudo-header of TCP, UDP (RFC 9293 §3.1) and ICMPv6 (RFC 8200 §8.1); family by the addresses. */
uint16_t rn_checksum_pseudo(struct rn_addr src, struct rn_addr dst, uint8_t proto, uint32_t len);
/* RFC 1624 eqn. 3: the checksum field (complemented) after a 16-bit word changed. */
uint16_t rn_checksum_update16(uint16_t field, uint16_t old_word, uint16_t new_word);

struct rn_checksum_ops {
    const char *name;
    uint16_t (*sum)(const void *bytes, size_t len, uint32_t sum);
    uint16_t (*copy)(void *to, const void *from, size_t len, uint32_t sum);
};

/* The portable twin and whatever this CPU can run; for tests that compare them. Returns their number. */
unsigned rn_checksum_variants(const struct rn_checksum_ops **ret, unsigned max);
