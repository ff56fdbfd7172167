#include "stack/nic.h"

#include "host.h"

#include <runnel/err.h>
#include <runnel/stats.h>

static const struct rn_protos no_protos = { 0 };

static void init(struct rn_test_host *h)
{
    rn_test_host_init(h, &(struct rn_test_host_opts){ .protos = &no_protos });
}

static void output(struct rn_test_host *h, uint8_t proto, uint32_t len)
{
    struct rn_pkt *pkt = rn_pkt_new(h->t.pool);

    assert_non_null(rn_pkt_push(pkt, len));
    pkt->l4_proto = proto;
    rn_nic_output(h->nic, NULL, pkt);
}

static void test_ids_count_from_one_and_names_are_found(void **state)
{
    struct rn_test_host h;
    struct rn_nic *second;
    struct rn_nic *again;
    struct rn_nic_opts opts = { .name = "tun0" };

    (void)state;
    init(&h);

    assert_int_equal(rn_nic_id(h.nic), 1);
    assert_string_equal(rn_nic_name(h.nic), "nic1");
    assert_int_equal(rn_nic_new(&second, h.stack, &h.device, &opts), 0);
    assert_ptr_equal(rn_nic_find_name(h.stack, "tun0"), second);
    assert_ptr_equal(rn_nic_find(h.stack, 2), second);
    assert_null(rn_nic_find(h.stack, 3));
    assert_null(rn_nic_find_name(h.stack, "tun"));
    second = rn_nic_free(second);
    assert_null(rn_nic_find(h.stack, 2));
    assert_int_equal(rn_nic_new(&again, h.stack, &h.device, NULL), 0);
    assert_int_equal(rn_nic_id(again), 2);
    rn_test_host_fini(&h);
}

static void test_many_nics_get_their_own_ids(void **state)
{
    struct rn_test_host h;
    struct rn_nic *nic;

    (void)state;
    init(&h);

    for (uint16_t id = 2; id < 100; id++) {
        assert_int_equal(rn_nic_new(&nic, h.stack, &h.device, NULL), 0);
        assert_int_equal(rn_nic_id(nic), id);
        assert_ptr_equal(rn_nic_find(h.stack, id), nic);
    }
    rn_test_host_fini(&h);
}

static void test_closed_device_cannot_carry_a_nic(void **state)
{
    struct rn_test_host h;
    struct rn_nic *nic;

    (void)state;
    init(&h);
    h.device.is_closed = true;

    assert_int_equal(rn_nic_new(&nic, h.stack, &h.device, NULL), RN_E_BAD_NIC);
    rn_test_host_fini(&h);
}

static void test_addresses_that_no_host_has_are_refused(void **state)
{
    static const char *const bad[] = { "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255" };
    struct rn_test_host h;
    struct rn_addr addr;

    (void)state;
    init(&h);

    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++) {
        assert_int_equal(rn_addr_parse(bad[i], &addr), 0);
        assert_int_equal(rn_nic_add_addr(h.nic, addr, 24), RN_E_BAD_ADDR);
    }
    assert_int_equal(rn_nic_add_addr(h.nic, rn_addr_v4(0x0a000005), 33), RN_E_BAD_ADDR);
    assert_int_equal(rn_nic_add_addr(h.nic, RN_TEST_US4, 24), RN_E_DUP_ADDR);
    assert_int_equal(rn_nic_addrs(h.nic, NULL, 0), 2);
    rn_test_host_fini(&h);
}

static void test_loopback_device_brings_its_addresses(void **state)
{
    struct rn_test_host h;
    struct rn_nic *lo;

    (void)state;
    init(&h);
    h.device.caps = RN_DEV_LOOPBACK;
    assert_int_equal(rn_nic_new(&lo, h.stack, &h.device, NULL), 0);
    h.device.caps = 0;

    assert_non_null(rn_stack_find_addr(h.stack, rn_addr_v4(0x7f000001), 0));
    assert_non_null(rn_stack_find_addr(h.stack, rn_addr_v4(0x7f123456), 0));
    assert_null(rn_stack_find_addr(h.stack, rn_addr_v4(0x7e000001), 0));
    assert_null(rn_stack_find_addr(h.stack, rn_addr_v4(0x7f000001), h.nic->id));
    rn_test_host_fini(&h);
}

