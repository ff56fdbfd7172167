#pragma once
/*
 * Names come from kernels, files and strangers: here they become harmless text. Control characters, bidirectional
 * overrides, invisible characters and broken UTF-8 are shown as \n, \x1b or \u{202e}; a backslash as two.
 */
#include "discovery/out.h"

/* One displayed unit: a character as it is, or one character of an escape. */
struct rn_glyph {
    char bytes[5]; /* UTF-8, NUL-terminated */
    uint8_t len;
    uint8_t columns; /* 0 combining, 1, 2 wide */
};

enum rn_charset { RN_CHARSET_UTF8, RN_CHARSET_ASCII };

/* Walks a text glyph by glyph. */
struct rn_glyphs {
    const char *rest;
    enum rn_charset charset;
    char pending[16]; /* the escape being spelled out */
    uint8_t pending_at;
    uint8_t n_combining; /* in a row: a few make a letter, many make a mess */
};

struct rn_glyphs rn_glyphs_of(const char *text, enum rn_charset charset);
/* false at the end. */
bool rn_glyphs_next(struct rn_glyphs *g, struct rn_glyph *ret);
/* Columns of the harmless form. */
size_t rn_text_columns(const char *text, enum rn_charset charset);
/* The harmless form for XML text and attributes: also & < > " '. At most @max_columns, then "…". */
void rn_escape_xml(struct rn_out *out, const char *text, size_t max_columns);

/* The next code point of @*text, which moves on; broken bytes yield U+DC80 + byte, one at a time. 0 at the end. */
uint32_t rn_utf8_next(const char **text);
