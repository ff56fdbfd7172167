#include "io/vhost_session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- descriptors -------------------------------------------------------------------------------------------------- */
static void replace_fd(int *fd, int with)
{
    if (*fd >= 0)
        close(*fd);
    *fd = with;
}

/* The front-end has the same file: closing our number of it alone would leave it watched. */
static void close_watched(const struct rn_vhost_session *self, int *fd)
{
    if (*fd >= 0)
        (void)epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
    replace_fd(fd, -1);
}

/* The only descriptor of @msg, now the caller's; -1: there is none. */
static int take_fd(struct rn_vhost_msg *msg)
{
    int fd;

    if (msg->n_fds != 1)
        return -1;
    fd = msg->fds[0];
    msg->fds[0] = -1;
    return fd;
}

/* A write to it must not stop us. The front-end shares the flag and could take it off again; that would be its own loss only as long
 * as the device has a thread of its own. */
static bool set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static void ring_bell(int fd)
{
    if (fd >= 0)
        (void)eventfd_write(fd, 1);
}

void rn_vhost_queue_publish(struct rn_vhost_queue *queue)
{
    if (rn_vhost_ring_publish(&queue->ring))
        ring_bell(queue->call_fd);
}

/* --- rings -------------------------------------------------------------------------------------------------------- */
static bool is_multiple(const void *ptr, size_t of)
{
    return (uintptr_t)ptr % of == 0;
}

/* Where the three parts are in the memory there is now. NULL, or what is wrong. */
static const char *find_parts(const struct rn_vhost_session *self,
                              const struct rn_vhost_queue *queue, struct rn_vhost_parts *ret)
{
    if (queue->size == 0)
        return "ring without a size";
    if (!queue->has_addr)
        return "ring without addresses";
    ret->desc = rn_vhost_mem_user(&self->mem, queue->user_desc, rn_vhost_desc_bytes(queue->size));
    ret->avail =
        rn_vhost_mem_user(&self->mem, queue->user_avail, rn_vhost_avail_bytes(queue->size));
    ret->used = rn_vhost_mem_user(&self->mem, queue->user_used, rn_vhost_used_bytes(queue->size));
    if (ret->desc == NULL || ret->avail == NULL || ret->used == NULL)
        return "ring outside of the memory";
    if (!is_multiple(ret->desc, 16) || !is_multiple(ret->avail, 2) || !is_multiple(ret->used, 4))
        return "ring is not aligned";
    return NULL;
}

static const char *start_queue(struct rn_vhost_session *self, struct rn_vhost_queue *queue)
{
    struct rn_vhost_parts parts = { 0 };
    const char *why = find_parts(self, queue, &parts);

    if (why != NULL)
        return why;
    queue->ring.mem = &self->mem;
    queue->ring.has_event_idx = (self->features & RN_VIRTIO_EVENT_IDX) != 0;
    rn_vhost_ring_start(&queue->ring, &parts, queue->size, queue->base);
    rn_vhost_ring_ask_kick(&queue->ring);
    queue->is_started = true;
    /* Else it waits for SET_VRING_ENABLE. */
    if ((self->features & RN_VHOST_PROTOCOL_FEATURES) == 0)
        queue->is_enabled = true;
    return NULL;
}

/* The memory has changed; rings that run are found anew and go on where they were. */
static const char *move_rings(struct rn_vhost_session *self)
{
    for (unsigned i = 0; i < RN_VHOST_QUEUES; i++) {
        struct rn_vhost_queue *queue = &self->queues[i];
        struct rn_vhost_parts parts = { 0 };
        const char *why;

        if (!queue->is_started)
            continue;
        why = find_parts(self, queue, &parts);
        if (why != NULL)
            return why;
        queue->ring.parts = parts;
    }
    return NULL;
}

static void stop_queue(const struct rn_vhost_session *self, struct rn_vhost_queue *queue)
{
    if (queue->is_started)
        queue->base = queue->ring.taken_at;
    queue->is_started = false;
    close_watched(self, &queue->kick_fd);
}

