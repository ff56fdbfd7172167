#include "dev/forward.h"

#include "dev/pipe.h"
#include "packets.h"
#include <runnel/err.h>

/* Two pipes and a forwarder between their inner ends. */
struct line {
    struct rn_test_turn t;
    struct rn_forwarder fwd;
    struct rn_device *in[2];  /* [0] fed by the test, [1] read by the forwarder */
    struct rn_device *out[2]; /* [0] written by the forwarder, [1] read by the test */
    uint32_t next_out;
    uint32_t next_in;
};

static void new_pipe(struct line *l, struct rn_device *ret[2])
{
    assert_int_equal(rn_pipe_new(ret, &l->t.turn, &(struct rn_pipe_opts){ .queue_pkts = 16 }), 0);
}

static void line_init(struct line *l)
{
    *l = (struct line){ 0 };
    rn_test_turn_init(&l->t);
    new_pipe(l, l->in);
    new_pipe(l, l->out);
    rn_forwarder_init(&l->fwd, &l->t.turn);
    assert_int_equal(rn_forwarder_set_from(&l->fwd, l->in[1]), 0);
    assert_int_equal(rn_forwarder_set_to(&l->fwd, l->out[0]), 0);
}

static void line_fini(struct line *l)
{
    rn_forwarder_fini(&l->fwd);
    for (unsigned i = 0; i < 2; i++) {
        rn_device_free(l->in[i]);
        rn_device_free(l->out[i]);
    }
    rn_test_turn_fini(&l->t);
}

static unsigned feed(struct line *l, unsigned n)
{
    struct rn_pktq q = { 0 };
    int taken;

    for (unsigned i = 0; i < n; i++)
        rn_pktq_push(&q, rn_test_udp4(l->t.pool, l->next_out + i, 20));
    taken = l->in[0]->ops->write_batch(l->in[0], &q);
    rn_pktq_free_all(&q);
    assert_true(taken >= 0);
    l->next_out += (uint32_t)taken;
    return (unsigned)taken;
}

/* Every number once, in order: nothing is lost, doubled or overtaken. */
static void collect(struct line *l)
{
    struct rn_pktq q = { 0 };
    struct rn_pkt *pkt;

    while (l->out[1]->ops->read_batch(l->out[1], &q, 64) > 0)
        continue;
    while ((pkt = rn_pktq_pop(&q)) != NULL) {
        assert_int_equal(rn_test_udp4_number(pkt), l->next_in++);
        rn_pkt_free(pkt);
    }
}

static void turn(struct line *l)
{
    rn_test_turn_at(&l->t, l->t.turn.now_ns + RN_NS_PER_MS);
}

static void test_packets_arrive_in_order(void **state)
{
    struct line l;
    (void)state;
    line_init(&l);

    for (unsigned i = 0; i < 20; i++) {
        (void)feed(&l, 7);
        turn(&l);
        collect(&l);
    }

    assert_int_equal(l.next_in, 140);
    assert_int_equal(rn_forwarder_count(&l.fwd), 140);
    line_fini(&l);
}

static void test_without_a_destination_packets_wait_in_the_source(void **state)
{
    struct line l;
    (void)state;
    line_init(&l);
    assert_int_equal(rn_forwarder_set_to(&l.fwd, NULL), 0);

    assert_int_equal(feed(&l, 30), 16); /* back-pressure: the pipe is full */
    turn(&l);
    collect(&l);
    assert_int_equal(l.next_in, 0);

    assert_int_equal(rn_forwarder_set_to(&l.fwd, l.out[0]), 0);
    turn(&l);
    collect(&l);
    assert_int_equal(l.next_in, 16);
    line_fini(&l);
}

/* The seed loses the batch in hand; here it waits for the next destination. */
static void test_destination_is_swapped_under_load_and_nothing_is_lost(void **state)
{
    struct line l;
    (void)state;
    line_init(&l);

    for (unsigned i = 0; i < 200; i++) {
        struct rn_device *old[2] = { l.out[0], l.out[1] };

        (void)feed(&l, 16);
        if (i % 3 == 0)
            turn(&l); /* fills the old destination up, leaves a batch in hand */
        collect(&l);
        new_pipe(&l, l.out);
        assert_int_equal(rn_forwarder_set_to(&l.fwd, l.out[0]), 0);
        rn_device_free(old[0]);
        rn_device_free(old[1]);
        turn(&l);
        collect(&l);
    }

    turn(&l);
    collect(&l);
    assert_int_equal(l.next_in, l.next_out);
    line_fini(&l);
}

