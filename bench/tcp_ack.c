/*
 * usage: tcp_ack SEGMENTS ACKS ack|sack CONTROLLER
 *
 * A sender keeps SEGMENTS in flight, each a transmission of its own, while ACKS acknowledgments of one segment each come
 * in; "sack": the first is missing for good and each ACK SACKs one more. bench/tcp_ack.py counts the instructions of
 * rn_nic_input by callgrind, for few and for many segments.
 */
#include "tcp_fixture.h"

#include "tcp/bbr.h"

enum { MSS = 536 };

static void fly(struct tcp_fixture *f, struct rn_sock *sock)
{
    fix_writes(f, sock, MSS);
    rn_pktq_free_all(&f->out);
}

/* A model would space what the bench wants in flight at once. */
static void lift_pacing(struct rn_tcp *conn)
{
    struct rn_bbr *bbr = conn->cc.state;

    if (conn->cc.ops == &rn_tcp_bbr)
        bbr->pacing_rate = 1ull << 40;
    conn->flight->pace_ns = 0;
}

static struct rn_sock *take_off(struct tcp_fixture *f, uint32_t n, const char *controller)
{
    struct rn_sock *sock = fix_socket(f);
    struct rn_endpoint remote = { .addr = f->them, .port = f->their_port };
    struct rn_tcp *conn = rn_container_of(sock, struct rn_tcp, sock);

    assert_int_equal(rn_tcp_set_congestion(sock, controller), 0);
    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_CONNECT_STARTED);
    fix_turn(f);
    (void)fix_next(f);
    fix_peer(f, "S. 0:0(0) ack 1 win 65535 <mss 536,sackOK,wscale 14>");
    fix_peer(f, ". 1:1(0) ack 1 win 65535");
    rn_pktq_free_all(&f->out);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_NODELAY, 1), 0);
    conn->snd.buf_max = 64u << 20;
    conn->flags |= RN_TCPF_SNDBUF_FIXED;
    conn->cc.cwnd = 64u << 20;
    fly(f, sock);
    lift_pacing(conn);
    for (uint32_t i = 1; i < n; i++)
        fly(f, sock);
    assert_true(conn->flight->n_recs >= n);
    return sock;
}

int main(int argc, char **argv)
{
    struct tcp_fixture f;
    struct seg_text ack = seg_parse(". 1:1(0) ack 1 win 65535");
    bool is_sack;
    struct rn_sock *sock;
    uint32_t n;

    if (argc != 5) {
        fprintf(stderr, "usage: tcp_ack SEGMENTS ACKS ack|sack CONTROLLER\n");
        return 2;
    }
    is_sack = strcmp(argv[3], "sack") == 0;
    tcp_fixture_init(&f);
    n = (uint32_t)strtoul(argv[1], NULL, 10);
    sock = take_off(&f, n, argv[4]);
    for (uint32_t i = 1; i <= (uint32_t)strtoul(argv[2], NULL, 10); i++) {
        if (is_sack) {
            ack.opts.n_sack = 1;
            ack.opts.sack[0].from.v = 1 + MSS;
            ack.opts.sack[0].to.v = 1 + (i + 1) * MSS;
        } else {
            ack.ack = 1 + i * MSS;
        }
        fix_peer_seg(&f, &ack);
        fly(&f, sock);
    }
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
    return 0;
}
