/* The script language: what each form means, and that nonsense is refused with the line it stands in. */
#include "expr.h"
#include "info.h"
#include "lex.h"
#include "script.h"
#include "wirefmt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static const struct event *parse_one(struct script *script, const char *text)
{
    const char *error = NULL;

    if (!script_parse(script, "test.pkt", text, &error))
        fail_msg("%s", error);
    assert_int_equal(script->n_events, 1);
    return script->first;
}

static const struct packet *parse_packet_line(struct script *script, const char *text)
{
    const struct event *event = parse_one(script, text);

    assert_int_equal(event->kind, EVENT_PACKET);
    return event->packet;
}

/* The error must name the line and contain @what. */
static void assert_refused(const char *text, const char *what)
{
    struct script script = { 0 };
    const char *error = "";

    assert_false(script_parse(&script, "test.pkt", text, &error));
    if (strstr(error, what) == NULL || strncmp(error, "test.pkt:", 9) != 0)
        fail_msg("\"%s\" gave \"%s\"", text, error);
    script_free(&script);
}

static void test_times_are_absolute_relative_any_or_ranges(void **state)
{
    static const struct {
        const char *text;
        enum time_kind kind;
        int64_t at_us;
        int64_t until_us;
    } rows[] = {
        { "0 `x`", TIME_ABSOLUTE, 0, 0 },
        { "1.5 `x`", TIME_ABSOLUTE, 1500000, 1500000 },
        { "+.000001 `x`", TIME_RELATIVE, 1, 1 },
        { "+2 `x`", TIME_RELATIVE, 2000000, 2000000 },
        { "* `x`", TIME_ANY, 0, 0 },
        { "+.1~+.2 `x`", TIME_RELATIVE, 100000, 200000 },
        { "1~2.25 `x`", TIME_ABSOLUTE, 1000000, 2250000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct script script = { 0 };
        const struct event *event = parse_one(&script, rows[i].text);

        assert_int_equal(event->time_kind, rows[i].kind);
        assert_int_equal(event->at_us, rows[i].at_us);
        assert_int_equal(event->until_us, rows[i].until_us);
        script_free(&script);
    }
}

static void test_packet_has_flags_numbers_window_and_urgent_pointer(void **state)
{
    struct script script = { 0 };
    const struct packet *p =
        parse_packet_line(&script, "+0 < FP.U 1001:2001(1000) ack 77 win 257 urg 5");

    (void)state;
    assert_true(p->is_in);
    assert_int_equal(p->flags, FLAG_FIN | FLAG_PSH | FLAG_ACK | FLAG_URG);
    assert_int_equal(p->seq, 1001);
    assert_int_equal(p->len, 1000);
    assert_true(p->has_ack);
    assert_int_equal(p->ack, 77);
    assert_true(p->has_win);
    assert_int_equal(p->win, 257);
    assert_int_equal(p->urg, 5);
    assert_int_equal(p->n_opts, 0);
    assert_false(p->any_opts);
    script_free(&script);
}

static void test_options_keep_order_and_values(void **state)
{
    struct script script = { 0 };
    const struct packet *p = parse_packet_line(
        &script, "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 7 ecr 9,nop,wscale 3>");

    (void)state;
    assert_int_equal(p->n_opts, 5);
    assert_int_equal(p->opts[0].kind, OPT_MSS);
    assert_int_equal(p->opts[0].val, 1460);
    assert_int_equal(p->opts[1].kind, OPT_SACK_OK);
    assert_int_equal(p->opts[2].kind, OPT_TS);
    assert_int_equal(p->opts[2].val, 7);
    assert_int_equal(p->opts[2].ecr, 9);
    assert_int_equal(p->opts[3].kind, OPT_NOP);
    assert_int_equal(p->opts[4].val, 3);
    script_free(&script);
}

static void test_sack_blocks_and_cookies_are_read(void **state)
{
    struct script script = { 0 };
    const struct packet *p = parse_packet_line(
        &script, "+0 > . 1:1(0) ack 1 <nop,nop,sack 5:9 1:3,FO 1a2b,kind 253 f989>");

    (void)state;
    assert_int_equal(p->opts[2].n_sack, 2);
    assert_int_equal(p->opts[2].sack[0][1], 9);
    assert_int_equal(p->opts[2].sack[1][0], 1);
    assert_int_equal(p->opts[3].kind, OPT_FASTOPEN);
    assert_int_equal(p->opts[3].n_bytes, 2);
    assert_int_equal(p->opts[3].bytes[1], 0x2b);
    assert_int_equal(p->opts[4].kind, 253);
    assert_int_equal(p->opts[4].bytes[0], 0xf9);
    script_free(&script);
}

static void test_ecn_connection_and_icmp_are_read(void **state)
{
    struct script script = { 0 };
    const struct packet *p = parse_packet_line(&script, "+0 <#2 [ce] E. 1:1(0) ack 1");

    (void)state;
    assert_int_equal(p->flow, 2);
    assert_int_equal(p->ecn, ECN_CE);
    assert_int_equal(p->flags, FLAG_ECE | FLAG_ACK);
    script_free(&script);
    p = parse_packet_line(&script, "+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]");
    assert_true(p->is_icmp);
    assert_int_equal(p->icmp_type, 3);
    assert_int_equal(p->icmp_code, 4);
    assert_int_equal(p->mtu, 1200);
    assert_int_equal(p->quote_len, 1460);
    script_free(&script);
}

/* RFC 9768: three flags as one number, and the option by the names of its counters. */
static void test_counters_of_accurate_ecn_are_read(void **state)
{
    static const uint8_t bytes[] = { 0, 0, 1, 0x01, 0x00, 0x00 };
    struct script script = { 0 };
    const struct packet *p =
        parse_packet_line(&script, "+0 < P.5 1:11(10) ack 1 <ECN e1b 1 ceb 65536,ECN e0b 2>");

    (void)state;
    assert_int_equal(p->flags, FLAG_PSH | FLAG_ACK | FLAG_AE | FLAG_ECE);
    assert_int_equal(p->opts[0].kind, OPT_ACCECN1);
    assert_int_equal(p->opts[0].n_bytes, sizeof(bytes));
    assert_memory_equal(p->opts[0].bytes, bytes, sizeof(bytes));
    assert_int_equal(p->opts[1].kind, OPT_ACCECN0);
    assert_int_equal(p->opts[1].n_bytes, 3);
    script_free(&script);
    assert_refused("+0 < . 1:1(0) ack 1 <ECN e0b 16777216>", "24 bits");
    assert_refused("+0 < .8 1:1(0) ack 1", "TCP flags");
}

static void test_call_has_arguments_result_and_errno(void **state)
{
    struct script script = { 0 };
    const struct call *call =
        parse_one(&script, "+0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, 0x6) = -1 EPIPE (Broken)")
            ->call;

    (void)state;
    assert_string_equal(call->name, "socket");
    assert_int_equal(call->args->kind, VALUE_ELLIPSIS);
    assert_int_equal(call->args->next->num, SOCK_STREAM | SOCK_NONBLOCK);
    assert_int_equal(call->args->next->next->num, 6);
    assert_int_equal(call->result->num, -1);
    assert_int_equal(call->err_no, EPIPE);
    assert_false(call->is_blocking);
    script_free(&script);
}

static void test_call_may_wait_and_take_structures(void **state)
{
    struct script script = { 0 };
    const struct call *call =
        parse_one(&script,
                  "+0...0.25 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 10}, {..., 20}],"
                  " msg_flags=0}, 0) = 30")
            ->call;
    const struct value *iov = call->args->next->first->next;

    (void)state;
    assert_true(call->is_blocking);
    assert_int_equal(call->end_us, 250000);
    assert_string_equal(iov->name, "msg_iov");
    assert_int_equal(iov->kind, VALUE_LIST);
    assert_int_equal(iov->first->next->first->next->num, 20);
    script_free(&script);
}

static void test_comments_and_options_are_skipped_and_lines_counted(void **state)
{
    struct script script = { 0 };
    const struct event *event = parse_one(&script, "// one\n/* two\n three */\n# four\n"
                                                   "--ip_version=ipv6\n--mtu=1280\n\n+0 `x`");

    (void)state;
    assert_int_equal(event->line, 8);
    assert_true(script.opts.is_v6);
    assert_int_equal(script.opts.mtu, 1280);
    script_free(&script);
}

static void test_nonsense_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_refused("+0 < S 0:5(4) win 1", "is not 4 bytes");
    assert_refused("+0 < . 0:0(0) win 1", "without an ack");
    assert_refused("+0 < X 0:0(0)", "TCP flags");
    assert_refused("\n\n+0 frob", "expected '('");
    assert_refused("+0 close(BLAH) = 0", "unknown symbol");
    assert_refused("+0 close(3) = -1 EFOO", "unknown errno");
    assert_refused("+0 < . 1:1(0) ack 1 <bogus>", "unknown TCP option");
    assert_refused("--bogus=1\n", "unknown option");
    assert_refused("+0 %{ assert", "unfinished");
    assert_refused("+0 < <", "");
    assert_refused("+0 f([[[[[[[[[[[[1]]]]]]]]]]]]) = 0", "too deeply");
}

