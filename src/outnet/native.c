#include "outnet/native.h"

#include "outnet/native_fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * TCP over host sockets: non-blocking, edge-triggered, one epoll_ctl per connection. What epoll tells is noted at once
 * and handed on in the turn's EVENT phase, when the owner may do anything, closing included.
 */

struct native_conn {
    struct rn_net_conn conn;
    struct rn_native *net;
    struct rn_net_dial *dial; /* until connected */
    struct rn_watch watch;
    struct rn_task ready;
    int fd;
    unsigned events; /* collected for the next firing */
    struct rn_native_seat seat;
    bool has_written;
    bool is_nodelay;
};

static struct native_conn *conn_of(struct rn_net_conn *conn)
{
    return rn_container_of(conn, struct native_conn, conn);
}

/* --- life --------------------------------------------------------------------------------------------------- */
static void conn_destroy(struct native_conn *self)
{
    struct rn_native *net = self->net;

    rn_turn_unschedule(&self->ready);
    close(self->fd); /* syscalls: close */
    rn_unwatch_closed(&self->watch);
    net->n_fds--;
    rn_alloc_free(rn_turn_alloc(net->net.turn), self, sizeof(*self));
}

static unsigned events_of(unsigned ready)
{
    unsigned events = 0;

    if (ready & (RN_IO_READ | RN_IO_HUP))
        events |= RN_READABLE;
    if (ready & RN_IO_WRITE)
        events |= RN_WRITABLE;
    if (ready & RN_IO_HUP)
        events |= RN_PEER_SHUT;
    if (ready & RN_IO_ERROR)
        events |= RN_ERROR;
    return events;
}

static void on_ready(struct rn_watch *watch, unsigned ready)
{
    struct native_conn *self = rn_container_of(watch, struct native_conn, watch);

    self->events |= events_of(ready);
    self->conn.is_ending |= (self->events & (RN_PEER_SHUT | RN_ERROR)) != 0;
    rn_turn_schedule(self->net->net.turn, RN_PHASE_EVENT, &self->ready);
}

static int pending_error(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) /* syscalls: getsockopt */
        return errno;
    return err;
}

static void finish_dial(struct native_conn *self)
{
    struct rn_net_dial *dial = self->dial;
    int host_errno = self->events & (RN_ERROR | RN_PEER_SHUT) ? pending_error(self->fd) : 0;

    self->dial = NULL;
    dial->pending = NULL;
    if (host_errno != 0) {
        conn_destroy(self);
        dial->done(dial, rn_native_err(host_errno), NULL);
        return;
    }
    self->events &= ~(unsigned)RN_WRITABLE; /* done() says so; what else came is an event */
    if (self->events != 0)
        rn_turn_schedule(self->net->net.turn, RN_PHASE_EVENT, &self->ready);
    dial->done(dial, RN_OK, &self->conn);
}

static void fire(struct rn_task *task)
{
    struct native_conn *self = rn_container_of(task, struct native_conn, ready);
    unsigned events = self->events;

    if (self->dial != NULL) {
        if (events & (RN_WRITABLE | RN_ERROR | RN_PEER_SHUT))
            finish_dial(self);
        return;
    }
    self->events = 0;
    if (self->conn.on_event != NULL)
        self->conn.on_event(&self->conn, events);
}

/* --- data --------------------------------------------------------------------------------------------------- */
static int64_t native_readv(struct rn_net_conn *conn, const struct rn_net_span *to, unsigned n)
{
    struct native_conn *self = conn_of(conn);
    struct iovec iov[RN_NATIVE_IOV_MAX];
    ssize_t got;

    rn_assert(n <= RN_NATIVE_IOV_MAX);
    for (unsigned i = 0; i < n; i++)
        iov[i] = (struct iovec){ to[i].ptr, to[i].len };
    got = readv(self->fd, iov, (int)n); /* syscalls: readv */
    if (got < 0)
        return rn_native_err(errno);
    rn_native_crowd_note(&self->net->crowd, &self->seat, self->fd, (size_t)got,
                         self->net->net.turn->now_ns);
    return got;
}

static void set_nodelay(struct native_conn *self)
{
    int one = 1;

    (void)setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    self->is_nodelay = true;
}

static int64_t native_writev(struct rn_net_conn *conn, const struct rn_slice *views, unsigned n)
{
    struct native_conn *self = conn_of(conn);
    struct iovec iov[RN_NATIVE_IOV_MAX];
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = rn_native_iov(iov, views, n) };
    ssize_t sent;

    /* The inner stack has coalesced already: to hold a partial segment back here would only add delay. Nothing can be held
     * back before the second write, which many connections never make. */
    if (self->has_written && !self->is_nodelay)
        set_nodelay(self);
    self->has_written = true;
    sent = sendmsg(self->fd, &msg, MSG_NOSIGNAL); /* syscalls: sendmsg */
    return sent >= 0 ? (int64_t)sent : rn_native_err(errno);
}

