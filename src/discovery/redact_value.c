#include "discovery/redact.h"

#include "base/text.h"

static uint64_t hash(const struct rn_redact *r, struct rn_view v)
{
    return rn_siphash24(&r->key, v.ptr, v.len);
}

char *rn_redact_name(const struct rn_redact *r, struct rn_view name, char buf[RN_REDACT_NAME_BYTES])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    struct rn_text t = rn_text_of(buf, RN_REDACT_NAME_BYTES);
    uint64_t h = hash(r, name);

    if (name.len == 0)
        return buf;
    if (name.len == 2 && memcmp(name.ptr, "lo", 2) == 0) {
        rn_text_str(&t, "lo");
        return buf;
    }
    rn_text_char(&t, 'x');
    for (unsigned i = 0; i < 8; i++, h >>= 5) /* 40 bits: two alike among thousands are unlikely */
        rn_text_char(&t, letters[h & 31]);
    return buf;
}

char *rn_redact_id(const struct rn_redact *r, struct rn_view id, char buf[RN_REDACT_ID_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_REDACT_ID_BYTES);
    uint64_t h = hash(r, id);

    for (unsigned i = 0; i < 4; i++) {
        rn_text_hex(&t, h, 16);
        h = hash(r, rn_view_of(&h, sizeof(h)));
    }
    return buf;
}

/* Each bit is turned by a function of those before it (Xu et al., "Prefix-preserving IP address anonymization", 2002):
 * two addresses part where they parted before. The first @keep bits stay. */
static void turn_bits(const struct rn_redact *r, uint8_t *bytes, size_t len, unsigned keep)
{
    uint8_t seen[17] = { 0 };

    for (unsigned i = 0; i < len * 8; i++) {
        uint8_t bit = (uint8_t)(0x80u >> (i % 8));
        uint8_t was = bytes[i / 8] & bit;

        seen[16] = (uint8_t)(i + (len == 4 ? 128 : 0));
        if (i >= keep && rn_siphash24(&r->key, seen, sizeof(seen)) & 1)
            bytes[i / 8] ^= bit;
        seen[i / 8] |= was;
    }
}

struct rn_addr rn_redact_addr(const struct rn_redact *r, struct rn_addr a)
{
    uint8_t *bytes = rn_addr_is_v4(a) ? a.b + 12 : a.b;

    if (rn_addr_is_any(a) || rn_addr_is_loopback(a) || rn_addr_is_broadcast(a))
        return a;
    if (rn_addr_is_v4(a)) { /* the first octet tells private from public, and no more */
        if (!rn_addr_is_multicast(a))
            turn_bits(r, bytes, 4, 8);
        return a;
    }
    if (rn_addr_is_multicast(
            a)) { /* RFC 4291 §2.7.1: the last 24 bits of ff02::1:ffXX:XXXX are an address's */
        turn_bits(r, bytes, 16, 104);
        return a;
    }
    turn_bits(r, bytes, 16, rn_addr_is_link_local(a) ? 64 : 16);
    return a;
}

void rn_redact_addr_bytes(const struct rn_redact *r, uint8_t *bytes, size_t len, unsigned bits)
{
    uint32_t v4;
    struct rn_addr a;

    if (len == 4) {
        v4 = rn_get_be32(bytes);
        a = rn_redact_addr(r, rn_addr_v4(v4));
        memcpy(bytes, a.b + 12, 4);
    } else if (len == 16) {
        a = rn_redact_addr(r, rn_addr_v6(bytes));
        memcpy(bytes, a.b, 16);
    } else {
        memset(bytes, 0, len);
        return;
    }
    for (unsigned i = bits; i < len * 8; i++)
        bytes[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
}

void rn_redact_hwaddr(const struct rn_redact *r, uint8_t *bytes, size_t len)
{
    static const uint8_t ones[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t zeros[6];
    uint64_t h = hash(r, rn_view_of(bytes, len));

    if (len == 4 || len == 16) {
        rn_redact_addr_bytes(r, bytes, len, (unsigned)len * 8);
        return;
    }
    if (len == 6 && (memcmp(bytes, ones, 6) == 0 || memcmp(bytes, zeros, 6) == 0))
        return;
    for (size_t i = 0; i < len; i++, h = h >> 8 | h << 56) {
        /* The two low bits of the first octet are flags: group, and locally administered (IEEE 802). */
        if (i == 0)
            bytes[0] = (uint8_t)((bytes[0] & 3u) | ((uint8_t)h & ~3u));
        else
            bytes[i] = (uint8_t)h;
    }
}
