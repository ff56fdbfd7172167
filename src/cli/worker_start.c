#include "cli/worker_start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <runnel/err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER_NAME "runnel-net"

static const char *text_of(int err)
{
    return err <= -RN_ERR_HOST_BASE ? strerror(-err - RN_ERR_HOST_BASE) : rn_err_text(err);
}

/* --- the executable ---------------------------------------------------------------------------------------------- */
/* Beside ourselves in a build tree, else where it was installed. */
static bool find_worker(char *path, size_t cap)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
        *slash = '\0';
        if ((size_t)snprintf(path, cap, "%s/" WORKER_NAME, self) < cap && access(path, X_OK) == 0)
            return true;
    }
    return (size_t)snprintf(path, cap, RN_LIBEXECDIR "/" WORKER_NAME) < cap &&
           access(path, X_OK) == 0;
}

/* It has only something to say on standard error, and must not keep a pipe of the command's open. */
static void leave_input_and_output(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        _exit(1);
}

static _Noreturn void become_worker(const char *path, int ctl)
{
    char *const argv[] = { (char *)(uintptr_t)WORKER_NAME, NULL };
    sigset_t none;

    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setsid(); /* the terminal's signals are the command's business */
    leave_input_and_output();
    if (ctl == RN_WORKER_CTL_FD) {
        if (fcntl(ctl, F_SETFD, 0) < 0)
            _exit(1);
    } else if (dup2(ctl, RN_WORKER_CTL_FD) < 0) {
        _exit(1);
    }
    execv(path, argv);
    _exit(1);
}

static int fork_worker(struct rn_worker_process *worker)
{
    char path[PATH_MAX];
    int pair[2];
    int err;

    if (!find_worker(path, sizeof(path))) {
        fprintf(stderr, "runnel run: cannot find " WORKER_NAME " beside runnel or in " RN_LIBEXECDIR
                        "\nhint: make install, or run it from the build directory\n");
        return RN_E_NO_FILE;
    }
    err = rn_fdpass_pair(pair);
    if (err < 0)
        return err;
    worker->pid = fork();
    if (worker->pid == 0)
        become_worker(path, pair[1]);
    close(pair[1]);
    if (worker->pid < 0) {
        close(pair[0]);
        worker->pid = 0;
        return rn_err_from_errno(errno);
    }
    worker->ctl = pair[0];
    return RN_OK;
}

/* --- orders ------------------------------------------------------------------------------------------------------ */
static void add_fd(struct rn_fds *fds, int fd, bool *ret_has)
{
    *ret_has = fd >= 0;
    if (fd >= 0)
        fds->fd[fds->n++] = fd;
}

