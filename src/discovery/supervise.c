/* Work that may hang is done by children under a watch. A child counts in shared memory what it does; who counts
 * nothing for too long while not merely waiting for the reader of the dump is killed, and its item is reported. Where
 * there are many items and processors, two children, each in a lane of its own, take them by blocks. */
#include "discovery/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every write wakes the reader: worth it only for this much. */
#define WRITE_BYTES (32u * 1024u)
#define LANE_ITEMS  16u /* a block */
#define DEATH_MS                                                                                   \
    100 /* a process dies at once, or not before the file system it waits for answers */

enum rn_progress_state {
    STATE_BUSY,
    STATE_WRITING, /* a full pipe is the reader's delay, not ours */
    STATE_DOOMED,  /* the supervisor has decided; the child must not start to write any more */
};

enum ending {
    ENDED,        /* with its work, or by dying in it */
    ENDED_STUCK,  /* by the supervisor */
    ENDED_UNREAD, /* nobody reads any more */
};

static void lock_turn(struct rn_broker *b, enum rn_turn what, short type)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)what, .l_len = 1 };

    while (b->turn_fd > 0 && fcntl(b->turn_fd, F_SETLKW, &l) < 0 && errno == EINTR)
        ;
}

void rn_take_turn(struct rn_broker *b, enum rn_turn what)
{
    lock_turn(b, what, F_WRLCK);
}

void rn_end_turn(struct rn_broker *b, enum rn_turn what)
{
    lock_turn(b, what, F_UNLCK);
}

void rn_progress_beat(struct rn_broker *b)
{
    atomic_fetch_add(&b->progress->beat, 1);
}

void rn_progress_flush(struct rn_broker *b)
{
    uint32_t busy = STATE_BUSY;

    if (!atomic_compare_exchange_strong(&b->progress->state, &busy, STATE_WRITING)) {
        for (;;)
            pause(); /* the kill is under way */
    }
    rn_take_turn(b, RN_TURN_WRITE);
    if (rn_dump_flush(&b->out) < 0)
        _exit(ENDED_UNREAD);
    rn_end_turn(b, RN_TURN_WRITE);
    atomic_store(&b->progress->done, atomic_load(&b->progress->item));
    atomic_fetch_add(&b->progress->beat, 1);
    atomic_store(&b->progress->state, STATE_BUSY);
}

/* The item at which the child before this one was lost. */
struct lost {
    bool is_any;
    bool is_stuck;
    size_t item;
};

struct lane {
    struct rn_progress *progress;
    struct lost lost;
    pid_t pid; /* 0: no child */
    int pidfd;
    uint32_t beat; /* when it was last looked at */
};

/* Of one supervision. */
struct shift {
    struct rn_broker *b;
    const struct rn_supervised *job;
    struct lane lanes[RN_LANES];
    size_t n_lanes;
    bool is_unread;
    bool is_forkless;
};

static bool has_rest(const struct lane *l)
{
    return atomic_load(&l->progress->done) < atomic_load(&l->progress->end);
}

/* False: there are no more. */
static bool take_block(const struct shift *s, struct rn_progress *p)
{
    _Atomic uint32_t *next = &s->b->watch->next;
    uint32_t n = s->n_lanes > 1 ? LANE_ITEMS : rn_sat_u32(s->job->end - s->job->first);
    uint32_t first;

    if (atomic_load(next) >= s->job->end)
        return false;
    first = atomic_fetch_add(next, n);
    if (first >= s->job->end)
        return false;
    atomic_store(&p->done, first);
    atomic_store(&p->item, first);
    atomic_store(&p->end, rn_sat_u32(rn_min_size((size_t)first + n, s->job->end)));
    return true;
}

/* Up to the lost item each is written at once: whatever happens now, the next child begins behind. */
static void work_off(struct rn_broker *b, const struct rn_supervised *job, const struct lost *lost)
{
    size_t end = atomic_load(&b->progress->end);

    for (size_t i = atomic_load(&b->progress->done); i < end; i++) {
        atomic_store(&b->progress->item, (uint32_t)i);
        if (lost->is_any && i == lost->item)
            job->on_lost(b, i, lost->is_stuck);
        else
            job->item(b, i);
        atomic_store(&b->progress->item, (uint32_t)i + 1);
        if (b->out.len >= WRITE_BYTES || i + 1 == end || (lost->is_any && i <= lost->item))
            rn_progress_flush(b);
    }
}

static _Noreturn void work(const struct shift *s, const struct lane *l)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    s->b->progress = l->progress;
    do {
        work_off(s->b, s->job, &l->lost);
    } while (take_block(s, l->progress));
    _exit(ENDED);
}

void rn_reap(pid_t pid, int pidfd, bool is_killed, int *ret_status)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };

    *ret_status = 0;
    if (is_killed && pidfd >= 0 && poll(&p, 1, DEATH_MS) <= 0)
        return;
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        ;
}

