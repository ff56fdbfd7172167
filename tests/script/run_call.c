#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* System calls: the script's arguments to a face call, its outcome against the script's. */

#define DEFAULT_PORT 8080
#define CLOSED_FD    9999 /* no descriptor of a script is that large */

typedef bool prepare_fn(struct run *run, struct exec *exec, const struct value *args);
typedef bool check_fn(struct run *run, const struct exec *exec, const struct value *args);

struct call_kind {
    const char *name;
    unsigned n_args;
    prepare_fn *prepare; /* fills in exec->op, or makes the call */
    check_fn *check;     /* what came back besides the result; NULL: nothing */
    bool makes_fd;
};

/* --- arguments ------------------------------------------------------------------------------------------------------ */

static const struct value *nth(const struct value *first, unsigned n)
{
    while (n-- > 0 && first != NULL)
        first = first->next;
    return first;
}

static const struct value *member(const struct value *s, const char *name)
{
    for (const struct value *m = s != NULL ? s->first : NULL; m != NULL; m = m->next) {
        if (m->name != NULL && strcmp(m->name, name) == 0)
            return m;
    }
    return NULL;
}

static int64_t number(const struct value *v)
{
    return v != NULL && v->kind == VALUE_INT ? v->num : 0;
}

/* The live descriptor; a number the script never got is not open. */
static int live_fd(const struct run *run, const struct value *v)
{
    int64_t fd = number(v);

    return fd >= 0 && fd < RUN_FD_MAX && run->fd_live[fd] >= 0 ? run->fd_live[fd] : CLOSED_FD;
}

static bool done(struct exec *exec, int64_t result)
{
    exec->may_wait = false;
    exec->op.result = result;
    return true;
}

static bool wait_for(struct run *run, struct exec *exec, enum face_kind kind,
                     const struct value *fd)
{
    exec->may_wait = true;
    exec->op.kind = kind;
    exec->op.fd = live_fd(run, fd);
    return true;
}

/* --- sockaddr ------------------------------------------------------------------------------------------------------- */

static void default_sockaddr(struct run *run, struct exec *exec, bool is_remote)
{
    bool is_v6 = run->script->opts.is_v6;
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(DEFAULT_PORT) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(DEFAULT_PORT) };

    inet_pton(AF_INET, is_remote ? "192.0.2.1" : "192.168.0.1", &in.sin_addr);
    inet_pton(AF_INET6, is_remote ? "2001:db8::1" : "fd3d:fa7b:d17d::1", &in6.sin6_addr);
    memcpy(&exec->addr, is_v6 ? (const void *)&in6 : &in, is_v6 ? sizeof(in6) : sizeof(in));
    exec->addr_len = is_v6 ? sizeof(in6) : sizeof(in);
}

static uint16_t port_of(const struct value *v)
{
    return v != NULL && v->kind == VALUE_CALL ? (uint16_t)number(v->first) : (uint16_t)number(v);
}

static const char *text_of(const struct value *v)
{
    const struct value *last = v != NULL && v->kind == VALUE_CALL ? v->first : v;

    while (last != NULL && last->kind != VALUE_STRING)
        last = last->next;
    return last != NULL ? last->text : "";
}

/* ..., or {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("1.2.3.4")} */
static bool prepare_sockaddr(struct run *run, struct exec *exec, const struct value *v,
                             bool is_remote)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

    default_sockaddr(run, exec, is_remote);
    if (v == NULL || v->kind == VALUE_ELLIPSIS)
        return true;
    if (v->kind != VALUE_STRUCT)
        return run_fail(run, exec->event, "expected ... or {sa_family = ...}");
    if (number(member(v, "sa_family")) == AF_INET) {
        in.sin_port = htons(port_of(member(v, "sin_port")));
        if (inet_pton(AF_INET, text_of(member(v, "sin_addr")), &in.sin_addr) != 1)
            return run_fail(run, exec->event, "sin_addr is no IPv4 address");
        memcpy(&exec->addr, &in, sizeof(in));
        exec->addr_len = sizeof(in);
    } else {
        in6.sin6_port = htons(port_of(member(v, "sin6_port")));
        if (inet_pton(AF_INET6, text_of(member(v, "sin6_addr")), &in6.sin6_addr) != 1)
            return run_fail(run, exec->event, "sin6_addr is no IPv6 address");
        memcpy(&exec->addr, &in6, sizeof(in6));
        exec->addr_len = sizeof(in6);
    }
    return true;
}

