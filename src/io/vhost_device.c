#include "io/fd_device.h"
#include "io/unix_socket.h"
#include "io/vhost_net.h"
#include <runnel/err.h>
#include <runnel/vhost.h>

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages acted on in one go; a front-end needs some twenty to start. */
#define TURN_MESSAGES 64u

struct vhost_device {
    struct rn_device dev;
    struct rn_vhost_session session;
    struct rn_vhost_net net;
    int epoll_fd;            /* what a user polls: the sockets, the kicks, .again_fd */
    int again_fd;            /* rung by ourselves when something was left for the next time */
    int listen_fd;           /* -1: there is one front-end, ever */
    struct sockaddr_un path; /* of .listen_fd */
    uint32_t n_fronts;
    bool was_up;
    bool is_again;
    bool is_blocked;     /* a write found no room */
    uint16_t blocked_at; /* available index it saw then */
};

static struct vhost_device *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct vhost_device, dev);
}

static struct rn_vhost_queue *queue_of(struct vhost_device *self, enum rn_vhost_queue_index which)
{
    return &self->session.queues[which];
}

/* --- the connection ----------------------------------------------------------------------------------------------- */
static bool watch_fd(const struct vhost_device *self, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

    return epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void accept_front(struct vhost_device *self)
{
    int fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (!rn_vhost_session_begin(&self->session, fd)) {
        close(fd);
        return;
    }
    self->n_fronts++;
    /* Whoever waits while this one is served must not wake us all the time. */
    (void)epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, self->listen_fd, NULL);
}

static void tell_link(struct vhost_device *self)
{
    bool is_up = rn_vhost_session_is_up(&self->session);

    if (is_up == self->was_up)
        return;
    self->was_up = is_up;
    self->is_blocked = false;
    rn_device_notify(&self->dev, (is_up ? RN_DEV_LINK_UP : RN_DEV_LINK_DOWN) | RN_DEV_WRITABLE);
}

/* What the front-end did, or we to it, changes the device. @was_on: there was one before. */
static void settle(struct vhost_device *self, bool was_on)
{
    tell_link(self);
    if (!was_on || rn_vhost_session_is_on(&self->session))
        return;
    if (self->listen_fd < 0 || !watch_fd(self, self->listen_fd))
        rn_device_mark_closed(&self->dev);
}

static void throw_out(struct vhost_device *self, const char *why)
{
    rn_vhost_session_fail(&self->session, why);
    settle(self, true);
}

/* Takes what the descriptors say. Returns whether something was left. */
static bool serve(struct vhost_device *self)
{
    struct epoll_event events[8]; /* more than there are descriptors */
    int n = epoll_wait(self->epoll_fd, events, RN_ARRAY_LEN(events), 0);
    bool was_on = rn_vhost_session_is_on(&self->session);
    bool has_more = false;

    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == self->listen_fd)
            accept_front(self);
        else if (events[i].data.fd == self->session.fd)
            has_more = rn_vhost_session_serve(&self->session, TURN_MESSAGES) > 0;
    }
    settle(self, was_on);
    return has_more;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */
/* Whether a chain waits; if none does, the guest is asked to kick and nothing has come meanwhile. */
static bool has_chain(struct rn_vhost_ring *ring)
{
    if (ring->seen != ring->taken_at || rn_vhost_ring_waiting(ring) > 0)
        return true;
    rn_vhost_ring_ask_kick(ring);
    if (rn_vhost_ring_waiting(ring) == 0)
        return false;
    rn_vhost_ring_hush(ring);
    return true;
}

/* Returns whether something may be left. */
static bool read_ring(struct vhost_device *self, struct rn_pktq *in, unsigned max)
{
    struct rn_vhost_queue *tx = queue_of(self, RN_VHOST_TX);
    uint32_t had_pkts = in->n_pkts;
    uint64_t had_bytes = in->n_bytes;
    uint32_t budget = max; /* what is dropped costs time too */
    bool has_more = true;

    while (in->n_pkts - had_pkts < max && in->n_bytes - had_bytes < RN_DEVICE_TURN_BYTES &&
           budget > 0) {
        has_more = has_chain(&tx->ring) && rn_vhost_net_receive(&self->net, in);
        if (!has_more)
            break;
        budget--;
    }
    rn_vhost_queue_publish(tx);
    if (tx->ring.broken != NULL)
        throw_out(self, tx->ring.broken);
    return has_more;
}

