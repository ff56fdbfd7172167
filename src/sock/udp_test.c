#include "sock/udp.h"

#include "host.h"
#include "test_net.h"

#include <runnel/err.h>

static struct rn_slice slice(const char *text)
{
    return (struct rn_slice){ (const uint8_t *)text, strlen(text) };
}

static struct rn_sock *udp_on(struct rn_stack *stack, struct rn_addr addr, uint16_t port)
{
    struct rn_endpoint local = { .addr = addr, .port = port };
    struct rn_sock *sock;

    assert_int_equal(rn_udp_new(&sock, stack), 0);
    assert_int_equal(rn_sock_bind(sock, &local), 0);
    return sock;
}

static void init(struct rn_test_net *n)
{
    rn_test_net_init(n, &(struct rn_test_net_opts){ .protos = &rn_protos_all });
}

static void test_datagram_arrives_with_both_names(void **state)
{
    struct rn_test_net n;
    struct rn_sock *a;
    struct rn_sock *b;
    struct rn_dgram_opts to = { .to = { .port = 53 } };
    struct rn_dgram got;
    char text[16];

    (void)state;
    init(&n);
    a = udp_on(n.a.stack, n.a.v4, 1000);
    b = udp_on(n.b.stack, rn_addr_none(), 53);
    to.to.addr = n.b.v4;

    assert_int_equal(rn_dgram_send(a, slice("hello"), &to), 5);
    assert_int_equal(rn_dgram_recv(b, text, sizeof(text), &got), RN_E_WOULD_BLOCK);
    rn_test_net_run(&n, RN_NS_PER_MS);

    assert_int_equal(rn_dgram_recv(b, text, sizeof(text), &got), 5);
    assert_memory_equal(text, "hello", 5);
    assert_true(rn_addr_eq(got.from.addr, n.a.v4));
    assert_int_equal(got.from.port, 1000);
    assert_true(rn_addr_eq(got.to.addr, n.b.v4));
    assert_int_equal(got.to.port, 53);
    assert_int_equal(got.ttl, 64);
    (void)rn_sock_close(a);
    (void)rn_sock_close(b);
    rn_test_net_fini(&n);
}

/* Seed test PreflightBindsEndpoint: the socket has its port, and the wire has nothing. */
static void test_preflight_binds_and_finds_the_way_and_sends_nothing(void **state)
{
    struct rn_test_net n;
    struct rn_sock *sock;
    struct rn_endpoint to = { .port = 53 };
    struct rn_endpoint broadcast = { .addr = rn_addr_v4(0xffffffff), .port = 53 };
    uint64_t before;
    uint16_t port;

    (void)state;
    init(&n);
    to.addr = n.b.v4;
    assert_int_equal(rn_udp_new(&sock, n.a.stack), 0);
    before = n.a.stack->stats.udp_out_dgrams;
    assert_int_equal(rn_sock_preflight(sock, NULL), RN_E_DEST_REQUIRED);
    assert_int_equal(rn_sock_preflight(sock, &broadcast), RN_E_NOT_PERMITTED);

    assert_int_equal(rn_sock_preflight(sock, &to), 0);

    port = rn_sock_local(sock).port;
    assert_true(port != 0);
    assert_int_equal(n.a.stack->stats.udp_out_dgrams, before);
    assert_int_equal(rn_sock_preflight(sock, &to), 0);
    assert_int_equal(rn_sock_local(sock).port, port);
    assert_int_equal(rn_sock_connect(sock, &to), 0);
    assert_int_equal(rn_sock_preflight(sock, NULL), 0);
    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    assert_int_equal(rn_sock_preflight(sock, NULL), RN_E_CLOSED_FOR_SEND);
    (void)rn_sock_close(sock);
    rn_test_net_fini(&n);
}

