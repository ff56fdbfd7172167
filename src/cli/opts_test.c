#include "cli/opts.h"

#include "base/bytes.h"
#include "cli/verbs.h"

#include <runnel/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct values {
    bool flag;
    unsigned count, number;
    const char *text, *choice;
    struct rn_opt_list list;
};

#define AT(member) offsetof(struct values, member)

static const char *const choices[] = { "red", "blue", NULL };
static const struct rn_opt table[] = {
    { "flag", 'f', RN_OPT_FLAG, NULL, "a flag", AT(flag), 0, 0, NULL },
    { "count", 'c', RN_OPT_COUNT, NULL, "counted", AT(count), 0, 0, NULL },
    { "text", 't', RN_OPT_TEXT, "TEXT", "a text", AT(text), 0, 0, NULL },
    { "list", 'l', RN_OPT_LIST, "TEXT", "some texts", AT(list), 0, 0, NULL },
    { "number", 'n', RN_OPT_NUMBER, "N", "a number", AT(number), 10, 20, NULL },
    { "colour", 0, RN_OPT_CHOICE, "red|blue", "a choice", AT(choice), 0, 0, choices },
};
static const struct rn_verb verb = { .name = "try",
                                     .summary = "tries",
                                     .synopsis = "[options] CMD",
                                     .opts = table,
                                     .n_opts = RN_ARRAY_LEN(table),
                                     .stops_at_operand = true };

static int parse(struct values *ret, struct rn_opts_rest *rest, char **argv)
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    *ret = (struct values){ 0 };
    return rn_opts_parse(&verb, argc, argv, ret, rest);
}

#define ARGV(...) ((char *[]){ (char[]){ "try" }, __VA_ARGS__, NULL })
#define W(text)   ((char[]){ text })

static void test_every_way_of_giving_a_value_is_read(void **state)
{
    struct rn_opts_rest rest;
    struct values v;
    (void)state;

    assert_int_equal(parse(&v, &rest,
                           ARGV(W("-fcc"), W("--text=a"), W("--list"), W("x"), W("-ly"), W("-n"),
                                W("12"), W("--colour"), W("blue"))),
                     0);
    assert_true(v.flag);
    assert_int_equal(v.count, 2);
    assert_string_equal(v.text, "a");
    assert_int_equal(v.list.n, 2);
    assert_string_equal(v.list.items[1], "y");
    assert_int_equal(v.number, 12);
    assert_string_equal(v.choice, "blue");
    assert_int_equal(rest.n_operands, 0);
}

static void test_a_command_keeps_its_own_options(void **state)
{
    struct rn_opts_rest rest;
    struct values v;
    (void)state;

    assert_int_equal(parse(&v, &rest, ARGV(W("-f"), W("ls"), W("-c"))), 0);
    assert_int_equal(rest.n_operands, 2);
    assert_int_equal(v.count, 0);
    assert_false(rest.has_dashes);
    assert_int_equal(parse(&v, &rest, ARGV(W("--"), W("-c"))), 0);
    assert_int_equal(rest.n_operands, 1);
    assert_true(rest.has_dashes);
}

static void test_what_cannot_be_meant_is_refused(void **state)
{
    struct rn_opts_rest rest;
    struct values v;
    (void)state;

    assert_int_equal(parse(&v, &rest, ARGV(W("--flap"))), RN_E_PARSE);
    assert_int_equal(parse(&v, &rest, ARGV(W("-x"))), RN_E_PARSE);
    assert_int_equal(parse(&v, &rest, ARGV(W("--text"))), RN_E_PARSE);
    assert_int_equal(parse(&v, &rest, ARGV(W("--flag=yes"))), RN_E_PARSE);
    assert_int_equal(parse(&v, &rest, ARGV(W("-n"), W("9"))), RN_E_PARSE);
    assert_int_equal(parse(&v, &rest, ARGV(W("-n"), W("21"))), RN_E_PARSE);
    assert_int_equal(parse(&v, &rest, ARGV(W("-n"), W("12x"))), RN_E_PARSE);
    assert_int_equal(parse(&v, &rest, ARGV(W("-n"), W("-12"))), RN_E_PARSE);
    assert_int_equal(parse(&v, &rest, ARGV(W("--colour=green"))), RN_E_PARSE);
}

static void test_help_is_asked_for_anywhere_before_the_command(void **state)
{
    struct rn_opts_rest rest;
    struct values v;
    (void)state;

    assert_int_equal(parse(&v, &rest, ARGV(W("-f"), W("--help"))), RN_OPTS_HELP);
    assert_int_equal(parse(&v, &rest, ARGV(W("ls"), W("--help"))), 0);
}

static void test_the_nearest_word_is_offered_only_if_it_is_near(void **state)
{
    static const char *const names[] = { "publish", "pcap", "impair" };
    (void)state;

    assert_string_equal(rn_opts_nearest("publihs", names, 3), "publish");
    assert_string_equal(rn_opts_nearest("pcp", names, 3), "pcap");
    assert_null(rn_opts_nearest("verbose", names, 3));
}

/* The promise of --help: at most 24 lines of at most 80 columns, for every verb. */
static void test_every_help_fits_a_terminal(void **state)
{
    (void)state;
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++) {
        char *text = NULL;
        size_t len = 0;
        unsigned lines = 0;
        FILE *to = open_memstream(&text, &len);

        assert_non_null(to);
        rn_opts_help(*v, to);
        fclose(to);
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            if (strlen(line) > 80)
                fail_msg("%s: %s", (*v)->name, line);
            lines++;
        }
        assert_in_range(lines, 2, 24);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_of_giving_a_value_is_read),
        cmocka_unit_test(test_a_command_keeps_its_own_options),
        cmocka_unit_test(test_what_cannot_be_meant_is_refused),
        cmocka_unit_test(test_help_is_asked_for_anywhere_before_the_command),
        cmocka_unit_test(test_the_nearest_word_is_offered_only_if_it_is_near),
        cmocka_unit_test(test_every_help_fits_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
