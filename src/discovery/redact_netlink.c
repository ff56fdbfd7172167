/* Messages of the kernel, attribute by attribute. Tables say what may stay; the rest is left out. */
#include "discovery/redact.h"

#include "host/nlattr.h"
#include "host/proc.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/inet_diag.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/unix_diag.h>

enum act {
    DROP,
    KEEP,
    NAME,
    ADDR,
    ADDR_DST, /* as many bits as the message's header says */
    ADDR_SRC,
    HWADDR,
    BRIDGE_ID, /* a priority and a MAC */
    VIA,
    MULTIPATH,
    PATH,
    LINKINFO,
    INFO_DATA,
    NAMES, /* a nest of names */
};

struct rule {
    uint16_t type;
    uint8_t act; /* enum act */
};

struct rules {
    const struct rule *list;
    size_t n;
    uint8_t otherwise; /* enum act */
};

#define RULES(name, list, otherwise)                                                               \
    static const struct rules name = { list, RN_ARRAY_LEN(list), otherwise }

static const struct rule link_list[] = {
    { IFLA_ADDRESS, HWADDR },
    { IFLA_BROADCAST, HWADDR },
    { IFLA_PERM_ADDRESS, HWADDR },
    { IFLA_IFNAME, NAME },
    { IFLA_IFALIAS, NAME },
    { IFLA_PROP_LIST, NAMES },
    { IFLA_LINKINFO, LINKINFO },
    { IFLA_MTU, KEEP },
    { IFLA_MIN_MTU, KEEP },
    { IFLA_MAX_MTU, KEEP },
    { IFLA_LINK, KEEP },
    { IFLA_LINK_NETNSID, KEEP },
    { IFLA_NEW_NETNSID, KEEP },
    { IFLA_MASTER, KEEP },
    { IFLA_QDISC, KEEP },
    { IFLA_GROUP, KEEP },
    { IFLA_TXQLEN, KEEP },
    { IFLA_PROMISCUITY, KEEP },
    { IFLA_NUM_TX_QUEUES, KEEP },
    { IFLA_NUM_RX_QUEUES, KEEP },
    { IFLA_GSO_MAX_SIZE, KEEP },
    { IFLA_GSO_MAX_SEGS, KEEP },
    { IFLA_OPERSTATE, KEEP },
    { IFLA_LINKMODE, KEEP },
    { IFLA_CARRIER, KEEP },
    { IFLA_CARRIER_CHANGES, KEEP },
    { IFLA_CARRIER_UP_COUNT, KEEP },
    { IFLA_CARRIER_DOWN_COUNT, KEEP },
    { IFLA_PROTO_DOWN, KEEP },
    { IFLA_STATS64, KEEP },
    { IFLA_XDP, KEEP },
};
RULES(link_rules, link_list, DROP);

static const struct rule info_list[] = { { IFLA_INFO_KIND, KEEP },
                                         { IFLA_INFO_SLAVE_KIND, KEEP },
                                         { IFLA_INFO_DATA, INFO_DATA } };
RULES(info_rules, info_list, DROP);

static const struct rule addr_list[] = {
    { IFA_ADDRESS, ADDR },     { IFA_LOCAL, ADDR }, { IFA_BROADCAST, ADDR },
    { IFA_ANYCAST, ADDR },     { IFA_LABEL, NAME }, { IFA_CACHEINFO, KEEP },
    { IFA_RT_PRIORITY, KEEP }, { IFA_FLAGS, KEEP },
};
RULES(addr_rules, addr_list, DROP);

static const struct rule route_list[] = {
    { RTA_DST, ADDR_DST },  { RTA_SRC, ADDR_SRC },    { RTA_GATEWAY, ADDR },
    { RTA_PREFSRC, ADDR },  { RTA_VIA, VIA },         { RTA_MULTIPATH, MULTIPATH },
    { RTA_OIF, KEEP },      { RTA_IIF, KEEP },        { RTA_TABLE, KEEP },
    { RTA_PRIORITY, KEEP }, { RTA_METRICS, KEEP },    { RTA_CACHEINFO, KEEP },
    { RTA_NH_ID, KEEP },    { RTA_PREF, KEEP },       { RTA_EXPIRES, KEEP },
    { RTA_MARK, KEEP },     { RTA_ENCAP_TYPE, KEEP },
};
RULES(route_rules, route_list, DROP);