static void test_preflight_tells_a_pending_error_and_leaves_it(void **state)
{
    struct rn_test_net n;
    struct rn_sock *sock;
    struct rn_endpoint to = { .port = 9 };

    (void)state;
    init(&n);
    to.addr = n.b.v4;
    assert_int_equal(rn_udp_new(&sock, n.a.stack), 0);
    assert_int_equal(rn_sock_connect(sock, &to), 0);
    assert_int_equal(rn_dgram_send(sock, slice("x"), NULL), 1);
    rn_test_net_run(&n, RN_NS_PER_MS);

    assert_int_equal(rn_sock_preflight(sock, NULL), RN_E_CONN_REFUSED);
    assert_int_equal(rn_sock_preflight(sock, NULL), RN_E_CONN_REFUSED);
    assert_int_equal(rn_sock_take_error(sock), RN_E_CONN_REFUSED);
    assert_int_equal(rn_sock_preflight(sock, NULL), 0);
    (void)rn_sock_close(sock);
    rn_test_net_fini(&n);
}

static void test_both_families_reach_a_wildcard_socket(void **state)
{
    struct rn_test_net n;
    struct rn_sock *a;
    struct rn_sock *b;
    struct rn_dgram_opts to = { .to = { .port = 53 } };
    char text[16];

    (void)state;
    init(&n);
    assert_int_equal(rn_udp_new(&a, n.a.stack), 0);
    b = udp_on(n.b.stack, rn_addr_none(), 53);

    to.to.addr = n.b.v6;
    assert_int_equal(rn_dgram_send(a, slice("six"), &to), 3);
    to.to.addr = n.b.v4;
    assert_int_equal(rn_dgram_send(a, slice("four"), &to), 4);
    rn_test_net_run(&n, RN_NS_PER_MS);

    assert_int_equal(rn_dgram_recv(b, text, sizeof(text), NULL), 3);
    assert_int_equal(rn_dgram_recv(b, text, sizeof(text), NULL), 4);
    (void)rn_sock_close(a);
    (void)rn_sock_close(b);
    rn_test_net_fini(&n);
}

static void test_closed_port_refuses_a_connected_socket_once(void **state)
{
    struct rn_test_net n;
    struct rn_sock *a;
    struct rn_endpoint to = { .port = 9 };

    (void)state;
    init(&n);
    assert_int_equal(rn_udp_new(&a, n.a.stack), 0);
    to.addr = n.b.v4;
    assert_int_equal(rn_sock_connect(a, &to), 0);

    assert_int_equal(rn_dgram_send(a, slice("x"), NULL), 1);
    rn_test_net_run(&n, RN_NS_PER_MS);

    assert_int_equal(rn_dgram_send(a, slice("x"), NULL), RN_E_CONN_REFUSED);
    assert_int_equal(rn_dgram_send(a, slice("x"), NULL), 1);
    assert_int_equal(n.b.stack->stats.udp_no_port, 1);
    (void)rn_sock_close(a);
    rn_test_net_fini(&n);
}

static void test_large_datagram_is_cut_and_rejoined(void **state)
{
    static uint8_t out[60000];
    static uint8_t in[sizeof(out)];
    struct rn_test_net n;
    struct rn_sock *a;
    struct rn_sock *b;
    struct rn_dgram_opts to = { .to = { .port = 53 } };

    (void)state;
    init(&n);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(rn_udp_new(&a, n.a.stack), 0);
    b = udp_on(n.b.stack, rn_addr_none(), 53);

    for (int family = 0; family < 2; family++) {
        to.to.addr = family == 0 ? n.b.v4 : n.b.v6;
        assert_int_equal(rn_dgram_send(a, (struct rn_slice){ out, sizeof(out) }, &to), sizeof(out));
        rn_test_net_run(&n, RN_NS_PER_MS);
        memset(in, 0, sizeof(in));
        assert_int_equal(rn_dgram_recv(b, in, sizeof(in), NULL), sizeof(out));
        assert_memory_equal(in, out, sizeof(out));
    }

    assert_int_equal(n.b.stack->stats.ip_reass_ok, 2);
    assert_int_equal(n.b.stack->reass_bytes, 0);
    (void)rn_sock_close(a);
    (void)rn_sock_close(b);
    rn_test_net_fini(&n);
}

