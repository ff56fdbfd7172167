#include "host/nl.h"

#include "host/nlattr.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How one datagram changes an exchange. */
enum step {
    STEP_MORE,
    STEP_DONE,
};

struct exchange {
    struct rn_nl *nl;
    const struct rn_nl_sink *sink;
    const struct rn_nl_raw_sink *raw;
    int sink_err; /* the first refusal of a sink; the rest is read and thrown away */
    bool is_interrupted;
    bool is_for_one; /* there is no acknowledgement to wait for */
};

int rn_nl_open(struct rn_nl *nl, int protocol)
{
    int one = 1;
    int err;

    *nl = (struct rn_nl){ 0 };
    nl->buf = malloc(RN_NL_BUF_BYTES);
    if (nl->buf == NULL)
        return RN_E_NOMEM;
    /* Not bound: the kernel gives it a port when it first sends, which saves two calls a socket. */
    nl->sock = mnl_socket_open2(protocol, SOCK_CLOEXEC);
    if (nl->sock == NULL) {
        err = rn_err_from_errno(errno);
        rn_nl_close(nl);
        return err;
    }
    /* Old kernels know neither: strict checking makes dumps obey their filters, the rest is only text. */
    (void)mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
    (void)mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
    return RN_OK;
}

uint64_t rn_nl_netns_cookie(const struct rn_nl *nl)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);

    if (getsockopt(mnl_socket_get_fd(nl->sock), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
        return 0;
    return cookie;
}

void rn_nl_close(struct rn_nl *nl)
{
    if (nl->sock != NULL)
        mnl_socket_close(nl->sock);
    free(nl->buf);
    *nl = (struct rn_nl){ 0 };
}

void *rn_nl_msg_begin(struct rn_nl_msg *msg, unsigned type, unsigned flags, size_t extra_bytes)
{
    msg->overflow = false;
    mnl_nlmsg_put_header(msg->bytes);
    msg->head.nlmsg_type = (uint16_t)type;
    msg->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    return mnl_nlmsg_put_extra_header(&msg->head, extra_bytes);
}

void rn_nl_put(struct rn_nl_msg *msg, unsigned type, const void *data, size_t len)
{
    if (!mnl_attr_put_check(&msg->head, RN_NL_MSG_BYTES, (uint16_t)type, len, data))
        msg->overflow = true;
}

void rn_nl_put_u8(struct rn_nl_msg *msg, unsigned type, uint8_t v)
{
    rn_nl_put(msg, type, &v, sizeof(v));
}

void rn_nl_put_u16(struct rn_nl_msg *msg, unsigned type, uint16_t v)
{
    rn_nl_put(msg, type, &v, sizeof(v));
}

void rn_nl_put_u32(struct rn_nl_msg *msg, unsigned type, uint32_t v)
{
    rn_nl_put(msg, type, &v, sizeof(v));
}

void rn_nl_put_str(struct rn_nl_msg *msg, unsigned type, const char *s)
{
    rn_nl_put(msg, type, s, strlen(s) + 1);
}

void rn_nl_put_addr(struct rn_nl_msg *msg, unsigned type, struct rn_addr a)
{
    if (rn_addr_is_v4(a))
        rn_nl_put(msg, type, a.b + 12, 4);
    else
        rn_nl_put(msg, type, a.b, 16);
}

struct nlattr *rn_nl_nest_begin(struct rn_nl_msg *msg, unsigned type)
{
    struct nlattr *nest = mnl_attr_nest_start_check(&msg->head, RN_NL_MSG_BYTES, (uint16_t)type);

    if (nest == NULL)
        msg->overflow = true;
    return nest;
}

void rn_nl_nest_end(struct rn_nl_msg *msg, struct nlattr *nest)
{
    if (nest != NULL)
        mnl_attr_nest_end(&msg->head, nest);
}

void *rn_nl_put_room(struct rn_nl_msg *msg, size_t len)
{
    size_t have = RN_NL_MSG_BYTES - msg->head.nlmsg_len;

    if (NLMSG_ALIGN(len) > have) {
        msg->overflow = true;
        return NULL;
    }
    return mnl_nlmsg_put_extra_header(&msg->head, len);
}

static int send_msg(struct rn_nl *nl, struct rn_nl_msg *msg)
{
    if (msg->overflow)
        return RN_E_MSG_TOO_LONG;
    nl->why[0] = '\0';
    msg->head.nlmsg_seq = ++nl->seq;
    if (mnl_socket_sendto(nl->sock, msg->bytes, msg->head.nlmsg_len) < 0)
        return rn_err_from_errno(errno);
    return RN_OK;
}

/* One datagram of the kernel, and of nobody else: any process may send to our port id. */
static int receive(struct rn_nl *nl, size_t *ret_len)
{
    struct sockaddr_nl from = { 0 };
    struct iovec iov = { .iov_base = nl->buf, .iov_len = RN_NL_BUF_BYTES };
    struct msghdr mh = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
    };
    ssize_t n;

    do {
        n = recvmsg(mnl_socket_get_fd(nl->sock), &mh, 0);
    } while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid != 0));
    if (n < 0)
        return rn_err_from_errno(errno);
    if (mh.msg_flags & MSG_TRUNC)
        return RN_E_MSG_TOO_LONG;
    *ret_len = (size_t)n;
    return RN_OK;
}

