#include "base/rand.h"
#include "test_alloc.h"

#include <runnel/addr.h>
#include <runnel/err.h>

struct text_case {
    const char *in;
    const char *out; /* NULL: the same */
};

static struct rn_addr addr(const char *text)
{
    struct rn_addr a;

    assert_int_equal(rn_addr_parse(text, &a), RN_OK);
    return a;
}

static void test_addresses_are_printed_as_rfc_5952_says(void **state)
{
    static const struct text_case cases[] = {
        { "0.0.0.0", NULL },
        { "255.255.255.255", NULL },
        { "192.0.2.33", NULL },
        { "::1", NULL },
        { "1::", NULL },
        { "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },    /* §4.2.3: the first of equal runs */
        { "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },          /* the longest run */
        { "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, /* §4.2.2: never one group alone */
        { "2001:0db8::0001", "2001:db8::1" },
        { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
        { "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
        { "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
        { "::ffff:192.0.2.33", "192.0.2.33" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
    };
    char buf[RN_ADDR_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        const char *want = cases[i].out != NULL ? cases[i].out : cases[i].in;

        assert_string_equal(rn_addr_print(addr(cases[i].in), buf), want);
    }
}

static void test_malformed_addresses_are_refused_and_leave_the_output_alone(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "1.2.3.4 ",
        "1..2.3",
        "+1.2.3.4",
        "1.2.3.",
        ":",
        ":::",
        "1:",
        ":1",
        "1:2:3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "12345::",
        "g::",
        "::1%eth0",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4::5:6:7:8",
        "::1.2.3",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "[::1]",
        "::1.2.3.4.5",
        "1:2:3:4:5:6:7:1.2.3.4",
        "99999999999999999999.1.1.1",
    };
    struct rn_addr a = rn_addr_v4(7);

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        assert_int_equal(rn_addr_parse(cases[i], &a), RN_E_PARSE);
        assert_true(rn_addr_eq(a, rn_addr_v4(7)));
    }
}

static void test_any_address_survives_print_and_parse(void **state)
{
    struct rn_rand rand;
    char buf[RN_ADDR_TEXT_BYTES];

    (void)state;
    rn_rand_init_u64(&rand, 1);
    for (unsigned i = 0; i < 20000; i++) {
        struct rn_addr a;
        uint64_t zero_groups = rn_rand_u64(&rand) | rn_rand_u64(&rand);

        rn_rand_bytes(&rand, a.b, sizeof(a.b));
        for (unsigned g = 0; g < 8; g++) {
            if (zero_groups >> g & 1)
                a.b[2 * g] = a.b[2 * g + 1] = 0;
        }
        if (rn_addr_is_none(a))
            continue;
        assert_true(rn_addr_eq(addr(rn_addr_print(a, buf)), a));
    }
}

static void test_families_and_kinds_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(rn_addr_family(rn_addr_none()), RN_FAMILY_NONE);
    assert_int_equal(rn_addr_family(addr("0.0.0.0")), RN_FAMILY_V4);
    assert_int_equal(rn_addr_family(addr("::1")), RN_FAMILY_V6);
    assert_true(rn_addr_is_none(addr("::")));
    assert_true(rn_addr_is_any(addr("::")) && rn_addr_is_any(addr("0.0.0.0")));
    assert_false(rn_addr_is_any(addr("0.0.0.1")));
    assert_true(rn_addr_is_loopback(addr("127.255.0.1")) && rn_addr_is_loopback(addr("::1")));
    assert_false(rn_addr_is_loopback(addr("::2")) || rn_addr_is_loopback(addr("128.0.0.1")));
    assert_true(rn_addr_is_multicast(addr("224.0.0.1")) && rn_addr_is_multicast(addr("ff02::1")));
    assert_true(rn_addr_is_multicast(addr("239.255.255.255")));
    assert_false(rn_addr_is_multicast(addr("240.0.0.0")) || rn_addr_is_multicast(addr("fe80::1")));
    assert_true(rn_addr_is_broadcast(addr("255.255.255.255")));
    assert_false(rn_addr_is_broadcast(addr("10.255.255.255")));
    assert_true(rn_addr_is_unicast(addr("240.0.0.1")) && rn_addr_is_unicast(addr("fe80::1")));
    assert_false(rn_addr_is_unicast(addr("0.0.0.0")) || rn_addr_is_unicast(addr("::")));
    assert_false(rn_addr_is_unicast(addr("224.0.0.1")) || rn_addr_is_unicast(addr("ff02::1")));
    assert_false(rn_addr_is_unicast(addr("255.255.255.255")));
    assert_true(rn_addr_is_link_local(addr("169.254.1.1")));
    assert_true(rn_addr_is_link_local(addr("febf::1")));
    assert_false(rn_addr_is_link_local(addr("fec0::1")));
}

static void test_v4_numbers_are_host_order(void **state)
{
    static const uint8_t wire[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 };

    (void)state;
    assert_int_equal(rn_addr_to_v4(addr("127.0.0.1")), 0x7f000001);
    assert_true(rn_addr_eq(rn_addr_v4(0x7f000001), rn_addr_v6(wire)));
    assert_int_equal(rn_addr_to_v4(addr("::7f00:1")), 0);
}

static void test_order_is_none_then_v4_then_v6(void **state)
{
    static const char *const sorted[] = { "::",  "0.0.0.0", "9.0.0.0", "10.0.0.0", "255.0.0.0",
                                          "::1", "1::",     "fe80::",  "ff02::1" };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(sorted); i++) {
        for (size_t j = 0; j < RN_ARRAY_LEN(sorted); j++) {
            int cmp = rn_addr_cmp(addr(sorted[i]), addr(sorted[j]));

            assert_int_equal((cmp > 0) - (cmp < 0), (i > j) - (i < j));
        }
    }
}

static void test_endpoints_survive_parse_and_print(void **state)
{
    static const struct text_case cases[] = {
        { "1.2.3.4:80", NULL },   { "[::1]:80", NULL }, { "[fe80::1%3]:65535", NULL },
        { "10.0.0.1%7:0", NULL }, { "*:53", NULL },     { "[::]:53", "*:53" },
        { "*%2:68", NULL },
    };
    char buf[RN_ENDPOINT_TEXT_BYTES];
    struct rn_endpoint e;

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        const char *want = cases[i].out != NULL ? cases[i].out : cases[i].in;

        assert_int_equal(rn_endpoint_parse(cases[i].in, &e), RN_OK);
        assert_string_equal(rn_endpoint_print(&e, buf), want);
    }
    assert_int_equal(rn_endpoint_parse("[fe80::1%3]:443", &e), RN_OK);
    assert_int_equal(e.nic, 3);
    assert_int_equal(e.port, 443);
}

static void test_the_longest_endpoint_fits_its_buffer(void **state)
{
    char buf[RN_ENDPOINT_TEXT_BYTES];
    struct rn_endpoint e = { .addr = addr("1111:2222:3333:4444:5555:6666:7777:8888"),
                             .port = 65535,
                             .nic = 65535 };

    (void)state;
    assert_string_equal(rn_endpoint_print(&e, buf),
                        "[1111:2222:3333:4444:5555:6666:7777:8888%65535]:65535");
}

static void test_malformed_endpoints_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        ":",
        ":80",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "::1:80",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[1.2.3.4]:1",
        "[]:1",
        "1.2.3.4:080",
        "1.2.3.4:8x",
        "[::1%]:1",
        "[::1%0]:1",
        "[::1%eth0]:1",
        "[::1]:-1",
        "[::1%65536]:1",
        "]:1",
    };
    struct rn_endpoint e;

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++)
        assert_int_equal(rn_endpoint_parse(cases[i], &e), RN_E_PARSE);
}