/* --- requests: NULL, or what was wrong ---------------------------------------------------------------------------- */
static uint64_t u64_of(const struct rn_vhost_msg *msg, size_t at)
{
    uint64_t v;

    memcpy(&v, msg->payload + at, sizeof(v));
    return v;
}

static uint32_t u32_of(const struct rn_vhost_msg *msg, size_t at)
{
    uint32_t v;

    memcpy(&v, msg->payload + at, sizeof(v));
    return v;
}

static const char *answer(const struct rn_vhost_session *self, uint32_t request,
                          const void *payload, uint32_t size)
{
    return rn_vhost_reply(self->fd, request, payload, size) ? NULL : "front-end takes no answers";
}

static const char *get_features(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    return answer(self, msg->request, &self->offered, sizeof(self->offered));
}

static const char *set_features(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    uint64_t asked = u64_of(msg, 0);

    if ((asked & ~self->offered) != 0)
        return "feature that was not offered";
    self->features = asked;
    for (unsigned i = 0; i < RN_VHOST_QUEUES; i++)
        self->queues[i].ring.has_event_idx = (asked & RN_VIRTIO_EVENT_IDX) != 0;
    return NULL;
}

static const char *get_protocol_features(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    const uint64_t offered = RN_VHOST_P_REPLY_ACK;

    return answer(self, msg->request, &offered, sizeof(offered));
}

static const char *set_protocol_features(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    uint64_t asked = u64_of(msg, 0);

    if ((asked & ~RN_VHOST_P_REPLY_ACK) != 0)
        return "protocol feature that was not offered";
    self->protocol = asked;
    return NULL;
}

static const char *set_owner(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    (void)self;
    (void)msg;
    return NULL;
}

/* Deprecated, and by the text of the protocol a request to stop. */
static const char *reset_owner(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    (void)msg;
    for (unsigned i = 0; i < RN_VHOST_QUEUES; i++) {
        stop_queue(self, &self->queues[i]);
        self->queues[i].is_enabled = false;
    }
    return NULL;
}

enum { TABLE_HDR_BYTES = 8, TABLE_REGION_BYTES = 32 };

static const char *set_mem_table(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    uint32_t n = u32_of(msg, 0);

    if (n > RN_VHOST_REGIONS_MAX || msg->size < TABLE_HDR_BYTES + n * TABLE_REGION_BYTES)
        return "memory table of too many regions";
    if (msg->n_fds != n)
        return "memory table and its descriptors differ in number";
    rn_vhost_mem_clear(&self->mem);
    for (uint32_t i = 0; i < n; i++) {
        size_t at = TABLE_HDR_BYTES + (size_t)i * TABLE_REGION_BYTES;
        const struct rn_vhost_claim claim = { .guest_at = u64_of(msg, at),
                                              .bytes = u64_of(msg, at + 8),
                                              .user_at = u64_of(msg, at + 16),
                                              .file_at = u64_of(msg, at + 24) };
        const char *why = rn_vhost_mem_add(&self->mem, &claim, msg->fds[i], self->trust);

        if (why != NULL)
            return why;
    }
    return move_rings(self);
}

/* The ring that the u32 in front of the payload names; NULL: there is no such ring. */
static struct rn_vhost_queue *queue_of(struct rn_vhost_session *self, uint32_t index)
{
    return index < RN_VHOST_QUEUES ? &self->queues[index] : NULL;
}

static const char no_ring[] = "ring that there is not";

static const char *set_vring_num(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    struct rn_vhost_queue *queue = queue_of(self, u32_of(msg, 0));
    uint32_t size = u32_of(msg, 4);

    if (queue == NULL)
        return no_ring;
    if (size == 0 || size > RN_VHOST_RING_MAX || (size & (size - 1)) != 0)
        return "ring of an impossible size";
    if (queue->is_started)
        return "ring changes while it runs";
    queue->size = size;
    return NULL;
}

