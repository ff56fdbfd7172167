/* Containers by what their runtimes were told: beside every container stands a process that watches it, containerd's
 * shim or conmon, and knows the folder with its OCI configuration. It is there whether or not an engine answers. The
 * networks that engines make without a service are files too: CNI's lists, netavark's descriptions. */
#include "discovery/broker.h"

#include "base/text.h"
#include "host/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1u << 20)
#define ENTRIES_MAX    4096u /* looked at in one folder */
#define PATH_BYTES     1024u

/* A process that knows of containers. */
struct helper {
    struct rn_broker *b;
    const struct rn_found_process *process;
    int dir_fd; /* its /proc/<pid> */
    uint32_t uid;
    uint8_t cmdline[4096];
    size_t cmdline_len;
};

/* Folders that were read, so that many shims of one namespace read them once. Lives in the supervised child. */
static struct {
    struct folder {
        dev_t dev;
        ino_t ino;
    } * v;
    size_t n;
} folders;

static bool is_known_folder(struct rn_broker *b, int fd)
{
    struct folder *grown;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return true;
    for (size_t i = 0; i < folders.n; i++) {
        if (folders.v[i].dev == st.st_dev && folders.v[i].ino == st.st_ino)
            return true;
    }
    grown = rn_arena_room(&b->arena, folders.v, folders.n, sizeof(*grown));
    if (grown == NULL)
        return true;
    folders.v = grown;
    folders.v[folders.n++] = (struct folder){ st.st_dev, st.st_ino };
    return false;
}

/* The word behind @option; false if there is none. Arguments end with NUL. */
static bool argument(const struct helper *h, const char *option, char ret[PATH_BYTES])
{
    struct rn_view rest = rn_view_of(h->cmdline, h->cmdline_len);
    bool is_next = false;

    while (rest.len != 0) {
        const uint8_t *nul = memchr(rest.ptr, 0, rest.len);
        size_t len = nul != NULL ? (size_t)(nul - rest.ptr) : rest.len;
        struct rn_view word = rn_view_of(rest.ptr, len);

        if (is_next) {
            struct rn_text t = rn_text_of(ret, PATH_BYTES);

            rn_text_strn(&t, (const char *)word.ptr, word.len);
            return !t.cut;
        }
        is_next = rn_view_is(word, option);
        rest = nul != NULL ? rn_view_of(nul + 1, rest.len - len - 1) : rn_view_of(NULL, 0);
    }
    return false;
}

/* Of whom the helper runs as: then it tells nothing that its owner could not read. */
static bool is_own(const struct helper *h, int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (st.st_uid == h->uid || h->uid == 0);
}

static void tell(struct helper *h, enum rn_dump_ask which, const char *path, int fd)
{
    struct rn_broker *b = h->b;
    uint8_t *text = malloc(FILE_MAX_BYTES);
    size_t len = 0;
    ssize_t n = 0;

    if (text == NULL)
        return;
    while (len < FILE_MAX_BYTES && (n = read(fd, text + len, FILE_MAX_BYTES - len)) > 0)
        len += (size_t)n;
    rn_dump_begin(&b->out, RN_DUMP_ENGINE, 0);
    rn_dump_u8(&b->out,
               h->process->helper == RN_HELPER_MONITOR ? RN_ENGINE_PODMAN : RN_ENGINE_CONTAINERD);
    rn_dump_u8(&b->out, (uint8_t)which);
    rn_dump_u32(&b->out, h->process->pid);
    rn_dump_u32(&b->out, h->uid);
    rn_dump_str(&b->out, path);
    rn_dump_bytes(&b->out, rn_view_of(text, len));
    rn_dump_end(&b->out);
    free(text);
    rn_progress_beat(b);
}

static void tell_below(struct helper *h, enum rn_dump_ask which, int root_fd,
                       const char *const at[2])
{
    int fd = rn_proc_open_in_root(root_fd, at[0]);

    if (fd < 0)
        return;
    if (is_own(h, fd))
        tell(h, which, at[1], fd);
    close(fd);
}

/* ---- containerd: the shim's directory is its container's bundle ---- */

static void tell_bundle(struct helper *h, int parent_fd, const char *ns, const char *id)
{
    char file[PATH_BYTES + 16];
    char path[2 * PATH_BYTES + 2];
    struct rn_text t = rn_text_of(file, sizeof(file));

    rn_text_str(&t, id);
    rn_text_str(&t, "/config.json");
    t = rn_text_of(path, sizeof(path));
    rn_text_str(&t, ns);
    rn_text_char(&t, '/');
    rn_text_str(&t, id);
    tell_below(h, RN_ASK_BUNDLE, parent_fd, (const char *const[2]){ file, path });
}

