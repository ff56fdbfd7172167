#include "cli/holder.h"

#include "host/proc.h"
#include "host/sockdiag.h"

#include <ctype.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kernel tells the socket's inode, a process's descriptors name it again: two walks, only on an error. */

struct search {
    uint16_t port;
    uint64_t inode;
    int proc_fd;
    int pid_fd; /* the process looked at now */
    uint32_t holder;
};

/* --- the socket --------------------------------------------------------------------------------------------- */
static int on_socket(const struct nlmsghdr *head, void *arg)
{
    struct search *search = arg;
    struct rn_view payload = rn_view_of((const uint8_t *)NLMSG_DATA(head), NLMSG_PAYLOAD(head, 0));
    struct rn_sockdiag_sock sock;

    if (rn_sockdiag_parse_inet(payload, &sock) >= 0 && sock.local_port == search->port)
        search->inode = sock.inode;
    return RN_OK;
}

static int dump(struct rn_nl *nl, struct rn_nl_msg *msg, struct search *search)
{
    struct rn_nl_sink sink = { .message = on_socket, .arg = search };

    return rn_nl_dump(nl, msg, &sink);
}

static int find_socket(struct search *search, bool is_udp)
{
    struct rn_nl nl = { 0 };
    struct rn_nl_msg msg;
    int err = rn_nl_open(&nl, NETLINK_SOCK_DIAG);

    if (err >= 0 && is_udp) {
        rn_sockdiag_ask_inet(&msg, AF_INET, IPPROTO_UDP);
        err = dump(&nl, &msg, search);
    }
    if (is_udp)
        rn_sockdiag_ask_inet(&msg, AF_INET6, IPPROTO_UDP);
    else
        rn_sockdiag_ask_tcp(&msg, RN_SOCKDIAG_LISTEN);
    if (err >= 0)
        err = dump(&nl, &msg, search);
    rn_nl_close(&nl);
    return err;
}

/* --- who has it --------------------------------------------------------------------------------------------- */
static int on_fd(uint32_t fd, void *arg)
{
    struct search *search = arg;
    uint64_t inode;
    char name[32];
    char link[64];
    ssize_t len;

    snprintf(name, sizeof(name), "fd/%u", fd);
    len = readlinkat(search->pid_fd, name, link, sizeof(link));
    if (len > 0 &&
        rn_proc_link_number(rn_view_of((uint8_t *)link, (size_t)len), "socket:[", &inode))
        return inode == search->inode ? RN_E_EXISTS : RN_OK; /* ends the walk */
    return RN_OK;
}

static int on_process(uint32_t pid, void *arg)
{
    struct search *search = arg;
    int err;

    search->pid_fd = rn_proc_open(search->proc_fd, pid);
    if (search->pid_fd < 0)
        return RN_OK; /* it has ended */
    err = rn_proc_each(search->pid_fd, "fd", on_fd, search);
    close(search->pid_fd);
    if (err != RN_E_EXISTS)
        return RN_OK; /* not that one, or not ours to see */
    search->holder = pid;
    return err;
}

/* The name is the process's own choice: only plain characters reach the terminal. */
static void describe(const struct search *search, char *buf, size_t cap)
{
    char name[32];
    char comm[32];
    int len;

    snprintf(name, sizeof(name), "%u/comm", search->holder);
    len = rn_proc_read(search->proc_fd, name, comm, sizeof(comm) - 1);
    comm[len > 0 ? len : 0] = '\0';
    comm[strcspn(comm, "\n")] = '\0';
    for (char *c = comm; *c != '\0'; c++) {
        if (!isprint((unsigned char)*c))
            *c = '?';
    }
    snprintf(buf, cap, "%s (pid %u)", len > 0 ? comm : "?", search->holder);
}

bool rn_holder_of(const struct rn_endpoint *at, bool is_udp, char *buf, size_t cap)
{
    struct search search = { .port = at->port };
    bool is_found;

    if (find_socket(&search, is_udp) < 0 || search.inode == 0)
        return false;
    search.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (search.proc_fd < 0)
        return false;
    is_found = rn_proc_each(search.proc_fd, ".", on_process, &search) == RN_E_EXISTS;
    if (is_found)
        describe(&search, buf, cap);
    close(search.proc_fd);
    return is_found;
}
