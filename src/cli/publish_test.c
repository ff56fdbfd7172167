#include "cli/publish.h"

#include "base/bytes.h"
#include <runnel/err.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_every_form_is_read(void **state)
{
    static const struct {
        const char *text;
        const char *printed;
    } forms[] = {
        { "8080:80", "localhost:8080 -> port 80/tcp" },
        { "80", "localhost:80 -> port 80/tcp" },
        { "8080:80/udp", "localhost:8080 -> port 80/udp" },
        { "0.0.0.0:8080:80", "0.0.0.0:8080 -> port 80/tcp" },
        { "[::]:8080:80/tcp", "[::]:8080 -> port 80/tcp" },
        { "8000-8009:9000-9009", "localhost:8000-8009 -> ports 9000-9009/tcp" },
        { "10.0.0.1:53:5353/udp", "10.0.0.1:53 -> port 5353/udp" },
    };
    struct rn_publish p;
    const char *why;
    char buf[128];
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(forms); i++) {
        assert_int_equal(rn_publish_parse(forms[i].text, &p, &why), RN_OK);
        assert_string_equal(rn_publish_print(&p, buf, sizeof(buf)), forms[i].printed);
    }
}

static void test_nonsense_is_refused_with_a_reason(void **state)
{
    static const char *const bad[] = { "",           ":",          "80:",      ":80",
                                       "0:80",       "65536:80",   "80-70:80", "80-81:80",
                                       "80:80/sct",  "[::1:80:80", "x:80:80",  "80:80:80",
                                       "[::1]80:80", "1-2-3:4-6",  "80:80/",   "-80:80" };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++) {
        struct rn_publish p;
        const char *why = NULL;

        assert_int_equal(rn_publish_parse(bad[i], &p, &why), RN_E_PARSE);
        assert_non_null(why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_is_read),
        cmocka_unit_test(test_nonsense_is_refused_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
