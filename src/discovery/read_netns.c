/* Visits namespaces in turn: enter, open sockets, copy the kernel's answers. Nothing is opened that outlives the
 * visit, since a socket keeps its namespace alive. */
#include "discovery/read_netns.h"

#include "base/text.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/nexthop.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_VISITS 16u
#define SPLIT_FROM   256u /* fewer do not make up for what more children cost */

/* ---- asking ---- */

struct copy {
    struct rn_visit *v;
    const struct rn_visit_ask *ask;
    size_t start;   /* of this answer in the writer */
    uint32_t n_far; /* links that lead elsewhere, before it */
};

static int on_datagram(struct rn_view bytes, void *arg)
{
    struct copy *c = arg;
    struct rn_dump_writer *out = &c->v->b->out;
    struct rn_view rest = bytes;
    struct rn_nlmsg m;

    rn_progress_beat(c->v->b);
    rn_dump_begin(out, RN_DUMP_NETLINK, (uint16_t)c->ask->table);
    rn_dump_bytes(out, bytes);
    rn_dump_end(out);
    while (c->ask->watch != NULL && rn_nlmsg_next(&rest, &m)) {
        if (m.type >= NLMSG_MIN_TYPE)
            c->ask->watch(m.payload, c->ask->arg);
    }
    return RN_OK;
}

/* The table changed while it was dumped: what came so far goes, it comes again. */
static void on_restart(void *arg)
{
    struct copy *c = arg;

    rn_dump_rewind(&c->v->b->out, c->start);
    rn_far_links_rewind(c->v->b, c->n_far);
}

int rn_visit_dump(struct rn_visit *v, const struct rn_visit_ask *ask)
{
    struct copy c = { v, ask, v->b->out.len, rn_far_links_count(v->b) };
    struct rn_nl_raw_sink sink = { on_datagram, on_restart, &c };

    return rn_nl_dump_raw(ask->nl, ask->msg, &sink);
}

void rn_visit_note(struct rn_visit *v, const char *what, int err, const char *needs)
{
    char id[24];
    struct rn_text t = rn_text_of(id, sizeof(id));

    rn_text_u64(&t, v->b->netns[v->seq].ino);
    rn_dump_note(&v->b->out,
                 &(struct rn_dump_note){
                     .seq = v->seq, .what = what, .id = id, .err = err, .needs = needs });
}

/* ---- rtnetlink ---- */

static bool is_one_of(struct rn_view kind, const char *const *kinds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rn_view_is(kind, kinds[i]))
            return true;
    }
    return false;
}

static bool keeps_fdb(struct rn_view kind)
{
    static const char *const kinds[] = { "bridge", "vxlan", "macvlan", "macvtap" };

    return is_one_of(kind, kinds, RN_ARRAY_LEN(kinds));
}

/* Tunnels in UDP: their sockets are the kernel's own. */
static bool opens_sockets(struct rn_view kind)
{
    static const char *const kinds[] = { "vxlan", "geneve", "wireguard", "bareudp", "gtp", "amt" };

    return is_one_of(kind, kinds, RN_ARRAY_LEN(kinds));
}

static bool is_half(struct rn_view kind)
{
    static const char *const kinds[] = { "veth", "netkit", "vxcan" };

    return is_one_of(kind, kinds, RN_ARRAY_LEN(kinds));
}

static void keep_far_link(struct rn_visit *v, uint32_t index, const struct rn_view *tb,
                          struct rn_view kind)
{
    /* Kernels before 4.20 leave IFLA_LINK out when a peer elsewhere has the same index. */
    struct rn_far_link far = { .seq = v->seq,
                               .nsid = rn_nl_i32(tb[IFLA_LINK_NETNSID]),
                               .index = index,
                               .peer = rn_nl_has(tb[IFLA_LINK]) ? rn_nl_u32(tb[IFLA_LINK]) : index,
                               .is_pair = is_half(kind) };

    if (far.nsid >= 0)
        rn_far_links_add(v->b, &far);
}

/* What the link's kind means for what else is to be asked. */
static void watch_kind(struct rn_visit *v, uint32_t index, const struct rn_view *tb)
{
    struct rn_view info[IFLA_INFO_KIND + 1];
    struct rn_view kind;

    rn_nlattr_table(tb[IFLA_LINKINFO], info, IFLA_INFO_KIND);
    kind = rn_nl_str(info[IFLA_INFO_KIND]);
    if (rn_nl_has(tb[IFLA_LINK_NETNSID]))
        keep_far_link(v, index, tb, kind);
    v->has_fdb = v->has_fdb || keeps_fdb(kind);
    v->has_tunnels = v->has_tunnels || opens_sockets(kind);
    if (rn_view_is(kind, "wireguard") && v->n_wireguards < RN_VISIT_WIREGUARDS_MAX)
        v->wireguards[v->n_wireguards++] = index;
}

