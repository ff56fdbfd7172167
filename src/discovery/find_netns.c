/* One pass over /proc: processes, their namespaces, threads that left them, open descriptors of namespaces, sockets
 * and TUN devices. What another user's /proc refuses is counted and told once. */
#include "discovery/broker.h"

#include "base/text.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_BYTES   1024u
#define CGROUP_BYTES 4096u

/* One process while it is read. */
struct visit {
    struct rn_broker *b;
    int dir_fd; /* /proc/<pid> */
    int fd_dir; /* /proc/<pid>/fd; -1 unless open */
    uint32_t pid;
    uint64_t net_ino;
    struct rn_found_inos inos;
    size_t first_sock;
};

static uint32_t *slot_of(struct rn_broker *b, uint64_t ino)
{
    /* Inodes of nsfs count up; the multiplier (2^64 / golden ratio) spreads them. */
    size_t i = (size_t)((ino * 0x9e3779b97f4a7c15u) >> 32) & (b->n_netns_slots - 1);

    while (b->netns_slots[i] != 0 && b->netns[b->netns_slots[i] - 1].ino != ino)
        i = (i + 1) & (b->n_netns_slots - 1);
    return &b->netns_slots[i];
}

static bool grow_slots(struct rn_broker *b)
{
    size_t want = b->n_netns_slots != 0 ? b->n_netns_slots * 2 : 256;
    uint32_t *slots = rn_arena_new(&b->arena, want * sizeof(*slots));

    if (slots == NULL)
        return false;
    b->netns_slots = slots;
    b->n_netns_slots = want;
    for (size_t i = 0; i < b->n_netns; i++)
        *slot_of(b, b->netns[i].ino) = rn_sat_u32(i + 1);
    return true;
}

struct rn_found_netns *rn_found_netns(struct rn_broker *b, uint64_t ino)
{
    struct rn_found_netns *grown;
    uint32_t *slot;

    if (b->n_netns * 2 >= b->n_netns_slots && !grow_slots(b))
        return NULL;
    slot = slot_of(b, ino);
    if (*slot != 0)
        return &b->netns[*slot - 1];
    if (b->n_netns >= RN_BROKER_ITEMS_MAX)
        return NULL;
    grown = rn_arena_room(&b->arena, b->netns, b->n_netns, sizeof(*grown));
    if (grown == NULL)
        return NULL;
    b->netns = grown;
    b->netns[b->n_netns] = (struct rn_found_netns){ .ino = ino };
    b->n_netns++;
    *slot = rn_sat_u32(b->n_netns);
    return &b->netns[b->n_netns - 1];
}

/* Two holders of a kind are enough; of bind mounts all, since their paths are names that people know, but not the
 * copies of one that every other mount namespace shows. */
static bool is_wanted(const struct rn_found_netns *ns, const struct rn_found_ref *ref)
{
    unsigned n_same = 0;

    for (size_t i = 0; i < ns->n_refs; i++) {
        if (ns->refs[i].found_by != ref->found_by)
            continue;
        n_same++;
        if (ref->found_by == RN_FOUND_BIND && strcmp(ns->refs[i].path, ref->path) == 0)
            return false;
    }
    return ns->n_refs < RN_BROKER_REFS_MAX && (ref->found_by == RN_FOUND_BIND || n_same < 2);
}

void rn_found_add_ref(struct rn_broker *b, uint64_t ino, const struct rn_found_ref *ref)
{
    struct rn_found_netns *ns = rn_found_netns(b, ino);
    struct rn_found_ref *refs;

    if (ns == NULL || !is_wanted(ns, ref))
        return;
    refs = rn_arena_room(&b->arena, ns->refs, ns->n_refs, sizeof(*refs));
    if (refs == NULL)
        return;
    ns->refs = refs;
    ns->refs[ns->n_refs++] = *ref;
}

