#pragma once
/*
 * The other end of a vhost-user device, for tests: a front-end and a driver in one, with a memfd for the guest's memory. It is a
 * device itself, so that the promises of every device can be proven over the pair. Tests of attacks write into its rings.
 */
#include "base/bytes.h"
#include "dev/device.h"
#include "fixture.h"
#include "io/fd_device.h"
#include "io/rx_slab.h"
#include "io/tun_offload.h"
#include "vhost_talk.h"
#include <runnel/err.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* The guest's memory: rings in one region, buffers in the next; neither kind of address is that of the other region's end. */
#define FRONT_RINGS_BYTES   (64u << 10)
#define FRONT_BUFFER_BYTES  2048u
#define FRONT_RING_SIZE     256u
#define FRONT_BUFFERS_BYTES (2u * FRONT_RING_SIZE * FRONT_BUFFER_BYTES)
#define FRONT_MEM_BYTES     (FRONT_RINGS_BYTES + FRONT_BUFFERS_BYTES)
#define FRONT_GUEST         UINT64_C(0x40000000)
#define FRONT_GUEST_BUFFERS UINT64_C(0x100000000)
#define FRONT_USER          UINT64_C(0x7f5500000000)
/* Of each ring, where its parts are. */
#define FRONT_RING_STEP 0x4000u
#define FRONT_AVAIL_AT  0x1000u
#define FRONT_USED_AT   0x2000u

struct front_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};
enum front_flag { FRONT_NEXT = 1, FRONT_WRITE = 2, FRONT_INDIRECT = 4 };

struct front_ring {
    struct front_desc *desc;
    uint8_t *avail;
    uint8_t *used;
    uint64_t guest_buffers; /* one of FRONT_BUFFER_BYTES for each descriptor */
    uint8_t *buffers;
    int kick;
    uint16_t avail_at; /* next entry to offer */
    uint16_t used_at;  /* next entry to take back */
    uint16_t n_free;   /* of a sending ring: descriptors, from .next_desc on */
    uint16_t next_desc;
    uint16_t
        lens[FRONT_RING_SIZE]; /* of a sending ring: descriptors of the chain that begins there */
};

struct vhost_front {
    struct rn_device dev;
    struct rn_device *back; /* borrows; acts on what is sent when it is read from */
    int fd;
    int mem_fd;
    int call;
    uint8_t *mem;
    uint64_t features;
    bool is_indirect; /* send by indirect tables */
    struct front_ring rings[RN_VHOST_QUEUES];
    uint8_t frame[RN_RX_SLAB_BYTES + RN_VNET_HDR_MRG_BYTES];
};

static inline struct vhost_front *front_of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct vhost_front, dev);
}

/* --- rings -------------------------------------------------------------------------------------------------------- */
static inline _Atomic uint16_t *front_word(uint8_t *part, size_t at)
{
    return (_Atomic uint16_t *)(void *)(part + at);
}

static inline void front_offer(struct front_ring *ring, uint16_t head)
{
    atomic_store_explicit(
        front_word(ring->avail, 4 + 2 * (size_t)(ring->avail_at % FRONT_RING_SIZE)), head,
        memory_order_relaxed);
    ring->avail_at++;
}

/* Shows what was offered, and kicks if it is wanted. */
static inline void front_publish(const struct vhost_front *f, struct front_ring *ring)
{
    uint16_t old = atomic_load(front_word(ring->avail, 2));
    bool wants;

    if (old == ring->avail_at)
        return;
    atomic_store(front_word(ring->avail, 2), ring->avail_at);
    if ((f->features & RN_VIRTIO_EVENT_IDX) != 0) {
        uint16_t event = atomic_load(front_word(ring->used, 4 + 8 * (size_t)FRONT_RING_SIZE));

        wants = (uint16_t)(ring->avail_at - event - 1) < (uint16_t)(ring->avail_at - old);
    } else {
        wants = (atomic_load(front_word(ring->used, 0)) & 1) == 0;
    }
    if (wants)
        (void)eventfd_write(ring->kick, 1);
}

