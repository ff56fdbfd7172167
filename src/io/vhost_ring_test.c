#include "io/vhost_ring.h"
#include "vhost_front.h"

#include <poll.h>
#include <pthread.h>

/* A driver's rings in memory that both sides see at the same addresses, so that a thread sanitizer sees both sides. */
struct rig {
    struct vhost_front front;
    struct rn_vhost_mem mem;
    struct rn_vhost_ring ring; /* the device's side of the sending ring */
    struct front_ring *tx;     /* the driver's */
    struct rn_vhost_span span;
};

static struct rig *rig_new(bool has_event_idx, uint16_t base)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct rn_vhost_parts parts;

    assert_non_null(r);
    r->front.mem = aligned_alloc(4096, FRONT_MEM_BYTES);
    assert_non_null(r->front.mem);
    memset(r->front.mem, 0, FRONT_MEM_BYTES);
    r->front.features = has_event_idx ? RN_VIRTIO_EVENT_IDX : 0;
    r->front.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->tx = &r->front.rings[RN_VHOST_TX];
    front_ring_init(&r->front, RN_VHOST_TX);
    r->mem.n_regions = 2;
    r->mem.regions[0].at = r->front.mem;
    r->mem.regions[1].at = r->front.mem + FRONT_RINGS_BYTES;
    for (unsigned i = 0; i < 2; i++) {
        struct rn_vhost_claim claims[2];

        front_claims(claims);
        r->mem.regions[i].claim = claims[i];
    }
    /* As a driver that has been at it for a while: indices are about to wrap. */
    r->tx->avail_at = base;
    r->tx->used_at = base;
    atomic_store(front_word(r->tx->avail, 2), base);
    atomic_store(front_word(r->tx->used, 2), base);
    parts = (struct rn_vhost_parts){ r->tx->desc, r->tx->avail, r->tx->used };
    r->ring.mem = &r->mem;
    r->ring.has_event_idx = has_event_idx;
    rn_vhost_ring_start(&r->ring, &parts, FRONT_RING_SIZE, base);
    return r;
}

static void rig_free(struct rig *r)
{
    close(r->front.call);
    close(r->tx->kick);
    free(r->front.mem);
    free(r);
}

static void empty(struct rn_vhost_span *span)
{
    span->n_pieces = 0;
    span->n_chains = 0;
    span->bytes = 0;
}

static void test_chain_comes_as_the_pieces_it_names(void **state)
{
    struct rig *r = rig_new(true, 65535);
    (void)state;
    r->tx->desc[3] = (struct front_desc){ FRONT_GUEST_BUFFERS + 100, 10, FRONT_NEXT, 9 };
    r->tx->desc[9] = (struct front_desc){ FRONT_GUEST_BUFFERS + 500, 20, 0, 0 };
    front_offer(r->tx, 3);
    front_publish(&r->front, r->tx);

    assert_int_equal(rn_vhost_ring_waiting(&r->ring), 1);
    assert_true(rn_vhost_ring_take(&r->ring, RN_VHOST_READ, &r->span));
    assert_int_equal(r->span.n_pieces, 2);
    assert_ptr_equal(r->span.pieces[0].iov_base, r->front.mem + FRONT_RINGS_BYTES + 100);
    assert_int_equal(r->span.pieces[1].iov_len, 20);
    assert_int_equal(r->span.bytes, 30);
    assert_int_equal(r->span.chains[0].head, 3);
    assert_false(rn_vhost_ring_take(&r->ring, RN_VHOST_READ, &r->span));
    assert_null(r->ring.broken);
    rig_free(r);
}

static void test_what_was_put_back_is_taken_again(void **state)
{
    struct rig *r = rig_new(true, 65534);
    (void)state;
    for (uint16_t i = 0; i < 5; i++)
        front_offer(r->tx, i);
    front_publish(&r->front, r->tx);
    for (unsigned i = 0; i < 4; i++)
        assert_true(rn_vhost_ring_take(&r->ring, RN_VHOST_READ, &r->span));

    rn_vhost_ring_put_back(&r->ring, 3);

    empty(&r->span);
    assert_int_equal(rn_vhost_ring_waiting(&r->ring), 4);
    assert_true(rn_vhost_ring_take(&r->ring, RN_VHOST_READ, &r->span));
    assert_int_equal(r->span.chains[0].head, 1);
    rig_free(r);
}

