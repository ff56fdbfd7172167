#include "outnet/native_fd.h"

#include "base/checksum.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <unistd.h>

/*
 * Datagrams over host sockets: UDP with segmentation both ways (UDP_SEGMENT, UDP_GRO), the error queue, DF as the sender
 * asked; and ICMP echo over ping sockets or, where only those are to be had, raw ones.
 */

#define CONTROL_BYTES  512
#define RECV_MANY_MAX  32u
#define ECHO_HDR_BYTES 8u
#define RAW_IDENT      0x726eu /* identifier of echoes on a raw socket; replies to others are not ours */

struct native_dgram {
    struct rn_net_dgram dgram;
    struct rn_native *net;
    struct rn_watch watch;
    struct rn_task ready;
    int fd;
    unsigned events;
    enum rn_net_dgram_kind kind;
    bool is_v6;
    bool is_raw;
    bool is_lent_fd; /* an echo socket of the net: not closed with us */
    int8_t df;       /* what IP_MTU_DISCOVER is set to: -1 not yet */
};

static struct native_dgram *dgram_of(struct rn_net_dgram *dgram)
{
    return rn_container_of(dgram, struct native_dgram, dgram);
}

static void set_int(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value)); /* syscalls: setsockopt */
}

/* --- send --------------------------------------------------------------------------------------------------- */
struct control {
    _Alignas(struct cmsghdr) uint8_t bytes[CONTROL_BYTES];
    size_t len;
};

static void control_add(struct control *c, int level, int type, const void *value, size_t len)
{
    struct cmsghdr *cmsg = (struct cmsghdr *)(void *)(c->bytes + c->len);

    if (CMSG_SPACE(len) > sizeof(c->bytes) - c->len)
        return;
    cmsg->cmsg_level = level;
    cmsg->cmsg_type = type;
    cmsg->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(cmsg), value, len);
    c->len += CMSG_SPACE(len);
}

static void control_for(struct control *c, const struct native_dgram *self,
                        const struct rn_net_msg *msg)
{
    int tos = msg->tos;
    int ttl = msg->ttl;

    c->len = 0;
    memset(c->bytes, 0, sizeof(c->bytes));
    if (msg->segment_bytes != 0)
        control_add(c, SOL_UDP, UDP_SEGMENT, &msg->segment_bytes, sizeof(msg->segment_bytes));
    if (tos != 0)
        control_add(c, self->is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, self->is_v6 ? IPV6_TCLASS : IP_TOS,
                    &tos, sizeof(tos));
    if (ttl != 0)
        control_add(c, self->is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                    self->is_v6 ? IPV6_HOPLIMIT : IP_TTL, &ttl, sizeof(ttl));
}

