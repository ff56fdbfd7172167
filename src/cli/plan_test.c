#include "cli/plan.h"

#include <runnel/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct rn_run_opts plain = { .mtu = 65520, .link = "auto", .io = "epoll" };

static struct rn_addr addr(const char *text)
{
    struct rn_addr a;

    assert_int_equal(rn_addr_parse(text, &a), 0);
    return a;
}

static void assert_addr(struct rn_addr a, const char *text)
{
    char printed[RN_ADDR_TEXT_BYTES];

    assert_string_equal(rn_addr_print(a, printed), text);
}

static void test_an_empty_host_gets_the_first_of_each_family(void **state)
{
    struct rn_host_view host = { 0 };
    struct rn_run_plan plan;
    (void)state;

    assert_int_equal(rn_plan_run(&plain, &host, &plan), 0);

    assert_addr(plan.gateway4, "10.210.71.1");
    assert_addr(plan.addr4, "10.210.71.2");
    assert_int_equal(plan.bits4, 30);
    assert_addr(plan.gateway6, "fd72:756e:9e6c::1");
    assert_addr(plan.addr6, "fd72:756e:9e6c::2");
    assert_false(plan.has_default6);
}

static void test_what_the_host_routes_or_asks_is_left_alone(void **state)
{
    struct rn_prefix taken[] = { rn_prefix_of(addr("10.0.0.0"), 8),
                                 rn_prefix_of(addr("fd72:756e:9e6c::"), 64) };
    struct rn_host_view host = {
        .taken = taken, .n_taken = 2, .dns = { addr("172.31.215.2") }, .n_dns = 1
    };
    struct rn_run_plan plan;
    (void)state;

    assert_int_equal(rn_plan_run(&plain, &host, &plan), 0);

    assert_addr(plan.addr4, "172.31.215.6");
    assert_addr(plan.addr6, "fd72:756e:9e6c:1::2");
}

static void test_no_free_prefix_is_an_error(void **state)
{
    struct rn_prefix taken[] = { rn_prefix_of(addr("10.0.0.0"), 8),
                                 rn_prefix_of(addr("172.16.0.0"), 12),
                                 rn_prefix_of(addr("192.168.0.0"), 16) };
    struct rn_host_view host = { .taken = taken, .n_taken = 3 };
    struct rn_run_opts only6 = plain;
    struct rn_run_plan plan;
    (void)state;

    assert_int_equal(rn_plan_run(&plain, &host, &plan), RN_E_EXISTS);
    only6.only_v6 = true;
    assert_int_equal(rn_plan_run(&only6, &host, &plan), 0);
    assert_false(plan.has_v4);
}

static void test_a_small_mtu_has_no_ipv6(void **state)
{
    struct rn_host_view host = { 0 };
    struct rn_run_opts small = plain;
    struct rn_run_plan plan;
    (void)state;

    small.mtu = 1279;
    assert_int_equal(rn_plan_run(&small, &host, &plan), 0);
    assert_false(plan.has_v6);
    small.only_v6 = true;
    assert_int_equal(rn_plan_run(&small, &host, &plan), RN_E_PARSE);
}

static void test_a_resolv_conf_is_read_as_the_resolver_reads_it(void **state)
{
    struct rn_host_view host = { 0 };
    (void)state;

    rn_plan_read_resolv("# a comment\n"
                        "nameserver 192.0.2.1\r\n"
                        "nameserver\t fe80::1%eth0 \n"
                        "nameserver not-an-address\n"
                        "nameservers 192.0.2.9\n"
                        "search a.test b.test\n"
                        "options ndots:2\n"
                        "nameserver 127.0.0.53",
                        &host);

    assert_int_equal(host.n_dns, 3);
    assert_addr(host.dns[0], "192.0.2.1");
    assert_addr(host.dns[1], "fe80::1");
    assert_addr(host.dns[2], "127.0.0.53");
    assert_string_equal(host.search, "search a.test b.test\noptions ndots:2\n");
}

