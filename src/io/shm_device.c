#include "io/fd_device.h"
#include "io/shm_layout.h"
#include "io/tun_offload.h"
#include <runnel/err.h>
#include <runnel/shm.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_DEFAULT_BYTES (1u << 20)
#define RING_MIN_BYTES     (256u << 10) /* the largest packet several times */
#define RING_MAX_BYTES     (64u << 20)
#define SEALS              (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
/* No packet is larger (RN_FD_FRAME_BYTES), whatever a record says. */
#define PACKET_MAX_BYTES (68u << 10)

enum fd { FD_MEMORY, FD_WAKES_FIRST, FD_WAKES_SECOND };

/* One direction as one side sees it. Its own position is here, and never read back from the memory. */
struct lane {
    struct rn_shm_lane *shared;
    uint8_t *ring; /* mapped twice in a row, so that no record is ever in two pieces */
    uint32_t at;   /* our position: head of what we send, tail of what we receive */
};

struct shm_device {
    struct rn_device dev;
    struct rn_shm_page *page;
    uint32_t ring_bytes;
    bool has_offload;
    bool is_blocked; /* a write found no room; the other side wakes us */
    struct lane out;
    struct lane in;
    int fds[RN_SHM_FDS];
    int wakes_us; /* one of .fds */
    int wakes_other;
    /* Holds the eventfd that wakes us. An eventfd itself is always writable: who waits for that would spin. */
    int epoll_fd;
};

static struct shm_device *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct shm_device, dev);
}

/*
 * Sequentially consistent, all of them. Who goes to sleep says so and then looks once more; who sends moves its position and then
 * looks whether the other sleeps: so either the one sees what the other did, or the other sees that it sleeps.
 */
static uint32_t load(struct rn_shm_word *word)
{
    return atomic_load(&word->v);
}

static void store(struct rn_shm_word *word, uint32_t value)
{
    atomic_store(&word->v, value);
}

static void wake_if_asleep(const struct shm_device *shm, struct rn_shm_word *sleeps)
{
    if (load(sleeps) != 0 && atomic_exchange(&sleeps->v, 0) != 0)
        (void)eventfd_write(shm->wakes_other, 1);
}