static const struct rule rule_list[] = {
    { FRA_DST, ADDR_DST },
    { FRA_SRC, ADDR_SRC },
    { FRA_IIFNAME, NAME },
    { FRA_OIFNAME, NAME },
};
RULES(rule_rules, rule_list, KEEP); /* else numbers only */

static const struct rule neigh_list[] = {
    { NDA_DST, ADDR },     { NDA_LLADDR, HWADDR }, { NDA_CACHEINFO, KEEP },
    { NDA_VLAN, KEEP },    { NDA_PORT, KEEP },     { NDA_VNI, KEEP },
    { NDA_IFINDEX, KEEP }, { NDA_MASTER, KEEP },   { 12, KEEP }, /* NDA_PROTOCOL */
    { 15, KEEP },                                                /* NDA_FLAGS_EXT */
};
RULES(neigh_rules, neigh_list, DROP);

static const struct rule nexthop_list[] = {
    { NHA_GATEWAY, ADDR },   { NHA_ID, KEEP },  { NHA_GROUP, KEEP }, { NHA_GROUP_TYPE, KEEP },
    { NHA_BLACKHOLE, KEEP }, { NHA_OIF, KEEP }, { NHA_FDB, KEEP },
};
RULES(nexthop_rules, nexthop_list, DROP);

static const struct rule inet_list[] = { { INET_DIAG_SHUTDOWN, KEEP },
                                         { INET_DIAG_SKV6ONLY, KEEP },
                                         { INET_DIAG_MARK, KEEP },
                                         { 21, KEEP } }; /* INET_DIAG_CGROUP_ID */
RULES(inet_rules, inet_list, DROP);

static const struct rule unix_list[] = { { UNIX_DIAG_NAME, PATH } };
RULES(unix_rules, unix_list, KEEP); /* else numbers only */

static const struct rule packet_list[] = { { PACKET_DIAG_INFO, KEEP } };
RULES(packet_rules, packet_list, DROP);

static const struct rules keep_all = { NULL, 0, KEEP };
static const struct rules keep_none = { NULL, 0, DROP };

/* ---- what kinds of links say of themselves ---- */

static const struct rule bridge_list[] = { { IFLA_BR_ROOT_ID, BRIDGE_ID },
                                           { IFLA_BR_BRIDGE_ID, BRIDGE_ID },
                                           { IFLA_BR_GROUP_ADDR, DROP },
                                           { 47, DROP } }; /* IFLA_BR_MCAST_QUERIER_STATE */
RULES(bridge_rules, bridge_list, KEEP);
static const struct rule bond_list[] = { { IFLA_BOND_ARP_IP_TARGET, DROP },
                                         { IFLA_BOND_AD_INFO, DROP },
                                         { IFLA_BOND_AD_ACTOR_SYSTEM, DROP },
                                         { 31, DROP } }; /* IFLA_BOND_NS_IP6_TARGET */
RULES(bond_rules, bond_list, KEEP);
static const struct rule macvlan_list[] = { { IFLA_MACVLAN_MACADDR, DROP },
                                            { IFLA_MACVLAN_MACADDR_DATA, DROP } };
RULES(macvlan_rules, macvlan_list, KEEP);
static const struct rule vxlan_list[] = { { IFLA_VXLAN_GROUP, ADDR },
                                          { IFLA_VXLAN_GROUP6, ADDR },
                                          { IFLA_VXLAN_LOCAL, ADDR },
                                          { IFLA_VXLAN_LOCAL6, ADDR } };
RULES(vxlan_rules, vxlan_list, KEEP);
static const struct rule geneve_list[] = { { IFLA_GENEVE_REMOTE, ADDR },
                                           { IFLA_GENEVE_REMOTE6, ADDR } };
