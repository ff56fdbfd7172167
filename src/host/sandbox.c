#include "host/sandbox.h"

#include "base/bytes.h"
#include "host/userns.h"
#include <runnel/err.h>

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * What libc does of itself in a process that already runs: memory, locks, the clock where there is no vDSO, the end.
 * syscalls are named in the form that tools/gen-seccomp.py reads:
 */
/* syscalls: brk mmap munmap mremap mprotect madvise futex clock_gettime getrandom */
/* syscalls: rt_sigreturn rt_sigprocmask restart_syscall sched_yield exit exit_group */

#define NOBODY       65534u
#define CAPS_MAX     63
#define PR_MDWE      65 /* PR_SET_MDWE, Linux 6.3 */
#define MDWE_NO_GAIN 1UL

/* Linux 6.12's landlock_ruleset_attr; Debian 12's header ends after the first field. */
struct landlock_attr {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};

struct stripping {
    const struct rn_sandbox_opts *opts;
    bool is_root; /* and may become somebody else: not the only id of a user namespace */
    unsigned missing;
};

static int fail(int host_errno)
{
    return rn_err_from_errno(host_errno);
}

/* The lowest kept descriptor at or above @from; ~0 if there is none. */
static unsigned next_kept(const struct rn_sandbox_opts *opts, unsigned from)
{
    unsigned lowest = ~0U;

    for (unsigned i = 0; i < opts->n_keep_fds; i++) {
        if (opts->keep_fds[i] >= (int)from)
            lowest = rn_min_u32(lowest, (unsigned)opts->keep_fds[i]);
    }
    return lowest;
}

static int close_others(struct stripping *s)
{
    unsigned from = 3;
    unsigned kept = next_kept(s->opts, from);

    while (kept != ~0U) {
        if (kept > from && syscall(SYS_close_range, from, kept - 1, 0U) < 0)
            return fail(errno);
        from = kept + 1;
        kept = next_kept(s->opts, from);
    }
    return syscall(SYS_close_range, from, ~0U, 0U) < 0 ? fail(errno) : RN_OK;
}

/* No core file may hold secrets or other people's payload. */
static int limit_traces(struct stripping *s)
{
    const struct rlimit none = { 0, 0 };

    (void)s;
    umask(077);
    clearenv();
    return setrlimit(RLIMIT_CORE, &none) < 0 ? fail(errno) : RN_OK;
}

static int leave_namespaces(struct stripping *s)
{
    const struct rn_userns_ids ids = rn_userns_own_ids(false);
    int err = RN_OK;

    if (!s->is_root && unshare(CLONE_NEWUSER) < 0)
        return fail(errno);
    if (!s->is_root)
        err = rn_userns_write_maps(&ids);
    if (err < 0)
        return err;
    return unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0 ? fail(errno)
                                                                                    : RN_OK;
}

static int mount_empty(const char *at)
{
    return mount("", at, "tmpfs", MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_RDONLY,
                 "nr_inodes=2,nr_blocks=0");
}

/* An empty, read-only tmpfs becomes the root; the old one is stacked below it for a moment, then detached. */
static int empty_root(struct stripping *s)
{
    static const char *const places[] = { "/tmp", "/run", "/proc", "/mnt" };
    size_t i = 0;

    (void)s;
    if (mount("", "/", "", MS_PRIVATE | MS_REC, NULL) < 0)
        return fail(errno);
    while (i < RN_ARRAY_LEN(places) && mount_empty(places[i]) < 0)
        i++;
    if (i == RN_ARRAY_LEN(places))
        return fail(ENOENT);
    if (chdir(places[i]) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return fail(errno);
    return RN_OK;
}

static int drop_bounding_set(struct stripping *s)
{
    (void)s;
    for (unsigned long cap = 0; cap <= CAPS_MAX; cap++) {
        /* The first number this kernel has no capability for ends the list. */
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return errno == EINVAL ? RN_OK : fail(errno);
    }
    return RN_OK;
}

static int lock_securebits(struct stripping *s)
{
    unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                         SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                         SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

    (void)s;
    return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? fail(errno) : RN_OK;
}

/* By root: another user's id, verified by reading back and by trying to return. */
static int become_nobody(struct stripping *s)
{
    uid_t ids[3];

    if (!s->is_root)
        return RN_OK;
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0 || getresuid(&ids[0], &ids[1], &ids[2]) < 0)
        return fail(errno);
    return ids[0] == NOBODY && ids[1] == NOBODY && ids[2] == NOBODY ? RN_OK : fail(EPERM);
}