/* --- opening and closing -------------------------------------------------------------------------------------------- */

static bool prepare_socket(struct run *run, struct exec *exec, const struct value *args)
{
    const struct value *domain = nth(args, 0);
    int family = run->script->opts.is_v6 ? AF_INET6 : AF_INET;

    if (domain->kind == VALUE_INT)
        family = (int)domain->num;
    return done(exec, face_socket(&run->face, family, (int)number(nth(args, 1)),
                                  (int)number(nth(args, 2))));
}

static bool prepare_bind(struct run *run, struct exec *exec, const struct value *args)
{
    if (!prepare_sockaddr(run, exec, nth(args, 1), false))
        return false;
    return done(exec, face_bind(&run->face, live_fd(run, args), (struct sockaddr *)&exec->addr,
                                exec->addr_len));
}

static bool prepare_listen(struct run *run, struct exec *exec, const struct value *args)
{
    return done(exec, face_listen(&run->face, live_fd(run, args), (int)number(nth(args, 1))));
}

static bool prepare_connect(struct run *run, struct exec *exec, const struct value *args)
{
    if (!prepare_sockaddr(run, exec, nth(args, 1), true))
        return false;
    exec->op.addr = (struct sockaddr *)&exec->addr;
    exec->op.addr_len = exec->addr_len;
    run->info_fd = live_fd(run, args);
    return wait_for(run, exec, FACE_CONNECT, args);
}

static bool prepare_accept(struct run *run, struct exec *exec, const struct value *args)
{
    exec->addr_len = sizeof(exec->addr);
    exec->op.ret_addr = (struct sockaddr *)&exec->addr;
    exec->op.ret_addr_len = &exec->addr_len;
    return wait_for(run, exec, FACE_ACCEPT, args);
}

static bool check_accept(struct run *run, const struct exec *exec, const struct value *args)
{
    (void)args;
    if (exec->op.result >= 0)
        run->info_fd = (int)exec->op.result;
    if (exec->op.result >= 0 && run_flow_of_fd(run, (int)exec->op.result) == NULL)
        return run_fail(run, exec->event, "accept() gave a connection that no packet opened");
    return true;
}

static bool prepare_close(struct run *run, struct exec *exec, const struct value *args)
{
    int64_t fd = number(args);
    int live = live_fd(run, args);

    if (fd >= 0 && fd < RUN_FD_MAX)
        run->fd_live[fd] = -1;
    if (live < FACE_FDS_MAX)
        run->n_read[live] = run->n_written[live] = 0;
    return done(exec, face_close(&run->face, live));
}

static bool prepare_shutdown(struct run *run, struct exec *exec, const struct value *args)
{
    return done(exec, face_shutdown(&run->face, live_fd(run, args), (int)number(nth(args, 1))));
}

/* --- reading and writing -------------------------------------------------------------------------------------------- */

static void add_buffer(struct run *run, struct exec *exec, size_t len)
{
    struct iovec *iov = &exec->iov[exec->op.n_iov++];

    iov->iov_len = len;
    iov->iov_base = arena_new(&run->arena, len);
    exec->op.iov = exec->iov;
}

/* [{..., 1000}, {..., 500}] */
static bool add_buffers(struct run *run, struct exec *exec, const struct value *list)
{
    for (const struct value *v = list->first; v != NULL; v = v->next) {
        if (exec->op.n_iov == 16)
            return run_fail(run, exec->event, "at most 16 buffers in one call");
        add_buffer(run, exec, (size_t)number(nth(v->first, 1)));
    }
    return true;
}

static void fill(struct run *run, struct exec *exec)
{
    uint64_t offset = exec->op.fd < FACE_FDS_MAX ? run->n_written[exec->op.fd] : 0;

    for (int i = 0; i < exec->op.n_iov; i++) {
        uint8_t *bytes = exec->iov[i].iov_base;

        for (size_t k = 0; k < exec->iov[i].iov_len; k++)
            bytes[k] = wire_data(offset++);
    }
}

static bool prepare_read(struct run *run, struct exec *exec, const struct value *args)
{
    add_buffer(run, exec, (size_t)number(nth(args, 2)));
    exec->op.flags = (int)number(nth(args, 3)); /* recv */
    return wait_for(run, exec, FACE_READ, args);
}

static bool prepare_readv(struct run *run, struct exec *exec, const struct value *args)
{
    return add_buffers(run, exec, nth(args, 1)) && wait_for(run, exec, FACE_READ, args);
}

