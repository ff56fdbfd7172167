#include "host/fdpass.h"

#include <runnel/err.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The control message, aligned as cmsghdr wants it. */
union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(RN_FDPASS_MAX * sizeof(int))];
};

int rn_fdpass_pair(int ret[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
        return rn_err_from_errno(errno);
    return RN_OK;
}

static void attach(struct msghdr *msg, union control *control, const struct rn_fds *fds)
{
    size_t bytes = fds->n * sizeof(int);
    struct cmsghdr *head;

    memset(control, 0, sizeof(*control));
    msg->msg_control = control->bytes;
    msg->msg_controllen = CMSG_SPACE(bytes);
    head = CMSG_FIRSTHDR(msg);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(head), fds->fd, bytes);
}

int rn_fdpass_send(int sock, const void *bytes, size_t len, const struct rn_fds *fds)
{
    struct iovec iov = { (void *)(uintptr_t)bytes, len }; /* only read */
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    union control control;
    ssize_t n;

    if (fds != NULL && fds->n > RN_FDPASS_MAX)
        return RN_E_LIMIT;
    if (fds != NULL && fds->n > 0)
        attach(&msg, &control, fds);
    do {
        n = sendmsg(sock, &msg, MSG_NOSIGNAL); /* syscalls: sendmsg */
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? RN_E_WOULD_BLOCK : rn_err_from_errno(errno);
    return RN_OK;
}

void rn_fds_close(struct rn_fds *fds)
{
    while (fds->n > 0)
        close(fds->fd[--fds->n]);
}

static void collect(struct msghdr *msg, struct rn_fds *fds)
{
    fds->n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        if (bytes > sizeof(fds->fd))
            bytes = sizeof(fds->fd);
        memcpy(fds->fd, CMSG_DATA(c), bytes);
        fds->n = (unsigned)(bytes / sizeof(int));
    }
}

int rn_fdpass_recv(int sock, void *bytes, size_t cap, struct rn_fds *ret_fds)
{
    struct iovec iov = { bytes, cap };
    union control control;
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    struct rn_fds fds;
    ssize_t n;

    do {
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC); /* syscalls: recvmsg */
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? RN_E_WOULD_BLOCK : rn_err_from_errno(errno);
    collect(&msg, &fds);
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        rn_fds_close(&fds);
        return RN_E_MSG_TOO_LONG;
    }
    if (ret_fds != NULL)
        *ret_fds = fds;
    else
        rn_fds_close(&fds);
    return (int)n;
}
