#include "box.h"

#include "base/checksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/print.h"
#include "wire/tcp.h"

#include <runnel/err.h>
#include <stdio.h>

enum { OUT, IN, MILLION = 1000000, BYTES_MAX = 2048 };

static struct sim_box *box_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct sim_box, base.dev);
}

/* --- rewriting ------------------------------------------------------------------------------------------------------ */

struct bytes {
    uint8_t at[BYTES_MAX];
    size_t len;
    size_t l4; /* where the TCP header begins; 0: no TCP */
};

static void read_bytes(const struct rn_pkt *pkt, struct bytes *b)
{
    b->len = rn_min_size(pkt->len, sizeof(b->at));
    b->l4 = 0;
    rn_pkt_copy_out(pkt, 0, b->at, b->len);
    if (b->len >= 40 && b->at[0] == 0x45 && b->at[9] == RN_PROTO_TCP)
        b->l4 = RN_IPV4_HDR_BYTES;
    if (b->len >= 60 && b->at[0] >> 4 == 6 && b->at[6] == RN_PROTO_TCP)
        b->l4 = RN_IPV6_HDR_BYTES;
}

/* Over pseudo-header and segment: 0xffff when the checksum in it is right. */
static uint16_t sum_of(const struct bytes *b)
{
    size_t addr_bytes = b->l4 == RN_IPV4_HDR_BYTES ? 8 : 32;
    size_t tcp_len = b->len - b->l4;
    uint8_t tail[8] = { 0 };
    uint16_t sum;

    rn_put_be32(tail, (uint32_t)tcp_len);
    tail[7] = RN_PROTO_TCP;
    sum = rn_checksum(tail, sizeof(tail), 0);
    sum = rn_checksum(b->at + b->l4 - addr_bytes, addr_bytes, sum);
    return rn_checksum(b->at + b->l4, tcp_len, sum);
}

/* Makes the lengths and sums true again. */
static void seal(struct bytes *b)
{
    bool is_v4 = b->l4 == RN_IPV4_HDR_BYTES;

    rn_put_be16(b->at + (is_v4 ? 2 : 4), (uint16_t)(is_v4 ? b->len : b->len - b->l4));
    if (is_v4) {
        rn_put_be16(b->at + 10, 0);
        rn_put_be16(b->at + 10, (uint16_t)~rn_checksum(b->at, RN_IPV4_HDR_BYTES, 0));
    }
    rn_put_be16(b->at + b->l4 + RN_TCP_CHECKSUM_AT, 0);
    rn_put_be16(b->at + b->l4 + RN_TCP_CHECKSUM_AT, (uint16_t)~sum_of(b));
}

static void rewrite_option(const struct sim_box *box, uint8_t *opt, size_t len, bool is_syn_ack)
{
    static const struct {
        uint8_t kind;
        unsigned strip;
    } strips[] = {
        { 4, SIM_STRIP_SACK }, { 8, SIM_STRIP_TS }, { 3, SIM_STRIP_WSCALE }, { 2, SIM_STRIP_MSS }
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(strips); i++) {
        /* Only of the SYN: what is missing there cannot be in the answer, so that both sides know it. */
        if (strips[i].kind == opt[0] && (box->opts.strip & strips[i].strip) != 0 && !is_syn_ack) {
            memset(opt, 1, len);
            return;
        }
    }
    if (opt[0] == 2 && len == 4 && box->opts.mss != 0 && rn_get_be16(opt + 2) > box->opts.mss)
        rn_put_be16(opt + 2, box->opts.mss);
}

static void rewrite_late_option(const struct sim_box *box, uint8_t *opt, size_t len)
{
    if ((opt[0] == 5 && (box->opts.strip_late & SIM_STRIP_SACK) != 0) ||
        (opt[0] == 8 && (box->opts.strip_late & SIM_STRIP_TS) != 0))
        memset(opt, 1, len);
}

