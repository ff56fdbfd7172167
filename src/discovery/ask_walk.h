#pragma once
/* Inside of ask_path.c and its helpers: a packet on its way. What returns a bool says whether it goes on. */
#include "discovery/ask_filter.h"
#include "discovery/ask_path.h"
#include "discovery/ask_wire.h"

#define RN_WALK_LINE_BYTES 640u

struct rn_walk {
    const struct rn_map *map;
    struct rn_path *path;
    struct rn_map_netns *ns;
    struct rn_map_link *iif;          /* NULL: it starts here */
    const struct rn_map_link *sender; /* of the frame that came in through it */
    const struct rn_map_link *oif;    /* only where it starts */
    struct rn_addr to;
    struct rn_addr from;     /* none until a route chose it */
    struct rn_addr first_to; /* as it came into this network, or was sent */
    uint16_t port, first_port;
    uint8_t ip_proto;
    struct rn_filter_marks marks;
    unsigned n_nats;
    unsigned depth;    /* tunnels it is within */
    bool is_rewritten; /* its destination, in this network */
    bool asks_filters;
};

void rn_walk_line(struct rn_walk *w, enum rn_path_step step, const char *text);
/* Returns false: so ends every way. */
bool rn_walk_end(struct rn_walk *w, const char *why);
bool rn_walk_end_with(struct rn_walk *w, const char *before, const char *name, const char *after);
/* From where it is, until it ends. */
void rn_walk_all_hops(struct rn_walk *w);
bool rn_walk_fwd_fits(const struct rn_walk *w, const struct rn_map_fwd *fwd);

/* ---- filters on the way: true as well where nobody asks for them ---- */

bool rn_walk_pass_in(struct rn_walk *w, bool is_before_nat);
bool rn_walk_pass_to_local(struct rn_walk *w);
bool rn_walk_pass_away(struct rn_walk *w, const struct rn_map_link *oif);
bool rn_walk_pass_wire(struct rn_walk *w, const struct rn_wire_trail *trail,
                       struct rn_addr next_hop);
/* Which marks it still bears behind a cable, which may have led out of the network. */
void rn_walk_forget_marks(struct rn_walk *w, bool leaves);