static int open_echo(int family, int type)
{
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
                  family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* Unprivileged ping sockets where net.ipv4.ping_group_range lets us, else raw ones where we are root, else none: then an
 * echo to the outside is answered as prohibited. */
static void add_echo(struct rn_fds *fds, struct rn_worker_config *config)
{
    int v4 = open_echo(AF_INET, SOCK_DGRAM);
    int v6 = open_echo(AF_INET6, SOCK_DGRAM);

    if (v4 < 0) {
        if (v6 >= 0)
            close(v6);
        v4 = open_echo(AF_INET, SOCK_RAW);
        v6 = open_echo(AF_INET6, SOCK_RAW);
        config->has_raw_echo = v4 >= 0;
    }
    add_fd(fds, v4, &config->has_echo4);
    add_fd(fds, v6, &config->has_echo6);
}

static int open_capture(const char *path, int *ret)
{
    *ret = -1;
    if (path == NULL)
        return RN_OK;
    *ret = strcmp(path, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 4)
                                  : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (*ret >= 0)
        return RN_OK;
    fprintf(stderr, "runnel run: --pcap %s: %s\n", path, strerror(errno));
    return rn_err_from_errno(errno);
}

static int send_config(struct rn_worker_process *worker, const struct rn_worker_orders *orders)
{
    struct rn_worker_msg msg = { .version = RN_WORKER_VERSION, .word = RN_WORKER_CONFIG };
    struct rn_worker_config *config = &msg.config;
    struct rn_fds fds = orders->device;
    int pcap;
    int err = open_capture(orders->opts->pcap, &pcap);

    config->n_device_fds = fds.n;
    if (err >= 0) {
        config->cell = *orders->cell;
        config->plan = *orders->plan;
        config->host_loopback = orders->opts->host_loopback;
        config->verbose = orders->opts->verbose;
        add_fd(&fds, pcap, &config->has_pcap);
        add_echo(&fds, config);
        err = rn_fdpass_send(worker->ctl, &msg, sizeof(msg), &fds);
    }
    rn_fds_close(&fds);
    return err;
}

static int send_ports(struct rn_worker_process *worker, const struct rn_ports_set *ports)
{
    for (unsigned i = 0; i < ports->n; i++) {
        struct rn_worker_msg msg = { .version = RN_WORKER_VERSION,
                                     .word = RN_WORKER_LISTEN,
                                     .listen = ports->bound[i].order };
        int err = rn_fdpass_send(worker->ctl, &msg, sizeof(msg), &ports->bound[i].fds);

        if (err < 0)
            return err;
    }
    return RN_OK;
}

static int send_word(struct rn_worker_process *worker, enum rn_worker_word word)
{
    struct rn_worker_msg msg = { .version = RN_WORKER_VERSION, .word = word };

    return rn_fdpass_send(worker->ctl, &msg, sizeof(msg), NULL);
}

static int await_ready(struct rn_worker_process *worker, int patience_ms)
{
    struct pollfd fd = { .fd = worker->ctl, .events = POLLIN };
    struct rn_worker_msg msg;
    int n;

    do {
        n = poll(&fd, 1, patience_ms);
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        fprintf(stderr, "runnel run: the network worker did not get ready in %d s\n",
                patience_ms / 1000);
        return RN_E_TIMED_OUT;
    }
    n = rn_fdpass_recv(worker->ctl, &msg, sizeof(msg), NULL);
    if (n == (int)sizeof(msg) && msg.word == RN_WORKER_READY)
        return RN_OK;
    if (n == (int)sizeof(msg) && msg.word == RN_WORKER_FAILED) {
        fprintf(stderr, "runnel run: the network worker cannot %.*s: %s\n",
                (int)sizeof(msg.failure.what), msg.failure.what, text_of(msg.failure.err));
        return msg.failure.err;
    }
    fprintf(stderr, "runnel run: the network worker ended before it was ready\n");
    return RN_E_ABORTED;
}

int rn_worker_process_start(struct rn_worker_process *worker, struct rn_worker_orders *orders,
                            int patience_ms)
{
    int err = fork_worker(worker);

    if (err < 0) {
        rn_fds_close(&orders->device);
        return err;
    }
    err = send_config(worker, orders);
    if (err >= 0)
        err = send_ports(worker, orders->ports);
    if (err >= 0)
        err = send_word(worker, RN_WORKER_START);
    /* A worker that fails closes its end: then it has said why, and that is the better message. */
    return err == RN_OK || err == rn_err_from_errno(EPIPE) ? await_ready(worker, patience_ms) : err;
}

int rn_worker_process_servers(struct rn_worker_process *worker, const struct rn_addr *servers,
                              unsigned n)
{
    struct rn_worker_msg msg = { .version = RN_WORKER_VERSION, .word = RN_WORKER_SERVERS };

    msg.servers.n = rn_min_u32(n, RN_PLAN_DNS_MAX);
    memcpy(msg.servers.addrs, servers, msg.servers.n * sizeof(*servers));
    return rn_fdpass_send(worker->ctl, &msg, sizeof(msg), NULL);
}

int rn_worker_process_detach(struct rn_worker_process *worker)
{
    return send_word(worker, RN_WORKER_DETACH);
}

int rn_worker_process_drain(struct rn_worker_process *worker)
{
    return send_word(worker, RN_WORKER_DRAIN);
}

bool rn_worker_process_is_drained(struct rn_worker_process *worker)
{
    struct rn_worker_msg msg;
    int n = rn_fdpass_recv(worker->ctl, &msg, sizeof(msg), NULL);

    return n != (int)sizeof(msg) || msg.word == RN_WORKER_DRAINED;
}

void rn_worker_process_end(struct rn_worker_process *worker)
{
    if (worker->ctl >= 0)
        close(worker->ctl);
    worker->ctl = -1;
    if (worker->pid > 0)
        (void)waitpid(worker->pid, NULL, 0);
    worker->pid = 0;
}
