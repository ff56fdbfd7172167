/* JSON of the hand-built machine; tests/map/ checks these files against their schema and rules. */
#include "discovery/draw.h"

#include "golden.h"
#include "map_fixture_parts.h"

#include <jansson.h>

static const char *service_name(uint16_t port, const char *proto)
{
    (void)proto;
    return port == 22 ? "ssh" : port == 80 ? "http" : port == 53 ? "domain" : NULL;
}

static char *draw_with(void (*draw)(const struct rn_draw *, struct rn_out *),
                       struct rn_draw options)
{
    struct map_fixture f;
    struct rn_out out = { 0 };

    map_fixture_init(&f);
    options.map = f.map;
    options.service_name = service_name;
    draw(&options, &out);
    assert_int_equal(rn_out_flush(&out), 0);
    map_fixture_fini(&f);
    return out.buf;
}

static void test_json_is_as_it_was_reviewed(void **state)
{
    char *text = draw_with(rn_draw_json, (struct rn_draw){ .is_pretty = true });

    (void)state;
    golden_check("map.json", text);
    free(text);
}

static void test_gostwire_json_is_as_it_was_reviewed(void **state)
{
    char *text = draw_with(rn_draw_gostwire, (struct rn_draw){ .is_pretty = true });

    (void)state;
    golden_check("gostwire.json", text);
    free(text);
}

static void check_compact_equals_pretty(void (*draw)(const struct rn_draw *, struct rn_out *))
{
    char *pretty = draw_with(draw, (struct rn_draw){ .is_pretty = true });
    char *compact = draw_with(draw, (struct rn_draw){ 0 });
    json_error_t error;
    json_t *a = json_loads(pretty, JSON_REJECT_DUPLICATES, &error);
    json_t *b = json_loads(compact, JSON_REJECT_DUPLICATES, &error);

    assert_non_null(a);
    assert_non_null(b);
    assert_true(json_equal(a, b));
    assert_int_equal(strcspn(compact, "\n") + 1, strlen(compact)); /* one line */
    for (const char *c = compact; *c != '\0'; c++)
        assert_true(*c == '\n' || (*c >= 0x20 && *c < 0x7f));
    json_decref(a);
    json_decref(b);
    free(pretty);
    free(compact);
}

static void test_compact_and_pretty_json_are_the_same_document(void **state)
{
    (void)state;
    check_compact_equals_pretty(rn_draw_json);
    check_compact_equals_pretty(rn_draw_gostwire);
}

static void test_unreadable_is_always_there(void **state)
{
    struct rn_map *map = NULL;
    struct rn_out out = { 0 };

    (void)state;
    assert_int_equal(rn_model_new(&map), 0);

    rn_draw_json(&(struct rn_draw){ .map = map }, &out);

    assert_non_null(strstr(out.buf, "\"unreadable\":[]"));
    rn_out_free(&out);
    rn_model_free(map);
}

static void test_filters_leave_the_rest_out(void **state)
{
    char *text = draw_with(rn_draw_json,
                           (struct rn_draw){ .select = { .netns = "blue", .kind = "macvlan" } });
    json_t *doc = json_loads(text, 0, NULL);
    json_t *list = json_object_get(doc, "namespaces");

    (void)state;
    assert_int_equal(json_array_size(list), 1);
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 0), "links")), 1);
    json_decref(doc);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_as_it_was_reviewed),
        cmocka_unit_test(test_gostwire_json_is_as_it_was_reviewed),
        cmocka_unit_test(test_compact_and_pretty_json_are_the_same_document),
        cmocka_unit_test(test_unreadable_is_always_there),
        cmocka_unit_test(test_filters_leave_the_rest_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
