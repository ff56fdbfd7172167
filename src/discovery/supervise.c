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

enum rn_progress_state {
    STATE_BUSY,
    STATE_WRITING, /* a full pipe is the reader's delay, not ours */
    STATE_DOOMED,  /* the supervisor has decided; the child must not start to write any more */
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
        _exit(1); /* nobody reads any more */
    atomic_fetch_add(&b->progress->beat, 1);
    atomic_store(&b->progress->state, STATE_BUSY);
}

static void work(struct rn_broker *b, const struct rn_supervised *job, size_t first)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = first; i < job->end; i++) {
        atomic_store(&b->progress->item, (uint32_t)i);
        job->item(b, i);
        rn_progress_flush(b);
    }
    atomic_store(&b->progress->item, (uint32_t)job->end);
    _exit(0);
}

/* Returns whether it was stuck; either way the child has ended and is reaped. */
static bool watch(struct rn_broker *b, pid_t pid, int stuck_ms)
{
    struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
    uint32_t beat = atomic_load(&b->progress->beat);
    bool is_stuck = false;
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
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (p.fd >= 0)
        close(p.fd);
    return is_stuck;
}

void rn_supervise(struct rn_broker *b, const struct rn_supervised *job)
{
    size_t next = job->first;

    if (rn_dump_flush(&b->out) < 0)
        return; /* what is buffered would be written twice: by us and by the child */
    while (next < job->end) {
        bool is_stuck;
        pid_t pid;

        atomic_store(&b->progress->item, (uint32_t)next);
        atomic_store(&b->progress->state, STATE_BUSY);
        pid = fork();
        if (pid == 0)
            work(b, job, next);
        is_stuck = pid > 0 && watch(b, pid, job->stuck_ms);
        next = atomic_load(&b->progress->item);
        if (next >= job->end)
            break;
        job->on_lost(b, next, is_stuck);
        if (rn_dump_flush(&b->out) < 0)
            break;
        next++;
    }
}
