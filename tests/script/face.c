#include "face.h"

#include <runnel/err.h>
#include <runnel/tcp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { FACE_SIOCINQ = 0x541b, FACE_SIOCOUTQ = 0x5411 }; /* <linux/sockios.h> */

/* --- descriptors ------------------------------------------------------------------------------------------------ */

void face_init(struct face *face, struct world *world)
{
    *face = (struct face){ .world = world };
    face->fds = calloc(FACE_FDS_MAX, sizeof(*face->fds));
    if (face->fds == NULL)
        abort();
}

void face_fini(struct face *face)
{
    for (int fd = 0; fd < FACE_FDS_MAX; fd++) {
        if (face->fds[fd].is_used)
            (void)face_close(face, fd);
    }
    free(face->fds);
    face->fds = NULL;
}

struct face_fd *face_fd(struct face *face, int fd)
{
    if (fd < 0 || fd >= FACE_FDS_MAX || !face->fds[fd].is_used)
        return NULL;
    return &face->fds[fd];
}

static int least_free_fd(const struct face *face)
{
    for (int fd = 3; fd < FACE_FDS_MAX; fd++) {
        if (!face->fds[fd].is_used)
            return fd;
    }
    return -EMFILE;
}

static int take_fd(struct face *face, struct face_fd **ret)
{
    int fd = face->new_fd != NULL ? face->new_fd() : least_free_fd(face);

    if (fd < 0 || fd >= FACE_FDS_MAX)
        return -EMFILE;
    *ret = &face->fds[fd];
    **ret = (struct face_fd){ .is_used = true };
    return fd;
}

/* -EBADF, -ENOTSOCK, or 0 with the socket. */
static int find_sock(struct face *face, int fd, struct face_fd **ret)
{
    struct face_fd *f = face_fd(face, fd);

    if (f == NULL)
        return -EBADF;
    if (f->sock == NULL)
        return -ENOTSOCK;
    *ret = f;
    return 0;
}

static int errno_of(int err)
{
    return err < 0 ? -rn_err_to_errno(err) : err;
}

static void on_event(struct rn_sock *sock, unsigned events, void *arg)
{
    struct face_fd *f = arg;

    (void)sock;
    (void)events;
    f->n_edges++;
}

/* --- addresses --------------------------------------------------------------------------------------------------- */

int face_endpoint(const struct sockaddr *addr, socklen_t len, struct rn_endpoint *ret)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (addr == NULL)
        return -EFAULT;
    if (addr->sa_family == AF_INET && len >= sizeof(in)) {
        memcpy(&in, addr, sizeof(in));
        *ret = (struct rn_endpoint){ .addr = rn_addr_v4(ntohl(in.sin_addr.s_addr)),
                                     .port = ntohs(in.sin_port) };
        return 0;
    }
    if (addr->sa_family == AF_INET6 && len >= sizeof(in6)) {
        memcpy(&in6, addr, sizeof(in6));
        *ret = (struct rn_endpoint){ .addr = rn_addr_v6(in6.sin6_addr.s6_addr),
                                     .port = ntohs(in6.sin6_port) };
        return 0;
    }
    return addr->sa_family == AF_INET || addr->sa_family == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
}

void face_sockaddr(const struct rn_endpoint *e, int domain, struct sockaddr *ret,
                   socklen_t *ret_len)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(e->port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(e->port) };
    const void *from = domain == AF_INET ? (const void *)&in : &in6;
    socklen_t need = domain == AF_INET ? sizeof(in) : sizeof(in6);

    if (ret == NULL || ret_len == NULL)
        return;
    in.sin_addr.s_addr = htonl(rn_addr_to_v4(e->addr));
    memcpy(in6.sin6_addr.s6_addr, e->addr.b, 16);
    memcpy(ret, from, *ret_len < need ? *ret_len : need);
    *ret_len = need;
}

static int check_family(const struct face_fd *f, const struct rn_endpoint *e)
{
    bool is_v4 = rn_addr_is_v4(e->addr);

    return f->domain == AF_INET && !is_v4 ? -EAFNOSUPPORT : 0;
}

