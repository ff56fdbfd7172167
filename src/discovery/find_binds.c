/* Namespaces that a bind mount keeps alive, in any mount namespace: those of processes first, then those that are
 * themselves only kept by a bind mount, and so on (breadth first). */
#include "discovery/broker.h"

#include "base/text.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOUNTINFO_MAX_BYTES (4u << 20)
#define MNTNS_MAX           4096u
#define PATH_BYTES          4096u

struct text {
    uint8_t *buf;
    size_t len;
    size_t cap;
};

/* Reads @fd to its end; with a deadline per read if it is a pipe. */
static int read_all(int fd, struct text *t)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t n = 1;

    t->len = 0;
    while (n > 0) {
        if (t->cap - t->len < 4096) {
            size_t cap = t->cap != 0 ? t->cap * 2 : 64u * 1024u;
            uint8_t *buf = cap <= MOUNTINFO_MAX_BYTES ? realloc(t->buf, cap) : NULL;

            if (buf == NULL)
                return RN_E_LIMIT;
            t->buf = buf;
            t->cap = cap;
        }
        if (poll(&p, 1, RN_BROKER_STUCK_MS) <= 0)
            return RN_E_TIMED_OUT;
        n = read(fd, t->buf + t->len, t->cap - t->len);
        if (n < 0)
            return rn_err_from_errno(errno);
        t->len += (size_t)n;
    }
    return RN_OK;
}

static int read_of_process(struct rn_broker *b, uint32_t pid, struct text *t)
{
    char name[40];
    struct rn_text path = rn_text_of(name, sizeof(name));
    int fd;
    int err;

    rn_text_u64(&path, pid);
    rn_text_str(&path, "/mountinfo");
    fd = openat(b->proc_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rn_err_from_errno(errno);
    err = read_all(fd, t);
    close(fd);
    return err;
}

/* In the child: enters and copies its own mountinfo into the pipe. */
static void copy_mountinfo(struct rn_broker *b, uint32_t mntns, int out_fd)
{
    const struct rn_found_mntns *m = &b->mntns[mntns];
    char buf[4096];
    int fd = m->fd > 0 ? m->fd : rn_mntns_open_path(b, m->parent_mntns, m->path);
    ssize_t n;

    if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
        _exit(1);
    fd = openat(b->proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
        if (write(out_fd, buf, (size_t)n) < 0)
            break;
    }
    _exit(fd < 0);
}

/* A mount namespace without processes is read by a child, which may hang on what its path leads through. */
static int read_of_bind(struct rn_broker *b, uint32_t mntns, struct text *t)
{
    int ends[2];
    pid_t pid;
    int err;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return rn_err_from_errno(errno);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        copy_mountinfo(b, mntns, ends[1]);
    }
    close(ends[1]);
    err = pid > 0 ? read_all(ends[0], t) : rn_err_from_errno(errno);
    close(ends[0]);
    if (pid > 0) {
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        int status;

        kill(pid, SIGKILL);
        rn_reap(pid, pidfd, true, &status);
        if (pidfd >= 0)
            close(pidfd);
    }
    return err == RN_OK && t->len == 0 ? RN_E_NOT_PERMITTED : err;
}

static void add_bound_mntns(struct rn_broker *b, uint64_t ino, uint32_t parent, const char *path)
{
    struct rn_found_mntns *grown;

    for (size_t i = 0; i < b->n_mntns; i++) {
        if (b->mntns[i].ino == ino)
            return;
    }
    if (b->n_mntns >= MNTNS_MAX)
        return;
    grown = rn_arena_room(&b->arena, b->mntns, b->n_mntns, sizeof(*grown));
    if (grown == NULL)
        return;
    b->mntns = grown;
    b->mntns[b->n_mntns++] = (struct rn_found_mntns){ .ino = ino,
                                                      .parent_mntns = parent,
                                                      .path = rn_arena_strdup(&b->arena, path) };
}

static void take_mount(struct rn_broker *b, uint32_t mntns, const struct rn_mount *m)
{
    char path[PATH_BYTES];
    uint64_t ino;

    if (!rn_view_is(m->fstype, "nsfs"))
        return;
    rn_proc_unescape(m->point, path, sizeof(path));
    if (rn_proc_link_number(m->root, "net:[", &ino))
        rn_found_add_ref(b, ino,
                         &(struct rn_found_ref){ .found_by = RN_FOUND_BIND,
                                                 .mntns = mntns,
                                                 .path = rn_arena_strdup(&b->arena, path) });
    else if (rn_proc_link_number(m->root, "mnt:[", &ino))
        add_bound_mntns(b, ino, mntns, path);
}

static void note_lost(struct rn_broker *b, uint32_t mntns, int err)
{
    char id[24];
    struct rn_text t = rn_text_of(id, sizeof(id));

    rn_text_u64(&t, b->mntns[mntns].ino);
    rn_dump_note(&b->out, &(struct rn_dump_note){ .seq = RN_DUMP_NO_SEQ,
                                                  .what = "mount namespace",
                                                  .id = id,
                                                  .err = err,
                                                  .needs = "CAP_SYS_ADMIN and CAP_SYS_CHROOT" });
}

void rn_find_binds(struct rn_broker *b)
{
    struct text t = { 0 };

    for (uint32_t i = 0; i < b->n_mntns; i++) {
        struct rn_view rest;
        struct rn_mount m;
        int err =
            b->mntns[i].pid != 0 ? read_of_process(b, b->mntns[i].pid, &t) : read_of_bind(b, i, &t);

        if (err < 0 && err != rn_err_from_errno(ENOENT) && err != rn_err_from_errno(ESRCH))
            note_lost(b, i, err);
        if (err < 0)
            continue;
        rest = rn_view_of(t.buf, t.len);
        while (rn_proc_next_mount(&rest, &m))
            take_mount(b, i, &m);
    }
    free(t.buf);
}
