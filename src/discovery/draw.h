#pragma once
/* Ways to show the picture. All are pure functions of a sorted model, and none trusts a text in it. */
#include "discovery/escape.h"
#include "discovery/select.h"

struct rn_path;

struct rn_draw {
    const struct rn_map *map; /* sorted (borrows) */
    struct rn_select select;
    unsigned width; /* columns of a line, at least 20; 0: lines are never cut */
    enum rn_charset charset;
    bool has_color;
    bool is_verbose;     /* every route, rule, neighbour and socket */
    bool is_pretty;      /* JSON over several lines */
    const char *version; /* of the program, for documents that name their maker; NULL: unknown */
    const char *(*service_name)(uint16_t port,
                                const char *proto); /* NULL: services have no names */
};

/* What could not be read is in each of them. */
void rn_draw_tree(const struct rn_draw *draw, struct rn_out *out);
void rn_draw_json(const struct rn_draw *draw, struct rn_out *out);     /* runnel.map/1 */
void rn_draw_gostwire(const struct rn_draw *draw, struct rn_out *out); /* as Gostwire's GET /json */
void rn_draw_dot(const struct rn_draw *draw, struct rn_out *out);
void rn_draw_svg(const struct rn_draw *draw, struct rn_out *out);
/* Everything about one interface: "eth0" of the present namespace, or "eth0@web". Errors: NOT_FOUND. */
int rn_draw_link(const struct rn_draw *draw, const char *name, struct rn_out *out);
void rn_draw_path(const struct rn_draw *draw, const struct rn_path *path, struct rn_out *out);
void rn_draw_path_json(const struct rn_draw *draw, const struct rn_path *path,
                       struct rn_out *out); /* runnel.path/1 */
