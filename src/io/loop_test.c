/* The loop against real descriptors: pipes and eventfds, never sleeping longer than it takes the kernel to answer. */
#include "io/loop.h"

#include "io/alloc.h"
#include "io/clock.h"
#include <runnel/err.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

struct counting {
    atomic_size_t bytes;
};

static void *counting_alloc(void *ctx, size_t bytes)
{
    struct counting *c = ctx;

    atomic_fetch_add(&c->bytes, bytes);
    return calloc(1, bytes);
}

static void counting_free(void *ctx, void *ptr, size_t bytes)
{
    struct counting *c = ctx;

    atomic_fetch_sub(&c->bytes, bytes);
    free(ptr);
}

struct fixture {
    struct counting count;
    struct rn_alloc alloc;
    struct rn_loop *loop;
    int pipe[2];
    int pipe2[2];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const uint8_t seed[16] = { 1 };

    f->alloc = (struct rn_alloc){ counting_alloc, counting_free, &f->count };
    assert_int_equal(
        rn_loop_new(&f->loop, &(struct rn_loop_opts){ .alloc = &f->alloc, .seed = seed }), RN_OK);
    assert_int_equal(pipe2(f->pipe, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(pipe2(f->pipe2, O_NONBLOCK | O_CLOEXEC), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_null(rn_loop_free(f->loop));
    assert_int_equal(atomic_load(&f->count.bytes), 0);
    for (int i = 0; i < 2; i++) {
        close(f->pipe[i]);
        close(f->pipe2[i]);
    }
    free(f);
    return 0;
}

struct seen {
    struct rn_watch watch;
    struct rn_watch *victim;
    unsigned calls;
    unsigned ready;
    bool was_in_turn;
};

static void note(struct rn_watch *watch, unsigned ready)
{
    struct seen *s = rn_container_of(watch, struct seen, watch);

    s->calls++;
    s->ready = ready;
    s->was_in_turn = watch->loop->turn.is_open;
    if (s->victim != NULL)
        rn_unwatch(s->victim);
}

static void test_handler_runs_inside_a_turn_and_says_what_is_ready(void **state)
{
    struct fixture *f = *state;
    struct seen in = { .watch.fn = note };
    struct seen out = { .watch.fn = note };

    assert_int_equal(rn_loop_watch(f->loop, &in.watch, f->pipe[0], RN_IO_READ), RN_OK);
    assert_int_equal(rn_loop_watch(f->loop, &out.watch, f->pipe[1], RN_IO_WRITE), RN_OK);
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    assert_int_equal(rn_loop_step(f->loop, 0), 2);

    assert_int_equal(in.ready, RN_IO_READ);
    assert_int_equal(out.ready, RN_IO_WRITE);
    assert_true(in.was_in_turn);
    assert_false(f->loop->turn.is_open);
    rn_unwatch(&in.watch);
    rn_unwatch(&out.watch);
}

static void test_level_watch_repeats_and_edge_watch_does_not(void **state)
{
    struct fixture *f = *state;
    struct seen level = { .watch.fn = note };
    struct seen edge = { .watch.fn = note };

    assert_int_equal(rn_loop_watch(f->loop, &level.watch, f->pipe[0], RN_IO_READ), RN_OK);
    assert_int_equal(rn_loop_watch(f->loop, &edge.watch, f->pipe2[0], RN_IO_READ | RN_IO_EDGE),
                     RN_OK);
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    assert_int_equal(write(f->pipe2[1], "x", 1), 1);
    assert_int_equal(rn_loop_step(f->loop, 0), 2);
    assert_int_equal(rn_loop_step(f->loop, 0), 1);

    assert_int_equal(level.calls, 2);
    assert_int_equal(edge.calls, 1);
    rn_unwatch(&level.watch);
    rn_unwatch(&edge.watch);
}

static void test_watch_removed_by_an_earlier_handler_of_the_same_batch_is_not_called(void **state)
{
    struct fixture *f = *state;
    struct seen a = { .watch.fn = note };
    struct seen b = { .watch.fn = note };

    a.victim = &b.watch;
    b.victim = &a.watch; /* whichever comes first removes the other */
    assert_int_equal(rn_loop_watch(f->loop, &a.watch, f->pipe[0], RN_IO_READ), RN_OK);
    assert_int_equal(rn_loop_watch(f->loop, &b.watch, f->pipe2[0], RN_IO_READ), RN_OK);
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    assert_int_equal(write(f->pipe2[1], "x", 1), 1);
    assert_int_equal(rn_loop_step(f->loop, 0), 2);

    assert_int_equal(a.calls + b.calls, 1);
    rn_unwatch(&a.watch);
    rn_unwatch(&b.watch);
}

static void test_handler_may_remove_itself(void **state)
{
    struct fixture *f = *state;
    struct seen a = { .watch.fn = note };

    a.victim = &a.watch;
    assert_int_equal(rn_loop_watch(f->loop, &a.watch, f->pipe[0], RN_IO_READ), RN_OK);
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    assert_int_equal(rn_loop_step(f->loop, 0), 1);
    assert_int_equal(rn_loop_step(f->loop, 0), 0);

    assert_int_equal(a.calls, 1);
    assert_null(a.watch.loop);
}

static void test_peer_that_hangs_up_is_told(void **state)
{
    struct fixture *f = *state;
    struct seen a = { .watch.fn = note };

    assert_int_equal(rn_loop_watch(f->loop, &a.watch, f->pipe[0], RN_IO_READ), RN_OK);
    close(f->pipe[1]);
    f->pipe[1] = -1;
    assert_int_equal(rn_loop_step(f->loop, 0), 1);

    assert_true((a.ready & RN_IO_HUP) != 0);
    rn_unwatch(&a.watch);
}

static void test_the_same_descriptor_twice_is_refused(void **state)
{
    struct fixture *f = *state;
    struct seen a = { .watch.fn = note };
    struct seen b = { .watch.fn = note };

    assert_int_equal(rn_loop_watch(f->loop, &a.watch, f->pipe[0], RN_IO_READ), RN_OK);

    assert_int_equal(rn_loop_watch(f->loop, &b.watch, f->pipe[0], RN_IO_READ), RN_E_EXISTS);
    assert_int_equal(rn_loop_watch(f->loop, &a.watch, f->pipe2[0], RN_IO_READ), RN_E_EXISTS);
    rn_unwatch(&a.watch);
}

struct alarm_clock {
    struct rn_timer timer;
    struct rn_loop *loop;
    int64_t fired_ns;
};

static void ring_alarm(struct rn_timer *timer)
{
    struct alarm_clock *a = rn_container_of(timer, struct alarm_clock, timer);

    a->fired_ns = a->loop->turn.now_ns;
    rn_loop_stop(a->loop);
}

static void test_loop_sleeps_until_the_deadline_and_never_fires_early(void **state)
{
    struct fixture *f = *state;
    struct alarm_clock a = { .timer.fire = ring_alarm, .loop = f->loop };
    int64_t due_ns = f->loop->turn.now_ns + 3 * RN_NS_PER_MS;
    uint64_t wakeups;

    rn_turn_arm(&f->loop->turn, &a.timer, due_ns);
    assert_int_equal(rn_loop_run(f->loop), RN_OK);
    wakeups = f->loop->n_wakeups;

    assert_true(a.fired_ns >= due_ns);
    /* One to cascade, one to fire, and perhaps one for a tick of rounding: it slept, it did not spin. */
    assert_true(wakeups <= 4);
}

/* As a packet of a chat that came or went in this turn does. */
static void chat(struct fixture *f)
{
    f->loop->turn.moved_bytes += 100;
}

static void test_busy_polling_looks_before_it_sleeps_and_gives_up_when_in_vain(void **state)
{
    struct fixture *f = *state;
    struct seen in = { .watch.fn = note };
    unsigned before;

    rn_loop_busy_poll(f->loop, 20 * RN_NS_PER_US);
    assert_int_equal(rn_loop_watch(f->loop, &in.watch, f->pipe[0], RN_IO_READ), RN_OK);
    before = f->loop->idle.look.credit;
    assert_int_equal(rn_loop_step(f->loop, 30 * RN_NS_PER_US), 0);
    assert_int_equal(f->loop->idle.look.credit, before); /* without packets nobody looks */
    chat(f);
    assert_int_equal(rn_loop_step(f->loop, 30 * RN_NS_PER_US), 0);
    assert_int_not_equal(f->loop->idle.look.credit, before); /* in vain */

    before = f->loop->idle.look.credit;
    chat(f);
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    assert_int_equal(rn_loop_step(f->loop, INT64_MAX), 1);
    assert_int_equal(f->loop->idle.look.credit, before); /* it would not have slept */
    rn_unwatch(&in.watch);
}

static void test_busy_polling_finds_what_comes_soon(void **state)
{
    struct fixture *f = *state;
    struct seen in = { .watch.fn = note };
    struct itimerspec soon = { .it_value.tv_nsec = RN_NS_PER_MS };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    rn_loop_busy_poll(f->loop, RN_NS_PER_S); /* so long that only what it finds ends it */
    assert_int_equal(rn_loop_watch(f->loop, &in.watch, fd, RN_IO_READ), RN_OK);
    assert_int_equal(timerfd_settime(fd, 0, &soon, NULL), 0);
    chat(f);
    assert_int_equal(rn_loop_step(f->loop, INT64_MAX), 1);
    assert_true(f->loop->idle.look.credit > 4); /* it looked, and it paid */
    rn_unwatch(&in.watch);
    close(fd);
}

/* As a packet of a transfer that came in this turn does. */
static void bring_much(struct fixture *f)
{
    f->loop->turn.moved_bytes += 1 << 20;
    f->loop->turn.received_bytes += 1 << 20;
}

static void test_a_transfer_is_taken_after_a_nap(void **state)
{
    struct fixture *f = *state;
    struct seen in = { .watch.fn = note };
    struct itimerspec soon = { .it_value.tv_nsec = RN_NS_PER_US };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int64_t before_ns = 0;

    rn_loop_coalesce(f->loop, RN_NS_PER_S); /* the most there is */
    assert_int_equal(rn_loop_watch(f->loop, &in.watch, fd, RN_IO_READ), RN_OK);
    assert_int_equal(timerfd_settime(fd, 0, &soon, NULL), 0);
    assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1), 1);
    bring_much(f);
    assert_int_equal(rn_loop_step(f->loop, INT64_MAX), 1); /* what is there is taken at once */
    assert_int_equal(f->loop->idle.nap.credit, 4);

    soon.it_value.tv_nsec = RN_NS_PER_MS / 2;
    /* Again where the machine was so slow that it came before the nap began. */
    for (unsigned i = 0; i < 100 && f->loop->idle.nap.credit == 4; i++) {
        before_ns = rn_clock_now_ns();
        assert_int_equal(timerfd_settime(fd, 0, &soon, NULL), 0);
        bring_much(f);
        assert_int_equal(rn_loop_step(f->loop, INT64_MAX), 1);
    }
    assert_true(rn_clock_now_ns() - before_ns >= RN_LOOP_COALESCE_MAX_NS);
    assert_int_equal(f->loop->idle.nap.credit, 5); /* it paid */
    rn_unwatch(&in.watch);
    close(fd);
}

static void test_a_nap_in_vain_or_before_a_timer(void **state)
{
    struct fixture *f = *state;

    rn_loop_coalesce(f->loop, RN_NS_PER_MS);
    bring_much(f);
    assert_int_equal(rn_loop_step(f->loop, RN_NS_PER_MS), 0);
    assert_int_equal(f->loop->idle.nap.credit, 4); /* too short a wait for one */
    bring_much(f);
    assert_int_equal(rn_loop_step(f->loop, 2 * RN_NS_PER_MS), 0);
    assert_int_equal(f->loop->idle.nap.credit, 0); /* in vain */
}

static void test_a_watch_ends_by_closing_its_descriptor(void **state)
{
    struct fixture *f = *state;
    struct seen a = { .watch.fn = note };
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(rn_loop_watch(f->loop, &a.watch, fds[0], RN_IO_READ), RN_OK);
    assert_int_equal(write(fds[1], "x", 1), 1);
    close(fds[0]);
    rn_unwatch_closed(&a.watch);
    assert_int_equal(rn_loop_step(f->loop, 0), 0);

    assert_int_equal(a.calls, 0);
    assert_int_equal(f->loop->n_watches, 1); /* the loop's own */
    close(fds[1]);
}

static void count_posted(struct rn_loop *loop, void *arg)
{
    unsigned *n = arg;

    if (loop == NULL) {
        *n += 1000;
        return;
    }
    assert_true(loop->turn.is_open);
    if (++*n == 4 * 500)
        rn_loop_stop(loop);
}

struct poster {
    struct rn_loop *loop;
    unsigned *n;
};

static void *post_many(void *arg)
{
    struct poster *p = arg;

    for (int i = 0; i < 500; i++)
        assert_int_equal(rn_post(p->loop, count_posted, p->n), RN_OK);
    return NULL;
}

static void test_what_four_threads_post_all_runs_on_the_loop(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;
    struct poster p = { f->loop, &n };
    pthread_t threads[4];

    for (size_t i = 0; i < RN_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &p), 0);
    assert_int_equal(rn_loop_run(f->loop), RN_OK);
    for (size_t i = 0; i < RN_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);