static void test_used_chains_appear_all_at_once(void **state)
{
    struct rig *r = rig_new(false, 0);
    uint32_t used[2];
    (void)state;

    rn_vhost_ring_use(&r->ring, 7, 100);
    rn_vhost_ring_use(&r->ring, 8, 200);
    assert_false(front_take_used(r->tx, used));

    assert_true(rn_vhost_ring_publish(&r->ring));
    assert_true(front_take_used(r->tx, used));
    assert_int_equal(used[0], 7);
    assert_int_equal(used[1], 100);
    assert_true(front_take_used(r->tx, used));
    assert_int_equal(used[0], 8);
    assert_false(rn_vhost_ring_publish(&r->ring)); /* nothing new */
    rig_free(r);
}

/* VIRTIO 1.2 §2.7.7.2: the event is the index of the entry whose use is to be told. */
static void test_driver_is_interrupted_at_the_event_it_named(void **state)
{
    struct rig *r = rig_new(true, 65530);
    _Atomic uint16_t *event = front_word(r->tx->avail, 4 + 2 * FRONT_RING_SIZE);
    (void)state;

    rn_vhost_ring_use(&r->ring, 0, 0);
    assert_true(rn_vhost_ring_publish(&r->ring)); /* the first is always told */
    atomic_store(event, (uint16_t)(65530 + 9));   /* wraps: index 3 */
    for (unsigned i = 1; i < 12; i++) {
        rn_vhost_ring_use(&r->ring, 0, 0);
        assert_int_equal(rn_vhost_ring_publish(&r->ring), i == 9);
    }
    rig_free(r);
}

/* --- two threads -------------------------------------------------------------------------------------------------- */
#define NUMBERS 60000u

static void sleep_until_rung(int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };
    eventfd_t n;

    assert_true(poll(&polled, 1, 10000) > 0);
    (void)eventfd_read(fd, &n);
}

/* Sends numbers, a few at a time, each in a buffer that is written again as soon as it comes back. */
static void *drive(void *arg)
{
    struct rig *r = arg;
    uint32_t used[2];
    uint32_t n = 0;

    for (uint16_t i = 0; i < FRONT_RING_SIZE && n < NUMBERS; i++, n++) {
        memcpy(r->tx->buffers + (size_t)i * FRONT_BUFFER_BYTES, &n, sizeof(n));
        front_offer(r->tx, i);
        if (i % 7 == 0)
            front_publish(&r->front, r->tx);
    }
    front_publish(&r->front, r->tx);
    while (n < NUMBERS) {
        while (n < NUMBERS && front_take_used(r->tx, used)) {
            memcpy(r->tx->buffers + (size_t)used[0] * FRONT_BUFFER_BYTES, &n, sizeof(n));
            front_offer(r->tx, (uint16_t)used[0]);
            n++;
        }
        front_publish(&r->front, r->tx);
        if (n < NUMBERS)
            sleep_until_rung(r->front.call);
    }
    return NULL;
}

static void take_all(struct rig *r, uint32_t *next)
{
    empty(&r->span);
    while (rn_vhost_ring_take(&r->ring, RN_VHOST_READ, &r->span)) {
        uint32_t n;

        memcpy(&n, r->span.pieces[0].iov_base, sizeof(n));
        assert_int_equal(n, *next);
        (*next)++;
        rn_vhost_ring_use(&r->ring, r->span.chains[0].head, 0);
        empty(&r->span);
    }
    assert_null(r->ring.broken);
    if (rn_vhost_ring_publish(&r->ring))
        (void)eventfd_write(r->front.call, 1);
}

static void test_two_threads_miss_no_number_and_no_bell(void **state)
{
    (void)state;

    for (unsigned way = 0; way < 2; way++) {
        struct rig *r = rig_new(way == 1, 65500);
        uint32_t next = 0;
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, drive, r), 0);
        while (next < NUMBERS) {
            rn_vhost_ring_hush(&r->ring);
            take_all(r, &next);
            rn_vhost_ring_ask_kick(&r->ring);
            if (next < NUMBERS && rn_vhost_ring_waiting(&r->ring) == 0)
                sleep_until_rung(r->tx->kick);
        }
        pthread_join(thread, NULL);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_comes_as_the_pieces_it_names),
        cmocka_unit_test(test_what_was_put_back_is_taken_again),
        cmocka_unit_test(test_used_chains_appear_all_at_once),
        cmocka_unit_test(test_driver_is_interrupted_at_the_event_it_named),
        cmocka_unit_test(test_two_threads_miss_no_number_and_no_bell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
