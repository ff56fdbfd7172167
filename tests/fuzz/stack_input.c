/*
 * Frames into a whole stack, with sockets, forwarders and time passing: nothing crashes, nothing grows beyond its budget,
 * everything is given back. The first byte chooses link, addresses' reach and routing; then come records of a command
 * byte, a length and so many bytes. Checksums are set right when the command says so, or nothing would pass them.
 */
#include "base/checksum.h"
#include "fuzz.h"
#include "sock/echo.h"
#include "sock/udp.h"
#include "stack/nic.h"
#include "stack/stack.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POOL_MAX_BYTES = 32 << 20, REASS_MAX_BYTES = 64 << 10, RECORDS_MAX = 200 };

struct rig {
    struct rn_pool *pool;
    struct rn_turn turn;
    struct rn_device device;
    struct rn_stack *stack;
    struct rn_nic *nic;
    struct rn_udp_forwarder *udp;
    struct rn_echo_forwarder *echo;
    struct rn_sock *sock;
    struct rn_sock *listener;
    size_t n_allocs;
};

static void *take(void *ctx, size_t bytes)
{
    struct rig *r = ctx;

    r->n_allocs++;
    return calloc(1, bytes);
}

static void give(void *ctx, void *ptr, size_t bytes)
{
    struct rig *r = ctx;

    (void)bytes;
    r->n_allocs--;
    free(ptr);
}

static void on_datagram(struct rn_udp_request *req, void *arg)
{
    struct rig *r = arg;
    struct rn_sock *sock;

    switch (rn_udp_request_remote(req).port % 4) {
    case 0:
        rn_udp_request_ignore(req);
        break;
    case 1:
        if (rn_udp_request_accept(req, &sock) == RN_OK)
            (void)rn_sock_close(sock);
        break;
    case 2: {
        struct rn_udp_way way = { .src = rn_udp_request_local(req),
                                  .dst = rn_udp_request_remote(req) };

        (void)rn_udp_send_from(r->stack, &way, rn_udp_request_take(req));
        break;
    }
    default:
        break;
    }
}

static void on_echo(const struct rn_echo *echo, struct rn_pkt *pkt, void *arg)
{
    struct rig *r = arg;

    (void)rn_echo_reply_from(r->stack, echo, pkt);
}

static void open_sockets(struct rig *r)
{
    struct rn_endpoint local = { .port = 53 };

    must(rn_udp_new(&r->sock, r->stack) == RN_OK);
    must(rn_sock_bind(r->sock, &local) == RN_OK);
    must(rn_tcp_new(&r->listener, r->stack) == RN_OK);
    local.port = 80;
    must(rn_sock_bind(r->listener, &local) == RN_OK);
    must(rn_sock_listen(r->listener, 4) == RN_OK);
}

static void init(struct rig *r, const struct rn_alloc *alloc, uint8_t how)
{
    static const uint8_t seed[16] = "fuzz the stack";
    static const uint8_t v6[16] = { 0xfd, [15] = 1 };
    struct rn_pool_limits limits = { .max_bytes = POOL_MAX_BYTES };
    struct rn_stack_opts so = { .protos = &rn_protos_all,
                                .is_test = true,
                                .reass_max_bytes = REASS_MAX_BYTES,
                                .is_forwarding = (how & 4) != 0 };
    struct rn_nic_opts no = { .flags = (how & 2) != 0 ? RN_NIC_PROMISCUOUS : 0u };

    must(rn_pool_new(&r->pool, alloc, &limits) == RN_OK);
    rn_turn_init(&r->turn, r->pool, seed, 0);
    r->device.turn = &r->turn;
    r->device.link_type = (how & 1) != 0 ? RN_LINK_ETHERNET : RN_LINK_IP;
    r->device.mtu = 1500;
    r->device.mac = (struct rn_mac){ { 2, 0, 0, 0, 0, 1 } };
    must(rn_stack_new(&r->stack, &r->turn, &so) == RN_OK);
    must(rn_nic_new(&r->nic, r->stack, &r->device, &no) == RN_OK);
    must(rn_nic_add_addr(r->nic, rn_addr_v4(0x0a000001), 24) == RN_OK);
    must(rn_nic_add_addr(r->nic, rn_addr_v6(v6), 64) == RN_OK);
    must(rn_udp_forwarder_new(&r->udp, r->stack, on_datagram, r) == RN_OK);
    must(rn_echo_forwarder_new(&r->echo, r->stack, on_echo, r) == RN_OK);
    open_sockets(r);
}