/* Whatever is cut off, the parser says so or takes what is whole; it never reads beyond. */
static void test_every_truncation_ends(void **state)
{
    static const char whole[] =
        "+.1~+.2 <#3 [ect0] FP. 1:11(10) ack 5 win 9 <sack 1:2,TS val 1 ecr 2>\n"
        "+0...1 sendmsg(4, {msg_iov(1)=[{..., 10}]}, 0) = -1 EPIPE (x)\n"
        "%{ assert tcpi_state == 1 }%\n";

    (void)state;
    for (size_t len = 0; len < sizeof(whole); len++) {
        char *text = calloc(1, len + 1);
        struct script script = { 0 };
        const char *error = NULL;

        assert_non_null(text);
        memcpy(text, whole, len);
        assert_true(script_parse(&script, "cut", text, &error) || error != NULL);
        script_free(&script);
        free(text);
    }
}

static void test_packet_round_trips_through_bytes(void **state)
{
    struct script script = { 0 };
    const struct packet *p = parse_packet_line(
        &script, "+0 < [ect0] P. 1:101(100) ack 5 win 9 <nop,nop,sack 7:9,mss 3,wscale 2>");
    struct flow_names names = { .local = { 10, 0, 0, 1 },
                                .remote = { 10, 0, 0, 2 },
                                .local_port = 1 };
    struct flow_names seen;
    struct packet back;
    const uint8_t *data = NULL;
    uint8_t bytes[2048];
    size_t len;

    (void)state;
    len = wire_emit(p, &names, bytes);
    assert_null(wire_parse(bytes, len, &back, &seen, &data));
    assert_int_equal(back.len, 100);
    assert_int_equal(back.n_opts, 5);
    assert_int_equal(back.opts[2].sack[0][1], 9);
    assert_int_equal(back.ecn, ECN_ECT0);
    assert_int_equal(data[99], wire_data(100));
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x40;
        if (i >= 20) /* a flipped bit of the TCP segment never passes its checksum */
            assert_non_null(wire_parse(bytes, len, &back, &seen, &data));
        bytes[i] ^= 0x40;
    }
    script_free(&script);
}

