#include "discovery/wireguard.h"

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

/* A peer with many addresses is told in several messages: the next begins with the same key. */
static void count_peers(struct rn_map_wireguard *wg, struct rn_view peers)
{
    struct rn_nlattr peer;
    struct rn_view tb[WGPEER_A_MAX + 1];

    while (rn_nlattr_next(&peers, &peer)) {
        struct rn_view key;

        rn_nlattr_table(peer.value, tb, WGPEER_A_MAX);
        key = tb[WGPEER_A_PUBLIC_KEY];
        if (key.len != sizeof(wg->last_peer))
            continue;
        if (wg->n_peers != 0 && memcmp(wg->last_peer, key.ptr, key.len) == 0)
            continue;
        memcpy(wg->last_peer, key.ptr, key.len);
        wg->n_peers++;
    }
}

void rn_load_wireguard(struct rn_load *l, struct rn_view payload)
{
    struct rn_view tb[WGDEVICE_A_MAX + 1];
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
    link->wireguard.is_known = true;
    if (rn_nl_has(tb[WGDEVICE_A_LISTEN_PORT])) /* only in the first message of a device */
        link->wireguard.listen_port = rn_nl_u16(tb[WGDEVICE_A_LISTEN_PORT]);
    if (rn_nl_has(tb[WGDEVICE_A_FWMARK]))
        link->wireguard.fwmark = rn_nl_u32(tb[WGDEVICE_A_FWMARK]);
    count_peers(&link->wireguard, tb[WGDEVICE_A_PEERS]);
}
