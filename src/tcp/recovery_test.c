/* Losses: how they are found, repaired, paid for, and forgiven. The round trip is 100 ms. */
#include "tcp/ecn.h"
#include "tcp/flight.h"
#include "tcp_fixture.h"

#define MSS 1000

/* A connection of ours whose peer has @opts, 100 ms away. */
static struct rn_sock *far_away(struct tcp_fixture *f, const char *opts)
{
    struct rn_sock *sock = fix_connecting(f);
    char text[128];

    (void)fix_next(f);
    fix_pass(f, 100);
    snprintf(text, sizeof(text), "S. 0:0(0) ack 1 win 65535 %s", opts);
    fix_peer(f, text);
    fix_ignore(f);
    return sock;
}

static void write_now(struct tcp_fixture *f, struct rn_sock *sock, size_t n_segs)
{
    static const uint8_t bytes[100 * MSS];

    assert_int_equal(rn_tcp_write(sock, bytes, n_segs * MSS, 0), n_segs * MSS);
    fix_turn(f);
}

static struct rn_tcp *begin(struct tcp_fixture *f, const char *opts, size_t n_segs)
{
    struct rn_sock *sock;

    tcp_fixture_init(f);
    sock = far_away(f, opts);
    write_now(f, sock, n_segs);
    fix_ignore(f);
    fix_pass(f, 100);
    fix_silent(f);
    return rn_tcp_of(sock);
}

static void end(struct tcp_fixture *f, struct rn_tcp *conn)
{
    rn_sock_abort(&conn->sock);
    tcp_fixture_fini(f);
}

#define SACK    "<mss 1000,sackOK>"
#define SACK_TS "<mss 1012,sackOK,TS 500 0>"
#define BARE    "<mss 1000>"

static void test_third_sacked_segment_triggers_fast_retransmit(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);

    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:2001>");
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:3001>");
    fix_silent(&f);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:4001>");

    fix_we(&f, ". 1:1001(1000) ack 1");
    fix_silent(&f);
    assert_int_equal(f.stack->stats.tcp_fast_retrans, 1);
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_RECOVERY);
    assert_int_equal(conn->cc.ssthresh, 7 * MSS);
    end(&f, conn);
}

static void test_recovery_ends_at_ssthresh(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:4001>");
    fix_we(&f, ". 1:1001(1000) ack 1");

    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:10001>");
    fix_peer(&f, ". 1:1(0) ack 10001");

    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    assert_int_equal(conn->cc.cwnd, 7 * MSS);
    fix_silent(&f);
    end(&f, conn);
}

static void test_every_hole_is_repaired_in_one_round_trip(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);

    fix_peer(&f, ". 1:1(0) ack 1 <sack 9001:10001 5001:8001 1001:4001>");

    fix_we(&f, ". 1:1001(1000) ack 1");
    fix_we(&f, ". 4001:5001(1000) ack 1");
    fix_we(&f, ". 8001:9001(1000) ack 1");
    fix_silent(&f);
    end(&f, conn);
}

static void test_sack_during_disorder_lets_new_data_out(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 20);

    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:2001>");

    fix_we(&f, ". 10001:11001(1000) ack 1");
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_DISORDER);
    end(&f, conn);
}

static void test_lone_gap_is_lost_when_the_reordering_window_has_passed(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 2);

    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:2001>");
    fix_silent(&f);
    fix_pass(&f, 24);
    fix_silent(&f);
    fix_pass(&f, 3); /* min RTT / 4 = 25 ms */

    fix_we(&f, ". 1:1001(1000) ack 1");
    end(&f, conn);
}

static void test_tail_loss_is_probed_after_two_round_trips(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 3);

    fix_pass(&f, 98);
    fix_silent(&f);
    fix_pass(&f, 10);

    fix_we(&f, "P. 2001:3001(1000) ack 1");
    fix_silent(&f);
    assert_int_equal(f.stack->stats.tcp_tlp_probes, 1);
    end(&f, conn);
}

static void test_probe_sends_new_data_when_there_is_some(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 20);

    fix_pass(&f, 110);

    fix_we(&f, ". 10001:11001(1000) ack 1");
    fix_silent(&f);
    end(&f, conn);
}

