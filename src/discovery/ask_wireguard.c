#include "discovery/ask_wireguard.h"

#include "base/text.h"
#include "discovery/name.h"
#include "discovery/wireguard.h"

#include <string.h>

#define DEPTH_MAX 4u /* tunnels within tunnels */

/* ---- peers ---- */

static const struct rn_prefix *allows(const struct rn_map_wg_peer *peer, struct rn_addr addr)
{
    const struct rn_prefix *best = NULL;

    for (size_t i = 0; i < peer->n_allowed; i++) {
        const struct rn_prefix *p = &peer->allowed[i];

        if (p->is_v4 == rn_addr_is_v4(addr) && rn_prefix_contains(p, addr) &&
            (best == NULL || p->bits > best->bits))
            best = p;
    }
    return best;
}

const struct rn_map_wg_peer *rn_wireguard_peer_for(const struct rn_map_link *link,
                                                   struct rn_addr addr)
{
    const struct rn_map_wg_peer *best = NULL;
    unsigned best_bits = 0;

    for (uint32_t i = 0; i < link->wireguard.n_peers; i++) {
        const struct rn_map_wg_peer *peer = &link->wireguard.peers[i];
        const struct rn_prefix *p = allows(peer, addr);

        if (p != NULL && (best == NULL || p->bits > best_bits)) {
            best = peer;
            best_bits = p->bits;
        }
    }
    return best;
}

static bool is_key(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, RN_WG_KEY_BYTES) == 0;
}

/* The interface of this machine that has the peer's key; NULL: none known, or several. */
static struct rn_map_link *far_end(const struct rn_map *map, const uint8_t *key)
{
    struct rn_map_link *found = NULL;

    for (size_t i = 0; i < map->n_netns; i++) {
        for (size_t k = 0; k < map->netns[i]->n_links; k++) {
            struct rn_map_link *link = map->netns[i]->links[k];

            if (link->kind != RN_KIND_WIREGUARD || !link->wireguard.is_known ||
                !is_key(link->wireguard.key, key))
                continue;
            if (found != NULL)
                return NULL;
            found = link;
        }
    }
    return found;
}

/* ---- underneath ---- */

/* The kernel's own socket belongs to no process, and its inode is zero. */
static bool has_tunnel_socket(const struct rn_map_netns *ns, uint16_t port)
{
    for (size_t i = 0; i < ns->n_socks; i++) {
        const struct rn_map_sock *s = &ns->socks[i];

        if (s->proto == RN_PROTO_UDP && s->local_port == port && s->inode == 0 &&
            s->n_owners == 0 && s->remote_port == 0)
            return true;
    }
    return false;
}

/* Its packets stay in the network where the interface was made, wherever it is now; the kernel tells that only by the
 * socket. NULL: not known. */
static struct rn_map_netns *outside_of(const struct rn_map *map, const struct rn_map_link *link)
{
    struct rn_map_netns *found = NULL;

    if (link->wireguard.listen_port == 0 ||
        has_tunnel_socket(link->netns, link->wireguard.listen_port))
        return link->netns;
    for (size_t i = 0; i < map->n_netns; i++) {
        if (!has_tunnel_socket(map->netns[i], link->wireguard.listen_port))
            continue;
        if (found != NULL)
            return NULL;
        found = map->netns[i];
    }
    return found;
}

static void say_peer(struct rn_walk *w, const struct rn_map_link *link,
                     const struct rn_map_wg_peer *peer)
{
    char key[16];
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));
    const struct rn_prefix *p = allows(peer, w->to);

    rn_text_str(&t, link->name);
    rn_text_str(&t, ": peer ");
    rn_text_str(&t, rn_wireguard_key_short(peer->key, key));
    rn_text_str(&t, " for ");
    rn_text_prefix(&t, p);
    rn_text_str(&t, ", at ");
    rn_text_endpoint(&t, &peer->endpoint);
    rn_walk_line(w, RN_PATH_WIRE, buf);
}

