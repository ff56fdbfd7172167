#include "sock/udp.h"

#include "base/checksum.h"
#include "wire/udp.h"

#include <runnel/err.h>

/* Header and payload of a datagram in an IPv4 packet (RFC 768; IPv6 would take 20 more). */
#define MAX_BYTES (65535u - 20u - RN_UDP_HDR_BYTES)
/* Of one super-packet: as Linux's UDP_MAX_SEGMENTS. */
#define MAX_SEGMENTS 128u

/* --- output ------------------------------------------------------------------------------------------------------- */

static void mark_segments(struct rn_pkt *pkt, uint16_t segment_bytes)
{
    if (segment_bytes == 0 || pkt->len - RN_UDP_HDR_BYTES <= segment_bytes)
        return;
    pkt->gso = RN_GSO_UDP;
    pkt->gso_size = segment_bytes;
    pkt->gso_hdr = RN_UDP_HDR_BYTES;
}

/* The sum over the payload is left to whoever can do it for nothing. */
static int push_header(struct rn_pkt *pkt, const struct rn_dgram_out *out, bool no_checksum)
{
    uint8_t *at;
    struct rn_udp_hdr hdr = { out->src_port, out->dst_port, 0, 0 };

    pkt->gso = RN_GSO_NONE;
    at = rn_pkt_push(pkt, RN_UDP_HDR_BYTES);
    if (at == NULL)
        return RN_E_NO_BUFFER;
    hdr.len_bytes = rn_sat_u16(pkt->len);
    pkt->csum = RN_CSUM_NONE;
    if (!no_checksum) {
        hdr.checksum = rn_checksum_pseudo(out->ip.src, out->ip.dst, RN_PROTO_UDP, pkt->len);
        pkt->csum = RN_CSUM_PARTIAL;
        pkt->csum_start = 0;
        pkt->csum_offset = RN_UDP_CHECKSUM_AT;
    }
    rn_udp_emit(&hdr, at);
    mark_segments(pkt, out->segment_bytes);
    return RN_OK;
}

static int emit(struct rn_dgram_sock *d, struct rn_pkt *pkt, const struct rn_dgram_out *out)
{
    bool no_checksum = d->no_checksum && rn_addr_is_v4(out->ip.dst);

    if (out->segment_bytes != 0 && pkt->len / out->segment_bytes >= MAX_SEGMENTS)
        return RN_E_MSG_TOO_LONG;
    d->sock.stack->stats.udp_out_dgrams++;
    return push_header(pkt, out, no_checksum);
}

static struct rn_dgram_out out_of(const struct rn_udp_way *way)
{
    return (struct rn_dgram_out){
        .ip = { .src = way->src.addr,
                .dst = way->dst.addr,
                .nic = way->dst.nic,
                .proto = RN_PROTO_UDP,
                .ttl = way->ttl,
                .tos = way->tos,
                .is_spoofed = true },
        .src_port = way->src.port,
        .dst_port = way->dst.port,
        .segment_bytes = way->segment_bytes,
    };
}

int rn_udp_send_from(struct rn_stack *stack, const struct rn_udp_way *way, struct rn_pkt *payload)
{
    struct rn_dgram_out out = out_of(way);
    struct rn_flow once = { 0 };
    int err;

    payload->account = &stack->drops;
    payload->flags = way->dont_fragment || way->segment_bytes != 0 ? RN_PKT_NO_FRAGMENT : 0;
    payload->time_ns = 0;
    err = push_header(payload, &out, false);
    if (err < 0) {
        rn_pkt_drop(payload, RN_DROP_NOMEM);
        return err;
    }
    stack->stats.udp_out_dgrams++;
    err = rn_ip_output(stack, way->flow != NULL ? way->flow : &once, &out.ip, payload);
    rn_flow_release(&once);
    return err;
}

/* --- input -------------------------------------------------------------------------------------------------------- */

static bool checksum_ok(const struct rn_pkt *pkt, const struct rn_ip_in *ip,
                        const struct rn_udp_hdr *hdr)
{
    uint16_t pseudo;

    if (pkt->csum != RN_CSUM_NONE)
        return true;
    if (hdr->checksum == 0)
        return rn_addr_is_v4(ip->dst); /* RFC 8200 §8.1 */
    pseudo = rn_checksum_pseudo(ip->src, ip->dst, RN_PROTO_UDP, hdr->len_bytes);
    return rn_pkt_checksum(pkt, 0, hdr->len_bytes, pseudo) == 0xffff;
}

void rn_udp_deliver(struct rn_dgram_sock *d, struct rn_pkt *pkt, const struct rn_dgram_note *note)
{
    rn_pkt_pull(pkt, RN_UDP_HDR_BYTES);
    if (!rn_dgram_note_put(pkt, note)) {
        rn_pkt_drop(pkt, RN_DROP_NOMEM);
        return;
    }
    d->sock.stack->stats.udp_in_dgrams++;
    rn_dgram_enqueue(d, pkt);
}

