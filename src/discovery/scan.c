/* The phases of a scan, in their order. The broker (its own process) finds and reads; from its stream on, everything is
 * a pure function, so a recorded dump shows the same picture anywhere. */
#include "discovery/scan.h"

#include "discovery/broker.h"
#include "discovery/phases.h"
#include "discovery/redact.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define NOBODY     65534
#define BROKER_PATIENCE_MS                                                                         \
    (RN_BROKER_TOTAL_MS + 5000) /* it looks at the time between items, and some take theirs */

static void note_broken_stream(struct rn_map *map, const char *why)
{
    rn_model_note(map, (struct rn_map_unreadable){ .what = "dump", .id = "stream", .why = why });
}

/* Reads the stream and puts the picture together; @redact, if any, saves what may be given away. */
static int make_map(struct rn_dump_reader *reader, struct rn_redact *redact, struct rn_map **ret)
{
    struct rn_map *map;
    struct rn_load load;
    int err = rn_model_new(&map);

    if (err < 0)
        return err;
    rn_load_init(&load, map);
    load.redact = redact;
    err = rn_load_stream(&load, reader);
    if (err < 0 && err != RN_E_MALFORMED && err != RN_E_LIMIT && err != RN_E_TIMED_OUT) {
        rn_model_free(map);
        return err;
    }
    rn_join(&load);
    rn_tenants(&load);
    rn_owners(&load);
    rn_portfwd(&load);
    if (redact != NULL) {
        int save_err = rn_redact_finish(redact, &load);

        if (save_err < 0) {
            rn_model_free(map);
            return save_err;
        }
    }
    rn_resolv(&load);
    rn_engine_names(&load);
    if (err == RN_E_LIMIT)
        note_broken_stream(map, "larger than this program accepts: the picture is not whole");
    else if (err < 0 || !load.is_ended)
        note_broken_stream(map, "it ends early: the picture is not whole");
    if (load.n_malformed != 0)
        note_broken_stream(map, "some messages could not be understood");
    rn_model_sort(map);
    *ret = map;
    return RN_OK;
}

int rn_scan_view(struct rn_view stream, struct rn_map **ret)
{
    struct rn_dump_reader reader;
    int err;

    rn_dump_reader_init_view(&reader, stream);
    err = make_map(&reader, NULL, ret);
    rn_dump_reader_fini(&reader);
    return err;
}

/* Whoever parses hostile bytes holds nothing: no capability, not root's name, no way to gain either. */
static int drop_privilege(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return rn_err_from_errno(errno);
    /* In a user namespace that does not map nobody this fails, and then root there is nobody in particular. */
    if (geteuid() == 0 && setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
        setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return rn_err_from_errno(errno);
    if (syscall(SYS_capset, &head, none) < 0)
        return rn_err_from_errno(errno);
    return RN_OK;
}

static int read_stream(int fd, const struct rn_scan_options *options, struct rn_map **ret)
{
    struct rn_redact redact = { 0 };
    bool is_redacting = options->save_fd >= 0 && options->is_save_redacted;
    struct rn_dump_reader reader;
    int err = options->drops_privilege ? drop_privilege() : RN_OK;

    if (err < 0)
        return err;
    rn_dump_reader_init(&reader, fd);
    reader.patience_ms = options->from_fd >= 0 ? 0 : BROKER_PATIENCE_MS;
    if (is_redacting)
        err = rn_redact_init(&redact, options->save_fd);
    else
        reader.tee_fd = options->save_fd;
    if (err == RN_OK)
        err = make_map(&reader, is_redacting ? &redact : NULL, ret);
    rn_redact_fini(&redact);
    rn_dump_reader_fini(&reader);
    return err;
}

/* A child that hangs for good must not keep whoever reads our output waiting for its end. */
static void let_go_of_output(int out_fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++) {
        if (fd != out_fd)
            (void)dup2(null, fd);
    }
    if (null > STDERR_FILENO)
        close(null);
}

static _Noreturn void run_broker(int out_fd, const struct rn_scan_options *options)
{
    struct rn_broker_options broker = { .is_argv0_only = options->is_argv0_only,
                                        .wants_filters = options->wants_filters };

    /* A reader that went away shows as EPIPE; dying of it would leave supervised children behind. */
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* its reader may not end it, having given up its rights */
    let_go_of_output(out_fd);
    _exit(rn_broker_run(out_fd, &broker) < 0);
}

/* It has told its END and ends, or it finds nobody reading any more; what hangs beyond that is not waited for. */
static void end_broker(pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    bool is_late = pidfd >= 0 && poll(&p, 1, RN_BROKER_STUCK_MS) == 0;
    int status;

    if (is_late)
        (void)kill(pid, SIGKILL);
    rn_reap(pid, pidfd, is_late, &status);
    if (pidfd >= 0)
        close(pidfd);
}

static int scan_machine(const struct rn_scan_options *options, struct rn_map **ret)
{
    int ends[2];
    pid_t pid;
    int err;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return rn_err_from_errno(errno);
    /* Room to write ahead while we parse; without the right to it the broker waits a little more. */
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_broker(ends[1], options);
    }
    close(ends[1]);
    err = pid > 0 ? read_stream(ends[0], options, ret) : rn_err_from_errno(errno);
    close(ends[0]);
    if (pid > 0)
        end_broker(pid);
    return err;
}

int rn_scan(const struct rn_scan_options *options, struct rn_map **ret)
{
    if (options->from_fd >= 0)
        return read_stream(options->from_fd, options, ret);
    return scan_machine(options, ret);
}
