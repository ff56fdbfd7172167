#include "tcp_fixture.h"

/* A connection that has gone through our close into TIME-WAIT: we are at 2, the peer at 2. */
static void enter(struct tcp_fixture *f, const char *opts)
{
    struct rn_sock *sock = fix_accepted(f, opts);
    bool has_ts = strstr(opts, "TS ") != NULL;

    rn_sock_close(sock);
    fix_turn(f);
    fix_we(f, "F. 1:1(0) ack 1");
    fix_peer(f, has_ts ? "F. 1:1(0) ack 2 <TS 10 0>" : "F. 1:1(0) ack 2");
    fix_we(f, ". 2:2(0) ack 2");
    fix_turn(f);
    assert_int_equal(f->stack->stats.tcp_tw_made, 1);
}

static void test_time_wait_ends_after_a_minute(void **state)
{
    struct tcp_fixture f;

    (void)state;
    tcp_fixture_init(&f);
    enter(&f, "<mss 1460>");

    fix_pass(&f, 59 * 1000);
    fix_peer(&f, "F. 1:1(0) ack 2"); /* again: we answer, and start over */
    fix_we(&f, ". 2:2(0) ack 2");
    fix_pass(&f, 59 * 1000);
    fix_peer(&f, "F. 1:1(0) ack 2");
    fix_we(&f, ". 2:2(0) ack 2");
    fix_pass(&f, 61 * 1000);

    fix_peer(&f, "F. 1:1(0) ack 2");
    fix_we(&f, "R 2:2(0)");
    tcp_fixture_fini(&f);
}

static void test_rst_does_not_assassinate_time_wait(void **state)
{
    struct tcp_fixture f;

    (void)state;
    tcp_fixture_init(&f);
    enter(&f, "<mss 1460>");

    fix_peer(&f, "R 2:2(0)");
    fix_silent(&f);
    fix_peer(&f, "F. 1:1(0) ack 2");

    fix_we(&f, ". 2:2(0) ack 2");
    tcp_fixture_fini(&f);
}

static void test_old_data_in_time_wait_is_acknowledged_at_a_limited_rate(void **state)
{
    struct tcp_fixture f;

    (void)state;
    tcp_fixture_init(&f);
    enter(&f, "<mss 1460>");

    for (unsigned i = 0; i < 10; i++)
        fix_peer(&f, "P. 100:110(10) ack 2");
    fix_we(&f, ". 2:2(0) ack 2");

    fix_silent(&f);
    fix_peer(&f, ". 2:2(0) ack 2");
    fix_silent(&f);
    tcp_fixture_fini(&f);
}