    assert_int_equal(n, 2000);
}

static void test_what_never_ran_is_told_when_the_loop_is_freed(void **state)
{
    struct fixture *f = *state;
    const uint8_t seed[16] = { 2 };
    struct rn_loop *other;
    unsigned n = 0;

    assert_int_equal(
        rn_loop_new(&other, &(struct rn_loop_opts){ .alloc = &f->alloc, .seed = seed }), RN_OK);
    assert_int_equal(rn_post(other, count_posted, &n), RN_OK);
    rn_loop_free(other);

    assert_int_equal(n, 1000);
}

static void test_without_epoll_pwait2_the_loop_still_wakes(void **state)
{
    struct fixture *f = *state;
    struct alarm_clock a = { .timer.fire = ring_alarm, .loop = f->loop };

    f->loop->is_epoll_pwait2_missing = true;
    rn_turn_arm(&f->loop->turn, &a.timer, f->loop->turn.now_ns + RN_NS_PER_MS);
    assert_int_equal(rn_loop_run(f->loop), RN_OK);

    assert_true(a.fired_ns != 0);
}

static void note_flush(struct rn_flush *flush)
{
    struct seen_flush {
        struct rn_flush flush;
        unsigned calls;
    } *s = (struct seen_flush *)(void *)flush;

    s->calls++;
    rn_loop_unflush(flush);
}

