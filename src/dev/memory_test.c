/* The small devices in memory: channel, functions, loopback. What all devices promise is in tests/dev/conformance.c. */
#include "dev/callback.h"
#include "dev/chan.h"
#include "dev/loopback.h"
#include "dev/pipe.h"
#include "packets.h"
#include <runnel/err.h>

static void push_numbers(struct rn_test_turn *t, struct rn_pktq *q, uint32_t first, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        rn_pktq_push(q, rn_test_udp4(t->pool, first + i, 20));
}

static void assert_numbers(struct rn_pktq *q, uint32_t first, unsigned n)
{
    assert_int_equal(q->n_pkts, n);
    for (unsigned i = 0; i < n; i++) {
        struct rn_pkt *pkt = rn_pktq_pop(q);

        assert_int_equal(rn_test_udp4_number(pkt), first + i);
        rn_pkt_free(pkt);
    }
}

struct heard {
    unsigned wire;
    unsigned owner;
};

static void on_wire(void *arg, struct rn_device *dev, unsigned events)
{
    (void)dev;
    ((struct heard *)arg)->wire |= events;
}

static void on_owner(struct rn_device *dev, unsigned events)
{
    ((struct heard *)dev->owner)->owner |= events;
}

/* TestChan of the seed: writer batch 4, reader batch 3, and the other way round; every letter once and in order. */
static void test_chan_gives_every_packet_once_in_order_whatever_the_batches(void **state)
{
    static const unsigned batches[][2] = { { 4, 3 }, { 3, 4 }, { 1, 1000 }, { 1000, 1 } };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(batches); i++) {
        struct rn_test_turn t;
        struct rn_device *dev;
        struct rn_pktq got = { 0 };
        uint32_t sent = 0;
        rn_test_turn_init(&t);
        assert_int_equal(rn_chan_new(&dev, &t.turn, &(struct rn_chan_opts){ .queue_pkts = 5 }), 0);

        while (got.n_pkts < 26) {
            struct rn_pktq out = { 0 };

            push_numbers(&t, &out, sent, rn_min_u32(batches[i][0], 26 - sent));
            sent += (uint32_t)dev->ops->write_batch(dev, &out);
            rn_pktq_free_all(&out); /* offered again by the loop */
            (void)rn_chan_drain(dev, &got, batches[i][1]);
        }

        assert_numbers(&got, 0, 26);
        rn_device_free(dev);
        rn_test_turn_fini(&t);
    }
}

static void test_full_chan_refuses_and_tells_when_there_is_room(void **state)
{
    struct rn_test_turn t;
    struct heard heard = { 0 };
    struct rn_chan_opts opts = { .queue_pkts = 2, .on_wire = on_wire, .arg = &heard };
    struct rn_device *dev;
    struct rn_pktq out = { 0 };
    struct rn_pktq in = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_chan_new(&dev, &t.turn, &opts), 0);
    dev->owner = &heard;
    dev->notify = on_owner;
    push_numbers(&t, &out, 0, 3);
    push_numbers(&t, &in, 0, 3);

    assert_int_equal(dev->ops->write_batch(dev, &out), 2);
    assert_int_equal(rn_chan_inject(dev, &in), 2);
    assert_int_equal(out.n_pkts, 1);
    assert_int_equal(in.n_pkts, 1);
    assert_int_equal(heard.wire, RN_DEV_READABLE);
    assert_int_equal(heard.owner, RN_DEV_READABLE);
    rn_pktq_free_all(&out);
    rn_pktq_free_all(&in);

    assert_int_equal(rn_chan_drain(dev, &out, 9), 2);
    assert_int_equal(dev->ops->read_batch(dev, &in, 9), 2);
    assert_int_equal(heard.wire, RN_DEV_READABLE | RN_DEV_WRITABLE);
    assert_int_equal(heard.owner, RN_DEV_READABLE | RN_DEV_WRITABLE);
    rn_pktq_free_all(&out);
    rn_pktq_free_all(&in);
    rn_device_free(dev);
    assert_int_equal(heard.wire, RN_DEV_READABLE | RN_DEV_WRITABLE | RN_DEV_CLOSED);
    rn_test_turn_fini(&t);
}

