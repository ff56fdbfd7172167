/* Pictures: what a reader must be able to see, proved on the layout; and one golden file to look at. */
#include "discovery/layout.h"

#include "golden.h"
#include "map_fixture_parts.h"

static bool do_overlap(const struct rn_layout_label *a, const struct rn_layout_label *b)
{
    double top_a = a->y - a->h * 0.78;
    double top_b = b->y - b->h * 0.78;

    return a->x < b->x + b->w && b->x < a->x + a->w && top_a < top_b + b->h && top_b < top_a + a->h;
}

static bool does_cross(const struct rn_layout_wire *w, unsigned i, const struct rn_layout_label *l)
{
    double top = l->y - l->h * 0.78;
    double x0 = w->x[i] < w->x[i + 1] ? w->x[i] : w->x[i + 1];
    double x1 = w->x[i] < w->x[i + 1] ? w->x[i + 1] : w->x[i];
    double y0 = w->y[i] < w->y[i + 1] ? w->y[i] : w->y[i + 1];
    double y1 = w->y[i] < w->y[i + 1] ? w->y[i + 1] : w->y[i];

    return x0 < l->x + l->w && x1 > l->x && y0 < top + l->h && y1 > top;
}

/* No text on another, no wire through a text, nothing too small, nothing outside the paper. */
static void check_legible(const struct rn_map *map, bool wants_wires)
{
    struct rn_layout layout;

    assert_int_equal(rn_layout_make(&layout, &(struct rn_draw){ .map = map }), 0);
    assert_true(layout.n_labels > 0);
    assert_true(!wants_wires || layout.n_wires > 0);
    for (size_t i = 0; i < layout.n_labels; i++) {
        const struct rn_layout_label *l = &layout.labels[i];

        assert_true(l->font_px >= RN_LAYOUT_FONT_MIN_PX);
        assert_true(l->x >= 0 && l->x + l->w <= RN_LAYOUT_WIDTH && l->y <= layout.height);
        for (size_t k = i + 1; k < layout.n_labels; k++)
            assert_false(do_overlap(l, &layout.labels[k]));
        for (size_t k = 0; k < layout.n_wires; k++) {
            for (unsigned s = 0; s + 1 < layout.wires[k].n_points; s++)
                assert_false(does_cross(&layout.wires[k], s, l));
        }
    }
    rn_layout_free(&layout);
}

static void test_picture_of_the_fixture_is_legible(void **state)
{
    struct map_fixture f;

    (void)state;
    map_fixture_init(&f);
    check_legible(f.map, true);
    map_fixture_fini(&f);
}

static void test_picture_is_as_it_was_looked_at(void **state)
{
    struct map_fixture f;
    struct rn_out out = { 0 };

    (void)state;
    map_fixture_init(&f);
    rn_draw_svg(&(struct rn_draw){ .map = f.map }, &out);
    golden_check("map.svg", out.buf);
    rn_out_free(&out);
    map_fixture_fini(&f);
}

/* @n namespaces behind one bridge; the first @n_docker of them in docker projects of ten. */
/* Up to 299: projects of ten by turns; beyond: very many small ones, which do not collapse. */
static const char *project_of(struct rn_map *map, unsigned i, unsigned n)
{
    char name[32];

    if (n < 300)
        return i / 10 % 2 == 0 ? "blog" : "shop";
    (void)snprintf(name, sizeof(name), "project%u", i / 4);
    return rn_arena_strdup(&map->arena, name);
}

static struct rn_map *big_map(unsigned n, unsigned n_docker, bool has_host)
{
    struct rn_map *map = NULL;
    struct rn_map_netns *host;
    struct rn_map_link *bridge;

