#include "dev/detach.h"

#include "dev/pipe.h"
#include "packets.h"
#include <runnel/err.h>

struct bench {
    struct rn_test_turn t;
    struct rn_device *ends[2]; /* [0] is behind the face, [1] the test's */
    struct rn_device *face;
    unsigned heard;
};

static void hear(struct rn_device *dev, unsigned events)
{
    ((struct bench *)dev->owner)->heard |= events;
}

static void bench_init(struct bench *b)
{
    *b = (struct bench){ 0 };
    rn_test_turn_init(&b->t);
    assert_int_equal(rn_pipe_new(b->ends, &b->t.turn, &(struct rn_pipe_opts){ 0 }), 0);
    assert_int_equal(rn_detached_new(&b->face, b->ends[0]), 0);
    b->face->owner = b;
    b->face->notify = hear;
}

static void bench_fini(struct bench *b)
{
    rn_device_free(b->face);
    rn_device_free(b->ends[0]);
    rn_device_free(b->ends[1]);
    rn_test_turn_fini(&b->t);
}

static void send_one(struct bench *b, struct rn_device *dev, int expected)
{
    struct rn_pktq q = { 0 };

    rn_pktq_push(&q, rn_test_udp4(b->t.pool, 1, 20));
    assert_int_equal(dev->ops->write_batch(dev, &q), expected);
    rn_pktq_free_all(&q);
}

static void take_one(struct rn_device *dev, int expected)
{
    struct rn_pktq q = { 0 };

    assert_int_equal(dev->ops->read_batch(dev, &q, 1), expected);
    rn_pktq_free_all(&q);
}

static void test_shut_face_refuses_and_loses_nothing(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b);

    rn_detached_shut(b.face);
    assert_int_equal(b.heard, RN_DEV_LINK_DOWN);
    send_one(&b, b.face, 0);
    send_one(&b, b.ends[1], 1);
    take_one(b.face, RN_E_WOULD_BLOCK);
    assert_int_equal(b.heard, RN_DEV_LINK_DOWN);

    rn_detached_open(b.face);
    assert_int_equal(b.heard,
                     RN_DEV_LINK_DOWN | RN_DEV_LINK_UP | RN_DEV_READABLE | RN_DEV_WRITABLE);
    take_one(b.face, 1);
    send_one(&b, b.face, 1);
    bench_fini(&b);
}

/* TestDetachedTunCloseDoesNotCloseWrapped of the seed. */
static void test_closing_the_face_leaves_the_device_usable(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b);

    b.face->ops->close(b.face);
    b.face->ops->close(b.face);

    assert_int_equal(b.heard, RN_DEV_CLOSED);
    take_one(b.face, RN_E_CANCELLED);
    send_one(&b, b.face, RN_E_CANCELLED);
    send_one(&b, b.ends[0], 1);
    take_one(b.ends[1], 1);
    bench_fini(&b);
}

/* TestDetachedTunNestedChildDownDoesNotStopParent and ...ParentDownUnblocksChild of the seed. */
static void test_nested_faces_shut_alone_and_close_together(void **state)
{
    struct bench b;
    struct rn_device *child;
    (void)state;
    bench_init(&b);
    assert_int_equal(rn_detached_new(&child, b.face), 0);

    rn_detached_shut(child);
    send_one(&b, b.face, 1);
    rn_detached_open(child);
    rn_detached_shut(b.face);
    send_one(&b, child, 0);
    rn_detached_open(b.face);
    send_one(&b, child, 1);
    b.face->ops->close(b.face);
    take_one(child, RN_E_CANCELLED);
    send_one(&b, child, RN_E_CANCELLED);

    rn_device_free(child);
    bench_fini(&b);
}

/* Whoever waits at a shut face must hear of the end, and may have what came before. */
static void test_end_of_the_device_is_found_at_a_shut_face(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b);
    send_one(&b, b.ends[1], 1);
    rn_detached_shut(b.face);
    b.heard = 0;

    rn_device_close(b.ends[1]);

    assert_int_equal(b.heard, RN_DEV_CLOSED);
    assert_true(b.face->is_closed);
    take_one(b.face, 1);
    take_one(b.face, RN_E_CANCELLED);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shut_face_refuses_and_loses_nothing),
        cmocka_unit_test(test_closing_the_face_leaves_the_device_usable),
        cmocka_unit_test(test_nested_faces_shut_alone_and_close_together),
        cmocka_unit_test(test_end_of_the_device_is_found_at_a_shut_face),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
