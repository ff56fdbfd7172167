/* Drawings for terminals, compared with tests/golden/map/. RN_GOLDEN=write in the environment makes the files anew. */
#include "discovery/draw.h"

#include "golden.h"
#include "map_fixture_parts.h"

static void check_tree(const char *golden, struct rn_draw draw)
{
    struct map_fixture f;
    struct rn_out out = { 0 };

    map_fixture_init(&f);
    draw.map = f.map;

    rn_draw_tree(&draw, &out);

    assert_int_equal(rn_out_flush(&out), 0);
    golden_check(golden, out.buf);
    rn_out_free(&out);
    map_fixture_fini(&f);
}

static void test_tree_fits_forty_columns(void **state)
{
    (void)state;
    check_tree("tree-40.txt", (struct rn_draw){ .width = 40 });
}

static void test_tree_fits_eighty_columns(void **state)
{
    (void)state;
    check_tree("tree-80.txt", (struct rn_draw){ .width = 80 });
}

static void test_tree_fits_two_hundred_columns(void **state)
{
    (void)state;
    check_tree("tree-200.txt", (struct rn_draw){ .width = 200 });
}

static void test_tree_in_a_pipe_is_whole_and_plain(void **state)
{
    (void)state;
    check_tree("tree-pipe.txt", (struct rn_draw){ 0 });
}

static void test_tree_in_the_c_locale_is_ascii(void **state)
{
    (void)state;
    check_tree("tree-80-ascii.txt", (struct rn_draw){ .width = 80, .charset = RN_CHARSET_ASCII });
}

static void test_tree_with_colours(void **state)
{
    (void)state;
    check_tree("tree-80-color.txt", (struct rn_draw){ .width = 80, .has_color = true });
}

static void test_verbose_tree_has_every_route(void **state)
{
    (void)state;
    check_tree("tree-verbose.txt", (struct rn_draw){ .is_verbose = true });
}

static void test_tree_of_one_kind(void **state)
{
    (void)state;
    check_tree("tree-veth.txt", (struct rn_draw){ .select = { .kind = "veth" } });
}

static void test_tree_of_one_port(void **state)
{
    (void)state;
    check_tree("tree-port-80.txt", (struct rn_draw){ .select = { .port = 80 } });
}

static void test_tree_of_one_project(void **state)
{
    (void)state;
    check_tree("tree-shop.txt", (struct rn_draw){ .select = { .container = "shop" } });
}

/* Whatever a name holds, no line is wider than the terminal and no byte of it steers one. */
static void test_no_line_is_too_wide_and_no_byte_steers_the_terminal(void **state)
{
    struct map_fixture f;

    (void)state;
    map_fixture_init(&f);
    for (unsigned width = 20; width < 140; width++) {
        struct rn_draw draw = { .map = f.map, .width = width };
        struct rn_out out = { 0 };
        char *line;
        char *rest;

        rn_draw_tree(&draw, &out);
        rest = out.buf;
        while ((line = strsep(&rest, "\n")) != NULL) {
            const char *p = line;
            uint32_t cp;

            /* what is drawn is harmless already, but for the backslashes of its escapes, which count once */
            for (char *c = line; *c != '\0'; c++)
                *c = *c == '\\' ? '/' : *c;
            assert_true(rn_text_columns(line, RN_CHARSET_UTF8) <= width);
            while ((cp = rn_utf8_next(&p)) != 0) {
                assert_true(cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0));
                assert_true(cp != 0x202e && !(cp >= 0xdc80 && cp <= 0xdcff));
            }
        }
        rn_out_free(&out);
    }
    map_fixture_fini(&f);
}

static void test_graph_for_graphviz(void **state)
{
    struct map_fixture f;
    struct rn_out out = { 0 };

    (void)state;
    map_fixture_init(&f);
    rn_draw_dot(&(struct rn_draw){ .map = f.map }, &out);
    golden_check("map.dot", out.buf);
    rn_out_free(&out);
    map_fixture_fini(&f);
}

static void test_show_tells_all_about_one_interface(void **state)
{
    struct map_fixture f;
    struct rn_out out = { 0 };
    struct rn_draw draw = { 0 };

    (void)state;
    map_fixture_init(&f);
    draw.map = f.map;
    assert_int_equal(rn_draw_link(&draw, "eth0", &out), 0);
    rn_out_char(&out, '\n');
    assert_int_equal(rn_draw_link(&draw, "vx100@host", &out), 0);
    rn_out_char(&out, '\n');
    assert_int_equal(rn_draw_link(&draw, "eth0@web", &out), 0);
    assert_int_equal(rn_draw_link(&draw, "eth9", &out), RN_E_NOT_FOUND);
    assert_int_equal(rn_draw_link(&draw, "eth0@nowhere", &out), RN_E_NOT_FOUND);
    golden_check("show.txt", out.buf);
    rn_out_free(&out);
    map_fixture_fini(&f);
}

static void test_a_ring_of_masters_is_drawn_once(void **state)
{
    struct rn_map *map = NULL;
    struct rn_map_netns *ns;
    struct rn_map_link *a;
    struct rn_map_link *b;
    struct rn_out out = { 0 };

    (void)state;
    assert_int_equal(rn_model_new(&map), 0);
    ns = fx_netns(map, 4026532001u, "ring");
    a = fx_link(map, ns, 1, "ringa", RN_KIND_BRIDGE);
    b = fx_link(map, ns, 2, "ringb", RN_KIND_BRIDGE);
    fx_port(map, a, b);
    fx_port(map, b, a);

    rn_draw_tree(&(struct rn_draw){ .map = map }, &out);

    assert_non_null(strstr(out.buf, "ringa"));
    assert_non_null(strstr(out.buf, "ringb"));
    rn_out_free(&out);
    rn_model_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_fits_forty_columns),
        cmocka_unit_test(test_tree_fits_eighty_columns),
        cmocka_unit_test(test_tree_fits_two_hundred_columns),
        cmocka_unit_test(test_tree_in_a_pipe_is_whole_and_plain),
        cmocka_unit_test(test_tree_in_the_c_locale_is_ascii),
        cmocka_unit_test(test_tree_with_colours),
        cmocka_unit_test(test_verbose_tree_has_every_route),
        cmocka_unit_test(test_tree_of_one_kind),
        cmocka_unit_test(test_tree_of_one_port),
        cmocka_unit_test(test_tree_of_one_project),
        cmocka_unit_test(test_no_line_is_too_wide_and_no_byte_steers_the_terminal),
        cmocka_unit_test(test_graph_for_graphviz),
        cmocka_unit_test(test_show_tells_all_about_one_interface),
        cmocka_unit_test(test_a_ring_of_masters_is_drawn_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