static void test_loss_repaired_by_a_probe_is_paid_for(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);
    fix_peer(&f, ". 1:1(0) ack 9001");
    fix_pass(&f, 410);
    fix_we(&f, "P. 9001:10001(1000) ack 1");
    fix_peer(&f, ". 1:1(0) ack 10001");
    write_now(&f, &conn->sock, 1);
    fix_ignore(&f);

    fix_peer(&f, ". 1:1(0) ack 11001");

    assert_int_equal(f.stack->stats.tcp_tlp_recoveries, 1);
    assert_true(conn->cc.ssthresh < 20 * MSS);
    end(&f, conn);
}

static void test_needless_probe_is_free(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);
    fix_peer(&f, ". 1:1(0) ack 9001");
    fix_pass(&f, 410);
    fix_we(&f, "P. 9001:10001(1000) ack 1");
    fix_peer(&f, ". 1:1(0) ack 10001");

    fix_peer(&f, ". 1:1(0) ack 10001 <sack 9001:10001>");
    write_now(&f, &conn->sock, 1);
    fix_ignore(&f);
    fix_peer(&f, ". 1:1(0) ack 11001");

    assert_int_equal(f.stack->stats.tcp_tlp_recoveries, 0);
    assert_int_equal(conn->cc.ssthresh, UINT32_MAX);
    end(&f, conn);
}

static void test_dsack_of_a_probe_leaves_the_reordering_window(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 3);
    fix_pass(&f, 110);
    fix_we(&f, "P. 2001:3001(1000) ack 1");
    write_now(&f, &conn->sock, 1);
    fix_ignore(&f);

    fix_peer(&f, ". 1:1(0) ack 3001 <sack 2001:3001>");

    assert_int_equal(f.stack->stats.tcp_dsack_in, 1);
    assert_int_equal(conn->flight->rack.wnd_mult, 1);
    end(&f, conn);
}

/* What it SACKed it says it does not have: the hole is what begins there. */
static void test_probe_repeats_what_the_peer_reneged_on(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    tcp_fixture_init(&f);
    conn = rn_tcp_of(fix_connecting(&f));
    fix_ignore(&f);
    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK>");
    fix_ignore(&f);
    write_now(&f, &conn->sock, 8);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:5001>");
    fix_ignore(&f);

    fix_peer(&f, ". 1:1(0) ack 2001");
    fix_pass(&f, 5);

    fix_we(&f, ". 2001:3001(1000) ack 1");
    end(&f, conn);
}

static void test_without_sack_three_duplicates_trigger_and_partial_acks_go_on(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, BARE, 10);

    fix_peer(&f, ". 1:1(0) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1");
    fix_silent(&f);
    fix_peer(&f, ". 1:1(0) ack 1");
    fix_we(&f, ". 1:1001(1000) ack 1");
    fix_silent(&f);
    fix_peer(&f, ". 1:1(0) ack 3001");

    fix_we(&f, ". 3001:4001(1000) ack 1");
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_RECOVERY);
    fix_peer(&f, ". 1:1(0) ack 10001");
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    end(&f, conn);
}

static void test_window_updates_are_no_duplicates(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, BARE, 10);

    fix_peer(&f, ". 1:1(0) ack 1 win 60000");
    fix_peer(&f, ". 1:1(0) ack 1 win 61000");
    fix_peer(&f, ". 1:1(0) ack 1 win 62000");

    fix_silent(&f);
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    end(&f, conn);
}

static void test_older_timestamp_undoes_the_reduction(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK_TS, 10);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:4001,TS 600 100>");
    fix_we(&f, ". 1:1001(1000) ack 1");
    assert_true(conn->cc.cwnd < 10 * MSS);

    /* The original arrives after all: its timestamp is that of the first sending. */
    fix_peer(&f, ". 1:1(0) ack 4001 <TS 601 100>");

    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    assert_true(conn->cc.cwnd >= 10 * MSS);
    assert_int_equal(conn->cc.ssthresh, UINT32_MAX);
    assert_int_equal(f.stack->stats.tcp_undos, 1);
    end(&f, conn);
}

static void test_dsack_for_every_retransmission_undoes_the_reduction(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:4001>");
    fix_we(&f, ". 1:1001(1000) ack 1");

    fix_peer(&f, ". 1:1(0) ack 10001 <sack 1:1001>");

    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    assert_int_equal(f.stack->stats.tcp_undos, 1);
    assert_true(conn->cc.cwnd >= 10 * MSS);
    end(&f, conn);
}

