#include "cli/resolv_watch.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define RESOLV_PATH "/etc/resolv.conf"
#define CHANGES     (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE)

/* Directories are watched, not files: a rename replaces the file under the watch. */
static void watch_dir_of(int fd, const char *path)
{
    char dir[PATH_MAX];
    char *slash;

    if (strlen(path) >= sizeof(dir))
        return;
    memcpy(dir, path, strlen(path) + 1);
    slash = strrchr(dir, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    (void)inotify_add_watch(fd, dir[0] != '\0' ? dir : "/", CHANGES);
}

void rn_resolv_watch_open(struct rn_resolv_watch *watch)
{
    char target[PATH_MAX];

    /* Nothing counts as seen: a change between the plan's look and this watch must not go unnoticed. */
    watch->n_seen = RN_PLAN_DNS_MAX + 1;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0)
        return;
    watch_dir_of(watch->fd, RESOLV_PATH);
    if (realpath(RESOLV_PATH, target) != NULL && strcmp(target, RESOLV_PATH) != 0)
        watch_dir_of(watch->fd, target);
}

void rn_resolv_watch_close(struct rn_resolv_watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

bool rn_resolv_watch_read(struct rn_resolv_watch *watch, struct rn_host_view *ret)
{
    char events[4096];

    while (read(watch->fd, events, sizeof(events)) > 0)
        continue;
    /* The text decides: two renames within one tick of the kernel's clock leave the same times behind. */
    rn_plan_look_at_resolv(ret);
    if (watch->n_seen == ret->n_dns && memcmp(watch->seen, ret->dns, sizeof(watch->seen)) == 0)
        return false;
    watch->n_seen = ret->n_dns;
    memcpy(watch->seen, ret->dns, sizeof(watch->seen));
    return true;
}
