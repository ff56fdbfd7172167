#include "host/sockdiag.h"

#include "host/proc.h"

#include <linux/inet_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Attributes younger than Debian 12's headers, or not exported. */
enum { ATTR_CGROUP_ID = 21, INET_ATTR_MAX = ATTR_CGROUP_ID, UNIX_ATTR_MAX = 7 };

void rn_sockdiag_ask_tcp(struct rn_nl_msg *msg, uint32_t states)
{
    struct inet_diag_req *req = rn_nl_msg_begin(msg, TCPDIAG_GETSOCK, 0, sizeof(*req));

    req->idiag_states = states;
}

void rn_sockdiag_ask_inet(struct rn_nl_msg *msg, uint8_t af, uint32_t ip_proto)
{
    struct inet_diag_req_v2 *req = rn_nl_msg_begin(msg, SOCK_DIAG_BY_FAMILY, 0, sizeof(*req));

    req->sdiag_family = af;
    req->sdiag_protocol = (uint8_t)ip_proto;
    req->idiag_states = RN_SOCKDIAG_ALL;
    if (ip_proto > UINT8_MAX)
        rn_nl_put_u32(msg, INET_DIAG_REQ_PROTOCOL, ip_proto);
}

void rn_sockdiag_ask_unix(struct rn_nl_msg *msg)
{
    struct unix_diag_req *req = rn_nl_msg_begin(msg, SOCK_DIAG_BY_FAMILY, 0, sizeof(*req));

    req->sdiag_family = AF_UNIX;
    req->udiag_states = RN_SOCKDIAG_ALL;
    req->udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
}

void rn_sockdiag_ask_packet(struct rn_nl_msg *msg)
{
    struct packet_diag_req *req = rn_nl_msg_begin(msg, SOCK_DIAG_BY_FAMILY, 0, sizeof(*req));

    req->sdiag_family = AF_PACKET;
    req->pdiag_show = PACKET_SHOW_INFO;
}

/* The cookie travels as two 32-bit halves, the low one first. */
static uint64_t cookie_at(struct rn_view v, size_t offset)
{
    return (uint64_t)rn_nl_u32_at(v, offset + 4) << 32 | rn_nl_u32_at(v, offset);
}

static struct rn_addr addr_at(struct rn_view head, size_t offset, uint8_t af)
{
    return rn_nl_addr(rn_view_of(head.ptr + offset, af == AF_INET ? 4 : 16));
}

static uint16_t be16_at(struct rn_view head, size_t offset)
{
    return rn_get_be16(head.ptr + offset);
}

int rn_sockdiag_parse_inet(struct rn_view payload, struct rn_sockdiag_sock *ret)
{
    const size_t id = offsetof(struct inet_diag_msg, id);
    struct rn_sockdiag_sock s = { 0 };
    struct rn_view tb[INET_ATTR_MAX + 1];
    struct rn_view head;
    uint8_t af;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct inet_diag_msg), &head))
        return RN_E_MALFORMED;
    af = rn_nl_u8_at(head, offsetof(struct inet_diag_msg, idiag_family));
    if (af != AF_INET && af != AF_INET6)
        return RN_E_ADDR_FAMILY;
    rn_nlattr_table(payload, tb, INET_ATTR_MAX);
    s.family = af == AF_INET ? RN_FAMILY_V4 : RN_FAMILY_V6;
    s.state = rn_nl_u8_at(head, offsetof(struct inet_diag_msg, idiag_state));
    s.local_port = be16_at(head, id + offsetof(struct inet_diag_sockid, idiag_sport));
    s.remote_port = be16_at(head, id + offsetof(struct inet_diag_sockid, idiag_dport));
    s.local = addr_at(head, id + offsetof(struct inet_diag_sockid, idiag_src), af);
    s.remote = addr_at(head, id + offsetof(struct inet_diag_sockid, idiag_dst), af);
    s.ifindex = rn_nl_u32_at(head, id + offsetof(struct inet_diag_sockid, idiag_if));
    s.cookie = cookie_at(head, id + offsetof(struct inet_diag_sockid, idiag_cookie));
    s.rx_queue_bytes = rn_nl_u32_at(head, offsetof(struct inet_diag_msg, idiag_rqueue));
    s.tx_queue_bytes = rn_nl_u32_at(head, offsetof(struct inet_diag_msg, idiag_wqueue));
    s.uid = rn_nl_u32_at(head, offsetof(struct inet_diag_msg, idiag_uid));
    s.inode = rn_nl_u32_at(head, offsetof(struct inet_diag_msg, idiag_inode));
    s.is_v6only = rn_nl_u8(tb[INET_DIAG_SKV6ONLY]) != 0;
    s.shutdown = rn_nl_u8(tb[INET_DIAG_SHUTDOWN]);
    s.mark = rn_nl_u32(tb[INET_DIAG_MARK]);
    s.cgroup_id = rn_nl_u64(tb[ATTR_CGROUP_ID]);
    *ret = s;
    return RN_OK;
}