static void test_source_is_swapped_and_what_was_read_arrives(void **state)
{
    struct line l;
    (void)state;
    line_init(&l);

    for (unsigned i = 0; i < 200; i++) {
        struct rn_device *old[2] = { l.in[0], l.in[1] };

        (void)feed(&l, 9);
        turn(&l);
        new_pipe(&l, l.in);
        assert_int_equal(rn_forwarder_set_from(&l.fwd, l.in[1]), 0);
        rn_device_free(old[0]);
        rn_device_free(old[1]);
        collect(&l);
    }

    turn(&l);
    collect(&l);
    assert_int_equal(l.next_in, l.next_out);
    line_fini(&l);
}

static void test_same_device_again_changes_nothing(void **state)
{
    struct line l;
    (void)state;
    line_init(&l);

    assert_int_equal(rn_forwarder_set_from(&l.fwd, l.in[1]), 0);
    assert_int_equal(rn_forwarder_set_to(&l.fwd, l.out[0]), 0);
    (void)feed(&l, 3);
    turn(&l);
    collect(&l);

    assert_int_equal(l.next_in, 3);
    line_fini(&l);
}

static void test_ends_that_do_not_fit_are_refused(void **state)
{
    struct line l;
    struct rn_device *eth[2];
    (void)state;
    line_init(&l);
    assert_int_equal(
        rn_pipe_new(eth, &l.t.turn, &(struct rn_pipe_opts){ .link_type = RN_LINK_ETHERNET }), 0);

    assert_int_equal(rn_forwarder_set_to(&l.fwd, eth[0]), RN_E_BAD_OPTION);
    assert_int_equal(rn_forwarder_set_to(&l.fwd, l.in[1]), RN_E_BAD_OPTION);

    rn_device_free(eth[0]);
    rn_device_free(eth[1]);
    line_fini(&l);
}

static void note_failed(struct rn_forwarder *fwd, struct rn_device *end)
{
    *(struct rn_device **)fwd->arg = end;
}

static void test_closed_end_is_drained_taken_out_and_told(void **state)
{
    struct line l;
    struct rn_device *failed = NULL;
    (void)state;
    line_init(&l);
    l.fwd.on_end_failed = note_failed;
    l.fwd.arg = &failed;
    (void)feed(&l, 5);

    l.in[0]->ops->close(l.in[0]);
    turn(&l);
    collect(&l);

    assert_int_equal(l.next_in, 5);
    assert_ptr_equal(failed, l.in[1]);
    assert_null(l.fwd.copy.from);
    line_fini(&l);
}

static void note_end(struct rn_forwarder *forwarder, struct rn_device *end)
{
    forwarder->arg = end;
}

/* Nobody sends, and still it is told: whoever opens devices anew should not wait for a packet to get stuck. */
static void test_closed_destination_is_told_before_a_packet_needs_it(void **state)
{
    struct line l;
    (void)state;
    line_init(&l);
    rn_test_turn_at(&l.t, 1);
    l.fwd.on_end_failed = note_end;

    rn_device_close(l.out[1]);
    rn_test_turn_at(&l.t, 2);

    assert_ptr_equal(l.fwd.arg, l.out[0]);
    line_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_arrive_in_order),
        cmocka_unit_test(test_without_a_destination_packets_wait_in_the_source),
        cmocka_unit_test(test_destination_is_swapped_under_load_and_nothing_is_lost),
        cmocka_unit_test(test_source_is_swapped_and_what_was_read_arrives),
        cmocka_unit_test(test_same_device_again_changes_nothing),
        cmocka_unit_test(test_ends_that_do_not_fit_are_refused),
        cmocka_unit_test(test_closed_end_is_drained_taken_out_and_told),
        cmocka_unit_test(test_closed_destination_is_told_before_a_packet_needs_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
