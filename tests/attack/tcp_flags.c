/*
 * B14: every combination of the nine flags in every state, 5632 cells, against a model of RFC 9293 §3.10.7 (with RFC 5961).
 * The segment is empty, its numbers are the next expected ones: only the flags are strange.
 */
#include "tcp_fixture.h"

enum reply { SILENCE, ACK, RST, RST_ACK, SYN_ACK };

struct outcome {
    enum reply reply;
    enum rn_tcp_state state; /* of the socket; a listener's child for LISTEN is not looked at */
};

static bool has(unsigned flags, unsigned flag)
{
    return (flags & flag) != 0;
}

static struct outcome closed_model(unsigned flags)
{
    if (has(flags, RN_TCP_RST))
        return (struct outcome){ SILENCE, RN_TCP_CLOSED };
    return (struct outcome){ has(flags, RN_TCP_ACK) ? RST : RST_ACK, RN_TCP_CLOSED };
}

static struct outcome listen_model(unsigned flags)
{
    struct outcome out = { SILENCE, RN_TCP_LISTEN };

    if (has(flags, RN_TCP_RST))
        return out;
    if (has(flags, RN_TCP_ACK))
        out.reply = RST;
    else if (has(flags, RN_TCP_SYN) && !has(flags, RN_TCP_FIN))
        out.reply = SYN_ACK;
    return out;
}

static struct outcome syn_sent_model(unsigned flags)
{
    struct outcome out = { SILENCE, RN_TCP_SYN_SENT };

    if (has(flags, RN_TCP_RST)) {
        out.state = has(flags, RN_TCP_ACK) ? RN_TCP_CLOSED : RN_TCP_SYN_SENT;
    } else if (has(flags, RN_TCP_SYN) && has(flags, RN_TCP_ACK)) {
        out.reply = ACK;
        out.state = has(flags, RN_TCP_FIN) ? RN_TCP_CLOSE_WAIT : RN_TCP_ESTABLISHED;
    } else if (has(flags, RN_TCP_SYN)) {
        out.reply = SYN_ACK;
        out.state = RN_TCP_SYN_RCVD;
    }
    return out;
}

static struct outcome time_wait_model(unsigned flags)
{
    struct outcome out = { SILENCE, RN_TCP_CLOSED }; /* the socket keeps no state: an entry does */

    if (has(flags, RN_TCP_RST))
        return out;
    /* What is in place and brings nothing needs no answer. */
    if (has(flags, RN_TCP_FIN) || has(flags, RN_TCP_SYN) || !has(flags, RN_TCP_ACK))
        out.reply = ACK;
    return out;
}

static enum rn_tcp_state after_fin(enum rn_tcp_state state)
{
    switch (state) {
    case RN_TCP_SYN_RCVD:
    case RN_TCP_ESTABLISHED:
        return RN_TCP_CLOSE_WAIT;
    case RN_TCP_FIN_WAIT_1:
        return RN_TCP_CLOSING;
    case RN_TCP_FIN_WAIT_2:
        return RN_TCP_CLOSED; /* TIME-WAIT: no longer the socket's */
    case RN_TCP_TIME_WAIT:
    case RN_TCP_CLOSED:
    case RN_TCP_CLOSE_WAIT:
    case RN_TCP_LAST_ACK:
    case RN_TCP_LISTEN:
    case RN_TCP_CLOSING:
    case RN_TCP_SYN_SENT:
    default:
        return state;
    }
}

static struct outcome synchronized_model(enum rn_tcp_state state, unsigned flags)
{
    struct outcome out = { SILENCE, state };

    if (has(flags, RN_TCP_RST)) {
        out.state = RN_TCP_CLOSED;
    } else if (has(flags, RN_TCP_SYN)) {
        out.reply = ACK; /* challenge */
    } else if (has(flags, RN_TCP_ACK)) {
        if (state == RN_TCP_SYN_RCVD)
            out.state = RN_TCP_ESTABLISHED;
        if (has(flags, RN_TCP_FIN)) {
            out.state = after_fin(state);
            out.reply = out.state != state ? ACK : SILENCE;
        }
    }
    return out;
}

static struct outcome model(enum rn_tcp_state state, unsigned flags)
{
    switch (state) {
    case RN_TCP_CLOSED:
        return closed_model(flags);
    case RN_TCP_LISTEN:
        return listen_model(flags);
    case RN_TCP_SYN_SENT:
        return syn_sent_model(flags);
    case RN_TCP_TIME_WAIT:
        return time_wait_model(flags);
    case RN_TCP_SYN_RCVD:
    case RN_TCP_ESTABLISHED:
    case RN_TCP_FIN_WAIT_1:
    case RN_TCP_FIN_WAIT_2:
    case RN_TCP_CLOSE_WAIT:
    case RN_TCP_LAST_ACK:
    case RN_TCP_CLOSING:
    default:
        return synchronized_model(state, flags);
    }
}

