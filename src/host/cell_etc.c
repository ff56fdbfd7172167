/*
 * Name resolution inside: our resolv.conf and nsswitch.conf over the host's, and nothing where systemd-resolved and nscd
 * listen, since nss-resolve and glibc's nscd client would go around us by UNIX socket.
 *
 * A bind mount over a file is gone as soon as the host renames another file over it (Linux 3.18 and later detach it). So
 * the keeper watches the directories and keeps of each of its files a detached clone of the mount at hand, to lay it over the
 * new one; from that it takes the next clone.
 */
#include "host/cell_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLV_CONF   "/etc/resolv.conf"
#define NSSWITCH_CONF "/etc/nsswitch.conf"
#define TEXT_MAX      16384u
/* Whoever replaces a file does one of these to the directory; IN_ATTRIB tells of the mount's own removal. */
#define WATCHED (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)

/* Sockets of resolvers that would answer from outside. */
static const char *const hidden_dirs[] = { "/run/systemd/resolve", "/run/nscd" };

static int write_new(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t len = strlen(text);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = write(fd, text, len);
    close(fd);
    return n >= 0 && (size_t)n == len ? 0 : -EIO;
}

static int mount_tmpfs(const char *at)
{
    return mount("tmpfs", at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=256k") < 0
               ? -errno
               : 0;
}

static void hide_daemons(struct keeper *k)
{
    for (size_t i = 0; i < sizeof(hidden_dirs) / sizeof(hidden_dirs[0]); i++) {
        if (access(hidden_dirs[i], F_OK) == 0 && mount_tmpfs(hidden_dirs[i]) < 0)
            k->report.warnings |= RN_CELL_WARN_DAEMONS;
    }
}

/* @path without symbolic links, even if it does not exist (resolv.conf may be a link into a directory that we have just
 * emptied). NULL if that cannot be told. */
static const char *real_path(const char *path, char buf[PATH_MAX])
{
    char link[PATH_MAX];
    ssize_t n;

    if (realpath(path, buf) != NULL)
        return buf;
    n = readlink(path, link, sizeof(link) - 1);
    if (n <= 0)
        return NULL;
    link[n] = '\0';
    if (link[0] == '/')
        snprintf(buf, PATH_MAX, "%s", link);
    else
        snprintf(buf, PATH_MAX, "/etc/%.*s", PATH_MAX - 6, link);
    return buf;
}

static bool is_hidden(const char *path)
{
    for (size_t i = 0; i < sizeof(hidden_dirs) / sizeof(hidden_dirs[0]); i++) {
        size_t len = strlen(hidden_dirs[i]);

        if (strstr(path, hidden_dirs[i]) != NULL && strlen(strstr(path, hidden_dirs[i])) > len)
            return true;
    }
    return false;
}

/* A detached mount of just our file, made by way of a tmpfs that is mounted for a moment. */
static int detached_file(const char *text)
{
    static const char *const stages[] = { "/tmp", "/run", "/mnt", "/etc" };
    char path[64];
    int tree = -1;

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]) && tree < 0; i++) {
        if (mount_tmpfs(stages[i]) < 0)
            continue;
        snprintf(path, sizeof(path), "%s/file", stages[i]);
        if (write_new(path, text) == 0)
            tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        umount2(stages[i], MNT_DETACH);
    }
    return tree;
}

