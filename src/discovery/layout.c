#include "discovery/layout_grid.h"

#include <string.h>

#define MARGIN       24.0
#define HEADER_H     52.0
#define ROW_H        16.0
#define HEAD_H       36.0 /* title and sub of a box */
#define BOX_PAD      7.0
#define GROUP_HEAD_H 22.0
#define GROUP_PAD    8.0
#define LINE_GAP     14.0
#define GUTTER_PAD   14.0
#define CORRIDOR_PAD 8.0
#define TRACK        6.0 /* between wires, where there is room */
#define ROW_CLEAR    3.0
#define HOST_W       430.0
#define CARD_W_MIN   236.0
#define CARD_W_MAX   560.0
#define INDENT       13.0
#define CHAR_W       0.605 /* of the font size; what the fonts named in the drawing have at most */

double rn_layout_font_px(enum rn_type type)
{
    static const double px[RN_TYPE_N] = {
        [RN_TYPE_HEADLINE] = 18, [RN_TYPE_GROUP] = 11.5, [RN_TYPE_TITLE] = 13, [RN_TYPE_SUB] = 10,
        [RN_TYPE_NAME] = 11.5,   [RN_TYPE_TEXT] = 11,    [RN_TYPE_WARN] = 11,
    };

    return px[type];
}

double rn_layout_text_w(enum rn_type type, size_t columns)
{
    return (double)columns * rn_layout_font_px(type) * CHAR_W;
}

/* ---- the grid: which box stands where ---- */

static unsigned n_cols_for(size_t n_cards, bool has_host)
{
    unsigned extra = has_host ? 0 : 1;

    if (n_cards <= 2)
        return 1 + extra;
    if (n_cards <= 8)
        return 2 + extra;
    return (n_cards <= 20 ? 3 : 4) + extra;
}

static void place_block(struct rn_lay_grid *g, struct rn_lay_block *block, unsigned line,
                        unsigned col)
{
    block->line = line;
    block->col = col;
    block->n_cols = block->n_boxes < g->n_cols ? (unsigned)block->n_boxes : g->n_cols;
    if (block->n_cols == 0) /* without memory it has no boxes */
        block->n_cols = 1;
    block->n_lines = (unsigned)((block->n_boxes + block->n_cols - 1) / block->n_cols);
    for (size_t i = 0; i < block->n_boxes; i++) {
        struct rn_lay_box *box = &g->lay.boxes[block->first_box + i];

        box->line = line + (unsigned)(i / block->n_cols);
        box->col = col + (unsigned)(i % block->n_cols);
    }
}

/* Shelves: blocks stand side by side while they fit, big ones on shelves of their own. */
static void place_blocks(struct rn_lay_grid *g)
{
    unsigned line = 0;
    unsigned col = 0;

    g->n_cols = n_cols_for(g->lay.n_boxes - g->lay.has_host, g->lay.has_host);
    for (size_t i = 0; i < g->lay.n_blocks; i++) {
        struct rn_lay_block *block = &g->lay.blocks[i];

        if (col != 0 && col + block->n_boxes > g->n_cols) {
            line++;
            col = 0;
        }
        place_block(g, block, line, col);
        col += block->n_cols;
        line += block->n_lines - 1;
        if (block->n_lines > 1)
            col = g->n_cols;
    }
    g->n_lines = g->lay.n_blocks != 0 ? line + 1 : 0;
}

static bool has_memory(struct rn_lay_grid *g)
{
    size_t n = (size_t)g->n_lines + 1;

    g->line_h = rn_lay_new(g, n * sizeof(double));
    g->line_y = rn_lay_new(g, n * sizeof(double));
    g->corridor_y = rn_lay_new(g, n * sizeof(double));
    g->corridor_track_y = rn_lay_new(g, n * sizeof(double *));
    g->corridor_tracks = rn_lay_new(g, n * sizeof(unsigned));
    g->opens_block = rn_lay_new(g, n * sizeof(bool));
    g->closes_block = rn_lay_new(g, n * sizeof(bool));
    return !g->lay.out->arena.is_full && g->closes_block != NULL && g->line_h != NULL;
}