static void test_a_resolv_conf_of_any_size_is_bounded(void **state)
{
    static char text[40000];
    struct rn_host_view host = { 0 };
    (void)state;

    for (size_t i = 0; i + 40 < sizeof(text);)
        i += (size_t)snprintf(text + i, sizeof(text) - i, "nameserver 192.0.2.%zu\nsearch x.test\n",
                              i % 250 + 1);
    rn_plan_read_resolv(text, &host);

    assert_int_equal(host.n_dns, RN_PLAN_DNS_MAX);
    assert_true(strlen(host.search) < sizeof(host.search));
}

static void test_loopback_resolvers_lead_to_ours(void **state)
{
    struct rn_host_view host = { .dns = { addr("127.0.0.1"), addr("127.0.1.1"), addr("192.0.2.1") },
                                 .n_dns = 3 };
    struct rn_addr stubs[8];
    struct rn_run_plan plan;
    (void)state;

    assert_int_equal(rn_plan_run(&plain, &host, &plan), 0);

    assert_int_equal(rn_plan_stubs(&plan, stubs, 8), 3);
    assert_addr(stubs[0], "127.0.0.53");
    assert_addr(stubs[1], "127.0.0.54");
    assert_addr(stubs[2], "127.0.1.1");
}

static void test_resolv_conf_inside_names_us_and_keeps_the_search(void **state)
{
    struct rn_host_view host = { .search = "search a.test\n" };
    struct rn_run_plan plan;
    char text[640];
    (void)state;

    assert_int_equal(rn_plan_run(&plain, &host, &plan), 0);
    rn_plan_resolv_text(&plan, text, sizeof(text));

    assert_string_equal(text,
                        "nameserver 10.210.71.1\nnameserver fd72:756e:9e6c::1\nsearch a.test\n");
}

static void test_workers_take_a_tun_that_is_all_theirs(void **state)
{
    struct rn_host_view host = { 0 };
    struct rn_run_opts many = plain;
    struct rn_run_plan plan;
    (void)state;

    assert_int_equal(rn_plan_run(&many, &host, &plan), 0);
    assert_int_equal(plan.n_workers, 1);
    many.n_workers = 4;
    assert_int_equal(rn_plan_run(&many, &host, &plan), 0);
    assert_int_equal(plan.n_workers, 4);

    many.pcap = "-";
    assert_int_equal(rn_plan_run(&many, &host, &plan), RN_E_PARSE);
    many.pcap = NULL;
    many.link = "veth";
    assert_int_equal(rn_plan_run(&many, &host, &plan), RN_E_PARSE);
}

static void test_filter_of_the_capture_is_read_before_anything_starts(void **state)
{
    struct rn_host_view host = { 0 };
    struct rn_run_opts opts = plain;
    struct rn_run_plan plan;
    (void)state;

    opts.pcap = "-";
    opts.pcap_filter = "udp port 53";
    assert_int_equal(rn_plan_run(&opts, &host, &plan), 0);
    assert_true(plan.pcap_filter.n > 0);

    opts.pcap_filter = "udp prot 53";
    assert_int_equal(rn_plan_run(&opts, &host, &plan), RN_E_PARSE);
    opts.pcap_filter = "udp";
    opts.pcap = NULL;
    assert_int_equal(rn_plan_run(&opts, &host, &plan), RN_E_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_host_gets_the_first_of_each_family),
        cmocka_unit_test(test_what_the_host_routes_or_asks_is_left_alone),
        cmocka_unit_test(test_no_free_prefix_is_an_error),
        cmocka_unit_test(test_a_small_mtu_has_no_ipv6),
        cmocka_unit_test(test_workers_take_a_tun_that_is_all_theirs),
        cmocka_unit_test(test_filter_of_the_capture_is_read_before_anything_starts),
        cmocka_unit_test(test_a_resolv_conf_is_read_as_the_resolver_reads_it),
        cmocka_unit_test(test_a_resolv_conf_of_any_size_is_bounded),
        cmocka_unit_test(test_loopback_resolvers_lead_to_ours),
        cmocka_unit_test(test_resolv_conf_inside_names_us_and_keeps_the_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