/* DF is a property of the socket, so it follows the sender's wish only when that changes. */
static void set_df(struct native_dgram *self, bool dont_fragment)
{
    if (self->df == (int8_t)dont_fragment)
        return;
    self->df = (int8_t)dont_fragment;
    if (self->is_v6)
        set_int(self->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                dont_fragment ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
    else
        set_int(self->fd, IPPROTO_IP, IP_MTU_DISCOVER,
                dont_fragment ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
}

/* On a raw socket identifier and (IPv4) checksum are ours to make: @hdr becomes the new first eight bytes. */
static void raw_header(const struct native_dgram *self, uint8_t hdr[ECHO_HDR_BYTES],
                       const struct rn_slice *views, unsigned n)
{
    uint16_t sum;
    size_t at = ECHO_HDR_BYTES;

    memcpy(hdr, views[0].ptr, ECHO_HDR_BYTES);
    rn_put_be16(hdr + 2, 0);
    rn_put_be16(hdr + 4, RAW_IDENT);
    if (self->is_v6)
        return;
    sum = rn_checksum(hdr, ECHO_HDR_BYTES, 0);
    sum = rn_checksum_add(sum, rn_checksum(views[0].ptr + at, views[0].len - at, 0), 0);
    at = views[0].len;
    for (unsigned i = 1; i < n; i++) {
        sum = rn_checksum_add(sum, rn_checksum(views[i].ptr, views[i].len, 0), at & 1);
        at += views[i].len;
    }
    rn_put_be16(hdr + 2, (uint16_t)~sum);
}

static int64_t native_send(struct rn_net_dgram *dgram, const struct rn_slice *views, unsigned n,
                           const struct rn_net_msg *out)
{
    struct native_dgram *self = dgram_of(dgram);
    struct rn_native_addr to = rn_native_addr_of(&out->peer);
    struct iovec iov[RN_NATIVE_IOV_MAX + 1];
    uint8_t echo_hdr[ECHO_HDR_BYTES];
    struct control control;
    struct msghdr msg = { .msg_name = &to.sa, .msg_namelen = to.len, .msg_iov = iov };
    ssize_t sent;

    set_df(self, out->dont_fragment);
    msg.msg_iovlen = rn_native_iov(iov, views, n);
    if (self->is_raw) {
        if (n == 0 || n >= RN_NATIVE_IOV_MAX || views[0].len < ECHO_HDR_BYTES)
            return RN_E_MALFORMED;
        raw_header(self, echo_hdr, views, n);
        memmove(iov + 1, iov, msg.msg_iovlen * sizeof(*iov));
        iov[0] = (struct iovec){ echo_hdr, ECHO_HDR_BYTES };
        iov[1].iov_base = (uint8_t *)iov[1].iov_base + ECHO_HDR_BYTES;
        iov[1].iov_len -= ECHO_HDR_BYTES;
        msg.msg_iovlen++;
    }
    control_for(&control, self, out);
    if (control.len != 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = control.len;
    }
    sent = sendmsg(self->fd, &msg, MSG_NOSIGNAL); /* syscalls: sendmsg */
    return sent >= 0 ? (int64_t)sent : rn_native_err(errno);
}

/* --- receive ------------------------------------------------------------------------------------------------ */
static void read_control(struct msghdr *msg, struct rn_net_msg *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        int value = 0;
        size_t len = rn_min_size(c->cmsg_len - CMSG_LEN(0), sizeof(value));

        memcpy(&value, CMSG_DATA(c), len); /* IP_TOS comes as one byte, the others as int */
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
            ret->segment_bytes = rn_sat_u16((uint64_t)value);
        else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) ||
                 (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS))
            ret->tos = (uint8_t)value;
        else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
                 (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
            ret->ttl = (uint8_t)value;
    }
}

/* A raw IPv4 socket gives the IP header too, and every echo reply of the host: keeps ours, without the header.
 * Returns the message's length, or 0 for one that is not ours. */
static int64_t raw_strip(const struct native_dgram *self, uint8_t *bytes, int64_t len)
{
    int64_t hdr = 0;

    if (!self->is_v6)
        hdr = len > 0 ? (bytes[0] & 0x0f) * 4 : 0;
    if (len < hdr + (int64_t)ECHO_HDR_BYTES)
        return 0;
    memmove(bytes, bytes + hdr, (size_t)(len - hdr));
    if (bytes[0] != (self->is_v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ||
        rn_get_be16(bytes + 4) != RAW_IDENT)
        return 0;
    return len - hdr;
}

/* What recvmmsg(2) writes beside one datagram: of control messages TOS, TTL and the size of a train's datagrams. */
struct arrival {
    struct iovec iov[2];
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } from;
    _Alignas(struct cmsghdr) uint8_t control[3 * CMSG_SPACE(sizeof(int))];
};

static int64_t native_recv(struct rn_net_dgram *dgram, struct rn_net_span to,
                           struct rn_net_msg *ret)
{
    struct native_dgram *self = dgram_of(dgram);
    struct rn_native_addr from = { .any = { 0 } };
    struct iovec iov = { to.ptr, to.len };
    struct control control;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from.sa };
    int64_t got;

    do {
        msg.msg_namelen = sizeof(from.any);
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        got = recvmsg(self->fd, &msg, 0); /* syscalls: recvmsg */
        if (got < 0)
            return rn_native_err(errno);
        if (self->is_raw)
            got = raw_strip(self, to.ptr, got);
    } while (self->is_raw && got == 0);
    *ret = (struct rn_net_msg){ .peer = rn_native_endpoint_of(&from.sa),
                                .was_cut = (msg.msg_flags & MSG_TRUNC) != 0 };
    read_control(&msg, ret);
    return got;
}

static void prepare(struct mmsghdr *hdr, const struct rn_net_dgram_in *in, struct arrival *a)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RN_ARRAY_LEN(in->room); i++) {
        if (in->room[i].len != 0)
            a->iov[n++] = (struct iovec){ in->room[i].ptr, in->room[i].len };
    }
    *hdr = (struct mmsghdr){ .msg_hdr = { .msg_name = &a->from.sa,
                                          .msg_namelen = sizeof(a->from),
                                          .msg_iov = a->iov,
                                          .msg_iovlen = n,
                                          .msg_control = a->control,
                                          .msg_controllen = sizeof(a->control) } };
}

