#include "io/vhost_msg.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- descriptors -------------------------------------------------------------------------------------------------- */
static bool keep_fd(struct rn_vhost_msg *msg, int fd)
{
    if (msg->n_fds == RN_VHOST_MSG_FDS_MAX) {
        close(fd);
        return false;
    }
    msg->fds[msg->n_fds++] = fd;
    return true;
}

/* Descriptors may come with any part of a message. false: there are more than any message has. */
static bool keep_fds(struct rn_vhost_msg *msg, struct msghdr *hdr)
{
    bool all = (hdr->msg_flags & MSG_CTRUNC) == 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c != NULL; c = CMSG_NXTHDR(hdr, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
            all &= keep_fd(msg, fd);
        }
    }
    return all;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */
static enum rn_vhost_receipt receive_some(struct rn_vhost_inbox *inbox, int fd, void *to,
                                          size_t bytes)
{
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(inbox->msg.fds))];
    struct iovec iov = { to, bytes };
    struct msghdr hdr = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    ssize_t n = recvmsg(fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? RN_VHOST_LATER : RN_VHOST_GONE;
    if (!keep_fds(&inbox->msg, &hdr))
        return RN_VHOST_BROKEN;
    if (n == 0)
        return RN_VHOST_GONE;
    inbox->have += (size_t)n;
    return RN_VHOST_GOT;
}

static bool parse_header(struct rn_vhost_inbox *inbox)
{
    struct rn_vhost_msg *msg = &inbox->msg;

    memcpy(&msg->request, inbox->hdr, sizeof(msg->request));
    memcpy(&msg->flags, inbox->hdr + 4, sizeof(msg->flags));
    memcpy(&msg->size, inbox->hdr + 8, sizeof(msg->size));
    return (msg->flags & RN_VHOST_VERSION_MASK) == RN_VHOST_VERSION &&
           (msg->flags & RN_VHOST_IS_REPLY) == 0 && msg->size <= RN_VHOST_MSG_PAYLOAD_MAX;
}

enum rn_vhost_receipt rn_vhost_receive(struct rn_vhost_inbox *inbox, int fd)
{
    struct rn_vhost_msg *msg = &inbox->msg;
    enum rn_vhost_receipt receipt;

    while (inbox->have < RN_VHOST_MSG_HDR_BYTES) {
        receipt =
            receive_some(inbox, fd, inbox->hdr + inbox->have, RN_VHOST_MSG_HDR_BYTES - inbox->have);
        if (receipt != RN_VHOST_GOT)
            return receipt;
    }
    if (!parse_header(inbox))
        return RN_VHOST_BROKEN;
    while (inbox->have - RN_VHOST_MSG_HDR_BYTES < msg->size) {
        size_t at = inbox->have - RN_VHOST_MSG_HDR_BYTES;

        receipt = receive_some(inbox, fd, msg->payload + at, msg->size - at);
        if (receipt != RN_VHOST_GOT)
            return receipt;
    }
    return RN_VHOST_GOT;
}

void rn_vhost_inbox_next(struct rn_vhost_inbox *inbox)
{
    for (unsigned i = 0; i < inbox->msg.n_fds; i++) {
        if (inbox->msg.fds[i] >= 0)
            close(inbox->msg.fds[i]);
    }
    inbox->msg.n_fds = 0;
    inbox->have = 0;
}

bool rn_vhost_reply(int fd, uint32_t request, const void *payload, uint32_t size)
{
    uint32_t hdr[3] = { request, RN_VHOST_VERSION | RN_VHOST_IS_REPLY, size };
    struct iovec iov[2] = { { hdr, sizeof(hdr) }, { (void *)(uintptr_t)payload, size } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

    return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(sizeof(hdr) + size);
}
