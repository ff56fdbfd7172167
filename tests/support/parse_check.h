#pragma once
/*
 * What every parser's test asks. Bytes are handed to the parser in allocations of exactly their length, so that the
 * sanitizers see a read of even one byte too many.
 */
#include "base/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Wraps the parser under test: its result, < 0 for refused. */
typedef int (*rn_test_parse_fn)(struct rn_view bytes);

static inline int rn_test_parse_exact(rn_test_parse_fn parse, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    int result;

    assert_non_null(copy);
    if (len != 0)
        memcpy(copy, bytes, len);
    result = parse(rn_view_of(len == 0 ? copy + 1 : copy, len));
    free(copy);
    return result;
}

/* The whole is taken, every shorter part is refused. */
static inline void rn_test_all_truncations_fail(rn_test_parse_fn parse, const uint8_t *bytes,
                                                size_t len)
{
    assert_true(rn_test_parse_exact(parse, bytes, len) >= 0);
    for (size_t n = 0; n < len; n++)
        assert_true(rn_test_parse_exact(parse, bytes, n) < 0);
}

/* splitmix64: the same bytes in every run. */
static inline uint64_t rn_test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

enum { RN_TEST_MUTATION_ROUNDS = 20000, RN_TEST_MUTATION_MAX_BYTES = 1024 };

/* Up to eight bytes changed and the end cut off at random: any result is right, any crash or stray read is not. */
static inline void rn_test_mutations_are_survived(rn_test_parse_fn parse, const uint8_t *bytes,
                                                  size_t len)
{
    static const uint8_t extremes[] = { 0, 1, 2, 0x7f, 0x80, 0xc0, 0xfe, 0xff };
    uint8_t mutant[RN_TEST_MUTATION_MAX_BYTES];
    uint64_t random = 4711;

    rn_assert(len != 0 && len <= sizeof(mutant));
    for (unsigned round = 0; round < RN_TEST_MUTATION_ROUNDS; round++) {
        unsigned n_changes = 1 + (unsigned)(rn_test_random(&random) % 8);

        memcpy(mutant, bytes, len);
        for (unsigned i = 0; i < n_changes; i++) {
            uint64_t dice = rn_test_random(&random);
            uint8_t byte = (uint8_t)(dice >> 8);

            mutant[(dice >> 32) % len] = (dice & 1) != 0 ? byte : extremes[byte % 8];
        }
        (void)rn_test_parse_exact(parse, mutant, 1 + rn_test_random(&random) % len);
    }
}

/* "45 00 0073" to bytes; returns their number. Blanks are passed over. */
static inline size_t rn_test_unhex(const char *text, uint8_t *out, size_t cap)
{
    size_t n_digits = 0;

    for (; *text != '\0'; text++) {
        int digit = *text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10;

        if (*text == ' ')
            continue;
        assert_in_range(digit, 0, 15);
        assert_true(n_digits / 2 < cap);
        if (n_digits % 2 == 0)
            out[n_digits / 2] = (uint8_t)(digit << 4);
        else
            out[n_digits / 2] |= (uint8_t)digit;
        n_digits++;
    }
    assert_int_equal(n_digits % 2, 0);
    return n_digits / 2;
}

static inline struct rn_addr rn_test_addr(const char *text)
{
    struct rn_addr addr;

    assert_int_equal(rn_addr_parse(text, &addr), 0);
    return addr;
}
