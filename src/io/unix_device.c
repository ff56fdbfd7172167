#include "io/fd_device.h"
#include "io/unix_socket.h"
#include <runnel/err.h>
#include <runnel/unix.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* QEMU's NET_BUFSIZE; a frame of 64 KiB and its headers. */
#define FRAME_MAX_BYTES (68u << 10)
#define LENGTH_BYTES    4u
#define BUFFER_BYTES    (2u * FRAME_MAX_BYTES)

struct stream_device {
    struct rn_device dev;
    int fd;
    uint8_t *buf; /* received bytes [at, end) wait in it */
    size_t at;
    size_t end;
    struct rn_pkt *begun; /* a packet of which the socket took a part; NULL: none */
    size_t begun_bytes;   /* that part, length included */
};

static struct stream_device *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct stream_device, dev);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */
static void accept_frame(struct stream_device *self, struct rn_pktq *in, const uint8_t *bytes,
                         size_t len)
{
    struct rn_pkt *pkt = rn_pkt_from_bytes(self->dev.turn->pool, bytes, len);

    if (pkt == NULL) {
        self->dev.drops.n[RN_DROP_NOMEM]++;
        return;
    }
    pkt->time_ns = self->dev.turn->now_ns;
    rn_pktq_push(in, pkt);
}

/* Hands over the next frame that is there whole. false: there is none. */
static bool take_frame(struct stream_device *self, struct rn_pktq *in)
{
    size_t have = self->end - self->at;
    size_t len;

    if (have < LENGTH_BYTES)
        return false;
    len = rn_get_be32(self->buf + self->at);
    if (len > FRAME_MAX_BYTES) {
        self->dev.drops.n[RN_DROP_TOO_BIG]++;
        rn_device_mark_closed(&self->dev);
        return false;
    }
    if (have - LENGTH_BYTES < len)
        return false;
    if (len == 0)
        self->dev.drops.n[RN_DROP_MALFORMED]++;
    else
        accept_frame(self, in, self->buf + self->at + LENGTH_BYTES, len);
    self->at += LENGTH_BYTES + len;
    return true;
}

/* Reads more bytes. false: there are none now, or no more at all. */
static bool refill(struct stream_device *self)
{
    ssize_t n;

    memmove(self->buf, self->buf + self->at, self->end - self->at);
    self->end -= self->at;
    self->at = 0;
    n = recv(self->fd, self->buf + self->end, BUFFER_BYTES - self->end, MSG_DONTWAIT);
    if (n > 0) {
        self->end += (size_t)n;
        return true;
    }
    if (n == 0 || rn_rx_fate_of(errno) == RN_RX_CLOSED)
        rn_device_mark_closed(&self->dev);
    return false;
}

static int stream_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct stream_device *self = of(dev);
    uint32_t had_pkts = in->n_pkts;
    uint64_t had_bytes = in->n_bytes;
    uint32_t budget = max; /* empty frames cost time too */

    while (in->n_pkts - had_pkts < max && in->n_bytes - had_bytes < RN_DEVICE_TURN_BYTES &&
           budget > 0 && !dev->is_closed) {
        if (take_frame(self, in))
            budget--;
        else if (dev->is_closed || !refill(self))
            break;
    }
    if (in->n_pkts > had_pkts)
        return (int)(in->n_pkts - had_pkts);
    return dev->is_closed ? RN_E_CANCELLED : budget == 0 ? 0 : RN_E_WOULD_BLOCK;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */
/* Leaves out the first @n bytes of what @msg describes. */
static void skip(struct msghdr *msg, size_t n)
{
    while (msg->msg_iovlen > 0 && n >= msg->msg_iov->iov_len) {
        n -= msg->msg_iov->iov_len;
        msg->msg_iov++;
        msg->msg_iovlen--;
    }
    if (n > 0) {
        msg->msg_iov->iov_base = (uint8_t *)msg->msg_iov->iov_base + n;
        msg->msg_iov->iov_len -= n;
    }
}

/* Sends what is left of @pkt (borrows). Returns bytes the socket took, or < 0 with errno set. */
static ssize_t send_rest(struct stream_device *self, struct rn_pkt *pkt, size_t sent)
{
    struct iovec iov[3 + RN_PKT_FRAGS_MAX];
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 1 };
    struct rn_pkt_iov frame;
    uint8_t length[LENGTH_BYTES];

    if (!rn_pkt_to_iov(pkt, false, &frame)) {
        errno = EINVAL;
        return -1;
    }
    rn_put_be32(length, pkt->len);
    iov[0] = (struct iovec){ length, sizeof(length) };
    memcpy(iov + 1, frame.iov, frame.n * sizeof(frame.iov[0]));
    msg.msg_iovlen += frame.n;
    skip(&msg, sent);
    return sendmsg(self->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Goes on with the packet that was begun. false: the socket takes no more now. */
static bool finish_begun(struct stream_device *self)
{
    ssize_t n;

    if (self->begun == NULL)
        return true;
    n = send_rest(self, self->begun, self->begun_bytes);
    if (n < 0) {
        /* Whatever it was: half a frame is on the wire, so nothing else can follow. */
        if (rn_tx_fate_of(errno) != RN_TX_RETRY)
            rn_device_mark_closed(&self->dev);
        return false;
    }
    self->begun_bytes += (size_t)n;
    if (self->begun_bytes < LENGTH_BYTES + self->begun->len)
        return false;
    rn_pkt_free(self->begun);
    self->begun = NULL;
    return true;
}

/* Returns true when the front packet of @out is done with, one way or the other. */
static bool write_one(struct stream_device *self, struct rn_pktq *out)
{
    ssize_t n = send_rest(self, out->first, 0);

    if (n >= 0) {
        self->begun = rn_pktq_pop(out);
        self->begun_bytes = (size_t)n;
        if (self->begun_bytes == LENGTH_BYTES + self->begun->len) {
            rn_pkt_free(self->begun);
            self->begun = NULL;
        }
        return true;
    }
    switch (rn_tx_fate_of(errno)) {
    case RN_TX_CLOSED:
        rn_device_mark_closed(&self->dev);
        return false;
    case RN_TX_DROP:
        rn_device_drop(&self->dev, rn_pktq_pop(out), RN_DROP_DEVICE_REFUSED);
        return true;
    case RN_TX_RETRY:
    default:
        return false;
    }
}

static int stream_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct stream_device *self = of(dev);
    int n = 0;

    while (!dev->is_closed && !rn_pktq_is_empty(out) && finish_begun(self) && write_one(self, out))
        n++;
    return n == 0 && dev->is_closed ? RN_E_CANCELLED : n;
}

