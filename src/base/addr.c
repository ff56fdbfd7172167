#include <runnel/addr.h>

#include "base/text.h"
#include "base/writer.h"

#include <runnel/err.h>

struct rn_addr rn_addr_v6(const uint8_t bytes[16])
{
    struct rn_addr a;

    memcpy(a.b, bytes, sizeof(a.b));
    return a;
}

enum rn_family rn_addr_family(struct rn_addr a)
{
    if (rn_addr_is_none(a))
        return RN_FAMILY_NONE;
    return rn_addr_is_v4(a) ? RN_FAMILY_V4 : RN_FAMILY_V6;
}

bool rn_addr_is_any(struct rn_addr a)
{
    return rn_addr_is_none(a) || rn_addr_eq(a, rn_addr_v4(0));
}

bool rn_addr_is_loopback(struct rn_addr a)
{
    static const struct rn_addr loopback6 = { .b = { [15] = 1 } };

    return rn_addr_is_v4(a) ? a.b[12] == 127 : rn_addr_eq(a, loopback6);
}

bool rn_addr_is_multicast(struct rn_addr a)
{
    return rn_addr_is_v4(a) ? (a.b[12] & 0xf0) == 0xe0 : a.b[0] == 0xff;
}

bool rn_addr_is_broadcast(struct rn_addr a)
{
    return rn_addr_eq(a, rn_addr_v4(0xffffffffu));
}

bool rn_addr_is_unicast(struct rn_addr a)
{
    uint32_t v4 = rn_addr_to_v4(a);

    if (rn_addr_is_v4(a))
        return v4 != 0 && v4 >> 28 != 14 && v4 != UINT32_MAX;
    return !rn_addr_is_none(a) && a.b[0] != 0xff;
}

bool rn_addr_is_link_local(struct rn_addr a)
{
    if (rn_addr_is_v4(a))
        return a.b[12] == 169 && a.b[13] == 254;
    return a.b[0] == 0xfe && (a.b[1] & 0xc0) == 0x80;
}

int rn_addr_cmp(struct rn_addr a, struct rn_addr b)
{
    int by_family = (int)rn_addr_family(a) - (int)rn_addr_family(b);

    return by_family != 0 ? by_family : memcmp(a.b, b.b, sizeof(a.b));
}

/* The text still to be read; never moves past the end. */
struct cursor {
    const char *at;
    const char *end;
};

static struct cursor cursor_of(const char *text)
{
    return (struct cursor){ text, text + strlen(text) };
}

static bool is_at_end(const struct cursor *c)
{
    return c->at == c->end;
}

static char peek(const struct cursor *c)
{
    return is_at_end(c) ? '\0' : *c->at;
}

static bool take(struct cursor *c, char want)
{
    if (is_at_end(c) || *c->at != want)
        return false;
    c->at++;
    return true;
}

