#include "stack/ports.h"

#include "test_alloc.h"

#include <runnel/err.h>

struct rig {
    struct rn_test_alloc alloc;
    struct rn_ports ports;
};

static void init(struct rig *r)
{
    struct rn_hash_key key = { 1, 2 };

    memset(r, 0, sizeof(*r));
    rn_test_alloc_init(&r->alloc);
    assert_int_equal(rn_ports_init(&r->ports, &r->alloc.alloc, &key), 0);
    r->ports.first = 32768;
    r->ports.last = 60999;
}

static void fini(struct rig *r)
{
    rn_ports_fini(&r->ports);
    rn_test_alloc_fini(&r->alloc);
}

#define US     rn_addr_v4(0x0a000001)
#define OTHER  rn_addr_v4(0x0a000009)
#define ANY4   rn_addr_v4(0)
#define ANY    rn_addr_none()
#define US6    ((struct rn_addr){ .b = { 0xfd, [15] = 1 } })
#define REUSE  RN_PORT_REUSEADDR
#define SHARE  RN_PORT_REUSEPORT
#define LISTEN RN_PORT_LISTENING
#define V6ONLY RN_PORT_V6ONLY

/* Two claims on one port of one protocol, and whether the second is allowed: bind semantics of Linux. */
static void test_conflicts_are_those_of_linux(void **state)
{
    struct {
        struct rn_addr a, b;
        unsigned a_flags, b_flags;
        uint16_t a_nic, b_nic;
        bool may_both;
    } rows[] = {
        { US, US, 0, 0, 0, 0, false },
        { US, OTHER, 0, 0, 0, 0, true },
        { US, ANY, 0, 0, 0, 0, false },
        { ANY4, US, 0, 0, 0, 0, false },
        { ANY4, US6, 0, 0, 0, 0, true },
        { ANY, US6, 0, 0, 0, 0, false },
        { ANY, ANY4, 0, 0, 0, 0, false },
        { ANY, ANY4, V6ONLY, 0, 0, 0, true },
        { ANY, US, V6ONLY, 0, 0, 0, true },
        { ANY, US6, V6ONLY, 0, 0, 0, false },
        { US, US, REUSE, REUSE, 0, 0, true },
        { US, US, REUSE, 0, 0, 0, false },
        { US, US, REUSE | LISTEN, REUSE, 0, 0, false },
        { US, US, SHARE | LISTEN, SHARE | LISTEN, 0, 0, true },
        { US, US, SHARE, 0, 0, 0, false },
        { US, US, 0, 0, 1, 2, true },
        { US, US, 0, 0, 1, 0, false },
        { US, US, 0, 0, 1, 1, false },
    };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        struct rig r;
        struct rn_port_claim a = { .addr = rows[i].a,
                                   .port = 80,
                                   .proto = 6,
                                   .flags = (uint8_t)rows[i].a_flags,
                                   .nic = rows[i].a_nic };
        struct rn_port_claim b = { .addr = rows[i].b,
                                   .port = 80,
                                   .proto = 6,
                                   .flags = (uint8_t)rows[i].b_flags,
                                   .nic = rows[i].b_nic };
        int expected = rows[i].may_both ? 0 : RN_E_PORT_IN_USE;

        init(&r);
        assert_int_equal(rn_ports_claim(&r.ports, &a), 0);
        if (rn_ports_claim(&r.ports, &b) != expected)
            fail_msg("row %zu", i);
        rn_ports_release(&r.ports, &a);
        rn_ports_release(&r.ports, &a);
        rn_ports_release(&r.ports, &b);
        fini(&r);
    }
}

