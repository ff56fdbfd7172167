#pragma once
/*
 * An io_uring of one thread by bare system calls: entries are prepared in shared memory, handed over and waited for by one
 * call. Requests are completed when we enter the kernel next, by whatever call: a sleep in epoll_wait ends with EINTR for it
 * (IORING_SETUP_DEFER_TASKRUN would be cheaper, but does not wake who polls the ring's descriptor).
 * What the ring may do is fixed before it is enabled: a sandbox's filter does not see inside it.
 */
#include <runnel/attr.h>

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn_uring {
    int fd; /* readable while completions wait */
    uint8_t *rings;
    size_t rings_bytes;
    struct io_uring_sqe *sqes;
    size_t sqes_bytes;
    struct io_uring_params params;
    uint32_t sq_tail; /* ours; the kernel sees it at rn_uring_enter */
    uint32_t n_new;   /* prepared since then */
};

/* @entries: a power of two. Not enabled yet: register, restrict, then enable. Errors: NOT_SUPPORTED (older than Linux 6.1),
 * host (EPERM where kernel.io_uring_disabled says so, ENOMEM). */
RN_MUST_USE int rn_uring_init(struct rn_uring *ring, unsigned entries);
void rn_uring_fini(struct rn_uring *ring);
/* io_uring_register(2). Returns 0 or the host's error. */
RN_MUST_USE int rn_uring_register(struct rn_uring *ring, unsigned op, void *arg, unsigned n);
/* From now on it may do the @n operations @ops and register nothing. Errors: host. */
RN_MUST_USE int rn_uring_enable(struct rn_uring *ring, const uint8_t *ops, unsigned n);
/* A zeroed entry to fill in, borrowed until rn_uring_enter; NULL when all are taken. */
struct io_uring_sqe *rn_uring_next(struct rn_uring *ring);
/* Hands over what is new and waits for @min completions. Errors: host (EINTR: nothing happened, call again). */
int rn_uring_enter(struct rn_uring *ring, unsigned min);
/* Copies the oldest completion and takes it off. false: there is none. */
bool rn_uring_take(struct rn_uring *ring, struct io_uring_cqe *ret);
/* Completions that rn_uring_enter would bring. */
bool rn_uring_has_work(const struct rn_uring *ring);
