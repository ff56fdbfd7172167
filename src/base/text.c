#include "base/text.h"

struct rn_text rn_text_of(char *buf, size_t cap)
{
    rn_assert(cap > 0);
    buf[0] = '\0';
    return (struct rn_text){ .buf = buf, .cap = cap };
}

void rn_text_strn(struct rn_text *t, const char *s, size_t n)
{
    size_t room = t->cap - 1 - t->len;
    size_t fits = rn_min_size(n, t->cut ? 0 : room);

    if (fits < n)
        t->cut = true;
    if (fits == 0)
        return;
    memcpy(t->buf + t->len, s, fits);
    t->len += fits;
    t->buf[t->len] = '\0';
}

void rn_text_str(struct rn_text *t, const char *s)
{
    rn_text_strn(t, s, strlen(s));
}

void rn_text_char(struct rn_text *t, char c)
{
    rn_text_strn(t, &c, 1);
}

void rn_text_u64(struct rn_text *t, uint64_t v)
{
    char digits[20]; /* 2^64 has 20 */
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    rn_text_strn(t, digits + at, sizeof(digits) - at);
}

void rn_text_hex(struct rn_text *t, uint64_t v, unsigned digits)
{
    char text[16];
    size_t at = sizeof(text);
    size_t widest = rn_min_size(digits, sizeof(text));

    do {
        text[--at] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v != 0 || sizeof(text) - at < widest);
    rn_text_strn(t, text + at, sizeof(text) - at);
}

void rn_text_hexdump(struct rn_text *t, struct rn_view bytes)
{
    for (size_t i = 0; i < bytes.len && !t->cut; i++) {
        if (i != 0)
            rn_text_char(t, ' ');
        rn_text_hex(t, bytes.ptr[i], 2);
    }
}

static void text_v4(struct rn_text *t, struct rn_addr a)
{
    for (unsigned i = 12; i < 16; i++) {
        if (i != 12)
            rn_text_char(t, '.');
        rn_text_u64(t, a.b[i]);
    }
}

struct zero_run {
    unsigned first;
    unsigned n;
};

/* RFC 5952 §4.2: the longest run of zero groups, the first of equals, and never a single group. */
static struct zero_run longest_zero_run(const uint16_t groups[8])
{
    struct zero_run best = { 8, 1 };
    unsigned n = 0;

    for (unsigned i = 0; i < 8; i++) {
        n = groups[i] == 0 ? n + 1 : 0;
        if (n > best.n)
            best = (struct zero_run){ i + 1 - n, n };
    }
    return best;
}

static void text_v6(struct rn_text *t, struct rn_addr a)
{
    uint16_t groups[8];
    struct zero_run zeros;

    for (unsigned i = 0; i < 8; i++)
        groups[i] = rn_get_be16(a.b + 2 * i);
    zeros = longest_zero_run(groups);
    for (unsigned i = 0; i < 8; i++) {
        if (i == zeros.first) {
            rn_text_str(t, "::");
            i += zeros.n - 1;
            continue;
        }
        if (i != 0 && i != zeros.first + zeros.n)
            rn_text_char(t, ':');
        rn_text_hex(t, groups[i], 1);
    }
}

void rn_text_addr(struct rn_text *t, struct rn_addr a)
{
    if (rn_addr_is_none(a))
        rn_text_char(t, '-');
    else if (rn_addr_is_v4(a))
        text_v4(t, a);
    else
        text_v6(t, a);
}

static void text_scope(struct rn_text *t, uint16_t nic)
{
    if (nic == 0)
        return;
    rn_text_char(t, '%');
    rn_text_u64(t, nic);
}

void rn_text_endpoint(struct rn_text *t, const struct rn_endpoint *e)
{
    bool needs_brackets = rn_addr_family(e->addr) == RN_FAMILY_V6;

    if (needs_brackets)
        rn_text_char(t, '[');
    if (rn_addr_is_none(e->addr))
        rn_text_char(t, '*');
    else
        rn_text_addr(t, e->addr);
    text_scope(t, e->nic);
    rn_text_str(t, needs_brackets ? "]:" : ":");
    rn_text_u64(t, e->port);
}

void rn_text_prefix(struct rn_text *t, const struct rn_prefix *p)
{
    if (p->is_v4)
        text_v4(t, p->addr);
    else
        text_v6(t, p->addr); /* ::/0 is a prefix though :: is no address */
    rn_text_char(t, '/');
    rn_text_u64(t, p->bits);
}

void rn_text_mac(struct rn_text *t, struct rn_mac mac)
{
    for (unsigned i = 0; i < sizeof(mac.b); i++) {
        if (i != 0)
            rn_text_char(t, ':');
        rn_text_hex(t, mac.b[i], 2);
    }
}
