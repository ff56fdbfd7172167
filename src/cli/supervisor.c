#include "cli/supervisor.h"

#include "cli/exit.h"
#include "cli/ports.h"
#include "cli/refusal.h"
#include "cli/resolv_watch.h"
#include "cli/worker_start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <runnel/err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WORKER_PATIENCE_MS 10000
/* After the command ended: the keeper tells at once whether anything else lives inside. */
#define EMPTY_PATIENCE_MS 200
/* What was sent last is mostly out at once; a slow peer gets as long as Linux gives an orphan (tcp_fin_timeout). */
#define DRAIN_AT_ONCE_MS 100
#define DRAIN_MAX_MS     60000

struct rn_supervisor {
    const struct rn_supervisor_opts *opts;
    struct rn_ports_set ports;
    struct rn_worker_process worker;
    struct rn_resolv_watch resolv;
    struct rn_cell *cell;
    int signals;
    int status; /* of the command, as waitpid gives it */
    bool has_status;
    bool is_over; /* nothing lives inside any more */
    bool is_lost; /* and its network is gone */
    bool is_in_background;
};

/* Everything inside gets SIGKILL; a keeper that cannot be told is dead, and what was inside with it. */
static void end_inside(struct rn_supervisor *s)
{
    if (rn_cell_kill(s->cell) < 0)
        s->is_over = true;
}

/* --- terminal and signals -------------------------------------------------------------------------------------- */
static void all_forwarded(sigset_t *set)
{
    static const int signals[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                   SIGUSR2, SIGCONT, SIGALRM, SIGTSTP };

    sigemptyset(set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(set, signals[i]);
}

static int take_signals(struct rn_supervisor *s)
{
    sigset_t set;

    all_forwarded(&set);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return rn_err_from_errno(errno);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals < 0 ? rn_err_from_errno(errno) : RN_OK;
}

/* What a terminal sends, it sends to the command too; what a process sends to us is meant for the command. */
static void forward_signals(struct rn_supervisor *s)
{
    struct signalfd_siginfo info;

    while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_code == SI_KERNEL && info.ssi_signo != SIGCONT)
            continue;
        if (s->has_status && info.ssi_signo != SIGCONT)
            end_inside(s);
        else if (rn_cell_signal(s->cell, (int)info.ssi_signo) < 0)
            s->is_over = true; /* the keeper is gone; drain_events has said so or will */
    }
}

/* --- the cell's events ----------------------------------------------------------------------------------------- */
static void on_event(struct rn_supervisor *s, const struct rn_cell_event *event)
{
    switch (event->kind) {
    case RN_CELL_EXITED:
        s->status = event->value;
        s->has_status = true;
        break;
    case RN_CELL_STOPPED:
        kill(getpid(),
             SIGSTOP); /* so that the shell above sees a stopped job; SIGCONT resumes us here */
        break;
    case RN_CELL_LOST:
        fprintf(stderr, "runnel run: the cell's keeper was killed; what ran inside has ended\n");
        s->is_over = s->is_lost = true;
        break;
    case RN_CELL_EMPTY:
        s->is_over = true;
        break;
    case RN_CELL_STARTED:
    case RN_CELL_EXEC_FAILED:
    case RN_CELL_CONTINUED:
        break;
    }
}

static void drain_events(struct rn_supervisor *s)
{
    struct rn_cell_event event;
    int err;

    while ((err = rn_cell_next(s->cell, &event)) >= 0)
        on_event(s, &event);
    if (err != RN_E_WOULD_BLOCK)
        s->is_over = true;
}

static void on_worker_gone(struct rn_supervisor *s)
{
    fprintf(stderr, "runnel run: the network worker ended unexpectedly; ending what runs inside\n");
    rn_worker_process_end(&s->worker);
    end_inside(s);
}

static void on_resolv(struct rn_supervisor *s)
{
    struct rn_host_view view = { 0 };

    if (!rn_resolv_watch_read(&s->resolv, &view) || s->opts->opts->dns.n != 0)
        return;
    if (s->opts->opts->verbose > 0)
        fprintf(stderr, "runnel: resolv.conf changed: %u nameservers\n", view.n_dns);
    if (rn_worker_process_servers(&s->worker, view.dns, view.n_dns) < 0)
        on_worker_gone(s);
}

