#include "host/freezer.h"

#include "base/text.h"
#include "host/proc.h"

#include <fcntl.h>
#include <unistd.h>

#define MOUNT "/sys/fs/cgroup" /* systemd's and everybody's since 2011 */

static int open_dir(const char *path)
{
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* v2 alone is mounted right there; beside v1 it is "unified" (systemd's hybrid). */
void rn_freezer_init(struct rn_freezer *f)
{
    *f = (struct rn_freezer){ .v1_fd = open_dir(MOUNT "/freezer"), .v2_fd = -1 };
    if (access(MOUNT "/cgroup.controllers", F_OK) == 0)
        f->v2_fd = open_dir(MOUNT);
    else
        f->v2_fd = open_dir(MOUNT "/unified");
}

void rn_freezer_fini(struct rn_freezer *f)
{
    if (f->v1_fd >= 0)
        close(f->v1_fd);
    if (f->v2_fd >= 0)
        close(f->v2_fd);
}

/* The root cannot be frozen; "/.." is out of our control group namespace. */
static bool names_a_group(struct rn_view path)
{
    return path.len > 1 && !rn_view_starts(path, "/..");
}

static int read_below(int dir_fd, struct rn_view group, const char *file, uint8_t buf[256])
{
    char path[RN_FREEZER_PATH_BYTES + 32];
    struct rn_text t = rn_text_of(path, sizeof(path));

    rn_text_strn(&t, (const char *)group.ptr + 1, group.len - 1);
    rn_text_str(&t, file);
    return t.cut ? -1 : rn_proc_read(dir_fd, path, buf, 256);
}

/* freezer.state: THAWED, FREEZING or FROZEN, also by a parent */
static bool v1_holds(int fd, struct rn_view group)
{
    uint8_t buf[256];
    int len = read_below(fd, group, "/freezer.state", buf);

    return len > 0 && rn_view_starts(rn_view_of(buf, (size_t)len), "FROZEN");
}

/* cgroup.events: lines "populated 1", "frozen 0" */
static bool v2_holds(int fd, struct rn_view group)
{
    uint8_t buf[256];
    int len = read_below(fd, group, "/cgroup.events", buf);
    struct rn_view rest = rn_view_of(buf, len > 0 ? (size_t)len : 0);
    struct rn_view line;

    while (rn_text_next_line(&rest, &line)) {
        if (rn_view_is(line, "frozen 1"))
            return true;
    }
    return false;
}

static bool says(const struct rn_freezer *f, struct rn_view cgroup)
{
    struct rn_view v1 = rn_proc_cgroup_of(cgroup, "freezer");
    struct rn_view v2 = rn_proc_cgroup_of(cgroup, "");

    return (f->v1_fd >= 0 && names_a_group(v1) && v1_holds(f->v1_fd, v1)) ||
           (f->v2_fd >= 0 && names_a_group(v2) && v2_holds(f->v2_fd, v2));
}

bool rn_freezer_holds(struct rn_freezer *f, struct rn_view cgroup)
{
    bool is_last = cgroup.len == f->last_len && memcmp(f->last, cgroup.ptr, cgroup.len) == 0;

    if (!is_last) {
        f->last_says = says(f, cgroup);
        f->last_len = cgroup.len <= sizeof(f->last) ? cgroup.len : 0;
        memcpy(f->last, cgroup.ptr, f->last_len);
    }
    return f->last_says;
}
