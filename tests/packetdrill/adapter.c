/*
 * librunnel_packetdrill.so: packetdrill's interface to a stack in a shared object, over runnel's sockets, under virtual
 * time. The tester has two threads: the main one, and one for calls that the script lets wait. Every check of time goes
 * through our gettimeofday, usleep and netdev_receive, so nothing here waits in real time but a call that sleeps for the
 * main thread to make its condition true.
 */
#include "iface.h"
#include "opts.h"

#include <runnel/attr.h>
#include <runnel/tcp.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define START_NS   (INT64_C(1000000000) * RN_NS_PER_S)
#define CHECK_IN_S 2 /* real time in which a woken thread must ask for the time */

/* A call that waits in the tester's second thread. */
struct sleeper {
    struct sleeper *next;
    struct face_call *call;
    bool is_done;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;    /* for sleepers */
    pthread_cond_t checked_in; /* for the main thread */
    bool is_ready;
    pthread_t main_thread;
    struct adapter_opts opts;
    struct world world;
    struct face face;
    struct sleeper *sleepers;
    bool was_woken; /* since then the tester's other thread has had no time to end its call */
    unsigned n_to_check_in; /* woken, but have not asked for the time yet */
} ad = { .lock = PTHREAD_MUTEX_INITIALIZER,
         .changed = PTHREAD_COND_INITIALIZER,
         .checked_in = PTHREAD_COND_INITIALIZER };

static _Thread_local bool must_check_in;

static void enter(const char *call)
{
    pthread_mutex_lock(&ad.lock);
    if (ad.opts.is_traced)
        fprintf(stderr, "%lld %s\n", (long long)(world_now_ns(&ad.world) / RN_NS_PER_US), call);
}

