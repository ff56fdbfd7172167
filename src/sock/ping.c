#include "sock/echo.h"

#include "base/checksum.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"

#include <runnel/err.h>

#define MAX_BYTES (65535u - 20u)
/* The header belongs to the message: an application writes and reads it. */
#define ECHO_BYTES 8u
/* Requests waiting for the turn's end. */
#define QUEUE_MAX_PKTS 256u

struct ping_stack {
    struct rn_stack *stack;
    struct rn_list socks;
    struct rn_echo_forwarder *forwarder;
};

struct rn_echo_forwarder {
    struct ping_stack *ping; /* NULL once the stack is gone */
    const struct rn_alloc *alloc;
    struct rn_turn *turn;
    rn_echo_forward_fn *fn;
    void *arg;
    struct rn_pktq queue; /* each starts at its ICMP header and has its note */
    struct rn_task task;
    bool *is_freed; /* of the run in progress */
};

static struct ping_stack *ping_of(const struct rn_stack *stack)
{
    return stack->echo_state;
}

/* --- output ------------------------------------------------------------------------------------------------------- */

static void fill_checksum(struct rn_pkt *pkt, uint8_t *icmp, const struct rn_ip_out *ip)
{
    uint32_t sum = 0;

    rn_put_be16(icmp + RN_ICMP4_CHECKSUM_AT, 0);
    if (ip->proto == RN_PROTO_ICMP6)
        sum = rn_checksum_pseudo(ip->src, ip->dst, RN_PROTO_ICMP6, pkt->len);
    rn_put_be16(icmp + RN_ICMP4_CHECKSUM_AT, (uint16_t)~rn_pkt_checksum(pkt, 0, pkt->len, sum));
    pkt->csum = RN_CSUM_NONE;
}

/* The message is the application's but for what only we know: identifier and checksum. */
static int emit(struct rn_dgram_sock *d, struct rn_pkt *pkt, const struct rn_dgram_out *out)
{
    uint8_t *icmp = rn_pkt_own_front(pkt, ECHO_BYTES);
    uint8_t echo = d->family == RN_FAMILY_V4 ? (uint8_t)RN_ICMP4_ECHO : (uint8_t)RN_ICMP6_ECHO;

    if (icmp == NULL || icmp[0] != echo || icmp[1] != 0 || out->segment_bytes != 0)
        return RN_E_MALFORMED;
    rn_put_be16(icmp + 4, out->src_port);
    fill_checksum(pkt, icmp, &out->ip);
    return RN_OK;
}

int rn_echo_reply_from(struct rn_stack *stack, const struct rn_echo *echo, struct rn_pkt *data)
{
    bool is_v4 = rn_addr_is_v4(echo->dst);
    struct rn_ip_out ip = { .src = echo->dst,
                            .dst = echo->src,
                            .nic = rn_addr_is_link_local(echo->src) ? echo->nic : 0,
                            .proto = is_v4 ? RN_PROTO_ICMP4 : RN_PROTO_ICMP6,
                            .ttl = echo->ttl,
                            .tos = echo->tos,
                            .is_spoofed = true };
    struct rn_flow flow = { 0 };
    uint8_t *icmp;
    int err;

    data->account = &stack->drops;
    data->flags = 0;
    data->time_ns = 0;
    icmp = rn_pkt_push(data, ECHO_BYTES);
    if (icmp == NULL) {
        rn_pkt_drop(data, RN_DROP_NOMEM);
        return RN_E_NO_BUFFER;
    }
    memset(icmp, 0, ECHO_BYTES);
    icmp[0] = is_v4 ? (uint8_t)RN_ICMP4_ECHO_REPLY : (uint8_t)RN_ICMP6_ECHO_REPLY;
    rn_put_be16(icmp + 4, echo->id);
    rn_put_be16(icmp + 6, echo->seq);
    fill_checksum(data, icmp, &ip);
    stack->stats.icmp_out_echo_reply++;
    err = rn_ip_output(stack, &flow, &ip, data);
    rn_flow_release(&flow);
    return err;
}