static void add_mntns(struct rn_broker *b, uint64_t ino, uint32_t pid)
{
    struct rn_found_mntns *grown;

    for (size_t i = 0; i < b->n_mntns; i++) {
        if (b->mntns[i].ino == ino)
            return;
    }
    grown = rn_arena_room(&b->arena, b->mntns, b->n_mntns, sizeof(*grown));
    if (grown == NULL)
        return;
    b->mntns = grown;
    b->mntns[b->n_mntns++] = (struct rn_found_mntns){ .ino = ino, .pid = pid, .path = "" };
}

static int on_thread(uint32_t tid, void *arg)
{
    struct visit *v = arg;
    char name[40];
    struct rn_text t = rn_text_of(name, sizeof(name));
    uint64_t ino;

    if (tid == v->pid)
        return RN_OK;
    rn_text_str(&t, "task/");
    rn_text_u64(&t, tid);
    rn_text_str(&t, "/ns/net");
    if (rn_proc_ns_ino(v->dir_fd, name, &ino) < 0 || ino == v->net_ino)
        return RN_OK;
    rn_found_add_ref(
        v->b, ino, &(struct rn_found_ref){ .found_by = RN_FOUND_THREAD, .pid = v->pid, .id = tid });
    return RN_OK;
}

static void keep_sock(struct visit *v, uint32_t fd, uint64_t ino)
{
    struct rn_broker *b = v->b;
    struct rn_found_sock *grown = rn_arena_room(&b->arena, b->socks, b->n_socks, sizeof(*grown));

    if (grown == NULL)
        return;
    b->socks = grown;
    b->socks[b->n_socks++] = (struct rn_found_sock){ .ino = ino, .pid = v->pid, .fd = fd };
}

/* Which namespace the device of a TUN descriptor lives in, the kernel tells only to a holder: borrow it. */
static uint64_t tun_netns_ino(uint32_t pid, uint32_t fd)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int tun = -1;
    int ns = -1;
    struct stat st = { 0 };

    if (pidfd >= 0)
        tun = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    if (tun >= 0)
        ns = ioctl(tun, TUNGETDEVNETNS);
    if (ns >= 0 && fstat(ns, &st) < 0)
        st.st_ino = 0;
    if (ns >= 0)
        close(ns);
    if (tun >= 0)
        close(tun);
    if (pidfd >= 0)
        close(pidfd);
    return st.st_ino;
}

/* "iff:\t<name>" in fdinfo: the device this descriptor serves; absent before TUNSETIFF. */
static void tell_tun(struct visit *v, uint32_t fd)
{
    struct rn_dump_writer *out = &v->b->out;
    char name[32];
    uint8_t text[1024];
    struct rn_text t = rn_text_of(name, sizeof(name));
    struct rn_view rest;
    struct rn_view line;
    int len;

    rn_text_str(&t, "fdinfo/");
    rn_text_u64(&t, fd);
    len = rn_proc_read(v->dir_fd, name, text, sizeof(text));
    if (len < 0)
        return;
    rest = rn_view_of(text, (size_t)len);
    while (rn_text_next_line(&rest, &line)) {
        if (!rn_view_starts(line, "iff:\t"))
            continue;
        rn_dump_begin(out, RN_DUMP_TUN, 0);
        rn_dump_u32(out, v->pid);
        rn_dump_u64(out, v->b->nsfs_dev);
        rn_dump_u64(out, tun_netns_ino(v->pid, fd));
        rn_dump_text(out, rn_view_of(line.ptr + 5, line.len - 5));
        rn_dump_end(out);
    }
}

static int on_fd(uint32_t fd, void *arg)
{
    struct visit *v = arg;
    char name[16];
    char link[64];
    struct rn_text t = rn_text_of(name, sizeof(name));
    struct rn_view view;
    uint64_t ino;
    ssize_t n;

    rn_text_u64(&t, fd);
    n = readlinkat(v->fd_dir, name, link, sizeof(link));
    if (n <= 0)
        return RN_OK;
    view = rn_view_of(link, (size_t)n);
    if (rn_proc_link_number(view, "socket:[", &ino))
        keep_sock(v, fd, ino);
    else if (rn_proc_link_number(view, "net:[", &ino))
        rn_found_add_ref(
            v->b, ino, &(struct rn_found_ref){ .found_by = RN_FOUND_FD, .pid = v->pid, .id = fd });
    else if (rn_view_is(view, "/dev/net/tun"))
        tell_tun(v, fd);
    return RN_OK;
}

