#pragma once
/*
 * Between devices: packets of one go to another, one way (forwarder) or both (point to point), many behind one (mux), one in front of
 * many (split). Ends may be replaced, or taken away, while packets flow, and nothing is lost by that. What one end cannot carry
 * as it is (super-packets, missing checksums) is cut and completed on the way to it; what an end with offloads could take at once
 * is merged.
 *
 * All ends live on the same turn. A device with a descriptor (a TUN) must be watched, by rn_device_watch_new.
 */
#include <runnel/addr.h>
#include <runnel/device.h>
#include <runnel/pkt.h>

#include <stdbool.h>
#include <stdint.h>

struct rn_forwarder;
struct rn_p2p;

struct rn_forwarder_opts {
    /* Optional. Either end failed: closed, or broke. It was taken out and is the caller's again. Here a new one may be set, the old
     * one freed, and the forwarder, too. */
    void (*on_end_failed)(void *arg, struct rn_forwarder *forwarder, struct rn_device *end);
    void *arg;
    bool does_not_merge; /* leave packets as they come, also for an end that takes super-packets */
};

/* One way. Starts without ends; without a destination nothing is read. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_forwarder_new(struct rn_forwarder **ret, struct rn_turn *turn,
                                           const struct rn_forwarder_opts *opts);
/* Lets both ends go, which stay the caller's, and drops the batch in hand. Consumes @forwarder (may be NULL). Returns NULL. */
RN_PUBLIC struct rn_forwarder *rn_forwarder_free(struct rn_forwarder *forwarder);
/* Borrows @dev until it is replaced, failed, or the forwarder freed; it takes the device's events. NULL: no end for now. The same
 * device again is a no-op. Errors: BAD_OPTION (the other end is the same device, or speaks another link type). */
RN_PUBLIC RN_MUST_USE int rn_forwarder_set_from(struct rn_forwarder *forwarder,
                                                struct rn_device *dev);
RN_PUBLIC RN_MUST_USE int rn_forwarder_set_to(struct rn_forwarder *forwarder,
                                              struct rn_device *dev);
/* Packets handed over since its birth; a super-packet counts as one. */
RN_PUBLIC uint64_t rn_forwarder_count(const struct rn_forwarder *forwarder);

enum rn_p2p_side { RN_P2P_A, RN_P2P_B, RN_P2P_SIDES };

/*
 * Address rewriting between the two ends of a point-to-point link: each end keeps its own address and sees the other under one
 * of its own choosing, so that two networks that both use 10.0.0.1 can be joined. Stateless, one to one, both families; headers,
 * transport checksums and the packets quoted by ICMP errors are rewritten alike.
 */
struct rn_renumber {
    struct rn_addr a_own;  /* A's address at home */
    struct rn_addr a_seen; /* A's address as B sees it; same family */
    struct rn_addr b_own;
    struct rn_addr b_seen; /* B's address as A sees it */
};

struct rn_p2p_opts {
    /* As of a forwarder. */
    void (*on_end_failed)(void *arg, struct rn_p2p *p2p, enum rn_p2p_side side,
                          struct rn_device *end);
    void *arg;
    const struct rn_renumber *renumber; /* NULL: addresses stay; copied */
    bool does_not_merge;
};

/* Both ways. Starts without ends. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_p2p_new(struct rn_p2p **ret, struct rn_turn *turn,
                                     const struct rn_p2p_opts *opts);
/* As rn_forwarder_free. */
RN_PUBLIC struct rn_p2p *rn_p2p_free(struct rn_p2p *p2p);
/* As rn_forwarder_set_from. */
RN_PUBLIC RN_MUST_USE int rn_p2p_set(struct rn_p2p *p2p, enum rn_p2p_side side,
                                     struct rn_device *dev);
/* Packets that left @side. */
RN_PUBLIC uint64_t rn_p2p_count(const struct rn_p2p *p2p, enum rn_p2p_side side);

/*
 * Many devices behind one. Packets of all members are read in turns; a packet that is written goes to one member, chosen by its
 * destination: the member that was heard with this address as its source, else that of the longest prefix, else the default.
 * MTU is the smallest of the members', and what a member lacks in offloads is made up for on the way to it.
 */
#define RN_MUX_MEMBERS_MAX  32u
#define RN_MUX_PREFIXES_MAX 64u