static void test_mac_addresses_survive_parse_and_print(void **state)
{
    static const char *const bad[] = { "",
                                       "02:00:5e:10:00",
                                       "02:00:5e:10:00:ff:",
                                       "2:00:5e:10:00:ff",
                                       "02-00-5e-10-00-ff",
                                       "02:00:5e:10:00:fg" };
    char buf[RN_MAC_TEXT_BYTES];
    struct rn_mac mac;

    (void)state;
    assert_int_equal(rn_mac_parse("02:00:5E:10:00:ff", &mac), RN_OK);
    assert_string_equal(rn_mac_print(mac, buf), "02:00:5e:10:00:ff");
    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++)
        assert_int_equal(rn_mac_parse(bad[i], &mac), RN_E_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_printed_as_rfc_5952_says),
        cmocka_unit_test(test_malformed_addresses_are_refused_and_leave_the_output_alone),
        cmocka_unit_test(test_any_address_survives_print_and_parse),
        cmocka_unit_test(test_families_and_kinds_are_told_apart),
        cmocka_unit_test(test_v4_numbers_are_host_order),
        cmocka_unit_test(test_order_is_none_then_v4_then_v6),
        cmocka_unit_test(test_endpoints_survive_parse_and_print),
        cmocka_unit_test(test_the_longest_endpoint_fits_its_buffer),
        cmocka_unit_test(test_malformed_endpoints_are_refused),
        cmocka_unit_test(test_mac_addresses_survive_parse_and_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
