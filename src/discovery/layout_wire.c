#include "discovery/layout_grid.h"

#include "discovery/ask_wire.h"

#include <stdlib.h>
#include <string.h>

#define STAIRS_MAX 56u /* wires side by side, before they begin to cross */

/* One stretch of a wire in a gutter or corridor. */
struct stretch {
    size_t wire;
    unsigned part; /* 0: at its start, 1: across, 2: at its end */
    unsigned lane; /* which gutter or corridor */
    bool goes_up;
    double
        order; /* within the lane; tracks are given in this order, from the left or from the top */
    double from, to;
    unsigned track;
};

/* ---- wires: from which row to which ---- */

static struct rn_lay_end end_of(struct rn_lay_grid *g, const struct rn_map_link *link)
{
    struct rn_lay_end e = { 0 };

    e.row = rn_lay_find_row(&g->lay, link, &e.box);
    if (e.row != NULL)
        e.gutter = g->lay.has_host && e.box == &g->lay.boxes[0] ? 0 : e.box->col;
    return e;
}

bool rn_lay_is_host_end(const struct rn_lay_grid *g, const struct rn_lay_end *e)
{
    return g->lay.has_host && e->box == &g->lay.boxes[0];
}

static void add_route(struct rn_lay_grid *g, const struct rn_map_link *a,
                      const struct rn_map_link *b, enum rn_wire kind)
{
    struct rn_lay_route r = { .link = { a, b },
                              .end = { end_of(g, a), end_of(g, b) },
                              .kind = kind };
    struct rn_lay_route *grown;

    if (r.end[0].row == NULL || r.end[1].row == NULL || r.end[0].row == r.end[1].row)
        return;
    if (rn_lay_is_host_end(g, &r.end[1]) ||
        (!rn_lay_is_host_end(g, &r.end[0]) && r.end[1].gutter < r.end[0].gutter)) {
        r = (struct rn_lay_route){ .link = { b, a }, .end = { r.end[1], r.end[0] }, .kind = kind };
    }
    r.is_across = r.end[0].gutter != r.end[1].gutter;
    r.corridor = r.end[1].box->line;
    r.end[0].row->has_wire = true;
    r.end[1].row->has_wire = true;
    grown = rn_arena_room(&g->lay.out->arena, g->routes, g->n_routes, sizeof(*grown));
    if (grown == NULL)
        return;
    g->routes = grown;
    grown[g->n_routes++] = r;
}

/* Each pair once: from the end that comes first in the picture's order. */
static void add_link_routes(struct rn_lay_grid *g, const struct rn_map_link *link,
                            const struct rn_map_netns *ns, const struct rn_map_netns *first_of_pair)
{
    bool is_tunnel =
        link->kind == RN_KIND_VXLAN || link->kind == RN_KIND_GENEVE || link->kind == RN_KIND_TUNNEL;

    if (link->peer != NULL &&
        (link->peer->netns != ns ? first_of_pair == ns : link->index < link->peer->index))
        add_route(g, link, link->peer, RN_WIRE_VETH);
    if (link->lower != NULL && link->lower->netns != ns)
        add_route(g, link, link->lower, is_tunnel ? RN_WIRE_TUNNEL : RN_WIRE_LOWER);
}

/* Tunnels between networks of this machine, from either end. */
static void add_tunnels(struct rn_lay_grid *g, size_t first, const struct rn_map_link *link)
{
    const struct rn_map *map = g->lay.draw->map;

    for (size_t i = first; link->kind == RN_KIND_VXLAN && i < map->n_netns; i++) {
        for (size_t k = 0; k < map->netns[i]->n_links; k++) {
            const struct rn_map_link *other = map->netns[i]->links[k];

            if (other->kind == RN_KIND_VXLAN &&
                (rn_wire_reaches(link, other) || rn_wire_reaches(other, link)))
                add_route(g, link, other, RN_WIRE_TUNNEL);
        }
    }
}

static const struct rn_map_netns *earlier(const struct rn_map *map, const struct rn_map_netns *a,
                                          const struct rn_map_netns *b)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        if (map->netns[i] == a || map->netns[i] == b)
            return map->netns[i];
    }
    return a;
}