static void test_a_newer_syn_reuses_the_name_with_an_isn_beyond_the_old(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    enter(&f, "<mss 1460>");
    server = fix_listen(&f, 1);

    fix_peer(&f, "S 1000:1000(0) win 65535 <mss 1460>");

    fix_we(&f, "S. 65539:65539(0) ack 1001");
    assert_int_equal(f.stack->stats.tcp_tw_reused, 1);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_an_older_syn_does_not_reuse_the_name(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    enter(&f, "<mss 1460>");
    server = fix_listen(&f, 1);

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    fix_we(&f, ". 2:2(0) ack 2");
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_timestamps_decide_before_sequence_numbers(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    enter(&f, "<mss 1460,TS 1 0>");
    server = fix_listen(&f, 1);

    fix_peer(&f, "S 5000:5000(0) win 65535 <mss 1460,TS 9 0>");
    fix_we(&f, ". 2:2(0) ack 2");
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460,TS 11 0>");
    fix_we(&f, "S. 65539:65539(0) ack 1");

    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_time_wait_keeps_little_and_the_socket_can_still_be_read(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    char byte;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    fix_turn(&f);
    fix_peer(&f, "FP. 1:11(10) ack 2");

    assert_int_equal(f.stack->stats.tcp_tw_made, 1);
    fix_reads(sock, 0, 10);
    assert_int_equal(rn_tcp_read(sock, &byte, 1), 0);
    rn_sock_close(sock);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_our_port_stays_taken_while_its_connection_waits(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_endpoint local;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    local = rn_sock_local(sock);
    rn_sock_close(sock);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");
    fix_peer(&f, "F. 1:1(0) ack 2");
    fix_ignore(&f);

    sock = fix_socket(&f);
    assert_int_equal(rn_sock_bind(sock, &local), RN_E_PORT_IN_USE);
    fix_pass(&f, 61 * 1000);
    assert_int_equal(rn_sock_bind(sock, &local), 0);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_zero_time_wait_leaves_at_once(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_TIMEWAIT_NS, 0), 0);
    rn_sock_close(sock);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");

    fix_peer(&f, "F. 1:1(0) ack 2");

    fix_we(&f, ". 2:2(0) ack 2");
    fix_turn(&f);
    assert_int_equal(f.stack->stats.tcp_tw_made, 0);
    tcp_fixture_fini(&f);
}

/* Opens a connection from any port and closes it from our side; its name is in TIME-WAIT then. */
static int open_and_close(struct tcp_fixture *f, bool has_ts)
{
    struct rn_sock *sock = fix_socket(f);
    struct rn_endpoint remote = { .addr = f->them, .port = f->their_port };
    int err = rn_sock_connect(sock, &remote);

    if (err == RN_E_CONNECT_STARTED) {
        fix_turn(f);
        f->knows_our_isn = false;
        f->knows_our_ts = false;
        (void)fix_next(f);
        fix_peer(f, has_ts ? "S. 0:0(0) ack 1 win 65535 <TS 1 0>" : "S. 0:0(0) ack 1 win 65535");
        rn_sock_close(sock);
        fix_turn(f);
        fix_peer(f, has_ts ? "F. 1:1(0) ack 2 <TS 2 0>" : "F. 1:1(0) ack 2");
        fix_ignore(f);
        return err;
    }
    rn_sock_close(sock);
    return err;
}

static void test_ports_in_time_wait_serve_again_where_timestamps_allow(void **state)
{
    struct rn_stack_opts opts = { .port_first = 50000, .port_last = 50007 };
    struct tcp_fixture f;

    (void)state;
    tcp_fixture_init_with(&f, &opts);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(open_and_close(&f, true), RN_E_CONNECT_STARTED);
        fix_pass(&f, 200); /* each port comes round after 1.6 s */
    }
    assert_int_equal(f.stack->stats.tcp_tw_reused, 12);
    tcp_fixture_fini(&f);
}

static void test_ports_in_time_wait_without_timestamps_stay_taken(void **state)
{
    struct rn_stack_opts opts = { .port_first = 50000, .port_last = 50007 };
    struct tcp_fixture f;

    (void)state;
    tcp_fixture_init_with(&f, &opts);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(open_and_close(&f, false), RN_E_CONNECT_STARTED);
    fix_pass(&f, 2000);

    assert_int_equal(open_and_close(&f, false), RN_E_NO_PORT);

    fix_pass(&f, 60000);
    assert_int_equal(open_and_close(&f, false), RN_E_CONNECT_STARTED);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_wait_ends_after_a_minute),
        cmocka_unit_test(test_rst_does_not_assassinate_time_wait),
        cmocka_unit_test(test_old_data_in_time_wait_is_acknowledged_at_a_limited_rate),
        cmocka_unit_test(test_a_newer_syn_reuses_the_name_with_an_isn_beyond_the_old),
        cmocka_unit_test(test_an_older_syn_does_not_reuse_the_name),
        cmocka_unit_test(test_timestamps_decide_before_sequence_numbers),
        cmocka_unit_test(test_time_wait_keeps_little_and_the_socket_can_still_be_read),
        cmocka_unit_test(test_our_port_stays_taken_while_its_connection_waits),
        cmocka_unit_test(test_zero_time_wait_leaves_at_once),
        cmocka_unit_test(test_ports_in_time_wait_serve_again_where_timestamps_allow),
        cmocka_unit_test(test_ports_in_time_wait_without_timestamps_stay_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
