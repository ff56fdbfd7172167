#include "io/uring_device.h"

#include "io/tun_offload.h"
#include "io/uring.h"
#include <runnel/err.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Linux 6.7; Debian 12's header is older. */
#define OP_READ_MULTISHOT 49u

/* Buffers the kernel may fill while we are busy elsewhere; a power of two. */
#define LENT        64u
#define LENT_GROUP  0u
#define ENTRIES     128u
#define TX_PKTS_MAX 64u
/* Packets up to this size, header included, are copied into memory that the kernel has mapped once and for all. */
#define FLAT_BYTES 256u
#define FLAT_INDEX 0u
/* user_data: which packet of the batch, or one of these. */
#define TAG_READ   ((uint64_t)1 << 32)
#define TAG_CANCEL ((uint64_t)2 << 32)
#define TAG_ROOM   ((uint64_t)3 << 32)
/* Reads in a row that ended without a frame. */
#define FAILURES_MAX 64u
/* Calls for one batch. */
#define ENTER_MAX 8u

/* Packets being written. */
struct tx_batch {
    struct rn_pkt *pkts[TX_PKTS_MAX];
    struct rn_pkt_iov iovs[TX_PKTS_MAX];
    int results[TX_PKTS_MAX];
    unsigned n;
    uint8_t (*flat)[FLAT_BYTES]; /* of TX_PKTS_MAX, registered; NULL where RLIMIT_MEMLOCK forbids */
};

struct uring_device {
    struct rn_device dev;
    struct rn_device_ops ops;
    int fd;
    bool has_vnet;
    bool is_reading; /* the read that repeats itself is with the kernel */
    unsigned failures;
    struct rn_uring ring;
    struct io_uring_buf_ring *lent_ring; /* of LENT */
    struct rn_buf *lent[LENT];
    struct rn_pktq arrived; /* met while waiting for writes */
    struct tx_batch tx;     /* large, so not on the stack, which is cleared at every call */
    unsigned n_tx_left;     /* of it with the kernel */
    bool awaits_room;
};

static struct uring_device *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct uring_device, dev);
}

/* --- receive ------------------------------------------------------------------------------------------------- */
static void lend(struct uring_device *u, unsigned slot)
{
    uint16_t tail = u->lent_ring->tail;
    struct io_uring_buf *entry = &u->lent_ring->bufs[tail & (LENT - 1)];

    entry->addr = (uintptr_t)u->lent[slot]->data;
    entry->len = u->lent[slot]->cap_bytes;
    entry->bid = (uint16_t)slot;
    __atomic_store_n(&u->lent_ring->tail, (uint16_t)(tail + 1), __ATOMIC_RELEASE);
}

static void start_reading(struct uring_device *u)
{
    struct io_uring_sqe *sqe = rn_uring_next(&u->ring);

    if (sqe == NULL)
        return;
    sqe->opcode = OP_READ_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->fd = u->fd;
    sqe->off = UINT64_MAX;
    sqe->buf_group = LENT_GROUP;
    sqe->user_data = TAG_READ;
    u->is_reading = true;
}

/* Small frames are copied out, large ones leave with the buffer, which another replaces. Returns owned or NULL. */
static struct rn_pkt *unload(struct uring_device *u, unsigned slot, size_t off, size_t len)
{
    struct rn_pool *pool = u->dev.turn->pool;
    struct rn_buf *buf = u->lent[slot];
    struct rn_buf *fresh;
    struct rn_pkt *pkt;

    if (len <= RN_BUF_SMALL_BYTES)
        return rn_pkt_from_bytes(pool, buf->data + off, len);
    fresh = rn_buf_new(pool, RN_BUF_BIG);
    pkt = fresh != NULL ? rn_pkt_new(pool) : NULL;
    if (pkt == NULL || !rn_pkt_append_ref(pkt, buf, (uint32_t)off, (uint32_t)len)) {
        rn_buf_unref(fresh);
        rn_pkt_free(pkt);
        return NULL;
    }
    rn_buf_unref(buf);
    u->lent[slot] = fresh;
    return pkt;
}