struct source {
    struct rn_test_turn *t;
    struct rn_pktq taken;
    unsigned n_closed;
};

static int give_two(void *arg, struct rn_pktq *in, unsigned max)
{
    struct source *source = arg;

    assert_true(max >= 2);
    push_numbers(source->t, in, 7, 2);
    return 2;
}

static int take_all(void *arg, struct rn_pktq *out)
{
    struct source *source = arg;
    int n = (int)out->n_pkts;

    rn_pktq_splice(&source->taken, out);
    return n;
}

static void count_close(void *arg)
{
    ((struct source *)arg)->n_closed++;
}

static void test_functions_are_a_device(void **state)
{
    struct rn_test_turn t;
    struct source source = { .t = &t };
    struct rn_callback_opts opts = {
        .read = give_two, .write = take_all, .closed = count_close, .arg = &source
    };
    struct rn_device *dev;
    struct rn_pktq q = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_callback_new(&dev, &t.turn, &opts), 0);

    assert_int_equal(dev->ops->read_batch(dev, &q, 64), 2);
    assert_int_equal(dev->ops->write_batch(dev, &q), 2);

    assert_numbers(&source.taken, 7, 2);
    dev->ops->close(dev);
    assert_int_equal(dev->ops->read_batch(dev, &q, 64), RN_E_CANCELLED);
    rn_device_free(dev);
    assert_int_equal(source.n_closed, 1);
    rn_test_turn_fini(&t);
}

static void test_device_without_functions_swallows_and_counts(void **state)
{
    struct rn_test_turn t;
    struct rn_drop_account account = { 0 };
    struct rn_device *dev;
    struct rn_pktq q = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_callback_new(&dev, &t.turn, &(struct rn_callback_opts){ 0 }), 0);
    push_numbers(&t, &q, 0, 3);
    for (struct rn_pkt *pkt = q.first; pkt != NULL; pkt = pkt->next)
        pkt->account = &account;

    assert_int_equal(dev->ops->write_batch(dev, &q), 3);

    assert_int_equal(account.n[RN_DROP_CONSUMED], 3);
    assert_int_equal(dev->ops->read_batch(dev, &q, 1), RN_E_WOULD_BLOCK);
    rn_device_free(dev);
    rn_test_turn_fini(&t);
}

struct results {
    int reads[4];
    int writes[4];
    unsigned n_reads;
    unsigned n_writes;
};

static void note_read(void *arg, int result)
{
    struct results *r = arg;

    r->reads[r->n_reads++] = result;
}

static void note_write(void *arg, int result)
{
    struct results *r = arg;

    r->writes[r->n_writes++] = result;
}

/* TestCallbackTUN of the seed: the function sees count and error, and the result passes through. */
static void test_every_operation_is_told_with_its_result(void **state)
{
    struct rn_test_turn t;
    struct results seen = { 0 };
    struct rn_told told = { note_read, note_write, &seen };
    struct rn_device *ends[2];
    struct rn_device *dev;
    struct rn_pktq q = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_pipe_new(ends, &t.turn, &(struct rn_pipe_opts){ .queue_pkts = 2 }), 0);
    assert_int_equal(rn_told_new(&dev, ends[0], &told), 0);
    push_numbers(&t, &q, 0, 3);

    assert_int_equal(dev->ops->read_batch(dev, &q, 4), RN_E_WOULD_BLOCK);
    assert_int_equal(dev->ops->write_batch(dev, &q), 2);
    dev->ops->close(dev);
    assert_int_equal(dev->ops->write_batch(dev, &q), RN_E_CANCELLED);

    assert_int_equal(seen.reads[0], RN_E_WOULD_BLOCK);
    assert_int_equal(seen.writes[0], 2);
    assert_int_equal(seen.writes[1], RN_E_CANCELLED);
    rn_pktq_free_all(&q);
    rn_device_free(dev);
    rn_device_free(ends[1]);
    rn_test_turn_fini(&t);
}