/* Kubernetes has one shim for all containers of a pod: their bundles lie beside its own. */
static void tell_siblings(struct helper *h, int parent_fd, const char *ns)
{
    int fd = is_known_folder(h->b, parent_fd) ? -1 : fcntl(parent_fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;

    for (unsigned n = 0; dir != NULL && n < ENTRIES_MAX && (e = readdir(dir)) != NULL; n++) {
        if (e->d_name[0] != '.')
            tell_bundle(h, parent_fd, ns, e->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

static void read_shim(struct helper *h)
{
    char ns[PATH_BYTES];
    char id[PATH_BYTES];
    int bundle = openat(h->dir_fd, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int parent = bundle >= 0 ? openat(bundle, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (parent >= 0 && argument(h, "-namespace", ns) && argument(h, "-id", id) &&
        is_own(h, parent)) {
        tell_bundle(h, parent, ns, id);
        if (strcmp(ns, "k8s.io") == 0)
            tell_siblings(h, parent, ns);
    }
    if (parent >= 0)
        close(parent);
    if (bundle >= 0)
        close(bundle);
}

/* ---- conmon, of podman and CRI-O: -c ID -b BUNDLE ---- */

static void read_monitor(struct helper *h, int root_fd)
{
    char id[PATH_BYTES];
    char bundle[PATH_BYTES];
    char file[PATH_BYTES + 16];
    struct rn_text t = rn_text_of(file, sizeof(file));

    if (!argument(h, "-c", id) || !argument(h, "-b", bundle))
        return;
    rn_text_str(&t, bundle);
    rn_text_str(&t, "/config.json");
    tell_below(h, RN_ASK_BUNDLE, root_fd, (const char *const[2]){ file, id });
}

/* ---- networks ---- */

static bool ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name);
    size_t n = strlen(suffix);

    return len > n && strcmp(name + len - n, suffix) == 0;
}

static void read_networks(struct helper *h, int root_fd, const char *folder, enum rn_dump_ask which)
{
    int fd = rn_proc_open_dir_in_root(root_fd, folder);
    const char *suffix = which == RN_ASK_CNI ? ".conflist" : ".json";
    DIR *dir = fd >= 0 && !is_known_folder(h->b, fd) ? fdopendir(fd) : NULL;
    const struct dirent *e;

    for (unsigned n = 0; dir != NULL && n < ENTRIES_MAX && (e = readdir(dir)) != NULL; n++) {
        if (ends_with(e->d_name, suffix))
            tell_below(h, which, dirfd(dir), (const char *const[2]){ e->d_name, folder });
    }
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

static void read_in_root(struct helper *h)
{
    int root = openat(h->dir_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (root < 0)
        return;
    if (h->process->helper == RN_HELPER_MONITOR)
        read_monitor(h, root);
    if (h->process->helper == RN_HELPER_MONITOR)
        read_networks(h, root, "/etc/containers/networks", RN_ASK_NETWORK);
    else
        read_networks(h, root, "/etc/cni/net.d", RN_ASK_CNI);
    close(root);
}

/* The user who started it, even if the program is setuid: any program can be started under the name of a helper. */
static bool learn_owner(struct helper *h)
{
    uint8_t text[8192];
    struct rn_proc_status status;
    int len = rn_proc_read(h->dir_fd, "status", text, sizeof(text));

    if (len <= 0)
        return false;
    rn_proc_status_parse(rn_view_of(text, (size_t)len), &status);
    h->uid = status.real_uid;
    return true;
}

static void item(struct rn_broker *b, size_t i)
{
    struct helper h = { .b = b, .process = &b->processes[i] };
    int len;

    if (h.process->helper == RN_HELPER_NONE)
        return;
    h.dir_fd = rn_proc_open(b->proc_fd, h.process->pid);
    if (h.dir_fd < 0)
        return;
    len = rn_proc_read(h.dir_fd, "cmdline", h.cmdline, sizeof(h.cmdline));
    h.cmdline_len = len > 0 ? (size_t)len : 0;
    if (learn_owner(&h)) {
        if (h.process->helper == RN_HELPER_SHIM)
            read_shim(&h);
        else
            read_in_root(&h);
    }
    close(h.dir_fd);
}

static void on_lost(struct rn_broker *b, size_t i, bool is_stuck)
{
    char id[24];
    struct rn_text t = rn_text_of(id, sizeof(id));

    rn_text_str(&t, "pid ");
    rn_text_u64(&t, b->processes[i].pid);
    rn_dump_note(&b->out, &(struct rn_dump_note){ .seq = RN_DUMP_NO_SEQ,
                                                  .what = "container",
                                                  .id = id,
                                                  .why = is_stuck ? "its files do not answer"
                                                                  : "reading its files failed" });
}

void rn_read_bundles(struct rn_broker *b)
{
    struct rn_supervised job = {
        .item = item, .on_lost = on_lost, .end = b->n_processes, .stuck_ms = RN_BROKER_STUCK_MS
    };
    bool has_any = false;

    for (size_t i = 0; i < b->n_processes && !has_any; i++)
        has_any = b->processes[i].helper != RN_HELPER_NONE;
    if (has_any)
        rn_supervise(b, &job);
}