static void measure_boxes(struct rn_lay_grid *g)
{
    for (size_t i = 0; i < g->lay.n_boxes; i++) {
        struct rn_lay_box *box = &g->lay.boxes[i];

        box->h = HEAD_H + (double)box->n_rows * ROW_H + (box->n_rows != 0 ? 2 * BOX_PAD : BOX_PAD);
        if (i == 0 && g->lay.has_host)
            continue;
        if (box->h > g->line_h[box->line])
            g->line_h[box->line] = box->h;
    }
    for (size_t i = 0; i < g->lay.n_blocks; i++) {
        const struct rn_lay_block *block = &g->lay.blocks[i];

        g->opens_block[block->line] = true;
        g->closes_block[block->line + block->n_lines - 1] = true;
    }
}

/* ---- places ---- */

static void place_rows(struct rn_lay_box *box)
{
    for (size_t i = 0; i < box->n_rows; i++)
        box->rows[i].y = box->y + HEAD_H + BOX_PAD + ((double)i + 0.5) * ROW_H;
}

/* Rows of the host's box lie at this height modulo ROW_H, rows of all others half a row beside: so the stubs of wires
 * that leave a gutter's two sides never lie on each other. */
static double phase(double y)
{
    double host = MARGIN + HEADER_H + HEAD_H + BOX_PAD + ROW_H / 2;

    while (y < host)
        y += ROW_H;
    while (y >= host + ROW_H)
        y -= ROW_H;
    return y - host;
}

/* Tracks keep clear of the host's rows for the same reason. Returns where the corridor ends. */
static double place_corridor(struct rn_lay_grid *g, unsigned line, double y)
{
    unsigned n = g->corridor_tracks[line];

    g->corridor_track_y[line] = rn_lay_new(g, (n + 1) * sizeof(double));
    if (n == 0 || g->corridor_track_y[line] == NULL)
        return y;
    y += CORRIDOR_PAD / 2;
    for (unsigned i = 0; i < n; i++) {
        double at = phase(y);

        if (at < ROW_CLEAR)
            y += ROW_CLEAR - at;
        else if (at > ROW_H - ROW_CLEAR)
            y += ROW_H - at + ROW_CLEAR;
        g->corridor_track_y[line][i] = y;
        y += TRACK;
    }
    return y + CORRIDOR_PAD / 2;
}

static double place_line(double y)
{
    double row = phase(y + HEAD_H + BOX_PAD + ROW_H / 2);

    return y + (row <= ROW_H / 2 ? ROW_H / 2 - row : ROW_H * 1.5 - row);
}

static void place_vertically(struct rn_lay_grid *g)
{
    double y = MARGIN + HEADER_H;
    double host_bottom = y;

    for (unsigned i = 0; i < g->n_lines; i++) {
        y = place_corridor(g, i, y);
        g->line_y[i] = place_line(y + (g->opens_block[i] ? GROUP_HEAD_H : 0));
        y = g->line_y[i] + g->line_h[i] + (g->closes_block[i] ? GROUP_PAD : 0) + LINE_GAP;
    }
    for (size_t i = 0; i < g->lay.n_boxes; i++) {
        struct rn_lay_box *box = &g->lay.boxes[i];
        bool is_host = i == 0 && g->lay.has_host;

        box->y = is_host ? MARGIN + HEADER_H : g->line_y[box->line];
        place_rows(box);
        if (is_host)
            host_bottom = box->y + box->h + LINE_GAP;
    }
    g->bottom = y > host_bottom ? y : host_bottom;
}

/* Wires move closer together before boxes become too narrow to read; very many become a ribbon. */
static void size_columns(struct rn_lay_grid *g)
{
    double room =
        RN_LAYOUT_WIDTH - 2 * MARGIN - (g->lay.has_host ? HOST_W : 0) - g->n_cols * 2 * GUTTER_PAD;
    double most = room - g->n_cols * CARD_W_MIN; /* what wires may take together */
    unsigned tracks = 0;

    for (unsigned i = 0; i < g->n_cols; i++)
        tracks += g->gutter_tracks[i];
    g->track = tracks * TRACK > most ? most / tracks : TRACK;
    g->card_w = (room - tracks * g->track) / g->n_cols;
    if (g->card_w > CARD_W_MAX)
        g->card_w = CARD_W_MAX;
}