/* Unlocks; -errno becomes -1 and errno. */
static int64_t leave(int64_t result)
{
    pthread_mutex_unlock(&ad.lock);
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

/* --- waiting -------------------------------------------------------------------------------------------------------- */

static bool step(struct face_call *call)
{
    bool is_done;

    world_enter(&ad.world);
    is_done = face_step(&ad.face, call);
    world_leave(&ad.world);
    return is_done;
}

/* The woken thread's call ends at this instant, so time must stand still until it has looked at the clock. */
static void settle(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CHECK_IN_S;
    while (ad.n_to_check_in > 0) {
        if (pthread_cond_timedwait(&ad.checked_in, &ad.lock, &until) == 0)
            continue;
        fprintf(stderr, "librunnel_packetdrill: a woken call never asked for the time\n");
        abort();
    }
}

static void set_alarm(void)
{
    ad.world.alarm_ns = 0;
    for (struct sleeper *s = ad.sleepers; s != NULL; s = s->next) {
        int64_t deadline = s->call->deadline_ns;

        if (deadline != 0 && (ad.world.alarm_ns == 0 || deadline < ad.world.alarm_ns))
            ad.world.alarm_ns = deadline;
    }
}

/* quickack=0, for connections that came to be in this turn; the option is no news to the others. */
static void delay_acks(void)
{
    for (int fd = 0; fd < FACE_FDS_MAX && !ad.opts.has_quickack; fd++) {
        if (ad.face.fds[fd].sock != NULL)
            (void)!rn_sock_set_opt(ad.face.fds[fd].sock, RN_TCP_QUICKACK, 0);
    }
}

/* After each turn: goes on with every call that waits. */
static void wake(void *arg)
{
    struct sleeper **at = &ad.sleepers;

    (void)arg;
    delay_acks();
    while (*at != NULL) {
        struct sleeper *s = *at;

        if (!step(s->call)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        s->is_done = true;
        ad.n_to_check_in++;
        ad.was_woken = true;
        pthread_cond_broadcast(&ad.changed);
    }
    set_alarm();
    settle();
}

static int64_t sleep_on(struct face_call *call)
{
    struct sleeper self = { .next = ad.sleepers, .call = call };

    ad.sleepers = &self;
    set_alarm();
    while (!self.is_done)
        pthread_cond_wait(&ad.changed, &ad.lock);
    must_check_in = true;
    return call->result;
}

/* The script says that this call does not wait. Time passes until it is done; if it never is, it fails for a reason. */
static int64_t wait_in_main(struct face_call *call)
{
    int64_t limit_ns = world_now_ns(&ad.world) + ad.opts.giveup_s * RN_NS_PER_S;
    int64_t next_ns;

    while ((next_ns = rn_min_i64(world_deadline_ns(&ad.world),
                                 call->deadline_ns != 0 ? call->deadline_ns : INT64_MAX)) <=
           limit_ns) {
        world_turn(&ad.world, next_ns);
        if (step(call))
            return call->result;
    }
    return -EDEADLK;
}

static int64_t do_call(const char *name, struct face_call *call)
{
    enter(name);
    if (step(call)) {
        wake(NULL);
        return leave(call->result);
    }
    if (pthread_equal(pthread_self(), ad.main_thread))
        return leave(wait_in_main(call));
    return leave(sleep_on(call));
}

/* --- sockets -------------------------------------------------------------------------------------------------------- */

/* For calls that never wait: one turn around @expr, then others may be woken by what it did. */
#define IN_TURN(expr)                                                                              \
    do {                                                                                           \
        int64_t result_;                                                                           \
        enter(__func__);                                                                           \
        world_enter(&ad.world);                                                                    \
        result_ = (expr);                                                                          \
        world_leave(&ad.world);                                                                    \
        wake(NULL);                                                                                \
        return (int)leave(result_);                                                                \
    } while (0)

static int new_socket(int domain, int type, int proto)
{
    int fd = face_socket(&ad.face, domain, type, proto);

    if (fd >= 0 && ad.opts.has_sysctl)
        adapter_apply_sysctls(&ad.face, fd);
    if (fd >= 0)
        adapter_apply_congestion(&ad.opts, &ad.face, fd);
    return fd;
}

static int pd_socket(void *u, int domain, int type, int proto)
{
    (void)u;
    IN_TURN(new_socket(domain, type, proto));
}

static int pd_bind(void *u, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)u;
    IN_TURN(face_bind(&ad.face, fd, addr, len));
}

static int start_listening(int fd, int backlog)
{
    int result = face_listen(&ad.face, fd, backlog);

    if (result == 0 && ad.opts.has_sysctl)
        adapter_apply_listen_sysctls(&ad.face, fd, backlog);
    return result;
}

static int pd_listen(void *u, int fd, int backlog)
{
    (void)u;
    IN_TURN(start_listening(fd, backlog));
}

static int pd_accept(void *u, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct face_call call = { .kind = FACE_ACCEPT, .fd = fd };

    (void)u;
    call.ret_addr = addr;
    call.ret_addr_len = len;
    return (int)do_call(__func__, &call);
}

static int pd_connect(void *u, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct face_call call = { .kind = FACE_CONNECT, .fd = fd };

    (void)u;
    call.addr = addr;
    call.addr_len = len;
    return (int)do_call(__func__, &call);
}

static ssize_t transfer(const char *name, enum face_kind kind, int fd, const struct msghdr *msg)
{
    struct face_call call = { .kind = kind, .fd = fd, .flags = msg->msg_flags };

    if ((msg->msg_flags & MSG_FASTOPEN) != 0 && ad.opts.has_sysctl)
        adapter_apply_fastopen(&ad.face, fd);
    call.iov = msg->msg_iov;
    call.n_iov = (int)msg->msg_iovlen;
    call.addr = msg->msg_name;
    call.addr_len = msg->msg_namelen;
    return (ssize_t)do_call(name, &call);
}

static ssize_t transfer_buf(const char *name, enum face_kind kind, int fd, struct iovec iov,
                            int flags)
{
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_flags = flags };

    return transfer(name, kind, fd, &msg);
}

static ssize_t pd_read(void *u, int fd, void *buf, size_t n)
{
    (void)u;
    return transfer_buf(__func__, FACE_READ, fd, (struct iovec){ buf, n }, 0);
}

static ssize_t pd_recv(void *u, int fd, void *buf, size_t n, int flags)
{
    (void)u;
    return transfer_buf(__func__, FACE_READ, fd, (struct iovec){ buf, n }, flags);
}

