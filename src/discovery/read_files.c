/* What a tenant sees: status, host name and name resolution, read through its own root. A tenant may have put there
 * links out of its root, FIFOs, or files that never end; see rn_proc_open_in_root() and the limits here. */
#include "discovery/broker.h"

#include "base/text.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_MAX_BYTES (256u * 1024u)
#define CMDLINE_BYTES  4096u
#define SPLIT_FROM     512u /* a child costs as much as 30 processes */

static const struct {
    enum rn_dump_file which;
    const char *path;
} dns_files[] = {
    { RN_FILE_HOSTNAME, "/etc/hostname" },
    { RN_FILE_DOMAINNAME, "/etc/domainname" },
    { RN_FILE_HOSTS, "/etc/hosts" },
    { RN_FILE_RESOLV_CONF, "/etc/resolv.conf" },
    { RN_FILE_NSSWITCH, "/etc/nsswitch.conf" },
};

/* Views of the file system already read, by the process they were read through. Lives in the supervised child. */
struct view {
    uint64_t mnt_ino, root_dev, root_ino;
    uint32_t pid;
};

struct views {
    struct view *v;
    size_t n;
};

static struct views views; /* one per child; starts empty in each */

/* UTS namespaces whose host name was told; likewise. */
static uint64_t *told_uts;
static size_t n_told_uts;

static const struct rn_found_process *find(const struct rn_broker *b, uint32_t pid)
{
    size_t lo = 0;
    size_t hi = b->n_processes;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (b->processes[mid].pid < pid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < b->n_processes && b->processes[lo].pid == pid ? &b->processes[lo] : NULL;
}

/* A tenant tops its subtree in a network namespace, or begins another view of the files: a container. */
static bool may_be_tenant(const struct rn_broker *b, const struct rn_found_process *p)
{
    const struct rn_found_process *parent = find(b, p->ppid);

    if (p->is_kernel_thread || p->net_ino == 0)
        return false;
    return parent == NULL || parent->is_kernel_thread || parent->net_ino != p->net_ino ||
           parent->mnt_ino != p->mnt_ino;
}

static void begin_file(struct rn_broker *b, uint32_t pid, enum rn_dump_file which, uint8_t flags)
{
    rn_dump_begin(&b->out, RN_DUMP_FILE, 0);
    rn_dump_u32(&b->out, pid);
    rn_dump_u8(&b->out, (uint8_t)which);
    rn_dump_u8(&b->out, flags);
}

static void tell_content(struct rn_broker *b, uint32_t pid, enum rn_dump_file which, int fd)
{
    uint8_t *text = malloc(FILE_MAX_BYTES + 1);
    size_t len = 0;
    ssize_t n = 0;

    if (text == NULL)
        return;
    while (len <= FILE_MAX_BYTES && (n = read(fd, text + len, FILE_MAX_BYTES + 1 - len)) > 0)
        len += (size_t)n;
    begin_file(b, pid, which, len > FILE_MAX_BYTES ? RN_DUMP_FILE_TRUNCATED : 0);
    rn_dump_bytes(&b->out, rn_view_of(text, rn_min_size(len, FILE_MAX_BYTES)));
    rn_dump_end(&b->out);
    free(text);
}

static void note_file(struct rn_broker *b, uint32_t pid, const char *path, int err)
{
    char id[64];
    struct rn_text t = rn_text_of(id, sizeof(id));

    rn_text_str(&t, "pid ");
    rn_text_u64(&t, pid);
    rn_text_char(&t, ' ');
    rn_text_str(&t, path);
    rn_dump_note(
        &b->out,
        &(struct rn_dump_note){
            .seq = RN_DUMP_NO_SEQ,
            .what = "dns",
            .id = id,
            .err = err,
            .why = err == RN_E_NOT_SUPPORTED ? "not a regular file of a local file system" : NULL,
            .needs = err == rn_err_from_errno(EACCES) ? "CAP_SYS_PTRACE" : NULL });
}

static void tell_dns_files(struct rn_broker *b, uint32_t pid, int root_fd)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(dns_files); i++) {
        int fd = rn_proc_open_in_root(root_fd, dns_files[i].path);

        if (fd == rn_err_from_errno(ENOENT) || fd == rn_err_from_errno(ENOTDIR))
            continue; /* there is none: an answer, not a failure */
        if (fd < 0) {
            note_file(b, pid, dns_files[i].path, fd);
            continue;
        }
        tell_content(b, pid, dns_files[i].which, fd);
        close(fd);
        rn_progress_beat(b);
    }
}

static uint32_t seen_as(struct rn_broker *b, uint64_t mnt_ino, const struct stat *root,
                        uint32_t pid)
{
    struct view *grown;

    for (size_t i = 0; i < views.n; i++) {
        if (views.v[i].mnt_ino == mnt_ino && views.v[i].root_dev == root->st_dev &&
            views.v[i].root_ino == root->st_ino)
            return views.v[i].pid;
    }
    grown = rn_arena_room(&b->arena, views.v, views.n, sizeof(*grown));
    if (grown == NULL)
        return 0;
    views.v = grown;
    views.v[views.n++] = (struct view){ mnt_ino, root->st_dev, root->st_ino, pid };
    return 0;
}