static void place_horizontally(struct rn_lay_grid *g)
{
    double x = MARGIN + (g->lay.has_host ? HOST_W : 0);

    size_columns(g);
    for (unsigned i = 0; i < g->n_cols; i++) {
        g->gutter_x[i] = x + GUTTER_PAD;
        g->gutter_w[i] = g->gutter_tracks[i] * g->track;
        if (i == 0 && !g->lay.has_host && g->gutter_tracks[0] == 0)
            g->gutter_x[i] = x - GUTTER_PAD + GROUP_PAD; /* nothing runs left of the first column */
        x = g->gutter_x[i] + g->gutter_w[i] + GUTTER_PAD;
        g->col_x[i] = x;
        x += g->card_w;
    }
    for (size_t i = 0; i < g->lay.n_boxes; i++) {
        struct rn_lay_box *box = &g->lay.boxes[i];
        bool is_host = i == 0 && g->lay.has_host;

        box->x = is_host ? MARGIN : g->col_x[box->col];
        box->w = is_host ? HOST_W : g->card_w;
    }
}

/* ---- what is drawn ---- */

static void put_rect(struct rn_lay_grid *g, struct rn_layout_rect rect)
{
    struct rn_layout *out = g->lay.out;
    struct rn_layout_rect *grown =
        rn_arena_room(&out->arena, out->rects, out->n_rects, sizeof(*grown));

    if (grown == NULL)
        return;
    out->rects = grown;
    grown[out->n_rects++] = rect;
}

/* At most @room wide; returns how wide it is. */
static double put_label(struct rn_lay_grid *g, struct rn_layout_label label, double room)
{
    struct rn_layout *out = g->lay.out;
    struct rn_layout_label *grown;
    double char_w = rn_layout_text_w(label.type, 1);
    size_t columns = rn_text_columns(label.text, RN_CHARSET_UTF8);

    label.columns = room > 0 ? (size_t)(room / char_w) : 0;
    if (columns < label.columns)
        label.columns = columns;
    if (label.columns == 0)
        return 0;
    label.font_px = rn_layout_font_px(label.type);
    label.w = (double)label.columns * char_w;
    label.h = label.font_px * 1.25;
    grown = rn_arena_room(&out->arena, out->labels, out->n_labels, sizeof(*grown));
    if (grown == NULL)
        return 0;
    out->labels = grown;
    grown[out->n_labels++] = label;
    return label.w;
}

static void draw_groups(struct rn_lay_grid *g)
{
    for (size_t i = 0; i < g->lay.n_blocks; i++) {
        const struct rn_lay_block *b = &g->lay.blocks[i];
        unsigned last = b->line + b->n_lines - 1;
        double x = g->col_x[b->col] - GROUP_PAD;
        double y = g->line_y[b->line] - GROUP_HEAD_H + 2;

        put_rect(g, (struct rn_layout_rect){ .x = x,
                                             .y = y,
                                             .w = g->col_x[b->col + b->n_cols - 1] + g->card_w +
                                                  GROUP_PAD - x,
                                             .h = g->line_y[last] + g->line_h[last] + GROUP_PAD - y,
                                             .shape = RN_SHAPE_GROUP,
                                             .ink = b->ink });
        (void)put_label(g,
                        (struct rn_layout_label){ .text = b->group,
                                                  .x = x + GROUP_PAD,
                                                  .y = y + 14,
                                                  .type = RN_TYPE_GROUP,
                                                  .ink = b->ink },
                        g->card_w);
    }
}

static void draw_row(struct rn_lay_grid *g, const struct rn_lay_box *box,
                     const struct rn_lay_row *row, double pin_x)
{
    double x = box->x + 12 + row->indent * INDENT;
    double room = box->x + box->w - 10 - x;
    bool is_long =
        row->detail[0] != '\0' &&
        rn_layout_text_w(RN_TYPE_NAME, rn_text_columns(row->name, RN_CHARSET_UTF8)) > room * 0.6;
    double w;

    if (row->opens_bridge)
        put_rect(g, (struct rn_layout_rect){ .x = x - 6,
                                             .y = row->y - ROW_H / 2 + 1.5,
                                             .w = box->x + box->w - 6 - row->indent * 4.0 - (x - 6),
                                             .h = (double)(row->n_inside + 1) * ROW_H - 3,
                                             .shape = RN_SHAPE_BRIDGE,
                                             .ink = box->ink });
    w = put_label(
        g,
        (struct rn_layout_label){
            .text = row->name, .x = x, .y = row->y + 4, .type = RN_TYPE_NAME, .ink = box->ink },
        is_long ? room * 0.6 : room);
    x += w + (w > 0 ? 9 : 0);
    (void)put_label(g,
                    (struct rn_layout_label){ .text = row->detail,
                                              .x = x,
                                              .y = row->y + 4,
                                              .type = row->is_warning ? RN_TYPE_WARN : RN_TYPE_TEXT,
                                              .ink = box->ink },
                    box->x + box->w - 10 - x);
    if (row->has_wire)
        put_rect(g, (struct rn_layout_rect){ .x = pin_x - 3,
                                             .y = row->y - 3,
                                             .w = 6,
                                             .h = 6,
                                             .shape = RN_SHAPE_PIN,
                                             .ink = box->ink });
}