static void start(struct shift *s, struct lane *l)
{
    atomic_store(&l->progress->item, atomic_load(&l->progress->done));
    atomic_store(&l->progress->state, STATE_BUSY);
    l->beat = atomic_load(&l->progress->beat);
    l->pid = fork();
    if (l->pid == 0)
        work(s, l);
    if (l->pid < 0) {
        l->pid = 0;
        s->is_forkless = true;
        return;
    }
    l->pidfd = (int)syscall(SYS_pidfd_open, l->pid, 0);
}

/* Its child has ended, or will as soon as what it hangs on lets it. */
static void finish(struct shift *s, struct lane *l, bool is_stuck)
{
    int status = 0;

    rn_reap(l->pid, l->pidfd, is_stuck, &status);
    if (l->pidfd >= 0)
        close(l->pidfd);
    l->pid = 0;
    s->is_unread |= WIFEXITED(status) && WEXITSTATUS(status) == ENDED_UNREAD;
    l->lost = (struct lost){ .is_any = has_rest(l),
                             .is_stuck = is_stuck,
                             .item = atomic_load(&l->progress->item) };
    if (!s->is_unread && !s->is_forkless &&
        (has_rest(l) || atomic_load(&s->b->watch->next) < s->job->end))
        start(s, l);
}

/* Nothing was heard of for as long as is allowed: true if it was killed. */
static bool is_killed_as_stuck(struct lane *l)
{
    uint32_t now = atomic_load(&l->progress->beat);
    uint32_t busy = STATE_BUSY;
    bool is_stuck =
        now == l->beat && atomic_compare_exchange_strong(&l->progress->state, &busy, STATE_DOOMED);

    l->beat = now;
    if (is_stuck)
        kill(l->pid, SIGKILL);
    return is_stuck;
}

/* Until something happens to a child or its time is over; false: none is left. */
static bool watch(struct shift *s)
{
    struct pollfd p[RN_LANES];
    size_t n_running = 0;
    int got;

    for (size_t i = 0; i < s->n_lanes; i++) {
        p[i] = (struct pollfd){ .fd = s->lanes[i].pid != 0 ? s->lanes[i].pidfd : -1,
                                .events = POLLIN };
        n_running += s->lanes[i].pid != 0;
        if (s->lanes[i].pid != 0 && s->lanes[i].pidfd < 0)
            finish(s, &s->lanes[i],
                   false); /* a kernel without pidfds: it is waited for, unwatched */
    }
    if (n_running == 0)
        return false;
    got = poll(p, s->n_lanes, s->job->stuck_ms);
    for (size_t i = 0; i < s->n_lanes; i++) {
        struct lane *l = &s->lanes[i];

        if (p[i].fd >= 0 && (got > 0 ? p[i].revents != 0 : is_killed_as_stuck(l)))
            finish(s, l, got <= 0);
    }
    return true;
}

static size_t n_lanes_for(struct rn_broker *b, const struct rn_supervised *job)
{
    cpu_set_t cpus;

    b->turn_fd = -1;
    if (job->split_from == 0 || job->end - job->first < job->split_from ||
        sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) < (int)RN_LANES)
        return 1;
    b->turn_fd = memfd_create("turn", MFD_CLOEXEC);
    return b->turn_fd > 0 ? RN_LANES : 1;
}

static void give_up(const struct shift *s)
{
    for (size_t i = 0; i < s->n_lanes; i++) {
        const struct rn_progress *p = s->lanes[i].progress;

        for (size_t k = atomic_load(&p->done); k < atomic_load(&p->end); k++)
            s->job->on_lost(s->b, k, false);
    }
    for (size_t k = atomic_load(&s->b->watch->next); k < s->job->end; k++)
        s->job->on_lost(s->b, k, false);
}

void rn_supervise(struct rn_broker *b, const struct rn_supervised *job)
{
    struct shift s = { .b = b, .job = job };

    if (rn_dump_flush(&b->out) < 0)
        return; /* what is buffered would be written twice: by us and by the child */
    if (job->first >= job->end)
        return;
    s.n_lanes = n_lanes_for(b, job);
    atomic_store(&b->watch->next, (uint32_t)job->first);
    for (size_t i = 0; i < s.n_lanes; i++) {
        s.lanes[i].progress = &b->watch->lanes[i];
        atomic_store(&s.lanes[i].progress->done, 0);
        atomic_store(&s.lanes[i].progress->end, 0);
        start(&s, &s.lanes[i]);
    }
    while (watch(&s))
        ;
    if (s.is_forkless && !s.is_unread)
        give_up(&s);
    if (b->turn_fd > 0)
        close(b->turn_fd);
    b->turn_fd = -1;
}