static void find_routes(struct rn_lay_grid *g)
{
    const struct rn_map *map = g->lay.draw->map;

    for (size_t i = 0; i < map->n_netns; i++) {
        const struct rn_map_netns *ns = map->netns[i];

        for (size_t k = 0; k < ns->n_links; k++) {
            const struct rn_map_link *link = ns->links[k];

            add_link_routes(g, link, ns,
                            link->peer != NULL ? earlier(map, ns, link->peer->netns) : ns);
            add_tunnels(g, i + 1, link);
        }
    }
}

/* Far columns first: their wires run above those of near ones. */
static int cmp_route(const void *pa, const void *pb)
{
    const struct rn_lay_route *a = pa;
    const struct rn_lay_route *b = pb;
    const struct rn_lay_end *ea = &a->end[1];
    const struct rn_lay_end *eb = &b->end[1];

    if (ea->box->line != eb->box->line)
        return ea->box->line < eb->box->line ? -1 : 1;
    if (ea->gutter != eb->gutter)
        return ea->gutter > eb->gutter ? -1 : 1;
    if (ea->row != eb->row)
        return ea->row < eb->row ? -1 : 1;
    return a->end[0].row < b->end[0].row ? -1 : a->end[0].row > b->end[0].row;
}

static int cmp_rank(const void *pa, const void *pb)
{
    const struct rn_lay_row *a = pa;
    const struct rn_lay_row *b = pb;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Neighbouring rows that hold nothing and hang in the same row may change places. */
static void sort_runs(struct rn_lay_box *box)
{
    size_t i = 0;

    while (i < box->n_rows) {
        size_t end = i + 1;

        while (end < box->n_rows && box->rows[end].indent == box->rows[i].indent)
            end++;
        for (size_t k = i; k < end; k++) {
            if (box->rows[k].n_inside != 0 || box->rows[k].indent == 0)
                end = k > i ? k : i + 1;
        }
        if (end - i > 1)
            qsort(&box->rows[i], end - i, sizeof(box->rows[0]), cmp_rank);
        i = end;
    }
}

/* Ports of the machine's own bridges stand in the order of the boxes they lead to, so that wires need not cross. */
static void untangle(struct rn_lay_grid *g)
{
    if (g->n_routes > 1)
        qsort(g->routes, g->n_routes, sizeof(*g->routes), cmp_route);
    if (!g->lay.has_host)
        return;
    for (size_t i = 0; i < g->n_routes; i++)
        g->routes[i].end[0].row->rank = i;
    sort_runs(&g->lay.boxes[0]);
    for (size_t i = 0; i < g->n_routes; i++) {
        g->routes[i].end[0] = end_of(g, g->routes[i].link[0]);
        g->routes[i].end[1] = end_of(g, g->routes[i].link[1]);
    }
}

/* ---- tracks: no two wires on one line ---- */

static int cmp_stretch(const void *pa, const void *pb)
{
    const struct stretch *a = pa;
    const struct stretch *b = pb;

    if (a->lane != b->lane)
        return a->lane < b->lane ? -1 : 1;
    if (a->goes_up != b->goes_up)
        return a->goes_up ? 1 : -1;
    if (a->order < b->order || a->order > b->order)
        return a->order < b->order ? -1 : 1;
    if (a->wire != b->wire)
        return a->wire < b->wire ? -1 : 1;
    return a->part < b->part ? -1 : a->part > b->part;
}

static void add_stretch(struct stretch *list, size_t *n, struct stretch s)
{
    if (s.from > s.to) {
        double swap = s.from;

        s.from = s.to;
        s.to = swap;
    }
    list[(*n)++] = s;
}

static bool do_touch(const struct stretch *a, const struct stretch *b)
{
    return a->from <= b->to + 3 && b->from <= a->to + 3;
}

static bool is_free(const struct stretch *list, size_t first, size_t at, unsigned track)
{
    for (size_t i = first; i < at; i++) {
        if (list[i].track == track && do_touch(&list[i], &list[at]))
            return false;
    }
    return true;
}

/* Beside all that it runs along with: so the order is kept. Long staircases of wires would need a track each; they begin
 * anew wherever there is room, and cross. */
static unsigned next_track(const struct stretch *list, size_t first, size_t at, unsigned base)
{
    unsigned t = base;

    for (size_t i = first; i < at; i++) {
        if (do_touch(&list[i], &list[at]) && list[i].track >= t)
            t = list[i].track + 1;
    }
    if (t - base < STAIRS_MAX)
        return t;
    for (t = base; !is_free(list, first, at, t);)
        t++;
    return t;
}

/* Wires that go up have tracks of their own, right of those that go
 * down: with rows in the order of what they lead to, no two wires of one direction cross. Returns tracks per lane. */
static void assign_tracks(struct rn_lay_grid *g, struct stretch *list, size_t n, unsigned *n_tracks)
{
    size_t first = 0;
    unsigned base = 0;

    if (n > 1)
        qsort(list, n, sizeof(*list), cmp_stretch);
    for (size_t i = 0; i < n; i++) {
        unsigned t;

        if (i == 0 || list[i].lane != list[i - 1].lane) {
            first = i;
            base = 0;
        } else if (list[i].goes_up != list[i - 1].goes_up) {
            first = i;
            base = n_tracks[list[i].lane];
        }
        t = next_track(list, first, i, base);
        list[i].track = t;
        g->routes[list[i].wire].track[list[i].part] = t;
        if (n_tracks[list[i].lane] < t + 1)
            n_tracks[list[i].lane] = t + 1;
    }
}

static struct stretch *stretches(struct rn_lay_grid *g)
{
    return rn_lay_new(g, (2 * g->n_routes + 1) * sizeof(struct stretch));
}

void rn_lay_run_corridors(struct rn_lay_grid *g)
{
    struct stretch *list = stretches(g);
    size_t n = 0;

    for (size_t i = 0; list != NULL && i < g->n_routes; i++) {
        const struct rn_lay_route *r = &g->routes[i];

        if (r->is_across)
            add_stretch(list, &n,
                        (struct stretch){ .wire = i,
                                          .part = 1,
                                          .lane = r->corridor,
                                          .order = (double)i,
                                          .from = r->end[0].gutter * 10.0,
                                          .to = r->end[1].gutter * 10.0 });
    }
    if (list != NULL)
        assign_tracks(g, list, n, g->corridor_tracks);
}

double rn_lay_corridor_y(const struct rn_lay_grid *g, const struct rn_lay_route *r)
{
    return g->corridor_track_y[r->corridor][r->track[1]];
}

/* A wire comes from the left at @from and leaves to the right at @to. Going down, the lower one keeps left; going up, right. */
static struct stretch upright(size_t wire, unsigned part, unsigned gutter, const double from_to[2])
{
    bool goes_up = from_to[1] < from_to[0];

    return (struct stretch){ .wire = wire,
                             .part = part,
                             .lane = gutter,
                             .goes_up = goes_up,
                             .order = goes_up ? from_to[0] : -from_to[0],
                             .from = from_to[0],
                             .to = from_to[1] };
}

void rn_lay_run_gutters(struct rn_lay_grid *g)
{
    struct stretch *list = stretches(g);
    size_t n = 0;

    for (size_t i = 0; list != NULL && i < g->n_routes; i++) {
        const struct rn_lay_route *r = &g->routes[i];
        double turn = r->is_across ? rn_lay_corridor_y(g, r) : r->end[1].row->y;
        const double first[] = { r->end[0].row->y, turn };
        const double last[] = { turn, r->end[1].row->y };

        add_stretch(list, &n, upright(i, 0, r->end[0].gutter, first));
        if (r->is_across)
            add_stretch(list, &n, upright(i, 2, r->end[1].gutter, last));
    }
    if (list != NULL)
        assign_tracks(g, list, n, g->gutter_tracks);
}

void rn_lay_find_wires(struct rn_lay_grid *g)
{
    find_routes(g);
    untangle(g);
}