/* The other side broke the rules, or has gone. */
static void cut_off(struct shm_device *shm)
{
    store(&shm->out.shared->is_closed, 1);
    (void)eventfd_write(shm->wakes_other, 1);
    rn_device_mark_closed(&shm->dev);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */
static uint32_t record_bytes(uint32_t len)
{
    return (RN_SHM_RECORD_HDR + len + RN_SHM_ALIGN - 1) & ~(RN_SHM_ALIGN - 1);
}

/* Whether @bytes fit now. */
static bool has_room(struct shm_device *shm, uint32_t bytes)
{
    uint32_t used = shm->out.at - load(&shm->out.shared->tail);

    if (used > shm->ring_bytes) {
        cut_off(shm);
        return false;
    }
    return bytes <= shm->ring_bytes - used;
}

static bool wait_for_room(struct shm_device *shm, uint32_t bytes)
{
    store(&shm->out.shared->writer_sleeps, 1);
    shm->is_blocked = !has_room(shm, bytes) && !shm->dev.is_closed;
    return !shm->is_blocked && !shm->dev.is_closed;
}

static void put_record(struct shm_device *shm, const struct rn_pkt_iov *iov, uint32_t len)
{
    uint8_t *at = shm->out.ring + (shm->out.at & (shm->ring_bytes - 1));

    memcpy(at, &len, sizeof(len));
    at += sizeof(len);
    for (unsigned i = 0; i < iov->n; i++) {
        memcpy(at, iov->iov[i].iov_base, iov->iov[i].iov_len);
        at += iov->iov[i].iov_len;
    }
    shm->out.at += record_bytes(len);
}

/* Returns true when the front packet of @out is done with, one way or the other. */
static bool write_one(struct shm_device *shm, struct rn_pktq *out)
{
    struct rn_pkt_iov iov;
    uint32_t len = out->first->len + (shm->has_offload ? RN_VNET_HDR_BYTES : 0);

    if (out->first->len > PACKET_MAX_BYTES) {
        rn_device_drop(&shm->dev, rn_pktq_pop(out), RN_DROP_TOO_BIG);
        return true;
    }
    if (!has_room(shm, record_bytes(len)) &&
        (shm->dev.is_closed || !wait_for_room(shm, record_bytes(len))))
        return false;
    if (!rn_pkt_to_iov(out->first, shm->has_offload, &iov)) {
        rn_device_drop(&shm->dev, rn_pktq_pop(out), RN_DROP_MALFORMED);
        return true;
    }
    put_record(shm, &iov, len);
    rn_pkt_free(rn_pktq_pop(out));
    return true;
}

static int shm_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct shm_device *shm = of(dev);
    int n = 0;

    while (!dev->is_closed && !rn_pktq_is_empty(out) && write_one(shm, out))
        n++;
    if (n > 0) {
        store(&shm->out.shared->head, shm->out.at);
        wake_if_asleep(shm, &shm->out.shared->reader_sleeps);
    }
    return n == 0 && dev->is_closed ? RN_E_CANCELLED : n;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */
static void accept_packet(struct shm_device *shm, struct rn_pktq *in, const uint8_t *bytes,
                          uint32_t len)
{
    struct rn_device *dev = &shm->dev;
    uint32_t vnet_len = shm->has_offload ? RN_VNET_HDR_BYTES : 0;
    uint8_t vnet[RN_VNET_HDR_BYTES];
    struct rn_pkt *pkt;

    memcpy(vnet, bytes,
           vnet_len); /* before it is looked at: the other side may still write there */
    pkt = rn_pkt_from_bytes(dev->turn->pool, bytes + vnet_len, len - vnet_len);
    if (pkt == NULL) {
        dev->drops.n[RN_DROP_NOMEM]++;
        return;
    }
    pkt->time_ns = dev->turn->now_ns;
    if (shm->has_offload && rn_offload_rx(pkt, vnet, dev->link_type) < 0) {
        rn_device_drop(dev, pkt, RN_DROP_MALFORMED);
        return;
    }
    rn_pktq_push(in, pkt);
}

/* The record at our position, of @used bytes that are there. false: there is no such record. */
static bool read_one(struct shm_device *shm, struct rn_pktq *in, uint32_t used)
{
    const uint8_t *at = shm->in.ring + (shm->in.at & (shm->ring_bytes - 1));
    uint32_t vnet_len = shm->has_offload ? RN_VNET_HDR_BYTES : 0;
    uint32_t len;

    memcpy(&len, at, sizeof(len)); /* once: it may change */
    if (len <= vnet_len || len > PACKET_MAX_BYTES + vnet_len || used < record_bytes(len))
        return false;
    accept_packet(shm, in, at + RN_SHM_RECORD_HDR, len);
    shm->in.at += record_bytes(len);
    return true;
}

/* Bytes that wait for us; a lie cuts the other side off. */
static uint32_t waiting(struct shm_device *shm)
{
    uint32_t used = load(&shm->in.shared->head) - shm->in.at;

    if (used <= shm->ring_bytes)
        return used;
    cut_off(shm);
    return 0;
}

/* What came between the look and the word that we sleep rang no bell: it rings for what may be left unread now. */
static void stay_awake(struct shm_device *shm)
{
    store(&shm->in.shared->reader_sleeps, 0);
    (void)eventfd_write(shm->wakes_us, 1);
}

/* Bytes that wait, after telling the other side that we sleep if there are none. */
static uint32_t waiting_or_asleep(struct shm_device *shm)
{
    uint32_t used = waiting(shm);
    eventfd_t count;

    if (used != 0 || shm->dev.is_closed)
        return used;
    (void)eventfd_read(shm->wakes_us, &count);
    store(&shm->in.shared->reader_sleeps, 1);
    used = waiting(shm);
    if (used == 0 && load(&shm->in.shared->is_closed) != 0)
        used = waiting(shm); /* what came before the end */
    if (used == 0 && !shm->dev.is_closed && load(&shm->in.shared->is_closed) != 0)
        cut_off(shm);
    if (used != 0)
        stay_awake(shm);
    return used;
}

static void tell_room(struct shm_device *shm)
{
    if (!shm->is_blocked || load(&shm->out.shared->writer_sleeps) != 0)
        return;
    shm->is_blocked = false;
    rn_device_notify(&shm->dev, RN_DEV_WRITABLE);
}

static int shm_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct shm_device *shm = of(dev);
    uint32_t had_pkts = in->n_pkts;
    uint64_t had_bytes = in->n_bytes;
    uint32_t from = shm->in.at;
    uint32_t used;

    tell_room(shm);
    while (in->n_pkts - had_pkts < max && in->n_bytes - had_bytes < RN_DEVICE_TURN_BYTES &&
           shm->in.at - from <= RN_DEVICE_TURN_BYTES && !dev->is_closed) {
        used = waiting_or_asleep(shm);
        if (used == 0)
            break;
        if (!read_one(shm, in, used))
            cut_off(shm);
    }
    if (shm->in.at != from) {
        store(&shm->in.shared->tail, shm->in.at);
        wake_if_asleep(shm, &shm->in.shared->writer_sleeps);
    }
    if (in->n_pkts > had_pkts)
        return (int)(in->n_pkts - had_pkts);
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

/* --- the rest of a device ----------------------------------------------------------------------------------------- */
static int shm_poll_fd(const struct rn_device *dev)
{
    return of(dev)->epoll_fd;
}

static void shm_close(struct rn_device *dev)
{
    if (!dev->is_closed)
        cut_off(of(dev));
}

static void unmap(const struct shm_device *shm)
{
    if (shm->page != NULL)
        munmap(shm->page, RN_SHM_PAGE_BYTES);
    if (shm->out.ring != NULL)
        munmap(shm->out.ring, (size_t)2 * shm->ring_bytes);
    if (shm->in.ring != NULL)
        munmap(shm->in.ring, (size_t)2 * shm->ring_bytes);
}

/* All but the three descriptors. */
static void release(struct shm_device *shm)
{
    unmap(shm);
    if (shm->epoll_fd >= 0)
        close(shm->epoll_fd);
    rn_alloc_free(rn_turn_alloc(shm->dev.turn), shm, sizeof(*shm));
}

static void close_fds(const int fds[RN_SHM_FDS])
{
    for (unsigned i = 0; i < RN_SHM_FDS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static void shm_destroy(struct rn_device *dev)
{
    shm_close(dev);
    close_fds(of(dev)->fds);
    release(of(dev));
}

static const struct rn_device_ops shm_ops = {
    .kind = "shm",
    .read_batch = shm_read_batch,
    .write_batch = shm_write_batch,
    .poll_fd = shm_poll_fd,
    .close = shm_close,
    .destroy = shm_destroy,
};

void rn_shm_fds(const struct rn_device *device, int ret[RN_SHM_FDS])
{
    memcpy(ret, of(device)->fds, sizeof(of(device)->fds));
}

/* --- making one --------------------------------------------------------------------------------------------------- */
static uint8_t *map_twice(int fd, off_t at, size_t bytes)
{
    uint8_t *area = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED)
        return NULL;
    for (unsigned i = 0; i < 2; i++) {
        if (mmap(area + i * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, at) ==
            MAP_FAILED) {
            munmap(area, 2 * bytes);
            return NULL;
        }
    }
    return area;
}

static void describe(struct shm_device *shm, const struct rn_shm_opts *opts, uint32_t mtu,
                     bool is_ethernet)
{
    struct rn_device *dev = &shm->dev;

    dev->mtu = mtu;
    dev->link_type = is_ethernet ? RN_LINK_ETHERNET : RN_LINK_IP;
    dev->batch = RN_DEVICE_TURN_PKTS;
    dev->mac = opts->mac;
    if (shm->has_offload) {
        dev->caps = RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO;
        dev->gso_max_bytes = UINT16_MAX;
    }
    strncpy(dev->name, opts->name != NULL ? opts->name : "shm", sizeof(dev->name) - 1);
}

/* Maps page and rings of a memory of known size. @is_first: which of the sides we are. */
static int map_all(struct shm_device *shm, bool is_first)
{
    const off_t rings[2] = { RN_SHM_PAGE_BYTES, RN_SHM_PAGE_BYTES + (off_t)shm->ring_bytes };
    unsigned ours = is_first ? 0 : 1;

    shm->out.ring = map_twice(shm->fds[FD_MEMORY], rings[ours], shm->ring_bytes);
    shm->in.ring = map_twice(shm->fds[FD_MEMORY], rings[1 - ours], shm->ring_bytes);
    if (shm->out.ring == NULL || shm->in.ring == NULL)
        return rn_err_from_errno(ENOMEM);
    shm->out.shared = &shm->page->lane[ours];
    shm->in.shared = &shm->page->lane[1 - ours];
    shm->wakes_us = shm->fds[is_first ? FD_WAKES_FIRST : FD_WAKES_SECOND];
    shm->wakes_other = shm->fds[is_first ? FD_WAKES_SECOND : FD_WAKES_FIRST];
    return RN_OK;
}

static int map_page(struct shm_device *shm)
{
    void *page =
        mmap(NULL, RN_SHM_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, shm->fds[FD_MEMORY], 0);

    if (page == MAP_FAILED)
        return rn_err_from_errno(errno);
    shm->page = page;
    return RN_OK;
}

static int watch(struct shm_device *shm)
{
    struct epoll_event ev = { .events = EPOLLIN };
    int flags = fcntl(shm->wakes_us, F_GETFL);

    if (flags < 0 || fcntl(shm->wakes_us, F_SETFL, flags | O_NONBLOCK) < 0)
        return rn_err_from_errno(errno);
    shm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (shm->epoll_fd < 0 || epoll_ctl(shm->epoll_fd, EPOLL_CTL_ADD, shm->wakes_us, &ev) < 0)
        return rn_err_from_errno(errno);
    return RN_OK;
}

static struct shm_device *allocate(struct rn_turn *turn)
{
    struct shm_device *shm = rn_alloc_new(rn_turn_alloc(turn), sizeof(*shm));

    if (shm == NULL)
        return NULL;
    shm->dev.ops = &shm_ops;
    shm->dev.turn = turn;
    shm->epoll_fd = -1;
    for (unsigned i = 0; i < RN_SHM_FDS; i++)
        shm->fds[i] = -1;
    return shm;
}

static uint32_t ring_bytes_of(const struct rn_shm_opts *opts)
{
    uint32_t asked = opts->ring_bytes != 0 ? opts->ring_bytes : RING_DEFAULT_BYTES;
    uint32_t bytes = RING_MIN_BYTES;

    while (bytes < asked && bytes < RING_MAX_BYTES)
        bytes *= 2;
    return bytes;
}

static int make_memory(struct shm_device *shm)
{
    off_t bytes = (off_t)RN_SHM_PAGE_BYTES + 2 * (off_t)shm->ring_bytes;

    shm->fds[FD_MEMORY] = memfd_create("runnel-shm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    shm->fds[FD_WAKES_FIRST] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    shm->fds[FD_WAKES_SECOND] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (shm->fds[FD_MEMORY] < 0 || shm->fds[FD_WAKES_FIRST] < 0 || shm->fds[FD_WAKES_SECOND] < 0 ||
        ftruncate(shm->fds[FD_MEMORY], bytes) < 0 ||
        fcntl(shm->fds[FD_MEMORY], F_ADD_SEALS, SEALS) < 0)
        return rn_err_from_errno(errno);
    return map_page(shm);
}

int rn_shm_new(struct rn_device **ret, struct rn_turn *turn, const struct rn_shm_opts *opts)
{
    struct shm_device *shm;
    uint32_t mtu = opts->mtu != 0 ? opts->mtu : 1500;
    int err;

    if (opts->ring_bytes > RING_MAX_BYTES || mtu > UINT16_MAX)
        return RN_E_BAD_OPTION;
    shm = allocate(turn);
    if (shm == NULL)
        return RN_E_NOMEM;
    shm->ring_bytes = ring_bytes_of(opts);
    shm->has_offload = opts->has_offload;
    err = make_memory(shm);
    if (err >= 0)
        err = map_all(shm, true);
    if (err >= 0)
        err = watch(shm);
    if (err < 0) {
        close_fds(shm->fds);
        release(shm);
        return err;
    }
    /* Nobody has looked yet, so that whoever sends first rings. */
    store(&shm->page->lane[0].reader_sleeps, 1);
    store(&shm->page->lane[1].reader_sleeps, 1);
    shm->page->magic = RN_SHM_MAGIC;
    shm->page->version = RN_SHM_VERSION;
    shm->page->ring_bytes = shm->ring_bytes;
    shm->page->mtu = mtu;
    shm->page->is_ethernet = opts->is_ethernet;
    shm->page->has_offload = opts->has_offload;
    describe(shm, opts, mtu, opts->is_ethernet);
    *ret = &shm->dev;
    return RN_OK;
}

/* Nobody can take the memory away under us (SIGBUS), and it is as large as it says. */
static int check_memory(struct shm_device *shm, const struct rn_shm_page *page)
{
    int seals = fcntl(shm->fds[FD_MEMORY], F_GET_SEALS);
    struct stat st;

    if (page->magic != RN_SHM_MAGIC)
        return RN_E_MALFORMED;
    if (page->version != RN_SHM_VERSION)
        return RN_E_VERSION;
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(shm->fds[FD_MEMORY], &st) < 0)
        return RN_E_MALFORMED;
    if (page->ring_bytes < RING_MIN_BYTES || page->ring_bytes > RING_MAX_BYTES ||
        (page->ring_bytes & (page->ring_bytes - 1)) != 0 || page->mtu == 0 ||
        page->mtu > UINT16_MAX)
        return RN_E_MALFORMED;
    if (st.st_size < (off_t)RN_SHM_PAGE_BYTES + 2 * (off_t)page->ring_bytes)
        return RN_E_MALFORMED;
    return RN_OK;
}

static int adopt(struct shm_device *shm, const struct rn_shm_opts *opts)
{
    struct rn_shm_page page; /* a copy: the other side may change it while we look */
    struct stat st;
    int err;

    /* A file smaller than its page would kill us when we look. */
    if (fstat(shm->fds[FD_MEMORY], &st) < 0 || st.st_size < (off_t)RN_SHM_PAGE_BYTES)
        return RN_E_MALFORMED;
    err = map_page(shm);
    if (err < 0)
        return err;
    memcpy(&page, shm->page, sizeof(page));
    err = check_memory(shm, &page);
    if (err < 0)
        return err;
    shm->ring_bytes = page.ring_bytes;
    shm->has_offload = page.has_offload != 0;
    err = map_all(shm, false);
    if (err >= 0)
        err = watch(shm);
    describe(shm, opts, page.mtu, page.is_ethernet != 0);
    return err;
}

int rn_shm_from_fds(struct rn_device **ret, struct rn_turn *turn, const int fds[RN_SHM_FDS],
                    const struct rn_shm_opts *opts)
{
    struct shm_device *shm = allocate(turn);
    int err;

    if (shm == NULL)
        return RN_E_NOMEM;
    memcpy(shm->fds, fds, sizeof(shm->fds));
    err = adopt(shm, opts);
    if (err < 0) {
        release(shm);
        return err;
    }
    *ret = &shm->dev;
    return RN_OK;
}