static void tell_room(struct vhost_device *self)
{
    struct rn_vhost_ring *rx = &queue_of(self, RN_VHOST_RX)->ring;

    if (!self->is_blocked || rn_vhost_ring_waiting(rx) == 0 || rx->seen == self->blocked_at)
        return;
    self->is_blocked = false;
    rn_device_notify(&self->dev, RN_DEV_WRITABLE);
}

/* The descriptor that is polled stays ready as long as there is something to do, and no longer. */
static void note_more(struct vhost_device *self, bool has_more)
{
    eventfd_t count;

    if (has_more)
        (void)eventfd_write(self->again_fd, 1);
    else if (self->is_again)
        (void)eventfd_read(self->again_fd, &count);
    self->is_again = has_more;
}

static int vhost_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct vhost_device *self = of(dev);
    uint32_t had_pkts = in->n_pkts;
    bool is_left = false;
    bool has_more;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    has_more = serve(self);
    tell_room(self);
    if (rn_vhost_session_is_on(&self->session) && queue_of(self, RN_VHOST_TX)->is_started)
        is_left = read_ring(self, in, max);
    note_more(self, has_more || is_left);
    if (in->n_pkts > had_pkts)
        return (int)(in->n_pkts - had_pkts);
    if (dev->is_closed)
        return RN_E_CANCELLED;
    return is_left ? 0 : RN_E_WOULD_BLOCK;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */
/* The guest is asked to kick when it adds buffers. Returns whether it has done so meanwhile. */
static bool wait_for_room(struct vhost_device *self)
{
    struct rn_vhost_ring *rx = &queue_of(self, RN_VHOST_RX)->ring;

    self->blocked_at = rx->seen;
    rn_vhost_ring_ask_kick(rx);
    (void)rn_vhost_ring_waiting(rx);
    self->is_blocked = rx->seen == self->blocked_at;
    return !self->is_blocked;
}

static int write_ring(struct vhost_device *self, struct rn_pktq *out)
{
    struct rn_vhost_queue *rx = queue_of(self, RN_VHOST_RX);
    int n = 0;

    rn_vhost_ring_hush(&rx->ring);
    while (!rn_pktq_is_empty(out) && rx->ring.broken == NULL) {
        if (rn_vhost_net_send(&self->net, out) == RN_VHOST_SENT)
            n++;
        else if (rx->ring.broken != NULL || !wait_for_room(self))
            break;
    }
    rn_vhost_queue_publish(rx);
    if (rx->ring.broken != NULL)
        throw_out(self, rx->ring.broken);
    return n;
}

/* Nobody is there to take them. */
static int lose_all(struct vhost_device *self, struct rn_pktq *out)
{
    int n = 0;

    for (; !rn_pktq_is_empty(out); n++)
        rn_device_drop(&self->dev, rn_pktq_pop(out), RN_DROP_NIC_DOWN);
    return n;
}

static int vhost_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct vhost_device *self = of(dev);
    int n = 0;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    if (rn_vhost_session_is_up(&self->session))
        n = write_ring(self, out);
    if (!dev->is_closed && !rn_vhost_session_is_up(&self->session))
        n += lose_all(self, out);
    return n == 0 && dev->is_closed ? RN_E_CANCELLED : n;
}

/* --- the rest of a device ----------------------------------------------------------------------------------------- */
static int vhost_poll_fd(const struct rn_device *dev)
{
    return of(dev)->epoll_fd;
}

static void stop_listening(struct vhost_device *self)
{
    if (self->listen_fd < 0)
        return;
    close(self->listen_fd);
    self->listen_fd = -1;
    (void)unlink(self->path.sun_path);
}

/* The guest sees the card's cable go at once, not when the device is freed. */
static void vhost_close(struct rn_device *dev)
{
    struct vhost_device *self = of(dev);

    stop_listening(self);
    rn_vhost_session_end(&self->session);
    rn_device_mark_closed(dev);
}

/* All but the session's. */
static void release(struct vhost_device *self)
{
    if (self->epoll_fd >= 0)
        close(self->epoll_fd);
    if (self->again_fd >= 0)
        close(self->again_fd);
    rn_rx_slab_fini(&self->net.slab);
    rn_alloc_free(rn_turn_alloc(self->dev.turn), self, sizeof(*self));
}

static void vhost_destroy(struct rn_device *dev)
{
    vhost_close(dev);
    release(of(dev));
}

static const struct rn_device_ops vhost_ops = {
    .kind = "vhost-user",
    .read_batch = vhost_read_batch,
    .write_batch = vhost_write_batch,
    .poll_fd = vhost_poll_fd,
    .close = vhost_close,
    .destroy = vhost_destroy,
};

