#pragma once
/* The grid of a layout and the wires in it, while they are being placed. */
#include "discovery/layout_box.h"

#define RN_LAY_COLS_MAX 5u

struct rn_lay_end {
    struct rn_lay_box *box;
    struct rn_lay_row *row;
    unsigned gutter;
};

struct rn_lay_route {
    const struct rn_map_link *link[2];
    struct rn_lay_end end[2];
    enum rn_wire kind;
    bool is_across; /* the gutters differ */
    unsigned corridor;
    unsigned track[3];
};

struct rn_lay_grid {
    struct rn_lay lay;
    struct rn_lay_route *routes;
    size_t n_routes;
    unsigned n_cols, n_lines;
    double *line_h, *line_y, *corridor_y; /* per line */
    double **corridor_track_y;            /* per line and track */
    unsigned *corridor_tracks;
    bool *opens_block; /* a block starts on this line */
    bool *closes_block;
    unsigned gutter_tracks[RN_LAY_COLS_MAX];
    double gutter_x[RN_LAY_COLS_MAX], gutter_w[RN_LAY_COLS_MAX], col_x[RN_LAY_COLS_MAX];
    double card_w, track;
    double bottom;
};

/* Zeroed, in the layout's arena; NULL when it is full. */
static inline void *rn_lay_new(struct rn_lay_grid *g, size_t bytes)
{
    return rn_arena_new(&g->lay.out->arena, bytes);
}

/* Every cable between two rows on the paper; rows of the machine's own box are put in the order of what they lead to. */
void rn_lay_find_wires(struct rn_lay_grid *g);
/* Tracks across columns; needs columns and lines of boxes. */
void rn_lay_run_corridors(struct rn_lay_grid *g);
/* Tracks up and down; needs the heights of rows and corridors. */
void rn_lay_run_gutters(struct rn_lay_grid *g);
bool rn_lay_is_host_end(const struct rn_lay_grid *g, const struct rn_lay_end *e);
double rn_lay_corridor_y(const struct rn_lay_grid *g, const struct rn_lay_route *r);
