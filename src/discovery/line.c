#include "discovery/line.h"

#include <runnel/err.h>

#include <stdlib.h>

static const char *const sgr[RN_STYLE_N] = {
    [RN_STYLE_PLAIN] = "",          [RN_STYLE_TITLE] = "1",   [RN_STYLE_DIM] = "2",
    [RN_STYLE_NAME] = "36",         [RN_STYLE_ADDR] = "32",   [RN_STYLE_DOWN] = "31",
    [RN_STYLE_WARN] = "33",         [RN_STYLE_DOCKER] = "34", [RN_STYLE_PODMAN] = "35",
    [RN_STYLE_OTHER_ENGINE] = "33",
};

static void put_glyph(struct rn_line *line, enum rn_style style, const struct rn_glyph *glyph)
{
    if (line->n == line->cap) {
        size_t cap = line->cap != 0 ? line->cap * 2 : 128;
        struct rn_line_glyph *grown = realloc(line->glyphs, cap * sizeof(*grown));

        if (grown == NULL) {
            line->out->err = RN_E_NOMEM;
            return;
        }
        line->glyphs = grown;
        line->cap = cap;
    }
    line->glyphs[line->n++] = (struct rn_line_glyph){ *glyph, (uint8_t)style };
    line->columns += glyph->columns;
}

void rn_line_put(struct rn_line *line, enum rn_style style, const char *text)
{
    struct rn_glyphs g = rn_glyphs_of(text, line->charset);
    struct rn_glyph glyph;

    while (rn_glyphs_next(&g, &glyph))
        put_glyph(line, style, &glyph);
}

void rn_line_mark(struct rn_line *line, enum rn_style style, const char *utf8, const char *ascii)
{
    rn_line_put(line, style, line->charset == RN_CHARSET_UTF8 ? utf8 : ascii);
}

void rn_line_pad(struct rn_line *line, size_t column)
{
    static const struct rn_glyph blank = { " ", 1, 1 };

    if (line->n == 0)
        return;
    do {
        put_glyph(line, RN_STYLE_PLAIN, &blank);
    } while (line->columns < column);
}

/* How many glyphs fit, leaving room for the mark of a cut; all of them if nothing needs cutting. */
static size_t n_fitting(const struct rn_line *line, size_t mark_columns)
{
    size_t columns = 0;
    size_t n = 0;

    if (line->width == 0 || line->columns <= line->width)
        return line->n;
    while (n < line->n && columns + line->glyphs[n].glyph.columns + mark_columns <= line->width)
        columns += line->glyphs[n++].glyph.columns;
    while (n > 0 && line->glyphs[n - 1].glyph.bytes[0] == ' ')
        n--;
    return n;
}

static void set_style(struct rn_line *line, uint8_t *style, uint8_t wanted)
{
    if (!line->has_color || *style == wanted)
        return;
    if (*style != RN_STYLE_PLAIN)
        rn_out_str(line->out, "\x1b[0m");
    if (wanted != RN_STYLE_PLAIN)
        rn_out_fmt(line->out, "\x1b[%sm", sgr[wanted]);
    *style = wanted;
}

void rn_line_end(struct rn_line *line)
{
    bool is_utf8 = line->charset == RN_CHARSET_UTF8;
    size_t n = n_fitting(line, is_utf8 ? 1 : 3);
    bool is_cut = n < line->n;
    uint8_t style = RN_STYLE_PLAIN;

    while (!is_cut && n > 0 && line->glyphs[n - 1].glyph.bytes[0] == ' ')
        n--;
    for (size_t i = 0; i < n; i++) {
        set_style(line, &style, line->glyphs[i].style);
        rn_out_strn(line->out, line->glyphs[i].glyph.bytes, line->glyphs[i].glyph.len);
    }
    set_style(line, &style, RN_STYLE_PLAIN);
    if (is_cut)
        rn_out_str(line->out, is_utf8 ? "…" : "...");
    rn_out_char(line->out, '\n');
    line->n = 0;
    line->columns = 0;
}

void rn_line_free(struct rn_line *line)
{
    free(line->glyphs);
    line->glyphs = NULL;
}
