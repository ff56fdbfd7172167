/* The public API, on the hand-built machine and on this process's own network. */
#include "discovery/scan.h"
#include "golden.h"
#include "map_fixture_parts.h"

#include <runnel/map.h>

#include <sys/stat.h>
#include <unistd.h>

static void test_namespaces_are_found_by_process_and_container(void **state)
{
    struct map_fixture f;

    (void)state;
    map_fixture_init(&f);
    assert_int_equal(rn_map_n_netns(f.map), 9);
    assert_ptr_equal(rn_map_netns_at(f.map, 0), f.atlas);
    assert_null(rn_map_netns_at(f.map, 9));
    assert_ptr_equal(rn_map_netns_by_process(f.map, 8450), f.web);
    assert_null(rn_map_netns_by_process(f.map, 77));
    assert_ptr_equal(rn_map_netns_by_container(f.map, "sidecar"), f.web);
    assert_ptr_equal(rn_map_netns_by_container(f.map, "dbccc"), f.db);
    assert_null(rn_map_netns_by_container(f.map, "nobody"));
    map_fixture_fini(&f);
}

static void test_display_names_are_harmless_and_cut(void **state)
{
    struct map_fixture f;
    char buf[64];
    char tiny[6];

    (void)state;
    map_fixture_init(&f);
    assert_string_equal(rn_map_display_name(f.map, f.hostile, buf, sizeof(buf)),
                        ") R 1\\n\\xff家(9900)");
    assert_string_equal(rn_map_display_name(f.map, f.web, tiny, sizeof(tiny)), "sidec");
    map_fixture_fini(&f);
}

static void test_interfaces_tell_their_relations(void **state)
{
    struct map_fixture f;
    struct rn_map_link_info info;
    struct rn_map_addr_info addr;

    (void)state;
    map_fixture_init(&f);
    rn_map_link_get(rn_map_link_by_name(f.atlas, "veth1a"), &info);
    assert_string_equal(info.kind, "veth");
    assert_ptr_equal(info.peer, rn_map_link_by_name(f.web, "eth0"));
    assert_ptr_equal(info.master, f.shop);
    assert_ptr_equal(rn_map_link_port(f.shop, 0), rn_map_link_by_name(f.atlas, "veth1a"));
    assert_null(rn_map_link_port(f.shop, 2));
    assert_ptr_equal(rn_map_link_upper(f.eth0, 0), rn_map_link_by_name(f.blue, "mv0"));
    assert_true(rn_map_link_addr(f.shop, 0, &addr));
    assert_true(rn_addr_eq(addr.addr, fx_addr("172.18.0.1")));
    assert_false(rn_map_link_addr(f.shop, 1, &addr));
    rn_map_link_get(rn_map_link_by_name(f.atlas, "vx100"), &info);
    assert_int_equal(info.id, 100);
    assert_string_equal(rn_map_link_at(f.atlas, 0)->name, "lo");
    map_fixture_fini(&f);
}

static void test_lists_end_where_they_end(void **state)
{
    struct map_fixture f;
    struct rn_map_netns_info info;
    struct rn_map_route_info route;
    struct rn_map_socket_info sock;
    struct rn_map_forward_info forward;
    struct rn_map_tenant_info tenant;
    struct rn_map_gap gap;

    (void)state;
    map_fixture_init(&f);
    rn_map_netns_get(f.atlas, &info);
    assert_true(rn_map_route_at(f.atlas, info.n_routes - 1, &route));
    assert_false(rn_map_route_at(f.atlas, info.n_routes, &route));
    assert_true(rn_map_socket_at(f.atlas, info.n_sockets - 1, &sock));
    assert_false(rn_map_socket_at(f.atlas, info.n_sockets, &sock));
    assert_true(rn_map_forward_at(f.atlas, 1, &forward));
    assert_ptr_equal(forward.to_netns, f.web);
    assert_int_equal(forward.pid, 8450);
    assert_false(rn_map_forward_at(f.atlas, info.n_forwards, &forward));
    assert_true(rn_map_tenant_at(f.db, 0, &tenant));
    assert_string_equal(tenant.engine, "docker");
    assert_false(rn_map_tenant_at(f.db, 1, &tenant));
    assert_int_equal(rn_map_n_gaps(f.map), 2);
    rn_map_gap_at(f.map, 0, &gap);
    assert_ptr_equal(gap.netns, f.closed);
    map_fixture_fini(&f);
}

