/* The layout as SVG: plain shapes and texts, no script, nothing fetched; prints well. */
#include "discovery/layout.h"

#define CORNER 5.0

/* For boxes' borders and titles, their heads, their groups. Chosen to differ also in lightness, for print and for eyes
 * that see few colours. */
static const struct {
    const char *strong, *head, *group;
} inks[RN_INK_N] = {
    [RN_INK_HOST] = { "#1e293b", "#e2e8f0", "#f8fafc" },
    [RN_INK_DOCKER] = { "#1d4ed8", "#dbeafe", "#f1f6ff" },
    [RN_INK_PODMAN] = { "#7e22ce", "#f0e1fe", "#faf5ff" },
    [RN_INK_ENGINE] = { "#0f766e", "#ccfbf1", "#f0fdfa" },
    [RN_INK_NAMED] = { "#15803d", "#dcfce7", "#f3fcf6" },
    [RN_INK_PROCESS] = { "#b45309", "#fef0c7", "#fffaeb" },
    [RN_INK_EMPTY] = { "#64748b", "#e9edf2", "#f8fafc" },
    [RN_INK_CLOSED] = { "#b91c1c", "#fee2e2", "#fff5f5" },
};

/* A head is round at the top only, so that it fits into its box. */
static void put_head(struct rn_out *out, const struct rn_layout_rect *r)
{
    double side = r->h - CORNER - 1;

    rn_out_fmt(
        out,
        "<path d=\"M%.1f %.1fv-%.1fq0 -6 6 -6h%.1fq6 0 6 6v%.1fz\" fill=\"%s\" stroke=\"%s\" "
        "stroke-width=\"1.2\"%s/>\n",
        r->x, r->y + r->h, side, r->w - 12, side, inks[r->ink].head, inks[r->ink].strong,
        r->is_dashed ? " stroke-dasharray=\"6 4\"" : "");
}

static void put_rect(struct rn_out *out, const struct rn_layout_rect *r)
{
    const char *strong = inks[r->ink].strong;

    if (r->shape == RN_SHAPE_HEAD) {
        put_head(out, r);
        return;
    }
    rn_out_fmt(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" ", r->x, r->y, r->w,
               r->h);
    switch (r->shape) {
    case RN_SHAPE_GROUP:
        rn_out_fmt(out, "rx=\"9\" fill=\"%s\" stroke=\"%s\" stroke-opacity=\".35\"",
                   inks[r->ink].group, strong);
        break;
    case RN_SHAPE_BOX:
        rn_out_fmt(out, "rx=\"6\" fill=\"#fff\" stroke=\"%s\" stroke-width=\"1.2\"", strong);
        break;
    case RN_SHAPE_HEAD:
        break;
    case RN_SHAPE_BRIDGE:
        rn_out_fmt(out,
                   "rx=\"4\" fill=\"%s\" fill-opacity=\".55\" stroke=\"%s\" stroke-opacity=\".45\"",
                   inks[r->ink].head, strong);
        break;
    case RN_SHAPE_PIN:
        rn_out_fmt(out, "rx=\"3\" fill=\"#fff\" stroke=\"%s\" stroke-width=\"1.6\"", strong);
        break;
    }
    rn_out_fmt(out, "%s/>\n", r->is_dashed ? " stroke-dasharray=\"6 4\"" : "");
}

static double sign_of(double v)
{
    return v < 0 ? -1 : 1;
}

static double min_of(double a, double b)
{
    return a < b ? a : b;
}

static double length_of(double v)
{
    return v < 0 ? -v : v;
}

/* A right angle at point @i, rounded: all stretches are horizontal or vertical by turns. */
static void put_corner(struct rn_out *out, const struct rn_layout_wire *w, unsigned i)
{
    double ax = w->x[i] - w->x[i - 1];
    double ay = w->y[i] - w->y[i - 1];
    double bx = w->x[i + 1] - w->x[i];
    double by = w->y[i + 1] - w->y[i];
    double r =
        min_of(CORNER, min_of(length_of(ax) + length_of(ay), length_of(bx) + length_of(by)) / 2);

    rn_out_fmt(out, "L%.1f %.1fQ%.1f %.1f %.1f %.1f",
               w->x[i] - (length_of(ax) > 0 ? sign_of(ax) * r : 0),
               w->y[i] - (length_of(ay) > 0 ? sign_of(ay) * r : 0), w->x[i], w->y[i],
               w->x[i] + (length_of(bx) > 0 ? sign_of(bx) * r : 0),
               w->y[i] + (length_of(by) > 0 ? sign_of(by) * r : 0));
}