static void test_what_must_not_be_cut_is_too_long(void **state)
{
    static uint8_t out[2000];
    struct rn_test_net n;
    struct rn_sock *a;
    struct rn_dgram_opts to = { .to = { .port = 53 } };
    struct rn_slice bytes = { out, sizeof(out) };

    (void)state;
    init(&n);
    assert_int_equal(rn_udp_new(&a, n.a.stack), 0);
    to.to.addr = n.b.v4;

    assert_int_equal(rn_sock_set_opt(a, RN_IP_MTU_DISCOVER, RN_PMTUD_DO), 0);
    assert_int_equal(rn_dgram_send(a, bytes, &to), RN_E_MSG_TOO_LONG);
    bytes.len = 1472;
    assert_int_equal(rn_dgram_send(a, bytes, &to), 1472);
    (void)rn_sock_close(a);
    rn_test_net_fini(&n);
}

static void test_segments_leave_as_one_packet_and_arrive_as_many(void **state)
{
    static uint8_t out[3500];
    uint8_t in[2000];
    struct rn_test_net n;
    struct rn_sock *a;
    struct rn_sock *b;
    struct rn_dgram_opts to = { .to = { .port = 53 }, .segment_bytes = 1000 };

    (void)state;
    init(&n);
    assert_int_equal(rn_udp_new(&a, n.a.stack), 0);
    b = udp_on(n.b.stack, rn_addr_none(), 53);
    to.to.addr = n.b.v4;

    assert_int_equal(rn_dgram_send(a, (struct rn_slice){ out, sizeof(out) }, &to), sizeof(out));
    rn_test_net_run(&n, RN_NS_PER_MS);

    for (int i = 0; i < 3; i++)
        assert_int_equal(rn_dgram_recv(b, in, sizeof(in), NULL), 1000);
    assert_int_equal(rn_dgram_recv(b, in, sizeof(in), NULL), 500);
    (void)rn_sock_close(a);
    (void)rn_sock_close(b);
    rn_test_net_fini(&n);
}

static void test_full_receive_queue_drops_and_counts(void **state)
{
    static uint8_t out[1000];
    struct rn_test_net n;
    struct rn_sock *a;
    struct rn_sock *b;
    struct rn_dgram_opts to = { .to = { .port = 53 } };

    (void)state;
    init(&n);
    assert_int_equal(rn_udp_new(&a, n.a.stack), 0);
    b = udp_on(n.b.stack, rn_addr_none(), 53);
    assert_int_equal(rn_sock_set_opt(b, RN_SO_RCVBUF, 10000), 0);
    to.to.addr = n.b.v4;

    for (int i = 0; i < 20; i++)
        assert_int_equal(rn_dgram_send(a, (struct rn_slice){ out, sizeof(out) }, &to), 1000);
    rn_test_net_run(&n, RN_NS_PER_MS);

    assert_true(n.b.stack->stats.udp_rcvbuf_full > 10);
    assert_int_equal(n.b.stack->drops.n[RN_DROP_RX_QUEUE_FULL], n.b.stack->stats.udp_rcvbuf_full);
    assert_true(n.b.stack->sock_bytes <= 10000);
    (void)rn_sock_close(a);
    (void)rn_sock_close(b);
    assert_int_equal(n.b.stack->sock_bytes, 0);
    rn_test_net_fini(&n);
}

static void test_two_sockets_cannot_have_one_name_unless_both_share(void **state)
{
    struct rn_test_net n;
    struct rn_endpoint local = { .port = 53 };
    struct rn_sock *socks[3];

    (void)state;
    init(&n);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rn_udp_new(&socks[i], n.a.stack), 0);

    assert_int_equal(rn_sock_bind(socks[0], &local), 0);
    assert_int_equal(rn_sock_bind(socks[1], &local), RN_E_PORT_IN_USE);
    local.addr = n.a.v4;
    assert_int_equal(rn_sock_bind(socks[1], &local), RN_E_PORT_IN_USE);
    local.port = 54;
    assert_int_equal(rn_sock_set_opt(socks[1], RN_SO_REUSEPORT, 1), 0);
    assert_int_equal(rn_sock_set_opt(socks[2], RN_SO_REUSEPORT, 1), 0);
    assert_int_equal(rn_sock_bind(socks[1], &local), 0);
    assert_int_equal(rn_sock_bind(socks[2], &local), 0);
    for (int i = 0; i < 3; i++)
        (void)rn_sock_close(socks[i]);
    rn_test_net_fini(&n);
}

