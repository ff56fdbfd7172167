#pragma once
/*
 * The event loop of a thread: epoll, a clock, one turn. With tun.h the only part of librunnel that touches the system. Per
 * wake-up it reads the clock once, runs the handler of every ready descriptor, then timers and events of all stacks on its turn.
 *
 * Everything here belongs to the loop's own thread, except rn_loop_stop and rn_post.
 */
#include <runnel/attr.h>
#include <stdint.h>

struct rn_loop;
struct rn_loop_opts; /* NULL everywhere outside of the library */
struct rn_turn;

/* What a watch asks for, and what its handler is told. */
enum rn_io {
    RN_IO_READ = 1 << 0,
    RN_IO_WRITE = 1 << 1,
    RN_IO_HUP = 1 << 2,   /* told only: the peer closed its sending side, or everything */
    RN_IO_ERROR = 1 << 3, /* told only: an error is pending (SO_ERROR, error queue) */
    RN_IO_EDGE =
        1 << 4, /* asked only: tell changes (EPOLLET); the handler then works until EAGAIN */
};

/*
 * One descriptor and the function that is called when it is ready. Embedded in its owner. Zero is "not watching".
 * The descriptor stays the owner's: unwatch first, then close (or the other way round by rn_unwatch_closed).
 */
struct rn_watch {
    struct rn_loop *loop; /* NULL: not watching */
    int fd;
    unsigned interest; /* enum rn_io */
    void (*fn)(struct rn_watch *watch, unsigned ready);
};

/* Returns owned. @opts may be NULL. Errors: NOMEM, host. */
RN_PUBLIC RN_MUST_USE int rn_loop_new(struct rn_loop **ret, const struct rn_loop_opts *opts);
/* Consumes @loop (may be NULL). All watches must be gone, all stacks and devices freed (rn_assert); what was posted and did not
 * run is told so. Returns NULL. */
RN_PUBLIC struct rn_loop *rn_loop_free(struct rn_loop *loop);
RN_PUBLIC struct rn_turn *rn_loop_turn(struct rn_loop *loop);
/* How long a new loop looks before it sleeps, as of rn_loop_busy_poll. */
#define RN_LOOP_BUSY_POLL_NS 50000
/* Looks for events @for_ns long before it sleeps, while small packets go to and fro and mostly come within that time: else
 * each waits until a sleeper is woken, which takes longer than to handle it. It yields its core to whoever wants it
 * meanwhile. For transfers, and while it does not pay, it does not look. 0: never. */
RN_PUBLIC void rn_loop_busy_poll(struct rn_loop *loop, int64_t for_ns);
/* How long a new loop lets the packets of a transfer gather, as of rn_loop_coalesce. */
#define RN_LOOP_COALESCE_NS     20000
#define RN_LOOP_COALESCE_MAX_NS 1000000
/* While devices bring a transfer (32 KiB and more a turn), and mostly more of it in that time, takes it every @for_ns instead
 * of being woken for each packet, which costs the sender most; as a network card does by ethtool's rx-usecs. To it the kernel
 * adds the thread's timer slack, 50 us if nobody changed it (PR_SET_TIMERSLACK). Whatever else becomes ready waits as long, but
 * no timer of the turn: it does not begin shortly before one. 0: woken by each; RN_LOOP_COALESCE_MAX_NS at most. */
RN_PUBLIC void rn_loop_coalesce(struct rn_loop *loop, int64_t for_ns);

/* Runs until rn_loop_stop. Errors: host (epoll itself failed). */
RN_PUBLIC RN_MUST_USE int rn_loop_run(struct rn_loop *loop);
/* One wake-up: sleeps at most @max_wait_ns (0: only looks, INT64_MAX: as long as nothing happens), then one turn.
 * Returns how many descriptors were ready. A signal ends the sleep. Errors: host. */
RN_PUBLIC RN_MUST_USE int rn_loop_step(struct rn_loop *loop, int64_t max_wait_ns);
/*
 * For programs with an event loop of their own: sleep until @rn_loop_fd is readable or @rn_loop_wait_ns have passed, then call
 * rn_loop_step(loop, 0).
 */
/* Borrowed: an epoll descriptor, to poll for reading only. */
RN_PUBLIC int rn_loop_fd(const struct rn_loop *loop);
/* How long nothing needs to be done but for what @rn_loop_fd tells; INT64_MAX: nothing is planned. Ask after every step and
 * after calls into the library outside of one. */
RN_PUBLIC int64_t rn_loop_wait_ns(struct rn_loop *loop);
/* Makes rn_loop_run return after the present turn. Any thread, and signal handlers. */
RN_PUBLIC void rn_loop_stop(struct rn_loop *loop);

/* Starts watching @fd, which must not be watched by this loop already; watch->fn must be set. May be called in handlers.
 * Errors: EXISTS, host. */
RN_PUBLIC RN_MUST_USE int rn_loop_watch(struct rn_loop *loop, struct rn_watch *watch, int fd,
                                        unsigned interest);
/* Changes what is asked for; free when nothing changes. Errors: BAD_STATE (not watching), host. */
RN_PUBLIC RN_MUST_USE int rn_watch_set(struct rn_watch *watch, unsigned interest);
/* Ends the watch; a no-op when not watching. Afterwards its handler is not called any more, not even for what was
 * ready in the present wake-up, and the owner may be freed. */
RN_PUBLIC void rn_unwatch(struct rn_watch *watch);
/* The same for a descriptor that was just closed and of which nobody has a copy: the kernel has forgotten it then, and need
 * not be told. */
RN_PUBLIC void rn_unwatch_closed(struct rn_watch *watch);

/* Runs on the loop's thread, inside a turn. @loop is NULL when the loop ended before: then only release @arg. */
typedef void rn_posted_fn(struct rn_loop *loop, void *arg);
/* Runs @fn(@loop, @arg) on @loop's thread in the order of posting of each thread. Any thread; the loop must outlive the
 * call. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_post(struct rn_loop *loop, rn_posted_fn *fn, void *arg);