/* A stream names no sender. */
static ssize_t pd_recvfrom(void *u, int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
                           socklen_t *len)
{
    (void)u;
    (void)addr;
    if (len != NULL)
        *len = 0;
    return transfer_buf(__func__, FACE_READ, fd, (struct iovec){ buf, n }, flags);
}

static ssize_t pd_readv(void *u, int fd, const struct iovec *iov, int n)
{
    struct msghdr msg = { .msg_iovlen = (size_t)n };

    (void)u;
    msg.msg_iov = (struct iovec *)(uintptr_t)iov;
    return transfer(__func__, FACE_READ, fd, &msg);
}

static ssize_t pd_recvmsg(void *u, int fd, struct msghdr *msg, int flags)
{
    struct msghdr copy = { .msg_iov = msg->msg_iov, .msg_iovlen = msg->msg_iovlen };

    (void)u;
    copy.msg_flags = flags;
    msg->msg_flags = 0;
    msg->msg_controllen = 0;
    return transfer(__func__, FACE_READ, fd, &copy);
}

static struct iovec iov_of(const void *buf, size_t n)
{
    return (struct iovec){ (void *)(uintptr_t)buf, n };
}

static ssize_t pd_write(void *u, int fd, const void *buf, size_t n)
{
    (void)u;
    return transfer_buf(__func__, FACE_WRITE, fd, iov_of(buf, n), 0);
}

static ssize_t pd_send(void *u, int fd, const void *buf, size_t n, int flags)
{
    (void)u;
    return transfer_buf(__func__, FACE_WRITE, fd, iov_of(buf, n), flags);
}

static ssize_t pd_sendto(void *u, int fd, const void *buf, size_t n, int flags,
                         const struct sockaddr *addr, socklen_t len)
{
    struct iovec iov = iov_of(buf, n);
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_flags = flags };

    (void)u;
    msg.msg_name = (void *)(uintptr_t)addr;
    msg.msg_namelen = len;
    return transfer(__func__, FACE_WRITE, fd, &msg);
}

static ssize_t pd_writev(void *u, int fd, const struct iovec *iov, int n)
{
    struct msghdr msg = { .msg_iovlen = (size_t)n };

    (void)u;
    msg.msg_iov = (struct iovec *)(uintptr_t)iov;
    return transfer(__func__, FACE_WRITE, fd, &msg);
}

static ssize_t pd_sendmsg(void *u, int fd, const struct msghdr *msg, int flags)
{
    struct msghdr copy = *msg;

    (void)u;
    copy.msg_flags = flags;
    return transfer(__func__, FACE_WRITE, fd, &copy);
}

static int pd_fcntl(void *u, int fd, int cmd, ...)
{
    va_list args;
    int arg;

    (void)u;
    va_start(args, cmd);
    arg = va_arg(args, int);
    va_end(args);
    IN_TURN(face_fcntl(&ad.face, fd, cmd, arg));
}

static int pd_ioctl(void *u, int fd, unsigned long request, ...)
{
    va_list args;
    int *arg;

    (void)u;
    va_start(args, request);
    arg = va_arg(args, int *);
    va_end(args);
    IN_TURN(face_ioctl(&ad.face, fd, request, arg));
}

static int pd_close(void *u, int fd)
{
    (void)u;
    IN_TURN(face_close(&ad.face, fd));
}

static int pd_shutdown(void *u, int fd, int how)
{
    (void)u;
    IN_TURN(face_shutdown(&ad.face, fd, how));
}

static int pd_getsockopt(void *u, int fd, int level, int name, void *value, socklen_t *len)
{
    (void)u;
    IN_TURN(face_getsockopt(&ad.face, fd, level, name, value, len));
}

static int pd_setsockopt(void *u, int fd, int level, int name, const void *value, socklen_t len)
{
    (void)u;
    if (ad.opts.has_sysctl) /* a script may have changed one since the socket was made */
        adapter_apply_fastopen(&ad.face, fd);
    IN_TURN(face_setsockopt(&ad.face, fd, level, name, value, len));
}

static int pd_poll(void *u, struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct face_call call = { .kind = FACE_POLL, .polls = fds, .n_polls = n };

    (void)u;
    call.timeout_ms = timeout_ms;
    return (int)do_call(__func__, &call);
}

