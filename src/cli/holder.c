#include "cli/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel names the socket's inode in /proc/net, a process's descriptors name it again: two walks, only on an error. */

#define LISTENING 0x0au /* TCP_LISTEN in /proc/net/tcp */

/* The inode of the socket bound to @port in one table; 0 if none. The address may be a wildcard of either family. */
static unsigned long inode_in(const char *path, uint16_t port, bool is_udp)
{
    FILE *file = fopen(path, "re");
    char line[512];
    unsigned long inode = 0;

    if (file == NULL)
        return 0;
    while (inode == 0 && fgets(line, sizeof(line), file) != NULL) {
        unsigned local = 0;
        unsigned state = 0;
        unsigned long found = 0;

        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu",
                   &local, &state, &found) == 3 &&
            local == port && (is_udp || state == LISTENING))
            inode = found;
    }
    fclose(file);
    return inode;
}

static bool holds(const char *pid, unsigned long inode)
{
    char path[300];
    char want[64];
    char link[64];
    DIR *dir;
    struct dirent *entry;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    snprintf(want, sizeof(want), "socket:[%lu]", inode);
    dir = opendir(path);
    if (dir == NULL)
        return false;
    while (!found && (entry = readdir(dir)) != NULL) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

        if (n > 0) {
            link[n] = '\0';
            found = strcmp(link, want) == 0;
        }
    }
    closedir(dir);
    return found;
}

/* The name is the process's own choice: only plain characters reach the terminal. */
static void describe(const char *pid, char *buf, size_t cap)
{
    char path[300];
    char comm[32] = "?";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(comm, sizeof(comm), file) == NULL)
            comm[0] = '\0';
        fclose(file);
    }
    comm[strcspn(comm, "\n")] = '\0';
    for (char *c = comm; *c != '\0'; c++) {
        if (!isprint((unsigned char)*c))
            *c = '?';
    }
    snprintf(buf, cap, "%s (pid %s)", comm, pid);
}

bool rn_holder_of(const struct rn_endpoint *at, bool is_udp, char *buf, size_t cap)
{
    static const char *const tables[2][2] = { { "/proc/net/tcp", "/proc/net/tcp6" },
                                              { "/proc/net/udp", "/proc/net/udp6" } };
    unsigned long inode = 0;
    DIR *proc;
    struct dirent *entry;
    bool found = false;

    for (unsigned i = 0; i < 2 && inode == 0; i++)
        inode = inode_in(tables[is_udp][i], at->port, is_udp);
    proc = inode != 0 ? opendir("/proc") : NULL;
    if (proc == NULL)
        return false;
    while (!found && (entry = readdir(proc)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && holds(entry->d_name, inode)) {
            describe(entry->d_name, buf, cap);
            found = true;
        }
    }
    closedir(proc);
    return found;
}
