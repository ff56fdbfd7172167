#pragma once
/*
 * `runnel map path`: which way a packet takes from a network of this machine, hop by hop, each with its reason. What is
 * not known ends the way with "cannot tell": nothing is guessed. Filters, also those of bridges and devices, are asked
 * where the scan has read them and a port tells what kind of packet is meant; never the way back, and rp_filter.
 */
#include "discovery/model.h"

#define RN_PATH_HOPS_MAX 32u

struct rn_path_query {
    struct rn_map_netns *from;
    const struct rn_map_link *oif; /* bound to this interface; NULL: not */
    struct rn_addr to;
    uint16_t port;    /* 0: none */
    uint8_t ip_proto; /* of .port: 6, 17 */
    bool asks_filters;
};

enum rn_path_step { RN_PATH_NAT, RN_PATH_ROUTE, RN_PATH_WIRE, RN_PATH_LOCAL, RN_PATH_FILTER };

struct rn_path_line {
    const struct rn_map_netns *netns; /* where it happens */
    enum rn_path_step step;
    const char *text; /* raw */
};

struct rn_path {
    bool has_asked_filters;
    struct rn_arena arena;
    struct rn_path_line *lines;
    size_t n_lines;
    bool is_reached;
    const char *why;            /* it ended */
    struct rn_map_netns *netns; /* where it ended */
    struct rn_map_link *link;   /* that has the address; NULL if it was not reached */
    struct rn_map_process
        *process; /* who takes it there; NULL: nobody known, or no port was asked for */
};

/* Errors: NOMEM. Free with rn_path_free() in any case. */
RN_MUST_USE int rn_path_find(struct rn_path *ret, const struct rn_map *map,
                             const struct rn_path_query *query);
void rn_path_free(struct rn_path *path);
/* "10.0.0.1", "10.0.0.1:80", "[::1]:53/udp", "web", "db:5432": names stand for their first address. @from is as
 * rn_select_find() takes it, or "eth0@web", or NULL for here. Errors: PARSE, NOT_FOUND; @ret_what names the culprit. */
RN_MUST_USE int rn_path_parse(const struct rn_map *map, const char *const from_to[2],
                              struct rn_path_query *ret, const char **ret_what);