static void read_fds(struct visit *v)
{
    struct rn_broker *b = v->b;
    struct rn_dump_writer *out = &b->out;
    int err;

    v->first_sock = b->n_socks;
    v->fd_dir = openat(v->dir_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (v->fd_dir < 0) {
        b->n_fds_refused += errno == EACCES || errno == EPERM;
        return;
    }
    err = rn_proc_each_of(v->fd_dir, on_fd, v);
    close(v->fd_dir);
    if (err < 0 || b->n_socks == v->first_sock)
        return; /* it may have ended meanwhile */
    rn_dump_begin(out, RN_DUMP_SOCKETS, 0);
    rn_dump_u32(out, v->pid);
    for (size_t i = v->first_sock; i < b->n_socks; i++)
        rn_dump_u64(out, b->socks[i].ino);
    rn_dump_end(out);
}

static uint64_t ns_ino(struct visit *v, const char *name)
{
    uint64_t ino;

    return rn_proc_ns_ino(v->dir_fd, name, &ino) < 0 ? 0 : ino;
}

/* Programs that serve Docker's REST API or podman's dialect of it. */
static uint8_t engine_of(struct rn_view comm)
{
    if (rn_view_is(comm, "dockerd"))
        return RN_ENGINE_DOCKER;
    return rn_view_is(comm, "podman") ? RN_ENGINE_PODMAN : RN_ENGINE_OTHER;
}

static uint8_t helper_of(struct rn_view comm)
{
    if (rn_view_starts(comm, "containerd-shim"))
        return RN_HELPER_SHIM;
    if (rn_view_is(comm, "conmon"))
        return RN_HELPER_MONITOR;
    return rn_view_is(comm, "containerd") ? RN_HELPER_CNI : RN_HELPER_NONE;
}

static void keep_process(struct visit *v, const struct rn_proc_stat *stat)
{
    struct rn_broker *b = v->b;
    struct rn_found_process *grown =
        rn_arena_room(&b->arena, b->processes, b->n_processes, sizeof(*grown));

    if (grown == NULL)
        return;
    b->processes = grown;
    b->processes[b->n_processes++] = (struct rn_found_process){
        .pid = v->pid,
        .ppid = stat->ppid,
        .net_ino = v->net_ino,
        .mnt_ino = v->inos.mnt,
        .uts_ino = v->inos.uts,
        .engine = engine_of(stat->comm),
        .helper = helper_of(stat->comm),
        .is_kernel_thread = stat->flags & RN_PROC_PF_KTHREAD,
    };
    if (v->net_ino != 0)
        rn_found_add_ref(b, v->net_ino,
                         &(struct rn_found_ref){ .found_by = RN_FOUND_PROCESS, .pid = v->pid });
    if (v->inos.mnt != 0)
        add_mntns(b, v->inos.mnt, v->pid);
}

static void tell_process(struct visit *v, struct rn_view stat, bool is_kernel_thread)
{
    struct rn_dump_writer *out = &v->b->out;
    RN_UNSET uint8_t buf[CGROUP_BYTES];
    int len = is_kernel_thread ? 0 : rn_proc_read_piece(v->dir_fd, "cgroup", buf, sizeof(buf));
    struct rn_view cgroup = rn_view_of(buf, len > 0 ? (size_t)len : 0);

    rn_dump_begin(out, RN_DUMP_PROCESS, 0);
    rn_dump_u32(out, v->pid);
    rn_dump_u64(out, v->net_ino != 0 ? v->b->nsfs_dev : 0);
    rn_dump_u64(out, v->net_ino);
    rn_dump_u64(out, v->inos.pid);
    rn_dump_u64(out, v->inos.mnt);
    rn_dump_u64(out, v->inos.uts);
    rn_dump_u64(out, v->inos.user);
    rn_dump_u32(out, rn_freezer_holds(&v->b->freezer, cgroup) ? RN_DUMP_PROCESS_IS_FROZEN : 0);
    rn_dump_text(out, stat);
    rn_dump_text(out, cgroup);
    rn_dump_str(out, ""); /* reading the command line may hang: read_files.c */
    rn_dump_end(out);
}

static void read_inos(struct visit *v, bool is_kernel_thread)
{
    struct rn_found_inos *kernel = &v->b->kernel_inos;

    if (is_kernel_thread && kernel->mnt != 0) {
        v->inos = *kernel;
        return;
    }
    v->inos = (struct rn_found_inos){ .mnt = ns_ino(v, "ns/mnt"),
                                      .uts = ns_ino(v, "ns/uts"),
                                      .pid = ns_ino(v, "ns/pid"),
                                      .user = ns_ino(v, "ns/user") };
    if (is_kernel_thread)
        *kernel = v->inos;
}

static void read_process(struct visit *v)
{
    uint8_t text[STAT_BYTES];
    struct rn_proc_stat stat;
    int len = rn_proc_read_piece(v->dir_fd, "stat", text, sizeof(text));
    int err;

    if (len < 0 || rn_proc_stat_parse(rn_view_of(text, (size_t)len), &stat) < 0)
        return;
    if (stat.state == 'Z' || stat.state == 'X')
        return; /* a zombie has no namespaces, and says so as if it were forbidden */
    err = rn_proc_ns_ino(v->dir_fd, "ns/net", &v->net_ino);
    if (err == rn_err_from_errno(EACCES) || err == rn_err_from_errno(EPERM))
        v->b->n_ns_refused++;
    else if (err < 0)
        return; /* it ended */
    read_inos(v, stat.flags & RN_PROC_PF_KTHREAD);
    keep_process(v, &stat);
    tell_process(v, rn_view_of(text, (size_t)len), stat.flags & RN_PROC_PF_KTHREAD);
    if (err < 0 || stat.flags & RN_PROC_PF_KTHREAD)
        return;
    if (stat.n_threads > 1)
        err = rn_proc_each(v->dir_fd, "task", on_thread, v);
    if (err >= 0)
        read_fds(v);
}

static int on_pid(uint32_t pid, void *arg)
{
    struct visit v = { .b = arg, .pid = pid, .fd_dir = -1 };

    if (pid == (uint32_t)getpid())
        return RN_OK;
    v.dir_fd = rn_proc_open(v.b->proc_fd, pid);
    if (v.dir_fd < 0)
        return RN_OK;
    read_process(&v);
    close(v.dir_fd);
    return RN_OK;
}

static void note_refused(struct rn_broker *b, uint32_t n, const char *what, const char *why)
{
    char id[48];
    struct rn_text t = rn_text_of(id, sizeof(id));

    if (n == 0)
        return;
    rn_text_u64(&t, n);
    rn_text_str(&t, n == 1 ? " process" : " processes");
    rn_dump_note(
        &b->out,
        &(struct rn_dump_note){
            .seq = RN_DUMP_NO_SEQ, .what = what, .id = id, .why = why, .needs = "CAP_SYS_PTRACE" });
}

void rn_find_processes(struct rn_broker *b)
{
    int err;

    /* Our own come first, so that they have the seq 0 and are read even when all else is forbidden. */
    rn_found_add_ref(
        b, b->self_net_ino,
        &(struct rn_found_ref){ .found_by = RN_FOUND_PROCESS, .pid = (uint32_t)getpid() });
    add_mntns(b, b->self_mnt_ino, (uint32_t)getpid());
    err = rn_proc_each(b->proc_fd, ".", on_pid, b);
    if (err < 0)
        rn_dump_note(&b->out,
                     &(struct rn_dump_note){
                         .seq = RN_DUMP_NO_SEQ, .what = "process", .id = "/proc", .err = err });
    note_refused(b, b->n_ns_refused, "process", "its namespaces may not be read");
    note_refused(b, b->n_fds_refused > b->n_ns_refused ? b->n_fds_refused - b->n_ns_refused : 0,
                 "descriptors", "their descriptors may not be read: owners of sockets are missing");
}