/* The next used chain. Asks to be interrupted when there is none. */
static inline bool front_take_used(struct front_ring *ring, uint32_t ret[2])
{
    for (unsigned i = 0; atomic_load(front_word(ring->used, 2)) == ring->used_at; i++) {
        if (i == 1)
            return false;
        atomic_store(front_word(ring->avail, 4 + 2 * (size_t)FRONT_RING_SIZE), ring->used_at);
    }
    memcpy(ret, ring->used + 4 + 8 * (size_t)(ring->used_at % FRONT_RING_SIZE), 8);
    ring->used_at++;
    return true;
}

static inline void front_ring_init(struct vhost_front *f, unsigned which)
{
    struct front_ring *ring = &f->rings[which];
    uint8_t *at = f->mem + (size_t)which * FRONT_RING_STEP;
    size_t buffers_at = (size_t)which * FRONT_RING_SIZE * FRONT_BUFFER_BYTES;

    ring->desc = (struct front_desc *)(void *)at;
    ring->avail = at + FRONT_AVAIL_AT;
    ring->used = at + FRONT_USED_AT;
    ring->guest_buffers = FRONT_GUEST_BUFFERS + buffers_at;
    ring->buffers = f->mem + FRONT_RINGS_BYTES + buffers_at;
    ring->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ring->n_free = FRONT_RING_SIZE;
    for (uint16_t i = 0; i < FRONT_RING_SIZE; i++)
        ring->desc[i] =
            (struct front_desc){ .addr = ring->guest_buffers + (uint64_t)i * FRONT_BUFFER_BYTES,
                                 .len = FRONT_BUFFER_BYTES,
                                 .flags = which == RN_VHOST_RX ? FRONT_WRITE : 0 };
}

/* --- as a device -------------------------------------------------------------------------------------------------- */
static inline size_t front_hdr_bytes(const struct vhost_front *f)
{
    return (f->features & (RN_VIRTIO_VERSION_1 | RN_VIRTIO_MRG_RXBUF)) != 0 ? 12 : 10;
}

static inline void front_receive(struct vhost_front *f, struct rn_pktq *in, size_t len)
{
    size_t hdr = front_hdr_bytes(f);
    struct rn_pkt *pkt = rn_pkt_from_bytes(f->dev.turn->pool, f->frame + hdr, len - hdr);

    assert_non_null(pkt);
    assert_int_equal(rn_offload_rx(pkt, f->frame, RN_LINK_ETHERNET), RN_OK);
    rn_pktq_push(in, pkt);
}

/* One packet out of the buffers it was spread over. */
static inline bool front_read_one(struct vhost_front *f, struct rn_pktq *in)
{
    struct front_ring *ring = &f->rings[RN_VHOST_RX];
    unsigned n_buffers = 1;
    uint32_t used[2];
    size_t len = 0;

    for (unsigned i = 0; i < n_buffers; i++) {
        if (!front_take_used(ring, used)) {
            assert_int_equal(i, 0); /* all of a packet come at once */
            return false;
        }
        assert_in_range(used[0], 0, FRONT_RING_SIZE - 1);
        assert_in_range(used[1], 1, FRONT_BUFFER_BYTES);
        memcpy(f->frame + len, ring->buffers + (size_t)used[0] * FRONT_BUFFER_BYTES, used[1]);
        len += used[1];
        if (i == 0 && front_hdr_bytes(f) == 12)
            n_buffers = rn_get_le16(f->frame + 10);
        front_offer(ring, (uint16_t)used[0]);
    }
    front_receive(f, in, len);
    return true;
}

static inline int front_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct vhost_front *f = front_of(dev);
    int n = 0;

    while ((unsigned)n < max && front_read_one(f, in))
        n++;
    front_publish(f, &f->rings[RN_VHOST_RX]);
    return n > 0 ? n : RN_E_WOULD_BLOCK;
}

static inline void front_reclaim(struct front_ring *ring)
{
    uint32_t used[2];

    while (front_take_used(ring, used))
        ring->n_free = (uint16_t)(ring->n_free + ring->lens[used[0]]);
}

