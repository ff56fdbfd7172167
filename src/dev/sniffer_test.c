#include "dev/sniffer.h"

#include "dev/callback.h"
#include "dev/pipe.h"
#include "packets.h"
#include <runnel/err.h>

struct seen {
    uint32_t numbers[16];
    bool is_out[16];
    unsigned n;
};

static void note(void *arg, const struct rn_pkt *pkt, bool is_out, int64_t now_ns)
{
    struct seen *seen = arg;
    (void)now_ns;

    assert_true(seen->n < RN_ARRAY_LEN(seen->numbers));
    seen->is_out[seen->n] = is_out;
    seen->numbers[seen->n++] = rn_test_udp4_number(pkt);
}

static void push_numbers(struct rn_test_turn *t, struct rn_pktq *q, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        rn_pktq_push(q, rn_test_udp4(t->pool, i, 20));
}

/* A packet that is offered three times left once. */
static void test_packet_is_shown_when_it_was_taken_and_not_when_it_was_offered(void **state)
{
    struct seen seen = { 0 };
    struct rn_sniff_sink sink = { note, &seen };
    struct rn_test_turn t;
    struct rn_device *ends[2];
    struct rn_device *dev;
    struct rn_pktq q = { 0 };
    struct rn_pktq got = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_pipe_new(ends, &t.turn, &(struct rn_pipe_opts){ .queue_pkts = 2 }), 0);
    assert_int_equal(rn_sniffer_new(&dev, ends[0], &sink), 0);
    push_numbers(&t, &q, 3);

    assert_int_equal(dev->ops->write_batch(dev, &q), 2);
    assert_int_equal(dev->ops->write_batch(dev, &q), 0);
    assert_int_equal(q.n_pkts, 1);
    assert_int_equal(ends[1]->ops->read_batch(ends[1], &got, 9), 2);
    assert_int_equal(dev->ops->write_batch(dev, &q), 1);
    assert_int_equal(ends[1]->ops->write_batch(ends[1], &got), 2);
    assert_int_equal(dev->ops->read_batch(dev, &got, 9), 2);

    assert_int_equal(seen.n, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(seen.numbers[i], i % 3);
        assert_int_equal(seen.is_out[i], i < 3);
    }
    rn_pktq_free_all(&got);
    rn_device_free(dev);
    rn_device_free(ends[1]);
    rn_test_turn_fini(&t);
}

/* As a TUN does whose kernel refuses a super-packet: segments stand in its place, and then the queue is full. */
static int cut_and_take_one(void *arg, struct rn_pktq *out)
{
    struct rn_test_turn *t = arg;

    rn_pkt_free(rn_pktq_pop(out));
    push_numbers(t, out, 3);
    rn_pkt_free(rn_pktq_pop(out));
    return 1;
}

static void test_what_the_device_left_of_a_packet_that_it_cut_goes_back(void **state)
{
    struct seen seen = { 0 };
    struct rn_sniff_sink sink = { note, &seen };
    struct rn_test_turn t;
    struct rn_callback_opts opts = { .write = cut_and_take_one, .arg = &t };
    struct rn_device *below;
    struct rn_device *dev;
    struct rn_pktq q = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_callback_new(&below, &t.turn, &opts), 0);
    assert_int_equal(rn_sniffer_new(&dev, below, &sink), 0);
    push_numbers(&t, &q, 2);

    assert_int_equal(dev->ops->write_batch(dev, &q), 1);

    assert_int_equal(q.n_pkts, 3);
    assert_int_equal(rn_test_udp4_number(q.first), 1);
    rn_pktq_free_all(&q);
    rn_device_free(dev);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packet_is_shown_when_it_was_taken_and_not_when_it_was_offered),
        cmocka_unit_test(test_what_the_device_left_of_a_packet_that_it_cut_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
