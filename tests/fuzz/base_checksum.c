/*
 * Every variant of the checksum against RFC 1071 word for word, and the sum of a packet cut into odd pieces against
 * that of its flat bytes. Input: two bytes of seed, one of cutting, the rest is summed.
 */
#include "base/checksum.h"
#include "base/pkt.h"
#include "fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint16_t by_definition(struct rn_view v, uint32_t seed)
{
    uint64_t sum = seed;

    for (size_t i = 0; i < v.len; i++)
        sum += i % 2 == 0 ? (uint64_t)v.ptr[i] << 8 : v.ptr[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void check_variants(struct rn_view v, uint32_t seed)
{
    const struct rn_checksum_ops *variants[8];
    unsigned n = rn_checksum_variants(variants, RN_ARRAY_LEN(variants));
    uint16_t want = by_definition(v, seed);
    uint8_t *copy = malloc(v.len + 1); /* no slack: a byte too many is caught */

    rn_assert(copy != NULL);
    for (unsigned i = 0; i < n; i++) {
        rn_assert(variants[i]->sum(v.ptr, v.len, seed) == want);
        rn_assert(variants[i]->copy(copy, v.ptr, v.len, seed) == want);
        rn_assert(v.len == 0 || memcmp(copy, v.ptr, v.len) == 0);
    }
    free(copy);
}

static struct rn_pkt *cut_pkt(struct rn_pool *pool, struct rn_view v, size_t piece)
{
    struct rn_pkt *pkt = rn_pkt_new(pool);

    rn_assert(pkt != NULL);
    while (v.len != 0) {
        size_t n = pkt->n_frags + 1u < RN_PKT_FRAGS_MAX ? rn_min_size(v.len, piece) : v.len;
        struct rn_buf *buf = rn_buf_lend(pool, v.ptr, n, NULL, NULL);

        rn_assert(buf != NULL && rn_pkt_append_ref(pkt, buf, 0, (uint32_t)n));
        rn_buf_unref(buf);
        v = rn_view_of(v.ptr + n, v.len - n);
    }
    return pkt;
}

static void check_pkt(struct rn_view v, uint32_t seed, size_t piece)
{
    struct rn_pool *pool;
    struct rn_pkt *pkt;

    rn_assert(rn_pool_new(&pool, &fuzz_heap, NULL) == 0);
    pkt = cut_pkt(pool, v, piece);
    rn_assert(rn_pkt_checksum(pkt, 0, pkt->len, seed) == by_definition(v, seed));
    rn_pkt_free(pkt);
    (void)rn_pool_free(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_reader r = rn_reader_of(rn_view_of(data, size));
    uint32_t seed = rn_read_be16(&r) * 65537u;
    size_t piece = rn_read_u8(&r) + 1u;

    if (r.short_read)
        return 0;
    check_variants(r.rest, seed);
    check_pkt(r.rest, seed, piece);
    return 0;
}