static void test_broadcast_of_a_prefix_is_known_but_for_31_bits(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);
    assert_int_equal(rn_nic_add_addr(h.nic, rn_addr_v4(0xc0000200), 31), 0);

    assert_true(rn_nic_is_broadcast(h.nic, rn_addr_v4(0x0a0000ff)));
    assert_true(rn_nic_is_broadcast(h.nic, rn_addr_v4(0xffffffff)));
    assert_false(rn_nic_is_broadcast(h.nic, rn_addr_v4(0xc0000201)));
    assert_false(rn_nic_is_broadcast(h.nic, rn_addr_v4(0x0b0000ff)));
    rn_test_host_fini(&h);
}

static void test_full_queue_drops_datagrams_but_not_tcp(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);
    h.nic->out_max_pkts = 4;

    for (int i = 0; i < 6; i++)
        output(&h, RN_PROTO_UDP, 28);
    assert_int_equal(h.nic->out.n_pkts, 4);
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_QUEUE_FULL), 2);
    assert_false(rn_nic_has_room(h.nic));
    output(&h, RN_PROTO_TCP, 40);
    assert_int_equal(h.nic->out.n_pkts, 5);
    rn_test_host_fini(&h);
}

static void note_run(struct rn_task *task);

struct waiter {
    struct rn_task task;
    unsigned n_runs;
};

static void note_run(struct rn_task *task)
{
    rn_container_of(task, struct waiter, task)->n_runs++;
}

static void test_waiting_sender_is_woken_when_packets_are_taken(void **state)
{
    struct rn_test_host h;
    struct waiter w = { .task = { .run = note_run } };
    uint64_t ticket;

    (void)state;
    init(&h);
    output(&h, RN_PROTO_TCP, 40);
    ticket = rn_nic_ticket(h.nic);
    assert_false(rn_nic_is_taken(h.nic, ticket));

    rn_nic_wait(h.nic, &w.task);
    rn_test_turn_at(&h.t, 1);
    assert_int_equal(w.n_runs, 0);
    (void)rn_nic_take_output(h.nic, &h.out, 1);
    assert_true(rn_nic_is_taken(h.nic, ticket));
    rn_test_turn_at(&h.t, 2);

    assert_int_equal(w.n_runs, 1);
    rn_test_host_fini(&h);
}

static void test_nic_that_is_down_takes_and_gives_nothing(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);
    output(&h, RN_PROTO_UDP, 28);

    rn_nic_set_up(h.nic, false);
    output(&h, RN_PROTO_UDP, 28);
    rn_test_host_feed(&h, "E", 1);

    assert_int_equal(rn_test_host_drops(&h, RN_DROP_NIC_DOWN), 3);
    assert_true(rn_pktq_is_empty(&h.nic->out));
    rn_test_host_fini(&h);
}

struct watch {
    struct rn_tap tap;
    unsigned n_in;
    unsigned n_out;
};

static void see(struct rn_tap *tap, const struct rn_pkt *pkt, bool is_out)
{
    struct watch *w = rn_container_of(tap, struct watch, tap);

    assert_true(pkt->len != 0);
    if (is_out)
        w->n_out++;
    else
        w->n_in++;
}

static void test_tap_sees_both_ways_until_it_is_removed(void **state)
{
    struct rn_test_host h;
    struct watch w = { .tap.fn = see };

    (void)state;
    init(&h);
    rn_nic_add_tap(h.nic, &w.tap);

    output(&h, RN_PROTO_UDP, 28);
    rn_test_host_feed(&h, "E", 1);
    assert_int_equal(w.n_in, 1);
    assert_int_equal(w.n_out, 1);
    rn_nic_remove_tap(&w.tap);
    output(&h, RN_PROTO_UDP, 28);
    assert_int_equal(w.n_out, 1);
    rn_test_host_fini(&h);
}