static void test_assertions_are_evaluated(void **state)
{
    union face_info info = { .info = { .tcpi_snd_cwnd = 10, .tcpi_state = 1, .tcpi_lost = 2 } };
    char why[256] = "";

    (void)state;
    assert_true(expr_run("assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd", &info, why, sizeof(why)));
    assert_true(
        expr_run("assert 5 <= tcpi_snd_cwnd < 11 and not tcpi_unacked; assert tcpi_lost*2 == 4",
                 &info, why, sizeof(why)));
    assert_true(expr_run("assert tcpi_state == TCP_ESTABLISHED or tcpi_lost == 9", &info, why,
                         sizeof(why)));
    assert_false(expr_run("assert tcpi_snd_cwnd == 11", &info, why, sizeof(why)));
    assert_non_null(strstr(why, "tcpi_snd_cwnd is 10"));
    assert_false(expr_run("assert tcpi_nonsense == 1", &info, why, sizeof(why)));
    assert_non_null(strstr(why, "unknown name"));
    assert_false(expr_run("tcpi_lost == 2", &info, why, sizeof(why)));
    assert_false(expr_run("assert 1 / 0", &info, why, sizeof(why)));
    assert_false(expr_run("assert (1", &info, why, sizeof(why)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_are_absolute_relative_any_or_ranges),
        cmocka_unit_test(test_packet_has_flags_numbers_window_and_urgent_pointer),
        cmocka_unit_test(test_options_keep_order_and_values),
        cmocka_unit_test(test_sack_blocks_and_cookies_are_read),
        cmocka_unit_test(test_ecn_connection_and_icmp_are_read),
        cmocka_unit_test(test_counters_of_accurate_ecn_are_read),
        cmocka_unit_test(test_call_has_arguments_result_and_errno),
        cmocka_unit_test(test_call_may_wait_and_take_structures),
        cmocka_unit_test(test_comments_and_options_are_skipped_and_lines_counted),
        cmocka_unit_test(test_nonsense_is_refused_with_its_line),
        cmocka_unit_test(test_every_truncation_ends),
        cmocka_unit_test(test_packet_round_trips_through_bytes),
        cmocka_unit_test(test_assertions_are_evaluated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