/* Consumes @pkt. */
static void on_no_socket(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_dgram_note *note)
{
    struct rn_udp_stack *udp = rn_udp_stack_of(nic->stack);

    if (udp->forwarder != NULL) {
        rn_udp_forward(udp->forwarder, pkt, note);
        return;
    }
    nic->stack->stats.udp_no_port++;
    rn_icmp_send_error(nic, pkt, RN_ICMP_PORT_UNREACH, 0);
    rn_pkt_drop(pkt, RN_DROP_NO_PORT);
}

static struct rn_demux_key key_of(const struct rn_dgram_note *note, uint16_t nic)
{
    return (struct rn_demux_key){ .local = note->to.addr,
                                  .remote = note->from.addr,
                                  .local_port = note->to.port,
                                  .remote_port = note->from.port,
                                  .nic = nic,
                                  .proto = RN_PROTO_UDP };
}

static void bad(struct rn_nic *nic, struct rn_pkt *pkt, enum rn_drop why)
{
    nic->stack->stats.udp_in_errors++;
    rn_pkt_drop(pkt, why);
}

static void udp_input(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    struct rn_dgram_note note;
    struct rn_demux_node *node;
    struct rn_demux_key key;
    struct rn_udp_hdr hdr;

    if (rn_udp_parse(&hdr, rn_pkt_front(pkt), pkt->len) < 0 || hdr.dst_port == 0) {
        bad(nic, pkt, RN_DROP_MALFORMED);
        return;
    }
    if (!checksum_ok(pkt, ip, &hdr)) {
        bad(nic, pkt, RN_DROP_BAD_CHECKSUM);
        return;
    }
    if (pkt->gso == RN_GSO_NONE)
        rn_pkt_trim(pkt, hdr.len_bytes);
    note.from = (struct rn_endpoint){ ip->src, hdr.src_port, nic->id };
    note.to = (struct rn_endpoint){ ip->dst, hdr.dst_port, nic->id };
    key = key_of(&note, nic->id);
    node = rn_demux_find(&nic->stack->demux, &key);
    if (node != NULL)
        rn_udp_deliver(rn_udp_of_node(node), pkt, &note);
    else
        on_no_socket(nic, pkt, &note);
}

static void udp_error(struct rn_stack *stack, const struct rn_icmp_err *err)
{
    struct rn_dgram_note note = { .from = err->remote, .to = err->local };
    struct rn_demux_key key = key_of(&note, err->local.nic);
    struct rn_demux_node *node = rn_demux_find(&stack->demux, &key);

    if (node != NULL)
        rn_dgram_error(rn_udp_of_node(node), err);
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

static const struct rn_dgram_ops udp_sock_ops = {
    .sock = {
        .name = "udp",
        .proto = RN_PROTO_UDP,
        .bind = rn_dgram_bind,
        .connect = rn_dgram_connect,
        .shutdown = rn_dgram_shutdown,
        .close = rn_dgram_close,
        .abort = rn_dgram_close,
        .preflight = rn_dgram_preflight,
        .readiness = rn_dgram_readiness,
        .set_opt = rn_dgram_set_opt,
        .get_opt = rn_dgram_get_opt,
    },
    .max_bytes = MAX_BYTES,
    .hdr_bytes = RN_UDP_HDR_BYTES,
    .emit = emit,
};

int rn_udp_new(struct rn_sock **ret, struct rn_stack *stack)
{
    struct rn_dgram_sock *d;
    int err;

    if (stack->l4_by_proto[RN_PROTO_UDP] == NULL)
        return RN_E_NO_PROTO;
    err = rn_dgram_new(&d, stack, &udp_sock_ops, &rn_udp_stack_of(stack)->socks);
    if (err < 0)
        return err;
    *ret = &d->sock;
    return RN_OK;
}

static int attach(struct rn_stack *stack, void **ret_state)
{
    struct rn_udp_stack *udp = rn_alloc_new(stack->alloc, sizeof(*udp));

    if (udp == NULL)
        return RN_E_NOMEM;
    udp->stack = stack;
    rn_list_init(&udp->socks);
    *ret_state = udp;
    return RN_OK;
}

static void detach(struct rn_stack *stack, void *state)
{
    struct rn_udp_stack *udp = state;

    rn_dgram_abort_all(&udp->socks);
    if (udp->forwarder != NULL)
        rn_udp_forwarder_orphan(udp->forwarder);
    rn_alloc_free(stack->alloc, udp, sizeof(*udp));
}

const struct rn_l4_ops rn_udp_ops = {
    .proto = RN_PROTO_UDP,
    .name = "udp",
    .attach = attach,
    .detach = detach,
    .input = udp_input,
    .error = udp_error,
};