/* The way of the tunnel's packets; where it ended is in w->path. */
static void walk_outside(struct rn_walk *w, const struct rn_map_link *link,
                         const struct rn_map_wg_peer *peer, struct rn_map_netns *outside)
{
    struct rn_walk tunnel = { .map = w->map,
                              .path = w->path,
                              .ns = outside,
                              .to = peer->endpoint.addr,
                              .port = peer->endpoint.port,
                              .ip_proto = 17,
                              .marks.mark = link->wireguard.fwmark,
                              .depth = w->depth + 1,
                              .asks_filters = w->asks_filters };

    rn_walk_all_hops(&tunnel);
}

static bool end_outside(struct rn_walk *w, const struct rn_map_link *link)
{
    char why[RN_WALK_LINE_BYTES];
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));
    struct rn_text whole = rn_text_of(why, sizeof(why));
    static const char doubt[] = "cannot tell: ";
    bool says_so = strncmp(w->path->why, doubt, sizeof(doubt) - 1) == 0;
    bool is_doubt = says_so || w->path->is_reached; /* by what else listens there */

    rn_text_str(&whole, w->path->why);
    w->ns = w->path->netns != NULL ? w->path->netns : w->ns;
    w->path->is_reached = false;
    w->path->link = NULL;
    w->path->process = NULL;
    rn_text_str(&t, is_doubt ? doubt : "");
    rn_text_str(&t, "the packets of ");
    rn_text_str(&t, link->name);
    rn_text_str(&t, ": ");
    rn_text_str(&t, why + (says_so ? sizeof(doubt) - 1 : 0));
    return rn_walk_end(w, buf);
}

/* What the far end does not await from this peer, it throws away. */
static bool is_taken(const struct rn_walk *w, const struct rn_map_link *near,
                     const struct rn_map_link *far)
{
    const struct rn_map_wg_peer *from =
        rn_addr_is_none(w->from) ? NULL : rn_wireguard_peer_for(far, w->from);

    return from != NULL && is_key(from->key, near->wireguard.key);
}

static bool arrive(struct rn_walk *w, const struct rn_map_link *near, struct rn_map_link *far)
{
    char name[RN_NAME_BYTES];
    char buf[RN_WALK_LINE_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    w->path->is_reached = false;
    w->path->link = NULL;
    w->path->process = NULL;
    if (!is_taken(w, near, far))
        return rn_walk_end_with(w, "", far->name,
                                " at the far end does not take that source from this peer");
    rn_text_str(&t, near->name);
    rn_text_str(&t, " -> ");
    rn_text_str(&t, far->name);
    rn_text_str(&t, " in ");
    rn_text_str(&t, rn_name_netns_short(w->map, far->netns, name));
    rn_walk_line(w, RN_PATH_WIRE, buf);
    rn_walk_forget_marks(w, true);
    w->iif = far;
    w->ns = far->netns;
    w->sender = NULL;
    w->oif = NULL;
    w->is_rewritten = false;
    return true;
}

bool rn_walk_through_wireguard(struct rn_walk *w, const struct rn_map_link *link)
{
    const struct rn_map_wg_peer *peer = rn_wireguard_peer_for(link, w->to);
    struct rn_map_netns *outside = outside_of(w->map, link);
    struct rn_map_link *far;

    if (!link->wireguard.is_known)
        return rn_walk_end_with(w, "cannot tell: the peers of ", link->name, " could not be read");
    if (peer == NULL)
        return rn_walk_end_with(w, "no peer of ", link->name, " is for that address");
    if (rn_addr_is_none(peer->endpoint.addr))
        return rn_walk_end_with(w, "where the peer of ", link->name,
                                " is is not known: it has not called yet");
    say_peer(w, link, peer);
    if (w->depth >= DEPTH_MAX)
        return rn_walk_end(w, "cannot tell: too many tunnels within tunnels");
    if (outside == NULL)
        return rn_walk_end_with(w, "cannot tell: in which network the packets of ", link->name,
                                " leave");
    walk_outside(w, link, peer, outside);
    far = far_end(w->map, peer->key);
    if (!w->path->is_reached || far == NULL || w->path->netns != outside_of(w->map, far) ||
        peer->endpoint.port != far->wireguard.listen_port)
        return end_outside(w, link);
    return arrive(w, link, far);
}