/* Lays the spare clone over whatever is at the file's real path now, and takes the next spare from it. */
static int lay(struct cell_file *file)
{
    char real[PATH_MAX];

    if (file->spare < 0 || realpath(file->path, real) == NULL ||
        move_mount(file->spare, "", AT_FDCWD, real, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return -1;
    close(file->spare);
    file->spare = open_tree(AT_FDCWD, real, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return 0;
}

static int replace(struct cell_file *file, const char *path, const char *text)
{
    struct stat st;

    file->path = path;
    file->spare = detached_file(text);
    if (file->spare < 0 || fstat(file->spare, &st) < 0)
        return -1;
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    return lay(file);
}

/* The file's directory was emptied by us: then our file can simply be in it, out of the host's reach. */
static int place_in_hidden(const char *real, const char *text)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof(dir), "%s", real);
    for (char *slash = strchr(dir + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(dir, 0755);
        *slash = '/';
    }
    return write_new(real, text);
}

static void build_resolv_conf(struct keeper *k)
{
    const char *text = k->opts->resolv_conf;
    char buf[PATH_MAX];
    const char *real = real_path(RESOLV_CONF, buf);
    int err;

    if (text == NULL)
        return;
    /* Even when it lies in a hidden directory the link to it may be replaced later: then the spare is needed. */
    if (real != NULL && is_hidden(real))
        err = place_in_hidden(real, text);
    else
        err = 0;
    if (err < 0 || replace(&k->etc.files[0], RESOLV_CONF, text) < 0)
        k->report.warnings |= RN_CELL_WARN_RESOLV;
}

/* @out gets @in with its "hosts:" line replaced, or one added. Returns false when nothing would change or it does not fit. */
static bool edit_nsswitch(const char *in, char *out, size_t cap)
{
    static const char wanted[] = "hosts:          files dns\n";
    const char *line = strncmp(in, "hosts:", 6) == 0 ? in : strstr(in, "\nhosts:");
    const char *end;
    int n;

    if (line != NULL && *line == '\n')
        line++;
    if (line == NULL)
        line = in + strlen(in);
    end = strchr(line, '\n');
    end = end != NULL ? end + 1 : line + strlen(line);
    n = snprintf(out, cap, "%.*s%s%s", (int)(line - in), in, wanted, end);
    return n > 0 && (size_t)n < cap && strcmp(in, out) != 0;
}

static void build_nsswitch_conf(struct keeper *k)
{
    char host[TEXT_MAX];
    char ours[TEXT_MAX + 64];

    /* Without the file glibc asks DNS and files, never a daemon. */
    if (rn_read_file(NSSWITCH_CONF, host, sizeof(host)) < 0 ||
        !edit_nsswitch(host, ours, sizeof(ours)))
        return;
    if (replace(&k->etc.files[1], NSSWITCH_CONF, ours) < 0)
        k->report.warnings |= RN_CELL_WARN_NSSWITCH;
}

static void watch_dir_of(struct cell_etc *etc, const char *path)
{
    char real[PATH_MAX];
    char *slash;

    if (realpath(path, real) == NULL)
        return;
    slash = strrchr(real, '/');
    *slash = '\0';
    (void)inotify_add_watch(etc->inotify, real, WATCHED);
}

void rn_cell_build_etc(struct keeper *k)
{
    for (unsigned i = 0; i < CELL_FILES; i++)
        k->etc.files[i].spare = -1;
    hide_daemons(k);
    build_resolv_conf(k);
    build_nsswitch_conf(k);
    k->etc.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (k->etc.inotify < 0)
        return; /* then a renamed file is not noticed, which is no worse than a plain bind mount */
    (void)inotify_add_watch(k->etc.inotify, "/etc", WATCHED);
    watch_dir_of(&k->etc, RESOLV_CONF);
}

static bool is_ours(const struct cell_file *file)
{
    struct stat st;

    return stat(file->path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino;
}

void rn_cell_mend_etc(struct cell_etc *etc)
{
    _Alignas(struct inotify_event) char events[4096];

    while (read(etc->inotify, events, sizeof(events)) > 0)
        continue; /* which file it was does not matter: looking is cheap */
    for (unsigned i = 0; i < CELL_FILES; i++) {
        struct cell_file *file = &etc->files[i];

        if (file->path != NULL && file->spare >= 0 && !is_ours(file) && lay(file) == 0 && i == 0)
            watch_dir_of(etc, file->path);
    }
}
