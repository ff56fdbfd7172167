#pragma once
/* What a vhost-user front-end says, for tests: messages with descriptors, well made or not. */
#include "dev/device.h"
#include "io/vhost_session.h"

#include <sys/socket.h>
#include <unistd.h>

/* All the features a guest may take. */
#define FRONT_ALL                                                                                  \
    (RN_VIRTIO_VERSION_1 | RN_VIRTIO_MRG_RXBUF | RN_VIRTIO_INDIRECT_DESC | RN_VIRTIO_EVENT_IDX |   \
     RN_VHOST_PROTOCOL_FEATURES | RN_VIRTIO_CSUM | RN_VIRTIO_GUEST_CSUM | RN_VIRTIO_GUEST_TSO4 |   \
     RN_VIRTIO_GUEST_TSO6 | RN_VIRTIO_GUEST_ECN | RN_VIRTIO_HOST_TSO4 | RN_VIRTIO_HOST_TSO6 |      \
     RN_VIRTIO_HOST_ECN | RN_VIRTIO_HOST_USO | RN_VIRTIO_GUEST_USO4 | RN_VIRTIO_GUEST_USO6)

static inline void front_send_with(int fd, const uint32_t hdr[3], const void *payload, size_t len,
                                   const int *fds, size_t n_fds)
{
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
    struct iovec iov[2] = { { (void *)(uintptr_t)hdr, 12 }, { (void *)(uintptr_t)payload, len } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

    if (n_fds > 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    /* Whom it threw out needs no answer. */
    (void)!sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static inline void front_send(int fd, uint32_t request, const void *payload, uint32_t len)
{
    const uint32_t hdr[3] = { request, RN_VHOST_VERSION, len };

    front_send_with(fd, hdr, payload, len, NULL, 0);
}

static inline void front_send_u64(int fd, uint32_t request, uint64_t v)
{
    front_send(fd, request, &v, sizeof(v));
}

static inline void front_send_state(int fd, uint32_t request, uint32_t index, uint32_t num)
{
    const uint32_t state[2] = { index, num };

    front_send(fd, request, state, sizeof(state));
}

static inline void front_send_fd(int fd, uint32_t request, uint64_t v, int passed)
{
    const uint32_t hdr[3] = { request, RN_VHOST_VERSION, sizeof(v) };

    front_send_with(fd, hdr, &v, sizeof(v), &passed, 1);
}

/* Lets the back-end act. */
static inline void front_step(struct rn_device *back)
{
    struct rn_pktq q = { 0 };

    while (back->ops->read_batch(back, &q, 64) >= 0)
        continue;
    rn_pktq_free_all(&q);
}

/* Its answer of @len bytes, header left out. false: there is none. */
static inline bool front_answer(int fd, void *ret, size_t len)
{
    uint32_t hdr[3];

    return recv(fd, hdr, sizeof(hdr), MSG_DONTWAIT) == sizeof(hdr) && hdr[2] == len &&
           (hdr[1] & RN_VHOST_IS_REPLY) != 0 && recv(fd, ret, len, MSG_DONTWAIT) == (ssize_t)len;
}

static inline void front_send_memory(int fd, int mem_fd, const struct rn_vhost_claim *claims,
                                     uint32_t n)
{
    uint64_t table[1 + 4 * RN_VHOST_REGIONS_MAX] = { n };
    const uint32_t hdr[3] = { RN_VHOST_SET_MEM_TABLE, RN_VHOST_VERSION, 8 + n * 32 };
    int fds[RN_VHOST_REGIONS_MAX];

    for (uint32_t i = 0; i < n; i++) {
        table[1 + 4 * i] = claims[i].guest_at;
        table[2 + 4 * i] = claims[i].bytes;
        table[3 + 4 * i] = claims[i].user_at;
        table[4 + 4 * i] = claims[i].file_at;
        fds[i] = mem_fd;
    }
    front_send_with(fd, hdr, table, hdr[2], fds, n);
}