static void fini(struct rig *r)
{
    struct rn_pool_stats stats;

    (void)rn_sock_close(r->sock);
    (void)rn_sock_close(r->listener);
    r->udp = rn_udp_forwarder_free(r->udp);
    r->echo = rn_echo_forwarder_free(r->echo);
    r->stack = rn_stack_free(r->stack);
    rn_pool_get_stats(r->pool, &stats);
    must(stats.pkts_in_use == 0 && stats.small_in_use == 0 && stats.big_in_use == 0);
    rn_turn_fini(&r->turn);
    r->pool = rn_pool_free(r->pool);
    must(r->n_allocs == 0);
}

/* The offset of a transport's checksum field; 0: none. */
static size_t field_of(uint8_t proto)
{
    switch (proto) {
    case RN_PROTO_ICMP4:
    case RN_PROTO_ICMP6:
        return 2;
    case RN_PROTO_UDP:
        return 6;
    case RN_PROTO_TCP:
        return 16;
    default:
        return 0;
    }
}

struct transport {
    struct rn_addr src;
    struct rn_addr dst;
    uint8_t proto;
    size_t at;
    size_t len;
};

static void mend_transport(uint8_t *ip, const struct transport *t)
{
    size_t field = field_of(t->proto);
    uint32_t sum = 0;

    if (field == 0 || t->len < field + 2)
        return;
    if (t->proto != RN_PROTO_ICMP4)
        sum = rn_checksum_pseudo(t->src, t->dst, t->proto, (uint32_t)t->len);
    rn_put_be16(ip + t->at + field, 0);
    rn_put_be16(ip + t->at + field, (uint16_t)~rn_checksum(ip + t->at, t->len, sum));
}

static void mend(uint8_t *ip, size_t len)
{
    struct rn_ipv4_hdr h4;
    struct rn_ipv6_hdr h6;

    if (rn_ipv4_parse(&h4, rn_view_of(ip, len), len) == RN_OK) {
        struct transport t = { h4.src, h4.dst, h4.proto, h4.hdr_len,
                               (size_t)h4.total_len - h4.hdr_len };

        rn_put_be16(ip + 10, 0);
        rn_put_be16(ip + 10, (uint16_t)~rn_checksum(ip, h4.hdr_len, 0));
        mend_transport(ip, &t);
    } else if (rn_ipv6_parse(&h6, rn_view_of(ip, len), len) == RN_OK) {
        struct transport t = { h6.src, h6.dst, h6.next, RN_IPV6_HDR_BYTES, h6.payload_len };

        mend_transport(ip, &t);
    }
}

static void feed(struct rig *r, struct rn_view bytes, bool is_mended)
{
    size_t link = r->device.link_type == RN_LINK_ETHERNET ? 14 : 0;
    uint8_t frame[2048];
    struct rn_pktq in = { 0 };
    struct rn_pkt *pkt;

    bytes.len = rn_min_size(bytes.len, sizeof(frame));
    memcpy(frame, bytes.ptr, bytes.len);
    if (is_mended && bytes.len > link)
        mend(frame + link, bytes.len - link);
    pkt = rn_pkt_from_bytes(r->pool, frame, bytes.len);
    if (pkt == NULL)
        return;
    rn_pktq_push(&in, pkt);
    rn_nic_input(r->nic, &in);
}

static void turn(struct rig *r, int64_t ns)
{
    struct rn_pktq out = { 0 };
    struct rn_pkt *pkt;

    rn_turn_end(&r->turn);
    (void)rn_nic_take_output(r->nic, &out, SIZE_MAX);
    while ((pkt = rn_pktq_pop(&out)) != NULL) {
        must(rn_pkt_wire_len(pkt) <= 1500 + 14);
        rn_pkt_free(pkt);
    }
    must(r->stack->reass_bytes <= REASS_MAX_BYTES);
    rn_turn_begin(&r->turn, r->turn.now_ns + ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_reader reader = rn_reader_of(rn_view_of(data, size));
    struct rig rig = { 0 };
    struct rn_alloc alloc = { take, give, &rig };

    init(&rig, &alloc, rn_read_u8(&reader));
    rn_turn_begin(&rig.turn, 0);
    for (unsigned i = 0; i < RECORDS_MAX && reader.rest.len != 0; i++) {
        uint8_t command = rn_read_u8(&reader);
        size_t len = rn_min_size(rn_read_be16(&reader), reader.rest.len);

        feed(&rig, rn_read_view(&reader, len), (command & 1) == 0);
        if ((command & 2) != 0)
            turn(&rig, (int64_t)(command >> 2) * RN_NS_PER_S / 4);
    }
    turn(&rig, 0);
    rn_turn_end(&rig.turn);
    fini(&rig);
    return 0;
}