/* --- input -------------------------------------------------------------------------------------------------------- */

static struct rn_dgram_sock *find(struct rn_stack *stack, struct rn_demux_key key)
{
    struct rn_demux_node *node = rn_demux_find(&stack->demux, &key);

    return node != NULL ? rn_dgram_of(rn_container_of(node, struct rn_sock, demux)) : NULL;
}

/* ICMPv4 lets a whole header through; both families have identifier and sequence at the same place. */
static uint16_t id_of(const struct rn_pkt *pkt)
{
    return rn_get_be16(rn_pkt_front(pkt).ptr + 4);
}

static void on_reply(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    struct rn_dgram_note note = { { ip->src, 0, nic->id }, { ip->dst, id_of(pkt), nic->id } };
    struct rn_dgram_sock *d = find(nic->stack, (struct rn_demux_key){ .local = ip->dst,
                                                                      .remote = ip->src,
                                                                      .local_port = note.to.port,
                                                                      .nic = nic->id,
                                                                      .proto = ip->proto });

    if (d == NULL || !rn_dgram_note_put(pkt, &note))
        rn_pkt_drop(pkt, RN_DROP_NO_PORT);
    else
        rn_dgram_enqueue(d, pkt);
}

static void on_error(struct rn_stack *stack, const struct rn_icmp_err *err)
{
    struct rn_dgram_sock *d = find(stack, (struct rn_demux_key){ .local = err->local.addr,
                                                                 .remote = err->remote.addr,
                                                                 .local_port = err->local.port,
                                                                 .proto = err->proto });

    if (d == NULL)
        return;
    if (err->kind == RN_ICMP_HOST_UNREACH && !rn_addr_is_none(d->sock.demux.key.remote))
        rn_sock_set_error(&d->sock, RN_E_HOST_UNREACH);
    else
        rn_dgram_error(d, err);
}

static void on_foreign_request(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    struct rn_echo_forwarder *fwd = ping_of(nic->stack)->forwarder;
    struct rn_dgram_note note = { { ip->src, 0, nic->id }, { ip->dst, 0, nic->id } };

    if (fwd == NULL) {
        rn_pkt_drop(pkt, RN_DROP_ECHO_REFUSED);
        return;
    }
    if (fwd->queue.n_pkts >= QUEUE_MAX_PKTS || !rn_dgram_note_put(pkt, &note)) {
        rn_pkt_drop(pkt, RN_DROP_RX_QUEUE_FULL);
        return;
    }
    rn_pktq_push(&fwd->queue, pkt);
    rn_turn_schedule(fwd->turn, RN_PHASE_EVENT, &fwd->task);
}

/* --- the forwarder ------------------------------------------------------------------------------------------------ */

static void show(struct rn_echo_forwarder *fwd, struct rn_pkt *pkt)
{
    struct rn_dgram_note note = rn_dgram_note_get(pkt);
    const uint8_t *icmp = rn_pkt_front(pkt).ptr;
    struct rn_echo echo = { .src = note.from.addr,
                            .dst = note.to.addr,
                            .id = rn_get_be16(icmp + 4),
                            .seq = rn_get_be16(icmp + 6),
                            .nic = note.to.nic,
                            .ttl = pkt->ttl,
                            .tos = pkt->tos };

    rn_pkt_pull(pkt, ECHO_BYTES);
    fwd->fn(&echo, pkt, fwd->arg);
}

static void run(struct rn_task *task)
{
    struct rn_echo_forwarder *fwd = rn_container_of(task, struct rn_echo_forwarder, task);
    uint32_t n = fwd->queue.n_pkts;
    bool is_freed = false;

    fwd->is_freed = &is_freed;
    while (n-- > 0 && !is_freed) {
        struct rn_pkt *pkt = rn_pktq_pop(&fwd->queue);

        if (pkt == NULL)
            break;
        show(fwd, pkt);
    }
    if (!is_freed)
        fwd->is_freed = NULL;
}

