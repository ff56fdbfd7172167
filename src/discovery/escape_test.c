#include "discovery/escape.h"

#include "golden.h"

static void check(const char *text, const char *expected)
{
    struct rn_glyphs glyphs = rn_glyphs_of(text, RN_CHARSET_UTF8);
    struct rn_out out = { 0 };
    struct rn_glyph glyph;

    while (rn_glyphs_next(&glyphs, &glyph))
        rn_out_str(&out, glyph.bytes);

    assert_string_equal(out.buf != NULL ? out.buf : "", expected);
    rn_out_free(&out);
}

static void test_good_text_stays_as_it_is(void **state)
{
    (void)state;
    check("eth0", "eth0");
    check("Bücher-家-🚀", "Bücher-家-🚀");
    check("", "");
}

static void test_control_and_bidi_characters_are_spelled_out(void **state)
{
    (void)state;
    check("a\x1b[31mb", "a\\x1b[31mb");
    check("a\nb\tc\x7f", "a\\nb\\tc\\x7f");
    check("\xe2\x80\xae"
          "abc",
          "\\u{202e}abc");
    check("\xc2\x9b"
          "1m",
          "\\u{9b}1m");
    check("a\xe2\x80\x8b"
          "b",
          "a\\u{200b}b");
    check("a\\b", "a\\\\b");
}

static void test_broken_utf8_is_spelled_out_byte_by_byte(void **state)
{
    (void)state;
    check("\xff", "\\xff");
    check("\xe5\xae", "\\xe5\\xae");          /* cut */
    check("\xc0\xaf", "\\xc0\\xaf");          /* overlong */
    check("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
    check("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
}

static void test_a_letter_carries_only_a_few_marks(void **state)
{
    (void)state;
    check("e\xcc\x81", "e\xcc\x81");
    check("e\xcc\x81\xcc\x81\xcc\x81", "e\xcc\x81\xcc\x81\\u{301}");
}

static void test_columns_count_wide_and_combining_characters(void **state)
{
    (void)state;
    assert_int_equal(rn_text_columns("abc", RN_CHARSET_UTF8), 3);
    assert_int_equal(rn_text_columns("家", RN_CHARSET_UTF8), 2);
    assert_int_equal(rn_text_columns("e\xcc\x81", RN_CHARSET_UTF8), 1);
    assert_int_equal(rn_text_columns("家", RN_CHARSET_ASCII), 8);
}

static void test_xml_is_escaped_and_cut_at_its_columns(void **state)
{
    struct rn_out out = { 0 };

    (void)state;
    rn_escape_xml(&out, "<a b='\"'>&", 20);
    rn_out_char(&out, '|');
    rn_escape_xml(&out, "abcdef", 4);
    rn_out_char(&out, '|');
    rn_escape_xml(&out, "a家家", 4);

    assert_string_equal(out.buf, "&lt;a b=&#39;&quot;&#39;&gt;&amp;|abc…|a家…");
    rn_out_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_text_stays_as_it_is),
        cmocka_unit_test(test_control_and_bidi_characters_are_spelled_out),
        cmocka_unit_test(test_broken_utf8_is_spelled_out_byte_by_byte),
        cmocka_unit_test(test_a_letter_carries_only_a_few_marks),
        cmocka_unit_test(test_columns_count_wide_and_combining_characters),
        cmocka_unit_test(test_xml_is_escaped_and_cut_at_its_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
