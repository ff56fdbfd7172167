#include "dev/split.h"

#include "dev/chan.h"
#include "packets.h"
#include <runnel/err.h>

struct bench {
    struct rn_test_turn t;
    struct rn_device *below;
    struct rn_split *split;
    struct rn_device *front[2];
};

static unsigned by_number(void *arg, const struct rn_pkt *pkt)
{
    (void)arg;
    return rn_test_udp4_number(pkt);
}

static void bench_init(struct bench *b)
{
    struct rn_split_opts opts = { .route = by_number, .queue_pkts = 4 };

    *b = (struct bench){ 0 };
    rn_test_turn_init(&b->t);
    assert_int_equal(rn_chan_new(&b->below, &b->t.turn, &(struct rn_chan_opts){ .mtu = 1300 }), 0);
    assert_int_equal(rn_split_new(&b->split, b->below, &opts), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rn_split_front(&b->front[i], b->split, i), 0);
}

static void bench_fini(struct bench *b)
{
    b->split = rn_split_free(b->split);
    rn_device_free(b->front[0]);
    rn_device_free(b->front[1]);
    rn_test_turn_fini(&b->t);
}

static void arrive(struct bench *b, const unsigned *numbers, unsigned n)
{
    struct rn_pktq q = { 0 };

    for (unsigned i = 0; i < n; i++)
        rn_pktq_push(&q, rn_test_udp4(b->t.pool, numbers[i], 20));
    assert_int_equal(rn_chan_inject(b->below, &q), n);
    rn_test_turn_at(&b->t, 1);
}

static unsigned take_all(struct rn_device *dev)
{
    struct rn_pktq q = { 0 };
    int n = dev->ops->read_batch(dev, &q, 1000);

    rn_pktq_free_all(&q);
    return n > 0 ? (unsigned)n : 0;
}

static void test_function_chooses_the_front(void **state)
{
    const unsigned numbers[] = { 0, 1, 1, 0, 1 };
    struct bench b;
    (void)state;
    bench_init(&b);

    arrive(&b, numbers, 5);

    assert_int_equal(b.front[0]->mtu, 1300);
    assert_int_equal(take_all(b.front[0]), 2);
    assert_int_equal(take_all(b.front[1]), 3);
    bench_fini(&b);
}

/* The seed's rows "drops 0/17/missing". */
static void test_packets_for_no_front_are_counted_drops(void **state)
{
    const unsigned numbers[] = { 2, 15, 16, 17, 4000000000u };
    struct bench b;
    (void)state;
    bench_init(&b);

    arrive(&b, numbers, 5);

    assert_int_equal(rn_split_drops(b.split)->n[RN_DROP_NO_ROUTE], 5);
    bench_fini(&b);
}

static void test_front_that_does_not_read_loses_only_its_own(void **state)
{
    const unsigned numbers[] = { 0, 0, 0, 0, 0, 0, 1 };
    struct bench b;
    (void)state;
    bench_init(&b);

    arrive(&b, numbers, 7);

    assert_int_equal(b.front[0]->drops.n[RN_DROP_RX_QUEUE_FULL], 2);
    assert_int_equal(take_all(b.front[1]), 1);
    bench_fini(&b);
}

static void test_all_fronts_leave_through_the_one_device(void **state)
{
    struct bench b;
    struct rn_pktq q = { 0 };
    (void)state;
    bench_init(&b);

    for (unsigned i = 0; i < 2; i++) {
        rn_pktq_push(&q, rn_test_udp4(b.t.pool, i, 20));
        assert_int_equal(b.front[i]->ops->write_batch(b.front[i], &q), 1);
    }

    assert_int_equal(rn_chan_drain(b.below, &q, 9), 2);
    rn_pktq_free_all(&q);
    rn_test_turn_at(&b.t, 1);
    bench_fini(&b);
}

