#include "dev/bridge.h"

#include "dev/chan.h"
#include "packets.h"
#include "wire/eth.h"
#include <runnel/err.h>

#define N_PORTS 3u

struct bench {
    struct rn_test_turn t;
    struct rn_bridge *bridge;
    struct rn_device *port[N_PORTS];
    struct rn_device *failed;
};

static void note_failed(void *arg, struct rn_device *port)
{
    ((struct bench *)arg)->failed = port;
}

static void bench_init(struct bench *b, struct rn_bridge_opts opts)
{
    *b = (struct bench){ 0 };
    rn_test_turn_init(&b->t);
    opts.on_port_failed = note_failed;
    opts.arg = b;
    assert_int_equal(rn_bridge_new(&b->bridge, &b->t.turn, &opts), RN_OK);
    for (unsigned i = 0; i < N_PORTS; i++) {
        struct rn_chan_opts co = { .link_type = RN_LINK_ETHERNET, .queue_pkts = 8 };

        assert_int_equal(rn_chan_new(&b->port[i], &b->t.turn, &co), RN_OK);
        assert_int_equal(rn_bridge_add(b->bridge, b->port[i]), RN_OK);
    }
}

static void bench_fini(struct bench *b)
{
    rn_bridge_free(b->bridge);
    for (unsigned i = 0; i < N_PORTS; i++)
        rn_device_free(b->port[i]);
    rn_test_turn_fini(&b->t);
}

static struct rn_mac station(unsigned number)
{
    return (struct rn_mac){ { 2, 0, 0, 0, 0, (uint8_t)number } };
}

static void give(struct bench *b, unsigned port, struct rn_mac src, struct rn_mac dst)
{
    struct rn_eth_hdr eth = { .src = src, .dst = dst, .type = RN_ETHERTYPE_IPV4 };
    struct rn_pkt *pkt = rn_test_udp4(b->t.pool, 1, 20);
    struct rn_pktq q = { 0 };

    rn_eth_emit(&eth, rn_pkt_push(pkt, RN_ETH_HDR_BYTES));
    rn_pktq_push(&q, pkt);
    (void)rn_chan_inject(b->port[port], &q);
    rn_pktq_free_all(&q);
}

static void turn(struct bench *b, int64_t later_ns)
{
    rn_test_turn_at(&b->t, b->t.turn.now_ns + later_ns);
}

/* How many frames came out of each port, as digits: 11 is one each at ports 1 and 0. */
static unsigned came_out(struct bench *b)
{
    unsigned digits = 0;

    turn(b, RN_NS_PER_US);
    for (unsigned i = N_PORTS; i-- > 0;) {
        struct rn_pktq q = { 0 };

        digits = digits * 10 + rn_chan_drain(b->port[i], &q, 64);
        rn_pktq_free_all(&q);
    }
    return digits;
}

static void test_strangers_and_groups_are_flooded_and_who_was_heard_is_found(void **state)
{
    const struct rn_mac everyone = { { 255, 255, 255, 255, 255, 255 } };
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_bridge_opts){ 0 });

    give(&b, 0, station(1), station(2));
    assert_int_equal(came_out(&b), 110);
    give(&b, 1, station(2), station(1));
    assert_int_equal(came_out(&b), 1);
    give(&b, 0, station(1), station(2));
    assert_int_equal(came_out(&b), 10);
    give(&b, 2, station(3), everyone);
    assert_int_equal(came_out(&b), 11);
    assert_int_equal(rn_bridge_stations(b.bridge), 3);
    bench_fini(&b);
}

static void test_station_that_moves_is_found_at_its_new_port(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_bridge_opts){ 0 });
    give(&b, 0, station(1), station(9));
    (void)came_out(&b);

    give(&b, 2, station(1), station(9));
    assert_int_equal(came_out(&b), 11);
    give(&b, 1, station(2), station(1));
    assert_int_equal(came_out(&b), 100);
    bench_fini(&b);
}

static void test_frame_for_a_neighbour_on_the_same_port_goes_nowhere(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_bridge_opts){ 0 });
    give(&b, 0, station(1), station(9));
    (void)came_out(&b);

    give(&b, 0, station(2), station(1));

    assert_int_equal(came_out(&b), 0);
    assert_int_equal(rn_bridge_drops(b.bridge)->n[RN_DROP_NOT_FOR_US], 1);
    bench_fini(&b);
}