static void draw_box(struct rn_lay_grid *g, const struct rn_lay_box *box, bool is_host)
{
    struct rn_layout_rect rect = {
        .x = box->x, .y = box->y, .w = box->w, .h = box->h, .shape = RN_SHAPE_BOX, .ink = box->ink
    };

    rect.is_dashed = box->ink == RN_INK_CLOSED;
    put_rect(g, rect);
    rect.h = HEAD_H;
    rect.shape = RN_SHAPE_HEAD;
    put_rect(g, rect);
    (void)put_label(g,
                    (struct rn_layout_label){ .text = box->title,
                                              .x = box->x + 10,
                                              .y = box->y + 16,
                                              .type = RN_TYPE_TITLE,
                                              .ink = box->ink },
                    box->w - 20);
    (void)put_label(g,
                    (struct rn_layout_label){ .text = box->sub,
                                              .x = box->x + 10,
                                              .y = box->y + 30,
                                              .type = RN_TYPE_SUB,
                                              .ink = box->ink },
                    box->w - 20);
    for (size_t i = 0; i < box->n_rows; i++)
        draw_row(g, box, &box->rows[i], is_host ? box->x + box->w : box->x);
}

static double pin_x(const struct rn_lay_grid *g, const struct rn_lay_end *e)
{
    return rn_lay_is_host_end(g, e) ? e->box->x + e->box->w : e->box->x;
}

/* The host's end has its colour from the other one: that is whom the wire serves. */
static enum rn_ink wire_ink(const struct rn_lay_route *r)
{
    return r->end[1].box->ink;
}

static void draw_wire(struct rn_lay_grid *g, const struct rn_lay_route *r)
{
    struct rn_layout *out = g->lay.out;
    struct rn_layout_wire *grown =
        rn_arena_room(&out->arena, out->wires, out->n_wires, sizeof(*grown));
    double x0 = g->gutter_x[r->end[0].gutter] + (r->track[0] + 0.5) * g->track;
    double x1 = g->gutter_x[r->end[1].gutter] + (r->track[2] + 0.5) * g->track;
    double y0 = r->end[0].row->y;
    double y1 = r->end[1].row->y;

    if (grown == NULL)
        return;
    out->wires = grown;
    grown += out->n_wires++;
    *grown = (struct rn_layout_wire){
        .kind = r->kind, .ink = wire_ink(r), .from = r->link[0], .to = r->link[1]
    };
    if (r->is_across) {
        double y = rn_lay_corridor_y(g, r);
        const double xs[] = { pin_x(g, &r->end[0]), x0, x0, x1, x1, pin_x(g, &r->end[1]) };
        const double ys[] = { y0, y0, y, y, y1, y1 };

        memcpy(grown->x, xs, sizeof(xs));
        memcpy(grown->y, ys, sizeof(ys));
        grown->n_points = 6;
    } else {
        const double xs[] = { pin_x(g, &r->end[0]), x0, x0, pin_x(g, &r->end[1]) };
        const double ys[] = { y0, y0, y1, y1 };

        memcpy(grown->x, xs, sizeof(xs));
        memcpy(grown->y, ys, sizeof(ys));
        grown->n_points = 4;
    }
}

/* ---- around it: headline, what could not be read, legend ---- */

static void draw_headline(struct rn_lay_grid *g)
{
    const struct rn_map *map = g->lay.draw->map;
    char buf[256];

    (void)snprintf(buf, sizeof(buf), "%s   %zu networks",
                   map->host.hostname[0] != '\0' ? map->host.hostname : "this machine",
                   map->n_netns);
    (void)put_label(g,
                    (struct rn_layout_label){ .text = rn_arena_strdup(&g->lay.out->arena, buf),
                                              .x = MARGIN,
                                              .y = MARGIN + 16,
                                              .type = RN_TYPE_HEADLINE },
                    RN_LAYOUT_WIDTH - 2 * MARGIN);
    (void)snprintf(buf, sizeof(buf), "%s %s%sLinux %s", map->host.os_name, map->host.os_version,
                   map->host.os_name[0] != '\0' ? " · " : "", map->host.kernel);
    (void)put_label(g,
                    (struct rn_layout_label){ .text = rn_arena_strdup(&g->lay.out->arena, buf),
                                              .x = MARGIN,
                                              .y = MARGIN + 34,
                                              .type = RN_TYPE_TEXT },
                    RN_LAYOUT_WIDTH - 2 * MARGIN);
}

