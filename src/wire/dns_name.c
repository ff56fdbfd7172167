#include "wire/dns_name.h"

#include <runnel/err.h>

enum { POINTER = 0xc0, POINTER_MASK = 0x3f, LABEL_KIND_MASK = 0xc0 }; /* RFC 1035 §4.1.4 */
enum { DNS_HDR_BYTES = 12 };

static bool append_label(struct rn_dns_name *name, struct rn_view label)
{
    size_t need = 1 + label.len;

    /* One byte is kept for the root's label that ends every name. */
    if (need > RN_DNS_NAME_MAX_BYTES - 1u - name->len)
        return false;
    name->wire[name->len] = (uint8_t)label.len;
    memcpy(name->wire + name->len + 1, label.ptr, label.len);
    name->len = (uint8_t)(name->len + need);
    return true;
}

static void append_root(struct rn_dns_name *name)
{
    name->wire[name->len] = 0;
    name->len++;
}

static struct rn_reader reader_at(struct rn_view msg, size_t at)
{
    struct rn_reader r = rn_reader_of(msg);

    (void)rn_read_view(&r, at);
    return r;
}

/*
 * A pointer must lead to before the run of labels that it ends (RFC 9267 §2): each jump then has strictly less message
 * before it, so that no chain can loop, whatever the counter says.
 */
int rn_dns_name_read(struct rn_dns_name *ret, struct rn_reader *r, struct rn_view msg)
{
    struct rn_dns_name name = { 0 };
    struct rn_reader at = *r;
    struct rn_reader behind = *r; /* the name as it stands at @r: where its first pointer ends */
    size_t run_start = msg.len - at.rest.len;
    unsigned jumps = 0;

    for (;;) {
        uint8_t len = rn_read_u8(&at);
        size_t target;

        if (at.short_read)
            return RN_E_MALFORMED;
        if (len == 0)
            break;
        if ((len & LABEL_KIND_MASK) == 0) {
            struct rn_view label = rn_read_view(&at, len);

            if (at.short_read || !append_label(&name, label))
                return RN_E_MALFORMED;
            continue;
        }
        target = (size_t)(len & POINTER_MASK) << 8 | rn_read_u8(&at);
        if ((len & LABEL_KIND_MASK) != POINTER || at.short_read || target < DNS_HDR_BYTES ||
            target >= run_start || jumps == RN_DNS_JUMPS_MAX)
            return RN_E_MALFORMED;
        if (jumps == 0)
            behind = at;
        jumps++;
        run_start = target;
        at = reader_at(msg, target);
    }
    append_root(&name);
    *r = jumps == 0 ? at : behind;
    *ret = name;
    return RN_OK;
}

void rn_dns_name_write(const struct rn_dns_name *name, struct rn_writer *w)
{
    rn_write_bytes(w, name->wire, name->len);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One character of a label, unescaped (RFC 1035 §5.1). Moves @text on; false: a broken escape. */
static bool take_char(const char **text, uint8_t *ret)
{
    const char *t = *text;
    unsigned value;

    if (*t != '\\') {
        *ret = (uint8_t)*t;
        *text = t + 1;
        return true;
    }
    t++;
    if (!is_digit(*t)) {
        *ret = (uint8_t)*t;
        *text = t + 1;
        return *t != '\0';
    }
    if (!is_digit(t[1]) || !is_digit(t[2]))
        return false;
    value = (unsigned)(t[0] - '0') * 100 + (unsigned)(t[1] - '0') * 10 + (unsigned)(t[2] - '0');
    *ret = rn_sat_u8(value);
    *text = t + 3;
    return value <= UINT8_MAX;
}

int rn_dns_name_parse(struct rn_dns_name *ret, const char *text)
{
    struct rn_dns_name name = { 0 };
    uint8_t label[RN_DNS_LABEL_MAX_BYTES];
    size_t len = 0;

    if (text[0] == '.' && text[1] == '\0')
        text++;
    else if (*text == '\0')
        return RN_E_PARSE;

    while (*text != '\0') {
        if (*text != '.') {
            if (len == sizeof(label) || !take_char(&text, &label[len]))
                return RN_E_PARSE;
            len++;
            continue;
        }
        text++;
        if (len == 0 || !append_label(&name, rn_view_of(label, len)))
            return RN_E_PARSE;
        len = 0;
    }
    if (len != 0 && !append_label(&name, rn_view_of(label, len)))
        return RN_E_PARSE;
    append_root(&name);
    *ret = name;
    return RN_OK;
}

static void print_byte(struct rn_text *out, uint8_t c)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    if (is_letter || is_digit((char)c) || c == '-' || c == '_') {
        rn_text_char(out, (char)c);
        return;
    }
    rn_text_char(out, '\\');
    rn_text_char(out, (char)('0' + c / 100));
    rn_text_char(out, (char)('0' + c / 10 % 10));
    rn_text_char(out, (char)('0' + c % 10));
}

/* The next label of a name of ours; empty at the root. */
static struct rn_view next_label(struct rn_reader *r)
{
    uint8_t len = rn_read_u8(r);

    return rn_read_view(r, len);
}

static struct rn_reader labels_of(const struct rn_dns_name *name)
{
    return rn_reader_of(rn_view_of(name->wire, name->len));
}

