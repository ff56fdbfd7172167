#include "base/checksum.h"
#include "base/rand.h"
#include "test_alloc.h"

#define BYTES_MAX 70000u

static uint8_t bytes[BYTES_MAX + 64];
static uint8_t copied[BYTES_MAX + 64];

static void fill_random(uint64_t seed)
{
    struct rn_rand rand;

    rn_rand_init_u64(&rand, seed);
    rn_rand_bytes(&rand, bytes, sizeof(bytes));
}

/* RFC 1071 §4.1, word for word. */
static uint16_t by_definition(const uint8_t *p, size_t len, uint32_t seed)
{
    uint64_t sum = seed;

    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    if (len % 2 != 0)
        sum += (uint32_t)p[len - 1] << 8;
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void test_the_example_of_rfc_1071(void **state)
{
    static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

    (void)state;
    assert_int_equal(rn_checksum(example, sizeof(example), 0), 0xddf2);
    assert_int_equal(rn_checksum(NULL, 0, 0), 0);
    assert_int_equal(rn_checksum(NULL, 0, 0x12345), 0x2346);
}

static void check_variant(const struct rn_checksum_ops *ops, const uint8_t *from, size_t len)
{
    uint32_t seed = (uint32_t)len * 2654435761u;
    uint16_t want = by_definition(from, len, seed);

    assert_int_equal(ops->sum(from, len, seed), want);
    memset(copied, 0xaa, len + 32);
    assert_int_equal(ops->copy(copied + 1, from, len, seed), want);
    assert_memory_equal(copied + 1, from, len);
    assert_int_equal(copied[0], 0xaa);
    assert_int_equal(copied[len + 1], 0xaa);
}

static void test_every_variant_agrees_with_the_definition(void **state)
{
    const struct rn_checksum_ops *variants[8];
    unsigned n = rn_checksum_variants(variants, RN_ARRAY_LEN(variants));

    (void)state;
    fill_random(1);
    assert_true(n >= 1);
    for (unsigned i = 0; i < n; i++) {
        for (size_t len = 0; len < 400; len++)
            check_variant(variants[i], bytes + len % 17, len);
        for (size_t len = 1400; len < BYTES_MAX; len += 4099)
            check_variant(variants[i], bytes + len % 7, len);
    }
    for (size_t len = 0; len < 400; len++) {
        assert_int_equal(rn_checksum(bytes + 3, len, 5), by_definition(bytes + 3, len, 5));
        assert_int_equal(rn_checksum_copy(copied, bytes, len, 5), by_definition(bytes, len, 5));
    }
}

static void test_sums_of_all_ones_do_not_overflow(void **state)
{
    const struct rn_checksum_ops *variants[8];
    unsigned n = rn_checksum_variants(variants, RN_ARRAY_LEN(variants));

    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(variants[i]->sum(bytes, BYTES_MAX, UINT32_MAX), 0xffff);
}

static void test_variants_are_cut_to_the_room_there_is(void **state)
{
    const struct rn_checksum_ops *one[1];

    (void)state;
    assert_int_equal(rn_checksum_variants(one, 1), 1);
    assert_string_equal(one[0]->name, "portable");
    assert_int_equal(rn_checksum_variants(one, 0), 0);
}

static void test_sums_of_pieces_add_up_at_even_and_odd_offsets(void **state)
{
    (void)state;
    fill_random(2);
    for (size_t at = 0; at <= 101; at++) {
        uint16_t first = rn_checksum(bytes, at, 0);
        uint16_t second = rn_checksum(bytes + at, 101 - at, 0);

        assert_int_equal(rn_checksum_add(first, second, at & 1), rn_checksum(bytes, 101, 0));
    }
}

static void test_pseudo_header_sums_addresses_protocol_and_length(void **state)
{
    uint8_t v4[12] = { 192, 0, 2, 1, 198, 51, 100, 2, 0, 6, 0x12, 0x34 };
    uint8_t v6[40] = { 0 };

    (void)state;
    assert_int_equal(rn_checksum_pseudo(rn_addr_v4(0xc0000201), rn_addr_v4(0xc6336402), 6, 0x1234),
                     by_definition(v4, sizeof(v4), 0));
    fill_random(3);
    memcpy(v6, bytes, 32);
    rn_put_be32(v6 + 32, 0x12345);
    v6[39] = 58;
    assert_int_equal(rn_checksum_pseudo(rn_addr_v6(v6), rn_addr_v6(v6 + 16), 58, 0x12345),
                     by_definition(v6, sizeof(v6), 0));
}

static void test_incremental_update_is_a_full_computation(void **state)
{
    struct rn_rand rand;

    (void)state;
    rn_rand_init_u64(&rand, 4);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t header[20];
        uint16_t field;
        uint16_t new16 = (uint16_t)rn_rand_u32(&rand);

        rn_rand_bytes(&rand, header, sizeof(header));
        field = (uint16_t)~rn_checksum(header, sizeof(header), 0);
        field = rn_checksum_update16(field, rn_get_be16(header + 4), new16);
        rn_put_be16(header + 4, new16);
        assert_int_equal(field, (uint16_t)~rn_checksum(header, sizeof(header), 0));
    }
}

/* RFC 1624 §4: the case in which eqn. 2 yields 0xffff. */
static void test_the_example_of_rfc_1624(void **state)
{
    (void)state;
    assert_int_equal(rn_checksum_update16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example_of_rfc_1071),
        cmocka_unit_test(test_every_variant_agrees_with_the_definition),
        cmocka_unit_test(test_sums_of_all_ones_do_not_overflow),
        cmocka_unit_test(test_variants_are_cut_to_the_room_there_is),
        cmocka_unit_test(test_sums_of_pieces_add_up_at_even_and_odd_offsets),
        cmocka_unit_test(test_pseudo_header_sums_addresses_protocol_and_length),
        cmocka_unit_test(test_incremental_update_is_a_full_computation),
        cmocka_unit_test(test_the_example_of_rfc_1624),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
