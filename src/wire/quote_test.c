#include "wire/quote.h"

#include "parse_check.h"
#include "wire/proto.h"
#include <runnel/err.h>

/* 10.0.0.1.1000 > 10.0.0.2.80, a TCP segment of 1500 bytes of which an error quotes eight. */
static const char tcp4[] = "450005dc 00014000 4006 0000 0a000001 0a000002 03e80050 12345678";
/* fd00::1.2000 > fd00::2.53, UDP behind a destination options header. */
static const char udp6[] = "60000000 00183c40 fd000000000000000000000000000001 "
                           "fd000000000000000000000000000002 1100010400000000 07d00035 00100000";

static int parse4(struct rn_view bytes)
{
    struct rn_quote quote;
    int err = rn_quote_parse4(&quote, bytes);

    return err == RN_OK && !quote.has_transport ? RN_E_MALFORMED : err;
}

static int parse6(struct rn_view bytes)
{
    struct rn_quote quote;
    int err = rn_quote_parse6(&quote, bytes);

    return err == RN_OK && !quote.has_transport ? RN_E_MALFORMED : err;
}

static void test_ports_and_sequence_number_are_found(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex(tcp4, bytes, sizeof(bytes));
    struct rn_quote quote;

    assert_int_equal(rn_quote_parse4(&quote, rn_view_of(bytes, len)), RN_OK);

    assert_true(rn_addr_eq(quote.src, rn_test_addr("10.0.0.1")));
    assert_true(rn_addr_eq(quote.dst, rn_test_addr("10.0.0.2")));
    assert_int_equal(quote.proto, RN_PROTO_TCP);
    assert_true(quote.has_transport);
    assert_int_equal(quote.src_port, 1000);
    assert_int_equal(quote.dst_port, 80);
    assert_int_equal(quote.tcp_seq.v, 0x12345678);
    assert_int_equal(quote.total_len, 1500);
    assert_int_equal(quote.transport.len, 8);
    (void)state;
}

static void test_extension_headers_are_passed(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex(udp6, bytes, sizeof(bytes));
    struct rn_quote quote;

    assert_int_equal(rn_quote_parse6(&quote, rn_view_of(bytes, len)), RN_OK);

    assert_int_equal(quote.proto, RN_PROTO_UDP);
    assert_int_equal(quote.src_port, 2000);
    assert_int_equal(quote.dst_port, 53);
    assert_int_equal(quote.total_len, 64);
    (void)state;
}

static void test_echo_gives_identifier_and_sequence(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex("4500001c 00000000 4001 0000 0a000001 0a000002 08000000 00070009",
                               bytes, sizeof(bytes));
    struct rn_quote quote;

    assert_int_equal(rn_quote_parse4(&quote, rn_view_of(bytes, len)), RN_OK);
    assert_int_equal(quote.icmp_type, 8);
    assert_int_equal(quote.src_port, 7);
    assert_int_equal(quote.dst_port, 9);
    (void)state;
}

static void test_a_later_fragment_has_no_ports(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex("450005dc 000100b9 4006 0000 0a000001 0a000002 03e80050 12345678",
                               bytes, sizeof(bytes));
    struct rn_quote quote;

    assert_int_equal(rn_quote_parse4(&quote, rn_view_of(bytes, len)), RN_OK);
    assert_true(quote.is_later_fragment);
    assert_false(quote.has_transport);
    assert_int_equal(quote.src_port, 0);
    (void)state;
}

static void test_short_quotes_have_no_transport(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex(tcp4, bytes, sizeof(bytes));

    rn_test_all_truncations_fail(parse4, bytes, len);
    rn_test_mutations_are_survived(parse4, bytes, len);
    len = rn_test_unhex(udp6, bytes, sizeof(bytes));
    rn_test_all_truncations_fail(parse6, bytes, len);
    rn_test_mutations_are_survived(parse6, bytes, len);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports_and_sequence_number_are_found),
        cmocka_unit_test(test_extension_headers_are_passed),
        cmocka_unit_test(test_echo_gives_identifier_and_sequence),
        cmocka_unit_test(test_a_later_fragment_has_no_ports),
        cmocka_unit_test(test_short_quotes_have_no_transport),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
