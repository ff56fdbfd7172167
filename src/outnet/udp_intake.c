#include "outnet/udp_intake.h"

#include "base/pkt.h"
#include "outnet/udp_train.h"

#define DATAGRAM_MAX 65535u
/* At least two, so that one call tells that there is no second. */
#define ASK_MIN 2u
/* Of trains, which fill slabs by themselves. */
#define ASK_LARGE 4u

unsigned rn_udp_taste_n(const struct rn_udp_taste *taste)
{
    unsigned n = rn_max_u32(taste->n, ASK_MIN);

    if (taste->stride == 0)
        return rn_min_u32(n, ASK_LARGE);
    return rn_max_u32(rn_min_u32(n, RN_UDP_TRAIN_BYTES_MAX / taste->stride), ASK_MIN);
}

/* Returns for how many datagrams there is room. */
static unsigned prepare(struct rn_udp_intake *intake, struct rn_buf *slab, uint32_t stride,
                        struct rn_net_dgram_in *in, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (intake->spill[i] == NULL)
            intake->spill[i] = rn_buf_new(intake->pool, RN_BUF_BIG);
        if (intake->spill[i] == NULL)
            return i;
        in[i].room[0] =
            (struct rn_net_span){ slab != NULL ? slab->data + (size_t)i * stride : NULL, stride };
        in[i].room[1] = (struct rn_net_span){ intake->spill[i]->data, DATAGRAM_MAX - stride };
    }
    return n;
}

static void learn(struct rn_udp_taste *taste, const struct rn_net_dgram_in *in, unsigned got,
                  unsigned asked)
{
    bool is_large = in[0].msg.segment_bytes != 0 || in[0].len > RN_BUF_SMALL_BYTES;

    taste->stride = is_large ? 0 : (uint16_t)in[0].len;
    if (got == asked)
        taste->n = (uint8_t)rn_min_u32(2 * asked, RN_UDP_INTAKE_MAX);
    else if (got <= asked / 4)
        taste->n = (uint8_t)rn_max_u32(asked / 2, ASK_MIN);
}

static bool is_alike(const struct rn_net_dgram_in *a, const struct rn_net_dgram_in *b)
{
    return a->msg.segment_bytes == 0 && b->msg.segment_bytes == 0 && !b->msg.was_cut &&
           a->msg.tos == b->msg.tos && a->msg.peer.port == b->msg.peer.port &&
           a->msg.peer.nic == b->msg.peer.nic && rn_addr_eq(a->msg.peer.addr, b->msg.peer.addr);
}

/* How many from @in on can go on as one packet, and their bytes; the first has the expected size. */
static unsigned train_at(const struct rn_net_dgram_in *in, unsigned n, size_t *ret_bytes)
{
    size_t stride = in[0].len;
    size_t bytes = stride;
    unsigned i = 1;

    while (i < n && in[i].len != 0 && in[i].len <= stride && is_alike(in, in + i)) {
        bytes += in[i].len;
        if (in[i++].len < stride)
            break;
    }
    *ret_bytes = bytes;
    return i;
}

/* @rest bytes of the @i-th datagram lie in its spill: small ones are copied, so that nobody's queue pins 68 KiB for them. */
static bool append_spill(struct rn_udp_intake *intake, struct rn_pkt *pkt, unsigned i, size_t rest)
{
    struct rn_buf *buf = intake->spill[i];

    if (pkt->len + rest <= RN_BUF_SMALL_BYTES)
        return rn_pkt_append_copy(pkt, buf->data, rest);
    if (!rn_pkt_append_ref(pkt, buf, 0, (uint32_t)rest))
        return false;
    rn_buf_unref(buf);
    intake->spill[i] = NULL;
    return true;
}

/* What one packet is made of. */
struct piece {
    unsigned at, n;     /* datagrams */
    size_t slab_bytes;  /* lie in the slab from at * stride on */
    size_t spill_bytes; /* what a single large one has more */
};

/* Returns owned or NULL. */
static struct rn_pkt *packet_of(struct rn_udp_intake *intake, struct rn_buf *slab,
                                const struct piece *p, uint32_t stride)
{
    size_t off = (size_t)p->at * stride;
    struct rn_pkt *pkt = rn_pkt_new(intake->pool);
    bool is_whole = pkt != NULL;

    if (is_whole && p->slab_bytes != 0) {
        if (p->slab_bytes + p->spill_bytes <= RN_BUF_SMALL_BYTES)
            is_whole = rn_pkt_append_copy(pkt, slab->data + off, p->slab_bytes);
        else
            is_whole = rn_pkt_append_ref(pkt, slab, (uint32_t)off, (uint32_t)p->slab_bytes);
    }
    if (is_whole && p->spill_bytes != 0)
        is_whole = append_spill(intake, pkt, p->at, p->spill_bytes);
    if (is_whole)
        return pkt;
    rn_pkt_free(pkt);
    return NULL;
}

static void hand_on(struct rn_udp_intake *intake, struct rn_buf *slab,
                    const struct rn_net_dgram_in *in, unsigned got, uint32_t stride,
                    struct rn_udp_sink *sink)
{
    for (struct piece p = { 0 }; p.at < got; p.at += p.n) {
        struct rn_net_msg msg = in[p.at].msg;
        struct rn_pkt *pkt;

        p.n = 1;
        p.slab_bytes = rn_min_size(in[p.at].len, stride);
        p.spill_bytes = in[p.at].len - p.slab_bytes;
        if (in[p.at].len == stride && stride <= sink->merge_max_bytes)
            p.n = train_at(in + p.at, got - p.at, &p.slab_bytes);
        if (p.n > 1)
            msg.segment_bytes = (uint16_t)stride;
        pkt = packet_of(intake, slab, &p, stride);
        if (pkt != NULL)
            sink->give(sink, pkt, &msg);
    }
}

int rn_udp_intake_read(struct rn_udp_intake *intake, struct rn_net_dgram *dgram,
                       struct rn_udp_taste *taste, struct rn_udp_sink *sink)
{
    struct rn_net_dgram_in in[RN_UDP_INTAKE_MAX];
    uint32_t stride = taste->stride;
    struct rn_buf *slab = NULL;
    unsigned n;
    int got;

    if (stride != 0) {
        slab = rn_buf_new(intake->pool, RN_BUF_BIG);
        if (slab == NULL)
            return RN_E_NOMEM;
    }
    n = prepare(intake, slab, stride, in, rn_udp_taste_n(taste));
    got = n != 0 ? dgram->ops->recv_many(dgram, in, n) : RN_E_NOMEM;
    if (got > 0) {
        learn(taste, in, (unsigned)got, n);
        hand_on(intake, slab, in, (unsigned)got, stride, sink);
    }
    rn_buf_unref(slab);
    return got;
}

void rn_udp_intake_fini(struct rn_udp_intake *intake)
{
    for (unsigned i = 0; i < RN_UDP_INTAKE_MAX; i++) {
        rn_buf_unref(intake->spill[i]);
        intake->spill[i] = NULL;
    }
}