static void on_frame(struct uring_device *u, unsigned slot, size_t len)
{
    size_t vnet_len = u->has_vnet ? RN_VNET_HDR_BYTES : 0;
    uint8_t vnet[RN_VNET_HDR_BYTES];
    struct rn_pkt *pkt = NULL;

    if (len <= vnet_len || len >= RN_BUF_BIG_BYTES) {
        u->dev.drops.n[len <= vnet_len ? RN_DROP_MALFORMED : RN_DROP_TOO_BIG]++;
    } else {
        memcpy(vnet, u->lent[slot]->data, vnet_len);
        pkt = unload(u, slot, vnet_len, len - vnet_len);
        if (pkt == NULL)
            u->dev.drops.n[RN_DROP_NOMEM]++;
    }
    lend(u, slot);
    if (pkt == NULL)
        return;
    pkt->time_ns = u->dev.turn->now_ns;
    if (u->has_vnet && rn_offload_rx(pkt, vnet, u->dev.link_type) < 0)
        rn_device_drop(&u->dev, pkt, RN_DROP_MALFORMED);
    else
        rn_pktq_push(&u->arrived, pkt);
}

static void on_read(struct uring_device *u, const struct io_uring_cqe *cqe)
{
    u->is_reading = (cqe->flags & IORING_CQE_F_MORE) != 0;
    if (cqe->res > 0 && (cqe->flags & IORING_CQE_F_BUFFER) != 0) {
        u->failures = 0;
        on_frame(u, cqe->flags >> IORING_CQE_BUFFER_SHIFT, (size_t)cqe->res);
        return;
    }
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0)
        lend(u, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    /* Out of buffers is no failure: they were all filled before, and are back by now. */
    if (cqe->res == 0 || (cqe->res != -ENOBUFS && (rn_rx_fate_of(-cqe->res) == RN_RX_CLOSED ||
                                                   ++u->failures > FAILURES_MAX)))
        rn_device_mark_closed(&u->dev);
}

/* Takes one completion off the ring. false: there is none. */
static bool reap_one(struct uring_device *u)
{
    struct io_uring_cqe cqe;

    if (!rn_uring_take(&u->ring, &cqe))
        return false;
    if (cqe.user_data == TAG_READ) {
        on_read(u, &cqe);
    } else if (cqe.user_data == TAG_ROOM) {
        u->awaits_room = false;
        rn_device_notify(&u->dev, RN_DEV_WRITABLE);
    } else if (cqe.user_data < TX_PKTS_MAX && u->n_tx_left != 0) {
        u->tx.results[cqe.user_data] = cqe.res;
        u->n_tx_left--;
    }
    return true;
}

static void move_arrived(struct uring_device *u, struct rn_pktq *in, unsigned max)
{
    while (in->n_pkts < max && !rn_pktq_is_empty(&u->arrived))
        rn_pktq_push(in, rn_pktq_pop(&u->arrived));
}

/* Would entering the kernel bring frames? The read is begun on the thread that reads, which also completes it. */
static bool may_bring_more(struct uring_device *u)
{
    if (u->is_reading)
        return rn_uring_has_work(&u->ring);
    start_reading(u);
    return true;
}

/* Completions beyond @max stay in the ring, whose descriptor stays readable for them. */
static int uring_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct uring_device *u = of(dev);
    struct rn_pktq got = { 0 };
    unsigned n_entered = 0;

    move_arrived(u, &got, max);
    while (got.n_pkts < max && got.n_bytes < RN_DEVICE_TURN_BYTES && !dev->is_closed) {
        if (reap_one(u)) {
            move_arrived(u, &got, max);
            continue;
        }
        if (!may_bring_more(u) || ++n_entered > ENTER_MAX || rn_uring_enter(&u->ring, 0) < 0)
            break;
    }
    /* It ends when all buffers are filled. Nobody would come again if it were not begun again now. */
    if (!u->is_reading && !dev->is_closed) {
        start_reading(u);
        (void)rn_uring_enter(&u->ring, 0); /* what fails is handed over by the next call */
    }
    if (rn_pktq_is_empty(&got))
        return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
    max = got.n_pkts;
    rn_pktq_splice(in, &got);
    return (int)max;
}