static void test_silent_stations_are_forgotten_and_so_is_the_oldest_when_it_is_full(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_bridge_opts){ .learned_max = 4, .age_ns = RN_NS_PER_S });
    for (unsigned i = 1; i <= 6; i++) {
        give(&b, 0, station(i), station(99));
        (void)came_out(&b);
    }

    assert_int_equal(rn_bridge_stations(b.bridge), 4);
    give(&b, 1, station(50), station(1)); /* 1 was pushed out, and 3 is now */
    assert_int_equal(came_out(&b), 101);
    turn(&b, 2 * RN_NS_PER_S);
    give(&b, 1, station(50), station(6));
    assert_int_equal(came_out(&b), 101);
    assert_int_equal(rn_bridge_stations(b.bridge), 1);
    bench_fini(&b);
}

static void test_frames_that_no_switch_forwards(void **state)
{
    const struct rn_mac group = { { 1, 0, 0x5e, 0, 0, 1 } };
    const struct rn_mac spanning_tree = { { 1, 0x80, 0xc2, 0, 0, 0 } };
    struct rn_pktq q = { 0 };
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_bridge_opts){ 0 });

    give(&b, 0, group, station(1));
    give(&b, 0, station(1), spanning_tree);
    rn_pktq_push(&q, rn_pkt_from_bytes(b.t.pool, "short", 5));
    assert_int_equal(rn_chan_inject(b.port[0], &q), 1);

    assert_int_equal(came_out(&b), 0);
    assert_int_equal(rn_bridge_drops(b.bridge)->n[RN_DROP_FILTERED], 2);
    assert_int_equal(rn_bridge_drops(b.bridge)->n[RN_DROP_MALFORMED], 1);
    assert_int_equal(rn_bridge_stations(b.bridge), 0);
    bench_fini(&b);
}

static void test_slow_port_loses_its_own_frames_only(void **state)
{
    struct bench b;
    unsigned fast = 0;
    (void)state;
    bench_init(&b, (struct rn_bridge_opts){ 0 });

    for (unsigned i = 0; i < 300; i++) {
        struct rn_pktq q = { 0 };

        give(&b, 0, station(1), station(9)); /* flooded */
        turn(&b, RN_NS_PER_US);
        fast += rn_chan_drain(b.port[1], &q, 64);
        rn_pktq_free_all(&q);
    }

    assert_int_equal(fast, 300);
    assert_true(rn_bridge_drops(b.bridge)->n[RN_DROP_QUEUE_FULL] >= 30);
    bench_fini(&b);
}

static void test_port_that_closes_is_taken_out_with_all_who_lived_there(void **state)
{
    struct rn_chan_opts ip = { 0 };
    struct rn_device *wrong;
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_bridge_opts){ 0 });
    give(&b, 1, station(1), station(9));
    (void)came_out(&b);

    rn_device_close(b.port[1]);
    turn(&b, RN_NS_PER_US);
    assert_ptr_equal(b.failed, b.port[1]);
    assert_int_equal(rn_bridge_stations(b.bridge), 0);
    give(&b, 0, station(2), station(1));
    assert_int_equal(came_out(&b), 100);

    assert_int_equal(rn_bridge_add(b.bridge, b.port[0]), RN_E_EXISTS);
    assert_int_equal(rn_chan_new(&wrong, &b.t.turn, &ip), RN_OK);
    assert_int_equal(rn_bridge_add(b.bridge, wrong), RN_E_BAD_OPTION);
    rn_bridge_remove(b.bridge, wrong);
    rn_device_free(wrong);
    rn_bridge_remove(b.bridge, b.port[2]);
    give(&b, 0, station(2), station(1));
    assert_int_equal(came_out(&b), 0);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strangers_and_groups_are_flooded_and_who_was_heard_is_found),
        cmocka_unit_test(test_station_that_moves_is_found_at_its_new_port),
        cmocka_unit_test(test_frame_for_a_neighbour_on_the_same_port_goes_nowhere),
        cmocka_unit_test(test_silent_stations_are_forgotten_and_so_is_the_oldest_when_it_is_full),
        cmocka_unit_test(test_frames_that_no_switch_forwards),
        cmocka_unit_test(test_slow_port_loses_its_own_frames_only),
        cmocka_unit_test(test_port_that_closes_is_taken_out_with_all_who_lived_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