static int drop_capabilities(struct stripping *s)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    (void)s;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &head, none) < 0)
        return fail(errno);
    return getuid() != 0 && setuid(0) == 0 ? fail(EPERM) : RN_OK;
}

static int forbid_gains(struct stripping *s)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fail(errno);
    if (prctl(PR_MDWE, MDWE_NO_GAIN, 0, 0, 0) < 0)
        s->missing |= RN_SANDBOX_NO_MDWE;
    return RN_OK;
}

/* glibc gives a thread a heap of its own, and on giving memory of such a heap back, it asks a file whether the kernel
 * overcommits: a call that the filter kills for. All threads share the first heap, which asks for nothing. */
static int start_threads(struct stripping *s)
{
    if (mallopt(M_ARENA_MAX, 1) != 1)
        return RN_E_NOT_SUPPORTED;
    return s->opts->start_threads != NULL ? s->opts->start_threads(s->opts->arg) : RN_OK;
}

static int filter_calls(struct stripping *s)
{
    return rn_seccomp_apply(s->opts->seccomp);
}

/* Every file right that this kernel's Landlock knows, none of them granted; no abstract socket, no signal to others. */
static int deny_files(struct stripping *s)
{
    static const uint64_t fs_of_abi[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff };
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, 0, 1U /* LANDLOCK_CREATE_RULESET_VERSION */);
    struct landlock_attr attr = { 0 };
    size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16u : 8u;
    long ruleset;
    int err = RN_OK;

    if (abi <= 0) {
        s->missing |= RN_SANDBOX_NO_LANDLOCK;
        return RN_OK;
    }
    attr.fs = fs_of_abi[rn_min_size((size_t)abi, RN_ARRAY_LEN(fs_of_abi) - 1)];
    attr.scoped = abi >= 6 ? 3 : 0;
    ruleset = syscall(SYS_landlock_create_ruleset, &attr, size, 0U);
    if (ruleset < 0)
        return fail(errno);
    if (syscall(SYS_landlock_restrict_self, (int)ruleset, 0U) < 0)
        err = fail(errno);
    close((int)ruleset);
    return err;
}

static const struct {
    const char *what;
    int (*run)(struct stripping *s);
} steps[] = {
    { "close descriptors", close_others },
    { "set limits", limit_traces },
    { "enter own namespaces", leave_namespaces },
    { "empty the root directory", empty_root },
    { "drop the bounding set", drop_bounding_set },
    { "lock securebits", lock_securebits }, /* while we may: it takes CAP_SETPCAP */
    { "become nobody", become_nobody },
    { "drop capabilities", drop_capabilities },
    { "forbid new privileges", forbid_gains },
    { "deny files by Landlock", deny_files },
    { "start threads", start_threads },
    { "filter system calls", filter_calls },
};

int rn_sandbox_apply(const struct rn_sandbox_opts *opts, struct rn_sandbox_report *ret)
{
    struct stripping s = { .opts = opts, .is_root = geteuid() == 0 && rn_userns_has_id(NOBODY) };

    for (size_t i = 0; i < RN_ARRAY_LEN(steps); i++) {
        int err = steps[i].run(&s);

        *ret = (struct rn_sandbox_report){ .step = steps[i].what, .missing = s.missing };
        if (err < 0)
            return err;
    }
    ret->step = "";
    return RN_OK;
}