int rn_echo_forwarder_new(struct rn_echo_forwarder **ret, struct rn_stack *stack,
                          rn_echo_forward_fn *fn, void *arg)
{
    struct rn_echo_forwarder *fwd;

    if (stack->protos->echo != &rn_ping_echo_ops)
        return RN_E_NO_PROTO;
    if (ping_of(stack)->forwarder != NULL)
        return RN_E_EXISTS;
    fwd = rn_alloc_new(stack->alloc, sizeof(*fwd));
    if (fwd == NULL)
        return RN_E_NOMEM;
    fwd->ping = ping_of(stack);
    fwd->alloc = stack->alloc;
    fwd->turn = stack->turn;
    fwd->fn = fn;
    fwd->arg = arg;
    fwd->task.run = run;
    fwd->ping->forwarder = fwd;
    *ret = fwd;
    return RN_OK;
}

static void orphan(struct rn_echo_forwarder *fwd)
{
    rn_turn_unschedule(&fwd->task);
    rn_pktq_drop_all(&fwd->queue, RN_DROP_CLOSED);
    fwd->ping->forwarder = NULL;
    fwd->ping = NULL;
}

struct rn_echo_forwarder *rn_echo_forwarder_free(struct rn_echo_forwarder *fwd)
{
    if (fwd == NULL)
        return NULL;
    if (fwd->ping != NULL)
        orphan(fwd);
    if (fwd->is_freed != NULL)
        *fwd->is_freed = true;
    rn_alloc_free(fwd->alloc, fwd, sizeof(*fwd));
    return NULL;
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

#define PING_SOCK_OPS(proto_name, number)                                                          \
    {                                                                                              \
        .sock = { .name = (proto_name),                                                            \
                  .proto = (number),                                                               \
                  .bind = rn_dgram_bind,                                                           \
                  .connect = rn_dgram_connect,                                                     \
                  .shutdown = rn_dgram_shutdown,                                                   \
                  .close = rn_dgram_close,                                                         \
                  .abort = rn_dgram_close,                                                         \
                  .preflight = rn_dgram_preflight,                                                 \
                  .readiness = rn_dgram_readiness,                                                 \
                  .set_opt = rn_dgram_set_opt,                                                     \
                  .get_opt = rn_dgram_get_opt },                                                   \
        .max_bytes = MAX_BYTES, .emit = emit                                                       \
    }

static const struct rn_dgram_ops ping4_ops = PING_SOCK_OPS("ping", RN_PROTO_ICMP4);
static const struct rn_dgram_ops ping6_ops = PING_SOCK_OPS("ping6", RN_PROTO_ICMP6);

int rn_ping_new(struct rn_sock **ret, struct rn_stack *stack, enum rn_family family)
{
    struct rn_dgram_sock *d;
    int err;

    if (stack->protos->echo != &rn_ping_echo_ops)
        return RN_E_NO_PROTO;
    if (family != RN_FAMILY_V4 && family != RN_FAMILY_V6)
        return RN_E_ADDR_FAMILY;
    err = rn_dgram_new(&d, stack, family == RN_FAMILY_V4 ? &ping4_ops : &ping6_ops,
                       &ping_of(stack)->socks);
    if (err < 0)
        return err;
    d->family = (uint8_t)family;
    *ret = &d->sock;
    return RN_OK;
}

static int attach(struct rn_stack *stack, void **ret_state)
{
    struct ping_stack *ping = rn_alloc_new(stack->alloc, sizeof(*ping));

    if (ping == NULL)
        return RN_E_NOMEM;
    ping->stack = stack;
    rn_list_init(&ping->socks);
    *ret_state = ping;
    return RN_OK;
}

static void detach(struct rn_stack *stack, void *state)
{
    struct ping_stack *ping = state;

    rn_dgram_abort_all(&ping->socks);
    if (ping->forwarder != NULL)
        orphan(ping->forwarder);
    rn_alloc_free(stack->alloc, ping, sizeof(*ping));
}

const struct rn_echo_ops rn_ping_echo_ops = {
    .attach = attach,
    .detach = detach,
    .reply = on_reply,
    .foreign_request = on_foreign_request,
    .error = on_error,
};