/* NLMSGERR_ATTR_MSG lies behind the quoted request, which NLM_F_CAPPED cuts to its header. */
static void keep_error_text(struct rn_nl *nl, const struct nlmsghdr *head)
{
    struct rn_view payload =
        rn_view_of(mnl_nlmsg_get_payload(head), mnl_nlmsg_get_payload_len(head));
    size_t skip = sizeof(struct nlmsgerr);
    struct rn_nlattr attr;

    if (!(head->nlmsg_flags & NLM_F_ACK_TLVS))
        return;
    if (!(head->nlmsg_flags & NLM_F_CAPPED))
        skip += NLMSG_ALIGN(rn_nl_u32_at(payload, sizeof(int))) - sizeof(struct nlmsghdr);
    if (skip > payload.len)
        return;
    payload = rn_view_of(payload.ptr + skip, payload.len - skip);
    while (rn_nlattr_next(&payload, &attr)) {
        struct rn_view text = rn_nl_str(attr.value);

        if (attr.type != NLMSGERR_ATTR_MSG)
            continue;
        text.len = rn_min_size(text.len, RN_NL_WHY_BYTES - 1);
        memcpy(nl->why, text.ptr, text.len);
        nl->why[text.len] = '\0';
    }
}

/* NLMSG_DONE carries the dump's own errno, NLMSG_ERROR that of the request; 0 is an acknowledgement. */
static int end_status(struct rn_nl *nl, const struct nlmsghdr *head)
{
    int status = 0;

    if (mnl_nlmsg_get_payload_len(head) >= sizeof(status))
        memcpy(&status, mnl_nlmsg_get_payload(head), sizeof(status));
    if (status >= 0)
        return RN_OK;
    if (head->nlmsg_type == NLMSG_ERROR &&
        mnl_nlmsg_get_payload_len(head) >= sizeof(struct nlmsgerr))
        keep_error_text(nl, head);
    return rn_err_from_errno(-status);
}

static int take_message(struct exchange *x, const struct nlmsghdr *head)
{
    int err;

    if (head->nlmsg_flags & NLM_F_DUMP_INTR)
        x->is_interrupted = true;
    if (head->nlmsg_type == NLMSG_ERROR || head->nlmsg_type == NLMSG_DONE) {
        err = end_status(x->nl, head);
        return err < 0 ? err : STEP_DONE;
    }
    if (head->nlmsg_type >= NLMSG_MIN_TYPE && x->sink != NULL && x->sink_err == RN_OK) {
        err = x->sink->message(head, x->sink->arg);
        x->sink_err = err < 0 ? err : RN_OK;
    }
    return x->is_for_one ? STEP_DONE : STEP_MORE;
}

static int take_datagram(struct exchange *x, size_t len)
{
    const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)x->nl->buf;
    int rest = (int)len;
    int step = STEP_MORE;
    int err;

    if (x->raw != NULL && x->sink_err == RN_OK) {
        err = x->raw->datagram(rn_view_of(x->nl->buf, len), x->raw->arg);
        x->sink_err = err < 0 ? err : RN_OK;
    }
    while (step == STEP_MORE && mnl_nlmsg_ok(head, rest)) {
        if (head->nlmsg_seq == x->nl->seq)
            step = take_message(x, head);
        head = mnl_nlmsg_next(head, &rest);
    }
    return step;
}

/* Reads to the end even when the sink has failed: a dump left half-read makes the next one fail with EBUSY. */
static int run_exchange(struct exchange *x)
{
    int step = STEP_MORE;
    size_t len = 0;

    while (step == STEP_MORE) {
        step = receive(x->nl, &len);
        if (step < 0)
            return step;
        step = take_datagram(x, len);
    }
    return step < 0 ? step : x->sink_err;
}

int rn_nl_ask(struct rn_nl *nl, struct rn_nl_msg *msg,
              int (*reply)(const struct nlmsghdr *head, void *arg), void *arg)
{
    struct rn_nl_sink sink = { .message = reply, .arg = arg };
    struct exchange x = { .nl = nl, .sink = reply != NULL ? &sink : NULL };
    int err;

    msg->head.nlmsg_flags |= NLM_F_ACK;
    err = send_msg(nl, msg);
    if (err < 0)
        return err;
    return run_exchange(&x);
}

int rn_nl_ask_one(struct rn_nl *nl, struct rn_nl_msg *msg,
                  int (*reply)(const struct nlmsghdr *head, void *arg), void *arg)
{
    struct rn_nl_sink sink = { .message = reply, .arg = arg };
    struct exchange x = { .nl = nl, .sink = &sink, .is_for_one = true };
    int err = send_msg(nl, msg);

    return err < 0 ? err : run_exchange(&x);
}

int rn_nl_talk(struct rn_nl *nl, struct rn_nl_msg *msg)
{
    return rn_nl_ask(nl, msg, NULL, NULL);
}

static int dump(struct exchange *x, struct rn_nl_msg *msg)
{
    int err;

    msg->head.nlmsg_flags |= NLM_F_DUMP;
    for (unsigned n = 0; n < RN_NL_DUMP_TRIES; n++) {
        x->is_interrupted = false;
        err = send_msg(x->nl, msg);
        if (err < 0)
            return err;
        err = run_exchange(x);
        if (err < 0 || !x->is_interrupted)
            return err;
        if (n + 1 == RN_NL_DUMP_TRIES)
            break;
        if (x->sink != NULL && x->sink->restart != NULL)
            x->sink->restart(x->sink->arg);
        if (x->raw != NULL && x->raw->restart != NULL)
            x->raw->restart(x->raw->arg);
    }
    return rn_err_from_errno(EINTR);
}

int rn_nl_dump(struct rn_nl *nl, struct rn_nl_msg *msg, const struct rn_nl_sink *sink)
{
    struct exchange x = { .nl = nl, .sink = sink };

    return dump(&x, msg);
}

int rn_nl_dump_raw(struct rn_nl *nl, struct rn_nl_msg *msg, const struct rn_nl_raw_sink *sink)
{
    struct exchange x = { .nl = nl, .raw = sink };

    return dump(&x, msg);
}
