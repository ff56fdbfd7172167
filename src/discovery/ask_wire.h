#pragma once
/*
 * Layer 2: where a frame goes that leaves through a link. Cables, bridges, bonds, VLANs, macvlans and vxlans are followed
 * as the kernel forwards frames: a macvlan hears its siblings and the wire, never the link it stands on.
 */
#include "discovery/model.h"

struct rn_wire_step {
    struct rn_map_link *link;
    bool is_out;    /* it goes out of the link, or else it comes in */
    bool is_tagged; /* with a VLAN */
};

struct rn_wire_trail {
    struct rn_wire_step *steps; /* from the link it left through to the one that takes it */
    size_t n;
    struct rn_map_link *
        answers; /* has the address, or is the way into the namespace that has; NULL: nobody known */
    bool
        is_elsewhere; /* the address is on another link of that namespace: it answers all the same */
    struct rn_map_link *
        exit; /* with nobody found: where frames leave what is known: hardware, a tunnel, a process */
    bool is_cut; /* too many links to follow */
};

/* @arena holds the trail. */
/* Whether frames that @vxlan sends into its tunnel arrive at @other, another vxlan of this machine. */
bool rn_wire_reaches(const struct rn_map_link *vxlan, const struct rn_map_link *other);
struct rn_wire_trail rn_wire_follow(struct rn_arena *arena, const struct rn_map *map,
                                    struct rn_map_link *out, struct rn_addr next_hop);
