/* Where destinations are rewritten: nf_tables and the older iptables of the namespace we are in. Only tables with a
 * chain that may do so are read: filter tables may be huge. Nothing is asked that would make the kernel load a module
 * or create a table. */
#include "discovery/read_netns.h"

#include "base/text.h"
#include "host/nft.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NAT_TABLES_MAX 64u
#define SETS_MAX       1024u
#define XT_ENTRIES_MAX (8u << 20)
#define XT_NAMES_BYTES 256u
#define BUILTIN_BYTES  (256u * 1024u)
#define NFT_NAME_BYTES 256u

struct name {
    uint8_t family;
    uint16_t table_len, name_len;
    uint8_t table[NFT_NAME_BYTES];
    uint8_t name[NFT_NAME_BYTES];
};

struct list {
    struct name *names;
    size_t n, max;
    bool is_cut;
};

struct nft {
    struct rn_visit *v;
    struct rn_nl nl;
    struct list tables; /* that have a chain that may rewrite */
    struct list sets;   /* of those tables */
};

static struct rn_nft_name view_of(const struct name *n)
{
    return (struct rn_nft_name){ .family = n->family,
                                 .table = rn_view_of(n->table, n->table_len),
                                 .name = rn_view_of(n->name, n->name_len) };
}

static bool has_table(const struct list *l, const struct rn_nft_name *id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->names[i].family == id->family && l->names[i].table_len == id->table.len &&
            memcmp(l->names[i].table, id->table.ptr, id->table.len) == 0)
            return true;
    }
    return false;
}

static void keep(struct list *l, const struct rn_nft_name *id)
{
    struct name *n;

    l->is_cut |= l->n == l->max;
    if (l->n == l->max || id->table.len > NFT_NAME_BYTES || id->name.len > NFT_NAME_BYTES)
        return;
    if (l->n % 16 == 0) {
        n = realloc(l->names, (l->n + 16) * sizeof(*n));
        if (n == NULL)
            return;
        l->names = n;
    }
    n = &l->names[l->n++];
    n->family = id->family;
    n->table_len = (uint16_t)id->table.len;
    n->name_len = (uint16_t)id->name.len;
    if (id->table.len != 0)
        memcpy(n->table, id->table.ptr, id->table.len);
    if (id->name.len != 0)
        memcpy(n->name, id->name.ptr, id->name.len);
}

/* nat does, wherever it hooks; others only where a packet has not yet found its way, which filters seldom need. */
static bool may_rewrite(const struct rn_nft_chain *c)
{
    if (!c->is_base || c->id.family == NFPROTO_BRIDGE || c->id.family == NFPROTO_ARP)
        return false;
    if (c->id.family == NFPROTO_NETDEV)
        return c->hook == NF_NETDEV_INGRESS;
    return rn_view_is(c->type, "nat") || rn_view_is(c->type, "route") ||
           c->hook == NF_INET_PRE_ROUTING || c->hook == NF_INET_INGRESS;
}

static void watch_chain(struct rn_view message, void *arg)
{
    struct nft *f = arg;
    struct rn_nft_chain c;

    if (rn_nft_chain_parse(message, &c) < 0 || !c.is_base)
        return;
    if (!may_rewrite(&c) && !f->v->b->options.wants_filters)
        return;
    if (!has_table(&f->tables, &c.id))
        keep(&f->tables, &c.id);
}

static void watch_set(struct rn_view message, void *arg)
{
    struct nft *f = arg;
    struct rn_nft_set s;

    if (rn_nft_set_parse(message, &s) == RN_OK)
        keep(&f->sets, &s.id);
}

/* ENOENT: the table went meanwhile, and so did what it forwarded. */
static int ask(struct nft *f, struct rn_visit_ask *a)
{
    int err;

    a->nl = &f->nl;
    a->arg = f;
    err = rn_visit_dump(f->v, a);
    if (err < 0 && err != rn_err_from_errno(ENOENT) && err != rn_err_from_errno(EOPNOTSUPP))
        rn_visit_note(f->v, "forwarded ports (nf_tables)", err, "CAP_NET_ADMIN");
    return err;
}

static void read_table(struct nft *f, const struct rn_nft_name *id)
{
    struct rn_nl_msg msg;

    rn_nft_ask(&msg, NFT_MSG_GETRULE, id);
    (void)ask(f, &(struct rn_visit_ask){ .msg = &msg, .table = RN_TABLE_NFT_RULE });
    rn_nft_ask(&msg, NFT_MSG_GETSET, id);
    (void)ask(f,
              &(struct rn_visit_ask){ .msg = &msg, .table = RN_TABLE_NFT_SET, .watch = watch_set });
}

static void read_tables(struct nft *f)
{
    struct rn_nl_msg msg;

    rn_nft_ask(&msg, NFT_MSG_GETCHAIN, NULL);
    if (ask(f, &(struct rn_visit_ask){
                   .msg = &msg, .table = RN_TABLE_NFT_CHAIN, .watch = watch_chain }) < 0)
        return;
    for (size_t i = 0; i < f->tables.n; i++) {
        struct rn_nft_name id = view_of(&f->tables.names[i]);

        read_table(f, &id);
    }
    for (size_t i = 0; i < f->sets.n; i++) {
        struct rn_nft_name id = view_of(&f->sets.names[i]);

        rn_nft_ask_elements(&msg, &id);
        (void)ask(f, &(struct rn_visit_ask){ .msg = &msg, .table = RN_TABLE_NFT_ELEM });
    }
}

