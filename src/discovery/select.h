#pragma once
/* Which part of the picture is asked for; zero selects everything. */
#include "discovery/model.h"

struct rn_select {
    const char *netns;     /* as rn_select_find() takes it; NULL any */
    const char *container; /* name, start of the id, project or pod; NULL any */
    const char *kind;      /* of an interface; NULL any */
    uint16_t port;         /* open, connected or forwarded; 0 any */
    uint8_t ip_proto;      /* of .port; 0 any */
};

bool rn_select_netns(const struct rn_select *sel, const struct rn_map *map,
                     const struct rn_map_netns *ns);
bool rn_select_link(const struct rn_select *sel, const struct rn_map_link *link);
bool rn_select_sock(const struct rn_select *sel, const struct rn_map_sock *s);
bool rn_select_fwd(const struct rn_select *sel, const struct rn_map_fwd *fwd);

/* The namespace a user means by "self", "host", an inode, "net:[INODE]", a pid, a path, a name below /run/netns, a
 * container's name or start of its id, or a title as drawn. NULL: none; @ret_n (may be NULL) tells how many fit, and of
 * several none is taken. */
struct rn_map_netns *rn_select_find(const struct rn_map *map, const char *text, size_t *ret_n);
/* "eth0" of the present namespace, or "eth0@web". NULL: none. */
struct rn_map_link *rn_select_find_link(const struct rn_map *map, const char *text);
