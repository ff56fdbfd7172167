#include "dev/copy.h"

#include "dev/callback.h"
#include "dev/chan.h"
#include "dev/gso.h"
#include "dev/pipe.h"
#include "packets.h"
#include <runnel/err.h>

struct writes {
    unsigned sizes[64];
    unsigned n;
};

static int note_size(void *arg, struct rn_pktq *out)
{
    struct writes *writes = arg;
    int n = (int)out->n_pkts;

    writes->sizes[writes->n++] = out->n_pkts;
    rn_pktq_free_all(out);
    return n;
}

static struct rn_device *chan_with(struct rn_test_turn *t, uint16_t batch, unsigned n_pkts)
{
    struct rn_pktq q = { 0 };
    struct rn_device *dev;

    assert_int_equal(rn_chan_new(&dev, &t->turn, &(struct rn_chan_opts){ .batch = batch }), 0);
    for (unsigned i = 0; i < n_pkts; i++)
        rn_pktq_push(&q, rn_test_udp4(t->pool, i, 20));
    assert_int_equal(rn_chan_inject(dev, &q), n_pkts);
    return dev;
}

/* TestCopyOneWayUsesIndependentReadAndWriteBatchSizes of the seed: batch 3 into batch 1 is writes of [1 1 1]. */
static void test_writes_are_cut_to_the_batch_of_the_destination(void **state)
{
    struct rn_test_turn t;
    struct writes writes = { 0 };
    struct rn_callback_opts opts = { .write = note_size, .arg = &writes, .batch = 1 };
    struct rn_copy copy = { 0 };
    struct rn_device *from;
    struct rn_device *to;
    (void)state;
    rn_test_turn_init(&t);
    from = chan_with(&t, 3, 3);
    assert_int_equal(rn_callback_new(&to, &t.turn, &opts), 0);
    rn_copy_set_from(&copy, from);
    rn_copy_set_to(&copy, to);

    assert_int_equal(rn_copy_run(&copy), RN_COPY_WAITS);

    assert_int_equal(writes.n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(writes.sizes[i], 1);
    assert_int_equal(copy.n_pkts, 3);
    rn_copy_fini(&copy);
    rn_device_free(from);
    rn_device_free(to);
    rn_test_turn_fini(&t);
}

static void test_refused_packets_are_held_and_nothing_more_is_read(void **state)
{
    struct rn_test_turn t;
    struct rn_copy copy = { 0 };
    struct rn_pktq got = { 0 };
    struct rn_device *from;
    struct rn_device *to;
    (void)state;
    rn_test_turn_init(&t);
    from = chan_with(&t, 4, 12);
    assert_int_equal(rn_chan_new(&to, &t.turn, &(struct rn_chan_opts){ .queue_pkts = 6 }), 0);
    rn_copy_set_from(&copy, from);
    rn_copy_set_to(&copy, to);

    assert_int_equal(rn_copy_run(&copy), RN_COPY_WAITS);
    assert_int_equal(copy.held.n_pkts, 2);
    assert_int_equal(copy.n_pkts, 6);
    (void)rn_chan_drain(to, &got, 64);
    copy.may_write = true;
    assert_int_equal(rn_copy_run(&copy), RN_COPY_WAITS);
    (void)rn_chan_drain(to, &got, 64);

    assert_int_equal(got.n_pkts, 12);
    for (uint32_t i = 0; i < 12; i++) {
        struct rn_pkt *pkt = rn_pktq_pop(&got);

        assert_int_equal(rn_test_udp4_number(pkt), i);
        rn_pkt_free(pkt);
    }
    rn_copy_fini(&copy);
    rn_device_free(from);
    rn_device_free(to);
    rn_test_turn_fini(&t);
}

static void
test_super_packet_is_cut_for_a_plain_destination_and_counted_as_wire_packets(void **state)
{
    struct rn_test_turn t;
    struct rn_chan_opts able = { .caps = RN_DEV_TX_CSUM | RN_DEV_TSO4 };
    struct rn_copy copy = { 0 };
    struct rn_pktq q = { 0 };
    struct rn_device *from;
    struct rn_device *to;
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_chan_new(&from, &t.turn, &able), 0);
    assert_int_equal(rn_chan_new(&to, &t.turn, &(struct rn_chan_opts){ 0 }), 0);
    rn_pktq_push(&q, rn_test_tcp4(t.pool, 3000, 1000));
    assert_int_equal(rn_chan_inject(from, &q), 1);
    rn_copy_set_from(&copy, from);
    rn_copy_set_to(&copy, to);

    assert_int_equal(rn_copy_run(&copy), RN_COPY_WAITS);

    assert_int_equal(copy.n_pkts, 3);
    assert_int_equal(rn_chan_drain(to, &q, 64), 3);
    assert_int_equal(q.first->csum, RN_CSUM_NONE);
    rn_pktq_free_all(&q);
    rn_copy_fini(&copy);
    rn_device_free(from);
    rn_device_free(to);
    rn_test_turn_fini(&t);
}

