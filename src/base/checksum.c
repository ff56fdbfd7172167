#include "base/checksum.h"

#include "base/bytes.h"

static uint16_t fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffffu);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

static uint64_t sum_bytes(const uint8_t *p, size_t len)
{
    uint64_t sum = 0;

    for (; len >= 4; p += 4, len -= 4)
        sum += rn_get_be32(p);
    if (len >= 2) {
        sum += rn_get_be16(p);
        p += 2;
        len -= 2;
    }
    if (len != 0)
        sum += (uint64_t)*p << 8;
    return sum;
}

static uint16_t sum_portable(const void *bytes, size_t len, uint32_t sum)
{
    return fold(sum_bytes(bytes, len) + sum);
}

static uint16_t copy_portable(void *to, const void *from, size_t len, uint32_t sum)
{
    if (len != 0)
        memcpy(to, from, len);
    return sum_portable(to, len, sum);
}

static const struct rn_checksum_ops portable = { "portable", sum_portable, copy_portable };

uint16_t rn_checksum(const void *bytes, size_t len, uint32_t sum)
{
    return portable.sum(bytes, len, sum);
}

uint16_t rn_checksum_copy(void *to, const void *from, size_t len, uint32_t sum)
{
    return portable.copy(to, from, len, sum);
}

unsigned rn_checksum_variants(const struct rn_checksum_ops **ret, unsigned max)
{
    if (max == 0)
        return 0;
    ret[0] = &portable;
    return 1;
}

uint16_t rn_checksum_add(uint16_t a, uint16_t b, int b_at_odd_offset)
{
    uint32_t addend = b_at_odd_offset ? __builtin_bswap16(b) : b;

    return fold(a + addend);
}

uint16_t rn_checksum_pseudo(struct rn_addr src, struct rn_addr dst, uint8_t proto, uint32_t len)
{
    uint64_t sum = (uint64_t)proto + len;

    if (rn_addr_is_v4(dst))
        return fold(sum + rn_addr_to_v4(src) + rn_addr_to_v4(dst));
    sum += sum_bytes(src.b, sizeof(src.b));
    sum += sum_bytes(dst.b, sizeof(dst.b));
    return fold(sum);
}

uint16_t rn_checksum_update16(uint16_t field, uint16_t old_word, uint16_t new_word)
{
    /* HC' = ~(~HC + ~m + m'): eqn. 3; eqn. 2 could turn a sum of 0xffff into 0. */
    return (uint16_t)~fold((uint64_t)(uint16_t)~field + (uint16_t)~old_word + new_word);
}

uint16_t rn_checksum_update32(uint16_t field, uint32_t old_word, uint32_t new_word)
{
    return (uint16_t)~fold((uint64_t)(uint16_t)~field + (uint32_t)~old_word + new_word);
}
