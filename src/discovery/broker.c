#include "discovery/broker.h"

#include "base/text.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* Capabilities that show more, and what hides without them. */
static const struct {
    unsigned cap;
    const char *name;
    const char *hides;
} wanted_caps[] = {
    { CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "other network namespaces cannot be entered" },
    { CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "namespaces and sockets of other users' processes" },
    { CAP_SYS_CHROOT, "CAP_SYS_CHROOT", "bind mounts inside mount namespaces without a process" },
    { CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH",
      "files in containers that only their owner may read" },
    { CAP_NET_ADMIN, "CAP_NET_ADMIN", "forwarded ports (nf_tables)" },
};

bool rn_broker_has_cap(const struct rn_broker *b, unsigned cap)
{
    return b->caps >> cap & 1;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / RN_NS_PER_MS;
}

bool rn_broker_is_late(const struct rn_broker *b)
{
    return now_ms() - b->started_ms > RN_BROKER_TOTAL_MS;
}

static void read_own_caps(struct rn_broker *b)
{
    uint8_t text[4096];
    struct rn_proc_status status;
    int len = rn_proc_read(b->proc_fd, "self/status", text, sizeof(text));

    if (len < 0)
        return;
    rn_proc_status_parse(rn_view_of(text, (size_t)len), &status);
    b->caps = status.cap_effective;
}

static bool is_kernel_since(unsigned major, unsigned minor)
{
    struct utsname uts;
    char *end;
    unsigned long have;

    if (uname(&uts) < 0)
        return false;
    have = strtoul(uts.release, &end, 10);
    if (have != major)
        return have > major;
    return *end == '.' && strtoul(end + 1, NULL, 10) >= minor;
}

static int init(struct rn_broker *b, int out_fd)
{
    struct rlimit files;
    struct stat st;
    int err = rn_dump_writer_init(&b->out, out_fd);

    if (err < 0)
        return err;
    b->started_ms = now_ms();
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    b->watch =
        mmap(NULL, sizeof(*b->watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b->watch == MAP_FAILED)
        return rn_err_from_errno(errno);
    b->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (b->proc_fd < 0 || fstatat(b->proc_fd, "self/ns/net", &st, 0) < 0)
        return rn_err_from_errno(errno);
    b->nsfs_dev = st.st_dev;
    b->self_net_ino = st.st_ino;
    if (rn_proc_ns_ino(b->proc_fd, "self/ns/mnt", &b->self_mnt_ino) < 0)
        b->self_mnt_ino = 0;
    if (rn_proc_ns_ino(b->proc_fd, "self/ns/user", &b->self_user_ino) < 0)
        b->self_user_ino = 0;
    rn_freezer_init(&b->freezer);
    b->has_nft = rn_nft_is_present(b);
    b->counts_mptcp = is_kernel_since(6, 2);
    read_own_caps(b);
    return RN_OK;
}

static void fini(struct rn_broker *b)
{
    if (b->proc_fd >= 0)
        close(b->proc_fd);
    rn_freezer_fini(&b->freezer);
    if (b->watch != NULL && b->watch != MAP_FAILED)
        munmap(b->watch, sizeof(*b->watch));
    rn_known_socks_fini(b);
    rn_far_links_fini(b);
    rn_dump_writer_fini(&b->out);
    rn_arena_free(&b->arena);
}

static void put_path(struct rn_broker *b, const char *path)
{
    uint8_t text[4096];
    int len = rn_proc_read(AT_FDCWD, path, text, sizeof(text));

    rn_dump_text(&b->out, rn_view_of(text, len > 0 ? (size_t)len : 0));
}

static void tell_host(struct rn_broker *b)
{
    struct rn_dump_writer *out = &b->out;
    struct utsname uts = { 0 };
    uint64_t init_ino = 0;
    bool no_init = rn_proc_ns_ino(b->proc_fd, "1/ns/net", &init_ino) < 0;

    (void)uname(&uts);
    rn_dump_begin(out, RN_DUMP_HOST, 0);
    rn_dump_u32(out, geteuid());
    rn_dump_u64(out, b->caps);
    rn_dump_u64(out, (uint64_t)time(NULL));
    rn_dump_u32(out, (no_init ? RN_DUMP_HOST_NO_INIT : 0u) |
                         (b->options.wants_filters ? RN_DUMP_HOST_HAS_FILTERS : 0u));
    rn_dump_u64(out, b->nsfs_dev);
    rn_dump_u64(out, b->self_net_ino);
    rn_dump_u64(out, no_init ? 0 : b->nsfs_dev);
    rn_dump_u64(out, init_ino);
    rn_dump_str(out, uts.nodename);
    put_path(b, "/etc/os-release");
    rn_dump_str(out, uts.release);
    put_path(b, "/sys/devices/system/cpu/online");
    rn_dump_end(out);
}

static void tell_missing_caps(struct rn_broker *b)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(wanted_caps); i++) {
        if (!rn_broker_has_cap(b, wanted_caps[i].cap))
            rn_dump_note(&b->out, &(struct rn_dump_note){ .seq = RN_DUMP_NO_SEQ,
                                                          .what = "capability",
                                                          .id = wanted_caps[i].name,
                                                          .why = wanted_caps[i].hides,
                                                          .needs = wanted_caps[i].name });
    }
}

