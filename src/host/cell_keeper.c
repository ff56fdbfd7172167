/* The first process inside a cell: builds it, starts the command, outlives everything else inside. See cell.h. */
#include "host/cell_proto.h"
#include "host/reap.h"
#include <runnel/err.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a terminal and a careless `kill` send to the whole group. */
static const int deaf_to[] = { SIGINT,  SIGQUIT, SIGHUP,  SIGTERM, SIGTSTP,
                               SIGTTIN, SIGTTOU, SIGPIPE, SIGUSR1, SIGUSR2 };

int rn_cell_fail(struct keeper *k, enum rn_cell_stage stage, int err, const char *detail)
{
    k->failure.stage = stage;
    k->failure.err = err;
    memset(k->failure.detail, 0, sizeof(k->failure.detail));
    memcpy(k->failure.detail, detail, strnlen(detail, sizeof(k->failure.detail) - 1));
    return err;
}

static void tell(struct keeper *k, const struct cell_msg *msg, const struct rn_fds *fds)
{
    /* If the supervisor is gone we learn it by reading. */
    int err = rn_fdpass_send(k->ctl, msg, sizeof(*msg), fds);

    (void)err;
}

static void tell_event(struct keeper *k, enum rn_cell_event_kind kind, int value)
{
    const struct cell_msg msg = { .word = CELL_EVENT, .event = { kind, value } };

    tell(k, &msg, NULL);
}

/* Only the three standard descriptors, which are the command's, and our line to the supervisor come with us. */
static int shed_descriptors(struct keeper *k)
{
    int ctl = 3;

    if (k->ctl != ctl) {
        if (dup3(k->ctl, ctl, O_CLOEXEC) < 0)
            return rn_err_from_errno(errno);
        k->ctl = ctl;
    }
    if (syscall(SYS_close_range, 4U, ~0U, 0U) < 0)
        return rn_err_from_errno(errno);
    return RN_OK;
}