static void test_addresses_are_located_across_networks(void **state)
{
    struct map_fixture f;
    struct rn_map_link *link = NULL;

    (void)state;
    map_fixture_init(&f);
    assert_ptr_equal(rn_map_locate(f.map, f.green, fx_addr("10.88.0.5"), &link), f.dns);
    assert_ptr_equal(link, rn_map_link_with_addr(f.dns, fx_addr("10.88.0.5")));
    assert_null(rn_map_locate(f.map, f.green, fx_addr("10.66.0.5"), &link));
    assert_ptr_equal(rn_map_link_in_bridged_network(f.map, f.shop, fx_addr("172.18.0.3"))->netns,
                     f.db);
    assert_null(rn_map_link_in_bridged_network(f.map, f.shop, fx_addr("172.18.0.99")));
    map_fixture_fini(&f);
}

static void test_exploded_addresses_sort_as_text(void **state)
{
    char buf[RN_MAP_EXPLODED_BYTES];

    (void)state;
    assert_string_equal(rn_map_addr_explode(fx_addr("10.2.0.33"), buf), "010.002.000.033");
    assert_string_equal(rn_map_addr_explode(fx_addr("2001:db8::1"), buf),
                        "2001:0db8:0000:0000:0000:0000:0000:0001");
}

static void test_sockets_are_opened_in_the_very_namespace_of_the_map(void **state)
{
    struct rn_map *map = NULL;
    struct rn_map_netns *ns;
    struct rn_map_ref *ref;
    struct stat here;
    int fd;

    (void)state;
    assert_int_equal(stat("/proc/self/ns/net", &here), 0);
    assert_int_equal(rn_model_new(&map), 0);
    ns = rn_model_add_netns(map, here.st_dev, here.st_ino);
    assert_int_equal(rn_map_open_netlink(ns), RN_E_NOT_FOUND); /* nothing leads there */
    ref = rn_model_add_ref(map, ns);
    ref->path = "/proc/self/ns/net";
    fd = rn_map_open_netlink(ns);
    if (fd >= 0) /* entering even one's own namespace needs privilege */
        assert_int_equal(close(fd), 0);
    ns->ino++;
    assert_int_equal(rn_map_open_ethtool(ns), RN_E_NOT_FOUND); /* another namespace by now */
    rn_map_free(map);
}

static void test_a_saved_picture_is_read_again(void **state)
{
    struct rn_scan_options save = { .from_fd = -1, .save_fd = -1 };
    struct rn_map *seen = NULL;
    struct rn_map *saved = NULL;
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    save.save_fd = fileno(file);
    assert_int_equal(rn_scan(&save, &seen), 0);
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    assert_int_equal(rn_map_read(fileno(file), &saved), 0);
    assert_int_equal(rn_map_n_netns(saved), rn_map_n_netns(seen));
    assert_non_null(rn_map_netns_by_process(saved, (uint32_t)getpid()));
    rn_map_free(saved);
    rn_map_free(seen);
    (void)fclose(file);
}

static void test_every_form_is_drawn_into_a_descriptor(void **state)
{
    static const char *const forms[] = { "tree", "json", "gostwire", "dot", "svg" };
    struct map_fixture f;

    (void)state;
    map_fixture_init(&f);
    for (size_t i = 0; i < RN_ARRAY_LEN(forms); i++) {
        FILE *file = tmpfile();

        assert_non_null(file);
        assert_int_equal(rn_map_draw(f.map, forms[i], fileno(file)), 0);
        assert_true(lseek(fileno(file), 0, SEEK_END) > 1000);
        (void)fclose(file);
    }
    assert_int_equal(rn_map_draw(f.map, "oil", 1), RN_E_NOT_FOUND);
    map_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespaces_are_found_by_process_and_container),
        cmocka_unit_test(test_display_names_are_harmless_and_cut),
        cmocka_unit_test(test_interfaces_tell_their_relations),
        cmocka_unit_test(test_lists_end_where_they_end),
        cmocka_unit_test(test_addresses_are_located_across_networks),
        cmocka_unit_test(test_exploded_addresses_sort_as_text),
        cmocka_unit_test(test_sockets_are_opened_in_the_very_namespace_of_the_map),
        cmocka_unit_test(test_a_saved_picture_is_read_again),
        cmocka_unit_test(test_every_form_is_drawn_into_a_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