static void test_other_protocol_and_other_port_are_free(void **state)
{
    struct rig r;
    struct rn_port_claim tcp = { .addr = US, .port = 80, .proto = 6 };
    struct rn_port_claim udp = { .addr = US, .port = 80, .proto = 17 };
    struct rn_port_claim next = { .addr = US, .port = 81, .proto = 6 };

    (void)state;
    init(&r);

    assert_int_equal(rn_ports_claim(&r.ports, &tcp), 0);
    assert_int_equal(rn_ports_claim(&r.ports, &udp), 0);
    assert_int_equal(rn_ports_claim(&r.ports, &next), 0);
    rn_ports_release(&r.ports, &tcp);
    rn_ports_release(&r.ports, &udp);
    rn_ports_release(&r.ports, &next);
    fini(&r);
}

static bool always_free(void *arg, uint16_t port)
{
    (void)arg;
    (void)port;
    return true;
}

static void test_picked_ports_are_in_range_and_end(void **state)
{
    struct rig r;
    struct rn_port_claim claims[5];

    (void)state;
    init(&r);
    r.ports.first = 40000;
    r.ports.last = 40003;

    for (size_t i = 0; i < 5; i++) {
        claims[i] = (struct rn_port_claim){ .addr = US, .proto = 17 };
        assert_int_equal(rn_ports_pick(&r.ports, &claims[i], NULL, NULL, NULL),
                         i < 4 ? 0 : RN_E_NO_PORT);
        if (i < 4)
            assert_in_range(claims[i].port, 40000, 40003);
    }
    for (size_t i = 0; i < 5; i++)
        rn_ports_release(&r.ports, &claims[i]);
    fini(&r);
}

static void test_connections_to_different_peers_share_a_port_but_not_a_bound_one(void **state)
{
    struct rig r;
    struct rn_endpoint peer = { .addr = OTHER, .port = 443 };
    struct rn_port_claim a = { .addr = US, .proto = 6 };
    struct rn_port_claim b = { .addr = US, .proto = 6 };
    struct rn_port_claim bound = { .addr = US, .proto = 6, .port = 40000 };

    (void)state;
    init(&r);
    r.ports.first = 40000;
    r.ports.last = 40000;

    assert_int_equal(rn_ports_pick(&r.ports, &a, &peer, always_free, NULL), 0);
    assert_int_equal(rn_ports_pick(&r.ports, &b, &peer, always_free, NULL), 0);
    assert_int_equal(rn_ports_claim(&r.ports, &bound), RN_E_PORT_IN_USE);
    rn_ports_release(&r.ports, &a);
    rn_ports_release(&r.ports, &b);
    assert_int_equal(rn_ports_claim(&r.ports, &bound), 0);
    assert_int_equal(rn_ports_pick(&r.ports, &a, &peer, always_free, NULL), RN_E_NO_PORT);
    rn_ports_release(&r.ports, &bound);
    fini(&r);
}

/* RFC 6056 §3.3.4: successive ports towards one peer follow each other, the start towards another does not. */
static void test_ports_towards_one_peer_are_successive(void **state)
{
    struct rig r;
    struct rn_endpoint peer = { .addr = OTHER, .port = 443 };
    struct rn_port_claim claims[3];

    (void)state;
    init(&r);

    for (size_t i = 0; i < 3; i++) {
        claims[i] = (struct rn_port_claim){ .addr = US, .proto = 6 };
        assert_int_equal(rn_ports_pick(&r.ports, &claims[i], &peer, always_free, NULL), 0);
    }
    assert_int_equal((claims[1].port - claims[0].port + 28232) % 28232, 1);
    assert_int_equal((claims[2].port - claims[1].port + 28232) % 28232, 1);
    for (size_t i = 0; i < 3; i++)
        rn_ports_release(&r.ports, &claims[i]);
    fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conflicts_are_those_of_linux),
        cmocka_unit_test(test_other_protocol_and_other_port_are_free),
        cmocka_unit_test(test_picked_ports_are_in_range_and_end),
        cmocka_unit_test(test_connections_to_different_peers_share_a_port_but_not_a_bound_one),
        cmocka_unit_test(test_ports_towards_one_peer_are_successive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