/* Describes .frame's first @len bytes by the next descriptors, copied into their buffers; returns how many. */
static inline uint16_t front_describe(struct vhost_front *f, size_t len)
{
    struct front_ring *ring = &f->rings[RN_VHOST_TX];
    uint16_t n = 0;

    for (size_t at = 0; at < len; n++) {
        uint16_t i = (uint16_t)((ring->next_desc + n) % FRONT_RING_SIZE);
        size_t piece = rn_min_size(at == 0 ? front_hdr_bytes(f) : FRONT_BUFFER_BYTES, len - at);

        memcpy(ring->buffers + (size_t)i * FRONT_BUFFER_BYTES, f->frame + at, piece);
        at += piece;
        ring->desc[i].addr = ring->guest_buffers + (uint64_t)i * FRONT_BUFFER_BYTES;
        ring->desc[i].len = (uint32_t)piece;
        ring->desc[i].flags = at < len ? FRONT_NEXT : 0;
        ring->desc[i].next = (uint16_t)((i + 1) % FRONT_RING_SIZE);
    }
    return n;
}

/* Moves the @n descriptors of a chain into a table, in the last buffer of theirs, and names it in the first. */
static inline void front_make_indirect(struct front_ring *ring, uint16_t n)
{
    struct front_desc table[64];
    uint16_t head = ring->next_desc;
    uint16_t last = (uint16_t)((head + n) % FRONT_RING_SIZE);

    for (uint16_t i = 0; i < n; i++) {
        table[i] = ring->desc[(head + i) % FRONT_RING_SIZE];
        table[i].next = (uint16_t)(i + 1);
    }
    memcpy(ring->buffers + (size_t)last * FRONT_BUFFER_BYTES, table, n * sizeof(table[0]));
    ring->desc[head].addr = ring->guest_buffers + (uint64_t)last * FRONT_BUFFER_BYTES;
    ring->desc[head].len = (uint32_t)(n * sizeof(table[0]));
    ring->desc[head].flags = FRONT_INDIRECT;
}

static inline bool front_write_one(struct vhost_front *f, struct rn_pkt *pkt)
{
    struct front_ring *ring = &f->rings[RN_VHOST_TX];
    size_t hdr = front_hdr_bytes(f);
    uint16_t n = (uint16_t)(1 + (pkt->len + FRONT_BUFFER_BYTES - 1) / FRONT_BUFFER_BYTES);

    if (ring->n_free < n + 1)
        return false;
    rn_offload_tx(pkt, f->frame);
    rn_put_le16(f->frame + 10, 0);
    rn_pkt_copy_out(pkt, 0, f->frame + hdr, pkt->len);
    assert_int_equal(front_describe(f, hdr + pkt->len), n);
    if (f->is_indirect)
        front_make_indirect(ring, n++);
    ring->lens[ring->next_desc] = n;
    front_offer(ring, ring->next_desc);
    ring->next_desc = (uint16_t)((ring->next_desc + n) % FRONT_RING_SIZE);
    ring->n_free = (uint16_t)(ring->n_free - n);
    return true;
}

static inline int front_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct vhost_front *f = front_of(dev);
    int n = 0;

    front_reclaim(&f->rings[RN_VHOST_TX]);
    while (!rn_pktq_is_empty(out) && front_write_one(f, out->first)) {
        rn_pkt_free(rn_pktq_pop(out));
        n++;
    }
    front_publish(f, &f->rings[RN_VHOST_TX]);
    return n;
}

/* For EPOLLET alone: the counter is never read, so that every interrupt is an edge. */
static inline int front_poll_fd(const struct rn_device *dev)
{
    return front_of(dev)->call;
}

static inline void front_close(struct rn_device *dev)
{
    rn_device_mark_closed(dev);
}

static inline void front_destroy(struct rn_device *dev)
{
    struct vhost_front *f = front_of(dev);

    front_close(dev);
    for (unsigned i = 0; i < RN_VHOST_QUEUES; i++)
        close(f->rings[i].kick);
    close(f->call);
    close(f->fd);
    close(f->mem_fd);
    munmap(f->mem, FRONT_MEM_BYTES);
    free(f);
}

/* --- making one --------------------------------------------------------------------------------------------------- */
static inline int front_memfd(unsigned seals)
{
    int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, FRONT_MEM_BYTES), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static inline void front_claims(struct rn_vhost_claim ret[2])
{
    ret[0] = (struct rn_vhost_claim){ FRONT_GUEST, FRONT_RINGS_BYTES, FRONT_USER, 0 };
    ret[1] = (struct rn_vhost_claim){ FRONT_GUEST_BUFFERS, FRONT_BUFFERS_BYTES,
                                      FRONT_USER + FRONT_RINGS_BYTES, FRONT_RINGS_BYTES };
}