/* Hardware, and what claims to be, has no IFLA_LINKINFO; only those are asked for a driver. */
static void watch_link(struct rn_view payload, void *arg)
{
    struct rn_visit *v = arg;
    struct rn_view tb[IFLA_LINK_NETNSID + 1];
    struct rn_view head;
    char name[32];
    struct rn_text t = rn_text_of(name, sizeof(name));
    struct rn_view text;
    uint32_t index;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct ifinfomsg), &head) ||
        rn_nl_u16_at(head, offsetof(struct ifinfomsg, ifi_type)) == ARPHRD_LOOPBACK)
        return;
    index = rn_nl_u32_at(head, offsetof(struct ifinfomsg, ifi_index));
    rn_nlattr_table(payload, tb, IFLA_LINK_NETNSID);
    watch_kind(v, index, tb);
    if (rn_nl_has(tb[IFLA_LINKINFO]))
        return;
    v->has_fdb = true; /* a switch on the card */
    text = rn_nl_str(tb[IFLA_IFNAME]);
    rn_text_strn(&t, (const char *)text.ptr, text.len);
    rn_visit_driver(v, index, name);
}

struct question {
    unsigned type;
    enum rn_dump_table table;
    size_t header_bytes;
    uint8_t family;
    const char *what;
};

static void ask_route(struct rn_visit *v, const struct question *q)
{
    struct rn_nl_msg msg;
    uint8_t *family = rn_nl_msg_begin(&msg, q->type, 0, q->header_bytes);
    struct rn_visit_ask ask = { .nl = &v->route, .msg = &msg, .table = q->table };
    int err;

    *family = q->family; /* the first byte of every rtnetlink header */
    if (q->table == RN_TABLE_LINK)
        ask.watch = watch_link;
    ask.arg = v;
    err = rn_visit_dump(v, &ask);
    if (err < 0 && err != rn_err_from_errno(EOPNOTSUPP))
        rn_visit_note(v, q->what, err, NULL);
}

void rn_visit_links(struct rn_visit *v)
{
    static const struct question questions[] = {
        { RTM_GETLINK, RN_TABLE_LINK, sizeof(struct ifinfomsg), AF_UNSPEC, "links" },
        { RTM_GETADDR, RN_TABLE_ADDR, sizeof(struct ifaddrmsg), AF_UNSPEC, "addresses" },
        { RTM_GETROUTE, RN_TABLE_ROUTE, sizeof(struct rtmsg), AF_UNSPEC, "routes" },
        { RTM_GETRULE, RN_TABLE_RULE, sizeof(struct rtmsg), AF_UNSPEC, "rules" },
        { RTM_GETNEIGH, RN_TABLE_NEIGH, sizeof(struct ndmsg), AF_UNSPEC, "neighbours" },
        { RTM_GETNEIGH, RN_TABLE_FDB, sizeof(struct ndmsg), AF_BRIDGE, "fdb" },
        { RTM_GETNEXTHOP, RN_TABLE_NEXTHOP, sizeof(struct nhmsg), AF_UNSPEC, "nexthops" },
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(questions); i++) {
        /* Any other link only repeats which groups it listens to. */
        if (questions[i].table != RN_TABLE_FDB || v->has_fdb)
            ask_route(v, &questions[i]);
    }
}

/* ---- entering ---- */

struct owner {
    uint64_t userns_ino;
    uint32_t uid;
    int userns_fd; /* -1: not readable */
};

static void read_owner(int ns_fd, struct owner *o)
{
    struct stat st;
    uid_t uid;

    *o = (struct owner){ .uid = UINT32_MAX, .userns_fd = ioctl(ns_fd, NS_GET_USERNS) };
    if (o->userns_fd < 0)
        return;
    if (fstat(o->userns_fd, &st) == 0)
        o->userns_ino = st.st_ino;
    if (ioctl(o->userns_fd, NS_GET_OWNER_UID, &uid) == 0)
        o->uid = uid;
}

static void tell_visit(struct rn_visit *v, const struct owner *o)
{
    struct rn_dump_writer *out = &v->b->out;
    uint64_t cookie = rn_nl_netns_cookie(&v->route);

    rn_dump_begin(out, RN_DUMP_VISIT, 0);
    rn_dump_u32(out, v->seq);
    rn_dump_u64(out, cookie);
    rn_dump_u32(out, o->uid);
    rn_dump_u64(out, o->userns_ino);
    rn_dump_end(out);
}

