#include "io/uring.h"

#include "base/bytes.h"
#include <runnel/err.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESTRICTIONS_MAX 8u

static _Atomic uint32_t *word_at(const struct rn_uring *ring, uint32_t off)
{
    return (_Atomic uint32_t *)(void *)(ring->rings + off);
}

static int map_rings(struct rn_uring *ring)
{
    const struct io_uring_params *p = &ring->params;
    size_t sq_bytes = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
    size_t cq_bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
    void *at;

    ring->rings_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
    at = mmap(NULL, ring->rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
              IORING_OFF_SQ_RING);
    if (at == MAP_FAILED)
        return rn_err_from_errno(errno);
    ring->rings = at;
    ring->sqes_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
    at = mmap(NULL, ring->sqes_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
              IORING_OFF_SQES);
    if (at == MAP_FAILED)
        return rn_err_from_errno(errno);
    ring->sqes = at;
    return RN_OK;
}

int rn_uring_init(struct rn_uring *ring, unsigned entries)
{
    int err = RN_OK;

    *ring = (struct rn_uring){ .params.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN |
                                               IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
                               .params.cq_entries = 4 * entries };
    ring->fd = (int)syscall(SYS_io_uring_setup, entries, &ring->params);
    if (ring->fd < 0)
        return errno == EINVAL || errno == ENOSYS ? RN_E_NOT_SUPPORTED : rn_err_from_errno(errno);
    if ((ring->params.features & IORING_FEAT_SINGLE_MMAP) == 0)
        err = RN_E_NOT_SUPPORTED;
    if (err >= 0)
        err = map_rings(ring);
    if (err < 0)
        rn_uring_fini(ring);
    else /* entries are used in the order of the array, which never changes */
        for (uint32_t i = 0; i < ring->params.sq_entries; i++)
            atomic_store_explicit(
                word_at(ring, ring->params.sq_off.array + i * (uint32_t)sizeof(uint32_t)), i,
                memory_order_relaxed);
    return err;
}

void rn_uring_fini(struct rn_uring *ring)
{
    if (ring->sqes != NULL)
        munmap(ring->sqes, ring->sqes_bytes);
    if (ring->rings != NULL)
        munmap(ring->rings, ring->rings_bytes);
    if (ring->fd >= 0)
        close(ring->fd); /* syscalls: close */
    *ring = (struct rn_uring){ .fd = -1 };
}

int rn_uring_register(struct rn_uring *ring, unsigned op, void *arg, unsigned n)
{
    if (syscall(SYS_io_uring_register, ring->fd, op, arg, n) < 0)
        return rn_err_from_errno(errno);
    return RN_OK;
}

int rn_uring_enable(struct rn_uring *ring, const uint8_t *ops, unsigned n)
{
    struct io_uring_restriction allowed[RESTRICTIONS_MAX] = { 0 };
    int err;

    rn_assert(n + 1 <= RESTRICTIONS_MAX);
    for (unsigned i = 0; i < n; i++)
        allowed[i] =
            (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = ops[i] };
    allowed[n] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
                                                .sqe_flags = IOSQE_BUFFER_SELECT };
    err = rn_uring_register(ring, IORING_REGISTER_RESTRICTIONS, allowed, n + 1);
    return err < 0 ? err : rn_uring_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

struct io_uring_sqe *rn_uring_next(struct rn_uring *ring)
{
    uint32_t head =
        atomic_load_explicit(word_at(ring, ring->params.sq_off.head), memory_order_acquire);
    struct io_uring_sqe *sqe;

    if (ring->sq_tail - head == ring->params.sq_entries)
        return NULL;
    sqe = &ring->sqes[ring->sq_tail & (ring->params.sq_entries - 1)];
    ring->sq_tail++;
    ring->n_new++;
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

int rn_uring_enter(struct rn_uring *ring, unsigned min)
{
    long n;

    atomic_store_explicit(word_at(ring, ring->params.sq_off.tail), ring->sq_tail,
                          memory_order_release);
    n = syscall(SYS_io_uring_enter, ring->fd, ring->n_new, min, /* syscalls: io_uring_enter */
                IORING_ENTER_GETEVENTS, NULL, 0);
    if (n < 0)
        return rn_err_from_errno(errno);
    ring->n_new -= (uint32_t)n;
    return RN_OK;
}

bool rn_uring_take(struct rn_uring *ring, struct io_uring_cqe *ret)
{
    const struct io_cqring_offsets *off = &ring->params.cq_off;
    _Atomic uint32_t *head = word_at(ring, off->head);
    uint32_t at = atomic_load_explicit(head, memory_order_relaxed);
    const uint8_t *cqes = ring->rings + off->cqes;

    if (at == atomic_load_explicit(word_at(ring, off->tail), memory_order_acquire))
        return false;
    memcpy(ret, cqes + (at & (ring->params.cq_entries - 1)) * sizeof(*ret), sizeof(*ret));
    atomic_store_explicit(head, at + 1, memory_order_release);
    return true;
}

bool rn_uring_has_work(const struct rn_uring *ring)
{
    uint32_t flags =
        atomic_load_explicit(word_at(ring, ring->params.sq_off.flags), memory_order_relaxed);

    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}
