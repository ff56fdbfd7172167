/* What pasta, slirp4netns and rootlessport listen on, as forwarded ports, by their command lines. */
#include "discovery/portfwd.h"

#include "map_fixture.h"
#include "test_alloc.h"

/* One program outside that holds a tap inside, and listens. */
struct host {
    struct rn_map *map;
    struct rn_load load;
    struct rn_map_netns *outside, *inside;
    struct rn_map_process *proxy;
};

static void host_init(struct host *h, const char *comm, const char *cmdline)
{
    struct rn_map_link *tap;

    assert_int_equal(rn_model_new(&h->map), RN_OK);
    rn_load_init(&h->load, h->map);
    h->outside = fx_netns(h->map, 1000, "");
    h->inside = fx_netns(h->map, 1001, "");
    h->proxy = fx_process(h->map, h->outside, 50, comm, cmdline);
    tap = fx_link(h->map, h->inside, 2, "tap0", RN_KIND_TUNTAP);
    rn_model_list_process(h->map, &tap->tuntap.processors, &tap->tuntap.n_processors, h->proxy);
    (void)fx_ip(h->map, tap, "10.0.2.100", 24);
}

/* The port that what comes in at @port goes to; 0: none is told. */
static unsigned port_inside(const char *cmdline, enum rn_map_proto proto, uint16_t port)
{
    struct host h;
    unsigned to = 0;

    host_init(&h, "pasta.avx2", cmdline);
    (void)fx_listen(h.map, h.proxy, proto, port);
    rn_portfwd_userland(&h.load);
    if (h.outside->n_fwds == 1) {
        assert_ptr_equal(h.outside->fwds[0].to_netns, h.inside);
        assert_ptr_equal(h.outside->fwds[0].proxy, h.proxy);
        assert_int_equal(h.outside->fwds[0].port_from, port);
        assert_false(h.outside->fwds[0].is_conditional);
        to = h.outside->fwds[0].to_port_from;
    }
    rn_model_free(h.map);
    return to;
}

static void test_pastas_ports_go_where_its_arguments_say(void **state)
{
    static const struct {
        const char *cmdline;
        enum rn_map_proto proto;
        uint16_t port;
        unsigned to;
    } cases[] = {
        { "pasta -t 22", RN_PROTO_TCP, 22, 22 },
        { "pasta -t 2222:22", RN_PROTO_TCP, 2222, 22 },
        { "pasta --tcp-ports 80-90:180-190", RN_PROTO_TCP, 85, 185 },
        { "pasta -t 127.0.0.1/8080:80,8443:443", RN_PROTO_TCP, 8443, 443 },
        { "pasta -t 127.0.0.1%lo/8080:80", RN_PROTO_TCP, 8080, 80 },
        { "pasta -t 1:2 -u 53:5353", RN_PROTO_UDP, 53, 5353 },
        { "pasta -u 53:5353", RN_PROTO_TCP, 53, 53 },
        { "pasta -t auto", RN_PROTO_TCP, 80, 80 },
        { "pasta -t ~22,80:81", RN_PROTO_TCP, 80, 81 },
        { "pasta -- nc -t 80:81", RN_PROTO_TCP, 80, 80 }, /* of the command it runs */
        /* nonsense that anybody may write over arguments */
        { "pasta -t 80:99999999999999999999", RN_PROTO_TCP, 80, 80 },
        { "pasta -t 1-65535:65000", RN_PROTO_TCP, 60000, 60000 },
        { "pasta -t ,,/,-", RN_PROTO_TCP, 80, 80 },
        { "pasta -t", RN_PROTO_TCP, 80, 80 },
    };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        unsigned to = port_inside(cases[i].cmdline, cases[i].proto, cases[i].port);

        if (to != cases[i].to)
            fail_msg("%s: %u goes to %u", cases[i].cmdline, (unsigned)cases[i].port, to);
    }
}

/* slirp4netns is told its ports over a socket: which one it becomes inside cannot be seen. */
static void test_slirps_ports_are_conditional(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, "slirp4netns", "slirp4netns 123 tap0");
    (void)fx_listen(h.map, h.proxy, RN_PROTO_TCP, 8080);
    rn_portfwd_userland(&h.load);

    assert_int_equal(h.outside->n_fwds, 1);
    assert_true(h.outside->fwds[0].is_conditional);
    assert_string_equal(h.outside->fwds[0].rule, "slirp4netns");
    rn_model_free(h.map);
}

static void test_other_programs_at_a_tap_forward_nothing(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, "qemu", "qemu -t 80");
    (void)fx_listen(h.map, h.proxy, RN_PROTO_TCP, 80);
    rn_portfwd_userland(&h.load);

    assert_int_equal(h.outside->n_fwds, 0);
    rn_model_free(h.map);
}

static void test_rootlessport_leads_where_its_child_lives(void **state)
{
    struct host h;
    struct rn_map_process *child;

    (void)state;
    host_init(&h, "rootlessport", "rootlessport");
    child = fx_process(h.map, h.inside, 51, "rootlessport-c", "rootlessport-child");
    child->parent = h.proxy;
    (void)fx_listen(h.map, h.proxy, RN_PROTO_TCP, 8080);
    rn_portfwd_userland(&h.load);

    assert_int_equal(h.outside->n_fwds, 1);
    assert_ptr_equal(h.outside->fwds[0].to_netns, h.inside);
    assert_true(h.outside->fwds[0].is_conditional);
    rn_model_free(h.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pastas_ports_go_where_its_arguments_say),
        cmocka_unit_test(test_slirps_ports_are_conditional),
        cmocka_unit_test(test_other_programs_at_a_tap_forward_nothing),
        cmocka_unit_test(test_rootlessport_leads_where_its_child_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
