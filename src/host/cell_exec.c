/* The last steps in the process that becomes the command. */
#include "host/cell_proto.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Handlers cannot survive exec, but "ignored" does, and the keeper ignores what a terminal sends. */
static void restore_signals(const struct keeper *k)
{
    for (int sig = 1; sig < NSIG; sig++) {
        bool ignored = sigismember(&k->ignored, sig) == 1;

        signal(sig, ignored ? SIG_IGN : SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &k->mask, NULL);
}

/*
 * Empty permitted, effective, inheritable and ambient sets, and no way to get them back. The bounding set stays: a program
 * with file capabilities (Debian's ping) fails to exec when they are outside of it, and gains nothing by them here.
 */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &head, none) < 0)
        return errno;
    return 0;
}

int rn_cell_exec(const struct keeper *k)
{
    int err = 0;

    restore_signals(k);
    /* Root without a user namespace is what `ip netns exec` gives: ids and capabilities are root's. */
    if (k->opts->has_userns && !k->opts->maps_root)
        err = drop_capabilities();
    else if (k->opts->has_userns && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        err = errno;
    if (err != 0)
        return err;
    /* Nothing of ours leaks; the pipe that tells of failure has the flag already. */
    if (syscall(SYS_close_range, 3U, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */) < 0)
        return errno;
    if (k->opts->envp != NULL)
        execvpe(k->opts->argv[0], k->opts->argv, k->opts->envp);
    else
        execvp(k->opts->argv[0], k->opts->argv);
    return errno;
}
