#include "outnet/gate_icmp.h"

#include "outnet/gate_error.h"
#include "sock/echo.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"

#define PENDING   4096u /* a power of two: the low bits of our sequence number are the slot */
#define ECHO_HDR  8u
#define VIEWS_MAX (RN_PKT_FRAGS_MAX + 2u)
#define QUANTUM   64u
/* A reply later than this has no asker any more; its slot may be given away before. */
#define PATIENCE_NS (60 * RN_NS_PER_S)

/* An echo on its way. */
struct pending {
    struct rn_echo echo; /* as asked inside */
    struct rn_addr sent_to;
    int64_t sent_ns;
    uint16_t wire_seq;
    bool is_open;
};

struct lane {
    struct rn_gate_icmp *gate;
    struct rn_net_dgram *dgram; /* NULL: none to be had */
    bool was_tried;
};

struct rn_gate_icmp {
    struct rn_gate_icmp_opts opts;
    struct rn_turn *turn;
    struct rn_echo_forwarder *forwarder;
    struct lane lanes[2]; /* IPv4, IPv6 */
    uint16_t next_seq;
    struct pending pending[PENDING];
};

static struct rn_endpoint inner_of(const struct rn_echo *echo)
{
    return (struct rn_endpoint){ .addr = echo->src, .port = echo->id };
}

static struct rn_endpoint asked_of(const struct rn_echo *echo)
{
    return (struct rn_endpoint){ .addr = echo->dst, .port = echo->seq };
}

static uint8_t proto_of(const struct rn_echo *echo)
{
    return rn_addr_is_v4(echo->dst) ? RN_PROTO_ICMP4 : RN_PROTO_ICMP6;
}

static void refuse(struct rn_gate_icmp *gate, const struct rn_echo *echo, int err)
{
    struct rn_endpoint inner = inner_of(echo);
    struct rn_endpoint asked = asked_of(echo);

    rn_gate_refuse(gate->opts.stack, &inner, &asked, proto_of(echo), err);
}

/* The open echo that @seq on the wire stands for; NULL: stale or made up. */
static struct pending *find(struct rn_gate_icmp *gate, uint16_t seq)
{
    struct pending *p = &gate->pending[seq % PENDING];

    return p->is_open && p->wire_seq == seq && gate->turn->now_ns - p->sent_ns < PATIENCE_NS ? p
                                                                                             : NULL;
}

/* --- replies ------------------------------------------------------------------------------------------------------ */
static void deliver(struct rn_gate_icmp *gate, struct rn_view msg, const struct rn_net_msg *from)
{
    struct pending *p;
    struct rn_pkt *data;

    if (msg.len < ECHO_HDR ||
        (msg.ptr[0] != RN_ICMP4_ECHO_REPLY && msg.ptr[0] != RN_ICMP6_ECHO_REPLY))
        return;
    p = find(gate, rn_get_be16(msg.ptr + 6));
    if (p == NULL || !rn_addr_eq(p->sent_to, from->peer.addr))
        return;
    data = rn_pkt_from_bytes(gate->turn->pool, msg.ptr + ECHO_HDR, msg.len - ECHO_HDR);
    if (data == NULL)
        return;
    p->is_open = false;
    p->echo.ttl = from->ttl > 1 ? (uint8_t)(from->ttl - 1) : from->ttl; /* we are one hop more */
    p->echo.tos = from->tos;
    (void)rn_echo_reply_from(gate->opts.stack, &p->echo, data);
}

static void read_all(struct lane *lane)
{
    struct rn_buf *buf = rn_buf_new(lane->gate->turn->pool, RN_BUF_BIG);
    struct rn_net_msg msg;
    int64_t n;

    for (unsigned i = 0; buf != NULL && i < QUANTUM; i++) {
        n = lane->dgram->ops->recv(lane->dgram, (struct rn_net_span){ buf->data, 65535 }, &msg);
        if (n < 0)
            break;
        deliver(lane->gate, rn_view_of(buf->data, (size_t)n), &msg);
    }
    rn_buf_unref(buf);
}

/* The error queue of an echo socket names the destination, not the sequence: the newest open echo to it is meant. */
static void pass_errors(struct lane *lane)
{
    struct rn_gate_icmp *gate = lane->gate;
    struct rn_net_dgram_err err;

    for (unsigned n = 0; n < QUANTUM && lane->dgram->ops->take_error(lane->dgram, &err) >= 0; n++) {
        for (unsigned back = 1; back <= PENDING; back++) {
            struct pending *p = &gate->pending[(uint16_t)(gate->next_seq - back) % PENDING];
            struct rn_endpoint inner = inner_of(&p->echo);
            struct rn_endpoint asked = asked_of(&p->echo);

            if (!p->is_open || !rn_addr_eq(p->sent_to, err.peer.addr))
                continue;
            p->is_open = false;
            rn_gate_pass_error(gate->opts.stack, &inner, &asked, proto_of(&p->echo), &err);
            break;
        }
    }
}

