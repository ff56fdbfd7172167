/*
 * What the kernel's own work for a scan costs: every network namespace that a process lives in is entered once and asked
 * the questions that `runnel map` asks (forwarding tables where there is a bridge, sockets where there are any, of every
 * one all else); the answers are thrown away. With "owners", the links of all descriptors are read instead, which is the least
 * that telling who holds a socket takes. Prints milliseconds. bench/map.py runs it.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMESPACES_MAX 65536u
#define PATH_BYTES     320u

struct request {
    struct nlmsghdr head;
    uint8_t body[64]; /* the largest is inet_diag's question, 56 bytes */
};

static ino_t seen[NAMESPACES_MAX];
static size_t n_seen;
static char answer[65536];

static bool is_new(ino_t ino)
{
    for (size_t i = 0; i < n_seen; i++) {
        if (seen[i] == ino)
            return false;
    }
    if (n_seen < NAMESPACES_MAX)
        seen[n_seen++] = ino;
    return true;
}

static bool has_bridge; /* the namespace we are in, as its links say */

/* True at the end of the dump, or of the patience with it. */
static bool is_last(size_t len)
{
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)answer;

    for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
        if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
            return true;
        if (h->nlmsg_type == RTM_NEWLINK && !has_bridge)
            has_bridge =
                memmem(h, h->nlmsg_len, "bridge", sizeof("bridge")) != NULL; /* IFLA_INFO_KIND */
    }
    return false;
}

static void dump(int fd, struct request *r, uint16_t type, size_t body_bytes)
{
    ssize_t n;

    r->head = (struct nlmsghdr){ .nlmsg_len = (uint32_t)NLMSG_LENGTH(body_bytes),
                                 .nlmsg_type = type,
                                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP };
    if (send(fd, r, r->head.nlmsg_len, 0) < 0)
        return;
    do {
        n = recv(fd, answer, sizeof(answer), 0);
    } while (n > 0 && !is_last((size_t)n));
}

static void dump_route(int fd, uint16_t type, size_t body_bytes, uint8_t family)
{
    struct request r = { .body = { family } }; /* the first byte of every rtnetlink header */

    dump(fd, &r, type, body_bytes);
}

static uint32_t counter(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at != NULL ? (uint32_t)strtoul(at + strlen(key), NULL, 10) : 0;
}

static void dump_tcp(uint32_t states)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct inet_diag_req ask = { .idiag_states = states };
    struct request r = { .head = { 0 } };

    memcpy(r.body, &ask, sizeof(ask));
    if (fd < 0)
        return;
    dump(fd, &r, TCPDIAG_GETSOCK, sizeof(ask));
    close(fd);
}

/* As the scanner does: listeners first, the walk over all connections only where there are any. */
static void ask_sockets(void)
{
    const uint32_t listen = 1u << 10;
    int fd = open("/proc/self/net/sockstat", O_RDONLY | O_CLOEXEC);
    char text[1024];
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    uint32_t in_use;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    in_use = counter(text, "TCP: inuse ");
    if (in_use == 0)
        return;
    dump_tcp(listen);
    if (in_use > 1)
        dump_tcp(~listen);
}

static void ask_links(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return;
    has_bridge = false;
    dump_route(fd, RTM_GETLINK, sizeof(struct ifinfomsg), AF_UNSPEC);
    dump_route(fd, RTM_GETADDR, sizeof(struct ifaddrmsg), AF_UNSPEC);
    dump_route(fd, RTM_GETROUTE, sizeof(struct rtmsg), AF_UNSPEC);
    dump_route(fd, RTM_GETRULE, sizeof(struct rtmsg), AF_UNSPEC);
    dump_route(fd, RTM_GETNEIGH, sizeof(struct ndmsg), AF_UNSPEC);
    if (has_bridge)
        dump_route(fd, RTM_GETNEIGH, sizeof(struct ndmsg), AF_BRIDGE);
    dump_route(fd, RTM_GETNEXTHOP, sizeof(struct nhmsg), AF_UNSPEC);
    close(fd);
}

/* Nat chains and the names of older tables decide whether there are rules to read. */
static void ask_rules(void)
{
    static const char *const names[] = { "/proc/self/net/ip_tables_names",
                                         "/proc/self/net/ip6_tables_names" };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    struct request r = { .head = { 0 } }; /* all families, all tables: an nfgenmsg of zeros */

    if (fd < 0)
        return;
    dump(fd, &r, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, sizeof(struct nfgenmsg));
    close(fd);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        fd = open(names[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, answer, sizeof(answer)) < 0)
            continue; /* this kernel has no such tables */
        close(fd);
    }
}

static void ask_namespace(const char *pid)
{
    char path[PATH_BYTES];
    struct stat st;
    int fd;

    snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && is_new(st.st_ino) && setns(fd, CLONE_NEWNET) == 0) {
        ask_links();
        ask_sockets();
        ask_rules();
    }
    close(fd);
}

static void read_descriptors(const char *pid)
{
    char path[PATH_BYTES];
    char link[64];
    struct dirent *e;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    dir = opendir(path);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (readlinkat(dirfd(dir), e->d_name, link, sizeof(link)) < 0)
            continue; /* closed meanwhile, or "." */
    }
    if (dir != NULL)
        closedir(dir);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    bool wants_owners = argc > 1 && strcmp(argv[1], "owners") == 0;
    double start = now_ms();
    DIR *proc = opendir("/proc");
    struct dirent *e;

    while (proc != NULL && (e = readdir(proc)) != NULL) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        if (wants_owners)
            read_descriptors(e->d_name);
        else
            ask_namespace(e->d_name);
    }
    if (proc != NULL)
        closedir(proc);
    printf("%.1f\n", now_ms() - start);
    return 0;
}