static const char *set_vring_base(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    struct rn_vhost_queue *queue = queue_of(self, u32_of(msg, 0));

    if (queue == NULL)
        return no_ring;
    if (u32_of(msg, 4) > UINT16_MAX)
        return "ring begins nowhere";
    if (queue->is_started)
        return "ring changes while it runs";
    queue->base = (uint16_t)u32_of(msg, 4);
    return NULL;
}

/* index, flags, descriptors, used, available, log. */
static const char *set_vring_addr(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    struct rn_vhost_queue *queue = queue_of(self, u32_of(msg, 0));

    if (queue == NULL)
        return no_ring;
    if (queue->is_started)
        return "ring changes while it runs";
    queue->user_desc = u64_of(msg, 8);
    queue->user_used = u64_of(msg, 16);
    queue->user_avail = u64_of(msg, 24);
    queue->has_addr = true;
    return NULL;
}

static const char *get_vring_base(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    uint32_t index = u32_of(msg, 0);
    struct rn_vhost_queue *queue = queue_of(self, index);
    uint32_t state[2];

    if (queue == NULL)
        return no_ring;
    stop_queue(self, queue);
    state[0] = index;
    state[1] = queue->base;
    return answer(self, msg->request, state, sizeof(state));
}

/*
 * Kicks are edges to us and never read: so no descriptor, whatever it is, can make us wait, and a kick costs no system call. A ring
 * without one would have to be polled.
 */
static const char *set_vring_kick(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    struct rn_vhost_queue *queue =
        queue_of(self, (uint32_t)(u64_of(msg, 0) & RN_VHOST_VRING_INDEX_MASK));
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
    int fd;

    if (queue == NULL)
        return no_ring;
    fd = take_fd(msg);
    if (fd < 0)
        return "ring without kicks";
    close_watched(self, &queue->kick_fd);
    queue->kick_fd = fd;
    ev.data.fd = fd;
    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return "kicks cannot be waited for";
    return queue->is_started ? NULL : start_queue(self, queue);
}

/* SET_VRING_CALL and SET_VRING_ERR: may be without a descriptor. */
static const char *set_bell(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    uint64_t v = u64_of(msg, 0);
    struct rn_vhost_queue *queue = queue_of(self, (uint32_t)(v & RN_VHOST_VRING_INDEX_MASK));
    int fd;

    if (queue == NULL)
        return no_ring;
    fd = (v & RN_VHOST_VRING_NO_FD) == 0 ? take_fd(msg) : -1;
    replace_fd(msg->request == RN_VHOST_SET_VRING_CALL ? &queue->call_fd : &queue->err_fd, fd);
    if (fd >= 0 && !set_nonblocking(fd))
        return "descriptor that cannot be written to";
    /* What was used before there was somebody to tell. */
    if (msg->request == RN_VHOST_SET_VRING_CALL)
        ring_bell(fd);
    return NULL;
}

static const char *set_vring_enable(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    struct rn_vhost_queue *queue = queue_of(self, u32_of(msg, 0));

    if (queue == NULL)
        return no_ring;
    queue->is_enabled = u32_of(msg, 4) != 0;
    return NULL;
}

struct handler {
    uint32_t request;
    uint32_t size; /* at least */
    const char *(*act)(struct rn_vhost_session *self, struct rn_vhost_msg *msg);
    bool answers; /* by itself */
};