int rn_sockdiag_parse_unix(struct rn_view payload, struct rn_sockdiag_sock *ret)
{
    struct rn_sockdiag_sock s = { 0 };
    struct rn_view tb[UNIX_ATTR_MAX + 1];
    struct rn_view head;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct unix_diag_msg), &head))
        return RN_E_MALFORMED;
    rn_nlattr_table(payload, tb, UNIX_ATTR_MAX);
    s.type = rn_nl_u8_at(head, offsetof(struct unix_diag_msg, udiag_type));
    s.state = rn_nl_u8_at(head, offsetof(struct unix_diag_msg, udiag_state));
    s.inode = rn_nl_u32_at(head, offsetof(struct unix_diag_msg, udiag_ino));
    s.cookie = cookie_at(head, offsetof(struct unix_diag_msg, udiag_cookie));
    s.path = tb[UNIX_DIAG_NAME];
    s.peer_inode = rn_nl_u32(tb[UNIX_DIAG_PEER]);
    s.rx_queue_bytes = rn_nl_u32_at(tb[UNIX_DIAG_RQLEN], 0);
    s.tx_queue_bytes = rn_nl_u32_at(tb[UNIX_DIAG_RQLEN], 4);
    s.shutdown = rn_nl_u8(tb[UNIX_DIAG_SHUTDOWN]);
    s.uid = rn_nl_u32(tb[UNIX_DIAG_UID]);
    *ret = s;
    return RN_OK;
}

int rn_sockdiag_parse_packet(struct rn_view payload, struct rn_sockdiag_sock *ret)
{
    struct rn_sockdiag_sock s = { 0 };
    struct rn_view tb[PACKET_DIAG_MAX + 1];
    struct rn_view head;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct packet_diag_msg), &head))
        return RN_E_MALFORMED;
    rn_nlattr_table(payload, tb, PACKET_DIAG_MAX);
    s.type = rn_nl_u8_at(head, offsetof(struct packet_diag_msg, pdiag_type));
    s.protocol = rn_nl_u16_at(head, offsetof(struct packet_diag_msg, pdiag_num));
    s.inode = rn_nl_u32_at(head, offsetof(struct packet_diag_msg, pdiag_ino));
    s.cookie = cookie_at(head, offsetof(struct packet_diag_msg, pdiag_cookie));
    s.ifindex = rn_nl_u32_at(tb[PACKET_DIAG_INFO], offsetof(struct packet_diag_info, pdi_index));
    s.uid = rn_nl_u32(tb[PACKET_DIAG_UID]);
    *ret = s;
    return RN_OK;
}

static uint32_t *count_of(struct rn_sockstat *stat, struct rn_view section, struct rn_view key)
{
    if (rn_view_is(section, "sockets:"))
        return rn_view_is(key, "used") ? &stat->used : NULL;
    if (rn_view_is(section, "TCP:") && rn_view_is(key, "tw"))
        return &stat->tcp_time_wait;
    if (!rn_view_is(key, "inuse"))
        return NULL;
    if (rn_view_is(section, "TCP:") || rn_view_is(section, "TCP6:"))
        return &stat->tcp;
    if (rn_view_is(section, "UDP:") || rn_view_is(section, "UDP6:"))
        return &stat->udp;
    if (rn_view_is(section, "UDPLITE:") || rn_view_is(section, "UDPLITE6:"))
        return &stat->udplite;
    if (rn_view_is(section, "RAW:") || rn_view_is(section, "RAW6:"))
        return &stat->raw;
    return NULL;
}

/* Lines of "TCP: inuse 4 orphan 0 tw 0 alloc 6 mem 1". */
void rn_sockstat_parse(struct rn_view text, struct rn_sockstat *stat)
{
    struct rn_view line;

    while (rn_text_next_line(&text, &line)) {
        struct rn_view section;
        struct rn_view key;
        struct rn_view value;

        if (!rn_text_next_word(&line, &section))
            continue;
        while (rn_text_next_word(&line, &key) && rn_text_next_word(&line, &value)) {
            uint32_t *count = count_of(stat, section, key);
            uint64_t n;

            if (count != NULL && rn_text_number(value, 10, &n))
                *count += rn_sat_u32(n);
        }
    }
}

static uint32_t *protocol_of(struct rn_protocols *p, struct rn_view name)
{
    if (rn_view_is(name, "UNIX") || rn_view_is(name, "UNIX-STREAM"))
        return &p->local;
    if (rn_view_is(name, "PACKET"))
        return &p->packet;
    if (rn_view_is(name, "MPTCP") || rn_view_is(name, "MPTCPv6"))
        return &p->mptcp;
    return rn_view_is(name, "PING") || rn_view_is(name, "PINGv6") ? &p->ping : NULL;
}

/* "protocol size sockets memory ...": a heading, then one line each. */
void rn_protocols_parse(struct rn_view text, struct rn_protocols *p)
{
    struct rn_view line;

    while (rn_text_next_line(&text, &line)) {
        struct rn_view name;
        struct rn_view word;
        uint32_t *count;
        uint64_t n;

        if (!rn_text_next_word(&line, &name))
            continue;
        count = protocol_of(p, name);
        if (count != NULL && rn_text_next_word(&line, &word) && rn_text_next_word(&line, &word) &&
            rn_text_number(word, 10, &n))
            *count += rn_sat_u32(n);
    }
}