static void test_flood_uses_no_more_than_its_share_of_a_turn(void **state)
{
    struct rn_test_turn t;
    struct rn_copy copy = { 0 };
    struct rn_device *from;
    struct rn_device *to;
    (void)state;
    rn_test_turn_init(&t);
    from = chan_with(&t, 64, 1000);
    assert_int_equal(rn_chan_new(&to, &t.turn, &(struct rn_chan_opts){ 0 }), 0);
    rn_copy_set_from(&copy, from);
    rn_copy_set_to(&copy, to);

    assert_int_equal(rn_copy_run(&copy), RN_COPY_HAS_MORE);

    assert_int_equal(copy.n_pkts, RN_DEVICE_TURN_PKTS);
    rn_copy_fini(&copy);
    rn_device_free(from);
    rn_device_free(to);
    rn_test_turn_fini(&t);
}

static void test_it_is_told_which_end_is_gone(void **state)
{
    struct rn_test_turn t;
    struct rn_copy copy = { 0 };
    struct rn_device *from;
    struct rn_device *to;
    (void)state;
    rn_test_turn_init(&t);
    from = chan_with(&t, 4, 1);
    to = chan_with(&t, 4, 0);
    rn_copy_set_from(&copy, from);
    rn_copy_set_to(&copy, to);

    from->ops->close(from);
    assert_int_equal(rn_copy_run(&copy), RN_COPY_FROM_FAILED);
    assert_int_equal(copy.n_pkts, 1); /* drained first */

    to->ops->close(to);
    rn_pktq_push(&copy.held, rn_test_udp4(t.pool, 1, 20));
    assert_int_equal(rn_copy_run(&copy), RN_COPY_TO_FAILED);
    assert_int_equal(copy.held.n_pkts, 1); /* waits for the next destination */
    rn_copy_fini(&copy);
    rn_device_free(from);
    rn_device_free(to);
    rn_test_turn_fini(&t);
}

/* Segments of one stream, as a wire gives them. */
static void inject_stream(struct rn_test_turn *t, struct rn_device *wire, unsigned n)
{
    struct rn_device plain = { .link_type = RN_LINK_IP };
    struct rn_pktq q = { 0 };

    assert_int_equal(rn_gso_conform(&plain, rn_test_tcp4(t->pool, n * 1000 - 1, 1000), &q), (int)n);
    assert_int_equal(rn_chan_inject(wire, &q), (int)n);
}

static uint32_t arrives_as(bool does_not_merge)
{
    struct rn_chan_opts tun = { .caps = RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 };
    struct rn_copy copy = { .does_not_merge = does_not_merge };
    struct rn_pktq got = { 0 };
    struct rn_test_turn t;
    struct rn_device *from;
    struct rn_device *to;
    uint32_t n;

    rn_test_turn_init(&t);
    from = chan_with(&t, 64, 0);
    inject_stream(&t, from, 9);
    assert_int_equal(rn_chan_new(&to, &t.turn, &tun), 0);
    rn_copy_set_from(&copy, from);
    rn_copy_set_to(&copy, to);
    assert_int_equal(rn_copy_run(&copy), RN_COPY_WAITS);
    n = rn_chan_drain(to, &got, 64);
    rn_pktq_free_all(&got);
    rn_copy_fini(&copy);
    rn_device_free(from);
    rn_device_free(to);
    rn_test_turn_fini(&t);
    return n;
}

static void test_segments_are_merged_for_a_destination_that_takes_large_ones(void **state)
{
    (void)state;

    assert_int_equal(arrives_as(true), 9);
    assert_in_range(arrives_as(false), 1, 3); /* CWR in the first and PSH in the last stand alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_are_merged_for_a_destination_that_takes_large_ones),
        cmocka_unit_test(test_writes_are_cut_to_the_batch_of_the_destination),
        cmocka_unit_test(test_refused_packets_are_held_and_nothing_more_is_read),
        cmocka_unit_test(
            test_super_packet_is_cut_for_a_plain_destination_and_counted_as_wire_packets),
        cmocka_unit_test(test_flood_uses_no_more_than_its_share_of_a_turn),
        cmocka_unit_test(test_it_is_told_which_end_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