static void on_dgram(struct rn_net_dgram *dgram, unsigned events)
{
    struct lane *lane = dgram->owner;

    if (events & RN_ERROR)
        pass_errors(lane);
    if (events & RN_READABLE)
        read_all(lane);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */
static struct lane *lane_for(struct rn_gate_icmp *gate, struct rn_addr dst)
{
    bool is_v4 = rn_addr_is_v4(dst);
    struct lane *lane = &gate->lanes[is_v4 ? 0 : 1];
    struct rn_endpoint any = { .addr = is_v4 ? rn_addr_v4(0) : rn_addr_none() };
    struct rn_net *net = gate->opts.net;

    if (lane->dgram == NULL && !lane->was_tried) {
        lane->was_tried = true;
        if (net->ops->open_dgram(net, &lane->dgram, RN_NET_ECHO, &any) < 0)
            lane->dgram = NULL;
    }
    if (lane->dgram == NULL)
        return NULL;
    lane->gate = gate;
    lane->dgram->owner = lane;
    lane->dgram->on_event = on_dgram;
    return lane;
}

static int send_out(struct lane *lane, const struct rn_pkt *data, const struct pending *p)
{
    struct rn_view views[VIEWS_MAX];
    struct rn_slice slices[VIEWS_MAX];
    uint8_t hdr[ECHO_HDR] = { 0 };
    struct rn_net_msg msg = { .peer = { .addr = p->sent_to }, .tos = p->echo.tos };
    unsigned n = rn_pkt_views(data, 0, views, VIEWS_MAX - 1);
    int64_t sent;

    hdr[0] = rn_addr_is_v4(p->sent_to) ? RN_ICMP4_ECHO : RN_ICMP6_ECHO;
    rn_put_be16(hdr + 6, p->wire_seq);
    /* One hop is ours: a request that has no second one ends here, as traceroute wants to see. */
    msg.ttl = p->echo.ttl > 1 ? (uint8_t)(p->echo.ttl - 1) : p->echo.ttl;
    slices[0] = (struct rn_slice){ hdr, sizeof(hdr) };
    for (unsigned i = 0; i < n; i++)
        slices[i + 1] = (struct rn_slice){ views[i].ptr, views[i].len };
    sent = lane->dgram->ops->send(lane->dgram, slices, n + 1, &msg);
    return sent < 0 ? (int)sent : RN_OK;
}

static int forward(struct rn_gate_icmp *gate, const struct rn_echo *echo, const struct rn_pkt *data)
{
    struct rn_endpoint to = { .addr = echo->dst };
    struct lane *lane;
    struct pending *p;
    int err = gate->opts.map != NULL ? gate->opts.map(gate->opts.map_arg, &to) : RN_OK;

    if (err < 0)
        return err;
    lane = lane_for(gate, to.addr);
    if (lane == NULL)
        return RN_E_NOT_PERMITTED;
    p = &gate->pending[gate->next_seq % PENDING];
    *p = (struct pending){ .echo = *echo,
                           .sent_to = to.addr,
                           .sent_ns = gate->turn->now_ns,
                           .wire_seq = gate->next_seq++,
                           .is_open = true };
    err = send_out(lane, data, p);
    if (err < 0)
        p->is_open = false;
    if (err == RN_E_MSG_TOO_LONG || err == RN_E_CONN_REFUSED)
        pass_errors(lane);
    return err == RN_E_WOULD_BLOCK ? RN_OK : err;
}

static void on_echo(const struct rn_echo *echo, struct rn_pkt *data, void *arg)
{
    struct rn_gate_icmp *gate = arg;
    int err = forward(gate, echo, data);

    if (err < 0)
        refuse(gate, echo, err);
    rn_pkt_free(data);
}

/* --- the gate ----------------------------------------------------------------------------------------------------- */
int rn_gate_icmp_new(struct rn_gate_icmp **ret, const struct rn_gate_icmp_opts *opts)
{
    struct rn_turn *turn = rn_stack_turn(opts->stack);
    struct rn_gate_icmp *gate = rn_alloc_new(rn_turn_alloc(turn), sizeof(*gate));
    int err;

    if (gate == NULL)
        return RN_E_NOMEM;
    gate->opts = *opts;
    gate->turn = turn;
    gate->next_seq = (uint16_t)rn_rand_u32(&turn->rand);
    err = rn_echo_forwarder_new(&gate->forwarder, opts->stack, on_echo, gate);
    if (err < 0) {
        rn_alloc_free(rn_turn_alloc(turn), gate, sizeof(*gate));
        return err;
    }
    *ret = gate;
    return RN_OK;
}

struct rn_gate_icmp *rn_gate_icmp_free(struct rn_gate_icmp *gate)
{
    if (gate == NULL)
        return NULL;
    rn_echo_forwarder_free(gate->forwarder);
    for (unsigned i = 0; i < 2; i++) {
        if (gate->lanes[i].dgram != NULL)
            gate->lanes[i].dgram->ops->close(gate->lanes[i].dgram);
    }
    rn_alloc_free(rn_turn_alloc(gate->turn), gate, sizeof(*gate));
    return NULL;
}