static int native_recv_many(struct rn_net_dgram *dgram, struct rn_net_dgram_in *in, unsigned n)
{
    struct mmsghdr hdrs[RECV_MANY_MAX];
    struct arrival arrivals[RECV_MANY_MAX];
    int got;

    n = rn_min_u32(n, RECV_MANY_MAX);
    for (unsigned i = 0; i < n; i++)
        prepare(&hdrs[i], &in[i], &arrivals[i]);
    got = recvmmsg(dgram_of(dgram)->fd, hdrs, n, 0, NULL); /* syscalls: recvmmsg */
    if (got < 0)
        return rn_native_err(errno);
    for (int i = 0; i < got; i++) {
        in[i].len = hdrs[i].msg_len;
        in[i].msg = (struct rn_net_msg){ .peer = rn_native_endpoint_of(&arrivals[i].from.sa),
                                         .was_cut = (hdrs[i].msg_hdr.msg_flags & MSG_TRUNC) != 0 };
        read_control(&hdrs[i].msg_hdr, &in[i].msg);
    }
    return got;
}

/* --- errors ------------------------------------------------------------------------------------------------- */
static enum rn_net_dgram_why why_of(const struct sock_extended_err *e)
{
    switch (e->ee_errno) {
    case EMSGSIZE:
        return RN_NET_TOO_BIG;
    case ECONNREFUSED:
        return RN_NET_PORT;
    case ENETUNREACH:
        return RN_NET_NET;
    case EACCES:
    case EPERM:
        return RN_NET_PROHIBITED;
    default:
        break;
    }
    if ((e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_TIME_EXCEEDED) ||
        (e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMP6_TIME_EXCEEDED))
        return RN_NET_TTL;
    return RN_NET_HOST;
}

static int native_take_error(struct rn_net_dgram *dgram, struct rn_net_dgram_err *ret)
{
    struct native_dgram *self = dgram_of(dgram);
    struct rn_native_addr to = { .any = { 0 } };
    struct control control;
    struct msghdr msg = { .msg_name = &to.sa,
                          .msg_namelen = sizeof(to.any),
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    struct {
        struct sock_extended_err err;
        struct sockaddr_storage offender;
    } said = { 0 };

    if (recvmsg(self->fd, &msg, MSG_ERRQUEUE) < 0)
        return rn_native_err(errno);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            memcpy(&said, CMSG_DATA(c), rn_min_size(c->cmsg_len - CMSG_LEN(0), sizeof(said)));
    }
    ret->peer = rn_native_endpoint_of(&to.sa);
    ret->why = why_of(&said.err);
    ret->mtu = said.err.ee_info;
    ret->offender = rn_addr_none();
    if (said.err.ee_origin == SO_EE_ORIGIN_ICMP || said.err.ee_origin == SO_EE_ORIGIN_ICMP6)
        ret->offender = rn_native_endpoint_of((const struct sockaddr *)&said.offender).addr;
    return RN_OK;
}

/* --- life --------------------------------------------------------------------------------------------------- */
static void native_dgram_close(struct rn_net_dgram *dgram)
{
    struct native_dgram *self = dgram_of(dgram);

    rn_turn_unschedule(&self->ready);
    rn_unwatch(&self->watch);
    if (!self->is_lent_fd)
        close(self->fd);
    self->net->n_fds--;
    rn_alloc_free(rn_turn_alloc(self->net->net.turn), self, sizeof(*self));
}

static const struct rn_net_dgram_ops native_dgram_ops = {
    .send = native_send,
    .recv = native_recv,
    .recv_many = native_recv_many,
    .take_error = native_take_error,
    .close = native_dgram_close,
};

static void fire(struct rn_task *task)
{
    struct native_dgram *self = rn_container_of(task, struct native_dgram, ready);
    unsigned events = self->events;

    self->events = 0;
    if (self->dgram.on_event != NULL)
        self->dgram.on_event(&self->dgram, events);
}

