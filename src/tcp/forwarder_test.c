#include "tcp_fixture.h"

struct gate {
    struct rn_tcp_request *req; /* the newest */
    unsigned n_told;
    unsigned n_cancelled;
};

static void on_cancel(struct rn_tcp_request *req)
{
    struct gate *gate = rn_tcp_request_data(req);

    gate->n_cancelled++;
    gate->req = NULL;
}

static void on_syn(struct rn_tcp_request *req, void *arg)
{
    struct gate *gate = arg;

    gate->req = req;
    gate->n_told++;
    rn_tcp_request_set_data(req, gate);
    rn_tcp_request_on_cancel(req, on_cancel);
}

static struct rn_tcp_forwarder *start(struct tcp_fixture *f, struct gate *gate, unsigned max)
{
    struct rn_tcp_forwarder *fwd;

    *gate = (struct gate){ 0 };
    tcp_fixture_init(f);
    rn_nic_set_flags(f->nic, RN_NIC_PROMISCUOUS | RN_NIC_SPOOFING, 0);
    f->us = rn_addr_v4(0x08080808); /* nobody's address here */
    f->our_port = 443;
    assert_int_equal(rn_tcp_forwarder_new(&fwd, f->stack, max, on_syn, gate), 0);
    return fwd;
}

static void test_a_syn_to_any_address_becomes_one_request(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;
    struct rn_endpoint local;

    (void)state;
    fwd = start(&f, &gate, 4);

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    assert_int_equal(gate.n_told, 1);
    fix_silent(&f);
    local = rn_tcp_request_local(gate.req);
    assert_true(rn_addr_eq(local.addr, f.us));
    assert_int_equal(local.port, 443);
    assert_int_equal(rn_tcp_request_remote(gate.req).port, f.their_port);
    rn_tcp_request_refuse(gate.req, RN_TCP_REFUSE_SILENT);
    rn_tcp_forwarder_free(fwd);
    tcp_fixture_fini(&f);
}