/* --- send ---------------------------------------------------------------------------------------------------- */
/* Lays a small packet out in the @i-th registered place. Returns its length, or 0 when it is too large. */
static uint32_t flatten(struct tx_batch *b, unsigned i)
{
    const struct rn_pkt_iov *from = &b->iovs[i];
    uint32_t len = 0;

    if (b->flat == NULL)
        return 0;
    for (unsigned v = 0; v < from->n; v++) {
        if (from->iov[v].iov_len > FLAT_BYTES - len)
            return 0;
        memcpy(b->flat[i] + len, from->iov[v].iov_base, from->iov[v].iov_len);
        len += (uint32_t)from->iov[v].iov_len;
    }
    return len;
}

static void describe_write(struct uring_device *u, struct io_uring_sqe *sqe, unsigned i)
{
    struct tx_batch *b = &u->tx;
    uint32_t len = flatten(b, i);

    sqe->fd = u->fd;
    sqe->off = UINT64_MAX;
    sqe->rw_flags = RWF_NOWAIT;
    sqe->user_data = i;
    if (len != 0) {
        sqe->opcode = IORING_OP_WRITE_FIXED;
        sqe->buf_index = FLAT_INDEX;
        sqe->addr = (uintptr_t)b->flat[i];
        sqe->len = len;
        return;
    }
    sqe->opcode = IORING_OP_WRITEV;
    sqe->addr = (uintptr_t)b->iovs[i].iov;
    sqe->len = b->iovs[i].n;
}

static void prepare(struct uring_device *u, struct rn_pktq *out)
{
    struct tx_batch *b = &u->tx;

    b->n = 0;
    while (b->n < TX_PKTS_MAX && !rn_pktq_is_empty(out)) {
        struct rn_pkt *pkt = rn_pktq_pop(out);
        struct io_uring_sqe *sqe;

        if (!rn_pkt_to_iov(pkt, u->has_vnet, &b->iovs[b->n])) {
            rn_device_drop(&u->dev, pkt, RN_DROP_MALFORMED);
            continue;
        }
        sqe = rn_uring_next(&u->ring);
        if (sqe == NULL) {
            rn_pktq_push_front(out, pkt);
            return;
        }
        describe_write(u, sqe, b->n);
        b->results[b->n] = -EINTR;
        b->pkts[b->n++] = pkt;
    }
}

/* Every write is done when it returns: the packets' bytes are borrowed by the kernel until then. */
static void submit(struct uring_device *u)
{
    u->n_tx_left = u->tx.n;
    while (u->n_tx_left != 0) {
        int err = rn_uring_enter(&u->ring, 1);

        rn_assert(err >= 0 || err == rn_err_from_errno(EINTR) || err == rn_err_from_errno(EAGAIN) ||
                  err == rn_err_from_errno(EBUSY));
        while (u->n_tx_left != 0 && reap_one(u))
            continue;
    }
}

/*
 * Returns how many packets are done with; those to try again go back to the front of @out in their order, and segments in the place
 * of a super-packet that the kernel will not cut. @ret_is_full: no more is taken now.
 */
