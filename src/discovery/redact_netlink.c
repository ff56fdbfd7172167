/* Messages of the kernel, attribute by attribute. Tables say what may stay; the rest is left out. */
#include "discovery/redact.h"

#include "host/nlattr.h"
#include "host/proc.h"

#include <linux/fib_rules.h>
#include <linux/genetlink.h>
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
#include <linux/wireguard.h>
#include <netinet/in.h>

struct rewrite;
struct rules;

/* What becomes of an attribute: who writes its value. NULL: it is left out. */
struct rule {
    uint16_t type;
    void (*put)(struct rewrite *w, const struct rule *rule, struct rn_view value);
    const struct rules *nest; /* of put_nest() */
};

struct rules {
    const struct rule *list;
    size_t n;
    struct rule otherwise;
};

/* A message while it is rewritten. */
struct rewrite {
    struct rn_redact *r;
    uint8_t dst_bits, src_bits;
    struct rn_view kind; /* of the link */
};

/* Copies @v; what was copied may be changed until the next write. NULL when there is no room. */
static uint8_t *copy(struct rewrite *w, struct rn_view v)
{
    rn_dump_bytes(&w->r->out, v);
    return w->r->out.err < 0 ? NULL : w->r->out.buf + w->r->out.len - v.len;
}

/* ---- values ---- */

static void keep(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    (void)rule;
    rn_dump_bytes(&w->r->out, v);
}

static void name(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    char text[RN_REDACT_NAME_BYTES];

    (void)rule;
    rn_redact_name(w->r, rn_nl_str(v), text);
    rn_dump_bytes(&w->r->out, rn_view_of(text, strlen(text) + 1));
}

/* A public key: 32 bytes that stand for it. */
static void key(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    uint8_t bytes[32];

    (void)rule;
    for (size_t i = 0; i < sizeof(bytes); i += sizeof(uint64_t)) {
        uint64_t h = rn_siphash24(&w->r->key, v.ptr, v.len) + i * 0x9e3779b97f4a7c15u;

        memcpy(bytes + i, &h, sizeof(h));
    }
    rn_dump_bytes(&w->r->out, rn_view_of(bytes, sizeof(bytes)));
}

/* Of a unix socket: in the file system, or abstract behind a NUL. */
static void path(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    char text[RN_REDACT_NAME_BYTES];

    if (v.len == 0 || v.ptr[0] != 0) {
        if (rn_nl_str(v).len != 0)
            rn_dump_bytes(&w->r->out, rn_view_of("/", 1));
        name(w, rule, v);
        return;
    }
    v = rn_view_of(v.ptr + 1, v.len - 1);
    rn_redact_name(w->r, v, text);
    if (v.len != 0)
        rn_dump_bytes(&w->r->out, rn_view_of("", 1));
    rn_dump_bytes(&w->r->out, rn_view_of(text, strlen(text)));
}

static void put_addr(struct rewrite *w, struct rn_view v, uint8_t bits)
{
    uint8_t *p = copy(w, v);

    if (p != NULL)
        rn_redact_addr_bytes(w->r, p, v.len, bits);
}

static void addr(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    (void)rule;
    put_addr(w, v, 128);
}

static void addr_dst(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    (void)rule;
    put_addr(w, v, w->dst_bits);
}

static void addr_src(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    (void)rule;
    put_addr(w, v, w->src_bits);
}

static void hwaddr(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    uint8_t *p = copy(w, v);

    (void)rule;
    if (p != NULL)
        rn_redact_hwaddr(w->r, p, v.len);
}

/* What stands @skip bytes behind the start; of broken ones nothing is shown. */
static uint8_t *copy_behind(struct rewrite *w, struct rn_view v, size_t skip)
{
    uint8_t *p = copy(w, v);

    if (p == NULL || v.len > skip)
        return p != NULL ? p + skip : NULL;
    memset(p, 0, v.len);
    return NULL;
}

/* A priority and a MAC. */
static void bridge_id(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    uint8_t *p = copy_behind(w, v, v.len == 8 ? 2 : v.len);

    (void)rule;
    if (p != NULL)
        rn_redact_hwaddr(w->r, p, 6);
}

/* A family and an address of it. */
static void via(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    uint8_t *p = copy_behind(w, v, 2);

    (void)rule;
    if (p != NULL)
        rn_redact_addr_bytes(w->r, p, v.len - 2, 128);
}