static void note_root(struct rn_broker *b, uint32_t pid, int error)
{
    if (error != ENOENT && error != ESRCH)
        note_file(b, pid, "/", rn_err_from_errno(error));
}

/* Most tenants of a machine see the same files: looking at their root is enough to know. */
static void tell_root(struct rn_broker *b, const struct rn_found_process *p, int dir_fd)
{
    struct stat st;
    uint32_t other;
    int root;

    if (fstatat(dir_fd, "root", &st, 0) < 0) {
        note_root(b, p->pid, errno);
        return;
    }
    other = seen_as(b, p->mnt_ino, &st, p->pid);
    if (other != 0) {
        begin_file(b, p->pid, RN_FILE_SAME_AS, 0);
        rn_dump_u32(&b->out, other);
        rn_dump_end(&b->out);
        return;
    }
    root = openat(dir_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        note_root(b, p->pid, errno);
        return;
    }
    tell_dns_files(b, p->pid, root);
    close(root);
}

static void tell_status(struct rn_broker *b, uint32_t pid, int dir_fd)
{
    RN_UNSET uint8_t text[8192];
    int len = rn_proc_read_piece(dir_fd, "status", text, sizeof(text));

    if (len <= 0)
        return;
    begin_file(b, pid, RN_FILE_STATUS, 0);
    rn_dump_bytes(&b->out, rn_view_of(text, (size_t)len));
    rn_dump_end(&b->out);
}

/* Whether nobody's host name of the UTS namespace @ino was told yet; from now on it is. */
static bool is_new_uts(struct rn_broker *b, uint64_t ino)
{
    uint64_t *grown;

    for (size_t i = 0; ino != 0 && i < n_told_uts; i++) {
        if (told_uts[i] == ino)
            return false;
    }
    grown = rn_arena_room(&b->arena, told_uts, n_told_uts, sizeof(*grown));
    if (grown != NULL) {
        told_uts = grown;
        told_uts[n_told_uts++] = ino;
    }
    return true;
}

/* The kernel takes the lock of the process's memory for it, which one that is stuck on a dead file system may hold. */
static void tell_cmdline(struct rn_broker *b, uint32_t pid)
{
    RN_UNSET uint8_t text[CMDLINE_BYTES];
    char name[32];
    struct rn_text t = rn_text_of(name, sizeof(name));
    const uint8_t *nul;
    int len;

    rn_text_u64(&t, pid);
    rn_text_str(&t, "/cmdline");
    len = rn_proc_read_piece(b->proc_fd, name, text, sizeof(text));
    if (len <= 0)
        return;
    nul = memchr(text, 0, (size_t)len);
    if (b->options.is_argv0_only && nul != NULL)
        len = (int)(nul - text);
    begin_file(b, pid, RN_FILE_CMDLINE, 0);
    rn_dump_bytes(&b->out, rn_view_of(text, (size_t)len));
    rn_dump_end(&b->out);
}

/* The child need not come back from another UTS namespace: each is entered from the one before. */
static void tell_hostname(struct rn_broker *b, uint32_t pid, int dir_fd)
{
    char name[256];
    int fd = openat(dir_fd, "ns/uts", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (setns(fd, CLONE_NEWUTS) == 0 && gethostname(name, sizeof(name) - 1) == 0) {
        name[sizeof(name) - 1] = '\0';
        begin_file(b, pid, RN_FILE_UTS_HOSTNAME, 0);
        rn_dump_bytes(&b->out, rn_view_of(name, strlen(name)));
        rn_dump_end(&b->out);
    }
    close(fd);
}

static void item(struct rn_broker *b, size_t i)
{
    const struct rn_found_process *p = &b->processes[i];
    int dir_fd;

    if (!p->is_kernel_thread)
        tell_cmdline(b, p->pid);
    if (!may_be_tenant(b, p))
        return;
    dir_fd = rn_proc_open(b->proc_fd, p->pid);
    if (dir_fd < 0)
        return; /* it has ended */
    tell_status(b, p->pid, dir_fd);
    if (is_new_uts(b, p->uts_ino))
        tell_hostname(b, p->pid, dir_fd);
    tell_root(b, p, dir_fd);
    close(dir_fd);
}

static void on_lost(struct rn_broker *b, size_t i, bool is_stuck)
{
    note_file(b, b->processes[i].pid, "files",
              is_stuck ? rn_err_from_errno(ETIMEDOUT) : rn_err_from_errno(EIO));
}

void rn_read_files(struct rn_broker *b)
{
    struct rn_supervised job = { .item = item,
                                 .on_lost = on_lost,
                                 .end = b->n_processes,
                                 .stuck_ms = RN_BROKER_STUCK_MS,
                                 .split_from = SPLIT_FROM };

    rn_supervise(b, &job);
}
