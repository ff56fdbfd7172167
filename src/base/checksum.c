#include "base/checksum.h"

#include "base/bytes.h"

#include <runnel/attr.h>

/*
 * The sum is the same whichever way round the bytes of all words are read, but for a swap at the end (RFC 1071 §2.B),
 * and its words may be added in any order and width. So all variants add native 32-bit halves into 64-bit lanes,
 * which cannot overflow before 2^32 words, and differ only in the number of lanes.
 */
static uint16_t fold(uint64_t sum)
{
    uint32_t half;

    /* Both halves added to each other: the carry of the lower sum is in the upper one. */
    half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
    return (uint16_t)((half + (half << 16 | half >> 16)) >> 16);
}

/* Between the order of bytes in memory and that of a number; its own inverse. */
static uint16_t swap_native(uint16_t sum)
{
    uint8_t bytes[2];

    memcpy(bytes, &sum, sizeof(bytes));
    return rn_get_be16(bytes);
}

static uint64_t add_halves(uint64_t sum, const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return sum + (word >> 32) + (word & 0xffffffffu);
}

/* Fewer than 8 bytes; an odd one counts as if a zero followed. */
static uint64_t add_tail(uint64_t sum, const uint8_t *p, size_t len)
{
    uint32_t four;
    uint16_t two;

    if (len & 4) {
        memcpy(&four, p, sizeof(four));
        sum += four;
        p += 4;
    }
    if (len & 2) {
        memcpy(&two, p, sizeof(two));
        sum += two;
        p += 2;
    }
    if (len & 1)
        sum += swap_native((uint16_t)(*p << 8));
    return sum;
}

/* Native sum, not folded. */
static uint64_t add_bytes(uint64_t sum, const uint8_t *p, size_t len)
{
    uint64_t odd = 0; /* two chains of additions run side by side */

    for (; len >= 16; p += 16, len -= 16) {
        sum = add_halves(sum, p);
        odd = add_halves(odd, p + 8);
    }
    sum += odd;
    if (len >= 8) {
        sum = add_halves(sum, p);
        p += 8;
        len -= 8;
    }
    return add_tail(sum, p, len);
}

/* @sum joins in the order of memory, where which half of a word it is in does not matter: one fold does for both. */
static uint16_t finish(uint64_t native, uint32_t sum)
{
    uint8_t bytes[4];
    uint32_t seed;

    rn_put_be32(bytes, sum);
    memcpy(&seed, bytes, sizeof(seed));
    return swap_native(fold(native + seed));
}

static uint16_t sum_portable(const void *bytes, size_t len, uint32_t sum)
{
    return finish(add_bytes(0, bytes, len), sum);
}

static uint16_t copy_portable(void *to, const void *from, size_t len, uint32_t sum)
{
    if (len != 0)
        memcpy(to, from, len);
    return sum_portable(to, len, sum);
}

static const struct rn_checksum_ops portable = { "portable", sum_portable, copy_portable };

#if defined(__x86_64__)

#include <immintrin.h>

#define BLOCK_BYTES 64u
#define ALWAYS      inline __attribute__((always_inline))
#define AVX2        __attribute__((target("avx2")))
#define AVX512      __attribute__((target("avx512f,avx512bw,bmi2")))

/*
 * .words adds 64-bit words and lets carries go; .highs adds their upper halves, which do not overflow. What the lower
 * halves add up to is then the difference of both: a mask less for each word than adding the halves apart.
 */
struct sums128 {
    __m128i words;
    __m128i highs;
};

static ALWAYS void add128(struct sums128 *sums, __m128i v)
{
    sums->words = _mm_add_epi64(sums->words, v);
    sums->highs = _mm_add_epi64(sums->highs, _mm_srli_epi64(v, 32));
}

static ALWAYS uint64_t total128(struct sums128 a, struct sums128 b)
{
    __m128i highs = _mm_add_epi64(a.highs, b.highs);
    __m128i words = _mm_add_epi64(a.words, b.words);
    __m128i lows = _mm_sub_epi64(words, _mm_slli_epi64(highs, 32));
    uint64_t lanes[2];

    _mm_storeu_si128((void *)lanes, _mm_add_epi64(lows, highs));
    return lanes[0] + lanes[1];
}

