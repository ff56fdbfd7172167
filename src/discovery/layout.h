#pragma once
/*
 * Where things are on paper, 1600 units wide. The machine's own network, or a hub, stands on the left; all others stand in a grid
 * of rows and columns, grouped by engine and project. Between columns run gutters, above rows run corridors: wires live
 * there and nowhere else, texts live in boxes and nowhere else, so no wire can cross a text.
 *
 *     +------+ g0 corridor 0 ............      A wire leaves its row through the box's side into the gutter, goes up or
 *     | host |----+  [ns]   g1   [ns]          down on a track of its own, crosses the columns in the corridor above
 *     |      |    |  corridor 1 .........      the other end's row, and comes down that end's gutter.
 *     |      |    +--[ns]   +----[ns]
 */
#include "discovery/draw.h"

#define RN_LAYOUT_WIDTH       1600.0
#define RN_LAYOUT_FONT_MIN_PX 10.0

enum rn_ink {
    RN_INK_HOST,
    RN_INK_DOCKER,
    RN_INK_PODMAN,
    RN_INK_ENGINE, /* any other engine */
    RN_INK_NAMED,  /* made by hand, with a name below /run/netns */
    RN_INK_PROCESS,
    RN_INK_EMPTY,  /* nobody lives there */
    RN_INK_CLOSED, /* could not be read */
    RN_INK_N
};

enum rn_shape { RN_SHAPE_GROUP, RN_SHAPE_BOX, RN_SHAPE_HEAD, RN_SHAPE_BRIDGE, RN_SHAPE_PIN };

struct rn_layout_rect {
    double x, y, w, h;
    enum rn_shape shape;
    enum rn_ink ink;
    bool is_dashed;
};

enum rn_type {
    RN_TYPE_HEADLINE,
    RN_TYPE_GROUP,
    RN_TYPE_TITLE,
    RN_TYPE_SUB,
    RN_TYPE_NAME,
    RN_TYPE_TEXT,
    RN_TYPE_WARN,
    RN_TYPE_N
};

struct rn_layout_label {
    const char *text; /* raw, at most .columns are shown */
    double x, y;      /* left end of the base line */
    double w, h;      /* room it takes, from y - h + descent down */
    double font_px;
    size_t columns;
    enum rn_type type;
    enum rn_ink ink;
};

enum rn_wire { RN_WIRE_VETH, RN_WIRE_LOWER, RN_WIRE_TUNNEL };

#define RN_WIRE_POINTS 6u
struct rn_layout_wire {
    double x[RN_WIRE_POINTS], y[RN_WIRE_POINTS];
    unsigned n_points;
    enum rn_wire kind;
    enum rn_ink ink;
    const struct rn_map_link *from, *to;
};

struct rn_layout {
    struct rn_arena arena;
    double height;
    struct rn_layout_rect *rects; /* in drawing order */
    size_t n_rects;
    struct rn_layout_wire *wires;
    size_t n_wires;
    struct rn_layout_label *labels;
    size_t n_labels;
};

/* Errors: NOMEM. Free with rn_layout_free() in any case. */
RN_MUST_USE int rn_layout_make(struct rn_layout *ret, const struct rn_draw *draw);
void rn_layout_free(struct rn_layout *layout);

/* Of the labels' type, in units; every label is monospaced. */
double rn_layout_font_px(enum rn_type type);
double rn_layout_text_w(enum rn_type type, size_t columns);