static void test_address_that_is_not_ours_cannot_be_bound(void **state)
{
    struct rn_test_net n;
    struct rn_endpoint local = { .port = 53 };
    struct rn_sock *sock;

    (void)state;
    init(&n);
    assert_int_equal(rn_udp_new(&sock, n.a.stack), 0);
    local.addr = n.b.v4;

    assert_int_equal(rn_sock_bind(sock, &local), RN_E_BAD_LOCAL_ADDR);
    (void)rn_sock_close(sock);
    rn_test_net_fini(&n);
}

static void count_events(struct rn_sock *sock, unsigned events, void *arg)
{
    unsigned *n = arg;

    (void)sock;
    if ((events & RN_READABLE) != 0)
        ++*n;
}

static void test_readable_is_told_once_per_turn(void **state)
{
    struct rn_test_net n;
    struct rn_sock *a;
    struct rn_sock *b;
    struct rn_dgram_opts to = { .to = { .port = 53 } };
    unsigned n_events = 0;

    (void)state;
    init(&n);
    assert_int_equal(rn_udp_new(&a, n.a.stack), 0);
    b = udp_on(n.b.stack, rn_addr_none(), 53);
    rn_sock_on_event(b, count_events, &n_events);
    to.to.addr = n.b.v4;

    for (int i = 0; i < 5; i++)
        assert_int_equal(rn_dgram_send(a, slice("x"), &to), 1);
    rn_test_net_run(&n, RN_NS_PER_MS);

    assert_int_equal(n_events, 1);
    (void)rn_sock_close(a);
    (void)rn_sock_close(b);
    rn_test_net_fini(&n);
}

/* --- forwarder ---------------------------------------------------------------------------------------------------- */

enum answer { ACCEPT, IGNORE, NOTHING, TAKE };

struct gate {
    enum answer answer;
    unsigned n_requests;
    struct rn_sock *sock;
    struct rn_endpoint local;
    struct rn_endpoint remote;
    struct rn_pkt *taken;
};

static void on_request(struct rn_udp_request *req, void *arg)
{
    struct gate *gate = arg;

    gate->n_requests++;
    gate->local = rn_udp_request_local(req);
    gate->remote = rn_udp_request_remote(req);
    if (gate->answer == ACCEPT)
        assert_int_equal(rn_udp_request_accept(req, &gate->sock), 0);
    else if (gate->answer == IGNORE)
        rn_udp_request_ignore(req);
    else if (gate->answer == TAKE)
        gate->taken = rn_udp_request_take(req);
}

struct gate_rig {
    struct rn_test_host h;
    struct rn_udp_forwarder *fwd;
    struct gate gate;
    uint8_t pkt[256];
    size_t len;
};

/* A datagram from the peer to 192.0.2.1:53, which is nobody's here. */
static void gate_init(struct gate_rig *r, enum answer answer)
{
    struct rn_endpoint src = { .addr = RN_TEST_PEER4, .port = 4000 };
    struct rn_endpoint dst = { .addr = rn_addr_v4(0xc0000201), .port = 53 };
    struct rn_ipv4_hdr ip = { .src = src.addr, .dst = dst.addr, .proto = RN_PROTO_UDP };
    uint8_t udp[64];

    memset(r, 0, sizeof(*r));
    r->gate.answer = answer;
    rn_test_host_init(&r->h, &(struct rn_test_host_opts){ .protos = &rn_protos_all,
                                                          .nic_flags = RN_NIC_PROMISCUOUS });
    assert_int_equal(rn_udp_forwarder_new(&r->fwd, r->h.stack, on_request, &r->gate), 0);
    r->len = rn_test_ip4(r->pkt, &ip, udp, rn_test_udp(udp, &src, &dst, 20));
}