/* Sums, and copies unless @to is NULL, the @len bytes of whole blocks. */
static ALWAYS uint64_t blocks_sse2(uint8_t *to, const uint8_t *from, size_t len)
{
    struct sums128 even = { _mm_setzero_si128(), _mm_setzero_si128() };
    struct sums128 odd = even;

    for (size_t off = 0; off < len; off += 32) {
        __m128i v = _mm_loadu_si128((const void *)(from + off));
        __m128i w = _mm_loadu_si128((const void *)(from + off + 16));

        if (to != NULL) {
            _mm_storeu_si128((void *)(to + off), v);
            _mm_storeu_si128((void *)(to + off + 16), w);
        }
        add128(&even, v);
        add128(&odd, w);
    }
    return total128(even, odd);
}

struct sums256 {
    __m256i words;
    __m256i highs;
};

static ALWAYS AVX2 void add256(struct sums256 *sums, __m256i v)
{
    sums->words = _mm256_add_epi64(sums->words, v);
    sums->highs = _mm256_add_epi64(sums->highs, _mm256_srli_epi64(v, 32));
}

static ALWAYS AVX2 uint64_t total256(struct sums256 a, struct sums256 b)
{
    __m256i highs = _mm256_add_epi64(a.highs, b.highs);
    __m256i words = _mm256_add_epi64(a.words, b.words);
    __m256i lows = _mm256_sub_epi64(words, _mm256_slli_epi64(highs, 32));
    uint64_t lanes[4];

    _mm256_storeu_si256((void *)lanes, _mm256_add_epi64(lows, highs));
    return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

static ALWAYS AVX2 uint64_t blocks_avx2(uint8_t *to, const uint8_t *from, size_t len)
{
    struct sums256 even = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    struct sums256 odd = even;

    for (size_t off = 0; off < len; off += BLOCK_BYTES) {
        __m256i v = _mm256_loadu_si256((const void *)(from + off));
        __m256i w = _mm256_loadu_si256((const void *)(from + off + 32));

        if (to != NULL) {
            _mm256_storeu_si256((void *)(to + off), v);
            _mm256_storeu_si256((void *)(to + off + 32), w);
        }
        add256(&even, v);
        add256(&odd, w);
    }
    return total256(even, odd);
}

static uint16_t sum_sse2(const void *bytes, size_t len, uint32_t sum)
{
    const uint8_t *p = bytes;
    size_t whole = len - len % BLOCK_BYTES;

    return finish(add_bytes(blocks_sse2(NULL, p, whole), p + whole, len - whole), sum);
}

static uint16_t copy_sse2(void *to, const void *from, size_t len, uint32_t sum)
{
    uint8_t *q = to;
    const uint8_t *p = from;
    size_t whole = len - len % BLOCK_BYTES;
    uint64_t native = blocks_sse2(q, p, whole);

    if (len != whole)
        memcpy(q + whole, p + whole, len - whole);
    return finish(add_bytes(native, p + whole, len - whole), sum);
}

static AVX2 uint16_t sum_avx2(const void *bytes, size_t len, uint32_t sum)
{
    const uint8_t *p = bytes;
    size_t whole = len - len % BLOCK_BYTES;

    return finish(add_bytes(blocks_avx2(NULL, p, whole), p + whole, len - whole), sum);
}

static AVX2 uint16_t copy_avx2(void *to, const void *from, size_t len, uint32_t sum)
{
    uint8_t *q = to;
    const uint8_t *p = from;
    size_t whole = len - len % BLOCK_BYTES;
    uint64_t native = blocks_avx2(q, p, whole);

    if (len != whole)
        memcpy(q + whole, p + whole, len - whole);
    return finish(add_bytes(native, p + whole, len - whole), sum);
}

struct sums512 {
    __m512i words;
    __m512i highs;
};

static ALWAYS AVX512 void add512(struct sums512 *sums, __m512i v)
{
    sums->words = _mm512_add_epi64(sums->words, v);
    sums->highs = _mm512_add_epi64(sums->highs, _mm512_srli_epi64(v, 32));
}

static ALWAYS AVX512 uint64_t total512(struct sums512 a, struct sums512 b)
{
    __m512i highs = _mm512_add_epi64(a.highs, b.highs);
    __m512i words = _mm512_add_epi64(a.words, b.words);
    __m512i lows = _mm512_sub_epi64(words, _mm512_slli_epi64(highs, 32));

    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(lows, highs));
}

/* The first @n bytes of a block, the rest as zero; bytes that are masked out are not touched. */
static ALWAYS AVX512 __m512i load_first(const uint8_t *p, size_t n)
{
    return _mm512_maskz_loadu_epi8(_bzhi_u64(UINT64_MAX, (unsigned)n), p);
}