static void test_flush_runs_after_the_turn_and_may_remove_itself(void **state)
{
    struct fixture *f = *state;
    struct {
        struct rn_flush flush;
        unsigned calls;
    } s = { .flush.fn = note_flush };

    rn_loop_flush(f->loop, &s.flush);
    assert_int_equal(rn_loop_step(f->loop, 0), 0);
    assert_int_equal(rn_loop_step(f->loop, 0), 0);

    assert_int_equal(s.calls, 1);
}

static void test_another_loop_can_wait_for_ours(void **state)
{
    struct fixture *f = *state;
    struct alarm_clock a = { .timer.fire = ring_alarm, .loop = f->loop };
    struct pollfd ours = { .fd = rn_loop_fd(f->loop), .events = POLLIN };
    unsigned n = 0;

    assert_int_equal(rn_loop_wait_ns(f->loop), INT64_MAX);
    assert_int_equal(poll(&ours, 1, 0), 0);
    assert_int_equal(rn_post(f->loop, count_posted, &n), RN_OK);
    assert_int_equal(poll(&ours, 1, 0), 1);
    assert_true(rn_loop_step(f->loop, 0) >= 0);
    assert_int_equal(n, 1);
    assert_int_equal(poll(&ours, 1, 0), 0);

    rn_turn_arm(&f->loop->turn, &a.timer, rn_clock_now_ns() + 100 * RN_NS_PER_S);
    /* The wheel may want to look at it sooner, at the edge of a slot, wherever the clock stands. */
    assert_in_range(rn_loop_wait_ns(f->loop), 0, 101 * RN_NS_PER_S);
    rn_turn_cancel(&f->loop->turn, &a.timer);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_handler_runs_inside_a_turn_and_says_what_is_ready),
        TEST(test_level_watch_repeats_and_edge_watch_does_not),
        TEST(test_watch_removed_by_an_earlier_handler_of_the_same_batch_is_not_called),
        TEST(test_handler_may_remove_itself),
        TEST(test_peer_that_hangs_up_is_told),
        TEST(test_the_same_descriptor_twice_is_refused),
        TEST(test_loop_sleeps_until_the_deadline_and_never_fires_early),
        TEST(test_busy_polling_looks_before_it_sleeps_and_gives_up_when_in_vain),
        TEST(test_busy_polling_finds_what_comes_soon),
        TEST(test_a_transfer_is_taken_after_a_nap),
        TEST(test_a_nap_in_vain_or_before_a_timer),
        TEST(test_a_watch_ends_by_closing_its_descriptor),
        TEST(test_what_four_threads_post_all_runs_on_the_loop),
        TEST(test_what_never_ran_is_told_when_the_loop_is_freed),
        TEST(test_without_epoll_pwait2_the_loop_still_wakes),
        TEST(test_another_loop_can_wait_for_ours),
        TEST(test_flush_runs_after_the_turn_and_may_remove_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
