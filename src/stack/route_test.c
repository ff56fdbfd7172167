#include "stack/route.h"

#include "host.h"

#include <runnel/err.h>
#include <runnel/route.h>

static const struct rn_protos no_protos = { 0 };

static void init(struct rn_test_host *h)
{
    rn_test_host_init(h, &(struct rn_test_host_opts){ .protos = &no_protos });
}

static struct rn_route_entry entry(const char *prefix, const char *gateway, uint32_t metric)
{
    struct rn_route_entry e = { .nic = 1, .metric = metric };

    assert_int_equal(rn_prefix_parse(prefix, &e.dst), 0);
    if (gateway != NULL)
        assert_int_equal(rn_addr_parse(gateway, &e.gateway), 0);
    return e;
}

static void add(struct rn_test_host *h, const char *prefix, const char *gateway, uint32_t metric)
{
    struct rn_route_entry e = entry(prefix, gateway, metric);

    assert_int_equal(rn_route_add(h->stack, &e), 0);
}

/* The gateway taken towards @dst as text; "none" without a route, "-" when on-link. */
static const char *way_to(struct rn_test_host *h, const char *dst)
{
    static char text[RN_ADDR_TEXT_BYTES];
    struct rn_route_entry e;
    struct rn_addr addr;

    assert_int_equal(rn_addr_parse(dst, &addr), 0);
    if (rn_route_get(h->stack, addr, 0, &e) < 0)
        return "none";
    return rn_addr_print(e.gateway, text);
}

static void test_longest_prefix_wins(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);
    assert_string_equal(way_to(&h, "192.0.2.1"), "none");
    add(&h, "0.0.0.0/0", "10.0.0.10", 0);
    add(&h, "192.0.0.0/8", "10.0.0.11", 0);
    add(&h, "192.0.2.0/24", "10.0.0.12", 0);
    add(&h, "192.0.2.1/32", "10.0.0.13", 0);

    assert_string_equal(way_to(&h, "9.9.9.9"), "10.0.0.10");
    assert_string_equal(way_to(&h, "192.9.9.9"), "10.0.0.11");
    assert_string_equal(way_to(&h, "192.0.2.9"), "10.0.0.12");
    assert_string_equal(way_to(&h, "192.0.2.1"), "10.0.0.13");
    assert_string_equal(way_to(&h, "10.0.0.77"), "-");
    assert_string_equal(way_to(&h, "2001:db8::1"), "none");
    add(&h, "::/0", "fd00::2", 0);
    add(&h, "2001:db8::1/128", "fd00::3", 0);
    assert_string_equal(way_to(&h, "2001:db8::1"), "fd00::3");
    assert_string_equal(way_to(&h, "2001:db8::2"), "fd00::2");
    rn_test_host_fini(&h);
}

static void test_lowest_metric_wins_within_a_prefix(void **state)
{
    struct rn_test_host h;
    struct rn_route_entry best = entry("0.0.0.0/0", "10.0.0.12", 5);

    (void)state;
    init(&h);
    add(&h, "0.0.0.0/0", "10.0.0.10", 20);
    add(&h, "0.0.0.0/0", "10.0.0.12", 5);
    add(&h, "0.0.0.0/0", "10.0.0.11", 10);

    assert_string_equal(way_to(&h, "9.9.9.9"), "10.0.0.12");
    assert_int_equal(rn_route_add(h.stack, &best), RN_E_EXISTS);
    assert_int_equal(rn_route_remove(h.stack, &best), 0);
    assert_string_equal(way_to(&h, "9.9.9.9"), "10.0.0.11");
    assert_int_equal(rn_route_remove(h.stack, &best), RN_E_NOT_FOUND);
    rn_test_host_fini(&h);
}

static void test_routes_of_a_nic_that_is_down_are_passed_over(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);

    rn_nic_set_up(h.nic, false);
    assert_string_equal(way_to(&h, "10.0.0.2"), "none");
    rn_nic_set_up(h.nic, true);
    assert_string_equal(way_to(&h, "10.0.0.2"), "-");
    rn_test_host_fini(&h);
}

static void test_gateway_must_be_on_link_where_links_have_addresses(void **state)
{
    struct rn_test_host h;
    struct rn_route_entry far = entry("192.0.2.0/24", "203.0.113.1", 0);
    struct rn_route_entry mixed = entry("192.0.2.0/24", "fd00::2", 0);
    struct rn_route_entry nowhere = entry("192.0.2.0/24", NULL, 0);

    (void)state;
    rn_test_host_init(
        &h, &(struct rn_test_host_opts){ .protos = &no_protos, .link_type = RN_LINK_ETHERNET });

    assert_int_equal(rn_route_add(h.stack, &far), RN_E_BAD_ADDR);
    assert_int_equal(rn_route_add(h.stack, &mixed), RN_E_BAD_ADDR);
    nowhere.nic = 7;
    assert_int_equal(rn_route_add(h.stack, &nowhere), RN_E_NO_NIC);
    rn_test_host_fini(&h);
}

static void test_list_is_sorted_and_says_how_many_there_are(void **state)
{
    struct rn_test_host h;
    struct rn_route_entry list[3];

    (void)state;
    init(&h);
    add(&h, "0.0.0.0/0", "10.0.0.10", 0);
    add(&h, "192.0.2.1/32", "10.0.0.13", 0);

    assert_int_equal(rn_route_list(h.stack, list, 3), 4); /* and two on-link */
    assert_int_equal(list[0].dst.bits, 64);
    assert_int_equal(list[1].dst.bits, 32);
    assert_int_equal(list[2].dst.bits, 24);
    assert_int_equal(rn_route_list(h.stack, NULL, 0), 4);
    rn_test_host_fini(&h);
}

static void test_on_link_route_follows_its_addresses(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);
    assert_int_equal(rn_nic_add_addr(h.nic, rn_addr_v4(0x0a000007), 24), 0);

    assert_int_equal(rn_nic_remove_addr(h.nic, RN_TEST_US4), 0);
    assert_string_equal(way_to(&h, "10.0.0.2"), "-");
    assert_int_equal(rn_nic_remove_addr(h.nic, rn_addr_v4(0x0a000007)), 0);
    assert_string_equal(way_to(&h, "10.0.0.2"), "none");
    assert_int_equal(rn_nic_remove_addr(h.nic, RN_TEST_US4), RN_E_NOT_FOUND);
    rn_test_host_fini(&h);
}

static void test_lookup_among_many_routes_finds_the_right_one(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);
    for (uint32_t i = 0; i < 2000; i++) {
        struct rn_route_entry e = { .nic = 1, .metric = i };

        e.dst = rn_prefix_of(rn_addr_v4(0xc0000000u + (i << 8)), 24);
        assert_int_equal(rn_route_add(h.stack, &e), 0);
    }

    for (uint32_t i = 0; i < 2000; i++) {
        struct rn_route_entry e;

        assert_int_equal(rn_route_get(h.stack, rn_addr_v4(0xc0000005u + (i << 8)), 0, &e), 0);
        assert_int_equal(e.metric, i);
    }
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_prefix_wins),
        cmocka_unit_test(test_lowest_metric_wins_within_a_prefix),
        cmocka_unit_test(test_routes_of_a_nic_that_is_down_are_passed_over),
        cmocka_unit_test(test_gateway_must_be_on_link_where_links_have_addresses),
        cmocka_unit_test(test_list_is_sorted_and_says_how_many_there_are),
        cmocka_unit_test(test_on_link_route_follows_its_addresses),
        cmocka_unit_test(test_lookup_among_many_routes_finds_the_right_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
