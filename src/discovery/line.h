#pragma once
/* One line of a terminal drawing: styled spans, cut with "…" at the terminal's width. */
#include "discovery/escape.h"

enum rn_style {
    RN_STYLE_PLAIN,
    RN_STYLE_TITLE,
    RN_STYLE_DIM,
    RN_STYLE_NAME,
    RN_STYLE_ADDR,
    RN_STYLE_DOWN,
    RN_STYLE_WARN,
    RN_STYLE_DOCKER,
    RN_STYLE_PODMAN,
    RN_STYLE_OTHER_ENGINE,
    RN_STYLE_N
};

struct rn_line_glyph {
    struct rn_glyph glyph;
    uint8_t style;
};

struct rn_line {
    struct rn_out *out; /* finished lines (borrows) */
    struct rn_line_glyph *glyphs;
    size_t n;
    size_t cap;
    size_t columns;
    unsigned width; /* 0: never cut */
    enum rn_charset charset;
    bool has_color;
};

/* @text is hostile: it is escaped. */
void rn_line_put(struct rn_line *line, enum rn_style style, const char *text);
/* Our own marks, for both character sets: a bullet, an arrow. */
void rn_line_mark(struct rn_line *line, enum rn_style style, const char *utf8, const char *ascii);
/* Blanks up to @column, at least one unless the line is empty. */
void rn_line_pad(struct rn_line *line, size_t column);
/* Writes the line out and starts the next one. */
void rn_line_end(struct rn_line *line);
void rn_line_free(struct rn_line *line);