static void test_counters_are_found_by_name_and_count(void **state)
{
    struct rn_test_host h;
    struct rn_nic_counts counts;
    uint64_t value = 99;

    (void)state;
    init(&h);
    output(&h, RN_PROTO_UDP, 28);
    rn_test_host_feed(&h, "E", 1);

    assert_int_equal(rn_stats_get(h.stack, "nic.tx_bytes", &value), 0);
    assert_int_equal(value, 28);
    assert_int_equal(rn_stats_get(h.stack, "nic.tx", &value), RN_E_NOT_FOUND);
    assert_int_equal(rn_stats_get(h.stack, "", &value), RN_E_NOT_FOUND);
    rn_nic_get_counts(h.nic, &counts);
    assert_int_equal(counts.tx_pkts, 1);
    assert_int_equal(counts.rx_pkts, 1);
    for (size_t i = 0; i < rn_stats_count(); i++)
        assert_non_null(rn_stats_at(h.stack, i).text);
    assert_int_equal(rn_drops_at(h.stack, RN_DROP_UNKNOWN_ETHERTYPE).value, 1);
    assert_string_equal(rn_drops_at(h.stack, RN_DROP_UNKNOWN_ETHERTYPE).name, "UNKNOWN_ETHERTYPE");
    rn_test_host_fini(&h);
}

static void test_stack_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 40; n++) {
        struct rn_test_turn t;
        struct rn_stack_opts opts = { .protos = &rn_protos_all, .is_test = true };
        struct rn_device device = { .link_type = RN_LINK_ETHERNET, .mtu = 1500 };
        struct rn_stack *stack = NULL;
        struct rn_nic *nic = NULL;

        rn_test_turn_init(&t);
        device.turn = &t.turn;
        t.alloc.fail_at = n;
        if (rn_stack_new(&stack, &t.turn, &opts) == 0 &&
            rn_nic_new(&nic, stack, &device, NULL) == 0)
            (void)!rn_nic_add_addr(nic, RN_TEST_US4, 24);
        t.alloc.fail_at = 0;
        stack = rn_stack_free(stack);
        rn_test_turn_fini(&t);
    }
}

static void test_stack_without_entropy_is_refused(void **state)
{
    struct rn_test_turn t;
    struct rn_stack_opts opts = { .protos = &rn_protos_all };
    struct rn_stack *stack;

    (void)state;
    rn_test_turn_init(&t);

    assert_int_equal(rn_stack_new(&stack, &t.turn, &opts), RN_E_MISSING_FIELDS);
    opts.secret[31] = 1;
    assert_int_equal(rn_stack_new(&stack, &t.turn, &opts), 0);
    assert_ptr_equal(rn_stack_turn(stack), &t.turn);
    stack = rn_stack_free(stack);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_count_from_one_and_names_are_found),
        cmocka_unit_test(test_many_nics_get_their_own_ids),
        cmocka_unit_test(test_closed_device_cannot_carry_a_nic),
        cmocka_unit_test(test_addresses_that_no_host_has_are_refused),
        cmocka_unit_test(test_loopback_device_brings_its_addresses),
        cmocka_unit_test(test_broadcast_of_a_prefix_is_known_but_for_31_bits),
        cmocka_unit_test(test_full_queue_drops_datagrams_but_not_tcp),
        cmocka_unit_test(test_waiting_sender_is_woken_when_packets_are_taken),
        cmocka_unit_test(test_nic_that_is_down_takes_and_gives_nothing),
        cmocka_unit_test(test_tap_sees_both_ways_until_it_is_removed),
        cmocka_unit_test(test_counters_are_found_by_name_and_count),
        cmocka_unit_test(test_stack_survives_every_failing_allocation),
        cmocka_unit_test(test_stack_without_entropy_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