/* struct sockaddr_in or _in6. */
static void sockaddr(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    bool is_v6 = v.len >= sizeof(struct sockaddr_in6);
    size_t len = is_v6 ? 16 : 4;
    uint8_t *p = copy_behind(w, v, is_v6 ? 8 : 4);

    (void)rule;
    if (p != NULL && v.len >= sizeof(struct sockaddr_in))
        rn_redact_addr_bytes(w->r, p, len, 128);
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

static void multipath(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    uint8_t *p = copy(w, v);

    (void)rule;
    if (p != NULL)
        redact_ways(w, p, v.len);
}

/* ---- attributes ---- */

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

static const struct rule *rule_of(const struct rules *rules, uint16_t type)
{
    for (size_t i = 0; i < rules->n; i++) {
        if (rules->list[i].type == type)
            return &rules->list[i];
    }
    return &rules->otherwise;
}

/* Nests as deep as the tables below do, which is three. */
static void put_attrs(struct rewrite *w, const struct rules *rules, struct rn_view attrs)
{
    struct rn_nlattr a;

    while (rn_nlattr_next(&attrs, &a)) {
        const struct rule *rule = rule_of(rules, a.type);
        size_t at;

        if (rule->put == NULL)
            continue;
        at = begin_attr(w, a.type);
        rule->put(w, rule, a.value);
        end_attr(w, at);
    }
}

static void nest(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    put_attrs(w, rule->nest, v);
}

/* The kind of a link stands in front of what the kind says. */
static void info_kind(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    w->kind = rn_nl_str(v);
    keep(w, rule, v);
}

static const struct rules *rules_of_kind(struct rn_view kind);

static void info_data(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    (void)rule;
    put_attrs(w, rules_of_kind(w->kind), v);
}

/* ---- tables ---- */

#define RULES(name, list, otherwise)                                                               \
    static const struct rules name = { list, RN_ARRAY_LEN(list), { 0, otherwise, NULL } }

static const struct rule info_list[] = { { IFLA_INFO_KIND, info_kind, NULL },
                                         { IFLA_INFO_SLAVE_KIND, keep, NULL },
                                         { IFLA_INFO_DATA, info_data, NULL } };
RULES(info_rules, info_list, NULL);

static const struct rule prop_list[] = { { IFLA_ALT_IFNAME, name, NULL } };
RULES(prop_rules, prop_list, NULL);

static const struct rule link_list[] = {
    { IFLA_ADDRESS, hwaddr, NULL },
    { IFLA_BROADCAST, hwaddr, NULL },
    { IFLA_PERM_ADDRESS, hwaddr, NULL },
    { IFLA_IFNAME, name, NULL },
    { IFLA_IFALIAS, name, NULL },
    { IFLA_PROP_LIST, nest, &prop_rules },
    { IFLA_LINKINFO, nest, &info_rules },
    { IFLA_MTU, keep, NULL },
    { IFLA_MIN_MTU, keep, NULL },
    { IFLA_MAX_MTU, keep, NULL },
    { IFLA_LINK, keep, NULL },
    { IFLA_LINK_NETNSID, keep, NULL },
    { IFLA_NEW_NETNSID, keep, NULL },
    { IFLA_MASTER, keep, NULL },
    { IFLA_QDISC, keep, NULL },
    { IFLA_GROUP, keep, NULL },
    { IFLA_TXQLEN, keep, NULL },
    { IFLA_PROMISCUITY, keep, NULL },
    { IFLA_NUM_TX_QUEUES, keep, NULL },
    { IFLA_NUM_RX_QUEUES, keep, NULL },
    { IFLA_GSO_MAX_SIZE, keep, NULL },
    { IFLA_GSO_MAX_SEGS, keep, NULL },
    { IFLA_OPERSTATE, keep, NULL },
    { IFLA_LINKMODE, keep, NULL },
    { IFLA_CARRIER, keep, NULL },
    { IFLA_CARRIER_CHANGES, keep, NULL },
    { IFLA_CARRIER_UP_COUNT, keep, NULL },
    { IFLA_CARRIER_DOWN_COUNT, keep, NULL },
    { IFLA_PROTO_DOWN, keep, NULL },
    { IFLA_STATS64, keep, NULL },
    { IFLA_XDP, keep, NULL },
};
RULES(link_rules, link_list, NULL);

static const struct rule addr_list[] = {
    { IFA_ADDRESS, addr, NULL },     { IFA_LOCAL, addr, NULL }, { IFA_BROADCAST, addr, NULL },
    { IFA_ANYCAST, addr, NULL },     { IFA_LABEL, name, NULL }, { IFA_CACHEINFO, keep, NULL },
    { IFA_RT_PRIORITY, keep, NULL }, { IFA_FLAGS, keep, NULL },
};
RULES(addr_rules, addr_list, NULL);

static const struct rule route_list[] = {
    { RTA_DST, addr_dst, NULL },    { RTA_SRC, addr_src, NULL },
    { RTA_GATEWAY, addr, NULL },    { RTA_PREFSRC, addr, NULL },
    { RTA_VIA, via, NULL },         { RTA_MULTIPATH, multipath, NULL },
    { RTA_OIF, keep, NULL },        { RTA_IIF, keep, NULL },
    { RTA_TABLE, keep, NULL },      { RTA_PRIORITY, keep, NULL },
    { RTA_METRICS, keep, NULL },    { RTA_CACHEINFO, keep, NULL },
    { RTA_NH_ID, keep, NULL },      { RTA_PREF, keep, NULL },
    { RTA_EXPIRES, keep, NULL },    { RTA_MARK, keep, NULL },
    { RTA_ENCAP_TYPE, keep, NULL },
};
RULES(route_rules, route_list, NULL);

static const struct rule rule_list[] = {
    { FRA_DST, addr_dst, NULL },
    { FRA_SRC, addr_src, NULL },
    { FRA_IIFNAME, name, NULL },
    { FRA_OIFNAME, name, NULL },
};
RULES(rule_rules, rule_list, keep); /* else numbers only */

static const struct rule neigh_list[] = {
    { NDA_DST, addr, NULL },
    { NDA_LLADDR, hwaddr, NULL },
    { NDA_CACHEINFO, keep, NULL },
    { NDA_VLAN, keep, NULL },
    { NDA_PORT, keep, NULL },
    { NDA_VNI, keep, NULL },
    { NDA_IFINDEX, keep, NULL },
    { NDA_MASTER, keep, NULL },
    { 12, keep, NULL }, /* NDA_PROTOCOL */
    { 15, keep, NULL }, /* NDA_FLAGS_EXT */
};
RULES(neigh_rules, neigh_list, NULL);

static const struct rule nexthop_list[] = {
    { NHA_GATEWAY, addr, NULL },    { NHA_ID, keep, NULL },        { NHA_GROUP, keep, NULL },
    { NHA_GROUP_TYPE, keep, NULL }, { NHA_BLACKHOLE, keep, NULL }, { NHA_OIF, keep, NULL },
    { NHA_FDB, keep, NULL },
};
RULES(nexthop_rules, nexthop_list, NULL);

static const struct rule inet_list[] = { { INET_DIAG_SHUTDOWN, keep, NULL },
                                         { INET_DIAG_SKV6ONLY, keep, NULL },
                                         { INET_DIAG_MARK, keep, NULL },
                                         { 21, keep, NULL } }; /* INET_DIAG_CGROUP_ID */
RULES(inet_rules, inet_list, NULL);

static const struct rule unix_list[] = { { UNIX_DIAG_NAME, path, NULL } };
RULES(unix_rules, unix_list, keep); /* else numbers only */

static const struct rule allowed_list[] = { { WGALLOWEDIP_A_FAMILY, keep, NULL },
                                            { WGALLOWEDIP_A_IPADDR, addr_dst, NULL },
                                            { WGALLOWEDIP_A_CIDR_MASK, keep, NULL } };
RULES(allowed_rules, allowed_list, NULL);

/* Of a prefix the bits that count must be known before its address. */
static void allowed(struct rewrite *w, const struct rule *rule, struct rn_view v)
{
    struct rn_view tb[WGALLOWEDIP_A_MAX + 1];

    (void)rule;
    rn_nlattr_table(v, tb, WGALLOWEDIP_A_MAX);
    w->dst_bits = rn_nl_u8(tb[WGALLOWEDIP_A_CIDR_MASK]);
    put_attrs(w, &allowed_rules, v);
}

static const struct rule allowed_of_list[] = { { 0, allowed, NULL } };
RULES(allowed_of_rules, allowed_of_list, NULL);
static const struct rule peer_list[] = { { WGPEER_A_PUBLIC_KEY, key, NULL },
                                         { WGPEER_A_ENDPOINT, sockaddr, NULL },
                                         { WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, keep, NULL },
                                         { WGPEER_A_LAST_HANDSHAKE_TIME, keep, NULL },
                                         { WGPEER_A_RX_BYTES, keep, NULL },
                                         { WGPEER_A_TX_BYTES, keep, NULL },
                                         { WGPEER_A_ALLOWEDIPS, nest, &allowed_of_rules } };
RULES(peer_rules, peer_list, NULL);
static const struct rule peers_list[] = { { 0, nest, &peer_rules } };
RULES(peers_rules, peers_list, NULL);
static const struct rule wireguard_list[] = { { WGDEVICE_A_IFINDEX, keep, NULL },
                                              { WGDEVICE_A_PUBLIC_KEY, key, NULL },
                                              { WGDEVICE_A_LISTEN_PORT, keep, NULL },
                                              { WGDEVICE_A_FWMARK, keep, NULL },
                                              { WGDEVICE_A_PEERS, nest, &peers_rules } };
RULES(wireguard_rules, wireguard_list, NULL);

static const struct rule packet_list[] = { { PACKET_DIAG_INFO, keep, NULL } };
RULES(packet_rules, packet_list, NULL);

static const struct rules keep_all = { NULL, 0, { 0, keep, NULL } };
static const struct rules keep_none = { NULL, 0, { 0, NULL, NULL } };

/* ---- what kinds of links say of themselves ---- */

static const struct rule bridge_list[] = { { IFLA_BR_ROOT_ID, bridge_id, NULL },
                                           { IFLA_BR_BRIDGE_ID, bridge_id, NULL },
                                           { IFLA_BR_GROUP_ADDR, NULL, NULL },
                                           { 47, NULL, NULL } }; /* IFLA_BR_MCAST_QUERIER_STATE */
RULES(bridge_rules, bridge_list, keep);
static const struct rule bond_list[] = { { IFLA_BOND_ARP_IP_TARGET, NULL, NULL },
                                         { IFLA_BOND_AD_INFO, NULL, NULL },
                                         { IFLA_BOND_AD_ACTOR_SYSTEM, NULL, NULL },
                                         { 31, NULL, NULL } }; /* IFLA_BOND_NS_IP6_TARGET */
RULES(bond_rules, bond_list, keep);
static const struct rule macvlan_list[] = { { IFLA_MACVLAN_MACADDR, NULL, NULL },
                                            { IFLA_MACVLAN_MACADDR_DATA, NULL, NULL } };
RULES(macvlan_rules, macvlan_list, keep);
static const struct rule vxlan_list[] = { { IFLA_VXLAN_GROUP, addr, NULL },
                                          { IFLA_VXLAN_GROUP6, addr, NULL },
                                          { IFLA_VXLAN_LOCAL, addr, NULL },
                                          { IFLA_VXLAN_LOCAL6, addr, NULL } };
RULES(vxlan_rules, vxlan_list, keep);
static const struct rule geneve_list[] = { { IFLA_GENEVE_REMOTE, addr, NULL },
                                           { IFLA_GENEVE_REMOTE6, addr, NULL } };
RULES(geneve_rules, geneve_list, keep);
static const struct rule gre_list[] = { { IFLA_GRE_LOCAL, addr, NULL },
                                        { IFLA_GRE_REMOTE, addr, NULL } };
RULES(gre_rules, gre_list, keep);
static const struct rule iptun_list[] = { { IFLA_IPTUN_LOCAL, addr, NULL },
                                          { IFLA_IPTUN_REMOTE, addr, NULL },
                                          { IFLA_IPTUN_6RD_PREFIX, NULL, NULL },
                                          { IFLA_IPTUN_6RD_RELAY_PREFIX, NULL, NULL } };
RULES(iptun_rules, iptun_list, keep);
static const struct rule vti_list[] = { { IFLA_VTI_LOCAL, addr, NULL },
                                        { IFLA_VTI_REMOTE, addr, NULL } };
RULES(vti_rules, vti_list, keep);

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
    [RN_TABLE_WIREGUARD] = { &wireguard_rules, GENL_HDRLEN },
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