static int conclude(struct uring_device *u, struct rn_pktq *out, bool *ret_is_full)
{
    const struct tx_batch *b = &u->tx;
    struct rn_pktq again = { 0 };
    int n_done = 0;

    *ret_is_full = false;
    for (unsigned i = 0; i < b->n; i++) {
        int res = b->results[i];
        enum rn_tx_fate fate = res < 0 ? rn_tx_fate_of(-res) : RN_TX_DROP;

        if (res < 0 && fate != RN_TX_DROP) {
            if (fate == RN_TX_CLOSED)
                rn_device_mark_closed(&u->dev);
            rn_pktq_push(&again, b->pkts[i]);
            *ret_is_full = true;
            continue;
        }
        if (res < 0 && b->pkts[i]->gso != RN_GSO_NONE) {
            rn_device_cut(&u->dev, b->pkts[i], &again);
            continue;
        }
        n_done++;
        if (res < 0)
            rn_device_drop(&u->dev, b->pkts[i], RN_DROP_DEVICE_REFUSED);
        else
            rn_pkt_free(b->pkts[i]);
    }
    rn_pktq_splice(&again, out);
    *out = again;
    return n_done;
}

/* The ring's own descriptor says nothing of it. */
static void await_room(struct uring_device *u)
{
    struct io_uring_sqe *sqe = u->awaits_room ? NULL : rn_uring_next(&u->ring);

    if (sqe == NULL)
        return;
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = u->fd;
    sqe->poll32_events = POLLOUT;
    sqe->user_data = TAG_ROOM;
    u->awaits_room = rn_uring_enter(&u->ring, 0) >= 0 || u->ring.n_new != 0;
}

static int uring_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct uring_device *u = of(dev);
    int n_done = 0;

    while (!dev->is_closed && !rn_pktq_is_empty(out)) {
        bool is_full;

        prepare(u, out);
        submit(u);
        n_done += conclude(u, out, &is_full);
        if (u->tx.n == 0 || is_full)
            break; /* the rest waits for room */
    }
    if (!dev->is_closed && !rn_pktq_is_empty(out))
        await_room(u);
    /* Their readiness is spent. */
    if (!rn_pktq_is_empty(&u->arrived) || !u->is_reading)
        rn_device_notify(dev, RN_DEV_READABLE);
    return n_done == 0 && dev->is_closed ? RN_E_CANCELLED : n_done;
}

/* --- life ---------------------------------------------------------------------------------------------------- */
static int uring_poll_fd(const struct rn_device *dev)
{
    return of(dev)->ring.fd;
}

static void uring_close(struct rn_device *dev)
{
    rn_device_mark_closed(dev);
}

/* The kernel must have let go of the buffers before they are given back. */
static void stop_reading(struct uring_device *u)
{
    struct io_uring_sqe *sqe = u->is_reading ? rn_uring_next(&u->ring) : NULL;

    if (sqe == NULL)
        return;
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->addr = TAG_READ;
    sqe->user_data = TAG_CANCEL;
    for (unsigned tries = 0; u->is_reading && tries < 2 * FAILURES_MAX; tries++) {
        int err = rn_uring_enter(&u->ring, 1);

        while (reap_one(u))
            continue;
        (void)err; /* EINTR, EAGAIN: again */
    }
}

static void release(struct uring_device *u)
{
    rn_uring_fini(&u->ring);
    if (u->lent_ring != NULL)
        munmap(u->lent_ring, LENT * sizeof(struct io_uring_buf));
    if (u->tx.flat != NULL)
        munmap(u->tx.flat, TX_PKTS_MAX * FLAT_BYTES);
    for (unsigned i = 0; i < LENT; i++)
        rn_buf_unref(u->lent[i]);
    rn_pktq_free_all(&u->arrived);
    rn_alloc_free(rn_turn_alloc(u->dev.turn), u, sizeof(*u));
}

static void uring_destroy(struct rn_device *dev)
{
    struct uring_device *u = of(dev);
    int fd = u->fd;

    uring_close(dev);
    stop_reading(u);
    release(u);
    close(fd); /* syscalls: close */
}

