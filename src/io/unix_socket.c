#include "io/unix_socket.h"

#include <runnel/err.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int rn_unix_address(const char *path, struct sockaddr_un *ret)
{
    size_t len = strlen(path);

    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (len >= sizeof(ret->sun_path))
        return RN_E_BAD_OPTION;
    memcpy(ret->sun_path, path, len + 1);
    return RN_OK;
}

int rn_unix_connect(int type, const char *local, const char *remote)
{
    struct sockaddr_un at = { 0 };
    struct sockaddr_un to;
    int err = rn_unix_address(remote, &to);
    int fd;

    if (err >= 0 && local != NULL)
        err = rn_unix_address(local, &at);
    if (err < 0)
        return err;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rn_err_from_errno(errno);
    if ((local == NULL || bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0) &&
        connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    err = rn_err_from_errno(errno);
    close(fd);
    return err;
}