static void native_shut_write(struct rn_net_conn *conn)
{
    (void)shutdown(conn_of(conn)->fd, SHUT_WR); /* syscalls: shutdown */
}

static void native_close(struct rn_net_conn *conn)
{
    conn_destroy(conn_of(conn));
}

static void native_abort(struct rn_net_conn *conn)
{
    struct native_conn *self = conn_of(conn);
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    (void)setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* syscalls: setsockopt */
    conn_destroy(self);
}

static const struct rn_net_conn_ops native_conn_ops = {
    .readv = native_readv,
    .writev = native_writev,
    .shut_write = native_shut_write,
    .close = native_close,
    .abort = native_abort,
};

/* --- birth -------------------------------------------------------------------------------------------------- */
/* Consumes @fd on success. */
static int conn_new(struct native_conn **ret, struct rn_native *net, int fd)
{
    const struct rn_alloc *alloc = rn_turn_alloc(net->net.turn);
    struct native_conn *self = rn_alloc_new(alloc, sizeof(*self));
    int err;

    if (self == NULL)
        return RN_E_NOMEM;
    *self = (struct native_conn){
        .conn.ops = &native_conn_ops, .net = net, .fd = fd, .ready.run = fire
    };
    self->watch.fn = on_ready;
    err = rn_loop_watch(net->loop, &self->watch, fd, RN_IO_READ | RN_IO_WRITE | RN_IO_EDGE);
    if (err < 0) {
        rn_alloc_free(alloc, self, sizeof(*self));
        return err;
    }
    net->n_fds++;
    *ret = self;
    return RN_OK;
}

static void answer_at_once(struct rn_task *task)
{
    struct rn_net_dial *dial = rn_container_of(task, struct rn_net_dial, task);

    dial->pending = NULL;
    dial->done(dial, dial->err, NULL);
}

/* The host knew the answer at once (no route, nobody listens on loopback): still an event, never inline. */
static void fail_dial(struct rn_native *net, struct rn_net_dial *dial, int host_errno)
{
    dial->err = rn_native_err(host_errno);
    dial->pending = dial;
    dial->task = (struct rn_task){ .run = answer_at_once };
    rn_turn_schedule(net->net.turn, RN_PHASE_EVENT, &dial->task);
}

static int native_dial(struct rn_net *net, struct rn_net_dial *dial)
{
    struct rn_native *self = rn_container_of(net, struct rn_native, net);
    struct native_conn *conn;
    struct rn_native_addr to = rn_native_addr_of(&dial->to);
    int fd;
    int err;

    if (rn_native_is_full(self))
        return RN_E_LIMIT;
    fd = rn_native_socket(self, to.sa.sa_family, SOCK_STREAM, 0);
    if (fd < 0) {
        fail_dial(self, dial, -fd);
        return RN_OK;
    }
    if (connect(fd, &to.sa, to.len) < 0 && errno != EINPROGRESS) { /* syscalls: connect */
        fail_dial(self, dial, errno);
        close(fd);
        return RN_OK;
    }
    err = conn_new(&conn, self, fd);
    if (err < 0) {
        close(fd);
        return err;
    }
    conn->dial = dial;
    conn->conn.remote = dial->to;
    dial->pending = conn;
    return RN_OK;
}

static void native_dial_cancel(struct rn_net_dial *dial)
{
    if (dial->pending == dial)
        rn_turn_unschedule(&dial->task);
    else
        conn_destroy(dial->pending);
    dial->pending = NULL;
}

int rn_net_native_adopt(struct rn_net_conn **ret, struct rn_net *net, int fd)
{
    struct native_conn *conn;
    int err = conn_new(&conn, rn_container_of(net, struct rn_native, net), fd);

    if (err < 0)
        return err;
    conn->conn.remote = rn_native_peer(fd);
    *ret = &conn->conn;
    return RN_OK;
}

static void native_destroy(struct rn_net *net)
{
    struct rn_native *self = rn_container_of(net, struct rn_native, net);

    rn_assert(self->n_fds == 0);
    rn_alloc_free(rn_turn_alloc(net->turn), self, sizeof(*self));
}

static const struct rn_net_ops native_ops = {
    .kind = "native",
    .dial = native_dial,
    .dial_cancel = native_dial_cancel,
    .open_dgram = rn_native_open_dgram,
    .destroy = native_destroy,
};

int rn_net_native_new(struct rn_net **ret, struct rn_loop *loop,
                      const struct rn_net_native_opts *opts)
{
    struct rn_turn *turn = rn_loop_turn(loop);
    struct rn_native *self = rn_alloc_new(rn_turn_alloc(turn), sizeof(*self));

    if (self == NULL)
        return RN_E_NOMEM;
    self->net = (struct rn_net){ .ops = &native_ops, .turn = turn };
    self->loop = loop;
    self->opts = *opts;
    self->max_fds = rn_native_fd_limit(opts->max_conns);
    *ret = &self->net;
    return RN_OK;
}
