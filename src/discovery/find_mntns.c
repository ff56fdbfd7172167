/* Mount namespaces that neither a process lives in nor a bind mount names, such as those only a descriptor keeps: since
 * Linux 6.12 the kernel hands out one after the other. Their mounts are read as all others' are. */
#include "discovery/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALK_MAX 4096u
#define KEPT_MAX 64u /* their descriptors stay open until the scan ends */

/* linux/nsfs.h of Linux 6.12, which older headers lack. */
struct mount_ns_info {
    uint32_t size;
    uint32_t n_mounts;
    uint64_t id;
};
#define GET_NEXT _IOR(NSIO, 11, struct mount_ns_info)
#define GET_PREV _IOR(NSIO, 12, struct mount_ns_info)

static bool is_known(const struct rn_broker *b, uint64_t ino)
{
    for (size_t i = 0; i < b->n_mntns; i++) {
        if (b->mntns[i].ino == ino)
            return true;
    }
    return false;
}

/* Consumes @fd if it returns true. */
static bool keep(struct rn_broker *b, int fd, uint64_t ino)
{
    struct rn_found_mntns *grown = rn_arena_room(&b->arena, b->mntns, b->n_mntns, sizeof(*grown));

    if (grown == NULL)
        return false;
    b->mntns = grown;
    b->mntns[b->n_mntns++] = (struct rn_found_mntns){ .ino = ino, .fd = fd, .path = "" };
    return true;
}

/* From our own on, away in one direction; who may not see one is not shown it. */
static void walk(struct rn_broker *b, unsigned long direction)
{
    int at = openat(b->proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
    bool is_kept = false;
    unsigned n_kept = 0;

    for (unsigned n = 0; at >= 0 && n < WALK_MAX; n++) {
        struct mount_ns_info info = { .size = sizeof(info) };
        int next = ioctl(at, direction, &info);
        struct stat st;

        if (!is_kept)
            close(at);
        at = next;
        is_kept = at >= 0 && n_kept < KEPT_MAX && fstat(at, &st) == 0 && !is_known(b, st.st_ino) &&
                  keep(b, at, st.st_ino);
        n_kept += is_kept;
    }
    if (at >= 0 && !is_kept)
        close(at);
}

void rn_find_mntns(struct rn_broker *b)
{
    walk(b, GET_NEXT);
    walk(b, GET_PREV);
}