/* One wait for whatever comes first. */
static void step(struct rn_supervisor *s, int timeout_ms)
{
    struct pollfd fds[] = { { .fd = rn_cell_fd(s->cell), .events = POLLIN },
                            { .fd = s->signals, .events = POLLIN },
                            { .fd = s->worker.ctl, .events = POLLIN },
                            { .fd = s->resolv.fd, .events = POLLIN } };

    if (poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms) <= 0)
        return;
    if (fds[1].revents != 0)
        forward_signals(s);
    if (fds[0].revents != 0)
        drain_events(s);
    if (fds[2].revents != 0 && !s->is_over)
        on_worker_gone(s);
    if (fds[3].revents != 0)
        on_resolv(s);
}

/* --- stages ---------------------------------------------------------------------------------------------------- */
static enum rn_cell_rung rung_of(const struct rn_run_opts *opts, const struct rn_run_plan *plan)
{
    if (strcmp(opts->link, "tun") == 0 || plan->n_workers > 1)
        return RN_CELL_TUN;
    return strcmp(opts->link, "veth") == 0 ? RN_CELL_VETH : RN_CELL_AUTO;
}

static int build_cell(struct rn_supervisor *s)
{
    const struct rn_run_plan *plan = s->opts->plan;
    const struct rn_run_opts *opts = s->opts->opts;
    struct rn_cell_failure failure;
    char resolv[1024];
    struct rn_cell_opts cell = {
        .net = { .rung = rung_of(opts, plan),
                 .mtu = plan->mtu,
                 .n_queues = plan->n_workers,
                 .addr4 = plan->addr4,
                 .gateway4 = plan->gateway4,
                 .addr6 = plan->addr6,
                 .gateway6 = plan->gateway6,
                 .bits4 = plan->bits4,
                 .bits6 = plan->bits6,
                 .has_default4 = plan->has_v4,
                 .has_default6 = plan->has_default6 },
        .has_userns = plan->has_userns,
        .maps_root = opts->map_root,
        .resolv_conf = resolv,
        .argv = s->opts->argv,
    };
    int err;

    rn_plan_resolv_text(plan, resolv, sizeof(resolv));
    cell.net.n_stubs = rn_plan_stubs(plan, cell.net.stubs, RN_CELL_STUBS_MAX);
    err = rn_cell_spawn(&s->cell, &cell, &failure);
    if (err < 0)
        rn_refusal_tell(&failure, stderr);
    return err;
}

static void tell_rung(const struct rn_supervisor *s)
{
    static const struct {
        unsigned bit;
        const char *text;
    } warnings[] = {
        { RN_CELL_WARN_PING, "ping sockets are closed inside" },
        { RN_CELL_WARN_PORTS, "ports below 1024 are closed inside" },
        { RN_CELL_WARN_RESOLV, "/etc/resolv.conf could not be replaced: names may not resolve" },
        { RN_CELL_WARN_NSSWITCH, "/etc/nsswitch.conf could not be replaced" },
        { RN_CELL_WARN_DAEMONS, "sockets of systemd-resolved or nscd could not be hidden" },
        { RN_CELL_WARN_STUBS, "127.0.0.53 inside does not lead to our resolver" },
    };
    const struct rn_cell_report *report = rn_cell_report(s->cell);

    if (s->opts->opts->verbose > 0) {
        if (report->tun_err != 0)
            fprintf(stderr, "runnel: /dev/net/tun: %s; using veth and a packet socket instead\n",
                    report->tun_err <= -RN_ERR_HOST_BASE
                        ? strerror(-report->tun_err - RN_ERR_HOST_BASE)
                        : rn_err_text(report->tun_err));
        fprintf(stderr, "runnel: link %s (%s), MTU %u\n", report->ifname,
                report->rung == RN_CELL_TUN ? "TUN" : "veth", s->opts->plan->mtu);
    }
    for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]) && !s->opts->opts->quiet; i++) {
        if (report->warnings & warnings[i].bit)
            fprintf(stderr, "runnel: %s\n", warnings[i].text);
    }
}

static int start_worker(struct rn_supervisor *s)
{
    struct rn_worker_orders orders = { .plan = s->opts->plan,
                                       .opts = s->opts->opts,
                                       .cell = rn_cell_report(s->cell),
                                       .ports = &s->ports };
    int err = rn_cell_take_device(s->cell, &orders.device);

    if (err >= 0)
        err = rn_worker_process_start(&s->worker, &orders, WORKER_PATIENCE_MS);

    rn_ports_close(&s->ports); /* the worker has its own copies */
    if (err >= 0)
        rn_cell_spare(s->cell, s->worker.pid);
    return err;
}