static int settle_in(struct keeper *k)
{
    sigset_t child;
    int err = shed_descriptors(k);

    if (err < 0)
        return rn_cell_fail(k, RN_CELL_STAGE_KEEPER, err, "close_range");
    prctl(PR_SET_NAME, "rn-cell", 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (size_t i = 0; i < sizeof(deaf_to) / sizeof(deaf_to[0]); i++)
        signal(deaf_to[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_SETMASK, &child, NULL);
    k->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    return k->signals < 0
               ? rn_cell_fail(k, RN_CELL_STAGE_KEEPER, rn_err_from_errno(errno), "signalfd")
               : RN_OK;
}

static int enter_userns(struct keeper *k)
{
    int err;

    if (!k->opts->has_userns)
        return RN_OK;
    if (unshare(CLONE_NEWUSER) < 0)
        return rn_cell_fail(k, RN_CELL_STAGE_USERNS, rn_err_from_errno(errno), "");
    err = rn_userns_write_maps(&k->ids);
    return err < 0 ? rn_cell_fail(k, RN_CELL_STAGE_MAPS, err, "/proc/self/uid_map") : RN_OK;
}

static int enter_namespaces(struct keeper *k)
{
    int err = enter_userns(k);

    if (err < 0)
        return err;
    if (unshare(CLONE_NEWNET) < 0)
        return rn_cell_fail(k, RN_CELL_STAGE_NETNS, rn_err_from_errno(errno), "");
    if (unshare(CLONE_NEWNS) < 0)
        return rn_cell_fail(k, RN_CELL_STAGE_MOUNTNS, rn_err_from_errno(errno), "");
    /* What the host mounts later is seen inside; what we mount is not seen outside. */
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        return rn_cell_fail(k, RN_CELL_STAGE_MOUNTNS, rn_err_from_errno(errno), "/");
    return RN_OK;
}

/* @ret: the device's descriptors. */
static int build(struct keeper *k, struct rn_fds *ret)
{
    int err = settle_in(k);

    if (err >= 0)
        err = enter_namespaces(k);
    if (err < 0)
        return err;
    rn_cell_build_etc(k);
    return rn_cell_build_net(k, ret);
}

/* Waits until the command's exec succeeded (end of file) or failed. Returns a host errno or 0. */
static int read_exec_result(int pipe_fd)
{
    int failure = 0;
    ssize_t n;

    do {
        n = read(pipe_fd, &failure, sizeof(failure));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(failure) ? failure : 0;
}

static _Noreturn void become_command(const struct keeper *k, int pipe_fd)
{
    int failure = rn_cell_exec(k);
    ssize_t n = write(pipe_fd, &failure, sizeof(failure));

    (void)n;
    _exit(failure == ENOENT ? 127 : 126);
}

/* Lets go of the command's standard streams: a reader of its output must see the end when the command's side ends. */
static void leave_streams(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

static void release(struct keeper *k)
{
    int pipe_fds[2];
    int failure;
    pid_t pid;

    if (k->was_released)
        return;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
        tell_event(k, RN_CELL_EXEC_FAILED, rn_err_from_errno(errno));
        return;
    }
    k->was_released = true;
    pid = fork();
    if (pid == 0)
        become_command(k, pipe_fds[1]);
    failure = pid < 0 ? errno : 0;
    close(pipe_fds[1]);
    leave_streams();
    if (pid > 0)
        failure = read_exec_result(pipe_fds[0]);
    close(pipe_fds[0]);
    if (failure != 0) {
        tell_event(k, RN_CELL_EXEC_FAILED, rn_err_from_errno(failure));
        return;
    }
    k->cmd = pid;
    tell_event(k, RN_CELL_STARTED, pid);
}

static void tell_empty(struct keeper *k)
{
    if (k->is_empty)
        return;
    k->is_empty = true;
    tell_event(k, RN_CELL_EMPTY, 0);
}

static _Noreturn void end_everything(struct keeper *k)
{
    rn_kill_children(NULL);
    tell_empty(k);
    _exit(0);
}

static void tell_of_command(struct keeper *k, int status)
{
    if (WIFSTOPPED(status)) {
        tell_event(k, RN_CELL_STOPPED, WSTOPSIG(status));
    } else if (WIFCONTINUED(status)) {
        tell_event(k, RN_CELL_CONTINUED, 0);
    } else {
        k->cmd = 0;
        tell_event(k, RN_CELL_EXITED, status);
    }
}

/* Returns false when no process is left inside. */
static bool reap(struct keeper *k)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    while (read(k->signals, &info, sizeof(info)) > 0)
        continue;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
        if (pid == k->cmd)
            tell_of_command(k, status);
    }
    return pid == 0;
}

static void obey(struct keeper *k)
{
    struct cell_msg msg;
    int n = rn_fdpass_recv(k->ctl, &msg, sizeof(msg), NULL);

    if (n != (int)sizeof(msg) || msg.word == CELL_KILL)
        end_everything(k); /* the supervisor died, or says so */
    if (msg.word == CELL_RELEASE)
        release(k);
    if (msg.word == CELL_SIGNAL && k->cmd > 0)
        kill(k->cmd, msg.value);
}

_Noreturn void rn_cell_keeper_main(struct keeper *k)
{
    struct rn_fds device = { .n = 0 };
    int err = build(k, &device);
    struct pollfd polled[3];

    if (err < 0) {
        tell(k, &(struct cell_msg){ .word = CELL_FAILED, .failure = k->failure }, NULL);
        _exit(1);
    }
    tell(k, &(struct cell_msg){ .word = CELL_READY, .report = k->report }, &device);
    rn_fds_close(&device);
    polled[0] = (struct pollfd){ .fd = k->ctl, .events = POLLIN };
    polled[1] = (struct pollfd){ .fd = k->signals, .events = POLLIN };
    polled[2] = (struct pollfd){ .fd = k->etc.inotify, .events = POLLIN };
    for (;;) {
        if (poll(polled, 3, -1) < 0)
            continue;
        if (polled[2].revents != 0)
            rn_cell_mend_etc(&k->etc);
        if (polled[1].revents != 0 && !reap(k))
            tell_empty(
                k); /* the kernel may still have something to send for those who lived here */
        if (polled[0].revents != 0)
            obey(k);
    }
}