/*
 * From the block on in which the bytes begin: every load lies in one line of the cache, twice as fast as across two.
 * At an odd address that puts all bytes into the other halves of their words, to be swapped at the end.
 */
static AVX512 uint16_t sum_avx512(const void *bytes, size_t len, uint32_t sum)
{
    size_t lead = (uintptr_t)bytes % BLOCK_BYTES;
    const uint8_t *p = (const uint8_t *)bytes - lead;
    size_t first = rn_min_size(len, BLOCK_BYTES - lead);
    __mmask64 mask = _bzhi_u64(UINT64_MAX, (unsigned)first) << lead;
    struct sums512 even = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    struct sums512 odd = even;
    uint64_t native;

    add512(&even, _mm512_maskz_loadu_epi8(mask, p));
    p += BLOCK_BYTES;
    for (len -= first; len >= 2 * BLOCK_BYTES; len -= 2 * BLOCK_BYTES) {
        add512(&even, _mm512_load_si512(p));
        add512(&odd, _mm512_load_si512(p + BLOCK_BYTES));
        p += 2 * BLOCK_BYTES;
    }
    add512(&even, load_first(p, len));
    if (len > BLOCK_BYTES)
        add512(&odd, load_first(p + BLOCK_BYTES, len - BLOCK_BYTES));
    native = total512(even, odd);
    return finish((lead & 1) != 0 ? __builtin_bswap16(fold(native)) : native, sum);
}

static const struct rn_checksum_ops sse2 = { "sse2", sum_sse2, copy_sse2 };
static const struct rn_checksum_ops avx2 = { "avx2", sum_avx2, copy_avx2 };
static const struct rn_checksum_ops avx512 = { "avx512", sum_avx512, copy_avx2 };

/* One load and one test of what libgcc found at start: no state of our own, and cheaper than a call through a pointer
 * somebody would have to hand down. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

/* VBMI2 is not used: who has it (Ice Lake, Zen 4) does not slow down its clock for wide registers, as some before did. */
static bool has_fast_avx512(void)
{
    return __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("bmi2");
}

static const struct rn_checksum_ops *best(void)
{
    if (has_fast_avx512())
        return &avx512;
    return has_avx2() ? &avx2 : &sse2;
}

unsigned rn_checksum_variants(const struct rn_checksum_ops **ret, unsigned max)
{
    const struct rn_checksum_ops *all[] = { &portable, &sse2, &avx2, &avx512 };
    unsigned n = has_avx2() ? 3 : 2;

    n = rn_min_u32(max, has_fast_avx512() ? 4 : n);
    memcpy(ret, all, n * sizeof(all[0]));
    return n;
}

#else

#define BLOCK_BYTES 64u

static const struct rn_checksum_ops *best(void)
{
    return &portable;
}

unsigned rn_checksum_variants(const struct rn_checksum_ops **ret, unsigned max)
{
    if (max == 0)
        return 0;
    ret[0] = &portable;
    return 1;
}

#endif

uint16_t rn_checksum(const void *bytes, size_t len, uint32_t sum)
{
    if (len < BLOCK_BYTES) /* headers */
        return sum_portable(bytes, len, sum);
    return best()->sum(bytes, len, sum);
}

uint16_t rn_checksum_copy(void *to, const void *from, size_t len, uint32_t sum)
{
    return best()->copy(to, from, len, sum);
}

uint16_t rn_checksum_add(uint16_t a, uint16_t b, int b_at_odd_offset)
{
    uint32_t addend = b_at_odd_offset ? __builtin_bswap16(b) : b;

    return fold((uint64_t)a + addend);
}

uint16_t rn_checksum_pseudo(struct rn_addr src, struct rn_addr dst, uint8_t proto, uint32_t len)
{
    uint64_t sum = (uint64_t)proto + len;
    uint64_t native = 0;

    if (rn_addr_is_v4(dst))
        return fold(sum + rn_addr_to_v4(src) + rn_addr_to_v4(dst));
    native = add_halves(add_halves(native, src.b), src.b + 8);
    native = add_halves(add_halves(native, dst.b), dst.b + 8);
    return fold(sum + swap_native(fold(native)));
}

/* HC' = ~(~HC + ~m + m'), eqn. 3; eqn. 2 of RFC 1141 could turn a sum of 0xffff into 0. */
uint16_t rn_checksum_update16(uint16_t field, uint16_t old_word, uint16_t new_word)
{
    return (uint16_t)~fold((uint64_t)(uint16_t)~field + (uint16_t)~old_word + new_word);
}
