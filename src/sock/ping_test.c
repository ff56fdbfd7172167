#include "sock/echo.h"

#include "host.h"
#include "test_net.h"

#include <runnel/err.h>

/* Identifier and checksum are left for the socket to fill in. */
static size_t make_message(uint8_t *out, enum rn_family family, uint16_t seq)
{
    size_t len = rn_test_echo(out, RN_TEST_US4, RN_TEST_PEER4, 24);

    out[0] = family == RN_FAMILY_V4 ? (uint8_t)RN_ICMP4_ECHO : (uint8_t)RN_ICMP6_ECHO;
    rn_put_be16(out + 4, 0);
    rn_put_be16(out + 6, seq);
    return len;
}

static void ping_once(struct rn_test_net *n, enum rn_family family, struct rn_addr to)
{
    struct rn_dgram_opts opts = { .to = { .addr = to } };
    struct rn_dgram got;
    struct rn_sock *sock;
    uint8_t out[64];
    uint8_t in[64];
    size_t len = make_message(out, family, 7);

    assert_int_equal(rn_ping_new(&sock, n->a.stack, family), 0);
    assert_int_equal(rn_dgram_send(sock, (struct rn_slice){ out, len }, &opts), len);
    rn_test_net_run(n, RN_NS_PER_MS);

    assert_int_equal(rn_dgram_recv(sock, in, sizeof(in), &got), len);
    assert_int_equal(in[0],
                     family == RN_FAMILY_V4 ? (int)RN_ICMP4_ECHO_REPLY : (int)RN_ICMP6_ECHO_REPLY);
    assert_int_equal(rn_get_be16(in + 4), rn_sock_local(sock).port);
    assert_int_equal(rn_get_be16(in + 6), 7);
    assert_memory_equal(in + 8, out + 8, len - 8);
    assert_true(rn_addr_eq(got.from.addr, to));
    (void)rn_sock_close(sock);
}

static void test_ping_is_answered_in_both_families_and_by_ourselves(void **state)
{
    struct rn_test_net n;

    (void)state;
    rn_test_net_init(&n, &(struct rn_test_net_opts){ .protos = &rn_protos_all });

    ping_once(&n, RN_FAMILY_V4, n.b.v4);
    ping_once(&n, RN_FAMILY_V6, n.b.v6);
    ping_once(&n, RN_FAMILY_V4, n.a.v4);
    ping_once(&n, RN_FAMILY_V6, n.a.v6);
    rn_test_net_fini(&n);
}

static void test_message_that_is_no_echo_request_is_refused(void **state)
{
    struct rn_test_net n;
    struct rn_dgram_opts opts = { 0 };
    struct rn_sock *sock;
    uint8_t out[64];
    size_t len = make_message(out, RN_FAMILY_V6, 1);

    (void)state;
    rn_test_net_init(&n, &(struct rn_test_net_opts){ .protos = &rn_protos_all });
    opts.to.addr = n.b.v4;
    assert_int_equal(rn_ping_new(&sock, n.a.stack, RN_FAMILY_V4), 0);

    assert_int_equal(rn_dgram_send(sock, (struct rn_slice){ out, len }, &opts), RN_E_MALFORMED);
    opts.to.addr = n.b.v6;
    assert_int_equal(rn_dgram_send(sock, (struct rn_slice){ out, len }, &opts), RN_E_ADDR_FAMILY);
    (void)rn_sock_close(sock);
    rn_test_net_fini(&n);
}

struct gate {
    struct rn_stack *stack;
    unsigned n;
    struct rn_echo last;
};

static void answer(const struct rn_echo *echo, struct rn_pkt *data, void *arg)
{
    struct gate *gate = arg;

    gate->n++;
    gate->last = *echo;
    assert_int_equal(rn_echo_reply_from(gate->stack, echo, data), 0);
}

static void test_forwarder_answers_for_foreign_addresses(void **state)
{
    struct rn_test_host h;
    struct rn_echo_forwarder *fwd;
    struct gate gate = { 0 };
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = rn_addr_v4(0xc0000201), .proto = 1 };
    uint8_t icmp[64];
    uint8_t pkt[128];
    size_t len = rn_test_echo(icmp, ip.src, ip.dst, 24);

    (void)state;
    rn_test_host_init(&h, &(struct rn_test_host_opts){ .protos = &rn_protos_all,
                                                       .nic_flags = RN_NIC_PROMISCUOUS });
    gate.stack = h.stack;
    assert_int_equal(rn_echo_forwarder_new(&fwd, h.stack, answer, &gate), 0);

    rn_test_host_feed(&h, pkt, rn_test_ip4(pkt, &ip, icmp, len));

    assert_int_equal(gate.n, 1);
    assert_int_equal(gate.last.id, 77);
    assert_int_equal(rn_test_host_next(&h, pkt, sizeof(pkt)), 20 + len);
    assert_int_equal(rn_ipv4_parse(&ip, rn_view_of(pkt, 20 + len), 20 + len), 0);
    assert_true(rn_addr_eq(ip.src, rn_addr_v4(0xc0000201)));
    assert_int_equal(pkt[20], RN_ICMP4_ECHO_REPLY);
    assert_memory_equal(pkt + 24, icmp + 4, len - 4);
    assert_int_equal(rn_checksum(pkt + 20, len, 0), 0xffff);
    fwd = rn_echo_forwarder_free(fwd);
    rn_test_host_fini(&h);
}

static void test_foreign_request_without_forwarder_is_refused(void **state)
{
    struct rn_test_host h;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = rn_addr_v4(0xc0000201), .proto = 1 };
    uint8_t icmp[64];
    uint8_t pkt[128];

    (void)state;
    rn_test_host_init(&h, &(struct rn_test_host_opts){ .protos = &rn_protos_all,
                                                       .nic_flags = RN_NIC_PROMISCUOUS });

    rn_test_host_feed(&h, pkt, rn_test_ip4(pkt, &ip, icmp, rn_test_echo(icmp, ip.src, ip.dst, 8)));

    assert_int_equal(rn_test_host_drops(&h, RN_DROP_ECHO_REFUSED), 1);
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_is_answered_in_both_families_and_by_ourselves),
        cmocka_unit_test(test_message_that_is_no_echo_request_is_refused),
        cmocka_unit_test(test_forwarder_answers_for_foreign_addresses),
        cmocka_unit_test(test_foreign_request_without_forwarder_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
