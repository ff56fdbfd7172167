/* What the blocking face of every device promises (<runnel/blocking.h>): by threads, over a loop on a thread of its own. */
#include "promises.h"

#include "io/loop.h"
#include <runnel/blocking.h>

#include <pthread.h>
#include <stdlib.h>

/* More than a pipe takes, fewer than a mux keeps for a member that is slow: it loses what is beyond. */
#define SERIES   200u
#define SHORT_NS (20 * RN_NS_PER_MS)

struct face {
    struct rig r;
    struct rn_loop *loop;
    pthread_t thread;
    struct rn_blocking *near;
    struct rn_blocking *far; /* the wire; .near itself of a loopback */
};

static const struct subject *all;
static size_t n_all;

static void *run_loop(void *arg)
{
    assert_int_equal(rn_loop_run(arg), RN_OK);
    return NULL;
}

/* false: there is no such device here, or its wire is no device. */
static bool face_init(struct face *f, const struct subject *subject)
{
    memset(f, 0, sizeof(*f));
    assert_int_equal(rn_loop_new(&f->loop, NULL), RN_OK);
    f->r.turn = rn_loop_turn(f->loop);
    if (!subject->open(&f->r) || f->r.far == NULL)
        return false;
    assert_int_equal(rn_blocking_new(&f->near, f->loop, f->r.dev), RN_OK);
    f->far = f->near;
    if (f->r.far != f->r.dev)
        assert_int_equal(rn_blocking_new(&f->far, f->loop, f->r.far), RN_OK);
    assert_int_equal(pthread_create(&f->thread, NULL, run_loop, f->loop), 0);
    print_message("  %s\n", subject->name);
    return true;
}

static void face_fini(struct face *f)
{
    if (f->near != NULL) {
        if (f->far != f->near)
            rn_blocking_free(f->far);
        rn_blocking_free(f->near);
        rn_loop_stop(f->loop);
        pthread_join(f->thread, NULL);
    }
    rig_free_devices(&f->r);
    rn_loop_free(f->loop);
    if (f->r.forget != NULL)
        f->r.forget();
}

/* Bytes of a packet that knows its number. */
static size_t bytes_of(struct face *f, uint32_t number, uint8_t *out)
{
    struct rn_test_turn t;
    struct rn_turn *real = f->r.turn;
    struct rn_pkt *pkt;
    size_t len;

    rn_test_turn_init(&t); /* the loop's own pool belongs to its thread */
    f->r.turn = &t.turn;
    pkt = rig_packet(&f->r, number, 4 + number % 1000);
    len = pkt->len;
    rn_pkt_copy_out(pkt, 0, out, len);
    rn_pkt_free(pkt);
    f->r.turn = real;
    rn_test_turn_fini(&t);
    return len;
}

static uint32_t number_in(const struct face *f, const uint8_t *bytes)
{
    return rn_get_be32(bytes + (f->r.dev->link_type == RN_LINK_ETHERNET ? 14 : 0) + 28);
}

/* --- readers ------------------------------------------------------------------------------------------------------ */
struct reader {
    pthread_t thread;
    struct face *face;
    struct rn_blocking *io;
    uint32_t n_wanted;
    uint32_t n_in_order;
    int last;
};

static void *read_series(void *arg)
{
    struct reader *reader = arg;
    uint8_t bytes[2048];

    while (reader->n_in_order < reader->n_wanted) {
        reader->last = rn_blocking_read(reader->io, bytes, sizeof(bytes), -1);
        if (reader->last < 0 || number_in(reader->face, bytes) != reader->n_in_order)
            break;
        reader->n_in_order++;
    }
    return NULL;
}

static void begin(struct reader *reader)
{
    assert_int_equal(pthread_create(&reader->thread, NULL, read_series, reader), 0);
}

/* --- the promises ------------------------------------------------------------------------------------------------- */
static void carries_a_series_to_a_reader_that_waits(struct face *f)
{
    struct reader reader = { .face = f, .io = f->far, .n_wanted = SERIES };
    uint8_t bytes[2048];

    begin(&reader);
    for (uint32_t i = 0; i < SERIES; i++) {
        size_t len = bytes_of(f, i, bytes);

        assert_int_equal(rn_blocking_write(f->near, bytes, len, -1), len);
    }
    pthread_join(reader.thread, NULL);

    assert_int_equal(reader.n_in_order, SERIES);
}

static void keeps_a_packet_for_which_the_buffer_is_too_small(struct face *f)
{
    uint8_t bytes[2048];
    size_t len = bytes_of(f, 600, bytes);

    assert_int_equal(rn_blocking_write(f->far, bytes, len, -1), len);

    assert_int_equal(rn_blocking_read(f->near, bytes, len - 1, -1), RN_E_MSG_TOO_LONG);
    assert_int_equal(rn_blocking_read(f->near, bytes, len, -1), len);
    assert_int_equal(number_in(f, bytes), 600);
}

static void waits_no_longer_than_it_is_told(struct face *f)
{
    uint8_t bytes[2048];

    assert_int_equal(rn_blocking_read(f->near, bytes, sizeof(bytes), 0), RN_E_WOULD_BLOCK);
    assert_int_equal(rn_blocking_read(f->near, bytes, sizeof(bytes), SHORT_NS), RN_E_WOULD_BLOCK);
    assert_int_equal(rn_blocking_write(f->near, bytes, MTU + 15, 0), RN_E_MSG_TOO_LONG);
    assert_int_equal(rn_blocking_write(f->near, bytes, 0, 0), RN_E_MSG_TOO_LONG);
}

static void wakes_all_who_wait_when_it_is_closed(struct face *f)
{
    struct reader readers[3];
    uint8_t bytes[64] = { 0 };

    for (unsigned i = 0; i < RN_ARRAY_LEN(readers); i++) {
        readers[i] = (struct reader){ .face = f, .io = f->near, .n_wanted = 1 };
        begin(&readers[i]);
    }
    rn_blocking_close(f->near);
    rn_blocking_close(f->near);

    for (unsigned i = 0; i < RN_ARRAY_LEN(readers); i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].last, RN_E_CANCELLED);
    }
    assert_int_equal(rn_blocking_read(f->near, bytes, sizeof(bytes), -1), RN_E_CANCELLED);
    assert_int_equal(rn_blocking_write(f->near, bytes, sizeof(bytes), -1), RN_E_CANCELLED);
}

static void for_all(void (*promise)(struct face *f))
{
    for (size_t i = 0; i < n_all; i++) {
        struct face f;

        if (face_init(&f, &all[i]))
            promise(&f);
        face_fini(&f);
    }
}

#define PROMISE(name)                                                                              \
    static void test_every_blocking_face_##name(void **state)                                      \
    {                                                                                              \
        (void)state;                                                                               \
        for_all(name);                                                                             \
    }

PROMISE(carries_a_series_to_a_reader_that_waits)
PROMISE(keeps_a_packet_for_which_the_buffer_is_too_small)
PROMISE(waits_no_longer_than_it_is_told)
PROMISE(wakes_all_who_wait_when_it_is_closed)

int prove_blocking(const struct subject *subjects, size_t n)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_blocking_face_carries_a_series_to_a_reader_that_waits),
        cmocka_unit_test(test_every_blocking_face_keeps_a_packet_for_which_the_buffer_is_too_small),
        cmocka_unit_test(test_every_blocking_face_waits_no_longer_than_it_is_told),
        cmocka_unit_test(test_every_blocking_face_wakes_all_who_wait_when_it_is_closed),
    };

    all = subjects;
    n_all = n;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