/* --- bringing a socket into a state ----------------------------------------------------------------------------- */

static struct rn_sock *in_syn_rcvd(struct tcp_fixture *f)
{
    struct rn_sock *sock = fix_connecting(f);

    fix_ignore(f);
    fix_peer(f, "S 0:0(0) win 65535 <mss 1460>");
    return sock;
}

static struct rn_sock *closing_our_side(struct tcp_fixture *f)
{
    struct rn_sock *sock = fix_accepted(f, "<mss 1460>");

    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    fix_turn(f);
    return sock;
}

static struct rn_sock *bring_to(struct tcp_fixture *f, enum rn_tcp_state state)
{
    struct rn_sock *sock;

    switch (state) {
    case RN_TCP_LISTEN:
        return fix_listen(f, 4);
    case RN_TCP_SYN_SENT:
        return fix_connecting(f);
    case RN_TCP_SYN_RCVD:
        return in_syn_rcvd(f);
    case RN_TCP_ESTABLISHED:
        return fix_accepted(f, "<mss 1460>");
    case RN_TCP_FIN_WAIT_1:
        return closing_our_side(f);
    case RN_TCP_FIN_WAIT_2:
        sock = closing_our_side(f);
        fix_peer(f, ". 1:1(0) ack 2");
        return sock;
    case RN_TCP_TIME_WAIT:
        sock = closing_our_side(f);
        fix_peer(f, "F. 1:1(0) ack 2");
        return sock;
    case RN_TCP_CLOSING:
        sock = closing_our_side(f);
        fix_peer(f, "F. 1:1(0) ack 1");
        return sock;
    case RN_TCP_CLOSE_WAIT:
        sock = fix_accepted(f, "<mss 1460>");
        fix_peer(f, "F. 1:1(0) ack 1");
        return sock;
    case RN_TCP_LAST_ACK:
        sock = fix_accepted(f, "<mss 1460>");
        fix_peer(f, "F. 1:1(0) ack 1");
        assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
        fix_turn(f);
        return sock;
    case RN_TCP_CLOSED:
    default:
        return fix_socket(f);
    }
}

/* The peer's next number, and an ACK that acknowledges nothing new (but our SYN). */
static uint32_t next_seq(enum rn_tcp_state state)
{
    switch (state) {
    case RN_TCP_CLOSED:
    case RN_TCP_LISTEN:
    case RN_TCP_SYN_SENT:
        return 0;
    case RN_TCP_TIME_WAIT:
    case RN_TCP_CLOSING:
    case RN_TCP_CLOSE_WAIT:
    case RN_TCP_LAST_ACK:
        return 2;
    case RN_TCP_SYN_RCVD:
    case RN_TCP_ESTABLISHED:
    case RN_TCP_FIN_WAIT_1:
    case RN_TCP_FIN_WAIT_2:
    default:
        return 1;
    }
}

static uint32_t last_ack(enum rn_tcp_state state)
{
    return state == RN_TCP_FIN_WAIT_2 || state == RN_TCP_TIME_WAIT ? 2 : 1;
}

static enum reply read_reply(struct tcp_fixture *f)
{
    struct seg_text got;

    if (rn_pktq_is_empty(&f->out))
        return SILENCE;
    got = fix_next(f);
    if (!rn_pktq_is_empty(&f->out))
        return 99; /* one segment must never make two */
    if (has(got.flags, RN_TCP_RST))
        return has(got.flags, RN_TCP_ACK) ? RST_ACK : RST;
    return has(got.flags, RN_TCP_SYN) ? SYN_ACK : ACK;
}

static void check_cell(enum rn_tcp_state state, unsigned flags)
{
    struct outcome want = model(state, flags);
    struct seg_text s = { .flags = (uint16_t)flags, .has_win = true, .win = 65535 };
    struct tcp_fixture f;
    struct rn_tcp_info info;
    struct rn_sock *sock;
    enum reply reply;

    tcp_fixture_init(&f);
    sock = bring_to(&f, state);
    fix_ignore(&f);
    s.seq = next_seq(state);
    s.has_ack = has(flags, RN_TCP_ACK);
    s.ack = last_ack(state);
    fix_peer_seg(&f, &s);
    reply = read_reply(&f);
    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    if (reply != want.reply || info.state != want.state)
        fail_msg("%s, flags 0x%03x: reply %d state %s, wanted %d %s", rn_tcp_state_name(state),
                 flags, reply, rn_tcp_state_name(info.state), want.reply,
                 rn_tcp_state_name(want.state));
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

static void test_B14_every_flag_combination_in_every_state(void **unused)
{
    (void)unused;
    for (unsigned state = RN_TCP_ESTABLISHED; state <= RN_TCP_CLOSING; state++) {
        for (unsigned flags = 0; flags < 512; flags++)
            check_cell((enum rn_tcp_state)state, flags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_B14_every_flag_combination_in_every_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
