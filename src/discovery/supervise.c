/* Work that may hang is done by a child under a watch. The child counts in shared memory what it does; who counts
 * nothing for too long while not merely waiting for the reader of the dump is killed, and its item is reported. */
#include "discovery/broker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every write wakes the reader: worth it only for this much. */
#define WRITE_BYTES (32u * 1024u)
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
    if (rn_dump_flush(&b->out) < 0)
        _exit(ENDED_UNREAD);
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

/* Up to the lost item each is written at once: whatever happens now, the next child begins behind. */
static _Noreturn void work(struct rn_broker *b, const struct rn_supervised *job,
                           const struct lost *lost)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = atomic_load(&b->progress->done); i < job->end; i++) {
        atomic_store(&b->progress->item, (uint32_t)i);
        if (lost->is_any && i == lost->item)
            job->on_lost(b, i, lost->is_stuck);
        else
            job->item(b, i);
        atomic_store(&b->progress->item, (uint32_t)i + 1);
        if (b->out.len >= WRITE_BYTES || i + 1 == job->end || (lost->is_any && i <= lost->item))
            rn_progress_flush(b);
    }
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

/* Returns when the child has ended, or will as soon as what it hangs on lets it. */
static enum ending watch(struct rn_broker *b, pid_t pid, int stuck_ms)
{
    struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
    uint32_t beat = atomic_load(&b->progress->beat);
    bool is_stuck = false;
    int status = 0;
    uint32_t busy;

    while (p.fd >= 0 && poll(&p, 1, stuck_ms) <= 0) {
        uint32_t now = atomic_load(&b->progress->beat);

        busy = STATE_BUSY;
        if (now == beat &&
            atomic_compare_exchange_strong(&b->progress->state, &busy, STATE_DOOMED)) {
            is_stuck = true;
            kill(pid, SIGKILL);
            break;
        }
        beat = now;
    }
    rn_reap(pid, p.fd, is_stuck, &status);
    if (p.fd >= 0)
        close(p.fd);
    if (WIFEXITED(status) && WEXITSTATUS(status) == ENDED_UNREAD)
        return ENDED_UNREAD;
    return is_stuck ? ENDED_STUCK : ENDED;
}

static void give_up(struct rn_broker *b, const struct rn_supervised *job)
{
    for (size_t i = atomic_load(&b->progress->done); i < job->end; i++)
        job->on_lost(b, i, false);
}

void rn_supervise(struct rn_broker *b, const struct rn_supervised *job)
{
    struct lost lost = { 0 };
    enum ending ending = ENDED;

    if (rn_dump_flush(&b->out) < 0)
        return; /* what is buffered would be written twice: by us and by the child */
    atomic_store(&b->progress->done, (uint32_t)job->first);
    while (atomic_load(&b->progress->done) < job->end && ending != ENDED_UNREAD) {
        pid_t pid;

        atomic_store(&b->progress->item, atomic_load(&b->progress->done));
        atomic_store(&b->progress->state, STATE_BUSY);
        pid = fork();
        if (pid == 0)
            work(b, job, &lost);
        if (pid < 0) {
            give_up(b, job);
            return;
        }
        ending = watch(b, pid, job->stuck_ms);
        lost = (struct lost){ .is_any = true,
                              .is_stuck = ending == ENDED_STUCK,
                              .item = atomic_load(&b->progress->item) };
    }
}