static const struct handler handlers[] = {
    { RN_VHOST_GET_FEATURES, 0, get_features, true },
    { RN_VHOST_SET_FEATURES, 8, set_features, false },
    { RN_VHOST_SET_OWNER, 0, set_owner, false },
    { RN_VHOST_RESET_OWNER, 0, reset_owner, false },
    { RN_VHOST_SET_MEM_TABLE, TABLE_HDR_BYTES, set_mem_table, false },
    { RN_VHOST_SET_VRING_NUM, 8, set_vring_num, false },
    { RN_VHOST_SET_VRING_ADDR, 40, set_vring_addr, false },
    { RN_VHOST_SET_VRING_BASE, 8, set_vring_base, false },
    { RN_VHOST_GET_VRING_BASE, 8, get_vring_base, true },
    { RN_VHOST_SET_VRING_KICK, 8, set_vring_kick, false },
    { RN_VHOST_SET_VRING_CALL, 8, set_bell, false },
    { RN_VHOST_SET_VRING_ERR, 8, set_bell, false },
    { RN_VHOST_GET_PROTOCOL_FEATURES, 0, get_protocol_features, true },
    { RN_VHOST_SET_PROTOCOL_FEATURES, 8, set_protocol_features, false },
    { RN_VHOST_SET_VRING_ENABLE, 8, set_vring_enable, false },
};

static const struct handler *handler_of(uint32_t request)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(handlers); i++) {
        if (handlers[i].request == request)
            return &handlers[i];
    }
    return NULL;
}

static const char *act_on(struct rn_vhost_session *self, struct rn_vhost_msg *msg)
{
    const struct handler *handler = handler_of(msg->request);
    bool wants_verdict = (self->protocol & RN_VHOST_P_REPLY_ACK) != 0 &&
                         (msg->flags & RN_VHOST_NEEDS_REPLY) != 0 &&
                         (handler == NULL || !handler->answers);
    uint64_t verdict;
    const char *why;

    /* Who asks whether it worked can be told that it did not, and the two go on. */
    if (handler == NULL)
        why = wants_verdict ? NULL : "request that nothing was offered for";
    else if (msg->size < handler->size)
        why = "request that is too short";
    else
        why = handler->act(self, msg);
    verdict = handler == NULL || why != NULL;
    if (wants_verdict && !rn_vhost_reply(self->fd, msg->request, &verdict, sizeof(verdict)))
        return "front-end takes no answers";
    return why;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */
bool rn_vhost_session_begin(struct rn_vhost_session *self, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return false;
    self->fd = fd;
    self->features = 0;
    self->protocol = 0;
    self->error = NULL;
    for (unsigned i = 0; i < RN_VHOST_QUEUES; i++)
        self->queues[i] = (struct rn_vhost_queue){ .kick_fd = -1, .call_fd = -1, .err_fd = -1 };
    return true;
}

void rn_vhost_session_end(struct rn_vhost_session *self)
{
    if (self->fd < 0)
        return;
    for (unsigned i = 0; i < RN_VHOST_QUEUES; i++) {
        struct rn_vhost_queue *queue = &self->queues[i];

        stop_queue(self, queue);
        replace_fd(&queue->call_fd, -1);
        replace_fd(&queue->err_fd, -1);
        queue->is_enabled = false;
    }
    rn_vhost_inbox_next(&self->inbox);
    rn_vhost_mem_clear(&self->mem);
    close_watched(self, &self->fd);
}

void rn_vhost_session_fail(struct rn_vhost_session *self, const char *why)
{
    self->error = why;
    for (unsigned i = 0; i < RN_VHOST_QUEUES; i++)
        ring_bell(self->queues[i].err_fd);
    rn_vhost_session_end(self);
}

int rn_vhost_session_serve(struct rn_vhost_session *self, unsigned budget)
{
    unsigned n = 0;

    while (self->fd >= 0 && n < budget) {
        enum rn_vhost_receipt receipt = rn_vhost_receive(&self->inbox, self->fd);
        const char *why = NULL;

        if (receipt == RN_VHOST_LATER)
            return 0;
        if (receipt == RN_VHOST_GONE) {
            rn_vhost_session_end(self);
            return 0;
        }
        n++;
        why = receipt == RN_VHOST_GOT ? act_on(self, &self->inbox.msg) : "message that is none";
        rn_vhost_inbox_next(&self->inbox);
        if (why != NULL)
            rn_vhost_session_fail(self, why);
    }
    return self->fd >= 0 ? (int)n : 0;
}
