/* Each counter of the receive side moves when it should, and only then. */
#include "tcp_fixture.h"

static void test_opens_resets_and_failures_are_counted_by_transition(void **state)
{
    struct tcp_fixture f;
    struct rn_stats *stats;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    stats = &f.stack->stats;

    sock = fix_connecting(&f);
    assert_int_equal(stats->tcp_active_opens, 1);
    fix_peer(&f, "R. 0:0(0) ack 1");
    assert_int_equal(stats->tcp_in_rsts, 0); /* our SYN was not read yet, its number not known */
    fix_ignore(&f);
    fix_peer(&f, "R. 0:0(0) ack 1");
    assert_int_equal(stats->tcp_in_rsts, 1);
    assert_int_equal(stats->tcp_attempt_fails, 1);
    rn_sock_close(sock);

    f.our_port = 8080;
    f.knows_our_isn = false;
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(stats->tcp_passive_opens, 1);
    assert_int_equal(stats->tcp_curr_estab, 1);
    fix_peer(&f, "R 1:1(0)");
    assert_int_equal(stats->tcp_curr_estab, 0);
    assert_int_equal(stats->tcp_estab_resets, 1);
    assert_int_equal(stats->tcp_attempt_fails, 1);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_segments_and_resets_are_counted_both_ways(void **state)
{
    struct tcp_fixture f;
    struct rn_stats before;

    (void)state;
    tcp_fixture_init(&f);
    before = f.stack->stats;

    fix_peer(&f, ". 5:5(0) ack 9");

    assert_int_equal(f.stack->stats.tcp_in_segs, before.tcp_in_segs + 1);
    assert_int_equal(f.stack->stats.tcp_out_segs, before.tcp_out_segs + 1);
    assert_int_equal(f.stack->stats.tcp_out_rsts, before.tcp_out_rsts + 1);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_holes_duplicates_and_challenges_are_counted(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");

    fix_peer(&f, ". 101:201(100) ack 1");
    assert_int_equal(f.stack->stats.tcp_ooo_queued, 1);
    fix_peer(&f, ". 101:201(100) ack 1");
    assert_int_equal(f.stack->stats.tcp_dsack_out, 1);
    fix_peer(&f, "R 50:50(0)");
    assert_int_equal(f.stack->stats.tcp_challenge_acks, 1);

    fix_ignore(&f);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_syns_for_a_full_listener_are_counted(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 1);
    fix_peer(&f, "S 0:0(0) win 65535");
    (void)fix_next(&f);
    fix_peer(&f, ". 1:1(0) ack 1");
    f.their_port++;

    fix_peer(&f, "S 0:0(0) win 65535");

    assert_int_equal(f.stack->stats.tcp_listen_drops, 1);
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_orphans_are_reset_when_memory_is_short(void **state)
{
    struct rn_stack_opts opts = { .sock_max_bytes = 4096 };
    struct tcp_fixture f;
    struct rn_sock *reader;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init_with(&f, &opts);
    reader = fix_accepted(&f, "<mss 1460>");
    fix_peer(&f, ". 1:1461(1460) ack 1");
    fix_peer(&f, ". 1461:2921(1460) ack 1");
    fix_ignore(&f);
    f.their_port++;
    f.knows_our_isn = false;
    sock = fix_accepted(&f, "<mss 1460>");

    rn_sock_close(sock);
    fix_turn(&f);

    fix_we(&f, "R. 1:1(0) ack 1");
    assert_int_equal(f.stack->stats.tcp_aborts_on_memory, 1);
    fix_ignore(&f);
    rn_sock_abort(reader);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_resets_and_failures_are_counted_by_transition),
        cmocka_unit_test(test_segments_and_resets_are_counted_both_ways),
        cmocka_unit_test(test_holes_duplicates_and_challenges_are_counted),
        cmocka_unit_test(test_syns_for_a_full_listener_are_counted),
        cmocka_unit_test(test_orphans_are_reset_when_memory_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
