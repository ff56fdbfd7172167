#pragma once
/* The boxes of a layout before they have a place: which namespaces, in which groups, with which rows. */
#include "discovery/layout.h"

#include "discovery/name.h"

struct rn_lay_row {
    const struct rn_map_link *link; /* NULL: a note, or a collapsed namespace */
    const struct rn_map_netns *ns;  /* of a collapsed one: all its wires end here */
    const char *name;               /* "" for notes */
    const char *detail;
    unsigned indent;
    bool opens_bridge; /* the next .n_inside rows are its ports */
    size_t n_inside;
    bool has_wire;
    bool is_warning;
    size_t rank; /* among its neighbours: by what its wire leads to */
    double y;    /* middle */
};

struct rn_lay_box {
    const struct rn_map_netns *ns; /* the first one of a collapsed group */
    const char *group;
    const char *title;
    const char *sub;
    enum rn_ink ink;
    struct rn_lay_row *rows;
    size_t n_rows;
    size_t n_members;   /* of a collapsed group; 0: a namespace of its own */
    unsigned col, line; /* in the grid; the host has none */
    double x, y, w, h;
};

/* Boxes that stand side by side because they belong together. */
struct rn_lay_block {
    const char *group;
    enum rn_ink ink;
    size_t first_box;
    size_t n_boxes;
    unsigned col, line, n_cols, n_lines;
};

struct rn_lay {
    const struct rn_draw *draw;
    struct rn_layout *out;
    struct rn_lay_box *boxes; /* [0] stands on the left if has_host */
    size_t n_boxes;
    struct rn_lay_block *blocks;
    size_t n_blocks;
    bool has_host;
};

/* Boxes with their rows, and blocks; without places. */
void rn_lay_boxes(struct rn_lay *lay);
/* The row where wires to @link end; NULL if it is not on the paper. @ret_box: whose. */
struct rn_lay_row *rn_lay_find_row(struct rn_lay *lay, const struct rn_map_link *link,
                                   struct rn_lay_box **ret_box);
