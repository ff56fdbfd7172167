/* Sockets of the namespace we are in. Dumps walk tables of the whole machine, so the namespace's own counters are
 * asked first, and nothing is dumped that they say is not there. */
#include "discovery/read_netns.h"

#include "host/proc.h"
#include "host/sockdiag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/packet_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PROCNET_MAX_BYTES (256u * 1024u)
#define PROTOCOLS_BYTES   8192u

static void read_sockstat(const struct rn_visit *v, const char *file, struct rn_sockstat *stat)
{
    uint8_t text[1024];
    int len = rn_proc_read_piece(v->b->net_fd, file, text, sizeof(text));

    if (len > 0)
        rn_sockstat_parse(rn_view_of(text, (size_t)len), stat);
}

/* Of either family: the first file counts all sockets of programs. The kernel's own, of tunnels, it does not. */
static bool has_sockets(const struct rn_visit *v, const struct rn_sockstat *stat)
{
    return stat->used > v->n_own_socks || stat->tcp_time_wait != 0 || stat->tcp != 0 ||
           v->has_tunnels;
}

/* Of what this kernel has not loaded nothing may be asked: the question alone would load its module. */
static void read_protocols(const struct rn_broker *b, struct rn_protocols *protocols)
{
    uint8_t text[PROTOCOLS_BYTES];
    int len = rn_proc_read(b->net_fd, "protocols", text, sizeof(text));

    if (len > 0)
        rn_protocols_parse(rn_view_of(text, (size_t)len), protocols);
}

struct diag {
    struct rn_visit *v;
    struct rn_nl nl;
    struct rn_sockstat stat;
    struct rn_protocols protocols;
    size_t inode_at; /* in the answers of the question that is asked */
    uint32_t n_answers;
};

static void watch_sock(struct rn_view message, void *arg)
{
    struct diag *d = arg;

    d->n_answers++;
    rn_known_socks_add(d->v->b, rn_nl_u32_at(message, d->inode_at));
}

/* Returns how many sockets it listed. */
static uint32_t ask(struct diag *d, struct rn_nl_msg *msg, enum rn_dump_table table,
                    const char *what)
{
    struct rn_visit_ask a = {
        .nl = &d->nl, .msg = msg, .table = table, .watch = watch_sock, .arg = d
    };
    int err;

    d->n_answers = 0;
    err = rn_visit_dump(d->v, &a);
    /* ENOENT: this kernel has no diag module for it. */
    if (err < 0 && err != rn_err_from_errno(ENOENT))
        rn_visit_note(d->v, what, err, NULL);
    return d->n_answers;
}

/* Listeners are few and cheap to find; the walk over connections is made only if there are any. */
static void ask_tcp(struct diag *d)
{
    struct rn_nl_msg msg;
    uint32_t n_listen;

    if (d->stat.tcp == 0 && d->stat.tcp_time_wait == 0)
        return;
    rn_sockdiag_ask_tcp(&msg, RN_SOCKDIAG_LISTEN);
    n_listen = ask(d, &msg, RN_TABLE_TCP, "TCP sockets");
    if (d->stat.tcp <= n_listen && d->stat.tcp_time_wait == 0)
        return;
    rn_sockdiag_ask_tcp(&msg, RN_SOCKDIAG_ALL & ~RN_SOCKDIAG_LISTEN);
    ask(d, &msg, RN_TABLE_TCP, "TCP sockets");
}

static void ask_both(struct diag *d, uint32_t ip_proto, enum rn_dump_table table, const char *what)
{
    struct rn_nl_msg msg;

    rn_sockdiag_ask_inet(&msg, AF_INET, ip_proto);
    ask(d, &msg, table, what);
    rn_sockdiag_ask_inet(&msg, AF_INET6, ip_proto);
    ask(d, &msg, table, what);
}

static void copy_procnet(struct rn_visit *v, const char *name, enum rn_dump_table table)
{
    static uint8_t text[PROCNET_MAX_BYTES]; /* large, and only ever used by one visit */
    int len = rn_proc_read(v->b->net_fd, name, text, sizeof(text));

    if (len <= 0)
        return;
    rn_dump_begin(&v->b->out, RN_DUMP_PROCNET, (uint16_t)table);
    rn_dump_bytes(&v->b->out, rn_view_of(text, (size_t)len));
    rn_dump_end(&v->b->out);
}

/* What sockstat does not tell apart. */
static void ask_others(struct diag *d)
{
    struct rn_nl_msg msg;

    read_protocols(d->v->b, &d->protocols);
    /* Each of these two walks every MPTCP connection of the machine: half a millisecond, mostly for nothing. */
    if (d->protocols.mptcp != 0 || !d->v->b->counts_mptcp)
        ask_both(d, IPPROTO_MPTCP, RN_TABLE_MPTCP, "MPTCP sockets");
    if (d->protocols.local != 0) {
        d->inode_at = offsetof(struct unix_diag_msg, udiag_ino);
        rn_sockdiag_ask_unix(&msg);
        ask(d, &msg, RN_TABLE_UNIX, "unix sockets");
    }
    if (d->protocols.packet != 0) {
        d->inode_at = offsetof(struct packet_diag_msg, pdiag_ino);
        rn_sockdiag_ask_packet(&msg);
        ask(d, &msg, RN_TABLE_PACKET, "packet sockets");
    }
    if (d->protocols.ping != 0) {
        copy_procnet(d->v, "icmp", RN_TABLE_PROC_PING);
        copy_procnet(d->v, "icmp6", RN_TABLE_PROC_PING6);
    }
}

void rn_visit_socks(struct rn_visit *v)
{
    struct diag d = { .v = v, .inode_at = offsetof(struct inet_diag_msg, idiag_inode) };
    int err;

    read_sockstat(v, "sockstat", &d.stat);
    if (!has_sockets(v, &d.stat))
        return;
    read_sockstat(v, "sockstat6", &d.stat);
    err = rn_nl_open(&d.nl, NETLINK_SOCK_DIAG);
    if (err < 0) {
        rn_visit_note(v, "sockets", err, NULL);
        return;
    }
    ask_tcp(&d);
    if (d.stat.udp != 0)
        ask_both(&d, IPPROTO_UDP, RN_TABLE_UDP, "UDP sockets");
    if (d.stat.udplite != 0)
        ask_both(&d, IPPROTO_UDPLITE, RN_TABLE_UDPLITE, "UDP-Lite sockets");
    if (d.stat.raw != 0) {
        copy_procnet(v, "raw", RN_TABLE_PROC_RAW);
        copy_procnet(v, "raw6", RN_TABLE_PROC_RAW6);
    }
    ask_others(&d);
    rn_nl_close(&d.nl);
}