static int pd_epoll_create(void *u, int size)
{
    (void)u;
    (void)size;
    IN_TURN(face_epoll_create(&ad.face));
}

static int pd_epoll_ctl(void *u, int epfd, int op, int fd, struct epoll_event *event)
{
    (void)u;
    IN_TURN(face_epoll_ctl(&ad.face, epfd, op, fd, event));
}

static int pd_epoll_wait(void *u, int epfd, struct epoll_event *events, int max, int timeout_ms)
{
    struct face_call call = { .kind = FACE_EPOLL_WAIT, .fd = epfd, .events = events };

    (void)u;
    call.max_events = max;
    call.timeout_ms = timeout_ms;
    return (int)do_call(__func__, &call);
}

static int pd_pipe(void *u, int fds[2])
{
    (void)u;
    (void)fds;
    errno = ENOSYS;
    return -1;
}

static int pd_splice(void *u, int in, loff_t *in_off, int out, loff_t *out_off, size_t n,
                     unsigned flags)
{
    (void)u;
    (void)in;
    (void)in_off;
    (void)out;
    (void)out_off;
    (void)n;
    (void)flags;
    errno = ENOSYS;
    return -1;
}

/* --- the wire and the clock ----------------------------------------------------------------------------------------- */

static int pd_netdev_send(void *u, const void *pkt, size_t len)
{
    (void)u;
    enter(__func__);
    world_feed(&ad.world, pkt, len);
    return (int)leave(0);
}

/* "Nothing will come" is a packet of no bytes: the tester would ask for ever after an error. */
static int pd_netdev_receive(void *u, void *buf, size_t *len, long long *time_us)
{
    struct sent *sent = NULL;
    int64_t limit_ns;

    (void)u;
    enter(__func__);
    limit_ns = world_now_ns(&ad.world) + ad.opts.giveup_s * RN_NS_PER_S;
    if (world_wait_output(&ad.world, limit_ns))
        sent = world_take(&ad.world);
    if (sent == NULL || sent->len > *len) {
        *len = 0;
        *time_us = world_now_ns(&ad.world) / RN_NS_PER_US;
    } else {
        memcpy(buf, sent->bytes, sent->len);
        *len = sent->len;
        *time_us = sent->at_ns / RN_NS_PER_US;
    }
    free(sent);
    return (int)leave(0);
}

static int pd_usleep(void *u, useconds_t us)
{
    const struct timespec real = { .tv_nsec = 2 * RN_NS_PER_MS };

    (void)u;
    enter(__func__);
    /* A woken call has looked at the clock, but its thread still has to take the result down. */
    if (ad.was_woken)
        (void)nanosleep(&real, NULL);
    ad.was_woken = false;
    world_run_until(&ad.world, world_now_ns(&ad.world) + (int64_t)us * RN_NS_PER_US);
    return (int)leave(0);
}

/* The tester spins on the clock before an event, so it moves on by itself; but not for a thread that was just woken. */
static int pd_gettimeofday(void *u, struct timeval *tv, struct timezone *tz)
{
    int64_t us;

    (void)u;
    (void)tz;
    enter(__func__);
    if (must_check_in) {
        must_check_in = false;
        ad.n_to_check_in--;
        pthread_cond_signal(&ad.checked_in);
    } else {
        world_run_until(&ad.world, world_now_ns(&ad.world) + RN_NS_PER_US);
    }
    us = world_now_ns(&ad.world) / RN_NS_PER_US;
    tv->tv_sec = us / 1000000;
    tv->tv_usec = us % 1000000;
    return (int)leave(0);
}

/* --- what the tester does behind the table's back ----------------------------------------------------------------- */

/* Preloaded, we stand before libc for these three: the tester reads tcp_info by getsockopt(2), closes what a script left
 * open by close(2), and runs its shell lines by system(3), of which one empties the kernel's memory of Fast Open cookies.
 * Other programs, and other descriptors, notice nothing. */
static bool is_ours(int fd)
{
    return ad.is_ready && face_fd(&ad.face, fd) != NULL;
}