static void test_loopback_returns_super_packets_marked_as_ours(void **state)
{
    struct rn_test_turn t;
    struct rn_device *lo;
    struct rn_pktq q = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_loopback_new(&lo, &t.turn, 0), 0);
    rn_pktq_push(&q, rn_test_tcp4(t.pool, 3000, 1000));

    assert_int_equal(lo->ops->write_batch(lo, &q), 1);
    assert_int_equal(lo->ops->read_batch(lo, &q, 64), 1);

    assert_int_equal(q.first->gso, RN_GSO_TCP4);
    assert_int_equal(q.first->flags & RN_PKT_LOOPED, RN_PKT_LOOPED);
    rn_pktq_free_all(&q);
    rn_device_free(lo);
    rn_test_turn_fini(&t);
}

static void test_devices_that_cannot_be_allocated_leave_nothing(void **state)
{
    struct rn_test_turn t;
    struct rn_device *ends[2];
    struct rn_device *dev;
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_pipe_new(ends, &t.turn, &(struct rn_pipe_opts){ 0 }), 0);
    t.alloc.fail_at = 1;
    t.alloc.fail_forever = true;

    assert_int_equal(rn_chan_new(&dev, &t.turn, &(struct rn_chan_opts){ 0 }), RN_E_NOMEM);
    assert_int_equal(rn_loopback_new(&dev, &t.turn, 0), RN_E_NOMEM);
    assert_int_equal(rn_callback_new(&dev, &t.turn, &(struct rn_callback_opts){ 0 }), RN_E_NOMEM);
    assert_int_equal(rn_told_new(&dev, ends[0], &(struct rn_told){ 0 }), RN_E_NOMEM);

    rn_device_free(ends[0]);
    rn_device_free(ends[1]);
    rn_test_turn_fini(&t);
}

/* --- functions that know bytes -------------------------------------------------------------------------------- */
struct careless {
    struct rn_device *dev;
    unsigned n_calls;
    size_t gives_bytes;
    bool closes;
};

static int read_bytes(void *arg, void *buf, size_t cap)
{
    struct careless *self = arg;

    self->n_calls++;
    memset(buf, 0x45, cap);
    if (self->closes)
        rn_device_close(self->dev);
    return (int)self->gives_bytes;
}

static int write_bytes(void *arg, const void *bytes, size_t len)
{
    struct careless *self = arg;

    self->n_calls += len != 0 && bytes != NULL;
    if (self->closes)
        rn_device_close(self->dev);
    return 0;
}

static void careless_init(struct careless *c, struct rn_test_turn *t)
{
    struct rn_callback_bytes_opts opts = { .read = read_bytes, .write = write_bytes, .arg = c };

    rn_test_turn_init(t);
    assert_int_equal(rn_callback_bytes_new(&c->dev, &t->turn, &opts), 0);
}

/* A reader that finds its source broken closes there and then. */
static void test_functions_may_close_the_device_that_calls_them(void **state)
{
    struct careless c = { .gives_bytes = 48, .closes = true };
    struct rn_pktq q = { 0 };
    struct rn_test_turn t;
    (void)state;
    careless_init(&c, &t);

    assert_int_equal(c.dev->ops->read_batch(c.dev, &q, 64), 1);
    rn_pktq_free_all(&q);
    rn_device_free(c.dev);
    assert_int_equal(c.n_calls, 1);
    rn_test_turn_fini(&t);

    careless_init(&c, &t);
    push_numbers(&t, &q, 0, 2);
    assert_int_equal(c.dev->ops->write_batch(c.dev, &q), 1);
    rn_pktq_free_all(&q);
    rn_device_free(c.dev);
    assert_int_equal(c.n_calls, 2);
    rn_test_turn_fini(&t);
}