/* Returns 0 when the command runs, else an exit status. */
static int start_command(struct rn_supervisor *s)
{
    struct rn_cell_event event;
    const char *name = s->opts->argv[0];
    int host_errno;

    if (rn_cell_release(s->cell) < 0 || rn_cell_wait(s->cell, WORKER_PATIENCE_MS, &event) < 0) {
        fprintf(stderr, "runnel run: the cell's keeper vanished before %s could start\n", name);
        return RN_EXIT_RUN_FAILED;
    }
    if (event.kind == RN_CELL_STARTED)
        return 0;
    if (event.kind != RN_CELL_EXEC_FAILED) {
        on_event(s, &event);
        return 0;
    }
    host_errno = rn_err_to_errno(event.value);
    if (event.value <= -RN_ERR_HOST_BASE)
        host_errno = -event.value - RN_ERR_HOST_BASE;
    fprintf(stderr, "runnel run: %s: %s\n", name,
            host_errno == ENOENT ? "command not found" : strerror(host_errno));
    return host_errno == ENOENT ? RN_EXIT_NOT_FOUND : RN_EXIT_NOT_EXECUTABLE;
}

/* Whoever reads what the command wrote sees the end of it now. */
static void leave_streams(struct rn_supervisor *s)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (rn_worker_process_detach(&s->worker) < 0)
        on_worker_gone(s);
}

/* The shell gets the command's status; a child of ours goes on with all that we hold. false: it could not. */
static bool go_to_background(struct rn_supervisor *s)
{
    pid_t pid;

    if (s->is_in_background)
        return true;
    pid = fork();
    if (pid > 0)
        _exit(rn_exit_of_wait(s->status));
    if (pid < 0)
        return false;
    s->is_in_background = true;
    setsid();
    leave_streams(s);
    return true;
}

/* The command has ended but others live inside: their network stays, in the background. */
static void linger(struct rn_supervisor *s)
{
    for (int waited_ms = 0; !s->is_over && waited_ms < EMPTY_PATIENCE_MS; waited_ms += 20)
        step(s, 20);
    if (s->is_over || s->opts->opts->no_linger)
        return;
    if (s->opts->opts->verbose > 0)
        fprintf(stderr,
                "runnel: processes are left inside; their network stays until the last one ends\n");
    if (!go_to_background(s))
        return;
    while (!s->is_over)
        step(s, -1);
}

/* Returns false when it took longer than that. A signal ends the wait. */
static bool await_drained(struct rn_supervisor *s, int patience_ms)
{
    struct pollfd fds[] = { { .fd = s->worker.ctl, .events = POLLIN },
                            { .fd = s->signals, .events = POLLIN } };
    int n;

    do {
        n = poll(fds, sizeof(fds) / sizeof(fds[0]), patience_ms);
    } while (n < 0 && errno == EINTR);
    return n != 0 && (fds[1].revents != 0 || rn_worker_process_is_drained(&s->worker));
}

/* A program that writes, closes and exits leaves the rest to its kernel: what that still sends is passed on. */
static void send_the_rest(struct rn_supervisor *s)
{
    if (s->is_lost || s->worker.ctl < 0 || rn_worker_process_drain(&s->worker) < 0)
        return;
    if (await_drained(s, DRAIN_AT_ONCE_MS) || s->opts->opts->no_linger)
        return;
    if (s->opts->opts->verbose > 0)
        fprintf(stderr, "runnel: what was sent last goes on in the background\n");
    if (go_to_background(s))
        (void)await_drained(s, DRAIN_MAX_MS);
}

static int run(struct rn_supervisor *s)
{
    int status;

    if (build_cell(s) < 0)
        return RN_EXIT_RUN_FAILED;
    tell_rung(s);
    if (take_signals(s) < 0 || start_worker(s) < 0)
        return RN_EXIT_RUN_FAILED;
    rn_resolv_watch_open(&s->resolv);
    status = start_command(s);
    if (status != 0)
        return status;
    while (!s->has_status && !s->is_over)
        step(s, -1);
    if (!s->has_status)
        return RN_EXIT_RUN_FAILED;
    linger(s);
    send_the_rest(s);
    return rn_exit_of_wait(s->status);
}

int rn_run_supervise(const struct rn_supervisor_opts *opts)
{
    struct rn_supervisor *s = calloc(1, sizeof(*s));
    int status = RN_EXIT_RUN_FAILED;

    if (s == NULL)
        return status;
    s->opts = opts;
    s->signals = -1;
    s->worker.ctl = -1;
    s->resolv.fd = -1;
    if (rn_ports_bind(opts->plan, &s->ports) >= 0)
        status = run(s);
    rn_ports_close(&s->ports);
    s->cell = rn_cell_free(s->cell);
    rn_worker_process_end(&s->worker);
    rn_resolv_watch_close(&s->resolv);
    if (s->signals >= 0)
        close(s->signals);
    free(s);
    return status;
}
