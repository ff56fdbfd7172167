#include "discovery/escape.h"

#include "base/bytes.h"

#include <string.h>

#define BROKEN_BASE                                                                                \
    0xdc00u /* lone surrogates cannot come from good UTF-8, so they carry the bytes that broke it */
#define COMBINING_MAX 2u /* marks a letter may carry in a row */

struct range {
    uint32_t first, last;
};

/* What must not reach a terminal or a page: it moves, hides or reverses what stands beside it. */
static const struct range hostile[] = {
    { 0x0000, 0x001f },   { 0x007f, 0x009f },    { 0x00ad, 0x00ad }, { 0x034f, 0x034f },
    { 0x061c, 0x061c },   { 0x115f, 0x1160 },    { 0x17b4, 0x17b5 }, { 0x180b, 0x180f },
    { 0x200b, 0x200f },   { 0x2028, 0x202e },    { 0x2060, 0x206f }, { 0x3164, 0x3164 },
    { 0xd800, 0xdfff },   { 0xe000, 0xf8ff },    { 0xfdd0, 0xfdef }, { 0xfe00, 0xfe0f },
    { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },    { 0xfff0, 0xffff }, { 0x1d173, 0x1d17a },
    { 0xe0000, 0xe0fff }, { 0xf0000, 0x10ffff },
};

/* Marks that stand on the letter before them (Unicode Mn and Me; the scripts a host name may be in). */
static const struct range combining[] = {
    { 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd },   { 0x05bf, 0x05c7 },
    { 0x0610, 0x061a }, { 0x064b, 0x065f }, { 0x0670, 0x0670 },   { 0x06d6, 0x06ed },
    { 0x0730, 0x074a }, { 0x07a6, 0x07b0 }, { 0x0816, 0x082d },   { 0x08d3, 0x0902 },
    { 0x093a, 0x093c }, { 0x0941, 0x0948 }, { 0x094d, 0x0957 },   { 0x0981, 0x0981 },
    { 0x0e31, 0x0e31 }, { 0x0e34, 0x0e3a }, { 0x0e47, 0x0e4e },   { 0x0eb1, 0x0ebc },
    { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x20d0, 0x20f0 },   { 0x302a, 0x302d },
    { 0x3099, 0x309a }, { 0xfe20, 0xfe2f }, { 0x1e8d0, 0x1e8d6 },
};

/* East Asian Wide and Fullwidth (UAX 11), and what terminals show as emoji. */
static const struct range wide[] = {
    { 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },   { 0x23e9, 0x23f3 },
    { 0x25fd, 0x25fe },   { 0x2614, 0x2615 },   { 0x2648, 0x2653 },   { 0x267f, 0x267f },
    { 0x2693, 0x2693 },   { 0x26a1, 0x26a1 },   { 0x26aa, 0x26ab },   { 0x26bd, 0x26be },
    { 0x26c4, 0x26c5 },   { 0x26ce, 0x26ce },   { 0x26d4, 0x26d4 },   { 0x26ea, 0x26ea },
    { 0x26f2, 0x26f5 },   { 0x26fa, 0x26fd },   { 0x2705, 0x2705 },   { 0x270a, 0x270b },
    { 0x2728, 0x2728 },   { 0x274c, 0x274e },   { 0x2753, 0x2757 },   { 0x2795, 0x2797 },
    { 0x27b0, 0x27bf },   { 0x2b1b, 0x2b1c },   { 0x2b50, 0x2b55 },   { 0x2e80, 0x303e },
    { 0x3041, 0xa4cf },   { 0xa960, 0xa97c },   { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },
    { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x16fe0, 0x18cd5 },
    { 0x1b000, 0x1b2fb }, { 0x1f004, 0x1f004 }, { 0x1f0cf, 0x1f0cf }, { 0x1f18e, 0x1f19a },
    { 0x1f200, 0x1f320 }, { 0x1f32d, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f7e0, 0x1f7eb },
    { 0x1f90c, 0x1faff }, { 0x20000, 0x3fffd },
};

