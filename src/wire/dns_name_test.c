#include "wire/dns_name.h"

#include "parse_check.h"
#include <runnel/err.h>

enum { HDR_BYTES = 12 };

/* The name at offset 12 of a message; what stands before it is a header of zeros. */
static int read_at_12(struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    struct rn_dns_name name;
    int err;

    (void)rn_read_view(&r, HDR_BYTES);
    err = rn_dns_name_read(&name, &r, msg);
    if (err == RN_OK)
        assert_in_range(name.len, 1, RN_DNS_NAME_MAX_BYTES);
    return err;
}

static int read_text(const char *hex)
{
    uint8_t msg[512] = { 0 };
    size_t len = rn_test_unhex(hex, msg + HDR_BYTES, sizeof(msg) - HDR_BYTES);

    return rn_test_parse_exact(read_at_12, msg, HDR_BYTES + len);
}

static struct rn_dns_name name_of(const char *text)
{
    struct rn_dns_name name;

    assert_int_equal(rn_dns_name_parse(&name, text), RN_OK);
    return name;
}

static void assert_prints(const struct rn_dns_name *name, const char *expected)
{
    char buf[RN_DNS_NAME_TEXT_BYTES];
    struct rn_text text = rn_text_of(buf, sizeof(buf));

    rn_dns_name_print(&text, name);
    assert_false(text.cut);
    assert_string_equal(buf, expected);
}

static void test_text_and_wire_are_twins(void **state)
{
    static const uint8_t wire[] = "\3www\7example\3com";
    struct rn_dns_name name = name_of("www.example.com");
    struct rn_dns_name dotted = name_of("www.example.com.");

    assert_int_equal(name.len, sizeof(wire)); /* with the root, here the literal's NUL */
    assert_memory_equal(name.wire, wire, sizeof(wire));
    assert_true(rn_dns_name_eq(&name, &dotted));
    assert_prints(&name, "www.example.com");
    (void)state;
}

static void test_the_root_is_a_dot(void **state)
{
    struct rn_dns_name root = name_of(".");

    assert_int_equal(root.len, 1);
    assert_prints(&root, ".");
    (void)state;
}

static void test_odd_bytes_are_escaped_both_ways(void **state)
{
    struct rn_dns_name name = name_of("a\\.b.c\\\\d.\\027[31m.\\000x");

    assert_int_equal(name.wire[0], 3); /* the escaped dot divides nothing */
    assert_prints(&name, "a\\046b.c\\092d.\\027\\09131m.\\000x");
    (void)state;
}

static void test_broken_text_is_refused(void **state)
{
    static const char label64[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com";
    static const char *const bad[] = { "", "..", ".a", "a..b", "a\\", "a\\25", "a\\256", label64 };
    struct rn_dns_name name;

    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++)
        assert_int_equal(rn_dns_name_parse(&name, bad[i]), RN_E_PARSE);
    assert_int_equal(rn_dns_name_parse(&name, label64 + 1), RN_OK);
    (void)state;
}

static void test_names_end_at_255_bytes(void **state)
{
    char text[RN_DNS_NAME_TEXT_BYTES];
    struct rn_dns_name name;

    /* 127 labels of one letter are 254 bytes, and the root makes 255. */
    for (size_t i = 0; i < 127; i++)
        memcpy(text + 2 * i, "a.", 2);
    text[254] = '\0';
    assert_int_equal(rn_dns_name_parse(&name, text), RN_OK);
    assert_int_equal(name.len, 255);
    memcpy(text + 254, "a.", 3);
    assert_int_equal(rn_dns_name_parse(&name, text), RN_E_PARSE);

    /* Three labels of 63 and one of 61 fill it; with one of 62 the root would have no place. */
    memset(text, 'a', sizeof(text));
    text[63] = text[127] = text[191] = '.';
    text[192 + 61] = '\0';
    assert_int_equal(rn_dns_name_parse(&name, text), RN_OK);
    assert_int_equal(name.len, 255);
    memcpy(text + 192 + 61, "a", 2);
    assert_int_equal(rn_dns_name_parse(&name, text), RN_E_PARSE);
    (void)state;
}

static void test_compressed_names_are_followed(void **state)
{
    /* "com" at 12, "example" + pointer to it at 17, "www" + pointer to that at 27 */
    static const char hex[] = "03636f6d00 076578616d706c65c00c 03777777c011 ff";
    uint8_t msg[64] = { 0 };
    size_t len = HDR_BYTES + rn_test_unhex(hex, msg + HDR_BYTES, sizeof(msg) - HDR_BYTES);
    struct rn_view view = rn_view_of(msg, len);
    struct rn_reader r = rn_reader_of(view);
    struct rn_dns_name name;

    (void)rn_read_view(&r, 27);
    assert_int_equal(rn_dns_name_read(&name, &r, view), RN_OK);
    assert_prints(&name, "www.example.com");
    assert_int_equal(r.rest.len, 1); /* stands behind the first pointer */
    (void)state;
}

static void test_hostile_names_are_refused(void **state)
{
    static const char *const hostile[] = {
        "c00c",                 /* points to itself */
        "0161 c00c",            /* loops over a label */
        "0161 c00e",            /* points to itself behind a label */
        "c00e 0161 00",         /* forward */
        "c000",                 /* into the header */
        "c00b",                 /* the header's last byte */
        "cfff",                 /* past the end */
        "c0",                   /* half a pointer */
        "40",                   /* label kinds of the past */
        "80",           "0161", /* no end */
        "05616263",             /* label past the end */
        "3f",
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(hostile); i++)
        assert_int_equal(read_text(hostile[i]), RN_E_MALFORMED);
    (void)state;
}