/* --- the rest of a device ----------------------------------------------------------------------------------------- */
static int stream_poll_fd(const struct rn_device *dev)
{
    return of(dev)->fd;
}

/* The rest of a frame that was begun must not wait for another frame. */
static void stream_ready(struct rn_device *dev, unsigned events)
{
    if ((events & RN_DEV_WRITABLE) != 0 && !dev->is_closed && !finish_begun(of(dev)))
        events &= ~(unsigned)RN_DEV_WRITABLE;
    if (events != 0)
        rn_device_notify(dev, events);
}

static bool stream_is_holding(const struct rn_device *dev)
{
    return of(dev)->begun != NULL;
}

static void stream_close(struct rn_device *dev)
{
    rn_device_mark_closed(dev);
}

static void release(struct stream_device *self)
{
    const struct rn_alloc *alloc = rn_turn_alloc(self->dev.turn);

    rn_pkt_free(self->begun);
    rn_alloc_free(alloc, self->buf, BUFFER_BYTES);
    rn_alloc_free(alloc, self, sizeof(*self));
}

static void stream_destroy(struct rn_device *dev)
{
    stream_close(dev);
    close(of(dev)->fd);
    release(of(dev));
}

static const struct rn_device_ops stream_ops = {
    .kind = "unix-stream",
    .read_batch = stream_read_batch,
    .write_batch = stream_write_batch,
    .poll_fd = stream_poll_fd,
    .ready = stream_ready,
    .is_holding = stream_is_holding,
    .close = stream_close,
    .destroy = stream_destroy,
};

/* A stream that is taken for datagrams, or the reverse, would seem to work for a while. Of what is no socket the caller knows better. */
static int check_kind(int fd, bool wants_stream)
{
    int type = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return errno == ENOTSOCK && !wants_stream ? RN_OK : rn_err_from_errno(errno);
    return (type == SOCK_STREAM) == wants_stream ? RN_OK : RN_E_BAD_OPTION;
}

int rn_unix_stream_from_fd(struct rn_device **ret, struct rn_turn *turn, int fd,
                           const struct rn_unix_opts *opts)
{
    const struct rn_alloc *alloc = rn_turn_alloc(turn);
    struct stream_device *self;
    struct rn_device *dev;
    int err = check_kind(fd, true);

    if (err < 0)
        return err;
    self = rn_alloc_new(alloc, sizeof(*self));
    if (self == NULL)
        return RN_E_NOMEM;
    dev = &self->dev;
    *dev = (struct rn_device){ .ops = &stream_ops,
                               .turn = turn,
                               .link_type = opts->is_ip ? RN_LINK_IP : RN_LINK_ETHERNET,
                               .mtu = opts->mtu != 0 ? opts->mtu : 1500,
                               .batch = RN_DEVICE_TURN_PKTS,
                               .mac = opts->mac };
    strncpy(dev->name, opts->name != NULL ? opts->name : "unix", sizeof(dev->name) - 1);
    self->fd = fd;
    self->buf = rn_alloc_new(alloc, BUFFER_BYTES);
    if (self->buf == NULL) {
        release(self);
        return RN_E_NOMEM;
    }
    *ret = dev;
    return RN_OK;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */
int rn_unix_stream_open(struct rn_device **ret, struct rn_turn *turn, const char *path,
                        const struct rn_unix_opts *opts)
{
    int fd = rn_unix_connect(SOCK_STREAM, NULL, path);
    int err;

    if (fd < 0)
        return fd;
    err = rn_unix_stream_from_fd(ret, turn, fd, opts);
    if (err < 0)
        close(fd);
    return err;
}

int rn_unix_dgram_from_fd(struct rn_device **ret, struct rn_turn *turn, int fd,
                          const struct rn_unix_opts *opts)
{
    const struct rn_fd_device_opts fdo = { .kind = "unix-dgram",
                                           .name = opts->name != NULL ? opts->name : "unix",
                                           .fd = fd,
                                           .mtu = opts->mtu != 0 ? opts->mtu : 1500,
                                           .link_type = opts->is_ip ? RN_LINK_IP : RN_LINK_ETHERNET,
                                           .mac = opts->mac };
    int err = check_kind(fd, false);

    return err < 0 ? err : rn_fd_device_new(ret, turn, &fdo);
}

int rn_unix_dgram_open(struct rn_device **ret, struct rn_turn *turn, const char *local,
                       const char *remote, const struct rn_unix_opts *opts)
{
    int fd = rn_unix_connect(SOCK_DGRAM, local, remote);
    int err;

    if (fd < 0)
        return fd;
    err = rn_unix_dgram_from_fd(ret, turn, fd, opts);
    if (err < 0)
        close(fd);
    return err;
}