void rn_vhost_get_info(const struct rn_device *device, struct rn_vhost_info *ret)
{
    const struct vhost_device *self = of(device);

    *ret = (struct rn_vhost_info){
        .n_fronts = self->n_fronts,
        .is_connected = rn_vhost_session_is_on(&self->session),
        .is_up = rn_vhost_session_is_up(&self->session),
        .features = rn_vhost_session_is_on(&self->session) ? self->session.features : 0,
        .error = self->session.error,
    };
}

/* --- making one --------------------------------------------------------------------------------------------------- */
static void describe(struct vhost_device *self, const struct rn_vhost_opts *opts)
{
    struct rn_device *dev = &self->dev;

    dev->link_type = RN_LINK_ETHERNET;
    dev->mtu = opts->mtu != 0 ? opts->mtu : 1500;
    dev->batch = RN_DEVICE_TURN_PKTS;
    dev->mac = opts->mac;
    dev->tells_writable = true;
    if (!opts->without_offloads) {
        /* Of those a front-end did not take, vhost_net.c does the work. */
        dev->caps = RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO;
        dev->gso_max_bytes = UINT16_MAX;
    }
    strncpy(dev->name, opts->name != NULL ? opts->name : "vhost", sizeof(dev->name) - 1);
    self->session.offered = rn_vhost_net_features(opts->without_offloads);
    self->session.trust = opts->may_be_unsealed ? RN_VHOST_UNSEALED_TOO : RN_VHOST_SEALED_ONLY;
}

static int prepare(struct vhost_device *self)
{
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    self->again_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->epoll_fd < 0 || self->again_fd < 0 || !watch_fd(self, self->again_fd))
        return rn_err_from_errno(errno);
    self->session.epoll_fd = self->epoll_fd;
    return rn_rx_slab_init(&self->net.slab, self->dev.turn->pool);
}

/* A device without a front-end. Returns owned. */
static int make(struct vhost_device **ret, struct rn_turn *turn, const struct rn_vhost_opts *opts)
{
    struct vhost_device *self;
    int err;

    if (opts->mtu > UINT16_MAX)
        return RN_E_BAD_OPTION;
    self = rn_alloc_new(rn_turn_alloc(turn), sizeof(*self));
    if (self == NULL)
        return RN_E_NOMEM;
    self->dev.ops = &vhost_ops;
    self->dev.turn = turn;
    self->session.fd = -1;
    self->epoll_fd = -1;
    self->again_fd = -1;
    self->listen_fd = -1;
    self->net.dev = &self->dev;
    self->net.session = &self->session;
    describe(self, opts);
    err = prepare(self);
    if (err < 0) {
        release(self);
        return err;
    }
    *ret = self;
    return RN_OK;
}

int rn_vhost_from_fd(struct rn_device **ret, struct rn_turn *turn, int fd,
                     const struct rn_vhost_opts *opts)
{
    struct vhost_device *self;
    int err = make(&self, turn, opts);

    if (err < 0)
        return err;
    if (!rn_vhost_session_begin(&self->session, fd)) {
        err = rn_err_from_errno(errno);
        release(self);
        return err;
    }
    self->n_fronts = 1;
    *ret = &self->dev;
    return RN_OK;
}

int rn_vhost_open(struct rn_device **ret, struct rn_turn *turn, const char *path,
                  const struct rn_vhost_opts *opts)
{
    int fd = rn_unix_connect(SOCK_STREAM, NULL, path);
    int err;

    if (fd < 0)
        return fd;
    err = rn_vhost_from_fd(ret, turn, fd, opts);
    if (err < 0)
        close(fd);
    return err;
}

/* .path is set. What cannot be watched is not left behind. */
static int listen_there(struct vhost_device *self)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err;

    if (fd < 0)
        return rn_err_from_errno(errno);
    if (bind(fd, (struct sockaddr *)&self->path, sizeof(self->path)) < 0) {
        err = rn_err_from_errno(errno);
        close(fd);
        return err;
    }
    self->listen_fd = fd;
    if (listen(fd, 1) == 0 && watch_fd(self, fd))
        return RN_OK;
    err = rn_err_from_errno(errno);
    stop_listening(self);
    return err;
}

int rn_vhost_listen(struct rn_device **ret, struct rn_turn *turn, const char *path,
                    const struct rn_vhost_opts *opts)
{
    struct vhost_device *self;
    int err = make(&self, turn, opts);

    if (err < 0)
        return err;
    err = rn_unix_address(path, &self->path);
    if (err >= 0)
        err = listen_there(self);
    if (err < 0) {
        release(self);
        return err;
    }
    *ret = &self->dev;
    return RN_OK;
}
