#include "io/loop.h"

#include "io/alloc.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/post.h"
#include <runnel/err.h>

#include <errno.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* How much later than asked a nap may end: a thread's timer slack if nobody changed it, and the way back to a processor. */
#define NAP_LATE_NS (80 * RN_NS_PER_US)

static uint32_t epoll_of_interest(unsigned interest)
{
    uint32_t events = EPOLLRDHUP;

    if (interest & RN_IO_READ)
        events |= EPOLLIN;
    if (interest & RN_IO_WRITE)
        events |= EPOLLOUT;
    if (interest & RN_IO_EDGE)
        events |= EPOLLET;
    /* Without any interest a level-triggered hang-up would wake us for ever. */
    return interest == 0 ? EPOLLET : events;
}

static unsigned ready_of_epoll(uint32_t events)
{
    unsigned ready = 0;

    if (events & (EPOLLIN | EPOLLPRI))
        ready |= RN_IO_READ;
    if (events & EPOLLOUT)
        ready |= RN_IO_WRITE;
    if (events & (EPOLLRDHUP | EPOLLHUP))
        ready |= RN_IO_HUP;
    if (events & EPOLLERR)
        ready |= RN_IO_ERROR;
    return ready;
}

int rn_loop_watch(struct rn_loop *loop, struct rn_watch *watch, int fd, unsigned interest)
{
    struct epoll_event ev = { .events = epoll_of_interest(interest), .data.ptr = watch };

    if (watch->loop != NULL)
        return RN_E_EXISTS;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) /* syscalls: epoll_ctl */
        return errno == EEXIST ? RN_E_EXISTS : rn_err_from_errno(errno);
    watch->loop = loop;
    watch->fd = fd;
    watch->interest = interest;
    loop->n_watches++;
    return RN_OK;
}

int rn_watch_set(struct rn_watch *watch, unsigned interest)
{
    struct epoll_event ev = { .events = epoll_of_interest(interest), .data.ptr = watch };

    if (watch->loop == NULL)
        return RN_E_BAD_STATE;
    if (watch->interest == interest)
        return RN_OK;
    if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &ev) < 0)
        return rn_err_from_errno(errno);
    watch->interest = interest;
    return RN_OK;
}

static void strike_out(struct rn_loop *loop, const struct rn_watch *watch)
{
    for (int i = loop->next_event; i < loop->n_events; i++) {
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
    }
}

void rn_unwatch_closed(struct rn_watch *watch)
{
    struct rn_loop *loop = watch->loop;

    if (loop == NULL)
        return;
    strike_out(loop, watch);
    loop->n_watches--;
    watch->loop = NULL;
}

void rn_unwatch(struct rn_watch *watch)
{
    if (watch->loop == NULL)
        return;
    /* Fails only if the owner closed the descriptor first; then the kernel has forgotten it already. */
    (void)epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    rn_unwatch_closed(watch);
}

static int wait_by_ms(struct rn_loop *loop, int64_t wait_ns)
{
    int64_t ms = wait_ns == INT64_MAX ? -1 : wait_ns / RN_NS_PER_MS + (wait_ns % RN_NS_PER_MS != 0);

    return epoll_pwait(loop->epoll_fd, loop->events, RN_LOOP_EVENTS_MAX, /* syscalls: epoll_pwait */
                       (int)rn_min_i64(ms, INT32_MAX), NULL);
}

static int wait_by_ns(struct rn_loop *loop, int64_t wait_ns)
{
    struct timespec ts = { .tv_sec = wait_ns / RN_NS_PER_S, .tv_nsec = wait_ns % RN_NS_PER_S };

    return epoll_pwait2(loop->epoll_fd, loop->events,
                        RN_LOOP_EVENTS_MAX, /* syscalls: epoll_pwait2 */
                        wait_ns == INT64_MAX ? NULL : &ts, NULL);
}