static void test_an_accepted_request_carries_a_connection_as_that_address(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;
    struct rn_sock *sock;

    (void)state;
    fwd = start(&f, &gate, 4);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460,sackOK,TS 3 0,wscale 7>");
    fix_pass(&f, 300);
    fix_silent(&f);

    assert_int_equal(rn_tcp_request_accept(gate.req, &sock), 0);
    fix_watch(&f, sock);
    fix_turn(&f);
    fix_we(&f, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS * 3,wscale 7>");
    assert_int_equal(f.events & RN_WRITABLE, 0);
    fix_peer(&f, ". 1:1(0) ack 1 <TS 4 0>");
    assert_int_equal(f.events & RN_WRITABLE, RN_WRITABLE);
    fix_writes(&f, sock, 10);
    fix_we(&f, "P. 1:11(10) ack 1");
    fix_peer(&f, "P. 1:11(10) ack 11 <TS 4 0>");
    fix_reads(sock, 0, 10);

    assert_true(rn_addr_eq(rn_sock_local(sock).addr, f.us));
    rn_tcp_forwarder_free(fwd);
    rn_sock_abort(sock);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static struct rn_sock *forwarded(struct tcp_fixture *f, struct gate *gate)
{
    struct rn_sock *sock;

    fix_peer(f, "S 0:0(0) win 65535 <mss 1460>");
    assert_int_equal(rn_tcp_request_accept(gate->req, &sock), 0);
    fix_turn(f);
    fix_peer(f, ". 1:1(0) ack 1");
    fix_ignore(f);
    return sock;
}

static void test_the_first_acks_of_a_forwarded_connection_ride_on_its_answers(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;
    struct rn_sock *sock;

    (void)state;
    fwd = start(&f, &gate, 4);
    sock = forwarded(&f, &gate);

    fix_peer(&f, "P. 1:101(100) ack 1");
    fix_pass(&f, 1);
    fix_silent(&f);
    fix_writes(&f, sock, 10);
    fix_we(&f, "P. 1:11(10) ack 101");
    fix_peer(&f, "F. 101:101(0) ack 11");
    fix_pass(&f, 1);
    fix_silent(&f);
    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    fix_turn(&f);
    fix_we(&f, "F. 11:11(0) ack 102");

    rn_sock_abort(sock);
    rn_tcp_forwarder_free(fwd);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_without_an_answer_a_forwarded_connection_acks_soon(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;
    struct rn_sock *sock;

    (void)state;
    fwd = start(&f, &gate, 4);
    sock = forwarded(&f, &gate);

    fix_peer(&f, "P. 1:101(100) ack 1");
    fix_pass(&f, 3);
    fix_we(&f, ". 1:1(0) ack 101");
    fix_peer(&f, ". 101:1561(1460) ack 1");
    fix_we(&f, ". 1:1(0) ack 1561"); /* a full-sized one: the peer's slow start does not wait */
    fix_peer(&f, "F. 1561:1561(0) ack 1");
    fix_pass(&f, 3);
    fix_we(&f, ". 1:1(0) ack 1562");

    rn_sock_abort(sock);
    rn_tcp_forwarder_free(fwd);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_a_refused_request_is_reset(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;

    (void)state;
    fwd = start(&f, &gate, 4);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    rn_tcp_request_refuse(gate.req, RN_TCP_REFUSE_RESET);
    fix_turn(&f);

    fix_we(&f, "R. 0:0(0) ack 1");
    f.knows_our_isn = false;
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    assert_int_equal(gate.n_told, 2);
    rn_tcp_forwarder_free(fwd);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_an_unreachable_request_is_answered_by_icmp(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;
    struct rn_pkt *pkt;
    uint8_t bytes[64];

    (void)state;
    fwd = start(&f, &gate, 4);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    rn_tcp_request_refuse(gate.req, RN_TCP_REFUSE_HOST);
    fix_turn(&f);

    pkt = rn_pktq_pop(&f.out);
    assert_non_null(pkt);
    assert_true(pkt->len >= 56);
    rn_pkt_copy_out(pkt, 0, bytes, 56);
    assert_int_equal(bytes[9], RN_PROTO_ICMP4);
    assert_int_equal(bytes[20], 3); /* destination unreachable, */
    assert_int_equal(bytes[21], 1); /* host */
    assert_int_equal(rn_get_be16(bytes + 48), f.their_port);
    rn_pkt_free(pkt);
    rn_tcp_forwarder_free(fwd);
    tcp_fixture_fini(&f);
}

static void test_rst_of_the_client_cancels_its_request(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;

    (void)state;
    fwd = start(&f, &gate, 4);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    fix_peer(&f, "R 9999:9999(0)");
    assert_int_equal(gate.n_cancelled, 0);
    fix_peer(&f, "R 1:1(0)");

    assert_int_equal(gate.n_cancelled, 1);
    rn_tcp_forwarder_free(fwd);
    fix_silent(&f);
    tcp_fixture_fini(&f);
}

static void test_a_client_that_gives_up_is_forgotten(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;

    (void)state;
    fwd = start(&f, &gate, 4);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    fix_pass(&f, 131 * 1000);

    assert_int_equal(gate.n_cancelled, 1);
    rn_tcp_forwarder_free(fwd);
    tcp_fixture_fini(&f);
}

static void test_requests_in_flight_are_limited(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;

    (void)state;
    fwd = start(&f, &gate, 2);

    for (unsigned i = 0; i < 5; i++) {
        f.their_port++;
        fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    }

    assert_int_equal(gate.n_told, 2);
    assert_int_equal(f.stack->stats.tcp_forward_limited, 3);
    rn_tcp_forwarder_free(fwd); /* resets the two */
    fix_turn(&f);
    assert_int_equal(f.out.n_pkts, 2);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

static void test_a_listener_comes_before_the_forwarder(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;
    struct rn_sock *server;

    (void)state;
    fwd = start(&f, &gate, 4);
    f.us = rn_addr_v4(0xc0a80001);
    server = fix_listen(&f, 1);

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    assert_int_equal(gate.n_told, 0);
    fix_we(&f, "S. 0:0(0) ack 1");
    rn_sock_close(server);
    rn_tcp_forwarder_free(fwd);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_the_stack_may_go_before_its_forwarder(void **state)
{
    struct tcp_fixture f;
    struct gate gate;
    struct rn_tcp_forwarder *fwd;

    (void)state;
    fwd = start(&f, &gate, 4);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    rn_pktq_free_all(&f.out);
    f.stack = rn_stack_free(f.stack);
    assert_int_equal(gate.n_cancelled, 1);
    rn_tcp_forwarder_free(fwd);
    rn_test_turn_fini(&f.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_syn_to_any_address_becomes_one_request),
        cmocka_unit_test(test_an_accepted_request_carries_a_connection_as_that_address),
        cmocka_unit_test(test_the_first_acks_of_a_forwarded_connection_ride_on_its_answers),
        cmocka_unit_test(test_without_an_answer_a_forwarded_connection_acks_soon),
        cmocka_unit_test(test_a_refused_request_is_reset),
        cmocka_unit_test(test_an_unreachable_request_is_answered_by_icmp),
        cmocka_unit_test(test_rst_of_the_client_cancels_its_request),
        cmocka_unit_test(test_a_client_that_gives_up_is_forgotten),
        cmocka_unit_test(test_requests_in_flight_are_limited),
        cmocka_unit_test(test_a_listener_comes_before_the_forwarder),
        cmocka_unit_test(test_the_stack_may_go_before_its_forwarder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