static void rewrite_options(const struct sim_box *box, struct bytes *b)
{
    uint8_t *tcp = b->at + b->l4;
    size_t end = (size_t)(tcp[12] >> 4) * 4;
    size_t i = RN_TCP_HDR_BYTES;

    while (i < end && tcp[i] != 0) {
        size_t len = tcp[i] == 1 ? 1 : tcp[i + 1];

        if (len == 0 || i + len > end)
            break;
        if ((tcp[13] & RN_TCP_SYN) != 0)
            rewrite_option(box, tcp + i, len, (tcp[13] & RN_TCP_ACK) != 0);
        else
            rewrite_late_option(box, tcp + i, len);
        i += len;
    }
}

/* Returns the packet to go on with, or NULL when there is no memory for it. */
static struct rn_pkt *meddle(struct sim_box *box, struct rn_pkt *pkt)
{
    struct bytes b;
    struct rn_pkt *ret;

    if (box->opts.strip == 0 && box->opts.mss == 0 && box->opts.strip_late == 0)
        return pkt;
    if (pkt->len > BYTES_MAX)
        return pkt;
    read_bytes(pkt, &b);
    if (b.l4 == 0 || ((b.at[b.l4 + 13] & RN_TCP_SYN) == 0 && box->opts.strip_late == 0))
        return pkt;
    if (pkt->csum != RN_CSUM_PARTIAL && sum_of(&b) != 0xffff)
        return pkt; /* a damaged one must not be healed */
    rewrite_options(box, &b);
    seal(&b);
    ret = rn_pkt_from_bytes(pkt->pool, b.at, b.len);
    rn_pkt_free(pkt);
    return ret;
}

/* Marks what is ECN-capable, or makes all of it incapable; sums stay right or wrong as they were. */
static void touch_ecn(struct sim_box *box, struct rn_pkt *pkt)
{
    bool is_marked = rn_rand_below(&box->rand, MILLION) < box->opts.ce_ppm;
    uint8_t *ip = (is_marked || box->opts.bleaches_ecn) && pkt->len >= RN_IPV4_HDR_BYTES
                      ? rn_pkt_own_front(pkt, rn_min_size(pkt->len, RN_PKT_HEAD_BYTES))
                      : NULL;
    unsigned shift = ip != NULL && ip[0] >> 4 == 6 ? 4 : 0;
    uint16_t before;

    if (ip == NULL || ((unsigned)ip[1] >> shift & RN_IP_ECN_MASK) == RN_ECN_NONE)
        return;
    before = rn_get_be16(ip);
    if (box->opts.bleaches_ecn)
        ip[1] &= (uint8_t) ~(RN_IP_ECN_MASK << shift);
    else
        ip[1] |= (uint8_t)(RN_ECN_CE << shift);
    if (shift == 0)
        rn_put_be16(ip + 10, rn_checksum_update16(rn_get_be16(ip + 10), before, rn_get_be16(ip)));
}

/* --- hostility ------------------------------------------------------------------------------------------------------ */

/*
 * A stranger knows addresses and ports and guesses the rest. Guesses never hit: what is within the window may do what it
 * says, that is a property of TCP, not a bug.
 */
static struct rn_pkt *forge(struct sim_box *box, const struct rn_pkt *model)
{
    static const uint8_t flags[] = { RN_TCP_RST,
                                     RN_TCP_RST | RN_TCP_ACK,
                                     RN_TCP_SYN,
                                     RN_TCP_SYN | RN_TCP_ACK,
                                     RN_TCP_ACK,
                                     RN_TCP_ACK | RN_TCP_PSH,
                                     RN_TCP_ACK | RN_TCP_FIN,
                                     RN_TCP_ACK | RN_TCP_URG,
                                     RN_TCP_FIN,
                                     RN_TCP_SYN | RN_TCP_FIN,
                                     0,
                                     0x3f };
    struct bytes b;
    uint8_t *tcp;
    uint32_t off;