static bool prepare_write(struct run *run, struct exec *exec, const struct value *args)
{
    add_buffer(run, exec, (size_t)number(nth(args, 2)));
    exec->op.flags = (int)number(nth(args, 3)); /* send */
    (void)wait_for(run, exec, FACE_WRITE, args);
    fill(run, exec);
    return true;
}

/* To the peer: only with MSG_FASTOPEN does a stream look at it. */
static bool prepare_sendto(struct run *run, struct exec *exec, const struct value *args)
{
    if (!prepare_sockaddr(run, exec, nth(args, 4), true))
        return false;
    exec->op.addr = (struct sockaddr *)&exec->addr;
    exec->op.addr_len = exec->addr_len;
    if (((int)number(nth(args, 3)) & MSG_FASTOPEN) != 0)
        run->info_fd = live_fd(run, args);
    return prepare_write(run, exec, args);
}

static bool prepare_writev(struct run *run, struct exec *exec, const struct value *args)
{
    if (!add_buffers(run, exec, nth(args, 1)))
        return false;
    (void)wait_for(run, exec, FACE_WRITE, args);
    fill(run, exec);
    return true;
}

static bool prepare_message(struct run *run, struct exec *exec, const struct value *args)
{
    const struct value *iov = member(nth(args, 1), "msg_iov");

    if (iov == NULL)
        return run_fail(run, exec->event, "a message without msg_iov");
    exec->op.flags = (int)number(nth(args, 2));
    return add_buffers(run, exec, iov);
}

static bool prepare_sendmsg(struct run *run, struct exec *exec, const struct value *args)
{
    if (!prepare_message(run, exec, args))
        return false;
    (void)wait_for(run, exec, FACE_WRITE, args);
    fill(run, exec);
    return true;
}

static bool prepare_recvmsg(struct run *run, struct exec *exec, const struct value *args)
{
    return prepare_message(run, exec, args) && wait_for(run, exec, FACE_READ, args);
}

static bool check_written(struct run *run, const struct exec *exec, const struct value *args)
{
    (void)args;
    if (exec->op.result > 0)
        run->n_written[exec->op.fd] += (uint64_t)exec->op.result;
    return true;
}

/* What was read is what the peer's sequence numbers say, at this place of the stream. */
static bool check_read(struct run *run, const struct exec *exec, const struct value *args)
{
    uint64_t offset = exec->op.fd < FACE_FDS_MAX ? run->n_read[exec->op.fd] : 0;
    int64_t left = exec->op.result;
    uint64_t at = offset;

    (void)args;
    for (int i = 0; i < exec->op.n_iov && (exec->op.flags & MSG_TRUNC) == 0; i++) {
        const uint8_t *bytes = exec->iov[i].iov_base;

        for (size_t k = 0; k < exec->iov[i].iov_len && left > 0; k++, left--, at++) {
            if (bytes[k] != wire_data((uint32_t)(at + 1)))
                return run_fail(run, exec->event, "byte %llu of the stream is not what was sent",
                                (unsigned long long)at);
        }
    }
    if (exec->op.result > 0 && (exec->op.flags & MSG_PEEK) == 0)
        run->n_read[exec->op.fd] = offset + (uint64_t)exec->op.result;
    return true;
}

/* --- options -------------------------------------------------------------------------------------------------------- */

/* [5], 5, {onoff=1, linger=0}, {tv_sec=1, tv_usec=0} or "cubic". */
static bool option_bytes(struct run *run, struct exec *exec, const struct value *v,
                         const void **ret, socklen_t *ret_len)
{
    if (v->kind == VALUE_LIST && v->first != NULL)
        v = v->first;
    if (v->kind == VALUE_INT) {
        exec->number = (int)v->num;
        *ret = &exec->number;
        *ret_len = sizeof(exec->number);
    } else if (v->kind == VALUE_STRING) {
        *ret = v->text;
        *ret_len = (socklen_t)strlen(v->text);
    } else if (v->kind == VALUE_STRUCT && member(v, "onoff") != NULL) {
        exec->linger.l_onoff = (int)number(member(v, "onoff"));
        exec->linger.l_linger = (int)number(member(v, "linger"));
        *ret = &exec->linger;
        *ret_len = sizeof(exec->linger);
    } else if (v->kind == VALUE_STRUCT && member(v, "tv_sec") != NULL) {
        exec->timeval.tv_sec = number(member(v, "tv_sec"));
        exec->timeval.tv_usec = number(member(v, "tv_usec"));
        *ret = &exec->timeval;
        *ret_len = sizeof(exec->timeval);
    } else {
        return run_fail(run, exec->event, "cannot read the option's value");
    }
    return true;
}