static void on_ready(struct rn_watch *watch, unsigned ready)
{
    struct native_dgram *self = rn_container_of(watch, struct native_dgram, watch);

    if (ready & RN_IO_READ)
        self->events |= RN_READABLE;
    if (ready & RN_IO_WRITE)
        self->events |= RN_WRITABLE;
    if (ready & RN_IO_ERROR)
        self->events |= RN_ERROR;
    rn_turn_schedule(self->net->net.turn, RN_PHASE_EVENT, &self->ready);
}

static void ask_for_all(const struct native_dgram *self)
{
    if (self->is_v6) {
        set_int(self->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        set_int(self->fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
        set_int(self->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
        set_int(self->fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
    } else {
        set_int(self->fd, IPPROTO_IP, IP_RECVERR, 1);
        set_int(self->fd, IPPROTO_IP, IP_RECVTOS, 1);
        set_int(self->fd, IPPROTO_IP, IP_RECVTTL, 1);
    }
    if (self->kind == RN_NET_UDP)
        set_int(self->fd, SOL_UDP, UDP_GRO, 1);
}

static int open_udp(const struct rn_native *net, const struct rn_endpoint *local)
{
    struct rn_native_addr name = rn_native_addr_of(local);
    int fd = rn_native_socket(net, name.sa.sa_family, SOCK_DGRAM, 0);

    if (fd < 0)
        return fd;
    if (local->port != 0 && bind(fd, &name.sa, name.len) < 0) { /* syscalls: bind */
        int err = -errno;

        close(fd);
        return err;
    }
    return fd;
}

/* An echo socket opened beforehand, or an unprivileged ping socket (net.ipv4.ping_group_range decides). */
static int open_echo(const struct rn_native *net, struct native_dgram *self)
{
    int lent = self->is_v6 ? net->opts.echo6_fd : net->opts.echo4_fd;

    if (lent > 0) {
        self->is_lent_fd = true;
        self->is_raw = net->opts.has_raw_echo;
        return lent;
    }
    return rn_native_socket(net, self->is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM,
                            self->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* Takes self->fd over in any case (a lent one stays the net's). */
static int start(struct rn_net_dgram **ret, struct native_dgram *self)
{
    int err;

    ask_for_all(self);
    err = rn_loop_watch(self->net->loop, &self->watch, self->fd,
                        RN_IO_READ | RN_IO_WRITE | RN_IO_EDGE);
    if (err < 0)
        return err;
    self->net->n_fds++;
    *ret = &self->dgram;
    return RN_OK;
}

static struct native_dgram *dgram_new(struct rn_native *native, enum rn_net_dgram_kind kind,
                                      bool is_v6)
{
    struct native_dgram *self = rn_alloc_new(rn_turn_alloc(native->net.turn), sizeof(*self));

    if (self == NULL)
        return NULL;
    *self = (struct native_dgram){
        .dgram.ops = &native_dgram_ops,
        .net = native,
        .watch.fn = on_ready,
        .ready.run = fire,
        .kind = kind,
        .is_v6 = is_v6,
        .df = -1,
    };
    return self;
}

int rn_native_open_dgram(struct rn_net *net, struct rn_net_dgram **ret, enum rn_net_dgram_kind kind,
                         const struct rn_endpoint *local)
{
    struct rn_native *native = rn_container_of(net, struct rn_native, net);
    struct native_dgram *self;
    int err;

    if (rn_native_is_full(native))
        return RN_E_LIMIT;
    self = dgram_new(native, kind, !rn_addr_is_v4(local->addr));
    if (self == NULL)
        return RN_E_NOMEM;
    self->fd = kind == RN_NET_UDP ? open_udp(native, local) : open_echo(native, self);
    err = self->fd < 0 ? rn_native_err(-self->fd) : start(ret, self);
    if (err >= 0)
        return RN_OK;
    if (self->fd >= 0 && !self->is_lent_fd)
        close(self->fd);
    rn_alloc_free(rn_turn_alloc(net->turn), self, sizeof(*self));
    return err;
}

int rn_net_native_adopt_dgram(struct rn_net_dgram **ret, struct rn_net *net, int fd)
{
    struct rn_native *native = rn_container_of(net, struct rn_native, net);
    struct native_dgram *self =
        dgram_new(native, RN_NET_UDP, !rn_addr_is_v4(rn_native_name(fd).addr));
    int err;

    if (self == NULL)
        return RN_E_NOMEM;
    self->fd = fd;
    err = start(ret, self);
    if (err < 0)
        rn_alloc_free(rn_turn_alloc(net->turn), self, sizeof(*self));
    return err;
}