static const struct rn_device_ops uring_ops = {
    .read_batch = uring_read_batch,
    .write_batch = uring_write_batch,
    .poll_fd = uring_poll_fd,
    .close = uring_close,
    .destroy = uring_destroy,
};

static int lend_all(struct uring_device *u)
{
    struct io_uring_buf_reg reg = { .ring_entries = LENT, .bgid = LENT_GROUP };
    void *at = mmap(NULL, LENT * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                    MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    int err;

    if (at == MAP_FAILED)
        return RN_E_NOMEM;
    u->lent_ring = at;
    for (unsigned i = 0; i < LENT; i++) {
        u->lent[i] = rn_buf_new(u->dev.turn->pool, RN_BUF_BIG);
        if (u->lent[i] == NULL)
            return RN_E_NOMEM;
    }
    reg.ring_addr = (uintptr_t)at;
    err = rn_uring_register(&u->ring, IORING_REGISTER_PBUF_RING, &reg, 1);
    for (unsigned i = 0; err >= 0 && i < LENT; i++)
        lend(u, i);
    return err;
}

/* Does without where the limit of locked memory is too small: it costs a few percent, no more. */
static void register_flat(struct uring_device *u)
{
    struct iovec area = { .iov_len = TX_PKTS_MAX * FLAT_BYTES };
    void *at = mmap(NULL, area.iov_len, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

    if (at == MAP_FAILED)
        return;
    area.iov_base = at;
    if (rn_uring_register(&u->ring, IORING_REGISTER_BUFFERS, &area, 1) < 0)
        munmap(at, area.iov_len);
    else
        u->tx.flat = at;
}

static bool knows_repeated_reads(struct rn_uring *ring)
{
    /* A struct io_uring_probe and the operations that follow it: the header gives it no bound. */
    _Alignas(struct io_uring_probe)
        uint8_t probe[sizeof(struct io_uring_probe) +
                      (OP_READ_MULTISHOT + 1) * sizeof(struct io_uring_probe_op)] = { 0 };
    struct io_uring_probe_op op;

    if (rn_uring_register(ring, IORING_REGISTER_PROBE, probe, OP_READ_MULTISHOT + 1) < 0)
        return false;
    memcpy(&op, probe + sizeof(struct io_uring_probe) + OP_READ_MULTISHOT * sizeof(op), sizeof(op));
    return (op.flags & IO_URING_OP_SUPPORTED) != 0;
}

static int set_up(struct uring_device *u)
{
    static const uint8_t ops[] = { OP_READ_MULTISHOT, IORING_OP_WRITEV, IORING_OP_WRITE_FIXED,
                                   IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL };
    int flags = fcntl(u->fd, F_GETFL);
    int err = rn_uring_init(&u->ring, ENTRIES);

    if (err < 0)
        return err;
    if (flags < 0 || fcntl(u->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return rn_err_from_errno(errno);
    err = knows_repeated_reads(&u->ring) ? lend_all(u) : RN_E_NOT_SUPPORTED;
    if (err >= 0)
        register_flat(u);
    return err < 0 ? err : rn_uring_enable(&u->ring, ops, RN_ARRAY_LEN(ops));
}

int rn_uring_device_new(struct rn_device **ret, struct rn_turn *turn,
                        const struct rn_fd_device_opts *opts)
{
    struct uring_device *u = rn_alloc_new(rn_turn_alloc(turn), sizeof(*u));
    int err;

    if (u == NULL)
        return RN_E_NOMEM;
    u->ops = uring_ops;
    u->ops.kind = opts->kind;
    u->dev.ops = &u->ops;
    u->fd = opts->fd;
    u->has_vnet = opts->has_vnet;
    u->dev.tells_writable = true;
    u->ring.fd = -1;
    rn_fd_device_describe(&u->dev, turn, opts);
    err = set_up(u);
    if (err < 0) {
        release(u);
        return err;
    }
    *ret = &u->dev;
    return RN_OK;
}
