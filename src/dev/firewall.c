#include "dev/firewall.h"

#include "base/hash.h"
#include "base/list.h"
#include "dev/stacked.h"
#include "wire/eth.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/proto.h"
#include "wire/tcp.h"
#include <runnel/err.h>

#define DEFAULT_FLOWS 4096u

/* How long a silent conversation may still be answered. */
#define TCP_OPEN_NS  (7440 * RN_NS_PER_S) /* RFC 5382 REQ-5: two hours and four minutes */
#define TCP_BRIEF_NS (240 * RN_NS_PER_S)  /* RFC 5382 REQ-5: opening and closing, four minutes */
#define UDP_NS       (300 * RN_NS_PER_S)  /* RFC 4787 REQ-5 */
#define ICMP_NS      (60 * RN_NS_PER_S)   /* RFC 5508 REQ-1 */
#define FRAGMENT_NS                                                                                \
    (30 * RN_NS_PER_S) /* RFC 1122 §3.3.2 has 60 to 120 for reassembly; the burst comes at once */
#define OTHER_NS (300 * RN_NS_PER_S)

struct conversation {
    struct rn_hash_node node;
    struct rn_list lru;      /* most recently used first */
    struct rn_pkt_flow flow; /* as the one who began it sent */
    int64_t expires_ns;
    bool was_answered;
    bool is_closing;
    bool
        is_fragments; /* a first fragment passed: its later ones, of the same direction, may follow */
};

struct firewall {
    struct rn_stacked base;
    struct rn_firewall_opts opts;
    struct rn_hash_key key;
    struct rn_hash table;
    struct rn_list lru;
};

static struct firewall *firewall_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct firewall, base.dev);
}

/* --- the table ------------------------------------------------------------------------------------------------ */
static bool is_same_way(const struct rn_pkt_flow *a, const struct rn_pkt_flow *b)
{
    return a->proto == b->proto && a->src_port == b->src_port && a->dst_port == b->dst_port &&
           rn_addr_eq(a->src, b->src) && rn_addr_eq(a->dst, b->dst);
}

static struct rn_pkt_flow reversed(const struct rn_pkt_flow *flow)
{
    struct rn_pkt_flow back = *flow;

    back.src = flow->dst;
    back.dst = flow->src;
    back.src_port = flow->dst_port;
    back.dst_port = flow->src_port;
    return back;
}

static void forget(struct firewall *self, struct conversation *c)
{
    rn_hash_remove(&self->table, &c->node);
    rn_list_remove(&c->lru);
    rn_alloc_free(rn_turn_alloc(self->base.dev.turn), c, sizeof(*c));
}

static uint32_t hash_of(const struct firewall *self, const struct rn_pkt_flow *flow)
{
    return (uint32_t)rn_flow_hash(&self->key, flow);
}

/* @ret_is_back: @flow is the answering direction. Of later fragments only the sending direction counts. */
static struct conversation *find(struct firewall *self, const struct rn_pkt_flow *flow,
                                 bool is_fragments, bool *ret_is_back)
{
    struct rn_pkt_flow back = reversed(flow);
    struct rn_hash_node *node = rn_hash_first(&self->table, hash_of(self, flow));

    for (; node != NULL; node = rn_hash_next(node)) {
        struct conversation *c = rn_container_of(node, struct conversation, node);
        bool is_forth = is_same_way(&c->flow, flow);

        if (c->is_fragments != is_fragments ||
            (!is_forth && (is_fragments || !is_same_way(&c->flow, &back))))
            continue;
        if (c->expires_ns < self->base.dev.turn->now_ns) {
            forget(self, c);
            return NULL;
        }
        *ret_is_back = !is_forth;
        return c;
    }
    return NULL;
}

static int64_t patience_of(const struct conversation *c)
{
    if (c->is_fragments)
        return FRAGMENT_NS;
    switch (c->flow.proto) {
    case RN_PROTO_TCP:
        return c->was_answered && !c->is_closing ? TCP_OPEN_NS : TCP_BRIEF_NS;
    case RN_PROTO_UDP:
        return UDP_NS;
    case RN_PROTO_ICMP4:
    case RN_PROTO_ICMP6:
        return ICMP_NS;
    default:
        return OTHER_NS;
    }
}

