#include "host/netns.h"

#include <runnel/err.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_ns(const char *path)
{
    /* Non-blocking: a hostile path may be a FIFO. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    return fd < 0 ? rn_err_from_errno(errno) : fd;
}

int rn_netns_open_self(void)
{
    return open_ns("/proc/thread-self/ns/net");
}

int rn_netns_open_path(const char *path)
{
    int fd = open_ns(path);

    if (fd < 0)
        return fd;
    if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
        close(fd);
        return RN_E_BAD_ADDR;
    }
    return fd;
}

int rn_ns_identify(int ns_fd, struct rn_ns_id *ret)
{
    struct stat st;

    if (fstat(ns_fd, &st) < 0)
        return rn_err_from_errno(errno);
    *ret = (struct rn_ns_id){ .dev = st.st_dev, .ino = st.st_ino };
    return RN_OK;
}

int rn_netns_enter(int ns_fd)
{
    return setns(ns_fd, CLONE_NEWNET) < 0 ? rn_err_from_errno(errno) : RN_OK;
}
