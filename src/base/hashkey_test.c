#include "base/hashkey.h"
#include "test_alloc.h"

#include <runnel/addr.h>

static struct rn_hash_key reference_key(void)
{
    uint8_t bytes[16];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    return rn_hash_key_of(bytes);
}

/* The vectors of the paper: key 00..0f, message 00 01 02 ... */
static void test_siphash_2_4_gives_the_reference_values(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        { 0, 0x726fdb47dd0e0e31u }, { 1, 0x74f839c593dc67fdu },  { 7, 0xab0200f58b01d137u },
        { 8, 0x93f5f5799a932462u }, { 15, 0xa129ca6149be45e5u }, { 63, 0x958a324ceb064572u },
    };
    struct rn_hash_key key = reference_key();
    uint8_t message[64];

    (void)state;
    for (unsigned i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++)
        assert_true(rn_siphash24(&key, message, cases[i].len) == cases[i].hash);
}

static void test_siphash_1_3_over_words_is_that_over_their_bytes(void **state)
{
    static const struct {
        size_t n_words;
        uint64_t hash;
    } cases[] = {
        { 0, 0xabac0158050fc4dcu },
        { 1, 0x369095118d299a8eu },
        { 5, 0xc1d2363299e41531u },
        { 7, 0xb4bcc0db243c6d75u },
    };
    struct rn_hash_key key = reference_key();
    uint64_t words[7];

    (void)state;
    for (unsigned i = 0; i < RN_ARRAY_LEN(words); i++) {
        uint8_t bytes[8];

        for (unsigned j = 0; j < 8; j++)
            bytes[j] = (uint8_t)(8 * i + j);
        words[i] = rn_get_le64(bytes);
    }
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++)
        assert_true(rn_siphash13_words(&key, words, cases[i].n_words) == cases[i].hash);
}

static void test_three_words_hash_as_words_do(void **state)
{
    struct rn_hash_key key = reference_key();
    uint64_t words[] = { 1, UINT64_MAX, 0x0706050403020100u };

    (void)state;
    assert_true(rn_siphash13_three(&key, words[0], words[1], words[2]) ==
                rn_siphash13_words(&key, words, RN_ARRAY_LEN(words)));
}

static void test_another_key_gives_another_hash(void **state)
{
    struct rn_hash_key key = reference_key();
    struct rn_hash_key other = { key.k0, key.k1 ^ 1 };
    uint64_t word = 7;

    (void)state;
    assert_true(rn_siphash24(&key, "x", 1) != rn_siphash24(&other, "x", 1));
    assert_true(rn_siphash13_words(&key, &word, 1) != rn_siphash13_words(&other, &word, 1));
}

/* As a table of 16 buckets sees the addresses that owners give: one after another. */
static void test_mix_spreads_what_counts_up(void **state)
{
    unsigned in_bucket[16] = { 0 };

    (void)state;
    for (uint32_t i = 0; i < 160; i++) {
        struct rn_addr addr = rn_addr_v4(0x0a000001 + i);

        in_bucket[rn_mix_words(addr.w, RN_ARRAY_LEN(addr.w)) % 16]++;
    }
    for (unsigned i = 0; i < RN_ARRAY_LEN(in_bucket); i++)
        assert_in_range(in_bucket[i], 3, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_2_4_gives_the_reference_values),
        cmocka_unit_test(test_siphash_1_3_over_words_is_that_over_their_bytes),
        cmocka_unit_test(test_three_words_hash_as_words_do),
        cmocka_unit_test(test_another_key_gives_another_hash),
        cmocka_unit_test(test_mix_spreads_what_counts_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