static void gate_fini(struct gate_rig *r)
{
    r->fwd = rn_udp_forwarder_free(r->fwd);
    rn_test_host_fini(&r->h);
}

/* Sends 41 datagrams at once and returns how many packets came of them. */
static uint64_t send_together(uint32_t more_caps)
{
    struct rn_test_net n;
    struct rn_dgram_opts to = { .to = { .port = 53 } };
    struct rn_sock *a;
    struct rn_sock *b;
    uint8_t bytes[64] = { 0 };
    uint8_t got[64 * 41];
    uint64_t n_packets;
    size_t len = 0;
    int64_t part;

    rn_test_net_init(&n,
                     &(struct rn_test_net_opts){ .protos = &rn_protos_all, .has_offload = true });
    n.a.device->caps |= more_caps;
    a = udp_on(n.a.stack, n.a.v4, 1000);
    b = udp_on(n.b.stack, rn_addr_none(), 53);
    to.to.addr = n.b.v4;
    for (uint8_t i = 0; i <= 40; i++) {
        bytes[0] = i;
        assert_true(rn_dgram_send(a, (struct rn_slice){ bytes, i == 40 ? 10 : 64 }, &to) > 0);
    }
    rn_test_net_run(&n, RN_NS_PER_MS);
    while ((part = rn_dgram_recv(b, got + len, sizeof(got) - len, NULL)) > 0)
        len += (size_t)part;
    assert_int_equal(len, 40 * 64 + 10);
    for (size_t i = 0; i <= 40; i++)
        assert_int_equal(got[64 * i], i);
    n_packets = n.b.stack->stats.ip_in_received;
    (void)rn_sock_close(a);
    (void)rn_sock_close(b);
    rn_test_net_fini(&n);
    return n_packets;
}

static void test_datagrams_leave_as_a_train_where_each_is_read_by_itself(void **state)
{
    (void)state;
    assert_int_equal(send_together(RN_DEV_TRAINS), 1);
    assert_int_equal(send_together(0), 41);
}

static void test_forwarder_accepts_and_answers_in_the_name_asked_for(void **state)
{
    struct gate_rig r;
    struct rn_ipv4_hdr ip;
    uint8_t bytes[256];
    struct rn_dgram got;
    size_t len;

    (void)state;
    gate_init(&r, ACCEPT);

    rn_test_host_feed(&r.h, r.pkt, r.len);
    rn_test_host_feed(&r.h, r.pkt, r.len);

    assert_int_equal(r.gate.n_requests, 1); /* the second found the socket */
    assert_int_equal(rn_dgram_recv(r.gate.sock, bytes, sizeof(bytes), &got), 20);
    assert_int_equal(rn_dgram_recv(r.gate.sock, bytes, sizeof(bytes), &got), 20);
    assert_int_equal(rn_dgram_send(r.gate.sock, slice("answer"), NULL), 6);
    rn_test_host_run(&r.h, 1);
    len = rn_test_host_next(&r.h, bytes, sizeof(bytes));
    assert_int_equal(rn_ipv4_parse(&ip, rn_view_of(bytes, len), len), 0);
    assert_true(rn_addr_eq(ip.src, rn_addr_v4(0xc0000201)));
    assert_int_equal(rn_get_be16(bytes + 20), 53);
    assert_int_equal(rn_get_be16(bytes + 22), 4000);
    (void)rn_sock_close(r.gate.sock);
    gate_fini(&r);
}

static void test_forwarder_that_ignores_is_silent(void **state)
{
    struct gate_rig r;

    (void)state;
    gate_init(&r, IGNORE);

    rn_test_host_feed(&r.h, r.pkt, r.len);

    assert_int_equal(r.gate.n_requests, 1);
    assert_true(rn_pktq_is_empty(&r.h.out));
    gate_fini(&r);
}

