#include "cli/net_crew.h"

#include "cli/worker.h"
#include "host/fdpass.h"
#include "host/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <runnel/err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * runnel-net: the worker. Takes its orders and descriptors from the supervisor, builds stack, gates and resolver, gives up
 * every right, says READY, and carries packets until the supervisor's end of the pair closes.
 */

struct net_main {
    struct rn_net_crew *crew;
    struct rn_worker_config config;
    struct rn_watch ctl;
    bool is_started;
};

static int say(enum rn_worker_word word, int err, const char *what)
{
    struct rn_worker_msg msg = { .version = RN_WORKER_VERSION, .word = word };

    msg.failure.err = err;
    snprintf(msg.failure.what, sizeof(msg.failure.what), "%s", what);
    return rn_fdpass_send(RN_WORKER_CTL_FD, &msg, sizeof(msg), NULL);
}

static int fail(int err, const char *what)
{
    (void)say(RN_WORKER_FAILED, err, what);
    return 1;
}

/* The next message, whole and of our version. Returns 1, 0 when the supervisor has gone, or an error. */
static int next_msg(struct rn_worker_msg *ret, struct rn_fds *ret_fds)
{
    int n = rn_fdpass_recv(RN_WORKER_CTL_FD, ret, sizeof(*ret), ret_fds);

    if (n <= 0)
        return n;
    if (n != (int)sizeof(*ret) || ret->version != RN_WORKER_VERSION) {
        rn_fds_close(ret_fds);
        return RN_E_VERSION;
    }
    return 1;
}

/* --- while running ------------------------------------------------------------------------------------------- */
/* A reader of the command's errors waits for the end of all who hold that stream. Ours of input is /dev/null already. */
static void leave_stderr(void)
{
    (void)dup3(STDIN_FILENO, STDERR_FILENO, 0); /* syscalls: dup3 */
}

static void on_drained(void *arg)
{
    (void)arg;
    (void)say(RN_WORKER_DRAINED, RN_OK, ""); /* a supervisor that has ended is noticed by on_ctl */
}

static void on_ctl(struct rn_watch *watch, unsigned ready)
{
    struct net_main *self = rn_container_of(watch, struct net_main, ctl);
    struct rn_worker_msg msg;
    struct rn_fds fds = { .n = 0 };
    int got;
    (void)ready;

    while ((got = next_msg(&msg, &fds)) == 1) {
        if (msg.word == RN_WORKER_SERVERS)
            rn_net_crew_set_servers(self->crew, msg.servers.addrs, msg.servers.n);
        else if (msg.word == RN_WORKER_DETACH)
            leave_stderr();
        else if (msg.word == RN_WORKER_DRAIN)
            rn_net_crew_drain(self->crew, on_drained, self);
        rn_fds_close(&fds);
    }
    if (got != RN_E_WOULD_BLOCK)
        rn_net_crew_stop(self->crew); /* the supervisor ended: so do we */
}

static int start_threads(void *arg)
{
    struct net_main *self = arg;

    return rn_net_crew_start(self->crew);
}

static void keep(struct rn_sandbox_opts *opts, int *fds, int fd)
{
    if (fd > STDERR_FILENO)
        fds[opts->n_keep_fds++] = fd;
}

/* Everything is built; give up all rights, then say so. */
static int enter_sandbox(struct net_main *self)
{
    struct rn_sandbox_report report = { 0 };
    struct rn_sandbox_opts opts = { .seccomp = RN_SECCOMP_KILL,
                                    .start_threads = start_threads,
                                    .arg = self };
    int fds[RN_NET_CREW_FDS];

    opts.keep_fds = fds;
    keep(&opts, fds, RN_WORKER_CTL_FD);
    opts.n_keep_fds += rn_net_crew_fds(self->crew, fds + opts.n_keep_fds, RN_NET_CREW_FDS - 1);
    if (RN_IS_SANITIZED) /* sanitizers need calls that no sandbox should allow; the plain build tests the sandbox */
        return start_threads(self);
    return rn_sandbox_apply(&opts, &report);
}

static int run(struct net_main *self)
{
    int flags = fcntl(RN_WORKER_CTL_FD, F_GETFL);
    int err;

    if (flags < 0 || fcntl(RN_WORKER_CTL_FD, F_SETFL, flags | O_NONBLOCK) < 0)
        return fail(rn_err_from_errno(errno), "unblock the control socket");
    self->ctl.fn = on_ctl;
    err = rn_loop_watch(rn_net_crew_loop(self->crew), &self->ctl, RN_WORKER_CTL_FD, RN_IO_READ);
    if (err < 0)
        return fail(err, "watch the control socket");
    err = enter_sandbox(self);
    if (err < 0)
        return fail(err, "enter the sandbox");
    if (say(RN_WORKER_READY, RN_OK, "") < 0)
        return 1;
    err = rn_net_crew_run(self->crew);
    rn_unwatch(&self->ctl);
    return err < 0;
}

/* --- before -------------------------------------------------------------------------------------------------- */
static int take_orders(struct net_main *self)
{
    struct rn_worker_msg msg;
    struct rn_fds fds = { .n = 0 };
    const char *what = "read the orders";
    int got;

    while ((got = next_msg(&msg, &fds)) == 1) {
        int err = RN_E_BAD_STATE;

        if (msg.word == RN_WORKER_CONFIG && self->crew == NULL) {
            self->config = msg.config;
            err = rn_net_crew_new(&self->crew, &self->config, &fds, &what);
        } else if (msg.word == RN_WORKER_LISTEN && self->crew != NULL) {
            what = "listen on published ports";
            err = rn_net_crew_listen(self->crew, &msg.listen, &fds);
        } else if (msg.word == RN_WORKER_START && self->crew != NULL) {
            return RN_OK;
        }
        if (err < 0) {
            (void)fail(err, what);
            return err;
        }
    }
    return got < 0 ? got : RN_E_CANCELLED;
}

int main(void)
{
    struct net_main self = { 0 };
    int status;

    if (take_orders(&self) < 0) {
        rn_net_crew_free(self.crew);
        return 1;
    }
    status = run(&self);
    rn_net_crew_free(self.crew);
    return status;
}