    if (model->len > BYTES_MAX)
        return NULL;
    read_bytes(model, &b);
    if (b.l4 == 0 || (b.at[b.l4 + 13] & RN_TCP_SYN) != 0)
        return NULL;
    if (model->csum != RN_CSUM_PARTIAL && sum_of(&b) != 0xffff)
        return NULL; /* a damaged model may name somebody else */
    tcp = b.at + b.l4;
    off = (1u << 30) + (uint32_t)rn_rand_below(&box->rand, 1u << 31);
    rn_put_be32(tcp + 4, rn_get_be32(tcp + 4) + off);
    tcp[13] = flags[rn_rand_below(&box->rand, sizeof(flags))];
    /* In SYN-SENT the acknowledgment number alone says whose a SYN+ACK or a RST is. */
    if ((tcp[13] & (RN_TCP_SYN | RN_TCP_RST)) != 0 || rn_rand_below(&box->rand, 2) == 0)
        rn_put_be32(tcp + 8, rn_rand_u32(&box->rand));
    if ((tcp[13] & (RN_TCP_SYN | RN_TCP_ACK)) == RN_TCP_SYN && !box->opts.forges_syns)
        return NULL;
    if (rn_rand_below(&box->rand, 4) == 0)
        rn_put_be16(tcp + 18, (uint16_t)rn_rand_u32(&box->rand));
    seal(&b);
    switch (rn_rand_below(&box->rand, 8)) {
    case 0:
        tcp[12] = (uint8_t)rn_rand_u32(&box->rand); /* header length, and a sum that is wrong now */
        break;
    case 1:
        b.len = 1 + rn_rand_below(&box->rand, b.len);
        break;
    default:
        break;
    }
    box->n_hostile++;
    return rn_pkt_from_bytes(model->pool, b.at, b.len);
}

/* --- fate ----------------------------------------------------------------------------------------------------------- */

static const struct sim_episode *episode_now(const struct sim_box *box)
{
    int64_t now_ns = box->base.dev.turn->now_ns;

    for (unsigned i = 0; i < box->opts.n_episodes; i++) {
        const struct sim_episode *e = &box->opts.episodes[i];

        if (now_ns >= e->from_ns && now_ns < e->to_ns)
            return e;
    }
    return NULL;
}

static bool is_swallowed(const struct sim_box *box, const struct rn_pkt *pkt)
{
    return box->opts.hole_bytes != 0 && box->base.dev.turn->now_ns >= box->opts.hole_ns &&
           rn_pkt_wire_len(pkt) > box->opts.hole_bytes;
}

/* Puts what survives into @to; NULL of it waits in box->held. Consumes @pkt. */
static void suffer(struct sim_box *box, unsigned way, struct rn_pkt *pkt, struct rn_pktq *to)
{
    const struct sim_episode *episode = episode_now(box);

    if (is_swallowed(box, pkt) || (episode != NULL && !episode->is_spike)) {
        rn_pkt_drop(pkt, RN_DROP_IMPAIRED);
        return;
    }
    pkt = meddle(box, pkt);
    if (pkt == NULL)
        return;
    touch_ecn(box, pkt);
    if (episode == NULL) {
        rn_pktq_push(to, pkt);
        return;
    }
    rn_pktq_push(&box->held[way], pkt);
    rn_turn_arm(box->base.dev.turn, &box->timer, episode->to_ns);
}

/* @how: '>' sent, '<' arrived, '!' forged. */
static void show(const struct sim_box *box, const struct rn_pkt *pkt, char how)
{
    char line[400];
    struct rn_text text = rn_text_of(line, sizeof(line));
    uint8_t front[256];
    size_t n = rn_min_size(pkt->len, sizeof(front));

    if (!box->is_shown)
        return;
    rn_pkt_copy_out(pkt, 0, front, n);
    rn_print_packet(&text, rn_view_of(front, n), RN_PRINT_RAW_IP);
    printf("%.6f %u%c %s [seq %u]\n", (double)box->base.dev.turn->now_ns * 1e-9, box->opts.side,
           how, line,
           n < 60 ? rn_get_be32(front + 24) : rn_get_be32(front + (front[0] >> 4 == 4 ? 24 : 44)));
}

/* --- device --------------------------------------------------------------------------------------------------------- */

static void note(struct sim_box *box, const struct rn_pkt *pkt)
{
    const char *wrong = sim_monitor_sent(box->monitor, box->opts.side, pkt);
    struct rn_view front = rn_pkt_front(pkt);
    uint64_t h = box->hash ^ (uint64_t)box->base.dev.turn->now_ns ^ ((uint64_t)pkt->len << 48);

    for (size_t i = 0; i < rn_min_size(front.len, 96); i++)
        h = (h ^ front.ptr[i]) * 0x100000001b3u;
    box->hash = h;
    show(box, pkt, '>');
    box->n_sent++;
    if (wrong == NULL)
        return;
    if (box->is_shown)
        printf("wrong: %s\n", wrong);
    if (box->wrong == NULL)
        box->wrong = wrong;
}