static void test_late_dsack_undoes_though_all_is_acknowledged(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:4001>");
    fix_we(&f, ". 1:1001(1000) ack 1");
    fix_peer(&f, ". 1:1(0) ack 10001");
    assert_int_equal(f.stack->stats.tcp_undos, 0);

    fix_peer(&f, ". 1:1(0) ack 10001 <sack 1:1001>");

    assert_int_equal(f.stack->stats.tcp_undos, 1);
    assert_true(conn->cc.cwnd >= 10 * MSS);
    end(&f, conn);
}

static void test_sacks_that_cannot_be_are_ignored(void **state)
{
    static const char *const lies[] = {
        ". 1:1(0) ack 1 <sack 5001:4001>",
        ". 1:1(0) ack 1 <sack 9001:90001>",
        ". 1:1(0) ack 1 <sack 2147483648:2147483649>",
        ". 1:1(0) ack 1 <sack 4294960000:3001>",
        ". 1:1(0) ack 1 <sack 1:3001>",
    };
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);

    for (size_t i = 0; i < RN_ARRAY_LEN(lies); i++)
        fix_peer(&f, lies[i]);

    fix_silent(&f);
    assert_int_equal(conn->flight->sacked_bytes, 0);
    end(&f, conn);
}

static void test_sacks_of_single_bytes_make_no_records(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;
    uint32_t n_recs;

    (void)state;
    conn = begin(&f, SACK, 10);
    n_recs = conn->flight->n_recs;

    for (uint32_t at = 2; at < 900; at += 2) {
        struct seg_text ack = seg_parse(". 1:1(0) ack 1 <sack 2:3>");

        ack.opts.sack[0].from.v = at;
        ack.opts.sack[0].to.v = at + 1;
        fix_peer_seg(&f, &ack);
    }

    assert_int_equal(conn->flight->n_recs, n_recs);
    assert_int_equal(conn->flight->sacked_bytes, 0);
    end(&f, conn);
}

static void test_ece_halves_once_per_window_and_is_answered_with_cwr(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 30);
    conn->cc.ecn |= RN_TCP_ECN_ON;

    fix_peer(&f, ".E 1:1(0) ack 2001");
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_CWR);
    assert_int_equal(conn->cc.ssthresh, 7 * MSS);
    fix_peer(&f, ".E 1:1(0) ack 4001");
    fix_peer(&f, ".E 1:1(0) ack 6001");

    assert_int_equal(conn->cc.ssthresh, 7 * MSS);
    assert_int_equal(fix_next(&f).flags & RN_TCP_CWR, RN_TCP_CWR);
    end(&f, conn);
}

/* What is counted by the flight cannot go on without it: the next one would reduce by what it knows nothing of. */
static void test_an_episode_ends_with_its_flight(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:4001>");
    fix_ignore(&f);
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_RECOVERY);

    rn_tcp_flight_free(conn);

    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    assert_int_equal(conn->cc.cwnd, 7 * MSS);
    end(&f, conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_third_sacked_segment_triggers_fast_retransmit),
        cmocka_unit_test(test_recovery_ends_at_ssthresh),
        cmocka_unit_test(test_every_hole_is_repaired_in_one_round_trip),
        cmocka_unit_test(test_sack_during_disorder_lets_new_data_out),
        cmocka_unit_test(test_lone_gap_is_lost_when_the_reordering_window_has_passed),
        cmocka_unit_test(test_tail_loss_is_probed_after_two_round_trips),
        cmocka_unit_test(test_probe_sends_new_data_when_there_is_some),
        cmocka_unit_test(test_loss_repaired_by_a_probe_is_paid_for),
        cmocka_unit_test(test_needless_probe_is_free),
        cmocka_unit_test(test_dsack_of_a_probe_leaves_the_reordering_window),
        cmocka_unit_test(test_probe_repeats_what_the_peer_reneged_on),
        cmocka_unit_test(test_without_sack_three_duplicates_trigger_and_partial_acks_go_on),
        cmocka_unit_test(test_window_updates_are_no_duplicates),
        cmocka_unit_test(test_older_timestamp_undoes_the_reduction),
        cmocka_unit_test(test_dsack_for_every_retransmission_undoes_the_reduction),
        cmocka_unit_test(test_late_dsack_undoes_though_all_is_acknowledged),
        cmocka_unit_test(test_sacks_that_cannot_be_are_ignored),
        cmocka_unit_test(test_sacks_of_single_bytes_make_no_records),
        cmocka_unit_test(test_ece_halves_once_per_window_and_is_answered_with_cwr),
        cmocka_unit_test(test_an_episode_ends_with_its_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
