#pragma once
/* WireGuard on a packet's way: the peer by its allowed addresses, the tunnel's own packets, and the far end. */
#include "discovery/ask_walk.h"

/* Of @link (borrows) the peer whose allowed addresses hold @addr by the longest prefix; NULL: none. */
const struct rn_map_wg_peer *rn_wireguard_peer_for(const struct rn_map_link *link,
                                                   struct rn_addr addr);
/* Through @link: true if the packet goes on at its far end. */
bool rn_walk_through_wireguard(struct rn_walk *w, const struct rn_map_link *link);
