#include "host/proc.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DIR_BUF_BYTES (32u * 1024u)

int rn_proc_open(int proc_fd, uint32_t pid)
{
    char name[16];
    struct rn_text t = rn_text_of(name, sizeof(name));
    int fd;

    rn_text_u64(&t, pid);
    fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : rn_err_from_errno(errno);
}

int rn_proc_read(int dir_fd, const char *name, void *buf, size_t cap)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t len = 0;
    int err = 0;

    if (fd < 0)
        return rn_err_from_errno(errno);
    while (len < cap) {
        ssize_t n = read(fd, (uint8_t *)buf + len, cap - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = rn_err_from_errno(errno);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    return err < 0 ? err : (int)len;
}

int rn_proc_read_piece(int dir_fd, const char *name, void *buf, size_t cap)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n;
    int err;

    if (fd < 0)
        return rn_err_from_errno(errno);
    do {
        n = read(fd, buf, cap);
    } while (n < 0 && errno == EINTR);
    err = n < 0 ? rn_err_from_errno(errno) : (int)n;
    close(fd);
    return err;
}

bool rn_proc_link_number(struct rn_view link, const char *prefix, uint64_t *ret)
{
    size_t len = strlen(prefix);

    if (!rn_view_starts(link, prefix) || link.ptr[link.len - 1] != ']')
        return false;
    return rn_text_number(rn_view_of(link.ptr + len, link.len - len - 1), 10, ret);
}

int rn_proc_ns_ino(int dir_fd, const char *name, uint64_t *ret_ino)
{
    char link[64];
    ssize_t n = readlinkat(dir_fd, name, link, sizeof(link));
    const char *open_bracket;
    struct rn_view v;

    if (n < 0)
        return rn_err_from_errno(errno);
    open_bracket = memchr(link, '[', (size_t)n);
    if (open_bracket == NULL || link[n - 1] != ']')
        return RN_E_MALFORMED;
    v = rn_view_of(open_bracket + 1, (size_t)(link + n - 1 - (open_bracket + 1)));
    return rn_text_number(v, 10, ret_ino) ? RN_OK : RN_E_MALFORMED;
}

/* struct linux_dirent64 has no libc name that the compiler would let us walk without a cast; read it as bytes. */
static int each_in_block(struct rn_view block, rn_proc_number_fn *fn, void *arg)
{
    const size_t reclen_at = 16;
    const size_t name_at = 19;

    while (block.len > name_at) {
        uint16_t reclen;
        const uint8_t *nul;
        uint64_t number;
        int err;

        memcpy(&reclen, block.ptr + reclen_at, sizeof(reclen));
        if (reclen <= name_at || reclen > block.len)
            return RN_E_MALFORMED;
        nul = memchr(block.ptr + name_at, 0, reclen - name_at);
        if (nul != NULL &&
            rn_text_number(rn_view_of(block.ptr + name_at, (size_t)(nul - block.ptr) - name_at), 10,
                           &number) &&
            number <= UINT32_MAX) {
            err = fn((uint32_t)number, arg);
            if (err < 0)
                return err;
        }
        block = rn_view_of(block.ptr + reclen, block.len - reclen);
    }
    return RN_OK;
}

int rn_proc_each_of(int fd, rn_proc_number_fn *fn, void *arg)
{
    RN_UNSET uint8_t buf[DIR_BUF_BYTES];
    int err = RN_OK;
    long n;

    do {
        n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
        if (n < 0)
            err = rn_err_from_errno(errno);
        else if (n > 0)
            err = each_in_block(rn_view_of(buf, (size_t)n), fn, arg);
    } while (n > 0 && err >= 0);
    return err;
}

int rn_proc_each(int dir_fd, const char *name, rn_proc_number_fn *fn, void *arg)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err;

    if (fd < 0)
        return rn_err_from_errno(errno);
    err = rn_proc_each_of(fd, fn, arg);
    close(fd);
    return err;
}

/* File systems whose reads end without asking anybody: not FUSE, NFS, /proc or /sys of the container's choosing. */
static bool may_read_from(int fd)
{
    static const unsigned long allowed[] = {
        EXT4_SUPER_MAGIC,      BTRFS_SUPER_MAGIC,
        XFS_SUPER_MAGIC,       F2FS_SUPER_MAGIC,
        TMPFS_MAGIC,           RAMFS_MAGIC,
        OVERLAYFS_SUPER_MAGIC, SQUASHFS_MAGIC,
        EROFS_SUPER_MAGIC_V1,  ISOFS_SUPER_MAGIC,
        MSDOS_SUPER_MAGIC,     0x2fc12fc1u, /* ZFS, which linux/magic.h does not know */
        0xca451a4eu,                        /* bcachefs */
    };
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return false;
    for (size_t i = 0; i < RN_ARRAY_LEN(allowed); i++) {
        if ((unsigned long)fs.f_type == allowed[i])
            return true;
    }
    return false;
}

int rn_proc_open_dir_in_root(int root_fd, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

    if (fd < 0)
        return rn_err_from_errno(errno);
    if (!may_read_from(fd)) {
        close(fd);
        return RN_E_NOT_SUPPORTED;
    }
    return fd;
}

int rn_proc_open_in_root(int root_fd, const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    char self[40];
    struct rn_text t = rn_text_of(self, sizeof(self));
    struct stat st;
    int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
    int out;

    if (fd < 0)
        return rn_err_from_errno(errno);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !may_read_from(fd)) {
        close(fd);
        return RN_E_NOT_SUPPORTED;
    }
    /* The checked file itself is opened, not its name again; whoever may look without a trace does. */
    rn_text_str(&t, "/proc/self/fd/");
    rn_text_u64(&t, (uint64_t)fd);
    out = open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME);
    if (out < 0 && errno == EPERM) /* a stranger's file */
        out = open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (out < 0)
        out = rn_err_from_errno(errno);
    close(fd);
    return out;
}