    assert_int_equal(rn_model_new(&map), 0);
    map->host.hostname = "big";
    host = fx_netns(map, 4026531840u, has_host ? "" : "hub");
    host->is_initial = has_host;
    bridge = fx_link(map, host, 2, "br0", RN_KIND_BRIDGE);
    for (unsigned i = 0; i < n; i++) {
        char name[32];
        struct rn_map_netns *ns;
        struct rn_map_link *outer;
        struct rn_map_link *inner;

        (void)snprintf(name, sizeof(name), "%s%u", i < n_docker ? "web-" : "lab", i);
        ns = fx_netns(map, 4026532000u + i, i < n_docker ? "" : rn_arena_strdup(&map->arena, name));
        if (i < n_docker) {
            struct rn_map_container *c =
                fx_container(map, rn_arena_strdup(&map->arena, name), RN_ENGINE_DOCKER, NULL);

            c->project = project_of(map, i, n);
            (void)fx_tenant(map, ns, fx_process(map, ns, 1000 + i, "nginx", "nginx"), c);
        }
        (void)snprintf(name, sizeof(name), "veth%u", i);
        outer = fx_link(map, host, 10 + i, rn_arena_strdup(&map->arena, name), RN_KIND_VETH);
        inner = fx_link(map, ns, 2, "eth0", RN_KIND_VETH);
        fx_peers(outer, inner);
        fx_port(map, outer, bridge);
        (void)snprintf(name, sizeof(name), "10.0.%u.%u", i / 250, i % 250 + 2);
        (void)fx_ip(map, inner, name, 16);
    }
    rn_model_sort(map);
    return map;
}

/* With RN_PICTURES=DIR the pictures are left there, since "legible" is for people to say. */
static void keep_for_a_look(const struct rn_map *map, unsigned n)
{
    const char *dir = getenv("RN_PICTURES");
    struct rn_out out = { 0 };
    char path[512];

    if (dir == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s/map-%u.svg", dir, n);
    out.file = fopen(path, "w");
    assert_non_null(out.file);
    rn_draw_svg(&(struct rn_draw){ .map = map }, &out);
    assert_int_equal(rn_out_flush(&out), 0);
    (void)fclose(out.file);
    rn_out_free(&out);
}

static void test_pictures_of_five_to_two_hundred_networks_are_legible(void **state)
{
    static const unsigned sizes[] = { 0, 1, 2, 5, 13, 30, 100, 200 };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(sizes); i++) {
        struct rn_map *map = big_map(sizes[i], sizes[i] / 2, true);

        check_legible(map, sizes[i] > 0);
        keep_for_a_look(map, sizes[i]);
        rn_model_free(map);
    }
}

/* As where the scanner may not read the machine's own network: the hub is a box among the others. */
static void test_pictures_without_the_machines_own_network_are_legible(void **state)
{
    static const unsigned sizes[] = { 1, 5, 24, 60 };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(sizes); i++) {
        struct rn_map *map = big_map(sizes[i], sizes[i] / 2, false);

        check_legible(map, true);
        keep_for_a_look(map, 1000 + sizes[i]);
        rn_model_free(map);
    }
}

static void test_a_hundred_projects_are_legible_though_wires_become_a_ribbon(void **state)
{
    struct rn_map *map = big_map(400, 400, true);

    (void)state;
    check_legible(map, true);
    keep_for_a_look(map, 400);
    rn_model_free(map);
}

static void test_a_wire_for_every_cable(void **state)
{
    struct rn_map *map = big_map(30, 15, true);
    struct rn_layout layout;

    (void)state;
    assert_int_equal(rn_layout_make(&layout, &(struct rn_draw){ .map = map }), 0);
    assert_int_equal(layout.n_wires, 30);
    for (size_t i = 0; i < layout.n_wires; i++)
        assert_ptr_equal(layout.wires[i].from->peer, layout.wires[i].to);
    rn_layout_free(&layout);
    rn_model_free(map);
}

static void test_big_groups_collapse_into_one_box(void **state)
{
    struct rn_map *map = big_map(100, 60, true);
    struct rn_layout layout;
    size_t n_boxes = 0;

    (void)state;
    assert_int_equal(rn_layout_make(&layout, &(struct rn_draw){ .map = map }), 0);
    for (size_t i = 0; i < layout.n_rects; i++)
        n_boxes += layout.rects[i].shape == RN_SHAPE_BOX;
    assert_int_equal(n_boxes, 4); /* the machine, two projects, the named ones */
    assert_int_equal(layout.n_wires, 100);
    rn_layout_free(&layout);
    rn_model_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture_of_the_fixture_is_legible),
        cmocka_unit_test(test_picture_is_as_it_was_looked_at),
        cmocka_unit_test(test_pictures_of_five_to_two_hundred_networks_are_legible),
        cmocka_unit_test(test_pictures_without_the_machines_own_network_are_legible),
        cmocka_unit_test(test_a_hundred_projects_are_legible_though_wires_become_a_ribbon),
        cmocka_unit_test(test_a_wire_for_every_cable),
        cmocka_unit_test(test_big_groups_collapse_into_one_box),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
