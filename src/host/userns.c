#include "host/userns.h"

#include <runnel/err.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rn_userns_ids rn_userns_own_ids(bool as_root)
{
    struct rn_userns_ids ids = { .outer_uid = geteuid(), .outer_gid = getegid() };

    ids.inner_uid = as_root ? 0 : ids.outer_uid;
    ids.inner_gid = as_root ? 0 : ids.outer_gid;
    return ids;
}

int rn_write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);
    ssize_t n;
    int err = RN_OK;

    if (fd < 0)
        return rn_err_from_errno(errno);
    n = write(fd, text, len);
    if (n < 0)
        err = rn_err_from_errno(errno);
    else if ((size_t)n != len)
        err = rn_err_from_errno(EIO);
    close(fd);
    return err;
}

int rn_read_file(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = 0;

    if (fd < 0)
        return rn_err_from_errno(errno);
    while (len < cap - 1 && (n = read(fd, buf + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    close(fd);
    if (n < 0)
        return rn_err_from_errno(errno);
    buf[len] = '\0';
    return (int)len;
}

static int write_map(const char *path, unsigned inner, unsigned outer)
{
    char line[64];

    snprintf(line, sizeof(line), "%u %u 1\n", inner, outer);
    return rn_write_file(path, line);
}

int rn_userns_write_maps(const struct rn_userns_ids *ids)
{
    int err = rn_write_file("/proc/self/setgroups", "deny");

    /* Linux before 3.19 has no such file and no such danger. */
    if (err < 0 && err != rn_err_from_errno(ENOENT))
        return err;
    err = write_map("/proc/self/uid_map", ids->inner_uid, ids->outer_uid);
    if (err < 0)
        return err;
    return write_map("/proc/self/gid_map", ids->inner_gid, ids->outer_gid);
}

/* Lines of "first-id-inside first-id-outside count". */
static bool map_has(const char *path, unsigned long id)
{
    char text[4096] = "";
    char *at = text;

    if (rn_read_file(path, text, sizeof(text)) < 0)
        return false;
    while (*at != '\0') {
        unsigned long inner = strtoul(at, &at, 10);
        unsigned long count;

        (void)strtoul(at, &at, 10);
        count = strtoul(at, &at, 10);
        if (id >= inner && id - inner < count)
            return true;
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return false;
}

bool rn_userns_has_id(unsigned id)
{
    char setgroups[16];

    return map_has("/proc/self/uid_map", id) && map_has("/proc/self/gid_map", id) &&
           rn_read_file("/proc/self/setgroups", setgroups, sizeof(setgroups)) > 0 &&
           strncmp(setgroups, "allow", 5) == 0;
}
