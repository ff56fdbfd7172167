#include <runnel/addr.h>

#include "base/text.h"

#include <runnel/err.h>

/* IPv4 lies behind the 96 bits of ::ffff:0:0/96. */
#define MAPPED_BITS 96u

/* The two halves of an address or of a mask, as numbers. */
struct halves {
    uint64_t high;
    uint64_t low;
};

static struct halves halves_of(struct rn_addr a)
{
    return (struct halves){ rn_get_be64(a.b), rn_get_be64(a.b + 8) };
}

static struct rn_addr addr_of(struct halves h)
{
    struct rn_addr a;

    rn_put_be64(a.b, h.high);
    rn_put_be64(a.b + 8, h.low);
    return a;
}

/* The upper @bits of 64; shifting by 64 is undefined. */
static uint64_t upper_mask(unsigned bits)
{
    return bits == 0 ? 0 : UINT64_MAX << (64 - bits);
}

static struct halves mask_of(unsigned bits)
{
    if (bits <= 64)
        return (struct halves){ upper_mask(bits), 0 };
    return (struct halves){ UINT64_MAX, upper_mask(bits - 64) };
}

static struct halves prefix_mask(const struct rn_prefix *p)
{
    return mask_of(p->is_v4 ? p->bits + MAPPED_BITS : p->bits);
}

static bool matches(const struct rn_prefix *p, struct rn_addr a, struct halves mask)
{
    struct halves x = halves_of(p->addr);
    struct halves y = halves_of(a);

    return (((x.high ^ y.high) & mask.high) | ((x.low ^ y.low) & mask.low)) == 0;
}

struct rn_prefix rn_prefix_of(struct rn_addr a, unsigned bits)
{
    struct rn_prefix p = { .is_v4 = rn_addr_is_v4(a) };
    struct halves h = halves_of(a);
    struct halves mask;

    p.bits = (uint8_t)rn_min_u32(bits, p.is_v4 ? 32 : 128);
    mask = prefix_mask(&p);
    p.addr = addr_of((struct halves){ h.high & mask.high, h.low & mask.low });
    return p;
}

bool rn_prefix_contains(const struct rn_prefix *p, struct rn_addr a)
{
    return !p->is_v4 == !rn_addr_is_v4(a) && matches(p, a, prefix_mask(p));
}

bool rn_prefix_overlaps(const struct rn_prefix *p, const struct rn_prefix *q)
{
    const struct rn_prefix *wider = p->bits <= q->bits ? p : q;

    return !p->is_v4 == !q->is_v4 && matches(p, q->addr, prefix_mask(wider));
}

bool rn_prefix_eq(const struct rn_prefix *p, const struct rn_prefix *q)
{
    return p->bits == q->bits && !p->is_v4 == !q->is_v4 && rn_addr_eq(p->addr, q->addr);
}

struct rn_addr rn_prefix_last(const struct rn_prefix *p)
{
    struct halves h = halves_of(p->addr);
    struct halves mask = prefix_mask(p);

    return addr_of((struct halves){ h.high | ~mask.high, h.low | ~mask.low });
}

/* "0".."128" without leading zero; false for anything else. */
static bool parse_bits(const char *text, unsigned max, unsigned *ret)
{
    unsigned bits = 0;
    size_t len = strlen(text);

    if (len == 0 || len > 3 || (text[0] == '0' && len > 1))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        bits = bits * 10 + (unsigned)(text[i] - '0');
    }
    if (bits > max)
        return false;
    *ret = bits;
    return true;
}

int rn_prefix_parse(const char *text, struct rn_prefix *ret)
{
    char head[RN_ADDR_TEXT_BYTES] = { 0 };
    size_t n = 0;
    struct rn_addr addr;
    struct rn_prefix p;
    unsigned bits;
    unsigned max;
    int err;

    while (text[n] != '\0' && text[n] != '/')
        n++;
    if (n >= sizeof(head))
        return RN_E_PARSE;
    memcpy(head, text, n);
    err = rn_addr_parse(head, &addr);
    if (err < 0)
        return err;
    max = rn_addr_is_v4(addr) ? 32 : 128;
    bits = max;
    if (text[n] == '/' && !parse_bits(text + n + 1, max, &bits))
        return RN_E_PARSE;
    p = rn_prefix_of(addr, bits);
    if (!rn_addr_eq(p.addr, addr))
        return RN_E_PARSE;
    *ret = p;
    return RN_OK;
}

char *rn_prefix_print(const struct rn_prefix *p, char buf[RN_PREFIX_TEXT_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_PREFIX_TEXT_BYTES);

    rn_text_prefix(&t, p);
    return buf;
}