static void put_wire(struct rn_out *out, const struct rn_layout_wire *w)
{
    static const char *const dashes[] = { [RN_WIRE_VETH] = "",
                                          [RN_WIRE_LOWER] = " stroke-dasharray=\"7 3\"",
                                          [RN_WIRE_TUNNEL] = " stroke-dasharray=\"2 3\"" };

    /* a white shadow lets crossing wires be told apart */
    for (int is_top = 0; is_top < 2; is_top++) {
        rn_out_fmt(out, "<path d=\"M%.1f %.1f", w->x[0], w->y[0]);
        for (unsigned i = 1; i + 1 < w->n_points; i++)
            put_corner(out, w, i);
        rn_out_fmt(out, "L%.1f %.1f\" ", w->x[w->n_points - 1], w->y[w->n_points - 1]);
        if (is_top)
            rn_out_fmt(out, "stroke=\"%s\" stroke-width=\"1.4\"%s>", inks[w->ink].strong,
                       dashes[w->kind]);
        else
            rn_out_str(out, "stroke=\"#fff\" stroke-width=\"3\"/>\n");
    }
    rn_out_str(out, "<title>");
    rn_escape_xml(out, w->from->name, 40);
    rn_out_str(out, w->kind == RN_WIRE_VETH ? " ↔ " : " on ");
    rn_escape_xml(out, w->to->name, 40);
    rn_out_str(out, "</title></path>\n");
}

static void put_label(struct rn_out *out, const struct rn_layout_label *l)
{
    const char *fill = "#334155";
    const char *more = "";

    if (l->type == RN_TYPE_TITLE || l->type == RN_TYPE_GROUP || l->type == RN_TYPE_HEADLINE) {
        fill = inks[l->ink].strong;
        more = " font-weight=\"700\"";
    } else if (l->type == RN_TYPE_NAME) {
        fill = "#0f172a";
        more = " font-weight=\"700\"";
    } else if (l->type == RN_TYPE_WARN) {
        fill = "#b91c1c";
    }
    rn_out_fmt(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" fill=\"%s\"%s>", l->x, l->y,
               l->font_px, fill, more);
    rn_escape_xml(out, l->text, l->columns);
    rn_out_str(out, "</text>\n");
}

void rn_draw_svg(const struct rn_draw *draw, struct rn_out *out)
{
    struct rn_layout layout;
    int err = rn_layout_make(&layout, draw);

    if (err < 0) {
        out->err = err;
        rn_layout_free(&layout);
        return;
    }
    rn_out_fmt(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
               "viewBox=\"0 0 %.0f %.0f\" "
               "font-family=\"'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace\" "
               "xml:space=\"preserve\">\n"
               "<title>networks of this machine</title>\n<rect width=\"100%%\" height=\"100%%\" "
               "fill=\"#fff\"/>\n",
               RN_LAYOUT_WIDTH, layout.height, RN_LAYOUT_WIDTH, layout.height);
    for (size_t i = 0; i < layout.n_rects; i++) {
        if (layout.rects[i].shape != RN_SHAPE_PIN)
            put_rect(out, &layout.rects[i]);
    }
    rn_out_str(out, "<g fill=\"none\">\n");
    for (size_t i = 0; i < layout.n_wires; i++)
        put_wire(out, &layout.wires[i]);
    rn_out_str(out, "</g>\n");
    for (size_t i = 0; i < layout.n_rects; i++) {
        if (layout.rects[i].shape == RN_SHAPE_PIN)
            put_rect(out, &layout.rects[i]);
    }
    for (size_t i = 0; i < layout.n_labels; i++)
        put_label(out, &layout.labels[i]);
    rn_out_str(out, "</svg>\n");
    rn_layout_free(&layout);
}
