/*
 * usage: hot_paths PATH N
 *
 * Goes N times along one of the paths that every packet takes, in virtual time and without a system call, so that
 * bench/icount.py can count its instructions by callgrind: frame, checksum, datagram, ack, relay-up, relay-down. Bulk TCP
 * and the life of connections are counted on bench/two_stacks.
 */
#include "outer_net.h"
#include "tcp_fixture.h"
#include "test_net.h"

#include "base/checksum.h"
#include "outnet/gate_tcp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#include <runnel/tcp.h>
#include <runnel/udp.h>

/* What is collected: one call is one time along the path. Its name is known to icount.py. */
#define MEASURED __attribute__((noinline))

enum { FRAME_BYTES = 1500, MSS = 536, DATAGRAM_BYTES = 64, RELAY_BYTES = 32768 };

static volatile uint32_t result; /* what was computed is used */

/* --- a frame's headers ---------------------------------------------------------------------------------------- */
struct bytes {
    uint8_t of[FRAME_BYTES];
};

static void make_frame(struct bytes *frame)
{
    struct rn_ipv4_hdr ip = { .total_len = FRAME_BYTES, .ttl = 64, .proto = RN_PROTO_TCP };
    struct rn_tcp_hdr tcp = {
        .src_port = 1, .dst_port = 2, .flags = RN_TCP_ACK, .hdr_len = RN_TCP_HDR_BYTES
    };

    ip.src = rn_addr_v4(0x0a000001);
    ip.dst = rn_addr_v4(0x0a000002);
    rn_ipv4_emit(&ip, frame->of);
    rn_tcp_emit(&tcp, frame->of + RN_IPV4_HDR_BYTES);
}

MEASURED static void measured_frame(struct bytes *frame)
{
    struct rn_view view = { frame->of, sizeof(frame->of) };
    struct rn_ipv4_hdr ip;
    struct rn_tcp_hdr tcp;

    if (rn_ipv4_parse(&ip, view, view.len) < 0 || !rn_ipv4_checksum_ok(view, ip.hdr_len))
        return;
    view = rn_view_of(view.ptr + ip.hdr_len, view.len - ip.hdr_len);
    if (rn_tcp_parse(&tcp, view, view.len) >= 0)
        result += tcp.window;
}

static void frame(unsigned n)
{
    static struct bytes bytes;

    make_frame(&bytes);
    for (unsigned i = 0; i < n; i++)
        measured_frame(&bytes);
}

MEASURED static void measured_checksum(const struct bytes *bytes)
{
    result += rn_checksum(bytes->of, sizeof(bytes->of), 0);
}

static void checksum(unsigned n)
{
    static struct bytes bytes;

    for (unsigned i = 0; i < n; i++)
        measured_checksum(&bytes);
}

/* --- a datagram from one stack to another and back -------------------------------------------------------------- */
struct pair {
    struct rn_test_net net;
    struct rn_sock *a;
    struct rn_sock *b;
};

static void send_to(struct rn_sock *sock, struct rn_addr addr)
{
    static const uint8_t bytes[DATAGRAM_BYTES];
    struct rn_dgram_opts opts = { .to = { .addr = addr, .port = 7 } };

    assert_int_equal(rn_dgram_send(sock, (struct rn_slice){ bytes, sizeof(bytes) }, &opts),
                     DATAGRAM_BYTES);
}

static void take(struct rn_sock *sock)
{
    uint8_t bytes[DATAGRAM_BYTES];
    struct rn_dgram dgram;

    assert_int_equal(rn_dgram_recv(sock, bytes, sizeof(bytes), &dgram), DATAGRAM_BYTES);
}

MEASURED static void measured_datagram(struct pair *pair)
{
    send_to(pair->a, pair->net.b.v4);
    rn_test_turn_run(&pair->net.t, 0);
    take(pair->b);
    send_to(pair->b, pair->net.a.v4);
    rn_test_turn_run(&pair->net.t, 0);
    take(pair->a);
}

static struct rn_sock *bound(struct rn_test_side *side)
{
    struct rn_endpoint at = { .addr = side->v4, .port = 7 };
    struct rn_sock *sock;

    assert_int_equal(rn_udp_new(&sock, side->stack), 0);
    assert_int_equal(rn_sock_bind(sock, &at), 0);
    return sock;
}

static void datagram(unsigned n)
{
    struct pair pair;

    rn_test_net_init(&pair.net, &(struct rn_test_net_opts){ .protos = &rn_protos_all });
    pair.a = bound(&pair.net.a);
    pair.b = bound(&pair.net.b);
    for (unsigned i = 0; i < n; i++)
        measured_datagram(&pair);
    rn_sock_close(pair.a);
    rn_sock_close(pair.b);
    rn_test_net_fini(&pair.net);
}