static void touch(struct firewall *self, struct conversation *c)
{
    c->expires_ns = self->base.dev.turn->now_ns + patience_of(c);
    rn_list_remove(&c->lru);
    rn_list_push_front(&self->lru, &c->lru);
}

/* Without memory the answers stay outside: a wall fails shut. */
static void remember(struct firewall *self, const struct rn_pkt_flow *flow, bool is_fragments)
{
    struct conversation *c;

    if (self->table.n_nodes >= self->opts.flows_max)
        forget(self, rn_list_entry(self->lru.prev, struct conversation, lru));
    c = rn_alloc_new(rn_turn_alloc(self->base.dev.turn), sizeof(*c));
    if (c == NULL)
        return;
    c->flow = *flow;
    c->is_fragments = is_fragments;
    rn_hash_insert(&self->table, &c->node, hash_of(self, flow));
    touch(self, c);
}

static void note(struct firewall *self, struct conversation *c, const struct rn_pkt_flow *flow,
                 bool is_back)
{
    c->was_answered |= is_back;
    c->is_closing |= (flow->tcp_flags & (RN_TCP_FIN | RN_TCP_RST)) != 0;
    if ((flow->tcp_flags & (RN_TCP_SYN | RN_TCP_ACK)) == RN_TCP_SYN)
        c->is_closing = false; /* the ports are used anew */
    touch(self, c);
}

static struct rn_pkt_flow portless(const struct rn_pkt_flow *flow)
{
    struct rn_pkt_flow f = *flow;

    f.src_port = 0;
    f.dst_port = 0;
    return f;
}

static void let_fragments_follow(struct firewall *self, const struct rn_pkt_flow *flow)
{
    struct rn_pkt_flow f = portless(flow);
    struct conversation *c;
    bool is_back;

    if (!flow->is_fragment || flow->is_later_fragment)
        return;
    c = find(self, &f, true, &is_back);
    if (c != NULL)
        touch(self, c);
    else
        remember(self, &f, true);
}

/* --- judging -------------------------------------------------------------------------------------------------- */
static bool is_icmp(const struct rn_pkt_flow *flow)
{
    return flow->has_transport && flow->proto == (flow->is_v4 ? RN_PROTO_ICMP4 : RN_PROTO_ICMP6);
}

static bool is_error(const struct rn_pkt_flow *flow)
{
    if (!is_icmp(flow))
        return false;
    return flow->is_v4 ? rn_icmp4_is_error(flow->icmp_type) : flow->icmp_type < RN_ICMP6_ECHO;
}

static bool is_housekeeping(const struct rn_pkt_flow *flow)
{
    return is_icmp(flow) && !flow->is_v4 && flow->icmp_type >= RN_ICMP6_ROUTER_SOLICIT &&
           flow->icmp_type <= RN_ICMP6_REDIRECT;
}

static bool is_arp(const struct rn_pkt *pkt)
{
    uint8_t hdr[RN_ETH_HDR_BYTES];

    if (pkt->len < sizeof(hdr))
        return false;
    rn_pkt_copy_out(pkt, 0, hdr, sizeof(hdr));
    return rn_get_be16(hdr + 12) == RN_ETHERTYPE_ARP;
}

/* Does the error quote a packet that one of the two sides of a conversation sent? */
static bool is_related(struct firewall *self, const struct rn_pkt *pkt,
                       const struct rn_pkt_flow *flow)
{
    uint8_t bytes[RN_PKT_HEAD_BYTES];
    size_t at = (size_t)flow->l4_at + RN_ICMP4_HDR_BYTES;
    size_t len = rn_min_size(pkt->len, sizeof(bytes));
    struct rn_pkt_flow quoted;
    bool is_back;

    if (at >= len)
        return false;
    rn_pkt_copy_out(pkt, 0, bytes, len);
    return rn_flow_of_view(rn_view_of(bytes + at, len - at), &quoted) &&
           find(self, &quoted, false, &is_back) != NULL;
}

/* A packet of a conversation that is known, or of one that the caller allows to begin. */
static bool judge(struct firewall *self, const struct rn_pkt_flow *flow,
                  bool (*may_begin)(void *arg, const struct rn_pkt_flow *flow), bool is_out)
{
    bool is_back = false;
    struct conversation *c = find(self, flow, false, &is_back);

    if (c != NULL) {
        note(self, c, flow, is_back);
        return true;
    }
    if (may_begin != NULL ? !may_begin(self->opts.arg, flow) : !is_out)
        return false;
    remember(self, flow, false);
    return true;
}