static bool is_in(const struct range *ranges, size_t n, uint32_t cp)
{
    size_t lo = 0;
    size_t hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (cp > ranges[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && cp >= ranges[lo].first;
}

/* Bytes that follow a lead byte, 0 for none or a bad lead. Overlong forms and surrogates are refused by the caller. */
static unsigned n_following(uint8_t lead)
{
    if (lead >= 0xc2 && lead <= 0xdf)
        return 1;
    if (lead >= 0xe0 && lead <= 0xef)
        return 2;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 3;
    return 0;
}

uint32_t rn_utf8_next(const char **text)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    const uint8_t *p = (const uint8_t *)*text;
    unsigned more = n_following(p[0]);
    uint32_t cp;

    if (p[0] == 0)
        return 0;
    *text += 1;
    if (p[0] < 0x80)
        return p[0];
    if (more == 0)
        return BROKEN_BASE + p[0];
    cp = p[0] & (0x3fu >> more);
    for (unsigned i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) /* also the NUL of a text that ends early */
            return BROKEN_BASE + p[0];
        cp = cp << 6 | (p[i] & 0x3fu);
    }
    if (cp < least[more] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return BROKEN_BASE + p[0];
    *text += more;
    return cp;
}

static uint8_t encode(uint32_t cp, char buf[5])
{
    uint8_t n = 0;

    if (cp < 0x80) {
        buf[n++] = (char)cp;
    } else if (cp < 0x800) {
        buf[n++] = (char)(0xc0 | cp >> 6);
        buf[n++] = (char)(0x80 | (cp & 0x3f));
    } else if (cp < 0x10000) {
        buf[n++] = (char)(0xe0 | cp >> 12);
        buf[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
        buf[n++] = (char)(0x80 | (cp & 0x3f));
    } else {
        buf[n++] = (char)(0xf0 | cp >> 18);
        buf[n++] = (char)(0x80 | (cp >> 12 & 0x3f));
        buf[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
        buf[n++] = (char)(0x80 | (cp & 0x3f));
    }
    buf[n] = '\0';
    return n;
}

static void spell_out(struct rn_glyphs *g, uint32_t cp)
{
    g->pending_at = 0;
    if (cp == '\\')
        (void)snprintf(g->pending, sizeof(g->pending), "\\\\");
    else if (cp == '\n')
        (void)snprintf(g->pending, sizeof(g->pending), "\\n");
    else if (cp == '\t')
        (void)snprintf(g->pending, sizeof(g->pending), "\\t");
    else if (cp < 0x80)
        (void)snprintf(g->pending, sizeof(g->pending), "\\x%02x", cp);
    else if (cp >= BROKEN_BASE && cp <= BROKEN_BASE + 0xff)
        (void)snprintf(g->pending, sizeof(g->pending), "\\x%02x", cp - BROKEN_BASE);
    else
        (void)snprintf(g->pending, sizeof(g->pending), "\\u{%x}", cp);
}

struct rn_glyphs rn_glyphs_of(const char *text, enum rn_charset charset)
{
    return (struct rn_glyphs){ .rest = text, .charset = charset, .n_combining = COMBINING_MAX };
}

bool rn_glyphs_next(struct rn_glyphs *g, struct rn_glyph *ret)
{
    uint32_t cp;
    bool is_combining;

    if (g->pending[g->pending_at] == '\0') {
        cp = rn_utf8_next(&g->rest);
        if (cp == 0)
            return false;
        is_combining = is_in(combining, RN_ARRAY_LEN(combining), cp);
        if (!is_combining)
            g->n_combining = 0;
        if (cp != '\\' && !is_in(hostile, RN_ARRAY_LEN(hostile), cp) &&
            (cp < 0x80 || g->charset == RN_CHARSET_UTF8) &&
            !(is_combining && g->n_combining++ >= COMBINING_MAX)) {
            ret->len = encode(cp, ret->bytes);
            ret->columns = is_combining ? 0 : is_in(wide, RN_ARRAY_LEN(wide), cp) ? 2 : 1;
            return true;
        }
        spell_out(g, cp);
    }
    ret->bytes[0] = g->pending[g->pending_at++];
    ret->bytes[1] = '\0';
    ret->len = 1;
    ret->columns = 1;
    return true;
}

size_t rn_text_columns(const char *text, enum rn_charset charset)
{
    struct rn_glyphs g = rn_glyphs_of(text, charset);
    struct rn_glyph glyph;
    size_t n = 0;

    while (rn_glyphs_next(&g, &glyph))
        n += glyph.columns;
    return n;
}

static void xml_glyph(struct rn_out *out, const struct rn_glyph *glyph)
{
    switch (glyph->bytes[0]) {
    case '&':
        rn_out_str(out, "&amp;");
        break;
    case '<':
        rn_out_str(out, "&lt;");
        break;
    case '>':
        rn_out_str(out, "&gt;");
        break;
    case '"':
        rn_out_str(out, "&quot;");
        break;
    case '\'':
        rn_out_str(out, "&#39;");
        break;
    default:
        rn_out_strn(out, glyph->bytes, glyph->len);
    }
}

void rn_escape_xml(struct rn_out *out, const char *text, size_t max_columns)
{
    bool is_cut = rn_text_columns(text, RN_CHARSET_UTF8) > max_columns;
    struct rn_glyphs g = rn_glyphs_of(text, RN_CHARSET_UTF8);
    size_t room = max_columns - (is_cut && max_columns > 0);
    struct rn_glyph glyph;

    while (rn_glyphs_next(&g, &glyph) && glyph.columns <= room) {
        room -= glyph.columns;
        xml_glyph(out, &glyph);
    }
    if (is_cut)
        rn_out_str(out, "…");
}