RULES(geneve_rules, geneve_list, KEEP);
static const struct rule gre_list[] = { { IFLA_GRE_LOCAL, ADDR }, { IFLA_GRE_REMOTE, ADDR } };
RULES(gre_rules, gre_list, KEEP);
static const struct rule iptun_list[] = { { IFLA_IPTUN_LOCAL, ADDR },
                                          { IFLA_IPTUN_REMOTE, ADDR },
                                          { IFLA_IPTUN_6RD_PREFIX, DROP },
                                          { IFLA_IPTUN_6RD_RELAY_PREFIX, DROP } };
RULES(iptun_rules, iptun_list, KEEP);
static const struct rule vti_list[] = { { IFLA_VTI_LOCAL, ADDR }, { IFLA_VTI_REMOTE, ADDR } };
RULES(vti_rules, vti_list, KEEP);

static const struct {
    const char *kind;
    const struct rules *rules;
} kinds[] = {
    { "bridge", &bridge_rules },   { "bond", &bond_rules },     { "macvlan", &macvlan_rules },
    { "macvtap", &macvlan_rules }, { "vxlan", &vxlan_rules },   { "geneve", &geneve_rules },
    { "gre", &gre_rules },         { "gretap", &gre_rules },    { "erspan", &gre_rules },
    { "ip6gre", &gre_rules },      { "ip6gretap", &gre_rules }, { "ipip", &iptun_rules },
    { "sit", &iptun_rules },       { "ip6tnl", &iptun_rules },  { "vti", &vti_rules },
    { "vti6", &vti_rules },        { "vlan", &keep_all },       { "ipvlan", &keep_all },
    { "ipvtap", &keep_all },       { "vrf", &keep_all },        { "tun", &keep_all },
};

static const struct rules *rules_of_kind(struct rn_view kind)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(kinds); i++) {
        if (rn_view_is(kind, kinds[i].kind))
            return kinds[i].rules;
    }
    return &keep_none;
}

/* ---- one attribute ---- */

/* A message while it is rewritten. */
struct rewrite {
    struct rn_redact *r;
    uint8_t dst_bits, src_bits;
    struct rn_view kind; /* of the link */
};

/* Opens an attribute of @type; returns where it starts. */
static size_t begin_attr(struct rewrite *w, uint16_t type)
{
    const uint16_t head[2] = { 0, type };
    size_t at = w->r->out.len;

    rn_dump_bytes(&w->r->out, rn_view_of(head, sizeof(head)));
    return at;
}

/* Closes it: length, and padding to 4. */
static void end_attr(struct rewrite *w, size_t at)
{
    static const uint8_t zeros[3];
    struct rn_dump_writer *out = &w->r->out;
    uint16_t len;

    if (out->err < 0)
        return;
    len = rn_sat_u16(out->len - at);
    memcpy(out->buf + at, &len, sizeof(len));
    rn_dump_bytes(out, rn_view_of(zeros, (4u - len % 4u) % 4u));
}

/* Copies @v; what was copied may be changed until the next write. NULL when there is no room. */
static uint8_t *copy(struct rewrite *w, struct rn_view v)
{
    rn_dump_bytes(&w->r->out, v);
    return w->r->out.err < 0 ? NULL : w->r->out.buf + w->r->out.len - v.len;
}

static void put_name(struct rewrite *w, struct rn_view v, bool is_path)
{
    char name[RN_REDACT_NAME_BYTES];
    bool is_abstract = is_path && v.len != 0 && v.ptr[0] == 0;
    struct rn_view text = is_abstract ? rn_view_of(v.ptr + 1, v.len - 1) : rn_nl_str(v);

    rn_redact_name(w->r, text, name);
    if (is_path && text.len != 0)
        rn_dump_bytes(&w->r->out, rn_view_of(is_abstract ? "" : "/", 1));
    rn_dump_bytes(&w->r->out, rn_view_of(name, strlen(name) + (is_abstract ? 0 : 1)));
}