/* What precedes the last @sep; @c goes on behind it. */
static bool split_last(struct cursor *c, char sep, struct cursor *ret_before)
{
    for (const char *p = c->end; p > c->at; p--) {
        if (p[-1] != sep)
            continue;
        *ret_before = (struct cursor){ c->at, p - 1 };
        c->at = p;
        return true;
    }
    return false;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decimal without sign or leading zero, up to @max. */
static bool take_decimal(struct cursor *c, uint32_t max, uint32_t *ret)
{
    uint32_t v = 0;
    const char *start = c->at;

    while (peek(c) >= '0' && peek(c) <= '9') {
        v = v * 10 + (uint32_t)hex_value(*c->at);
        if (v > max || (c->at > start && *start == '0'))
            return false;
        c->at++;
    }
    if (c->at == start)
        return false;
    *ret = v;
    return true;
}

static bool take_hex(struct cursor *c, unsigned max_digits, uint32_t *ret)
{
    uint32_t v = 0;
    const char *start = c->at;

    while (hex_value(peek(c)) >= 0) {
        if ((size_t)(c->at - start) == max_digits)
            return false;
        v = v << 4 | (uint32_t)hex_value(*c->at);
        c->at++;
    }
    if (c->at == start)
        return false;
    *ret = v;
    return true;
}

static bool take_v4(struct cursor *c, uint8_t ret[4])
{
    uint8_t quad[4];

    for (unsigned i = 0; i < 4; i++) {
        uint32_t v;

        if (i != 0 && !take(c, '.'))
            return false;
        if (!take_decimal(c, 255, &v))
            return false;
        quad[i] = (uint8_t)v;
    }
    memcpy(ret, quad, sizeof(quad));
    return true;
}

/* One more 16-bit group, or four bytes of dotted quad that must end the text (RFC 4291 §2.2, form 3). */
static bool take_v6_group(struct cursor *c, struct rn_writer *w)
{
    struct cursor retry = *c;
    uint8_t quad[4];
    uint32_t v;

    if (take_v4(&retry, quad) && is_at_end(&retry)) {
        *c = retry;
        rn_write_bytes(w, quad, sizeof(quad));
        return !w->overflow;
    }
    if (!take_hex(c, 4, &v))
        return false;
    rn_write_be16(w, (uint16_t)v);
    return !w->overflow;
}

/* Moves what was written behind the gap to the end; false when "::" stands for nothing. */
static bool open_gap(uint8_t bytes[16], size_t gap_at, size_t len)
{
    size_t tail = len - gap_at;

    if (len > 14)
        return false;
    memmove(bytes + 16 - tail, bytes + gap_at, tail);
    memset(bytes + gap_at, 0, 16 - len);
    return true;
}

static bool take_gap(struct cursor *c)
{
    if (c->end - c->at < 2 || c->at[0] != ':' || c->at[1] != ':')
        return false;
    c->at += 2;
    return true;
}

static bool parse_v6(struct cursor c, uint8_t ret[16])
{
    struct rn_writer w = rn_writer_of(ret, 16);
    bool has_gap = false;
    size_t gap_at = 0;

    do {
        if (take_gap(&c)) {
            if (has_gap)
                return false;
            has_gap = true;
            gap_at = w.len;
            if (is_at_end(&c))
                break;
        } else if (w.len != 0 && !take(&c, ':')) {
            return false;
        }
        if (!take_v6_group(&c, &w))
            return false;
    } while (!is_at_end(&c));
    return has_gap ? open_gap(ret, gap_at, w.len) : w.len == 16;
}

static bool parse_addr(struct cursor c, struct rn_addr *ret)
{
    uint8_t bytes[16] = { [10] = 0xff, [11] = 0xff };
    struct cursor retry = c;

    if (!(take_v4(&retry, bytes + 12) && is_at_end(&retry)) && !parse_v6(c, bytes))
        return false;
    *ret = rn_addr_v6(bytes);
    return true;
}

int rn_addr_parse(const char *text, struct rn_addr *ret)
{
    return parse_addr(cursor_of(text), ret) ? RN_OK : RN_E_PARSE;
}

char *rn_addr_print(struct rn_addr a, char buf[RN_ADDR_TEXT_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_ADDR_TEXT_BYTES);

    rn_text_addr(&t, a);
    return buf;
}

/* Cuts "%<nic>" off the end of @host, if it is there. */
static bool take_scope(struct cursor *host, uint16_t *ret)
{
    struct cursor scope = *host;
    struct cursor addr;
    uint32_t nic;

    *ret = 0;
    if (!split_last(&scope, '%', &addr))
        return true;
    if (!take_decimal(&scope, UINT16_MAX, &nic) || !is_at_end(&scope) || nic == 0)
        return false;
    *host = addr;
    *ret = (uint16_t)nic;
    return true;
}

/* "*" is any address of either family; brackets go with IPv6 and only with it. */
static bool parse_host(struct cursor host, struct rn_addr *ret)
{
    if (host.end - host.at == 1 && *host.at == '*') {
        *ret = rn_addr_none();
        return true;
    }
    return parse_addr(host, ret) && rn_addr_is_v4(*ret);
}

static bool parse_bracketed(struct cursor host, struct rn_addr *ret)
{
    return parse_addr(host, ret) && !rn_addr_is_v4(*ret);
}

int rn_endpoint_parse(const char *text, struct rn_endpoint *ret)
{
    struct cursor c = cursor_of(text);
    struct cursor host;
    struct rn_endpoint e = { 0 };
    uint32_t port;
    bool is_bracketed;

    if (!split_last(&c, ':', &host) || !take_decimal(&c, UINT16_MAX, &port) || !is_at_end(&c))
        return RN_E_PARSE;
    is_bracketed = host.end > host.at && host.end[-1] == ']' && take(&host, '[');
    if (is_bracketed)
        host.end--;
    if (!take_scope(&host, &e.nic))
        return RN_E_PARSE;
    if (!(is_bracketed ? parse_bracketed(host, &e.addr) : parse_host(host, &e.addr)))
        return RN_E_PARSE;
    e.port = (uint16_t)port;
    *ret = e;
    return RN_OK;
}

char *rn_endpoint_print(const struct rn_endpoint *e, char buf[RN_ENDPOINT_TEXT_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_ENDPOINT_TEXT_BYTES);

    rn_text_endpoint(&t, e);
    return buf;
}

int rn_mac_parse(const char *text, struct rn_mac *ret)
{
    struct cursor c = cursor_of(text);
    struct rn_mac mac;
    uint32_t v;

    for (unsigned i = 0; i < sizeof(mac.b); i++) {
        const char *start;

        if (i != 0 && !take(&c, ':'))
            return RN_E_PARSE;
        start = c.at;
        if (!take_hex(&c, 2, &v) || c.at - start != 2)
            return RN_E_PARSE;
        mac.b[i] = (uint8_t)v;
    }
    if (!is_at_end(&c))
        return RN_E_PARSE;
    *ret = mac;
    return RN_OK;
}

char *rn_mac_print(struct rn_mac mac, char buf[RN_MAC_TEXT_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_MAC_TEXT_BYTES);

    rn_text_mac(&t, mac);
    return buf;
}
