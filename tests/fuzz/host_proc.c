/* What the scan's privileged half reads itself, of files whose words others choose: /proc/<pid>/stat (a process names
 * itself), status, cgroup, mountinfo (paths), and the counters of sockets. The first byte says which. */
#include "host/cgroup.h"
#include "host/proc.h"
#include "host/sockdiag.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_lie_within(struct rn_view part, struct rn_view whole)
{
    if (part.len != 0 && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
        abort();
}

static void read_mounts(struct rn_view text)
{
    struct rn_view rest = text;
    struct rn_mount m;
    char path[64];
    uint64_t ino;

    while (rn_proc_next_mount(&rest, &m)) {
        must_lie_within(m.root, text);
        must_lie_within(m.point, text);
        must_lie_within(m.fstype, text);
        rn_proc_unescape(m.point, path, sizeof(path));
        if (strlen(path) >= sizeof(path))
            abort();
        (void)rn_proc_link_number(m.root, "net:[", &ino);
    }
}

static void read_stat(struct rn_view text)
{
    struct rn_proc_stat stat;

    if (rn_proc_stat_parse(text, &stat) == RN_OK)
        must_lie_within(stat.comm, text);
}

static void read_status(struct rn_view text)
{
    struct rn_proc_status status;

    rn_proc_status_parse(text, &status);
    must_lie_within(status.cpus, text);
    if (status.n_nspids > RN_PROC_NSPIDS_MAX)
        abort();
}

static void read_cgroup(struct rn_view text)
{
    must_lie_within(rn_proc_cgroup_path(text), text);
    must_lie_within(rn_proc_cgroup_of(text, ""), text);
    must_lie_within(rn_proc_cgroup_of(text, "freezer"), text);
}

static void read_counters(struct rn_view text)
{
    struct rn_sockstat stat = { 0 };
    struct rn_protocols protocols = { 0 };

    rn_sockstat_parse(text, &stat);
    rn_protocols_parse(text, &protocols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct rn_view text) = { read_stat, read_status, read_cgroup,
                                                            read_mounts, read_counters };
    uint8_t *copy;

    if (size == 0)
        return 0;
    /* A block of its own, so that one byte too far is seen; files have no NUL at their end. */
    copy = malloc(size);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    readers[copy[0] % RN_ARRAY_LEN(readers)](rn_view_of(copy + 1, size - 1));
    free(copy);
    return 0;
}
