#pragma once
/*
 * A packet: metadata, header bytes inside, payload as references to buffers. It has exactly one owner and is never
 * refcounted: whoever you hand a packet to owns it, on every path. Bytes in order: head[head_off .. +head_len], then
 * frags[0..n_frags). Received packets arrive with an empty head and their headers at the start of frags[0], contiguous
 * for at least RN_PKT_PULLUP_BYTES (or the whole packet if shorter); sent packets carry all headers in the head.
 */
#include "base/buf.h"
#include "base/pool.h"
#include "base/view.h"
#include <runnel/attr.h>
#include <runnel/pkt.h>

#include <stdbool.h>

#define RN_PKT_HEAD_BYTES 192u
#define RN_PKT_FRAGS_MAX  10u
/* Ethernet + VLAN + IPv6 with extension headers + TCP with options fit. */
#define RN_PKT_PULLUP_BYTES 1024u

enum rn_drop {
#define X(name, text) RN_DROP_##name,
#include "base/drops.def"
#undef X
    RN_DROP_COUNT
};

/* Where drops are counted and traced: one per stack or device; zero is valid. */
struct rn_drop_account {
    uint64_t n[RN_DROP_COUNT];
    void (*trace)(void *arg, const struct rn_pkt *pkt, enum rn_drop why); /* NULL: none */
    void *arg;
};

enum rn_csum {
    RN_CSUM_NONE,  /* nothing known: verify on input; complete already on output */
    RN_CSUM_VALID, /* verified by device or kernel */
    RN_CSUM_PARTIAL, /* field at csum_start + csum_offset holds the folded pseudo-header sum (not complemented);
                        whoever puts it on a wire without offload must complete it from csum_start to the end */
};

enum rn_gso {
    RN_GSO_NONE,
    RN_GSO_TCP4,
    RN_GSO_TCP6,
    RN_GSO_UDP, /* UDP_SEGMENT style ("USO"): equal datagrams, the last may be shorter */
};

enum rn_pkt_flag {
    RN_PKT_LOOPED = 1 << 0,      /* came back from ourselves */
    RN_PKT_BROADCAST = 1 << 1,   /* link-layer broadcast or multicast: no ICMP errors for it */
    RN_PKT_GSO_ECN = 1 << 2,     /* VIRTIO_NET_HDR_GSO_ECN: CWR only in the first segment */
    RN_PKT_FORWARDED = 1 << 3,   /* not ours: queues may drop it */
    RN_PKT_NO_FRAGMENT = 1 << 4, /* DF on output, or fail with MSG_TOO_LONG */
    RN_PKT_LENT =
        1 << 5, /* its slabs are a sender's of this process, who pays for them (pipe, loopback) */
    RN_PKT_GSO_FIXED_ID =
        1 << 6, /* segments share one IPv4 identification instead of counting up */
};

struct rn_frag {
    struct rn_buf *buf;
    uint32_t off;
    uint32_t len;
};

struct rn_pkt {
    struct rn_pkt *next; /* of the one queue it is in */
    struct rn_pool *pool;
    struct rn_drop_account *account; /* borrows; NULL: counted in the pool's own */
    uint32_t len;                    /* all bytes: head and frags */
    uint16_t head_off;
    uint16_t head_len;
    uint8_t n_frags;
    uint8_t csum;         /* enum rn_csum */
    uint8_t gso;          /* enum rn_gso */
    uint8_t flags;        /* enum rn_pkt_flag */
    uint16_t gso_size;    /* payload bytes per segment */
    uint16_t gso_hdr;     /* bytes from packet start to payload; push and pull keep it true */
    uint16_t csum_start;  /* bytes from packet start to the transport header; kept true too */
    uint16_t csum_offset; /* of the checksum field from csum_start */
    uint16_t ethertype;   /* of the network header, once the link header is gone; 0 unknown */
    uint16_t nic;         /* id it came in on, or leaves by; 0 none */
    uint16_t link_len;    /* input: link header bytes that were pulled off, still readable */
    uint16_t l3_len;      /* network header bytes, set by ip/; input: pulled off, still readable */
    uint8_t l4_proto;
    uint8_t ttl;          /* of the network header, input */
    uint8_t tos;          /* DS field and ECN, both ways */
    uint8_t queue;        /* device queue it came from or should leave by */
    uint32_t flow_hash;   /* 0 unknown */
    uint16_t head_pulled; /* bytes pulled off the head, not overwritten since: rn_pkt_unpull() */
    uint16_t frag_pulled; /* the same of frags[0] */
    int64_t time_ns;      /* input: arrival; output: earliest departure, 0 now */
    struct rn_frag frags[RN_PKT_FRAGS_MAX];
    uint8_t head[RN_PKT_HEAD_BYTES];
};

/* Empty packet with the whole head as headroom. Returns owned, or NULL over budget. */
struct rn_pkt *rn_pkt_new(struct rn_pool *pool);
/* Consumes @pkt (may be NULL): for packets whose job is done. A packet that fails its job is dropped, not freed. */
void rn_pkt_free(struct rn_pkt *pkt);
/* Consumes @pkt: counts, traces, frees. The only way to lose a packet. */
void rn_pkt_drop(struct rn_pkt *pkt, enum rn_drop why);
/* Where packets without an account of their own are counted. */
struct rn_drop_account *rn_pool_drops(struct rn_pool *pool);
const char *rn_drop_text(enum rn_drop why);
const char *rn_drop_name(enum rn_drop why);