/* Looks until something came or the time is over. Returns as epoll_wait, and so does nap(). */
static int look(struct rn_loop *loop, int64_t wait_ns)
{
    struct rn_idle_way *way = &loop->idle.look;
    int64_t end_ns = rn_clock_now_ns() + rn_min_i64(wait_ns, way->for_ns);
    int n;

    do {
        /* Who else wants this core may be whom we wait for. */
        (void)sched_yield(); /* syscalls: sched_yield */
        n = wait_by_ms(loop, 0);
    } while (n == 0 && rn_clock_now_ns() < end_ns);
    /* A timer that was due so soon says nothing. */
    if (n > 0 || wait_ns > way->for_ns)
        rn_idle_learn(way, n > 0);
    return n;
}

static int nap(struct rn_loop *loop)
{
    struct rn_idle_way *way = &loop->idle.nap;
    struct timespec ts = { .tv_nsec = way->for_ns };
    int n;

    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL); /* syscalls: clock_nanosleep */
    n = wait_by_ms(loop, 0);
    rn_idle_learn(way, n > 0);
    return n;
}

void rn_loop_busy_poll(struct rn_loop *loop, int64_t for_ns)
{
    rn_idle_set(&loop->idle.look, rn_max_i64(for_ns, 0));
}

void rn_loop_coalesce(struct rn_loop *loop, int64_t for_ns)
{
    rn_idle_set(&loop->idle.nap, rn_min_i64(rn_max_i64(for_ns, 0), RN_LOOP_COALESCE_MAX_NS));
}

/* Returns how many events were read; 0 when a signal came. */
static int sleep_for_events(struct rn_loop *loop, int64_t wait_ns)
{
    int n = -1;

    if (!loop->is_epoll_pwait2_missing) {
        n = wait_by_ns(loop, wait_ns);
        /* Kernels before 5.11, and seccomp filters of old container runtimes. */
        if (n < 0 && (errno == ENOSYS || errno == EPERM))
            loop->is_epoll_pwait2_missing = true;
    }
    if (loop->is_epoll_pwait2_missing)
        n = wait_by_ms(loop, wait_ns);
    /* A signal, or an io_uring that had something to complete, and is readable now. */
    if (n < 0 && errno == EINTR)
        return (int)rn_max_i64(wait_by_ms(loop, 0), 0);
    return n < 0 ? rn_err_from_errno(errno) : n;
}

static int wait_for_events(struct rn_loop *loop, int64_t wait_ns)
{
    struct rn_turn *turn = &loop->turn;
    enum rn_idle_how how = rn_idle_choose(&loop->idle, turn->moved_bytes, turn->received_bytes);
    int64_t since_ns;
    int n;

    if (how == RN_IDLE_NAP && wait_ns < loop->idle.nap.for_ns + NAP_LATE_NS)
        how = RN_IDLE_SLEEP;
    if (how == RN_IDLE_SLEEP || wait_ns == 0)
        return sleep_for_events(loop, wait_ns);
    n = wait_by_ms(loop, 0);
    if (n > 0)
        return n; /* it would not have slept */
    since_ns = rn_clock_now_ns();
    n = how == RN_IDLE_LOOK ? look(loop, wait_ns) : nap(loop);
    if (n > 0)
        return n;
    if (wait_ns != INT64_MAX)
        wait_ns = rn_max_i64(wait_ns - (rn_clock_now_ns() - since_ns), 0);
    return sleep_for_events(loop, wait_ns);
}

/* How long to sleep so that neither a timer nor the caller is kept waiting. */
static int64_t sleep_ns(struct rn_loop *loop, int64_t max_wait_ns)
{
    int64_t deadline_ns = rn_turn_deadline_ns(&loop->turn);

    if (deadline_ns == INT64_MAX || max_wait_ns == 0)
        return max_wait_ns;
    if (deadline_ns <= loop->turn.now_ns)
        return 0;
    return rn_min_i64(max_wait_ns, rn_max_i64(deadline_ns - rn_clock_now_ns(), 0));
}

static void dispatch(struct rn_loop *loop, int n_events)
{
    loop->n_events = n_events;
    for (loop->next_event = 0; loop->next_event < loop->n_events;) {
        struct epoll_event *ev = &loop->events[loop->next_event++];
        struct rn_watch *watch = ev->data.ptr;

        if (watch != NULL)
            watch->fn(watch, ready_of_epoll(ev->events));
    }
    loop->n_events = 0;
    loop->next_event = 0;
}

