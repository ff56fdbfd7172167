#include "discovery/wireguard.h"

#include "base/text.h"
#include "discovery/load.h"
#include "host/nlattr.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>

/* ---- secrets: nobody who looks at networks needs them ---- */

static void scrub_peers(uint8_t *datagram, struct rn_view peers)
{
    struct rn_nlattr peer;
    struct rn_nlattr a;

    while (rn_nlattr_next(&peers, &peer)) {
        while (rn_nlattr_next(&peer.value, &a)) {
            if (a.type == WGPEER_A_PRESHARED_KEY)
                memset(datagram + (a.value.ptr - datagram), 0, a.value.len);
        }
    }
}

void rn_wireguard_scrub(uint8_t *datagram, size_t len)
{
    struct rn_view rest = rn_view_of(datagram, len);
    struct rn_nlmsg m;
    struct rn_view head;
    struct rn_nlattr a;

    while (rn_nlmsg_next(&rest, &m)) {
        if (!rn_nlmsg_take_header(&m.payload, GENL_HDRLEN, &head))
            continue;
        while (rn_nlattr_next(&m.payload, &a)) {
            if (a.type == WGDEVICE_A_PRIVATE_KEY)
                memset(datagram + (a.value.ptr - datagram), 0, a.value.len);
            else if (a.type == WGDEVICE_A_PEERS)
                scrub_peers(datagram, a.value);
        }
    }
}

/* ---- loading ---- */

static void read_key(struct rn_view v, uint8_t key[RN_WG_KEY_BYTES])
{
    if (v.len == RN_WG_KEY_BYTES)
        memcpy(key, v.ptr, v.len);
}

/* struct sockaddr_in or _in6, by the length of the value. */
static struct rn_endpoint read_endpoint(struct rn_view v)
{
    const size_t v4_at = 4;
    const size_t v6_at = 8;
    struct rn_endpoint e = { .addr = rn_addr_none() };

    if (v.len < 16)
        return e;
    e.port = rn_nl_be16(rn_view_of(v.ptr + 2, 2));
    if (v.len >= v6_at + 16)
        e.addr = rn_nl_addr(rn_view_of(v.ptr + v6_at, 16));
    else
        e.addr = rn_nl_addr(rn_view_of(v.ptr + v4_at, 4));
    return e;
}

static void read_allowed(struct rn_arena *arena, struct rn_map_wg_peer *p, struct rn_view list)
{
    struct rn_nlattr one;
    struct rn_view tb[WGALLOWEDIP_A_MAX + 1];

    while (rn_nlattr_next(&list, &one)) {
        struct rn_prefix *grown = rn_arena_room(arena, p->allowed, p->n_allowed, sizeof(*grown));
        struct rn_addr addr;

        rn_nlattr_table(one.value, tb, WGALLOWEDIP_A_MAX);
        addr = rn_nl_addr(tb[WGALLOWEDIP_A_IPADDR]);
        if (grown == NULL || tb[WGALLOWEDIP_A_IPADDR].len == 0)
            return;
        p->allowed = grown;
        grown[p->n_allowed++] = rn_prefix_of(addr, rn_nl_u8(tb[WGALLOWEDIP_A_CIDR_MASK]));
    }
}

/* A peer with many addresses is told in several messages: the next begins with the same key. */
static struct rn_map_wg_peer *peer_of(struct rn_arena *arena, struct rn_map_wireguard *wg,
                                      struct rn_view key)
{
    struct rn_map_wg_peer *last = wg->n_peers != 0 ? &wg->peers[wg->n_peers - 1] : NULL;
    struct rn_map_wg_peer *grown;

    if (key.len != RN_WG_KEY_BYTES)
        return NULL;
    if (last != NULL && memcmp(last->key, key.ptr, key.len) == 0)
        return last;
    grown = rn_arena_room(arena, wg->peers, wg->n_peers, sizeof(*grown));
    if (grown == NULL)
        return NULL;
    wg->peers = grown;
    grown[wg->n_peers] = (struct rn_map_wg_peer){ .endpoint.addr = rn_addr_none() };
    read_key(key, grown[wg->n_peers].key);
    return &grown[wg->n_peers++];
}

