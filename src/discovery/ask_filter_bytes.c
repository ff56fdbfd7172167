/* The headers of a connection's first packet, or of the question for a MAC before it, bit by bit as far as they are
 * known. */
#include "discovery/ask_filter_run.h"

#include <linux/if_ether.h>

enum { ETHER_BYTES = 6, PROTO_TCP = 6, PROTO_ICMP6 = 58, ND_SOLICIT = 135 /* RFC 4861 §4.3 */ };

static bool is_v6(const struct rn_filter_packet *p)
{
    return !rn_addr_is_v4(p->to);
}

uint8_t rn_filter_ip_proto(const struct rn_filter_packet *p)
{
    if (!p->is_question)
        return p->ip_proto;
    return is_v6(p) ? PROTO_ICMP6 : 0;
}

uint16_t rn_filter_ether_type(const struct rn_filter_packet *p)
{
    if (is_v6(p))
        return ETH_P_IPV6;
    return p->is_question ? ETH_P_ARP : ETH_P_IP;
}

static void know(struct rn_filter_bytes *b, size_t at, const void *data, size_t len)
{
    memcpy(b->data + at, data, len);
    memset(b->known + at, 0xff, len);
}

static void know_bits(struct rn_filter_bytes *b, size_t at, uint8_t value, uint8_t mask)
{
    b->data[at] = value & mask;
    b->known[at] = mask;
}

static void know_be16(struct rn_filter_bytes *b, size_t at, uint16_t value)
{
    const uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };

    know(b, at, bytes, sizeof(bytes));
}

static void know_addr(struct rn_filter_bytes *b, size_t at, struct rn_addr a)
{
    if (rn_addr_is_none(a))
        return;
    if (rn_addr_is_v4(a))
        know(b, at, a.b + 12, 4);
    else
        know(b, at, a.b, 16);
}

static void know_mac(struct rn_filter_bytes *b, size_t at, const struct rn_map_link *link)
{
    if (link != NULL && link->hwaddr.len == ETHER_BYTES)
        know(b, at, link->hwaddr.b, ETHER_BYTES);
}

/* RFC 4291 §2.7.1: the group of all who have an address that ends like this one. */
static struct rn_addr solicited_group(struct rn_addr a)
{
    static const uint8_t start[] = { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff };

    memcpy(a.b, start, sizeof(start));
    return a;
}

static void link_header(const struct rn_filter_packet *p, struct rn_filter_bytes *b)
{
    static const uint8_t everybody[ETHER_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct rn_addr group = solicited_group(p->next_hop);

    know_mac(b, ETHER_BYTES, p->sender);
    if (!p->is_question) {
        know_mac(b, 0, p->taker);
    } else if (is_v6(p)) {
        know_be16(b, 0, 0x3333); /* RFC 2464 §7 */
        know(b, 2, group.b + 12, 4);
    } else {
        know(b, 0, everybody, sizeof(everybody));
    }
    know_be16(b, ETH_HLEN - 2, rn_filter_ether_type(p));
}

/* RFC 826, for Ethernet and IPv4. */
static void arp_header(const struct rn_filter_packet *p, struct rn_filter_bytes *b)
{
    static const uint8_t start[] = { 0, 1, 8, 0, ETHER_BYTES, 4, 0, 1 };
    static const uint8_t asked[ETHER_BYTES] = { 0 };

    know(b, 0, start, sizeof(start));
    know_mac(b, 8, p->sender);
    know_addr(b, 14, p->from);
    know(b, 18, asked, sizeof(asked));
    know_addr(b, 24, p->next_hop);
}

static void ipv4_header(const struct rn_filter_packet *p, struct rn_filter_bytes *b)
{
    know_bits(b, 0, 0x40, 0xf0);
    know_bits(b, 6, 0, 0x3f); /* no fragment: all but the flag that forbids it */
    know_bits(b, 7, 0, 0xff);
    know_bits(b, 9, p->ip_proto, 0xff);
    know_addr(b, 12, p->from);
    know_addr(b, 16, p->to);
}

static void ipv6_header(const struct rn_filter_packet *p, struct rn_filter_bytes *b)
{
    know_bits(b, 0, 0x60, 0xf0);
    know_bits(b, 6, rn_filter_ip_proto(p), 0xff);
    if (!p->is_question)
        know_addr(b, 8, p->from);
    know_addr(b, 24, p->is_question ? solicited_group(p->next_hop) : p->to);
}

static void transport_header(const struct rn_filter_packet *p, struct rn_filter_bytes *b)
{
    if (p->is_question) {
        if (is_v6(p)) {
            know_be16(b, 0, ND_SOLICIT << 8);
            know_addr(b, 8, p->next_hop);
        }
        return;
    }
    know_be16(b, 2, p->port);
    if (p->ip_proto == PROTO_TCP)
        know_bits(b, 13, 0x02, 0x3f); /* SYN; RFC 3168's bits are as the sender likes */
}

void rn_filter_bytes_of(const struct rn_filter_packet *p, enum rn_filter_base base,
                        struct rn_filter_bytes *ret)
{
    *ret = (struct rn_filter_bytes){ 0 };
    if (p->is_tagged)
        return;
    if (base == RN_BASE_LINK)
        link_header(p, ret);
    else if (base == RN_BASE_TRANSPORT)
        transport_header(p, ret);
    else if (is_v6(p))
        ipv6_header(p, ret);
    else if (p->is_question)
        arp_header(p, ret);
    else
        ipv4_header(p, ret);
}