static inline void front_start_ring(struct vhost_front *f, uint32_t which)
{
    uint64_t at = FRONT_USER + (uint64_t)which * FRONT_RING_STEP;
    const uint64_t addr[5] = { which, at, at + FRONT_USED_AT, at + FRONT_AVAIL_AT, 0 };

    front_send_state(f->fd, RN_VHOST_SET_VRING_NUM, which, FRONT_RING_SIZE);
    front_send_state(f->fd, RN_VHOST_SET_VRING_BASE, which, f->rings[which].avail_at);
    front_send(f->fd, RN_VHOST_SET_VRING_ADDR, addr, sizeof(addr));
    front_send_fd(f->fd, RN_VHOST_SET_VRING_CALL, which, f->call);
    front_send_fd(f->fd, RN_VHOST_SET_VRING_KICK, which, f->rings[which].kick);
    if ((f->features & RN_VHOST_PROTOCOL_FEATURES) != 0)
        front_send_state(f->fd, RN_VHOST_SET_VRING_ENABLE, which, 1);
}

/* What comes before the rings. Of @wanted it takes what is offered. */
static inline void front_negotiate(struct vhost_front *f, uint64_t wanted)
{
    struct rn_vhost_claim claims[2];
    uint64_t offered = 0;

    front_send(f->fd, RN_VHOST_GET_FEATURES, NULL, 0);
    front_step(f->back);
    assert_true(front_answer(f->fd, &offered, sizeof(offered)));
    f->features = wanted & offered;
    if ((f->features & RN_VHOST_PROTOCOL_FEATURES) != 0)
        front_send_u64(f->fd, RN_VHOST_SET_PROTOCOL_FEATURES, RN_VHOST_P_REPLY_ACK);
    front_send(f->fd, RN_VHOST_SET_OWNER, NULL, 0);
    front_send_u64(f->fd, RN_VHOST_SET_FEATURES, f->features);
    front_claims(claims);
    front_send_memory(f->fd, f->mem_fd, claims, 2);
}

/* A front-end with memory but without a word said. Takes over @fd. */
static inline struct vhost_front *front_new_silent(struct rn_device *back, int fd)
{
    static const struct rn_device_ops ops = {
        .kind = "vhost-front",
        .read_batch = front_read_batch,
        .write_batch = front_write_batch,
        .poll_fd = front_poll_fd,
        .close = front_close,
        .destroy = front_destroy,
    };
    struct vhost_front *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->dev = (struct rn_device){ .ops = &ops,
                                 .turn = back->turn,
                                 .link_type = RN_LINK_ETHERNET,
                                 .caps = back->caps,
                                 .gso_max_bytes = back->gso_max_bytes,
                                 .mtu = back->mtu,
                                 .batch = 64,
                                 .name = "front" };
    f->back = back;
    f->fd = fd;
    f->mem_fd = front_memfd(F_SEAL_SHRINK | F_SEAL_GROW);
    f->mem = mmap(NULL, FRONT_MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->mem_fd, 0);
    assert_true(f->mem != MAP_FAILED);
    f->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (unsigned i = 0; i < RN_VHOST_QUEUES; i++)
        front_ring_init(f, i);
    return f;
}

/* Starts both rings and offers every buffer to receive into. */
static inline void front_start(struct vhost_front *f)
{
    for (uint32_t i = 0; i < RN_VHOST_QUEUES; i++)
        front_start_ring(f, i);
    for (uint16_t i = 0; i < FRONT_RING_SIZE; i++)
        front_offer(&f->rings[RN_VHOST_RX], i);
    front_publish(f, &f->rings[RN_VHOST_RX]);
    front_step(f->back);
}

/* A front-end whose rings run. Takes over @fd. */
static inline struct vhost_front *front_new(struct rn_device *back, int fd, uint64_t wanted)
{
    struct vhost_front *f = front_new_silent(back, fd);

    front_negotiate(f, wanted);
    front_start(f);
    return f;
}