/* --- calls that never wait --------------------------------------------------------------------------------------- */

int face_socket(struct face *face, int domain, int type, int proto)
{
    struct rn_sock *sock;
    struct face_fd *f;
    int err;
    int fd;

    if (domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    if ((type & 0xf) != SOCK_STREAM || (proto != 0 && proto != IPPROTO_TCP))
        return -EPROTONOSUPPORT;
    err = rn_tcp_new(&sock, face->world->stack);
    if (err < 0)
        return errno_of(err);
    fd = take_fd(face, &f);
    if (fd < 0) {
        (void)rn_sock_abort(sock);
        return fd;
    }
    f->sock = sock;
    f->domain = domain;
    f->flags = type & SOCK_NONBLOCK;
    rn_sock_on_event(sock, on_event, f);
    return fd;
}

int face_bind(struct face *face, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct rn_endpoint local;
    struct face_fd *f;
    int err = find_sock(face, fd, &f);

    if (err == 0)
        err = face_endpoint(addr, len, &local);
    if (err == 0)
        err = check_family(f, &local);
    return err < 0 ? err : errno_of(rn_sock_bind(f->sock, &local));
}

int face_listen(struct face *face, int fd, int backlog)
{
    struct face_fd *f;
    int err = find_sock(face, fd, &f);

    if (err < 0)
        return err;
    return errno_of(rn_sock_listen(f->sock, backlog < 0 ? 65535u : (unsigned)backlog));
}

int face_shutdown(struct face *face, int fd, int how)
{
    struct face_fd *f;
    int err = find_sock(face, fd, &f);

    if (err < 0)
        return err;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    /* SHUT_RD, _WR, _RDWR are 0, 1, 2 */
    return errno_of(rn_sock_shutdown(f->sock, (enum rn_shut)(how + 1)));
}

static void forget_watches(struct face *face, int fd)
{
    for (int i = 0; i < FACE_FDS_MAX; i++) {
        for (int k = 0; face->fds[i].is_epoll && k < FACE_WATCHES_MAX; k++) {
            if (face->fds[i].watches[k].fd == fd)
                face->fds[i].watches[k].is_used = false;
        }
    }
}

int face_close(struct face *face, int fd)
{
    struct face_fd *f = face_fd(face, fd);

    if (f == NULL)
        return -EBADF;
    f->sock = rn_sock_close(f->sock);
    f->is_used = false;
    f->is_epoll = false;
    forget_watches(face, fd);
    if (face->free_fd != NULL)
        face->free_fd(fd);
    return 0;
}

int face_fcntl(struct face *face, int fd, int cmd, int arg)
{
    struct face_fd *f = face_fd(face, fd);

    if (f == NULL)
        return -EBADF;
    if (cmd == F_GETFL)
        return O_RDWR | f->flags;
    if (cmd == F_SETFL) {
        f->flags = arg & O_NONBLOCK;
        return 0;
    }
    return -EINVAL;
}

int face_ioctl(struct face *face, int fd, unsigned long request, int *arg)
{
    struct face_fd *f;
    int64_t value;
    int err = find_sock(face, fd, &f);

    if (err < 0)
        return err;
    if (request == FACE_SIOCINQ)
        err = rn_sock_get_opt(f->sock, RN_SO_INQ, &value);
    else if (request == FACE_SIOCOUTQ)
        err = rn_sock_get_opt(f->sock, RN_SO_OUTQ, &value);
    else
        return -ENOTTY;
    if (err < 0)
        return errno_of(err);
    *arg = (int)value;
    return 0;
}

int face_name(struct face *face, int fd, bool is_peer, struct sockaddr *ret, socklen_t *ret_len)
{
    struct rn_endpoint e;
    struct face_fd *f;
    int err = find_sock(face, fd, &f);

    if (err < 0)
        return err;
    e = is_peer ? rn_sock_remote(f->sock) : rn_sock_local(f->sock);
    if (is_peer && e.port == 0)
        return -ENOTCONN;
    face_sockaddr(&e, f->domain, ret, ret_len);
    return 0;
}

/* --- readiness ---------------------------------------------------------------------------------------------------- */

static unsigned poll_events(const struct face_fd *f)
{
    unsigned ready = rn_sock_readiness(f->sock);
    unsigned events = 0;

    if ((ready & RN_READABLE) != 0)
        events |= POLLIN | 0x40u /* POLLRDNORM */;
    if ((ready & RN_WRITABLE) != 0)
        events |= POLLOUT | 0x100u /* POLLWRNORM */;
    if ((ready & RN_PEER_SHUT) != 0)
        events |= POLLIN | EPOLLRDHUP;
    if ((ready & RN_HANGUP) != 0)
        events |= POLLHUP | EPOLLRDHUP;
    if ((ready & RN_ERROR) != 0)
        events |= POLLERR;
    return events;
}

int face_epoll_create(struct face *face)
{
    struct face_fd *f;
    int fd = take_fd(face, &f);

    if (fd >= 0)
        f->is_epoll = true;
    return fd;
}

static struct face_watch *find_watch(struct face_fd *ep, int fd)
{
    for (int i = 0; i < FACE_WATCHES_MAX; i++) {
        if (ep->watches[i].is_used && ep->watches[i].fd == fd)
            return &ep->watches[i];
    }
    return NULL;
}

static struct face_watch *new_watch(struct face_fd *ep)
{
    for (int i = 0; i < FACE_WATCHES_MAX; i++) {
        if (!ep->watches[i].is_used)
            return &ep->watches[i];
    }
    return NULL;
}

int face_epoll_ctl(struct face *face, int epfd, int op, int fd, const struct epoll_event *event)
{
    struct face_fd *ep = face_fd(face, epfd);
    struct face_watch *watch;

    if (ep == NULL || face_fd(face, fd) == NULL)
        return -EBADF;
    if (!ep->is_epoll)
        return -EINVAL;
    watch = find_watch(ep, fd);
    if (op == EPOLL_CTL_ADD && watch != NULL)
        return -EEXIST;
    if (op != EPOLL_CTL_ADD && watch == NULL)
        return -ENOENT;
    if (op == EPOLL_CTL_DEL) {
        watch->is_used = false;
        return 0;
    }
    if (op == EPOLL_CTL_ADD)
        watch = new_watch(ep);
    if (watch == NULL)
        return -ENOMEM;
    *watch = (struct face_watch){ .is_used = true, .fd = fd, .events = event->events };
    watch->data = event->data.u64;
    watch->told = UINT32_MAX; /* nothing told yet: differs from every count of edges */
    return 0;
}

static int collect_epoll(struct face *face, struct face_fd *ep, struct epoll_event *ret, int max)
{
    int n = 0;

    for (int i = 0; i < FACE_WATCHES_MAX && n < max; i++) {
        struct face_watch *watch = &ep->watches[i];
        struct face_fd *f = watch->is_used ? face_fd(face, watch->fd) : NULL;
        unsigned events;

        if (f == NULL || f->sock == NULL)
            continue;
        events = poll_events(f) & (watch->events | POLLERR | POLLHUP);
        if (events == 0 || ((watch->events & EPOLLET) != 0 && watch->told == f->n_edges))
            continue;
        watch->told = f->n_edges;
        if ((watch->events & EPOLLONESHOT) != 0)
            watch->events = 0;
        ret[n] = (struct epoll_event){ .events = events };
        ret[n++].data.u64 = watch->data;
    }
    return n;
}

static int collect_polls(struct face *face, struct pollfd *polls, nfds_t n_polls)
{
    int n = 0;

    for (nfds_t i = 0; i < n_polls; i++) {
        const struct face_fd *f = face_fd(face, polls[i].fd);
        unsigned always = POLLERR | POLLHUP | POLLNVAL;
        unsigned events = f == NULL || f->sock == NULL ? POLLNVAL : poll_events(f);

        polls[i].revents = (short)(events & ((unsigned)polls[i].events | always));
        n += polls[i].revents != 0;
    }
    return n;
}

/* --- calls that may wait ------------------------------------------------------------------------------------------ */

static bool finish(struct face_call *call, int64_t result)
{
    call->result = result;
    return true;
}

static bool is_nonblocking(const struct face_fd *f, const struct face_call *call)
{
    return (f->flags & O_NONBLOCK) != 0 || (call->flags & MSG_DONTWAIT) != 0;
}

/* The call can do no more for now. */
static bool wait_or(struct face *face, const struct face_fd *f, struct face_call *call, int err_no)
{
    if (is_nonblocking(f, call))
        return finish(call, -err_no);
    if (call->deadline_ns != 0 && world_now_ns(face->world) >= call->deadline_ns)
        return finish(call, -err_no);
    return false;
}

static void start(struct face *face, struct face_call *call, int64_t timeout_ns)
{
    if (call->is_started)
        return;
    call->is_started = true;
    call->deadline_ns = timeout_ns > 0 ? world_now_ns(face->world) + timeout_ns : 0;
}

static bool step_accept(struct face *face, struct face_fd *f, struct face_call *call)
{
    struct rn_endpoint peer;
    struct rn_sock *sock;
    struct face_fd *child;
    int err;
    int fd;

    start(face, call, f->rcvtimeo_ns);
    err = rn_sock_accept(f->sock, &sock);
    if (err == RN_E_WOULD_BLOCK)
        return wait_or(face, f, call, EAGAIN);
    if (err < 0)
        return finish(call, errno_of(err));
    fd = take_fd(face, &child);
    if (fd < 0) {
        (void)rn_sock_abort(sock);
        return finish(call, fd);
    }
    child->sock = sock;
    child->domain = f->domain;
    rn_sock_on_event(sock, on_event, child);
    peer = rn_sock_remote(sock);
    face_sockaddr(&peer, f->domain, call->ret_addr, call->ret_addr_len);
    return finish(call, fd);
}

/* How a connect() that was started stands. */
static bool step_connecting(struct face *face, struct face_fd *f, struct face_call *call)
{
    unsigned ready = rn_sock_readiness(f->sock);
    int err;

    if ((ready & (RN_ERROR | RN_HANGUP)) != 0) {
        f->is_connecting = false;
        err = rn_sock_take_error(f->sock);
        return finish(call, err < 0 ? errno_of(err) : -ECONNABORTED);
    }
    if ((ready & (RN_WRITABLE | RN_READABLE)) != 0) {
        struct rn_endpoint remote = rn_sock_remote(f->sock);

        f->is_connecting = false;
        return finish(call, errno_of(rn_sock_connect(f->sock, &remote))); /* tells it once */
    }
    return wait_or(face, f, call, call->is_started ? EINPROGRESS : EALREADY);
}

static bool step_connect(struct face *face, struct face_fd *f, struct face_call *call)
{
    struct rn_endpoint remote;
    int err;

    if (f->is_connecting &&
        (call->is_started || !is_nonblocking(f, call) || rn_sock_readiness(f->sock) != 0))
        return step_connecting(face, f, call);
    err = face_endpoint(call->addr, call->addr_len, &remote);
    if (err == 0)
        err = check_family(f, &remote);
    if (err < 0)
        return finish(call, err);
    err = rn_sock_connect(f->sock, &remote);
    f->is_deferred = f->is_deferred || err == RN_OK;
    if (err != RN_E_CONNECT_STARTED)
        return finish(call, errno_of(err));
    f->is_connecting = true;
    start(face, call, f->sndtimeo_ns);
    return wait_or(face, f, call, EINPROGRESS);
}

/* Copies what lies there into the buffers from call->done on, and takes it unless peeking. */
static int64_t read_some(struct face_fd *f, struct face_call *call)
{
    size_t skip = call->done;
    int64_t total = 0;

    if ((call->flags & MSG_PEEK) != 0) {
        struct rn_slice slices[256];
        int n = rn_tcp_peek_views(f->sock, slices, 256);
        size_t room = call->n_iov > 0 ? call->iov[0].iov_len : 0;
        uint8_t *to = call->n_iov > 0 ? call->iov[0].iov_base : NULL;

        for (int i = 0; i < n && room > (size_t)total; i++) {
            size_t take =
                slices[i].len < room - (size_t)total ? slices[i].len : room - (size_t)total;

            if ((call->flags & MSG_TRUNC) == 0)
                memcpy(to + total, slices[i].ptr, take);
            total += (int64_t)take;
        }
        return n <= 0 ? n : total;
    }
    for (int i = 0; i < call->n_iov; i++) {
        int64_t n;

        if (skip >= call->iov[i].iov_len) {
            skip -= call->iov[i].iov_len;
            continue;
        }
        n = rn_tcp_read(f->sock, (uint8_t *)call->iov[i].iov_base + skip,
                        call->iov[i].iov_len - skip);
        if (n <= 0)
            return total > 0 ? total : n;
        total += n;
        if ((size_t)n < call->iov[i].iov_len - skip)
            break;
        skip = 0;
    }
    return total;
}

/* recv(MSG_TRUNC) throws bytes away and touches no buffer. */
static int64_t discard_some(struct face_fd *f, struct face_call *call)
{
    struct rn_slice slice;
    size_t want = 0;
    int64_t waiting;
    int n = rn_tcp_peek_views(f->sock, &slice, 1);

    if (n <= 0)
        return n;
    for (int i = 0; i < call->n_iov; i++)
        want += call->iov[i].iov_len;
    if (rn_sock_get_opt(f->sock, RN_SO_INQ, &waiting) < 0)
        return 0;
    if (want > (size_t)waiting)
        want = (size_t)waiting;
    rn_tcp_consume(f->sock, want);
    return (int64_t)want;
}

static size_t iov_total(const struct face_call *call)
{
    size_t total = 0;

    for (int i = 0; i < call->n_iov; i++)
        total += call->iov[i].iov_len;
    return total;
}

static bool step_read(struct face *face, struct face_fd *f, struct face_call *call)
{
    bool wants_all = (call->flags & MSG_WAITALL) != 0;
    int64_t n;

    start(face, call, f->rcvtimeo_ns);
    if ((call->flags & (MSG_OOB | MSG_ERRQUEUE)) != 0)
        return finish(call, (call->flags & MSG_OOB) != 0 ? -EINVAL : -EAGAIN);
    if (iov_total(call) == 0)
        return finish(call, 0);
    for (int i = 0; i < call->n_iov; i++) {
        if (call->iov[i].iov_base == NULL && (call->flags & MSG_TRUNC) == 0)
            return finish(call, -EFAULT);
    }
    n = (call->flags & (MSG_TRUNC | MSG_PEEK)) == MSG_TRUNC ? discard_some(f, call)
                                                            : read_some(f, call);
    if (n > 0)
        call->done += (size_t)n;
    if (n > 0 && wants_all && call->done < iov_total(call))
        n = RN_E_WOULD_BLOCK;
    if (n == RN_E_WOULD_BLOCK)
        return call->done > 0 && is_nonblocking(f, call) ? finish(call, (int64_t)call->done)
                                                         : wait_or(face, f, call, EAGAIN);
    return finish(call, call->done > 0 ? (int64_t)call->done : n < 0 ? errno_of((int)n) : 0);
}

static int64_t write_some(struct face_fd *f, const struct face_call *call)
{
    unsigned flags = (call->flags & MSG_MORE) != 0 ? RN_WRITE_MORE : 0;
    size_t skip = call->done;
    int64_t total = 0;

    for (int i = 0; i < call->n_iov; i++) {
        bool is_last = i + 1 == call->n_iov;
        int64_t n;

        if (skip >= call->iov[i].iov_len && !(is_last && call->iov[i].iov_len == 0)) {
            skip -= call->iov[i].iov_len;
            continue;
        }
        n = rn_tcp_write(f->sock, (const uint8_t *)call->iov[i].iov_base + skip,
                         call->iov[i].iov_len - skip, is_last ? flags : flags | RN_WRITE_MORE);
        if (n < 0)
            return total > 0 ? total : n;
        total += n;
        if ((size_t)n < call->iov[i].iov_len - skip)
            break;
        skip = 0;
    }
    return total;
}

static size_t gather(const struct face_call *call, uint8_t *to, size_t max)
{
    size_t len = 0;

    for (int i = 0; i < call->n_iov && len < max; i++) {
        size_t n = call->iov[i].iov_len < max - len ? call->iov[i].iov_len : max - len;

        if (n != 0)
            memcpy(to + len, call->iov[i].iov_base, n);
        len += n;
    }
    return len;
}

/* sendto(MSG_FASTOPEN), or the write that a deferred connect() waits for: connects, with what a SYN takes along. */
static int64_t connect_write(struct face_fd *f, struct face_call *call)
{
    uint8_t bytes[2048];
    size_t len = gather(call, bytes, sizeof(bytes));
    struct rn_endpoint remote;
    int err;

    if (f->is_deferred)
        return rn_tcp_write(f->sock, bytes, len, 0);
    if (f->is_fastopen_off || call->addr == NULL || call->addr->sa_family == AF_UNSPEC)
        return RN_E_NOT_SUPPORTED;
    err = face_endpoint(call->addr, call->addr_len, &remote);
    if (err < 0)
        return rn_err_from_errno(-err);
    return rn_tcp_connect_write(f->sock, &remote, bytes, len);
}

/* Does @call open the connection? In SYN-SENT a second one is refused; later MSG_FASTOPEN says nothing. */
static bool is_opening(const struct face_fd *f, const struct face_call *call)
{
    struct rn_tcp_info info;

    if (call->is_connecting)
        return false;
    if (f->is_deferred)
        return true;
    return (call->flags & MSG_FASTOPEN) != 0 && rn_tcp_get_info(f->sock, &info) == 0 &&
           (info.state == RN_TCP_SYN_SENT ||
            (info.state == RN_TCP_CLOSED && rn_sock_remote(f->sock).port == 0));
}

/* All at once, and the SYN takes what it can: how a call that waits opens a connection. */
static int64_t queue_all(struct face_fd *f, struct face_call *call,
                         const struct rn_endpoint *remote)
{
    struct rn_tcp_info info;
    size_t len = iov_total(call);
    uint8_t *copy = malloc(len + 1);
    int64_t n = RN_E_NOMEM;
    int err = f->is_deferred ? RN_OK : rn_sock_connect(f->sock, remote);

    if (err == RN_OK && copy != NULL && len != 0) {
        (void)gather(call, copy, len);
        n = rn_tcp_write_ref(f->sock, (struct rn_slice){ copy, len }, free, copy);
    }
    if (n < 0)
        free(copy);
    if (err < 0)
        return err;
    /* On Linux the ACKs of who waits to write ride on what is written. */
    if (n > 0 && rn_tcp_get_info(f->sock, &info) == 0 && info.notsent != 0)
        (void)!rn_sock_set_opt(f->sock, RN_TCP_QUICKACK, 0);
    return len == 0 ? rn_tcp_write(f->sock, "", 0, 0) : n;
}

static int64_t open_waiting(struct face_fd *f, struct face_call *call)
{
    struct rn_endpoint remote = { 0 };
    int err = 0;

    if (!f->is_deferred) {
        if (f->is_fastopen_off || call->addr == NULL || call->addr->sa_family == AF_UNSPEC)
            return RN_E_NOT_SUPPORTED;
        err = face_endpoint(call->addr, call->addr_len, &remote);
        if (err == 0)
            (void)!rn_sock_set_opt(f->sock, RN_TCP_FASTOPEN_CONNECT, 1);
    }
    return err < 0 ? rn_err_from_errno(-err) : queue_all(f, call, &remote);
}

/* A call that waits does so for the whole handshake, though its bytes are on their way. */
static int64_t write_first(struct face_fd *f, struct face_call *call)
{
    bool waits = !is_nonblocking(f, call);
    int64_t n = waits ? open_waiting(f, call) : connect_write(f, call);

    f->is_deferred = false;
    if ((n < 0 && n != RN_E_CONNECT_STARTED) || !waits)
        return n;
    call->is_connecting = true;
    return n > 0 ? n : RN_E_WOULD_BLOCK;
}

/* 0: it stands; WOULD_BLOCK; or how it ended. */
static int how_it_stands(struct face_fd *f, struct face_call *call)
{
    unsigned ready = rn_sock_readiness(f->sock);
    int err = ready == 0 ? RN_E_WOULD_BLOCK : RN_OK;

    if ((ready & (RN_ERROR | RN_HANGUP)) != 0)
        err = rn_sock_take_error(f->sock);
    if (err != RN_E_WOULD_BLOCK)
        call->is_connecting = false;
    if (err < 0 && err != RN_E_WOULD_BLOCK)
        call->done = 0;
    return err;
}

static int64_t write_step(struct face_fd *f, struct face_call *call)
{
    int err = call->is_connecting ? how_it_stands(f, call) : RN_OK;

    if (err < 0)
        return err;
    if (is_opening(f, call))
        return write_first(f, call);
    return call->done < iov_total(call) || iov_total(call) == 0 ? write_some(f, call) : 0;
}

static bool step_write(struct face *face, struct face_fd *f, struct face_call *call)
{
    size_t total = iov_total(call);
    int64_t n;

    start(face, call, f->sndtimeo_ns);
    if ((call->flags & MSG_OOB) != 0)
        return finish(call, -EOPNOTSUPP);
    for (int i = 0; i < call->n_iov; i++) {
        if (call->iov[i].iov_base == NULL && call->iov[i].iov_len != 0)
            return finish(call, -EFAULT);
    }
    n = write_step(f, call);
    if (n > 0)
        call->done += (size_t)n;
    if (n >= 0 && call->done >= total && !call->is_connecting)
        return finish(call, (int64_t)call->done);
    if (n >= 0 || n == RN_E_WOULD_BLOCK)
        return call->done > 0 && is_nonblocking(f, call) ? finish(call, (int64_t)call->done)
                                                         : wait_or(face, f, call, EAGAIN);
    return finish(call, call->done > 0 ? (int64_t)call->done : errno_of((int)n));
}

static bool step_poll(struct face *face, struct face_call *call)
{
    struct face_fd *ep = call->kind == FACE_EPOLL_WAIT ? face_fd(face, call->fd) : NULL;
    int n;

    if (call->kind == FACE_EPOLL_WAIT && (ep == NULL || !ep->is_epoll))
        return finish(call, -EBADF);
    start(face, call, (int64_t)call->timeout_ms * RN_NS_PER_MS);
    n = ep != NULL ? collect_epoll(face, ep, call->events, call->max_events)
                   : collect_polls(face, call->polls, call->n_polls);
    if (n > 0 || call->timeout_ms == 0)
        return finish(call, n);
    if (call->deadline_ns != 0 && world_now_ns(face->world) >= call->deadline_ns)
        return finish(call, 0);
    return false;
}

bool face_step(struct face *face, struct face_call *call)
{
    struct face_fd *f = NULL;
    int err = 0;

    if (call->kind == FACE_POLL || call->kind == FACE_EPOLL_WAIT)
        return step_poll(face, call);
    err = find_sock(face, call->fd, &f);
    if (err < 0)
        return finish(call, err);
    if (call->kind == FACE_ACCEPT)
        return step_accept(face, f, call);
    if (call->kind == FACE_CONNECT)
        return step_connect(face, f, call);
    return call->kind == FACE_READ ? step_read(face, f, call) : step_write(face, f, call);
}