static void run_flushes(struct rn_loop *loop)
{
    struct rn_list *it;
    struct rn_list *next;

    rn_list_for_each_safe (it, next, &loop->flushes) {
        struct rn_flush *f = rn_list_entry(it, struct rn_flush, link);

        f->fn(f);
    }
}

void rn_loop_flush(struct rn_loop *loop, struct rn_flush *flush)
{
    rn_list_push_back(&loop->flushes, &flush->link);
}

void rn_loop_unflush(struct rn_flush *flush)
{
    rn_list_remove(&flush->link);
}

int rn_loop_step(struct rn_loop *loop, int64_t max_wait_ns)
{
    int n = wait_for_events(loop, sleep_ns(loop, max_wait_ns));

    if (n < 0)
        return n;
    loop->n_wakeups++;
    rn_turn_begin(&loop->turn, rn_clock_now_ns());
    dispatch(loop, n);
    rn_turn_end(&loop->turn);
    run_flushes(loop);
    return n;
}

int rn_loop_fd(const struct rn_loop *loop)
{
    return loop->epoll_fd;
}

int64_t rn_loop_wait_ns(struct rn_loop *loop)
{
    return sleep_ns(loop, INT64_MAX);
}

int rn_loop_run(struct rn_loop *loop)
{
    while (!atomic_load_explicit(&loop->should_stop, memory_order_acquire)) {
        int err = rn_loop_step(loop, INT64_MAX);

        if (err < 0)
            return err;
    }
    atomic_store_explicit(&loop->should_stop, false, memory_order_relaxed);
    return RN_OK;
}

struct rn_turn *rn_loop_turn(struct rn_loop *loop)
{
    return &loop->turn;
}

void rn_loop_stop(struct rn_loop *loop)
{
    atomic_store_explicit(&loop->should_stop, true, memory_order_release);
    rn_loop_ring(loop);
}

static int open_descriptors(struct rn_loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return rn_err_from_errno(errno);
    loop->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->event_fd < 0)
        return rn_err_from_errno(errno);
    loop->on_event.fn = rn_post_run;
    return rn_loop_watch(loop, &loop->on_event, loop->event_fd, RN_IO_READ | RN_IO_EDGE);
}

static void release(struct rn_loop *loop)
{
    rn_unwatch(&loop->on_event);
    if (loop->event_fd >= 0)
        close(loop->event_fd); /* syscalls: close */
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    rn_pool_free(loop->pool);
    rn_alloc_free(&loop->alloc, loop, sizeof(*loop));
}

int rn_loop_new(struct rn_loop **ret, const struct rn_loop_opts *opts)
{
    const struct rn_loop_opts defaults = { 0 };
    const struct rn_loop_opts *o = opts != NULL ? opts : &defaults;
    const struct rn_alloc *alloc = o->alloc != NULL ? o->alloc : rn_alloc_libc();
    struct rn_loop *loop = rn_alloc_new(alloc, sizeof(*loop));
    uint8_t seed[16];
    int err = RN_OK;

    if (loop == NULL)
        return RN_E_NOMEM;
    loop->alloc = *alloc;
    loop->epoll_fd = -1;
    loop->event_fd = -1;
    rn_loop_busy_poll(loop, RN_LOOP_BUSY_POLL_NS);
    rn_loop_coalesce(loop, RN_LOOP_COALESCE_NS);
    rn_list_init(&loop->flushes);
    rn_mpsc_init(&loop->posted);
    if (o->seed != NULL)
        memcpy(seed, o->seed, sizeof(seed));
    else
        err = rn_entropy(seed, sizeof(seed));
    if (err >= 0)
        err = rn_pool_new(&loop->pool, &loop->alloc, &o->pool);
    if (err >= 0)
        err = open_descriptors(loop);
    if (err < 0) {
        release(loop);
        return err;
    }
    rn_turn_init(&loop->turn, loop->pool, seed, rn_clock_now_ns());
    *ret = loop;
    return RN_OK;
}

struct rn_loop *rn_loop_free(struct rn_loop *loop)
{
    if (loop == NULL)
        return NULL;
    rn_post_cancel_all(loop);
    rn_unwatch(&loop->on_event);
    rn_assert(loop->n_watches == 0);
    rn_turn_fini(&loop->turn);
    release(loop);
    return NULL;
}
