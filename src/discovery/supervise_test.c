/* Items that hang, die or work, under the watch of the supervisor. The watch itself lives on real time, and no
 * assertion depends on how long anything took. */
#include "discovery/broker.h"

#include "base/view.h"

#include "test_alloc.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define STUCK_MS 300 /* waited once; long enough that a loaded machine does not look stuck */
#define N_ITEMS  6u

enum { ITEM_HANGS = 2, ITEM_DIES = 3 };

struct rig {
    struct rn_broker b;
    int ends[2];
};

static void setup(struct rig *r)
{
    *r = (struct rig){ 0 };
    assert_int_equal(pipe2(r->ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(rn_dump_writer_init(&r->b.out, r->ends[1]), RN_OK);
    r->b.watch =
        mmap(NULL, sizeof(*r->b.watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(r->b.watch != MAP_FAILED);
}

static void teardown(struct rig *r)
{
    munmap(r->b.watch, sizeof(*r->b.watch));
    rn_dump_writer_fini(&r->b.out);
    close(r->ends[0]);
    close(r->ends[1]);
}

static void say(struct rn_broker *b, uint8_t v)
{
    rn_dump_bytes(&b->out, rn_view_of(&v, 1));
}

static void item(struct rn_broker *b, size_t i)
{
    say(b, (uint8_t)i);
    if (i == ITEM_HANGS) {
        for (;;)
            pause();
    }
    if (i == ITEM_DIES)
        kill(getpid(), SIGKILL);
}

static void on_lost(struct rn_broker *b, size_t i, bool is_stuck)
{
    say(b, (uint8_t)(i | (is_stuck ? 0x80u : 0x40u)));
}

static void test_a_hanging_item_and_a_dying_one_are_reported_and_the_others_done(void **state)
{
    const uint8_t want[] = { 0, 1, 0x80 | ITEM_HANGS, 0x40 | ITEM_DIES, 4, 5 };
    struct rig r;
    uint8_t got[32];

    (void)state;
    setup(&r);
    rn_supervise(&r.b,
                 &(struct rn_supervised){
                     .item = item, .on_lost = on_lost, .end = N_ITEMS, .stuck_ms = STUCK_MS });

    /* What a lost item had begun to write is not there: 2 and 3 appear only in their reports. */
    assert_int_equal(read(r.ends[0], got, sizeof(got)), sizeof(want));
    assert_memory_equal(got, want, sizeof(want));
    teardown(&r);
}

static void test_what_was_buffered_before_comes_first_and_once(void **state)
{
    struct rig r;
    uint8_t got[8];

    (void)state;
    setup(&r);
    say(&r.b, 99);
    rn_supervise(&r.b, &(struct rn_supervised){
                           .item = item, .on_lost = on_lost, .end = 2, .stuck_ms = STUCK_MS });
    assert_int_equal(read(r.ends[0], got, sizeof(got)), 3);
    assert_int_equal(got[0], 99);
    assert_int_equal(got[2], 1);
    teardown(&r);
}

static int aside(void *arg)
{
    *(int *)arg = 7;
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void test_what_runs_aside_shares_memory_and_descriptors(void **state)
{
    int seen = 0;
    int fd = rn_run_aside(aside, &seen);

    (void)state;
    assert_int_equal(seen, 7);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static void item_that_dies_late(struct rn_broker *b, size_t i)
{
    item(b, i == ITEM_HANGS ? 0 : i);
}

static void test_items_not_yet_written_when_a_child_dies_are_done_again_once(void **state)
{
    const uint8_t want[] = { 0, 1, 0, 0x40 | ITEM_DIES, 4, 5 };
    struct rig r;
    uint8_t got[32];

    (void)state;
    setup(&r);
    rn_supervise(&r.b, &(struct rn_supervised){ .item = item_that_dies_late,
                                                .on_lost = on_lost,
                                                .end = N_ITEMS,
                                                .stuck_ms = STUCK_MS });
    assert_int_equal(read(r.ends[0], got, sizeof(got)), sizeof(want));
    assert_memory_equal(got, want, sizeof(want));
    teardown(&r);
}

static void test_two_children_do_each_item_once_whichever_of_them_is_lost(void **state)
{
    enum { N_MANY = 64 };
    uint8_t n_told[256] = { 0 };
    uint8_t got[2 * N_MANY];
    struct rig r;
    ssize_t n;

    (void)state;
    setup(&r);
    rn_supervise(&r.b, &(struct rn_supervised){ .item = item,
                                                .on_lost = on_lost,
                                                .end = N_MANY,
                                                .stuck_ms = STUCK_MS,
                                                .split_from = N_MANY });
    n = read(r.ends[0], got, sizeof(got));
    assert_int_equal(n, N_MANY);
    for (ssize_t i = 0; i < n; i++)
        n_told[got[i]]++;
    for (size_t i = 0; i < N_MANY; i++)
        assert_int_equal(n_told[i], i != ITEM_HANGS && i != ITEM_DIES);
    assert_int_equal(n_told[0x80 | ITEM_HANGS], 1);
    assert_int_equal(n_told[0x40 | ITEM_DIES], 1);
    teardown(&r);
}

static void test_it_ends_when_nobody_reads(void **state)
{
    struct rig r;

    (void)state;
    setup(&r);
    close(r.ends[0]);
    signal(SIGPIPE, SIG_IGN);
    rn_supervise(&r.b, &(struct rn_supervised){
                           .item = item, .on_lost = on_lost, .end = 2, .stuck_ms = STUCK_MS });
    assert_int_equal(atomic_load(&r.b.watch->lanes[0].done), 0);
    r.ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    teardown(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hanging_item_and_a_dying_one_are_reported_and_the_others_done),
        cmocka_unit_test(test_items_not_yet_written_when_a_child_dies_are_done_again_once),
        cmocka_unit_test(test_two_children_do_each_item_once_whichever_of_them_is_lost),
        cmocka_unit_test(test_it_ends_when_nobody_reads),
        cmocka_unit_test(test_what_was_buffered_before_comes_first_and_once),
        cmocka_unit_test(test_what_runs_aside_shares_memory_and_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