/* sysctl shows those of the network of whoever looks. */
static void tell_forwarding(struct rn_visit *v)
{
    static const struct {
        const char *path;
        enum rn_dump_table table;
    } files[] = { { "sys/net/ipv4/ip_forward", RN_TABLE_PROC_FORWARDS },
                  { "sys/net/ipv6/conf/all/forwarding", RN_TABLE_PROC_FORWARDS6 },
                  { "sys/net/bridge/bridge-nf-call-iptables", RN_TABLE_PROC_BRIDGES },
                  { "sys/net/bridge/bridge-nf-call-ip6tables", RN_TABLE_PROC_BRIDGES6 } };

    for (size_t i = 0; i < RN_ARRAY_LEN(files); i++) {
        uint8_t text[16];
        int len = rn_proc_read(v->b->proc_fd, files[i].path, text, sizeof(text));

        if (len == rn_err_from_errno(ENOENT) && files[i].table >= RN_TABLE_PROC_BRIDGES) {
            text[0] = '0'; /* without br_netfilter nobody asks */
            len = 1;
        }
        if (len <= 0)
            continue;
        rn_dump_begin(&v->b->out, RN_DUMP_PROCNET, (uint16_t)files[i].table);
        rn_dump_bytes(&v->b->out, rn_view_of(text, (size_t)len));
        rn_dump_end(&v->b->out);
    }
}

/* Inside the namespace. */
static void read_inside(struct rn_visit *v, const struct owner *o)
{
    int err = rn_nl_open(&v->route, NETLINK_ROUTE);

    if (err < 0) {
        rn_visit_note(v, "netns", err, NULL);
        return;
    }
    v->n_own_socks = 1;
    tell_visit(v, o);
    rn_visit_links(v);
    rn_visit_halves(v);
    if (v->seq == 0)
        rn_visit_nsids(v);
    if (v->n_wireguards != 0)
        rn_visit_wireguards(v);
    rn_visit_socks(v);
    rn_visit_nft(v);
    rn_visit_xtables(v);
    if (v->b->options.wants_filters)
        tell_forwarding(v);
    rn_nl_close(&v->route);
}

/* The directory shows the namespace its process is in at the moment of looking: once opened, it serves all visits. */
static void open_net_dir(struct rn_broker *b)
{
    if (b->net_fd >= 0)
        close(b->net_fd);
    b->net_fd = openat(b->proc_fd, "self/net", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A user may enter what its own user namespaces own, by way of them; there is no way back, hence the child. */
static int read_by_userns(struct rn_visit *v, int ns_fd, const struct owner *o)
{
    int status = 0;
    pid_t pid;

    if (o->userns_fd < 0 || o->userns_ino == v->b->self_user_ino)
        return rn_err_from_errno(EPERM);
    rn_progress_flush(v->b); /* or what is buffered would be written by both */
    pid = fork();
    if (pid < 0)
        return rn_err_from_errno(errno);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_net_dir(v->b);
        if (setns(o->userns_fd, CLONE_NEWUSER) < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
            _exit(1);
        read_inside(v, o);
        rn_progress_flush(v->b);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? RN_OK : rn_err_from_errno(EPERM);
}

static void visit(struct rn_visit *v, int ns_fd)
{
    struct rn_broker *b = v->b;
    struct owner o;
    int err = RN_OK;

    read_owner(ns_fd, &o);
    if (setns(ns_fd, CLONE_NEWNET) == 0)
        read_inside(v, &o);
    else if (b->netns[v->seq].ino == b->self_net_ino && v->seq == 0)
        read_inside(v, &o); /* the first item, before any setns: we are there already */
    else
        err = read_by_userns(v, ns_fd, &o);
    if (err < 0)
        rn_visit_note(v, "netns", err, "CAP_SYS_ADMIN");
    if (o.userns_fd >= 0)
        close(o.userns_fd);
}

static void visit_item(struct rn_broker *b, size_t i)
{
    struct rn_visit v = { .b = b, .seq = (uint32_t)i };
    int fd = rn_broker_is_late(b) ? RN_E_TIMED_OUT : rn_found_open(b, &b->netns[i]);

    if (fd < 0) {
        rn_visit_note(&v, "netns", fd, NULL);
        return;
    }
    if (b->net_fd < 0)
        open_net_dir(b);
    visit(&v, fd);
    close(fd);
}

static void on_lost(struct rn_broker *b, size_t i, bool is_stuck)
{
    char id[24];
    struct rn_text t = rn_text_of(id, sizeof(id));

    rn_text_u64(&t, b->netns[i].ino);
    rn_dump_note(&b->out,
                 &(struct rn_dump_note){ .seq = (uint32_t)i,
                                         .what = "netns",
                                         .id = id,
                                         .why = is_stuck ? "the visit was stuck and was given up"
                                                         : "the visit died" });
}

/* Of many, the first are visited by one child: among them is most often the hub that all others hang on. Its links, of which
 * there are the most, are read under a lock of the whole machine's, for which a second child would only wait; and once
 * it is known, the others settle their links in passing. */
void rn_read_all_netns(struct rn_broker *b, size_t first)
{
    size_t n = b->n_netns - first;
    struct rn_supervised job = { .item = visit_item,
                                 .on_lost = on_lost,
                                 .first = first,
                                 .end = first + (n < SPLIT_FROM ? n : FIRST_VISITS),
                                 .stuck_ms = RN_BROKER_STUCK_MS };

    rn_supervise(b, &job);
    job.first = job.end;
    job.end = b->n_netns;
    job.split_from = SPLIT_FROM - FIRST_VISITS;
    rn_supervise(b, &job);
}
