#include "stack/demux.h"

#include "test_alloc.h"

#include <runnel/err.h>

struct rig {
    struct rn_test_alloc alloc;
    struct rn_demux demux;
};

static void init(struct rig *r)
{
    struct rn_hash_key key = { 1, 2 };

    rn_test_alloc_init(&r->alloc);
    assert_int_equal(rn_demux_init(&r->demux, &r->alloc.alloc, &key), 0);
}

static void fini(struct rig *r)
{
    rn_demux_fini(&r->demux);
    rn_test_alloc_fini(&r->alloc);
}

#define US   rn_addr_v4(0x0a000001)
#define PEER rn_addr_v4(0x0a000002)

static struct rn_demux_key key_of(struct rn_addr local, struct rn_addr remote, uint16_t nic)
{
    return (struct rn_demux_key){ .local = local,
                                  .remote = remote,
                                  .local_port = 80,
                                  .remote_port = rn_addr_is_none(remote) ? 0 : 1000,
                                  .nic = nic,
                                  .proto = 6 };
}

static struct rn_demux_node node_of(struct rn_addr local, struct rn_addr remote, uint16_t nic)
{
    return (struct rn_demux_node){ .key = key_of(local, remote, nic) };
}

static void test_lookup_goes_from_exact_to_general(void **state)
{
    struct rig r;
    struct rn_demux_key packet = key_of(US, PEER, 3);
    struct rn_demux_node nodes[] = {
        node_of(US, PEER, 3),
        node_of(US, PEER, 0),
        node_of(US, rn_addr_none(), 3),
        node_of(US, rn_addr_none(), 0),
        node_of(rn_addr_none(), rn_addr_none(), 3),
        node_of(rn_addr_none(), rn_addr_none(), 0),
    };

    (void)state;
    init(&r);
    for (size_t i = 0; i < RN_ARRAY_LEN(nodes); i++)
        assert_int_equal(rn_demux_add(&r.demux, &nodes[i]), 0);

    for (size_t i = 0; i < RN_ARRAY_LEN(nodes); i++) {
        assert_ptr_equal(rn_demux_find(&r.demux, &packet), &nodes[i]);
        rn_demux_remove(&r.demux, &nodes[i]);
    }
    assert_null(rn_demux_find(&r.demux, &packet));
    fini(&r);
}

static void test_a_successor_answers_to_the_name_of_what_it_replaces(void **state)
{
    struct rig r;
    struct rn_demux_node conn = node_of(US, PEER, 3);
    struct rn_demux_node timewait = { .kind = 7 };
    struct rn_demux_key packet = key_of(US, PEER, 3);

    (void)state;
    init(&r);
    assert_int_equal(rn_demux_add(&r.demux, &conn), 0);

    rn_demux_replace(&r.demux, &conn, &timewait);

    assert_ptr_equal(rn_demux_find(&r.demux, &packet), &timewait);
    assert_false(conn.is_listed);
    rn_demux_remove(&r.demux, &timewait);
    assert_null(rn_demux_find(&r.demux, &packet));
    fini(&r);
}

static void test_exact_lookup_sees_no_listener(void **state)
{
    struct rig r;
    struct rn_demux_key packet = key_of(US, PEER, 0);
    struct rn_demux_node listener = node_of(rn_addr_none(), rn_addr_none(), 0);
    struct rn_demux_node conn = node_of(US, PEER, 0);

    (void)state;
    init(&r);
    assert_int_equal(rn_demux_add(&r.demux, &listener), 0);

    assert_null(rn_demux_find_exact(&r.demux, &packet));
    assert_int_equal(rn_demux_add(&r.demux, &conn), 0);
    assert_ptr_equal(rn_demux_find_exact(&r.demux, &packet), &conn);
    assert_ptr_equal(rn_demux_find_bound(&r.demux, &packet), &listener);
    rn_demux_remove(&r.demux, &listener);
    rn_demux_remove(&r.demux, &conn);
    rn_demux_remove(&r.demux, &conn);
    fini(&r);
}

static void test_wildcard_takes_only_its_family(void **state)
{
    struct rig r;
    struct rn_addr v6 = { .b = { 0xfd, [15] = 1 } };
    struct rn_demux_key packet4 = key_of(US, PEER, 0);
    struct rn_demux_key packet6 = key_of(v6, PEER, 0);
    struct rn_demux_node only4 = node_of(rn_addr_v4(0), rn_addr_none(), 0);
    struct rn_demux_node only6 = node_of(rn_addr_none(), rn_addr_none(), 0);

    (void)state;
    init(&r);
    only4.family_any = RN_FAMILY_V4;
    only6.family_any = RN_FAMILY_V6;
    assert_int_equal(rn_demux_add(&r.demux, &only4), 0);

    assert_ptr_equal(rn_demux_find(&r.demux, &packet4), &only4);
    assert_null(rn_demux_find(&r.demux, &packet6));
    assert_int_equal(rn_demux_add(&r.demux, &only6), 0);
    assert_ptr_equal(rn_demux_find(&r.demux, &packet4), &only4);
    assert_ptr_equal(rn_demux_find(&r.demux, &packet6), &only6);
    rn_demux_remove(&r.demux, &only4);
    rn_demux_remove(&r.demux, &only6);
    fini(&r);
}

static void test_same_key_twice_needs_reuseport_of_both(void **state)
{
    struct rig r;
    struct rn_demux_node a = node_of(US, rn_addr_none(), 0);
    struct rn_demux_node b = node_of(US, rn_addr_none(), 0);

    (void)state;
    init(&r);
    b.is_reuseport = true;
    assert_int_equal(rn_demux_add(&r.demux, &a), 0);

    assert_int_equal(rn_demux_add(&r.demux, &b), RN_E_EXISTS);
    rn_demux_remove(&r.demux, &a);
    a.is_reuseport = true;
    assert_int_equal(rn_demux_add(&r.demux, &a), 0);
    assert_int_equal(rn_demux_add(&r.demux, &b), 0);
    rn_demux_remove(&r.demux, &a);
    rn_demux_remove(&r.demux, &b);
    fini(&r);
}

static void test_reuseport_group_shares_flows_and_keeps_each(void **state)
{
    struct rig r;
    struct rn_demux_node group[4];
    unsigned n_flows[4] = { 0 };

    (void)state;
    init(&r);
    for (size_t i = 0; i < 4; i++) {
        group[i] = node_of(rn_addr_none(), rn_addr_none(), 0);
        group[i].is_reuseport = true;
        assert_int_equal(rn_demux_add(&r.demux, &group[i]), 0);
    }

    for (uint16_t port = 1; port <= 1000; port++) {
        struct rn_demux_key packet = key_of(US, PEER, 0);
        struct rn_demux_node *node;

        packet.remote_port = port;
        node = rn_demux_find(&r.demux, &packet);
        assert_ptr_equal(rn_demux_find(&r.demux, &packet), node);
        n_flows[node - group]++;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(n_flows[i], 150, 350);
        rn_demux_remove(&r.demux, &group[i]);
    }
    fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_goes_from_exact_to_general),
        cmocka_unit_test(test_a_successor_answers_to_the_name_of_what_it_replaces),
        cmocka_unit_test(test_exact_lookup_sees_no_listener),
        cmocka_unit_test(test_wildcard_takes_only_its_family),
        cmocka_unit_test(test_same_key_twice_needs_reuseport_of_both),
        cmocka_unit_test(test_reuseport_group_shares_flows_and_keeps_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