static bool prepare_setsockopt(struct run *run, struct exec *exec, const struct value *args)
{
    const void *value = NULL;
    socklen_t len = 0;

    if (!option_bytes(run, exec, nth(args, 3), &value, &len))
        return false;
    return done(exec, face_setsockopt(&run->face, live_fd(run, args), (int)number(nth(args, 1)),
                                      (int)number(nth(args, 2)), value, len));
}

static bool prepare_getsockopt(struct run *run, struct exec *exec, const struct value *args)
{
    const struct value *len = nth(args, 4);

    exec->addr_len = (socklen_t)number(len->kind == VALUE_LIST ? len->first : len);
    if (exec->addr_len > sizeof(exec->option))
        return run_fail(run, exec->event, "option is too long");
    return done(exec, face_getsockopt(&run->face, live_fd(run, args), (int)number(nth(args, 1)),
                                      (int)number(nth(args, 2)), exec->option, &exec->addr_len));
}

static bool check_getsockopt(struct run *run, const struct exec *exec, const struct value *args)
{
    struct exec want = { .event = exec->event };
    const struct value *value = nth(args, 3);
    const void *bytes = NULL;
    socklen_t len = 0;
    int got = 0;

    if (exec->op.result < 0 || value->kind == VALUE_ELLIPSIS)
        return true;
    if (!option_bytes(run, &want, value, &bytes, &len))
        return false;
    if (len <= exec->addr_len && memcmp(bytes, exec->option, len) == 0)
        return true;
    memcpy(&got, exec->option, sizeof(got));
    return run_fail(run, exec->event, "the option is %d", got);
}

static bool prepare_fcntl(struct run *run, struct exec *exec, const struct value *args)
{
    return done(exec, face_fcntl(&run->face, live_fd(run, args), (int)number(nth(args, 1)),
                                 (int)number(nth(args, 2))));
}

static bool prepare_ioctl(struct run *run, struct exec *exec, const struct value *args)
{
    return done(exec, face_ioctl(&run->face, live_fd(run, args),
                                 (unsigned long)number(nth(args, 1)), &exec->number));
}

static bool check_ioctl(struct run *run, const struct exec *exec, const struct value *args)
{
    const struct value *want = nth(args, 2);

    if (exec->op.result < 0 || want == NULL || want->kind != VALUE_LIST)
        return true;
    if (number(want->first) == exec->number)
        return true;
    return run_fail(run, exec->event, "ioctl() told %d", exec->number);
}

/* --- readiness ------------------------------------------------------------------------------------------------------ */

/* poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 0) */
static bool prepare_poll(struct run *run, struct exec *exec, const struct value *args)
{
    for (const struct value *v = args->first; v != NULL && exec->op.n_polls < 16; v = v->next) {
        struct pollfd *p = &exec->polls[exec->op.n_polls++];

        p->fd = live_fd(run, member(v, "fd"));
        p->events = (short)number(member(v, "events"));
    }
    exec->op.polls = exec->polls;
    exec->op.timeout_ms = (int)number(nth(args, 2));
    exec->op.kind = FACE_POLL;
    exec->may_wait = true;
    return true;
}

static bool check_poll(struct run *run, const struct exec *exec, const struct value *args)
{
    const struct pollfd *p = exec->polls;

    for (const struct value *v = args->first; v != NULL; v = v->next, p++) {
        if ((short)number(member(v, "revents")) != p->revents)
            return run_fail(run, exec->event, "poll() told revents 0x%x for fd %d",
                            (unsigned)p->revents, (int)number(member(v, "fd")));
    }
    return true;
}

static bool prepare_epoll_create(struct run *run, struct exec *exec, const struct value *args)
{
    (void)args;
    return done(exec, face_epoll_create(&run->face));
}

/* epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) */
static bool prepare_epoll_ctl(struct run *run, struct exec *exec, const struct value *args)
{
    const struct value *event = nth(args, 3);
    struct epoll_event e = { .events = (uint32_t)number(member(event, "events")) };
    const struct value *fd = member(event, "fd");

    e.data.u64 = (uint64_t)number(fd != NULL ? fd : member(event, "ptr"));
    return done(exec, face_epoll_ctl(&run->face, live_fd(run, args), (int)number(nth(args, 1)),
                                     live_fd(run, nth(args, 2)), &e));
}

/* epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1 */
static bool prepare_epoll_wait(struct run *run, struct exec *exec, const struct value *args)
{
    exec->op.events = exec->events;
    exec->op.max_events = (int)number(nth(args, 2));
    exec->op.timeout_ms = (int)number(nth(args, 3));
    if (exec->op.max_events < 1 || exec->op.max_events > 16)
        return run_fail(run, exec->event, "epoll_wait() for 1 to 16 events");
    return wait_for(run, exec, FACE_EPOLL_WAIT, args);
}

static bool check_epoll_wait(struct run *run, const struct exec *exec, const struct value *args)
{
    const struct value *v = nth(args, 1);
    int i = 0;

    if (v->kind == VALUE_LIST)
        v = v->first;
    for (; i < exec->op.result && v != NULL && v->kind == VALUE_STRUCT; i++, v = v->next) {
        const struct value *fd = member(v, "fd");
        uint64_t data = (uint64_t)number(fd != NULL ? fd : member(v, "ptr"));

        if (exec->events[i].events != (uint32_t)number(member(v, "events")) ||
            exec->events[i].data.u64 != data)
            return run_fail(run, exec->event, "epoll_wait() told events 0x%x for %llu",
                            exec->events[i].events, (unsigned long long)exec->events[i].data.u64);
    }
    return true;
}

/* --- the table ------------------------------------------------------------------------------------------------------ */

static const struct call_kind kinds[] = {
    { "socket", 3, prepare_socket, NULL, true },
    { "bind", 3, prepare_bind, NULL, false },
    { "listen", 2, prepare_listen, NULL, false },
    { "accept", 3, prepare_accept, check_accept, true },
    { "connect", 3, prepare_connect, NULL, false },
    { "close", 1, prepare_close, NULL, false },
    { "shutdown", 2, prepare_shutdown, NULL, false },
    { "read", 3, prepare_read, check_read, false },
    { "recv", 4, prepare_read, check_read, false },
    { "recvfrom", 6, prepare_read, check_read, false },
    { "readv", 3, prepare_readv, check_read, false },
    { "recvmsg", 3, prepare_recvmsg, check_read, false },
    { "write", 3, prepare_write, check_written, false },
    { "send", 4, prepare_write, check_written, false },
    { "sendto", 6, prepare_sendto, check_written, false },
    { "writev", 3, prepare_writev, check_written, false },
    { "sendmsg", 3, prepare_sendmsg, check_written, false },
    { "setsockopt", 5, prepare_setsockopt, NULL, false },
    { "getsockopt", 5, prepare_getsockopt, check_getsockopt, false },
    { "fcntl", 2, prepare_fcntl, NULL, false }, /* or three */
    { "ioctl", 3, prepare_ioctl, check_ioctl, false },
    { "poll", 3, prepare_poll, check_poll, false },
    { "epoll_create", 1, prepare_epoll_create, NULL, true },
    { "epoll_ctl", 4, prepare_epoll_ctl, NULL, false },
    { "epoll_wait", 4, prepare_epoll_wait, check_epoll_wait, false },
};

static const struct call_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

/* --- outcome -------------------------------------------------------------------------------------------------------- */

static bool fail_result(struct run *run, const struct exec *exec, int64_t want)
{
    const struct call *call = exec->event->call;
    int64_t got = exec->op.result;

    return run_fail(run, exec->event, "%s() = %lld %s, expected %lld %s", call->name,
                    (long long)(got < 0 ? -1 : got), got < 0 ? errno_name((int)-got) : "",
                    (long long)want, call->err_no != 0 ? errno_name(call->err_no) : "");
}

/* The number is the script's name for what the stack made. */
static bool name_fd(struct run *run, const struct exec *exec, int64_t want)
{
    if (exec->op.result < 0 || want < 0)
        return fail_result(run, exec, want);
    if (want >= RUN_FD_MAX)
        return run_fail(run, exec->event, "descriptors are below %d", RUN_FD_MAX);
    run->fd_live[want] = (int)exec->op.result;
    return true;
}

