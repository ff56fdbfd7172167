#include "discovery/load.h"

#include "host/proc.h"
#include "host/sockdiag.h"

/* ::ffff:a.b.c.d and :: both take IPv4 traffic, unless the socket was told otherwise (RFC 3493 §5.3). */
static bool takes_ipv4(const struct rn_map_sock *s)
{
    if (s->family != RN_FAMILY_V6 || s->is_v6only)
        return false;
    return rn_addr_is_none(s->local) || rn_addr_is_v4(s->local);
}

static struct rn_map_sock *keep(struct rn_load *l, const struct rn_sockdiag_sock *from)
{
    struct rn_map_sock *s = rn_model_add_sock(l->map, l->current);

    if (s == NULL)
        return NULL;
    s->local = from->local;
    s->remote = from->remote;
    s->local_port = from->local_port;
    s->remote_port = from->remote_port;
    s->inode = from->inode;
    s->cookie = from->cookie;
    s->cgroup_id = from->cgroup_id;
    s->peer_inode = from->peer_inode;
    s->uid = from->uid;
    s->rx_queue_bytes = from->rx_queue_bytes;
    s->tx_queue_bytes = from->tx_queue_bytes;
    s->link_index = from->ifindex;
    s->mark = from->mark;
    s->protocol_num = from->protocol;
    s->family = from->family;
    s->state = from->state;
    s->type = from->type;
    s->shutdown = from->shutdown;
    s->is_v6only = from->is_v6only;
    return s;
}

void rn_load_inet(struct rn_load *l, enum rn_map_proto proto, struct rn_view payload)
{
    struct rn_sockdiag_sock from;
    struct rn_map_sock *s;

    if (rn_sockdiag_parse_inet(payload, &from) < 0) {
        l->n_malformed++;
        return;
    }
    s = keep(l, &from);
    if (s == NULL)
        return;
    s->proto = (uint8_t)proto;
    s->is_dual = takes_ipv4(s);
}

/* A path of the file system ends at its NUL; an abstract name starts with one and may hold more: shown as '@'. */
static const char *unix_path(struct rn_load *l, struct rn_view v)
{
    char *s;

    if (v.len == 0 || v.ptr[0] != 0)
        return rn_load_str(l, v);
    s = rn_arena_new(&l->map->arena, v.len + 1);
    if (s == NULL)
        return "";
    for (size_t i = 0; i < v.len; i++)
        s[i] = v.ptr[i] != 0 ? (char)v.ptr[i] : '@';
    return s;
}

void rn_load_unix(struct rn_load *l, struct rn_view payload)
{
    struct rn_sockdiag_sock from;
    struct rn_map_sock *s;

    if (rn_sockdiag_parse_unix(payload, &from) < 0) {
        l->n_malformed++;
        return;
    }
    s = keep(l, &from);
    if (s == NULL)
        return;
    s->proto = RN_PROTO_UNIX;
    s->path = unix_path(l, from.path);
}

void rn_load_packet(struct rn_load *l, struct rn_view payload)
{
    struct rn_sockdiag_sock from;
    struct rn_map_sock *s;

    if (rn_sockdiag_parse_packet(payload, &from) < 0) {
        l->n_malformed++;
        return;
    }
    s = keep(l, &from);
    if (s != NULL)
        s->proto = RN_PROTO_PACKET;
}

/* ---- /proc/net/{raw,raw6,icmp,icmp6}: for these the kernel may lack a diag module ---- */

/* "0100007F" or 32 digits: 32-bit words in the machine's order. */
static bool read_hex_addr(struct rn_view hex, struct rn_addr *ret)
{
    uint8_t bytes[16];
    size_t n = hex.len / 8;

    if ((hex.len != 8 && hex.len != 32))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint64_t word;
        uint32_t w;

        if (!rn_text_number(rn_view_of(hex.ptr + i * 8, 8), 16, &word))
            return false;
        w = (uint32_t)word;
        memcpy(bytes + i * 4, &w, sizeof(w));
    }
    *ret = n == 1 ? rn_addr_v4(rn_get_be32(bytes)) : rn_addr_v6(bytes);
    return true;
}

static bool read_hex_endpoint(struct rn_view word, struct rn_addr *ret_addr, uint16_t *ret_port)
{
    const uint8_t *colon = memchr(word.ptr, ':', word.len);
    uint64_t port;
    size_t n;

    if (colon == NULL)
        return false;
    n = (size_t)(colon - word.ptr);
    if (!rn_text_number(rn_view_of(colon + 1, word.len - n - 1), 16, &port) || port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return read_hex_addr(rn_view_of(word.ptr, n), ret_addr);
}

/* sl local remote state queues timer retransmits uid timeout inode ... */
static bool parse_line(struct rn_view line, struct rn_sockdiag_sock *s)
{
    struct rn_view w[10];
    uint64_t n;

    for (size_t i = 0; i < RN_ARRAY_LEN(w); i++) {
        if (!rn_text_next_word(&line, &w[i]))
            return false;
    }
    if (!read_hex_endpoint(w[1], &s->local, &s->local_port) ||
        !read_hex_endpoint(w[2], &s->remote, &s->remote_port))
        return false;
    if (!rn_text_number(w[3], 16, &n))
        return false;
    s->state = rn_sat_u8(n);
    if (rn_text_number(w[7], 10, &n))
        s->uid = rn_sat_u32(n);
    if (rn_text_number(w[9], 10, &n))
        s->inode = rn_sat_u32(n);
    return true;
}

static void load_forwards(struct rn_load *l, enum rn_dump_table table, struct rn_view text)
{
    enum rn_map_forwarding says =
        text.len != 0 && text.ptr[0] == '0' ? RN_FORWARDING_OFF : RN_FORWARDING_ON;

    if (table == RN_TABLE_PROC_FORWARDS)
        l->current->forwarding_v4 = says;
    else if (table == RN_TABLE_PROC_FORWARDS6)
        l->current->forwarding_v6 = says;
    else if (table == RN_TABLE_PROC_BRIDGES)
        l->current->calls_ip_filters = says;
    else
        l->current->calls_ip6_filters = says;
}

void rn_load_procnet(struct rn_load *l, enum rn_dump_table table, struct rn_view text)
{
    bool is_v6 = table == RN_TABLE_PROC_RAW6 || table == RN_TABLE_PROC_PING6;
    bool is_raw = table == RN_TABLE_PROC_RAW || table == RN_TABLE_PROC_RAW6;
    struct rn_view line;

    if (table == RN_TABLE_PROC_FORWARDS || table == RN_TABLE_PROC_FORWARDS6 ||
        table == RN_TABLE_PROC_BRIDGES || table == RN_TABLE_PROC_BRIDGES6) {
        load_forwards(l, table, text);
        return;
    }
    if (!rn_text_next_line(&text, &line)) /* the heading */
        return;
    while (rn_text_next_line(&text, &line)) {
        struct rn_sockdiag_sock from = { .family = is_v6 ? RN_FAMILY_V6 : RN_FAMILY_V4 };
        struct rn_map_sock *s;

        if (!parse_line(line, &from)) {
            l->n_malformed++;
            continue;
        }
        s = keep(l, &from);
        if (s == NULL)
            return;
        s->proto = is_raw ? RN_PROTO_RAW : RN_PROTO_PING;
        if (is_raw) { /* a raw socket's "port" is its protocol */
            s->protocol_num = s->local_port;
            s->local_port = 0;
        }
    }
}