struct rn_mux_opts {
    uint32_t mtu; /* until there is a member, and at most; 0: 65535 */
    uint32_t
        learned_max; /* addresses remembered, the least recently heard forgotten first; 0: 1024 */
    bool does_not_learn; /* choose by prefix and default only */
    /* Optional: @member closed or broke and was taken out; it is the caller's again. Do not free the mux here. */
    void (*on_member_failed)(void *arg, struct rn_device *member);
    void *arg;
};

/* An RN_LINK_IP device. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_mux_new(struct rn_device **ret, struct rn_turn *turn,
                                     const struct rn_mux_opts *opts);
/* Borrows @member until it is removed, failed, or the mux freed; takes its events. Errors: EXISTS, LIMIT (too many),
 * BAD_OPTION (no RN_LINK_IP). */
RN_PUBLIC RN_MUST_USE int rn_mux_add(struct rn_device *mux, struct rn_device *member);
/* Drops what waits for it, forgets its addresses and prefixes. A no-op for a stranger. */
RN_PUBLIC void rn_mux_remove(struct rn_device *mux, struct rn_device *member);
/* Errors: NOT_FOUND (no member), LIMIT. The same prefix again moves it. */
RN_PUBLIC RN_MUST_USE int rn_mux_set_prefix(struct rn_device *mux, struct rn_prefix prefix,
                                            struct rn_device *member);
/* NULL: none, what fits no member is dropped (NO_ROUTE). Errors: NOT_FOUND. */
RN_PUBLIC RN_MUST_USE int rn_mux_set_default(struct rn_device *mux, struct rn_device *member);

/*
 * One device in front of many: every packet that it reads goes to one of up to sixteen fronts, chosen by a function of the caller;
 * what is written to any front leaves through it.
 */
#define RN_SPLIT_FRONTS_MAX 16u

struct rn_split;

struct rn_split_opts {
    /* Which front gets @pkt (const data only); any number without a front: dropped. NULL: the first front gets all. */
    unsigned (*route)(void *arg, const struct rn_pkt *pkt);
    void *arg;
    uint32_t
        queue_pkts; /* unread packets of one front; beyond it they are dropped (RX_QUEUE_FULL); 0: 1024 */
};

/* Consumes @below on success. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_split_new(struct rn_split **ret, struct rn_device *below,
                                       const struct rn_split_opts *opts);
/* Closes the fronts, which stay their owners', and frees the device below. Returns NULL. */
RN_PUBLIC struct rn_split *rn_split_free(struct rn_split *split);
/* A front with number @index. Returns owned; freeing it leaves the number free. Errors: NOMEM, EXISTS, BAD_OPTION (index). */
RN_PUBLIC RN_MUST_USE int rn_split_front(struct rn_device **ret, struct rn_split *split,
                                         unsigned index);

/*
 * A switch: Ethernet devices behind each other. It learns who lives at which port from what it hears, sends a frame there, and frames
 * for groups and for strangers everywhere. A NIC joins by one end of an Ethernet pipe. A port that is slow loses frames, counted;
 * the others do not wait.
 */
struct rn_bridge;

#define RN_BRIDGE_PORTS_MAX 32u

/* Zero is: 1024 stations, forgotten after 300 s of silence. */
struct rn_bridge_opts {
    uint32_t learned_max; /* stations remembered, the one heard least recently forgotten first */
    int64_t age_ns;
    /* Optional: @port closed or broke and was taken out; it is the caller's again. Do not free the bridge here. */
    void (*on_port_failed)(void *arg, struct rn_device *port);
    void *arg;
};

/* Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_bridge_new(struct rn_bridge **ret, struct rn_turn *turn,
                                        const struct rn_bridge_opts *opts);
/* Lets all ports go, which stay the caller's. Consumes @bridge (may be NULL). Returns NULL. */
RN_PUBLIC struct rn_bridge *rn_bridge_free(struct rn_bridge *bridge);
/* Borrows @port until it is removed, failed, or the bridge freed; takes its events. Errors: EXISTS, LIMIT, BAD_OPTION (no
 * Ethernet). */
RN_PUBLIC RN_MUST_USE int rn_bridge_add(struct rn_bridge *bridge, struct rn_device *port);
/* Drops what waits for it and forgets who lived there. A no-op for a stranger. */
RN_PUBLIC void rn_bridge_remove(struct rn_bridge *bridge, struct rn_device *port);
/* How many stations it remembers. */
RN_PUBLIC unsigned rn_bridge_stations(const struct rn_bridge *bridge);