static void draw_unreadable(struct rn_lay_grid *g)
{
    const struct rn_map *map = g->lay.draw->map;

    for (size_t i = 0; i < map->n_unreadable; i++) {
        const struct rn_map_unreadable *u = &map->unreadable[i];
        char buf[512];

        if (u->netns != NULL)
            continue;
        (void)snprintf(buf, sizeof(buf), "cannot read %s %s: %s%s%s", u->what, u->id, u->why,
                       u->needs[0] != '\0' ? ", needs " : "", u->needs);
        g->bottom += 16;
        (void)put_label(g,
                        (struct rn_layout_label){ .text = rn_arena_strdup(&g->lay.out->arena, buf),
                                                  .x = MARGIN,
                                                  .y = g->bottom,
                                                  .type = RN_TYPE_WARN },
                        RN_LAYOUT_WIDTH - 2 * MARGIN);
    }
}

static bool is_used(const struct rn_lay_grid *g, enum rn_ink ink)
{
    for (size_t i = 0; i < g->lay.n_boxes; i++) {
        if (g->lay.boxes[i].ink == ink)
            return true;
    }
    return false;
}

static void draw_legend(struct rn_lay_grid *g)
{
    static const char *const names[RN_INK_N] = {
        [RN_INK_HOST] = "this machine",
        [RN_INK_DOCKER] = "docker",
        [RN_INK_PODMAN] = "podman",
        [RN_INK_ENGINE] = "another engine",
        [RN_INK_NAMED] = "named by hand",
        [RN_INK_PROCESS] = "of processes",
        [RN_INK_EMPTY] = "nobody lives there",
        [RN_INK_CLOSED] = "could not be read",
    };
    double x = MARGIN;

    g->bottom += 22;
    for (unsigned i = 0; i < RN_INK_N; i++) {
        if (!is_used(g, (enum rn_ink)i))
            continue;
        put_rect(g, (struct rn_layout_rect){ .x = x,
                                             .y = g->bottom - 9,
                                             .w = 14,
                                             .h = 11,
                                             .shape = RN_SHAPE_HEAD,
                                             .ink = (enum rn_ink)i });
        x += 20;
        x += put_label(g,
                       (struct rn_layout_label){ .text = names[i],
                                                 .x = x,
                                                 .y = g->bottom,
                                                 .type = RN_TYPE_TEXT,
                                                 .ink = (enum rn_ink)i },
                       200) +
             24;
    }
    (void)put_label(g,
                    (struct rn_layout_label){
                        .text = "wires: solid veth, dashed macvlan and the like, dotted tunnels",
                        .x = x + 12,
                        .y = g->bottom,
                        .type = RN_TYPE_SUB },
                    RN_LAYOUT_WIDTH - MARGIN - x - 12);
    g->lay.out->height = g->bottom + MARGIN;
}

static void draw_everything(struct rn_lay_grid *g)
{
    draw_headline(g);
    draw_groups(g);
    for (size_t i = 0; i < g->lay.n_boxes; i++)
        draw_box(g, &g->lay.boxes[i], i == 0 && g->lay.has_host);
    for (size_t i = 0; i < g->n_routes; i++)
        draw_wire(g, &g->routes[i]);
    draw_unreadable(g);
    draw_legend(g);
}

int rn_layout_make(struct rn_layout *ret, const struct rn_draw *draw)
{
    struct rn_lay_grid g = { .lay = { .draw = draw, .out = ret } };

    *ret = (struct rn_layout){ 0 };
    rn_lay_boxes(&g.lay);
    place_blocks(&g);
    if (!has_memory(&g))
        return RN_E_NOMEM;
    measure_boxes(&g);
    rn_lay_find_wires(&g);
    rn_lay_run_corridors(&g);
    place_vertically(&g);
    rn_lay_run_gutters(&g);
    place_horizontally(&g);
    draw_everything(&g);
    return ret->arena.is_full ? RN_E_NOMEM : RN_OK;
}

void rn_layout_free(struct rn_layout *layout)
{
    rn_arena_free(&layout->arena);
    *layout = (struct rn_layout){ 0 };
}
