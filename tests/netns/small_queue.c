/*
 * Preloaded by run_link.py: sockets get no larger queues than an ordinary user does on a Debian as installed
 * (net.core.rmem_max 212992), which a namespace cannot set for itself.
 */
#include <runnel/attr.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEBIAN_RMEM_MAX 212992

RN_PUBLIC int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    int bytes;

    if (level == SOL_SOCKET && (name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE)) {
        errno = EPERM;
        return -1;
    }
    if (level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_SNDBUF) && len == sizeof(bytes)) {
        memcpy(&bytes, value, sizeof(bytes));
        if (bytes > DEBIAN_RMEM_MAX)
            bytes = DEBIAN_RMEM_MAX;
        value = &bytes;
    }
    return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}
