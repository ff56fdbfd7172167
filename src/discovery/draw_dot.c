/* The picture for graphviz: a cluster for each namespace, a node for each interface, an edge for each relation. */
#include "discovery/draw.h"

#include "discovery/name.h"

#include <inttypes.h>

/* A quoted string: names are made harmless first, then quotes and backslashes are made DOT's. */
static void put_text(struct rn_out *out, const char *text)
{
    struct rn_glyphs g = rn_glyphs_of(text, RN_CHARSET_UTF8);
    struct rn_glyph glyph;

    while (rn_glyphs_next(&g, &glyph)) {
        if (glyph.bytes[0] == '"' || glyph.bytes[0] == '\\')
            rn_out_char(out, '\\');
        rn_out_strn(out, glyph.bytes, glyph.len);
    }
}

static size_t number_of(const struct rn_map *map, const struct rn_map_netns *ns)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        if (map->netns[i] == ns)
            return i;
    }
    return 0;
}

static void put_id(const struct rn_draw *draw, struct rn_out *out, const struct rn_map_link *link)
{
    rn_out_fmt(out, "n%zu_%" PRIu32, number_of(draw->map, link->netns), link->index);
}

static bool is_drawn(const struct rn_draw *draw, const struct rn_map_link *link)
{
    return link != NULL && link->kind != RN_KIND_LOOPBACK && rn_select_link(&draw->select, link) &&
           rn_select_netns(&draw->select, draw->map, link->netns);
}

static void put_node(const struct rn_draw *draw, struct rn_out *out, const struct rn_map_link *link)
{
    char text[RN_NAME_BYTES];

    rn_out_str(out, "    ");
    put_id(draw, out, link);
    rn_out_str(out, " [label=\"");
    put_text(out, link->name);
    rn_out_str(out, "\\n");
    put_text(out, rn_name_kind(link, text));
    for (size_t i = 0; i < link->n_addrs; i++) {
        if (rn_addr_is_link_local(link->addrs[i].addr))
            continue;
        rn_out_fmt(out, "\\n%s/%u", rn_addr_print(link->addrs[i].addr, text),
                   link->addrs[i].prefix_bits);
    }
    rn_out_fmt(out, "\"%s];\n", link->kind == RN_KIND_BRIDGE ? ", shape=box3d" : "");
}

static void put_cluster(const struct rn_draw *draw, struct rn_out *out, size_t at)
{
    const struct rn_map_netns *ns = draw->map->netns[at];
    char text[RN_NAME_BYTES];

    rn_out_fmt(out, "  subgraph cluster_%zu {\n    label=\"", at);
    put_text(out, rn_name_netns(draw->map, ns, text));
    rn_out_str(out, "\\n");
    put_text(out, rn_name_group(ns, text));
    rn_out_fmt(out, "\";\n    n%zu_0 [shape=point, style=invis];\n", at);
    for (size_t i = 0; i < ns->n_links; i++) {
        if (is_drawn(draw, ns->links[i]))
            put_node(draw, out, ns->links[i]);
    }
    rn_out_str(out, "  }\n");
}

static void put_edge(const struct rn_draw *draw, struct rn_out *out,
                     const struct rn_map_link *const ends[2], const char *attributes)
{
    if (!is_drawn(draw, ends[0]) || !is_drawn(draw, ends[1]))
        return;
    rn_out_str(out, "  ");
    put_id(draw, out, ends[0]);
    rn_out_str(out, " -- ");
    put_id(draw, out, ends[1]);
    rn_out_fmt(out, "%s;\n", attributes);
}

/* Of a pair, the end that comes first draws the cable. */
static bool is_first_end(const struct rn_map *map, const struct rn_map_link *link)
{
    size_t here = number_of(map, link->netns);
    size_t there = number_of(map, link->peer->netns);

    return here != there ? here < there : link->index < link->peer->index;
}

static void put_edges(const struct rn_draw *draw, struct rn_out *out,
                      const struct rn_map_link *link)
{
    const struct rn_map_link *const peer[] = { link, link->peer };
    const struct rn_map_link *const master[] = { link, link->master };
    const struct rn_map_link *const lower[] = { link, link->lower };

    if (link->peer != NULL && is_first_end(draw->map, link))
        put_edge(draw, out, peer, "");
    put_edge(draw, out, master, " [style=bold]");
    put_edge(draw, out, lower, " [style=dashed]");
}

void rn_draw_dot(const struct rn_draw *draw, struct rn_out *out)
{
    rn_out_str(
        out,
        "graph runnel {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\", fontsize=10];\n"
        "  fontname=\"sans-serif\";\n");
    for (size_t i = 0; i < draw->map->n_netns; i++) {
        if (rn_select_netns(&draw->select, draw->map, draw->map->netns[i]))
            put_cluster(draw, out, i);
    }
    for (size_t i = 0; i < draw->map->n_netns; i++) {
        for (size_t k = 0; k < draw->map->netns[i]->n_links; k++)
            put_edges(draw, out, draw->map->netns[i]->links[k]);
    }
    for (size_t i = 0; i < draw->map->n_unreadable; i++) {
        const struct rn_map_unreadable *u = &draw->map->unreadable[i];

        rn_out_str(out, "  // cannot read ");
        put_text(out, u->what);
        rn_out_char(out, ' ');
        put_text(out, u->id);
        rn_out_str(out, ": ");
        put_text(out, u->why);
        rn_out_char(out, '\n');
    }
    rn_out_str(out, "}\n");
}