static void test_two_names_cannot_chase_each_other(void **state)
{
    /* At 12: pointer to 14; at 14: pointer to 12. Read from 14 the first jump is legal, the second is forward. */
    uint8_t msg[16] = { [12] = 0xc0, 14, 0xc0, 12 };
    struct rn_view view = rn_view_of(msg, sizeof(msg));
    struct rn_reader r = rn_reader_of(view);
    struct rn_dns_name name = { .len = 99 };

    (void)rn_read_view(&r, 14);
    assert_int_equal(rn_dns_name_read(&name, &r, view), RN_E_MALFORMED);
    assert_int_equal(name.len, 99);
    assert_int_equal(r.rest.len, 2); /* nor did the reader move */
    (void)state;
}

static void test_a_long_chain_of_pointers_is_cut(void **state)
{
    uint8_t msg[HDR_BYTES + 2 + 2 * 200] = { 0 };
    struct rn_view view = rn_view_of(msg, sizeof(msg));
    struct rn_dns_name name;
    struct rn_reader r;

    /* The root at 12, then pointers each to the one before. */
    for (size_t i = 0; i < 200; i++) {
        size_t at = HDR_BYTES + 2 + 2 * i;

        rn_put_be16(msg + at, (uint16_t)(0xc000u | (at - 2)));
    }
    r = rn_reader_of(view);
    (void)rn_read_view(&r, HDR_BYTES + 2 * RN_DNS_JUMPS_MAX);
    assert_int_equal(rn_dns_name_read(&name, &r, view), RN_OK);
    r = rn_reader_of(view);
    (void)rn_read_view(&r, HDR_BYTES + 2 * (RN_DNS_JUMPS_MAX + 1));
    assert_int_equal(rn_dns_name_read(&name, &r, view), RN_E_MALFORMED);
    (void)state;
}

static void test_short_names_are_refused(void **state)
{
    uint8_t msg[64] = { 0 };
    size_t len = HDR_BYTES + rn_test_unhex("03777777 076578616d706c65 03636f6d 00", msg + HDR_BYTES,
                                           sizeof(msg) - HDR_BYTES);

    rn_test_all_truncations_fail(read_at_12, msg, len);
    rn_test_mutations_are_survived(read_at_12, msg, len);
    (void)state;
}

static void test_names_compare_without_case_at_label_boundaries(void **state)
{
    struct rn_dns_name name = name_of("WWW.Example.COM");
    struct rn_dns_name same = name_of("www.example.com");
    struct rn_dns_name zone = name_of("example.com");
    struct rn_dns_name evil = name_of("evil-example.com");
    struct rn_dns_name root = name_of(".");

    assert_true(rn_dns_name_eq(&name, &same));
    assert_false(rn_dns_name_eq(&name, &zone));
    assert_true(rn_dns_name_is_under(&name, &zone));
    assert_true(rn_dns_name_is_under(&zone, &zone));
    assert_true(rn_dns_name_is_under(&zone, &root));
    assert_false(rn_dns_name_is_under(&zone, &name));
    assert_false(rn_dns_name_is_under(&evil, &zone));
    (void)state;
}

static void test_addresses_have_reverse_names(void **state)
{
    static const char *const addrs[] = { "10.0.2.255", "0.0.0.0", "fd00::1",
                                         "2001:db8:1:2:3:4:5:6" };
    struct rn_dns_name name;

    for (size_t i = 0; i < RN_ARRAY_LEN(addrs); i++) {
        struct rn_addr addr = rn_test_addr(addrs[i]);
        struct rn_addr back;

        rn_dns_name_of_addr(addr, &name);
        assert_true(rn_dns_name_to_addr(&name, &back));
        assert_true(rn_addr_eq(addr, back));
    }
    rn_dns_name_of_addr(rn_test_addr("10.0.2.255"), &name);
    assert_prints(&name, "255.2.0.10.in-addr.arpa");
    rn_dns_name_of_addr(rn_test_addr("2001:db8::567:89ab"), &name);
    assert_prints(&name,
                  "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    (void)state;
}

static void test_other_names_are_no_addresses(void **state)
{
    static const char *const names[] = { "in-addr.arpa",
                                         "2.0.10.in-addr.arpa",
                                         "256.2.0.10.in-addr.arpa",
                                         "01.2.0.10.in-addr.arpa",
                                         "a.2.0.10.in-addr.arpa",
                                         "1.2.3.4.in-addr.arpa.example",
                                         "1.2.3.4.5.in-addr.arpa",
                                         "1.0.ip6.arpa",
                                         "example.com",
                                         "." };
    struct rn_addr addr;

    for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
        struct rn_dns_name name = name_of(names[i]);

        assert_false(rn_dns_name_to_addr(&name, &addr));
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_wire_are_twins),
        cmocka_unit_test(test_the_root_is_a_dot),
        cmocka_unit_test(test_odd_bytes_are_escaped_both_ways),
        cmocka_unit_test(test_broken_text_is_refused),
        cmocka_unit_test(test_names_end_at_255_bytes),
        cmocka_unit_test(test_compressed_names_are_followed),
        cmocka_unit_test(test_hostile_names_are_refused),
        cmocka_unit_test(test_two_names_cannot_chase_each_other),
        cmocka_unit_test(test_a_long_chain_of_pointers_is_cut),
        cmocka_unit_test(test_short_names_are_refused),
        cmocka_unit_test(test_names_compare_without_case_at_label_boundaries),
        cmocka_unit_test(test_addresses_have_reverse_names),
        cmocka_unit_test(test_other_names_are_no_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