static bool has_line(struct rn_view text, const char *wanted)
{
    struct rn_view line;
    struct rn_view word;

    while (rn_text_next_line(&text, &line)) {
        if (rn_text_next_word(&line, &word) && rn_view_is(word, wanted))
            return true;
    }
    return false;
}

static bool file_names(int dir_fd, const char *file, const char *wanted)
{
    RN_UNSET uint8_t text[16384];
    int len = rn_proc_read(dir_fd, file, text, sizeof(text));

    return has_line(rn_view_of(text, len > 0 ? (size_t)len : 0), wanted);
}

/* Part of the kernel itself: then neither /proc/modules nor, without parameters, /sys/module shows it. */
static bool is_built_in(void)
{
    struct utsname uts;
    char path[sizeof(uts.release) + 64];
    struct rn_text t = rn_text_of(path, sizeof(path));
    uint8_t *text = malloc(BUILTIN_BYTES);
    int len = -1;
    bool is_in;

    if (text != NULL && uname(&uts) == 0) {
        rn_text_str(&t, "/lib/modules/");
        rn_text_str(&t, uts.release);
        rn_text_str(&t, "/modules.builtin");
        len = rn_proc_read(AT_FDCWD, path, text, BUILTIN_BYTES);
    }
    is_in = len > 0 && memmem(text, (size_t)len, "/nf_tables.ko", 13) != NULL;
    free(text);
    return is_in;
}

/* Asking an absent subsystem makes the kernel load it. Without /proc/modules there is nothing to load. */
bool rn_nft_is_present(struct rn_broker *b)
{
    if (faccessat(b->proc_fd, "modules", F_OK, 0) < 0)
        return true;
    return file_names(b->proc_fd, "modules", "nf_tables") ||
           access("/sys/module/nf_tables", F_OK) == 0 || is_built_in();
}

void rn_visit_nft(struct rn_visit *v)
{
    struct nft f = { .v = v, .tables.max = NAT_TABLES_MAX, .sets.max = SETS_MAX };
    int err;

    if (!v->b->has_nft)
        return;
    err = rn_nl_open(&f.nl, NETLINK_NETFILTER);
    if (err == rn_err_from_errno(EPROTONOSUPPORT))
        return; /* a kernel without netfilter's netlink forwards nothing by it */
    if (err < 0) {
        rn_visit_note(v, "forwarded ports (nf_tables)", err, NULL);
        return;
    }
    read_tables(&f);
    if (f.tables.is_cut || f.sets.is_cut)
        rn_visit_note(v, "forwarded ports (nf_tables)", RN_E_LIMIT, NULL);
    rn_nl_close(&f.nl);
    free(f.tables.names);
    free(f.sets.names);
}

/* ---- iptables-legacy ---- */

struct xt {
    const char *names_file;
    int af, level, get_info, get_entries;
};

static void copy_entries(struct rn_visit *v, const struct xt *x, const char *table, int fd)
{
    struct ipt_getinfo info = { 0 }; /* ip6t_getinfo is the same by layout */
    struct ipt_get_entries *entries;
    socklen_t len = sizeof(info);

    memcpy(info.name, table, strlen(table) + 1);
    if (getsockopt(fd, x->level, x->get_info, &info, &len) < 0 || info.size > XT_ENTRIES_MAX) {
        rn_visit_note(v, "forwarded ports (iptables)", rn_err_from_errno(errno), "CAP_NET_ADMIN");
        return;
    }
    entries = calloc(1, sizeof(*entries) + info.size);
    if (entries == NULL)
        return;
    memcpy(entries->name, info.name, sizeof(entries->name));
    entries->size = info.size;
    len = (socklen_t)(sizeof(*entries) + info.size);
    if (getsockopt(fd, x->level, x->get_entries, entries, &len) == 0) {
        rn_dump_begin(&v->b->out, RN_DUMP_XTABLES, 0);
        rn_dump_u8(&v->b->out, x->af == AF_INET ? RN_FAMILY_V4 : RN_FAMILY_V6);
        rn_dump_bytes(&v->b->out, rn_view_of(&info, sizeof(info)));
        rn_dump_bytes(&v->b->out, rn_view_of(entries->entrytable, info.size));
        rn_dump_end(&v->b->out);
    }
    free(entries);
}

/* Asking for a table that is not there would create it. */
static void read_xt_table(struct rn_visit *v, const struct xt *x, const char *table)
{
    int fd = socket(x->af, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

    if (fd < 0) {
        rn_visit_note(v, "forwarded ports (iptables)", rn_err_from_errno(errno), "CAP_NET_RAW");
        return;
    }
    copy_entries(v, x, table, fd);
    close(fd);
}

void rn_visit_xtables(struct rn_visit *v)
{
    static const char *const tables[] = { "nat", "mangle", "filter", "raw", "security" };
    size_t n_wanted = v->b->options.wants_filters ? RN_ARRAY_LEN(tables) : 2;
    static const struct xt families[] = {
        { "ip_tables_names", AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES },
        { "ip6_tables_names", AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES },
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(families); i++) {
        uint8_t text[XT_NAMES_BYTES];
        int len = rn_proc_read(v->b->net_fd, families[i].names_file, text, sizeof(text));
        struct rn_view names = rn_view_of(text, len > 0 ? (size_t)len : 0);

        for (size_t k = 0; k < n_wanted; k++) {
            if (has_line(names, tables[k]))
                read_xt_table(v, &families[i], tables[k]);
        }
    }
}