static void tell_ref(struct rn_broker *b, size_t seq, const struct rn_found_ref *ref)
{
    struct rn_dump_writer *out = &b->out;
    uint64_t mntns = 0;
    uint32_t pid = ref->pid;

    if (ref->found_by == RN_FOUND_BIND && b->mntns[ref->mntns].ino != b->self_mnt_ino) {
        mntns = b->mntns[ref->mntns].ino;
        pid = b->mntns[ref->mntns].pid;
    }
    rn_dump_begin(out, RN_DUMP_REF, 0);
    rn_dump_u32(out, rn_sat_u32(seq));
    rn_dump_u8(out, (uint8_t)ref->found_by);
    rn_dump_u32(out, pid);
    rn_dump_u32(out, ref->id);
    rn_dump_u64(out, mntns);
    rn_dump_str(out, ref->path != NULL ? ref->path : "");
    rn_dump_end(out);
}

void rn_tell_netns(struct rn_broker *b, size_t first)
{
    for (size_t i = first; i < b->n_netns; i++) {
        rn_dump_begin(&b->out, RN_DUMP_NETNS, 0);
        rn_dump_u32(&b->out, rn_sat_u32(i));
        rn_dump_u64(&b->out, b->nsfs_dev);
        rn_dump_u64(&b->out, b->netns[i].ino);
        rn_dump_end(&b->out);
        for (size_t k = 0; k < b->netns[i].n_refs; k++)
            tell_ref(b, i, &b->netns[i].refs[k]);
    }
}

static void tell_end(struct rn_broker *b)
{
    rn_dump_begin(&b->out, RN_DUMP_END, 0);
    rn_dump_end(&b->out);
}

int rn_broker_run(int out_fd, const struct rn_broker_options *options)
{
    struct rn_broker b = {
        .options = *options, .proc_fd = -1, .net_fd = -1, .freezer = { .v1_fd = -1, .v2_fd = -1 }
    };
    size_t n_known;
    int err = init(&b, out_fd);

    if (err < 0)
        goto out;
    rn_dump_header(&b.out);
    tell_host(&b);
    tell_missing_caps(&b);
    rn_find_processes(&b);
    rn_known_socks_init(&b);
    rn_far_links_init(&b);
    rn_find_mntns(&b);
    rn_find_binds(&b);
    rn_tell_netns(&b, 0);
    n_known = b.n_netns;
    rn_read_all_netns(&b, 0);
    rn_find_hidden(&b);
    rn_tell_netns(&b, n_known);
    rn_read_all_netns(&b, n_known);
    rn_read_nsids(&b);
    rn_read_files(&b);
    rn_read_bundles(&b);
    rn_ask_engines(&b);
    tell_end(&b);
    err = rn_dump_flush(&b.out);
out:
    fini(&b);
    return err;
}
