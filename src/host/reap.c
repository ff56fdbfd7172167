#include "host/reap.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool is_spared(const struct rn_spared *spared, pid_t pid)
{
    for (unsigned i = 0; spared != NULL && i < spared->n; i++) {
        if (spared->pid[i] == pid)
            return true;
    }
    return false;
}

/* Parent of @pid, or 0 when it is gone. */
static pid_t parent_of(int proc_fd, const char *pid)
{
    char path[300];
    char line[512];
    const char *end;
    int fd;
    ssize_t n;

    snprintf(path, sizeof(path), "%s/stat", pid);
    fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (n <= 0)
        return 0;
    line[n] = '\0';
    end =
        strrchr(line, ')'); /* the name may hold anything, parentheses too: pid (name) state ppid */
    return end != NULL && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

/* Kills and, where it ended at once, reaps every child found; returns how many there were. */
static unsigned kill_round(const struct rn_spared *spared, unsigned *ended)
{
    DIR *proc = opendir("/proc");
    unsigned found = 0;
    struct dirent *entry;

    if (proc == NULL)
        return 0;
    while ((entry = readdir(proc)) != NULL) {
        pid_t pid;

        if (!isdigit((unsigned char)entry->d_name[0]) ||
            parent_of(dirfd(proc), entry->d_name) != getpid())
            continue;
        pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (is_spared(spared, pid))
            continue;
        found++;
        kill(pid, SIGKILL);
        if (waitpid(pid, NULL, WNOHANG) == pid)
            ++*ended;
    }
    closedir(proc);
    return found;
}

unsigned rn_kill_children(const struct rn_spared *spared)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    unsigned ended = 0;

    /* Zombies are found again until they are reaped; children of the killed become ours and are found next. */
    while (kill_round(spared, &ended) > 0)
        nanosleep(&pause, NULL);
    return ended;
}