/* --- an acknowledgment of one of ten segments in flight, and the segment that follows it -------------------------- */
MEASURED static void measured_ack(struct tcp_fixture *f, const struct seg_text *ack,
                                  struct rn_sock *sock)
{
    fix_peer_seg(f, ack);
    fix_writes(f, sock, MSS);
}

static void ack(unsigned n)
{
    struct seg_text text = seg_parse(". 1:1(0) ack 1 win 65535");
    struct tcp_fixture f;
    struct rn_sock *sock;

    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_NODELAY, 1), 0);
    for (unsigned i = 0; i < 10; i++)
        fix_writes(&f, sock, MSS);
    for (unsigned i = 1; i <= n; i++) {
        rn_pktq_free_all(&f.out);
        text.ack = 1 + i * MSS;
        measured_ack(&f, &text, sock);
    }
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

/* --- bytes through the gate, from a program's connection to one outside, and back --------------------------------- */
struct relay {
    struct rn_test_net net;
    struct rn_test_outer outer;
    struct rn_gate_tcp *gate;
    struct rn_sock *client;
    struct rn_test_outer_conn *host;
};

static uint8_t relayed[RELAY_BYTES];

MEASURED static void measured_relay_up(struct relay *r)
{
    size_t left = RELAY_BYTES;

    r->host->n_out = 0;
    r->host->out_room = RN_TEST_OUTER_BYTES;
    while (r->host->n_out < RELAY_BYTES) {
        int64_t n = left > 0 ? rn_tcp_write(r->client, relayed, left, 0) : 0;

        left -= n > 0 ? (size_t)n : 0;
        rn_test_net_run(&r->net, RN_NS_PER_MS);
    }
}

MEASURED static void measured_relay_down(struct relay *r)
{
    size_t left = RELAY_BYTES;

    rn_test_outer_give(r->host, relayed, RELAY_BYTES);
    while (left > 0) {
        int64_t n;

        rn_test_net_run(&r->net, RN_NS_PER_MS);
        while ((n = rn_tcp_read(r->client, relayed, sizeof(relayed))) > 0)
            left -= (size_t)n;
    }
}

static void relay(unsigned n, void (*measured)(struct relay *r))
{
    struct rn_gate_tcp_opts opts = { .max_pending = 8 };
    struct rn_endpoint to = { .port = 80 };
    static struct relay r;

    rn_test_net_init(
        &r.net, &(struct rn_test_net_opts){ .protos = &rn_protos_all,
                                            .has_offload = true,
                                            .mtu = 65520,
                                            .nic_flags = RN_NIC_PROMISCUOUS | RN_NIC_SPOOFING });
    rn_test_outer_init(&r.outer, &r.net.t.turn);
    opts.stack = r.net.b.stack;
    opts.net = &r.outer.net;
    assert_int_equal(rn_gate_tcp_new(&r.gate, &opts), 0);
    to.addr = r.net.b.v4;
    assert_int_equal(rn_tcp_new(&r.client, r.net.a.stack), 0);
    assert_int_equal(rn_sock_connect(r.client, &to), RN_E_CONNECT_STARTED);
    rn_test_net_run(&r.net, RN_NS_PER_MS);
    r.host = rn_test_outer_connect(&r.outer, 0);
    rn_test_net_run(&r.net, RN_NS_PER_MS);
    for (unsigned i = 0; i < n; i++)
        measured(&r);
    rn_sock_abort(r.client);
    rn_gate_tcp_free(r.gate);
    rn_test_outer_fini(&r.outer);
    rn_test_net_fini(&r.net);
}

static void relay_up(unsigned n)
{
    relay(n, measured_relay_up);
}

static void relay_down(unsigned n)
{
    relay(n, measured_relay_down);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*go)(unsigned n);
    } paths[] = { { "frame", frame }, { "checksum", checksum }, { "datagram", datagram },
                  { "ack", ack },     { "relay-up", relay_up }, { "relay-down", relay_down } };

    for (size_t i = 0; argc == 3 && i < RN_ARRAY_LEN(paths); i++) {
        if (strcmp(paths[i].name, argv[1]) != 0)
            continue;
        paths[i].go((unsigned)strtoul(argv[2], NULL, 10));
        return 0;
    }
    fprintf(stderr, "usage: hot_paths frame|checksum|datagram|ack|relay-up|relay-down N\n");
    return 2;
}