static void read_peers(struct rn_arena *arena, struct rn_map_wireguard *wg, struct rn_view peers)
{
    struct rn_nlattr peer;
    struct rn_view tb[WGPEER_A_MAX + 1];

    while (rn_nlattr_next(&peers, &peer)) {
        struct rn_map_wg_peer *p;

        rn_nlattr_table(peer.value, tb, WGPEER_A_MAX);
        p = peer_of(arena, wg, tb[WGPEER_A_PUBLIC_KEY]);
        if (p == NULL)
            continue;
        if (rn_nl_has(tb[WGPEER_A_ENDPOINT]))
            p->endpoint = read_endpoint(tb[WGPEER_A_ENDPOINT]);
        if (rn_nl_has(tb[WGPEER_A_LAST_HANDSHAKE_TIME])) { /* struct __kernel_timespec */
            p->handshake_unix_s = rn_nl_u64_at(tb[WGPEER_A_LAST_HANDSHAKE_TIME], 0);
            p->rx_bytes = rn_nl_u64(tb[WGPEER_A_RX_BYTES]);
            p->tx_bytes = rn_nl_u64(tb[WGPEER_A_TX_BYTES]);
            p->keepalive_s = rn_nl_u16(tb[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL]);
        }
        read_allowed(arena, p, tb[WGPEER_A_ALLOWEDIPS]);
    }
}

void rn_load_wireguard(struct rn_load *l, struct rn_view payload)
{
    struct rn_view tb[WGDEVICE_A_MAX + 1];
    struct rn_map_wireguard *wg;
    struct rn_map_link *link;
    struct rn_view head;

    if (!rn_nlmsg_take_header(&payload, GENL_HDRLEN, &head)) {
        l->n_malformed++;
        return;
    }
    rn_nlattr_table(payload, tb, WGDEVICE_A_MAX);
    link = rn_model_link(l->current, rn_nl_u32(tb[WGDEVICE_A_IFINDEX]));
    if (link == NULL || link->kind != RN_KIND_WIREGUARD)
        return;
    wg = &link->wireguard;
    wg->is_known = true;
    if (rn_nl_has(tb[WGDEVICE_A_LISTEN_PORT])) /* only in the first message of a device */
        wg->listen_port = rn_nl_u16(tb[WGDEVICE_A_LISTEN_PORT]);
    if (rn_nl_has(tb[WGDEVICE_A_FWMARK]))
        wg->fwmark = rn_nl_u32(tb[WGDEVICE_A_FWMARK]);
    read_key(tb[WGDEVICE_A_PUBLIC_KEY], wg->key);
    read_peers(&l->map->arena, wg, tb[WGDEVICE_A_PEERS]);
}

/* ---- keys ---- */

char *rn_wireguard_key_text(const uint8_t key[RN_WG_KEY_BYTES], char buf[48])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at = buf;

    for (size_t i = 0; i < RN_WG_KEY_BYTES; i += 3) { /* RFC 4648 §4 */
        uint32_t bits = (uint32_t)key[i] << 16;

        if (i + 1 < RN_WG_KEY_BYTES)
            bits |= (uint32_t)key[i + 1] << 8;
        if (i + 2 < RN_WG_KEY_BYTES)
            bits |= key[i + 2];
        for (unsigned shift = 24; shift != 0; shift -= 6)
            *at++ = digits[bits >> (shift - 6) & 63];
    }
    buf[43] = '='; /* 32 bytes: the last digit stands for none */
    buf[44] = '\0';
    return buf;
}

char *rn_wireguard_key_short(const uint8_t key[RN_WG_KEY_BYTES], char buf[16])
{
    char text[48];
    struct rn_text t = rn_text_of(buf, 16);

    rn_text_strn(&t, rn_wireguard_key_text(key, text), 8);
    rn_text_str(&t, "...");
    return buf;
}