static bool passes(struct firewall *self, const struct rn_pkt *pkt, bool is_out)
{
    struct rn_pkt_flow flow;
    bool is_back;

    if (!rn_flow_of(pkt, self->base.dev.link_type, &flow))
        return self->base.dev.link_type == RN_LINK_ETHERNET && is_arp(pkt);
    if (is_housekeeping(&flow))
        return true;
    if (flow.is_later_fragment) {
        struct rn_pkt_flow f = portless(&flow);

        return is_out || find(self, &f, true, &is_back) != NULL;
    }
    if (is_error(&flow))
        return is_out || is_related(self, pkt, &flow);
    if (!judge(self, &flow, is_out ? self->opts.may_leave : self->opts.may_enter, is_out))
        return false;
    let_fragments_follow(self, &flow);
    return true;
}

/* Moves what passes from @from to @to, drops the rest. Returns how many were dropped. */
static int sieve(struct firewall *self, struct rn_pktq *to, struct rn_pktq *from, bool is_out)
{
    struct rn_pkt *pkt;
    int n_dropped = 0;

    while ((pkt = rn_pktq_pop(from)) != NULL) {
        if (passes(self, pkt, is_out)) {
            rn_pktq_push(to, pkt);
            continue;
        }
        n_dropped++;
        pkt->account = &self->base.dev.drops;
        rn_pkt_drop(pkt, RN_DROP_FILTERED);
    }
    return n_dropped;
}

/* --- device --------------------------------------------------------------------------------------------------- */
static int firewall_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct firewall *self = firewall_of(dev);
    struct rn_pktq got = { 0 };
    int n = self->base.below->ops->read_batch(self->base.below, &got, max);

    return n <= 0 ? n : n - sieve(self, in, &got, false);
}

static int firewall_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct firewall *self = firewall_of(dev);
    struct rn_pktq passed = { 0 };
    int n_dropped;
    int n;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    n_dropped = sieve(self, &passed, out, true);
    n = rn_pktq_is_empty(&passed) ? 0
                                  : self->base.below->ops->write_batch(self->base.below, &passed);
    rn_pktq_splice(out, &passed); /* refused: offered, and judged, again */
    return n < 0 ? n : n + n_dropped;
}

static bool forget_all(struct rn_hash_node *node, void *arg)
{
    forget(arg, rn_container_of(node, struct conversation, node));
    return true;
}

static void firewall_destroy(struct rn_device *dev)
{
    struct firewall *self = firewall_of(dev);
    const struct rn_alloc *alloc = rn_turn_alloc(dev->turn);

    rn_hash_for_each(&self->table, forget_all, self);
    rn_hash_fini(&self->table);
    rn_stacked_fini(&self->base);
    rn_alloc_free(alloc, self, sizeof(*self));
}

static const struct rn_device_ops firewall_ops = {
    .kind = "firewall",
    .read_batch = firewall_read,
    .write_batch = firewall_write,
    .poll_fd = rn_stacked_poll_fd,
    .ready = rn_stacked_ready,
    .is_holding = rn_stacked_is_holding,
    .close = rn_stacked_close,
    .destroy = firewall_destroy,
};

int rn_firewall_new(struct rn_device **ret, struct rn_device *below,
                    const struct rn_firewall_opts *opts)
{
    const struct rn_alloc *alloc = rn_turn_alloc(below->turn);
    struct firewall *self = rn_alloc_new(alloc, sizeof(*self));
    int err;

    if (self == NULL)
        return RN_E_NOMEM;
    err = rn_hash_init(&self->table, alloc, 64);
    if (err < 0) {
        rn_alloc_free(alloc, self, sizeof(*self));
        return err;
    }
    self->opts = *opts;
    if (self->opts.flows_max == 0)
        self->opts.flows_max = DEFAULT_FLOWS;
    self->key.k0 = rn_rand_u64(&below->turn->rand);
    self->key.k1 = rn_rand_u64(&below->turn->rand);
    rn_list_init(&self->lru);
    rn_stacked_init(&self->base, below, &firewall_ops);
    *ret = &self->base.dev;
    return RN_OK;
}

uint32_t rn_firewall_flows(const struct rn_device *dev)
{
    return rn_container_of(dev, const struct firewall, base.dev)->table.n_nodes;
}