/* Within rtnexthop: attributes of ways, rewritten where they stand. */
static void redact_way(struct rewrite *w, uint8_t *attrs, size_t len)
{
    struct rn_view rest = rn_view_of(attrs, len);
    struct rn_nlattr a;

    while (rn_nlattr_next(&rest, &a)) {
        uint8_t *value = attrs + (a.value.ptr - attrs);

        if (a.type == RTA_GATEWAY)
            rn_redact_addr_bytes(w->r, value, a.value.len, 128);
        else if (a.type == RTA_VIA && a.value.len > 2)
            rn_redact_addr_bytes(w->r, value + 2, a.value.len - 2, 128);
        else if (a.type != RTA_FLOW)
            memset(value, 0, a.value.len);
    }
}

static void redact_ways(struct rewrite *w, uint8_t *p, size_t len)
{
    const size_t head = sizeof(struct rtnexthop);

    while (len >= head) {
        size_t hop = rn_nl_u16_at(rn_view_of(p, len), 0);
        size_t step = rn_min_size((hop + 3u) & ~(size_t)3u, len);

        if (hop < head || hop > len) {
            memset(p, 0, len); /* broken: who knows what it is */
            return;
        }
        redact_way(w, p + head, hop - head);
        p += step;
        len -= step;
    }
    memset(p, 0, len);
}

static void put_value(struct rewrite *w, enum act act, struct rn_view v)
{
    uint8_t *p;

    if (act == NAME || act == PATH) {
        put_name(w, v, act == PATH);
        return;
    }
    p = copy(w, v);
    if (p == NULL || act == KEEP)
        return;
    if (act == ADDR)
        rn_redact_addr_bytes(w->r, p, v.len, 128);
    else if (act == ADDR_DST || act == ADDR_SRC)
        rn_redact_addr_bytes(w->r, p, v.len, act == ADDR_DST ? w->dst_bits : w->src_bits);
    else if (act == HWADDR)
        rn_redact_hwaddr(w->r, p, v.len);
    else if (act == BRIDGE_ID && v.len == 8)
        rn_redact_hwaddr(w->r, p + 2, 6);
    else if (act == VIA && v.len > 2)
        rn_redact_addr_bytes(w->r, p + 2, v.len - 2, 128);
    else if (act == MULTIPATH)
        redact_ways(w, p, v.len);
    else
        memset(p, 0, v.len);
}

static enum act act_of(const struct rules *rules, uint16_t type)
{
    for (size_t i = 0; i < rules->n; i++) {
        if (rules->list[i].type == type)
            return (enum act)rules->list[i].act;
    }
    return (enum act)rules->otherwise;
}

/* The deepest nests: of values only. */
static void put_values(struct rewrite *w, const struct rules *rules, struct rn_view attrs)
{
    struct rn_nlattr a;

    while (rn_nlattr_next(&attrs, &a)) {
        enum act act = act_of(rules, a.type);
        size_t at;

        if (act == DROP)
            continue;
        at = begin_attr(w, a.type);
        put_value(w, act, a.value);
        end_attr(w, at);
    }
}

static void put_names(struct rewrite *w, struct rn_view attrs)
{
    static const struct rule list[] = { { IFLA_ALT_IFNAME, NAME } };
    static const struct rules rules = { list, 1, DROP };

    put_values(w, &rules, attrs);
}

static void put_linkinfo(struct rewrite *w, struct rn_view attrs)
{
    struct rn_nlattr a;

    while (rn_nlattr_next(&attrs, &a)) {
        enum act act = act_of(&info_rules, a.type);
        size_t at;

        if (act == DROP)
            continue;
        if (a.type == IFLA_INFO_KIND)
            w->kind = rn_nl_str(a.value); /* stands in front of the data */
        at = begin_attr(w, a.type);
        if (act == INFO_DATA)
            put_values(w, rules_of_kind(w->kind), a.value);
        else
            put_value(w, act, a.value);
        end_attr(w, at);
    }
}

static void put_attrs(struct rewrite *w, const struct rules *rules, struct rn_view attrs)
{
    struct rn_nlattr a;

    while (rn_nlattr_next(&attrs, &a)) {
        enum act act = act_of(rules, a.type);
        size_t at;

        if (act == DROP)
            continue;
        at = begin_attr(w, a.type);
        if (act == LINKINFO)
            put_linkinfo(w, a.value);
        else if (act == NAMES)
            put_names(w, a.value);
        else
            put_value(w, act, a.value);
        end_attr(w, at);
    }
}