/* A packet with a private copy of the head and references to the same buffers. Returns owned or NULL. */
struct rn_pkt *rn_pkt_clone(const struct rn_pkt *pkt);
/* Copies @len bytes into as many fresh slabs as needed (first one small). Returns owned or NULL. */
struct rn_pkt *rn_pkt_from_bytes(struct rn_pool *pool, const void *bytes, size_t len);

/* Room for @n header bytes in front of the packet; NULL when the headroom is used up. Adjusts csum_start, gso_hdr. */
uint8_t *rn_pkt_push(struct rn_pkt *pkt, size_t n);
/* Takes @n bytes off the front; @n <= pkt->len (rn_assert). Adjusts csum_start, gso_hdr (saturating at 0). Buffers that
 * are emptied are let go, but for the last one: its bytes stay readable. */
void rn_pkt_pull(struct rn_pkt *pkt, size_t n);
/* The @n bytes that were pulled last, in front of the packet; NULL when they are not there (any more): after a push,
 * after rn_pkt_own_front(), or when they did not lie in one piece. Borrowed from @pkt. */
const uint8_t *rn_pkt_pulled(const struct rn_pkt *pkt, size_t n);
/* Puts the @n bytes pulled last back in front (an ICMP error quotes the network header). false: not there any more. */
RN_MUST_USE bool rn_pkt_unpull(struct rn_pkt *pkt, size_t n);
/* Cuts the packet to @len bytes (link padding); @len <= pkt->len. */
void rn_pkt_trim(struct rn_pkt *pkt, size_t len);
/* The @i-th piece of contiguous bytes, perhaps empty: 0 is the head, 1 + i is frags[i]. Borrowed from @pkt. */
static inline struct rn_view rn_pkt_piece(const struct rn_pkt *pkt, unsigned i)
{
    if (i == 0)
        return rn_view_of(pkt->head + pkt->head_off, pkt->head_len);
    return rn_view_of(pkt->frags[i - 1].buf->data + pkt->frags[i - 1].off, pkt->frags[i - 1].len);
}
/* The contiguous bytes at the front: the head if it has any, else frags[0]. Borrowed from @pkt. */
static inline struct rn_view rn_pkt_front(const struct rn_pkt *pkt)
{
    return rn_pkt_piece(pkt, pkt->head_len == 0 && pkt->n_frags != 0);
}
/* Makes the first @n bytes contiguous and private in the head, so that they may be rewritten; returns them, or NULL when
 * @n exceeds RN_PKT_HEAD_BYTES or the packet. */
uint8_t *rn_pkt_own_front(struct rn_pkt *pkt, size_t n);
/* Appends a reference to @len bytes at @off of @buf (takes its own reference). false: no frag slot left. */
RN_MUST_USE bool rn_pkt_append_ref(struct rn_pkt *pkt, struct rn_buf *buf, uint32_t off,
                                   uint32_t len);
/* Appends a copy, using room in an unshared last slab first. false: out of memory or slots. */
RN_MUST_USE bool rn_pkt_append_copy(struct rn_pkt *pkt, const void *bytes, size_t len);
/* Fills at most @max views with the packet's bytes from @off on; returns their number (up to 1 + n_frags). */
unsigned rn_pkt_views(const struct rn_pkt *pkt, size_t off, struct rn_view *views, unsigned max);

/* Folded, not complemented Internet sum over [off, off + len) of the packet, seeded with @sum. */
uint16_t rn_pkt_checksum(const struct rn_pkt *pkt, size_t off, size_t len, uint32_t sum);
/* Completes a PARTIAL checksum in place, on bytes it makes private first. false: cannot (offsets outside the packet, or out
 * of memory). */
RN_MUST_USE bool rn_pkt_complete_checksum(struct rn_pkt *pkt);
/* Copies the whole packet to @out, a PARTIAL checksum completed in the copy: one pass over the bytes, for devices that copy anyhow.
 * @pkt stays as it is. false: offsets outside the packet. */
RN_MUST_USE bool rn_pkt_copy_out_complete(const struct rn_pkt *pkt, uint8_t *out);
/* What belongs in the checksum field at @csum_offset when the range adds up to @sum. UDP, told by its offset of 6, sends
 * 0xffff for zero, which there means "none" (RFC 768); elsewhere zero is zero. */
static inline uint16_t rn_pkt_checksum_field(uint16_t sum, uint16_t csum_offset)
{
    uint16_t field = (uint16_t)~sum;

    return field == 0 && csum_offset == 6 ? 0xffff : field;
}

/* The largest packet this becomes on a wire: header + gso_size for GSO packets, else len. The only length that is
 * compared with an MTU, policed or counted per packet. Like len it counts from the packet's present start. */
static inline uint32_t rn_pkt_wire_len(const struct rn_pkt *pkt)
{
    return pkt->gso == RN_GSO_NONE ? pkt->len : (uint32_t)pkt->gso_hdr + pkt->gso_size;
}

/* How many wire packets it becomes. */
static inline uint32_t rn_pkt_segments(const struct rn_pkt *pkt)
{
    if (pkt->gso == RN_GSO_NONE || pkt->gso_size == 0 || pkt->len <= pkt->gso_hdr)
        return 1;
    return (pkt->len - pkt->gso_hdr + pkt->gso_size - 1) / pkt->gso_size;
}

/* Memory really held: the packet and its share of every slab (a whole slab for each frag). For budgets. */
uint32_t rn_pkt_true_bytes(const struct rn_pkt *pkt);