RN_PUBLIC int getsockopt(int fd, int level, int name, void *restrict value,
                         socklen_t *restrict len);

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
    if (is_ours(fd))
        return pd_getsockopt(NULL, fd, level, name, value, len);
    return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

RN_PUBLIC int close(int fd);

int close(int fd)
{
    if (is_ours(fd))
        return pd_close(NULL, fd);
    return (int)syscall(SYS_close, fd);
}

RN_PUBLIC int system(const char *line);

int system(const char *line)
{
    int (*real)(const char *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "system");

    memcpy(&real, &symbol, sizeof(real));
    if (ad.is_ready && line != NULL &&
        (strstr(line, "tcp_metrics flush") != NULL || strstr(line, "fastopen_cookies=0") != NULL)) {
        enter(__func__);
        world_enter(&ad.world);
        rn_tcp_forget_fastopen(ad.world.stack);
        world_leave(&ad.world);
        (void)leave(0);
    }
    /* The kernel's counters know nothing of us: what a script asks of them is taken as given. */
    if (ad.is_ready && line != NULL && strstr(line, "nstat") != NULL)
        return 0;
    return real != NULL ? real(line) : -1;
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

/* A real descriptor, so that the tester's own close(2) of it succeeds. */
static int new_fd(void)
{
    return eventfd(0, EFD_CLOEXEC);
}

static void free_fd(int fd)
{
    (void)syscall(SYS_close, fd);
}

static FILE *open_pcap(const char *path)
{
    static const uint32_t header[6] = { 0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 101 };
    FILE *file = path[0] != '\0' ? fopen(path, "we") : NULL;

    if (file != NULL)
        fwrite(header, sizeof(header), 1, file);
    return file;
}

static void pd_free(void *u)
{
    (void)u;
    pthread_mutex_lock(&ad.lock);
    ad.is_ready = false;
    ad.world.after_turn = NULL;
    world_enter(&ad.world);
    face_fini(&ad.face);
    world_leave(&ad.world);
    if (ad.world.pcap != NULL)
        fclose(ad.world.pcap);
    (void)world_fini(&ad.world);
    pthread_mutex_unlock(&ad.lock);
}

static const struct pd_iface table = {
    .free = pd_free,
    .socket = pd_socket,
    .bind = pd_bind,
    .listen = pd_listen,
    .accept = pd_accept,
    .connect = pd_connect,
    .read = pd_read,
    .readv = pd_readv,
    .recv = pd_recv,
    .recvfrom = pd_recvfrom,
    .recvmsg = pd_recvmsg,
    .write = pd_write,
    .writev = pd_writev,
    .send = pd_send,
    .sendto = pd_sendto,
    .sendmsg = pd_sendmsg,
    .fcntl = pd_fcntl,
    .ioctl = pd_ioctl,
    .close = pd_close,
    .shutdown = pd_shutdown,
    .getsockopt = pd_getsockopt,
    .setsockopt = pd_setsockopt,
    .poll = pd_poll,
    .netdev_send = pd_netdev_send,
    .netdev_receive = pd_netdev_receive,
    .usleep = pd_usleep,
    .gettimeofday = pd_gettimeofday,
    .epoll_create = pd_epoll_create,
    .epoll_ctl = pd_epoll_ctl,
    .epoll_wait = pd_epoll_wait,
    .pipe = pd_pipe,
    .splice = pd_splice,
};

RN_PUBLIC void packetdrill_interface_init(const char *flags, struct pd_iface *ret);

void packetdrill_interface_init(const char *flags, struct pd_iface *ret)
{
    struct world_opts opts = { .start_ns = START_NS };

    adapter_opts_parse(&ad.opts, flags);
    opts.mtu = ad.opts.mtu;
    opts.local4 = ad.opts.local4;
    opts.local6 = ad.opts.local6;
    world_init(&ad.world, &opts);
    ad.world.pcap = open_pcap(ad.opts.pcap);
    ad.world.after_turn = wake;
    face_init(&ad.face, &ad.world);
    ad.face.new_fd = new_fd;
    ad.face.free_fd = free_fd;
    ad.main_thread = pthread_self();
    ad.is_ready = true;
    *ret = table;
}