void rn_dns_name_print(struct rn_text *out, const struct rn_dns_name *name)
{
    struct rn_reader r = labels_of(name);
    struct rn_view label = next_label(&r);

    if (label.len == 0)
        rn_text_char(out, '.');
    while (label.len != 0) {
        for (size_t i = 0; i < label.len; i++)
            print_byte(out, label.ptr[i]);
        label = next_label(&r);
        if (label.len != 0)
            rn_text_char(out, '.');
    }
}

/* Length bytes are below 'A', so folding them too does no harm. */
static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool folded_eq(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (fold(a[i]) != fold(b[i]))
            return false;
    }
    return true;
}

bool rn_dns_name_eq(const struct rn_dns_name *a, const struct rn_dns_name *b)
{
    return a->len == b->len && folded_eq(a->wire, b->wire, a->len);
}

bool rn_dns_name_is_under(const struct rn_dns_name *name, const struct rn_dns_name *zone)
{
    struct rn_reader r = labels_of(name);

    /* Only at label boundaries: "evil-example.com" is not under "example.com". */
    while (r.rest.len > zone->len)
        (void)next_label(&r);
    return zone->len != 0 && r.rest.len == zone->len &&
           folded_eq(r.rest.ptr, zone->wire, zone->len);
}

static const uint8_t in_addr_arpa[] = "\7in-addr\4arpa";
static const uint8_t ip6_arpa[] = "\3ip6\4arpa";
static const char hex_digits[] = "0123456789abcdef";

enum { V4_BYTES = 4, V6_NIBBLES = 32, V4_AT = 12 };

static void append_decimal(struct rn_dns_name *name, uint8_t value)
{
    uint8_t digits[3];
    size_t n = 0;

    if (value >= 100)
        digits[n++] = (uint8_t)('0' + value / 100);
    if (value >= 10)
        digits[n++] = (uint8_t)('0' + value / 10 % 10);
    digits[n++] = (uint8_t)('0' + value % 10);
    (void)append_label(name, rn_view_of(digits, n));
}

static uint8_t nibble_of(const uint8_t b[16], unsigned i)
{
    return i % 2 == 0 ? b[i / 2] >> 4 : b[i / 2] & 0x0f;
}

/* The literals end in C's NUL, which serves as the root label. */
static void append_suffix(struct rn_dns_name *name, const uint8_t *suffix, size_t len)
{
    memcpy(name->wire + name->len, suffix, len);
    name->len = (uint8_t)(name->len + len);
}

void rn_dns_name_of_addr(struct rn_addr addr, struct rn_dns_name *ret)
{
    struct rn_dns_name name = { 0 };

    if (rn_addr_is_v4(addr)) {
        for (unsigned i = V4_BYTES; i-- > 0;)
            append_decimal(&name, addr.b[V4_AT + i]);
        append_suffix(&name, in_addr_arpa, sizeof(in_addr_arpa));
    } else {
        for (unsigned i = V6_NIBBLES; i-- > 0;)
            (void)append_label(&name, rn_view_of(&hex_digits[nibble_of(addr.b, i)], 1));
        append_suffix(&name, ip6_arpa, sizeof(ip6_arpa));
    }
    *ret = name;
}

static bool rest_is(const struct rn_reader *r, const uint8_t *suffix, size_t len)
{
    return r->rest.len == len && folded_eq(r->rest.ptr, suffix, len);
}

/* 0..255 without leading zeros. */
static bool read_decimal(struct rn_view label, uint8_t *ret)
{
    unsigned value = 0;

    if (label.len == 0 || label.len > 3 || (label.len > 1 && label.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!is_digit((char)label.ptr[i]))
            return false;
        value = value * 10 + (unsigned)(label.ptr[i] - '0');
    }
    *ret = rn_sat_u8(value);
    return value <= UINT8_MAX;
}

static bool read_nibble(struct rn_view label, uint8_t *ret)
{
    uint8_t c;

    if (label.len != 1)
        return false;
    c = fold(label.ptr[0]);
    if (c >= 'a' && c <= 'f')
        *ret = (uint8_t)(c - 'a' + 10);
    else if (is_digit((char)c))
        *ret = (uint8_t)(c - '0');
    else
        return false;
    return true;
}

static bool to_v4(struct rn_reader r, struct rn_addr *ret)
{
    uint32_t host_order = 0;
    uint8_t byte = 0;

    for (unsigned i = 0; i < V4_BYTES; i++) {
        if (!read_decimal(next_label(&r), &byte))
            return false;
        host_order |= (uint32_t)byte << 8 * i;
    }
    if (!rest_is(&r, in_addr_arpa, sizeof(in_addr_arpa)))
        return false;
    *ret = rn_addr_v4(host_order);
    return true;
}

static bool to_v6(struct rn_reader r, struct rn_addr *ret)
{
    struct rn_addr addr = { 0 };
    uint8_t nibble = 0;

    for (unsigned i = V6_NIBBLES; i-- > 0;) {
        if (!read_nibble(next_label(&r), &nibble))
            return false;
        addr.b[i / 2] |= (uint8_t)(i % 2 == 0 ? nibble << 4 : nibble);
    }
    if (!rest_is(&r, ip6_arpa, sizeof(ip6_arpa)))
        return false;
    *ret = addr;
    return true;
}

bool rn_dns_name_to_addr(const struct rn_dns_name *name, struct rn_addr *ret)
{
    return to_v4(labels_of(name), ret) || to_v6(labels_of(name), ret);
}