static void test_function_that_gives_nothing_but_giants_does_not_hold_up_the_turn(void **state)
{
    struct careless c = { .gives_bytes = 1501 };
    struct rn_pktq q = { 0 };
    struct rn_test_turn t;
    (void)state;
    careless_init(&c, &t);

    assert_int_equal(c.dev->ops->read_batch(c.dev, &q, 64), 0);

    assert_int_equal(c.n_calls, 64);
    assert_int_equal(c.dev->drops.n[RN_DROP_TOO_BIG], 64);
    rn_device_free(c.dev);
    rn_test_turn_fini(&t);
}

/* --- ends ----------------------------------------------------------------------------------------------------- */
static void test_what_cannot_be_made_bytes_does_not_hide_what_follows(void **state)
{
    struct rn_chan_opts opts = { .caps = RN_DEV_TX_CSUM | RN_DEV_TSO4 };
    struct rn_test_turn t;
    struct rn_device *dev;
    struct rn_pktq q = { 0 };
    uint8_t bytes[100];
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_chan_new(&dev, &t.turn, &opts), 0);
    rn_pktq_push(&q, rn_test_lying_tcp4(t.pool, 2));
    push_numbers(&t, &q, 7, 1);
    assert_int_equal(dev->ops->write_batch(dev, &q), 2);

    assert_int_equal(rn_chan_take(dev, bytes, sizeof(bytes)), 48);

    assert_int_equal(rn_get_be32(bytes + 28), 7);
    rn_device_free(dev);
    rn_test_turn_fini(&t);
}

/* TestPipe of the seed: closing one end closes both; what was written before is read. */
static void test_pipe_that_is_closed_at_one_end_is_closed_at_both(void **state)
{
    struct heard heard[2] = { { 0 } };
    struct rn_device_info info;
    struct rn_test_turn t;
    struct rn_device *ends[2];
    struct rn_pktq q = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_pipe_open(ends, &t.turn, 0), 0);
    for (unsigned i = 0; i < 2; i++) {
        ends[i]->owner = &heard[i];
        ends[i]->notify = on_owner;
    }
    push_numbers(&t, &q, 0, 1);
    assert_int_equal(ends[0]->ops->write_batch(ends[0], &q), 1);

    rn_device_close(ends[0]);
    rn_device_close(ends[1]);

    rn_device_get_info(ends[1], &info);
    assert_true(info.is_closed);
    assert_int_equal(heard[0].owner, RN_DEV_CLOSED);
    assert_int_equal(heard[1].owner, RN_DEV_CLOSED | RN_DEV_READABLE);
    assert_int_equal(ends[1]->ops->read_batch(ends[1], &q, 9), 1);
    assert_numbers(&q, 0, 1);
    assert_int_equal(ends[1]->ops->read_batch(ends[1], &q, 9), RN_E_CANCELLED);
    rn_device_free(ends[0]);
    rn_device_free(ends[1]);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chan_gives_every_packet_once_in_order_whatever_the_batches),
        cmocka_unit_test(test_full_chan_refuses_and_tells_when_there_is_room),
        cmocka_unit_test(test_functions_are_a_device),
        cmocka_unit_test(test_device_without_functions_swallows_and_counts),
        cmocka_unit_test(test_every_operation_is_told_with_its_result),
        cmocka_unit_test(test_loopback_returns_super_packets_marked_as_ours),
        cmocka_unit_test(test_devices_that_cannot_be_allocated_leave_nothing),
        cmocka_unit_test(test_functions_may_close_the_device_that_calls_them),
        cmocka_unit_test(test_function_that_gives_nothing_but_giants_does_not_hold_up_the_turn),
        cmocka_unit_test(test_what_cannot_be_made_bytes_does_not_hide_what_follows),
        cmocka_unit_test(test_pipe_that_is_closed_at_one_end_is_closed_at_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
