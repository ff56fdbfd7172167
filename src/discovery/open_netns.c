/* From a found namespace to a descriptor of it. Processes end and paths vanish between finding and opening: every way
 * is tried, and what was opened must be the inode that was found. */
#include "discovery/broker.h"

#include "base/text.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASIDE_STACK_BYTES (64u * 1024u)
#define MNTNS_DEPTH_MAX   4u

struct aside {
    int (*fn)(void *arg);
    void *arg;
    int result;
};

static int start_aside(void *arg)
{
    struct aside *a = arg;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    a->result = a->fn(a->arg);
    return 0;
}

int rn_run_aside(int (*fn)(void *arg), void *arg)
{
    struct aside a = { .fn = fn, .arg = arg, .result = RN_E_ABORTED };
    uint8_t *stack = malloc(ASIDE_STACK_BYTES);
    int status;
    pid_t pid;

    if (stack == NULL)
        return RN_E_NOMEM;
    /* Memory and descriptors are shared, so the child's result and what it opened are ours; its root, directory and
     * namespaces are not. */
    pid = clone(start_aside, stack + ASIDE_STACK_BYTES,
                CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &a);
    if (pid < 0)
        a.result = rn_err_from_errno(errno);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    free(stack);
    return a.result;
}

static int open_below(int root_fd, const char *path, uint64_t flags)
{
    struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
    int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

    return fd >= 0 ? fd : rn_err_from_errno(errno);
}

/* Looks before it opens: the path may lead to anything by now, a FIFO or a device too. */
static int open_nsfs(int root_fd, const char *path)
{
    struct statfs fs;
    char self[40];
    struct rn_text t = rn_text_of(self, sizeof(self));
    int fd = open_below(root_fd, path, O_PATH);
    int out;

    if (fd < 0)
        return fd;
    if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC) {
        close(fd);
        return RN_E_NOT_FOUND;
    }
    rn_text_str(&t, "/proc/self/fd/");
    rn_text_u64(&t, (uint64_t)fd);
    out = open(self, O_RDONLY | O_CLOEXEC);
    if (out < 0)
        out = rn_err_from_errno(errno);
    close(fd);
    return out;
}

static int open_in_process_root(struct rn_broker *b, uint32_t pid, const char *path)
{
    char name[32];
    struct rn_text t = rn_text_of(name, sizeof(name));
    int root;
    int fd;

    rn_text_u64(&t, pid);
    rn_text_str(&t, "/root");
    root = openat(b->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return rn_err_from_errno(errno);
    fd = open_nsfs(root, path);
    close(root);
    return fd;
}

struct entry {
    int mntns_fd;
    int proc_fd;
    const char *path;
};

/* Opened while still at home, so that "/proc/self/fd" means our own /proc. */
static int open_entered(void *arg)
{
    struct entry *e = arg;
    int root;
    int fd;
    char self[24];
    struct rn_text t = rn_text_of(self, sizeof(self));
    struct statfs fs;
    int out;

    if (setns(e->mntns_fd, CLONE_NEWNS) < 0)
        return rn_err_from_errno(errno);
    root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return rn_err_from_errno(errno);
    fd = open_below(root, e->path, O_PATH);
    close(root);
    if (fd < 0)
        return fd;
    rn_text_str(&t, "self/fd/");
    rn_text_u64(&t, (uint64_t)fd);
    if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC)
        out = RN_E_NOT_FOUND;
    else
        out = openat(e->proc_fd, self, O_RDONLY | O_CLOEXEC);
    if (out == -1)
        out = rn_err_from_errno(errno);
    close(fd);
    return out;
}

static int open_in(struct rn_broker *b, const struct rn_found_mntns *m, const char *path)
{
    struct entry e = { .mntns_fd = m->fd, .proc_fd = b->proc_fd, .path = path };

    return m->pid != 0 ? open_in_process_root(b, m->pid, path) : rn_run_aside(open_entered, &e);
}

/* Each turn of the loop enters one process-less mount namespace, found in the one before; the first has a process, or is
 * held open. */
int rn_mntns_open_path(struct rn_broker *b, uint32_t mntns, const char *path)
{
    uint32_t chain[MNTNS_DEPTH_MAX];
    size_t n = 0;
    int fd = -1;

    while (b->mntns[mntns].pid == 0 && b->mntns[mntns].fd == 0) {
        if (n == MNTNS_DEPTH_MAX)
            return RN_E_LIMIT;
        chain[n++] = mntns;
        mntns = b->mntns[mntns].parent_mntns;
    }
    fd = open_in(b, &b->mntns[mntns], n != 0 ? b->mntns[chain[n - 1]].path : path);
    while (n != 0 && fd >= 0) {
        struct entry e = { .mntns_fd = fd, .proc_fd = b->proc_fd };
        int next;

        n--;
        e.path = n != 0 ? b->mntns[chain[n - 1]].path : path;
        next = rn_run_aside(open_entered, &e);
        close(fd);
        fd = next;
    }
    return fd;
}

static int open_proc_path(struct rn_broker *b, const struct rn_found_ref *ref)
{
    char name[64];
    struct rn_text t = rn_text_of(name, sizeof(name));
    int fd;

    rn_text_u64(&t, ref->pid);
    if (ref->found_by == RN_FOUND_THREAD) {
        rn_text_str(&t, "/task/");
        rn_text_u64(&t, ref->id);
    }
    if (ref->found_by == RN_FOUND_FD) {
        rn_text_str(&t, "/fd/");
        rn_text_u64(&t, ref->id);
    } else {
        rn_text_str(&t, "/ns/net");
    }
    fd = openat(b->proc_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd >= 0 ? fd : rn_err_from_errno(errno);
}

/* Borrows the socket from its process and asks it. */
static int open_by_socket(const struct rn_found_ref *ref)
{
    int pidfd = (int)syscall(SYS_pidfd_open, ref->pid, 0);
    int sock = -1;
    int fd = -1;

    if (pidfd >= 0)
        sock = (int)syscall(SYS_pidfd_getfd, pidfd, ref->id, 0);
    if (sock >= 0)
        fd = ioctl(sock, SIOCGSKNS);
    if (fd < 0)
        fd = rn_err_from_errno(errno);
    if (sock >= 0)
        close(sock);
    if (pidfd >= 0)
        close(pidfd);
    return fd;
}

static int open_ref(struct rn_broker *b, const struct rn_found_ref *ref)
{
    if (ref->found_by == RN_FOUND_BIND)
        return rn_mntns_open_path(b, ref->mntns, ref->path);
    if (ref->found_by == RN_FOUND_SOCKET)
        return open_by_socket(ref);
    return open_proc_path(b, ref);
}

int rn_found_open(struct rn_broker *b, const struct rn_found_netns *ns)
{
    int first_err = RN_E_NOT_FOUND;

    for (size_t i = 0; i < ns->n_refs; i++) {
        struct stat st;
        int fd = open_ref(b, &ns->refs[i]);

        if (fd < 0) {
            first_err = i == 0 ? fd : first_err;
            continue;
        }
        if (fstat(fd, &st) == 0 && st.st_ino == ns->ino && st.st_dev == b->nsfs_dev)
            return fd;
        close(fd);
        first_err = RN_E_NOT_FOUND;
    }
    return first_err;
}
