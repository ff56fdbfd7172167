#include "base/text.h"
#include "test_alloc.h"

static void test_numbers_of_every_size_are_written(void **state)
{
    char buf[200];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    (void)state;
    rn_text_u64(&t, 0);
    rn_text_char(&t, ' ');
    rn_text_u64(&t, UINT64_MAX);
    rn_text_char(&t, ' ');
    rn_text_u64(&t, 7);
    assert_string_equal(buf, "0 18446744073709551615 7");
    assert_int_equal(t.len, strlen(buf));
}

static void test_hex_is_padded_and_never_cut(void **state)
{
    char buf[100];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    (void)state;
    rn_text_hex(&t, 0, 0);
    rn_text_char(&t, ' ');
    rn_text_hex(&t, 0xab, 4);
    rn_text_char(&t, ' ');
    rn_text_hex(&t, 0x12345, 2);
    rn_text_char(&t, ' ');
    rn_text_hex(&t, UINT64_MAX, 99);
    assert_string_equal(buf, "0 00ab 12345 ffffffffffffffff");
}

static void test_what_does_not_fit_is_cut_and_nothing_follows(void **state)
{
    (void)state;
    for (size_t cap = 1; cap <= 12; cap++) {
        char buf[16];
        struct rn_text t;

        memset(buf, '#', sizeof(buf));
        t = rn_text_of(buf, cap);
        rn_text_str(&t, "hello ");
        rn_text_str(&t, "world");
        rn_text_char(&t, t.cut ? '!' : '\n');
        assert_int_equal(t.len, rn_min_size(cap - 1, 11));
        assert_memory_equal(buf, "hello world", t.len);
        assert_int_equal(buf[t.len], '\0');
        assert_true(t.cut);
        assert_int_equal(buf[cap], '#');
    }
}

static void test_values_are_written_as_their_printers_do(void **state)
{
    static const uint8_t wire[] = { 0x00, 0xff, 0x10 };
    struct rn_prefix prefix = rn_prefix_of(rn_addr_v4(0x0a000000), 8);
    struct rn_endpoint endpoint = { .addr = rn_addr_v4(0x01020304), .port = 80 };
    char buf[100];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    (void)state;
    rn_text_addr(&t, rn_addr_none());
    rn_text_char(&t, ' ');
    rn_text_prefix(&t, &prefix);
    rn_text_char(&t, ' ');
    rn_text_endpoint(&t, &endpoint);
    rn_text_char(&t, ' ');
    rn_text_mac(&t, (struct rn_mac){ { 2, 0, 0x5e, 0x10, 0, 0xff } });
    rn_text_char(&t, ' ');
    rn_text_hexdump(&t, rn_view_of(wire, sizeof(wire)));
    assert_string_equal(buf, "- 10.0.0.0/8 1.2.3.4:80 02:00:5e:10:00:ff 00 ff 10");
    assert_false(t.cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_every_size_are_written),
        cmocka_unit_test(test_hex_is_padded_and_never_cut),
        cmocka_unit_test(test_what_does_not_fit_is_cut_and_nothing_follows),
        cmocka_unit_test(test_values_are_written_as_their_printers_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
