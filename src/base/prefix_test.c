#include "base/rand.h"
#include "test_alloc.h"

#include <runnel/addr.h>
#include <runnel/err.h>

static struct rn_addr addr(const char *text)
{
    struct rn_addr a;

    assert_int_equal(rn_addr_parse(text, &a), RN_OK);
    return a;
}

static struct rn_prefix prefix(const char *text)
{
    struct rn_prefix p;

    assert_int_equal(rn_prefix_parse(text, &p), RN_OK);
    return p;
}

static bool contains(const char *p, const char *a)
{
    struct rn_prefix in = prefix(p);

    return rn_prefix_contains(&in, addr(a));
}

static bool overlaps(const char *p, const char *q)
{
    struct rn_prefix one = prefix(p);
    struct rn_prefix two = prefix(q);

    assert_int_equal(rn_prefix_overlaps(&one, &two), rn_prefix_overlaps(&two, &one));
    return rn_prefix_overlaps(&one, &two);
}

static void test_prefixes_survive_parse_and_print(void **state)
{
    static const char *const cases[] = { "10.0.0.0/8",    "0.0.0.0/0", "1.2.3.4/32",
                                         "fe80::/10",     "::/0",      "2001:db8::1/128",
                                         "2001:db8::/65", "8000::/1" };
    char buf[RN_PREFIX_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        struct rn_prefix p = prefix(cases[i]);

        assert_string_equal(rn_prefix_print(&p, buf), cases[i]);
    }
}

static void test_a_bare_address_is_a_host_prefix(void **state)
{
    (void)state;
    assert_int_equal(prefix("1.2.3.4").bits, 32);
    assert_int_equal(prefix("fe80::1").bits, 128);
}

static void test_malformed_prefixes_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.1/8",
        "::/129",
        "fe80::1/10",
        "10.0.0.0/8 ",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "1.2.3/8",
        "::/1000",
        "10.0.0.0/4294967304",
        "1111:2222:3333:4444:5555:6666:7777:8888:1111:2222:3333:4444:5555/8",
    };
    struct rn_prefix p;

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++)
        assert_int_equal(rn_prefix_parse(cases[i], &p), RN_E_PARSE);
}

static void test_contains_respects_bits_and_family(void **state)
{
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.255.255"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0"));
    assert_true(contains("0.0.0.0/0", "255.255.255.255"));
    assert_false(contains("0.0.0.0/0", "::1"));
    assert_false(contains("::/0", "1.2.3.4"));
    assert_true(contains("::/0", "ffff::"));
    assert_true(contains("10.0.0.128/25", "10.0.0.129"));
    assert_false(contains("10.0.0.128/25", "10.0.0.127"));
    assert_true(contains("2001:db8::8000:0:0:0/65", "2001:db8::ffff:0:0:1"));
    assert_false(contains("2001:db8::8000:0:0:0/65", "2001:db8::7fff:0:0:1"));
}

static void test_overlap_is_symmetric(void **state)
{
    (void)state;
    assert_true(overlaps("10.0.0.0/8", "10.1.0.0/16"));
    assert_true(overlaps("0.0.0.0/0", "10.1.0.0/16"));
    assert_false(overlaps("10.0.0.0/16", "10.1.0.0/16"));
    assert_false(overlaps("0.0.0.0/0", "::/0"));
    assert_true(overlaps("::/0", "fe80::/10"));
}

static void test_last_address_is_the_broadcast_address(void **state)
{
    struct rn_prefix v4 = prefix("192.0.2.64/26");
    struct rn_prefix v6 = prefix("fe80::/10");
    struct rn_prefix host = prefix("1.2.3.4/32");

    (void)state;
    assert_true(rn_addr_eq(rn_prefix_last(&v4), addr("192.0.2.127")));
    assert_true(rn_addr_eq(rn_prefix_last(&v6), addr("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
    assert_true(rn_addr_eq(rn_prefix_last(&host), addr("1.2.3.4")));
}

static void test_prefix_of_clears_host_bits_and_clamps(void **state)
{
    struct rn_prefix p = rn_prefix_of(addr("10.1.2.3"), 16);
    struct rn_prefix q = prefix("10.1.0.0/16");
    struct rn_prefix longer = prefix("10.1.0.0/17");

    (void)state;
    assert_true(rn_prefix_eq(&p, &q));
    assert_false(rn_prefix_eq(&p, &longer));
    assert_int_equal(rn_prefix_of(addr("1.2.3.4"), 99).bits, 32);
    assert_int_equal(rn_prefix_of(addr("::1"), 999).bits, 128);
}

/* The bit-by-bit definition, for every length and random addresses near the edge. */
static void test_contains_agrees_with_its_definition(void **state)
{
    struct rn_rand rand;

    (void)state;
    rn_rand_init_u64(&rand, 7);
    for (unsigned i = 0; i < 20000; i++) {
        struct rn_addr a;
        struct rn_addr b;
        struct rn_prefix p;
        unsigned flip = (unsigned)rn_rand_below(&rand, 128);
        unsigned bits = (unsigned)rn_rand_below(&rand, 129);

        rn_rand_bytes(&rand, a.b, sizeof(a.b));
        b = a;
        b.b[flip / 8] ^= (uint8_t)(0x80u >> flip % 8);
        p = rn_prefix_of(a, bits);
        assert_true(rn_prefix_contains(&p, a));
        assert_int_equal(rn_prefix_contains(&p, b), flip >= bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes_survive_parse_and_print),
        cmocka_unit_test(test_a_bare_address_is_a_host_prefix),
        cmocka_unit_test(test_malformed_prefixes_are_refused),
        cmocka_unit_test(test_contains_respects_bits_and_family),
        cmocka_unit_test(test_overlap_is_symmetric),
        cmocka_unit_test(test_last_address_is_the_broadcast_address),
        cmocka_unit_test(test_prefix_of_clears_host_bits_and_clamps),
        cmocka_unit_test(test_contains_agrees_with_its_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