static void test_numbers_of_fronts_are_unique_and_free_again(void **state)
{
    struct bench b;
    struct rn_device *other;
    (void)state;
    bench_init(&b);

    assert_int_equal(rn_split_front(&other, b.split, 1), RN_E_EXISTS);
    assert_int_equal(rn_split_front(&other, b.split, 16), RN_E_BAD_OPTION);
    rn_device_free(b.front[1]);
    assert_int_equal(rn_split_front(&b.front[1], b.split, 1), 0);

    rn_test_turn_at(&b.t, 1);
    bench_fini(&b);
}

static void test_fronts_outlive_the_splitter_closed(void **state)
{
    struct bench b;
    struct rn_pktq q = { 0 };
    (void)state;
    bench_init(&b);

    b.split = rn_split_free(b.split);

    assert_true(b.front[0]->is_closed);
    assert_int_equal(b.front[0]->ops->read_batch(b.front[0], &q, 1), RN_E_CANCELLED);
    bench_fini(&b);
}

struct heard {
    unsigned events;
};

static void hear(struct rn_device *dev, unsigned events)
{
    ((struct heard *)dev->owner)->events |= events;
}

/* More than one look takes waits below when it closes: all of it reaches the fronts before they are over. */
static void test_fronts_close_behind_the_last_packet(void **state)
{
    struct rn_pktq q = { 0 };
    struct heard heard = { 0 };
    struct bench b;
    (void)state;
    bench_init(&b);
    rn_split_free(b.split);
    rn_device_free(b.front[0]);
    rn_device_free(b.front[1]);
    assert_int_equal(rn_chan_new(&b.below, &b.t.turn, &(struct rn_chan_opts){ 0 }), 0);
    assert_int_equal(rn_split_new(&b.split, b.below, &(struct rn_split_opts){ 0 }), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rn_split_front(&b.front[i], b.split, i), 0);
    b.front[0]->owner = &heard;
    b.front[0]->notify = hear;
    for (unsigned i = 0; i < 200; i++)
        rn_pktq_push(&q, rn_test_udp4(b.t.pool, 0, 20));
    assert_int_equal(rn_chan_inject(b.below, &q), 200);

    rn_device_close(b.below);
    assert_int_equal(b.front[0]->ops->read_batch(b.front[0], &q, 1), RN_E_WOULD_BLOCK);
    rn_test_turn_at(&b.t, 1);

    assert_int_equal(heard.events & RN_DEV_CLOSED, RN_DEV_CLOSED);
    assert_true(b.front[0]->is_closed);
    assert_int_equal(take_all(b.front[0]), 200);
    assert_int_equal(b.front[0]->ops->read_batch(b.front[0], &q, 1), RN_E_CANCELLED);
    rn_pktq_push(&q, rn_test_udp4(b.t.pool, 0, 20));
    assert_int_equal(b.front[1]->ops->write_batch(b.front[1], &q), RN_E_CANCELLED);
    rn_pktq_free_all(&q);
    bench_fini(&b);
}

static void test_fronts_follow_name_and_mtu_of_the_device(void **state)
{
    struct heard heard = { 0 };
    struct bench b;
    (void)state;
    bench_init(&b);
    b.front[1]->owner = &heard;
    b.front[1]->notify = hear;

    memcpy(b.below->name, "blue", sizeof("blue"));
    b.below->mtu = 1200;
    rn_device_notify(b.below, RN_DEV_RENAMED | RN_DEV_MTU_CHANGED);

    assert_string_equal(b.front[1]->name, "blue");
    assert_int_equal(b.front[1]->mtu, 1200);
    assert_int_equal(heard.events, RN_DEV_RENAMED | RN_DEV_MTU_CHANGED);
    rn_test_turn_at(&b.t, 1);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_function_chooses_the_front),
        cmocka_unit_test(test_packets_for_no_front_are_counted_drops),
        cmocka_unit_test(test_front_that_does_not_read_loses_only_its_own),
        cmocka_unit_test(test_all_fronts_leave_through_the_one_device),
        cmocka_unit_test(test_numbers_of_fronts_are_unique_and_free_again),
        cmocka_unit_test(test_fronts_outlive_the_splitter_closed),
        cmocka_unit_test(test_fronts_close_behind_the_last_packet),
        cmocka_unit_test(test_fronts_follow_name_and_mtu_of_the_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