static bool check_result(struct run *run, const struct exec *exec, const struct call_kind *kind)
{
    const struct call *call = exec->event->call;
    int64_t want = call->result->num;
    int64_t got = exec->op.result;

    if (call->result->kind == VALUE_ELLIPSIS)
        return true;
    if (want >= 0 && kind->makes_fd)
        return name_fd(run, exec, want);
    if (want < 0 && got < 0 && call->err_no != 0 && call->err_no != -got)
        return fail_result(run, exec, want);
    if ((want < 0) != (got < 0) || (want >= 0 && want != got))
        return fail_result(run, exec, want);
    return true;
}

static bool judge(struct run *run, const struct exec *exec)
{
    const struct call_kind *kind = find_kind(exec->event->call->name);

    if (!check_result(run, exec, kind))
        return false;
    return kind->check == NULL || kind->check(run, exec, exec->event->call->args);
}

/* --- waiting -------------------------------------------------------------------------------------------------------- */

static bool step(struct run *run, struct exec *exec)
{
    bool is_done;

    world_enter(&run->world);
    is_done = face_step(&run->face, &exec->op);
    world_leave(&run->world);
    exec->done_ns = world_now_ns(&run->world);
    return is_done;
}

void run_retry_blocked(struct run *run)
{
    struct exec *exec = run->blocked;

    if (exec == NULL || !exec->may_wait)
        return;
    exec->may_wait = !step(run, exec);
    run->world.alarm_ns = exec->may_wait ? exec->op.deadline_ns : 0;
}

bool run_settle_blocked(struct run *run, bool is_last)
{
    struct exec *exec = run->blocked;
    int64_t end_us;
    int64_t done_us;

    if (exec == NULL)
        return true;
    end_us = exec->event->call->end_us;
    if (exec->may_wait) {
        /* It may still come: its time is not over. */
        if (is_last)
            world_run_until(&run->world, run_ns(end_us + run->script->opts.tolerance_us));
        if (exec->may_wait &&
            run_us(world_now_ns(&run->world)) > end_us + run->script->opts.tolerance_us)
            return run_fail(run, exec->event, "%s() still waits at %lld.%06lld",
                            exec->event->call->name, (long long)(end_us / 1000000),
                            (long long)(end_us % 1000000));
        if (exec->may_wait && is_last)
            return run_fail(run, exec->event, "%s() still waits at the end",
                            exec->event->call->name);
        if (exec->may_wait)
            return true;
    }
    run->blocked = NULL;
    done_us = run_us(exec->done_ns);
    if (!run_is_timely(run, done_us, end_us, end_us))
        return run_fail(run, exec->event, "%s() returned at %lld.%06lld", exec->event->call->name,
                        (long long)(done_us / 1000000), (long long)(done_us % 1000000));
    return judge(run, exec);
}

static bool block(struct run *run, struct exec *exec)
{
    struct call *call = exec->event->call;

    if (run->blocked != NULL)
        return run_fail(run, exec->event, "another call still waits");
    /* From now on in script time, whatever comes in between. */
    call->end_us = run_at_us(run, exec->event, call->end_us);
    run->blocked = exec;
    run->world.alarm_ns = exec->op.deadline_ns;
    return true;
}

/* --- one call ------------------------------------------------------------------------------------------------------- */

static bool prepare(struct run *run, struct exec *exec, const struct call_kind *kind)
{
    const struct call *call = exec->event->call;
    bool is_fine;

    if (nth(call->args, kind->n_args - 1) == NULL)
        return run_fail(run, exec->event, "%s() has %u arguments", call->name, kind->n_args);
    world_enter(&run->world);
    is_fine = kind->prepare(run, exec, call->args);
    world_leave(&run->world);
    return is_fine;
}

bool run_call(struct run *run, const struct event *event)
{
    const struct call_kind *kind = find_kind(event->call->name);
    struct exec *exec = arena_new(&run->arena, sizeof(*exec));

    exec->event = event;
    if (kind == NULL)
        return run_fail(run, event, "%s() is not known here", event->call->name);
    if (!prepare(run, exec, kind))
        return false;
    exec->done_ns = world_now_ns(&run->world);
    if (exec->may_wait && !step(run, exec)) {
        if (!event->call->is_blocking)
            return run_fail(run, event, "%s() would wait", event->call->name);
        return block(run, exec);
    }
    exec->may_wait = false;
    if (event->call->is_blocking && event->call->end_us > event->at_us) {
        int64_t now_us = run_us(exec->done_ns);

        if (!run_is_timely(run, now_us, run_at_us(run, event, event->call->end_us),
                           run_at_us(run, event, event->call->end_us)))
            return run_fail(run, event, "%s() did not wait", event->call->name);
    }
    return judge(run, exec);
}