static int write_below(struct sim_box *box, struct rn_pktq *out)
{
    int n = box->base.below->ops->write_batch(box->base.below, out);

    rn_pktq_drop_all(out, RN_DROP_QUEUE_FULL);
    return n < 0 ? n : 0;
}

static int box_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct sim_box *box = box_of(dev);
    struct rn_pktq wire = { 0 };
    int n = (int)out->n_pkts;
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(out)) != NULL) {
        if (box->is_unplugged) {
            rn_pkt_drop(pkt, RN_DROP_CLOSED);
            continue;
        }
        note(box, pkt);
        suffer(box, OUT, pkt, &wire);
    }
    return write_below(box, &wire) < 0 ? RN_E_CANCELLED : n;
}

static void take_in(struct sim_box *box, struct rn_pkt *pkt, struct rn_pktq *in)
{
    struct rn_pkt *forged = NULL;

    show(box, pkt, '<');
    sim_monitor_arrived(box->monitor, box->opts.side, pkt);
    if (rn_rand_below(&box->rand, MILLION) < box->opts.hostile_ppm &&
        !sim_monitor_is_asking(box->monitor, box->opts.side, pkt))
        forged = forge(box, pkt);
    rn_pktq_push(in, pkt);
    if (forged == NULL)
        return;
    show(box, forged, '!');
    sim_monitor_muddle(box->monitor, box->opts.side, forged);
    rn_pktq_push(in, forged);
}

static int box_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct sim_box *box = box_of(dev);
    struct rn_pktq got = { 0 };
    struct rn_pktq arrived = { 0 };
    int below = box->base.below->ops->read_batch(box->base.below, &got, max);
    struct rn_pkt *pkt;
    int n;

    while ((pkt = rn_pktq_pop(&got)) != NULL)
        suffer(box, IN, pkt, &arrived);
    if (episode_now(box) == NULL && !rn_pktq_is_empty(&box->held[IN])) {
        rn_pktq_splice(&box->held[IN], &arrived);
        arrived = box->held[IN];
        box->held[IN] = (struct rn_pktq){ 0 };
    }
    while ((pkt = rn_pktq_pop(&arrived)) != NULL)
        take_in(box, pkt, in);
    n = (int)in->n_pkts;
    return n == 0 ? (below < 0 ? below : 0) : n;
}

static void on_timer(struct rn_timer *timer)
{
    struct sim_box *box = rn_container_of(timer, struct sim_box, timer);

    (void)write_below(box, &box->held[OUT]);
    if (!rn_pktq_is_empty(&box->held[IN]))
        rn_device_notify(&box->base.dev, RN_DEV_READABLE);
}

static void box_destroy(struct rn_device *dev)
{
    struct sim_box *box = box_of(dev);

    rn_turn_cancel(dev->turn, &box->timer);
    rn_pktq_drop_all(&box->held[OUT], RN_DROP_CLOSED);
    rn_pktq_drop_all(&box->held[IN], RN_DROP_CLOSED);
    rn_stacked_fini(&box->base);
    rn_alloc_free(rn_turn_alloc(dev->turn), box, sizeof(*box));
}

static const struct rn_device_ops box_ops = {
    .kind = "box",
    .read_batch = box_read,
    .write_batch = box_write,
    .close = rn_stacked_close,
    .destroy = box_destroy,
};

struct sim_box *sim_box_new(struct rn_device *below, struct sim_monitor *monitor,
                            const struct sim_box_opts *opts, uint64_t seed)
{
    struct sim_box *box = rn_alloc_new(rn_turn_alloc(below->turn), sizeof(*box));

    if (box == NULL)
        return NULL;
    rn_stacked_init(&box->base, below, &box_ops);
    box->opts = *opts;
    box->monitor = monitor;
    box->timer.fire = on_timer;
    rn_rand_init_u64(&box->rand, seed);
    return box;
}