static void test_unanswered_request_becomes_port_unreachable_from_there(void **state)
{
    struct gate_rig r;
    uint8_t bytes[256];
    struct rn_ipv4_hdr ip;
    size_t len;

    (void)state;
    gate_init(&r, NOTHING);

    rn_test_host_feed(&r.h, r.pkt, r.len);

    len = rn_test_host_next(&r.h, bytes, sizeof(bytes));
    assert_int_equal(rn_ipv4_parse(&ip, rn_view_of(bytes, len), len), 0);
    assert_true(rn_addr_eq(ip.src, rn_addr_v4(0xc0000201)));
    assert_int_equal(bytes[20], RN_ICMP4_UNREACH);
    assert_int_equal(bytes[21], RN_ICMP4_PORT);
    assert_memory_equal(bytes + 28, r.pkt, r.len);
    gate_fini(&r);
}

static void test_gate_sends_what_it_took_under_another_name(void **state)
{
    struct gate_rig r;
    struct rn_udp_way way = { .src = { .addr = rn_addr_v4(0xc0000201), .port = 53 },
                              .dst = { .addr = RN_TEST_PEER4, .port = 4000 } };
    uint8_t bytes[256];

    (void)state;
    gate_init(&r, TAKE);
    rn_test_host_feed(&r.h, r.pkt, r.len);
    assert_int_equal(r.gate.taken->len, 20);

    assert_int_equal(rn_udp_send_from(r.h.stack, &way, r.gate.taken), 0);
    rn_test_host_run(&r.h, 1);

    assert_int_equal(rn_test_host_next(&r.h, bytes, sizeof(bytes)), 48);
    assert_memory_equal(bytes + 28, r.pkt + 28, 20);
    gate_fini(&r);
}

static void test_late_error_of_a_gate_reaches_the_sender(void **state)
{
    struct gate_rig r;
    struct rn_icmp_out err = { .kind = RN_ICMP_TOO_BIG, .arg = 1400 };
    uint8_t quote[RN_IP_QUOTE_BYTES];
    uint8_t bytes[256];
    size_t len;

    (void)state;
    gate_init(&r, IGNORE);
    rn_test_host_feed(&r.h, r.pkt, r.len);

    len = rn_ip_quote_make(&r.gate.remote, &r.gate.local, RN_PROTO_UDP, quote);
    rn_icmp_send(r.h.stack, &err, rn_view_of(quote, len));
    rn_test_host_run(&r.h, 1);

    assert_int_equal(rn_test_host_next(&r.h, bytes, sizeof(bytes)), 20 + 8 + 28);
    assert_int_equal(bytes[20], RN_ICMP4_UNREACH);
    assert_int_equal(bytes[21], RN_ICMP4_FRAG_NEEDED);
    assert_int_equal(rn_get_be16(bytes + 26), 1400);
    assert_int_equal(rn_checksum(bytes + 20, 36, 0), 0xffff);
    gate_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagram_arrives_with_both_names),
        cmocka_unit_test(test_preflight_binds_and_finds_the_way_and_sends_nothing),
        cmocka_unit_test(test_preflight_tells_a_pending_error_and_leaves_it),
        cmocka_unit_test(test_both_families_reach_a_wildcard_socket),
        cmocka_unit_test(test_closed_port_refuses_a_connected_socket_once),
        cmocka_unit_test(test_large_datagram_is_cut_and_rejoined),
        cmocka_unit_test(test_what_must_not_be_cut_is_too_long),
        cmocka_unit_test(test_segments_leave_as_one_packet_and_arrive_as_many),
        cmocka_unit_test(test_full_receive_queue_drops_and_counts),
        cmocka_unit_test(test_two_sockets_cannot_have_one_name_unless_both_share),
        cmocka_unit_test(test_address_that_is_not_ours_cannot_be_bound),
        cmocka_unit_test(test_readable_is_told_once_per_turn),
        cmocka_unit_test(test_datagrams_leave_as_a_train_where_each_is_read_by_itself),
        cmocka_unit_test(test_forwarder_accepts_and_answers_in_the_name_asked_for),
        cmocka_unit_test(test_forwarder_that_ignores_is_silent),
        cmocka_unit_test(test_unanswered_request_becomes_port_unreachable_from_there),
        cmocka_unit_test(test_gate_sends_what_it_took_under_another_name),
        cmocka_unit_test(test_late_error_of_a_gate_reaches_the_sender),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
