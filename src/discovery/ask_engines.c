/* Container engines, found by their processes: the UNIX sockets on which such a process listens are asked for
 * containers and networks. An engine of a user is asked as that user. */
#include "discovery/broker.h"

#include "base/text.h"
#include "host/engine.h"
#include "host/proc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NET_UNIX_BYTES (1u << 20)
#define PATHS_MAX      8u

static const struct {
    enum rn_dump_ask which;
    const char *docker, *podman;
} requests[] = {
    { RN_ASK_VERSION, "/version", "/v4.0.0/libpod/version" },
    { RN_ASK_CONTAINERS, "/containers/json", "/v4.0.0/libpod/containers/json" },
    { RN_ASK_NETWORKS, "/networks", "/v4.0.0/libpod/networks/json" },
};

struct engine {
    const struct rn_found_process *process;
    uint32_t uid;
    int root_fd;
    const char *api_path; /* the one being asked */
    struct {
        char text[108];
    } paths[PATHS_MAX];
    size_t n_paths;
};

static bool holds_sock(const struct rn_broker *b, uint32_t pid, uint64_t ino)
{
    for (size_t i = 0; i < b->n_socks; i++) {
        if (b->socks[i].pid == pid && b->socks[i].ino == ino)
            return true;
    }
    return false;
}

/* "Num RefCount Protocol Flags Type St Inode Path"; flag 0x10000 listens, type 1 is a stream. */
static bool listening_path(struct rn_view line, uint64_t *ret_ino, struct rn_view *ret_path)
{
    struct rn_view w[8];
    uint64_t flags;
    uint64_t type;

    for (size_t i = 0; i < RN_ARRAY_LEN(w); i++) {
        if (!rn_text_next_word(&line, &w[i]))
            return false;
    }
    *ret_path = w[7];
    return rn_text_number(w[3], 16, &flags) && flags & 0x10000 && rn_text_number(w[4], 16, &type) &&
           type == 1 && rn_text_number(w[6], 10, ret_ino) && w[7].ptr[0] == '/';
}

static bool is_api(struct rn_view path)
{
    /* dockerd and podman also listen for metrics, plugins and their own helpers. */
    const char *const suffix = ".sock";
    size_t len = strlen(suffix);

    return path.len > len && path.len < 108 &&
           memcmp(path.ptr + path.len - len, suffix, len) == 0 &&
           memmem(path.ptr, path.len, "libnetwork", 10) == NULL &&
           memmem(path.ptr, path.len, "metrics", 7) == NULL;
}

static void find_paths(struct rn_broker *b, int dir_fd, struct engine *e)
{
    uint8_t *text = malloc(NET_UNIX_BYTES);
    int len = text != NULL ? rn_proc_read(dir_fd, "net/unix", text, NET_UNIX_BYTES) : -1;
    struct rn_view rest = rn_view_of(text, len > 0 ? (size_t)len : 0);
    struct rn_view line;
    struct rn_view path;
    uint64_t ino;

    while (e->n_paths < PATHS_MAX && rn_text_next_line(&rest, &line)) {
        if (!listening_path(line, &ino, &path) || !is_api(path) ||
            !holds_sock(b, e->process->pid, ino))
            continue;
        memcpy(e->paths[e->n_paths].text, path.ptr, path.len);
        e->paths[e->n_paths++].text[path.len] = '\0';
    }
    free(text);
}

static void note_engine(struct rn_broker *b, const char *path, int err)
{
    rn_dump_note(&b->out, &(struct rn_dump_note){
                              .seq = RN_DUMP_NO_SEQ, .what = "engine", .id = path, .err = err });
}

static void tell_answer(struct rn_broker *b, const struct engine *e, size_t request,
                        struct rn_view body)
{
    rn_dump_begin(&b->out, RN_DUMP_ENGINE, 0);
    rn_dump_u8(&b->out, e->process->engine);
    rn_dump_u8(&b->out, (uint8_t)requests[request].which);
    rn_dump_u32(&b->out, e->process->pid);
    rn_dump_u32(&b->out, e->uid);
    rn_dump_str(&b->out, e->api_path);
    rn_dump_bytes(&b->out, body);
    rn_dump_end(&b->out);
}

/* False: it is no engine's API, or does not answer; the next path may be. */
static bool ask_path(struct rn_broker *b, const struct engine *e)
{
    bool is_podman = e->process->engine == RN_ENGINE_PODMAN;

    for (size_t i = 0; i < RN_ARRAY_LEN(requests); i++) {
        struct rn_engine_ask ask = { .root_fd = e->root_fd, .path = e->api_path, .uid = e->uid };
        struct rn_engine_answer answer;
        bool is_good;
        int err;

        ask.request = is_podman ? requests[i].podman : requests[i].docker;
        err = rn_engine_get(&ask, &answer);
        if (err < 0) {
            note_engine(b, e->api_path, err);
            return false;
        }
        rn_progress_beat(b);
        is_good = answer.status == 200;
        if (is_good)
            tell_answer(b, e, i, answer.body);
        rn_engine_answer_free(&answer);
        if (!is_good && i == 0)
            return false;
    }
    return true;
}

/* The child is for this engine alone: it may become its user, and does not come back. */
static bool become(uint32_t uid, uint32_t gid)
{
    return uid == geteuid() || (setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0);
}

static void ask_engine(struct rn_broker *b, struct engine *e, int dir_fd)
{
    struct stat st;

    if (fstat(dir_fd, &st) < 0)
        return;
    e->uid = st.st_uid;
    find_paths(b, dir_fd, e);
    e->root_fd = openat(dir_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (e->root_fd < 0)
        return;
    if (e->uid == 0 || become(st.st_uid, st.st_gid)) {
        for (size_t i = 0; i < e->n_paths; i++) {
            e->api_path = e->paths[i].text;
            if (ask_path(b, e))
                break;
        }
    }
    close(e->root_fd);
}

static void item(struct rn_broker *b, size_t i)
{
    struct engine e = { .process = &b->processes[i] };
    int dir_fd;

    dir_fd = rn_proc_open(b->proc_fd, e.process->pid);
    if (dir_fd < 0)
        return;
    ask_engine(b, &e, dir_fd);
    close(dir_fd);
}

static void on_lost(struct rn_broker *b, size_t i, bool is_stuck)
{
    char id[24];
    struct rn_text t = rn_text_of(id, sizeof(id));

    rn_text_str(&t, "pid ");
    rn_text_u64(&t, b->processes[i].pid);
    rn_dump_note(&b->out, &(struct rn_dump_note){ .seq = RN_DUMP_NO_SEQ,
                                                  .what = "engine",
                                                  .id = id,
                                                  .why = is_stuck ? "it does not answer"
                                                                  : "asking it failed" });
}

void rn_ask_engines(struct rn_broker *b)
{
    for (size_t i = 0; i < b->n_processes; i++) {
        struct rn_supervised job = { .item = item,
                                     .on_lost = on_lost,
                                     .first = i,
                                     .end = i + 1,
                                     .stuck_ms = RN_ENGINE_TIMEOUT_MS + 1000 };

        if (b->processes[i].engine != RN_ENGINE_OTHER)
            rn_supervise(b, &job);
    }
}
