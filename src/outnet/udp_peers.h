#pragma once
/*
 * Who spoke to published UDP ports. One inner port may be published on several host sockets, and a peer may appear inside
 * under another address (the gateway's): the answer must leave by the socket the peer spoke to, for the peer's own address.
 * Bounded: the peer not heard from for longest is forgotten.
 */
#include "base/hash.h"
#include "base/hashkey.h"
#include "base/list.h"
#include <runnel/addr.h>

#define RN_UDP_PEERS_MAX 4096u

struct rn_udp_peer {
    struct rn_endpoint inner;   /* the published port, as it is inside */
    struct rn_endpoint inside;  /* the peer's name there */
    struct rn_endpoint outside; /* the peer itself */
    void *owner;                /* whom it spoke to; never looked into */
};

struct rn_udp_peers {
    const struct rn_alloc *alloc; /* borrows */
    struct rn_hash_key key;
    struct rn_hash by_name;
    struct rn_list by_age;
};

/* Errors: NOMEM. */
RN_MUST_USE int rn_udp_peers_init(struct rn_udp_peers *peers, const struct rn_alloc *alloc,
                                  const struct rn_hash_key *key);
void rn_udp_peers_fini(struct rn_udp_peers *peers);
/* @seen (borrowed) has just spoken. Where two have one name the last one heard keeps it. Without memory nothing is noted. */
void rn_udp_peers_note(struct rn_udp_peers *peers, const struct rn_udp_peer *seen);
/* Whom @inner means by @inside. NULL: nobody known. Valid until the next note. */
const struct rn_udp_peer *rn_udp_peers_find(const struct rn_udp_peers *peers,
                                            const struct rn_endpoint *inner,
                                            const struct rn_endpoint *inside);