/* ---- one message ---- */

static const struct {
    const struct rules *rules;
    size_t header_bytes;
} tables[RN_TABLE_N] = {
    [RN_TABLE_LINK] = { &link_rules, sizeof(struct ifinfomsg) },
    [RN_TABLE_ADDR] = { &addr_rules, sizeof(struct ifaddrmsg) },
    [RN_TABLE_ROUTE] = { &route_rules, sizeof(struct rtmsg) },
    [RN_TABLE_RULE] = { &rule_rules, sizeof(struct fib_rule_hdr) },
    [RN_TABLE_NEIGH] = { &neigh_rules, sizeof(struct ndmsg) },
    [RN_TABLE_FDB] = { &neigh_rules, sizeof(struct ndmsg) },
    [RN_TABLE_NEXTHOP] = { &nexthop_rules, sizeof(struct nhmsg) },
    [RN_TABLE_NSID] = { &keep_all, sizeof(struct rtgenmsg) },
    [RN_TABLE_TCP] = { &inet_rules, sizeof(struct inet_diag_msg) },
    [RN_TABLE_UDP] = { &inet_rules, sizeof(struct inet_diag_msg) },
    [RN_TABLE_UDPLITE] = { &inet_rules, sizeof(struct inet_diag_msg) },
    [RN_TABLE_MPTCP] = { &inet_rules, sizeof(struct inet_diag_msg) },
    [RN_TABLE_UNIX] = { &unix_rules, sizeof(struct unix_diag_msg) },
    [RN_TABLE_PACKET] = { &packet_rules, sizeof(struct packet_diag_msg) },
};

static void redact_endpoints(struct rewrite *w, uint8_t *head)
{
    const size_t id = offsetof(struct inet_diag_msg, id);
    size_t len = head[0] == AF_INET ? 4 : 16;

    rn_redact_addr_bytes(w->r, head + id + offsetof(struct inet_diag_sockid, idiag_src), len, 128);
    rn_redact_addr_bytes(w->r, head + id + offsetof(struct inet_diag_sockid, idiag_dst), len, 128);
}

static void put_message(struct rewrite *w, uint16_t table, struct rn_view message)
{
    struct rn_nlmsg m;
    struct rn_view one = message;
    struct rn_view head;
    size_t at = w->r->out.len;
    uint8_t *p;
    uint32_t len;

    if (!rn_nlmsg_next(&one, &m) || m.type < NLMSG_MIN_TYPE ||
        !rn_nlmsg_take_header(&m.payload, tables[table].header_bytes, &head))
        return;
    rn_dump_bytes(&w->r->out, rn_view_of(message.ptr, sizeof(struct nlmsghdr)));
    p = copy(w, head);
    if (p == NULL)
        return;
    if (tables[table].rules == &inet_rules)
        redact_endpoints(w, p);
    rn_dump_bytes(&w->r->out, rn_view_of("\0\0\0", (4u - head.len % 4u) % 4u));
    w->dst_bits = rn_nl_u8_at(head, 1); /* rtm_dst_len and rtm_src_len; of rules the same */
    w->src_bits = rn_nl_u8_at(head, 2);
    put_attrs(w, tables[table].rules, m.payload);
    len = rn_sat_u32(w->r->out.len - at);
    if (w->r->out.err == RN_OK)
        memcpy(w->r->out.buf + at, &len, sizeof(len));
}

void rn_redact_netlink(struct rn_redact *r, const struct rn_dump_frame *frame)
{
    struct rn_view rest = frame->payload;
    struct rn_view before = rest;
    struct rn_nlmsg m;

    if (frame->table >= RN_TABLE_N || tables[frame->table].rules == NULL)
        return;
    rn_dump_begin(&r->out, RN_DUMP_NETLINK, frame->table);
    while (rn_nlmsg_next(&rest, &m)) {
        struct rewrite w = { .r = r };

        put_message(&w, frame->table, before);
        before = rest;
    }
    rn_dump_end(&r->out);
}
