#pragma once
/*
 * A stack over a test NIC under virtual time, and a peer that is a script:
 *
 *     struct tcp_fixture f;
 *     tcp_fixture_init(&f);
 *     struct rn_sock *server = fix_listen(&f, 8);
 *     fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");         a segment comes in, in a turn of its own
 *     fix_we(&f, "S. 0:0(0) ack 1 <mss 1460>");              the next one we sent was this
 *     fix_silent(&f);                                        and there is none left
 *     fix_pass(&f, 1000);                                    milliseconds go by, turn by turn
 *     tcp_fixture_fini(&f);                                  fails if a promise was broken or anything leaks
 *
 * Sequence numbers are relative to each side's first, our timestamps to the first one seen. Payload is a pattern of its
 * place in the stream, so what was read can be checked without keeping it.
 */
#include "base/checksum.h"
#include "dev/gso.h"
#include "fixture.h"
#include "ip/ip.h"
#include "stack/nic.h"
#include "stack/stack.h"
#include "tcp/conn.h"
#include "tcp_segment.h"
#include "wire/ipv4.h"

#include <runnel/err.h>
#include <runnel/route.h>
#include <runnel/tcp.h>

struct tcp_fixture {
    struct rn_test_turn t;
    struct rn_stack *stack;
    struct rn_device dev;
    struct rn_nic *nic;
    struct rn_pktq out; /* sent by us, cut and completed as on a wire */
    struct rn_addr us;
    struct rn_addr them;
    uint16_t our_port;
    uint16_t their_port;
    uint32_t their_isn;
    uint32_t our_isn;
    uint32_t our_ts;
    bool knows_our_isn;
    bool knows_our_ts;
    bool is_starved; /* allocations fail: what the test itself cannot build is a lost packet */
    uint8_t tos;     /* of what the peer sends */
    unsigned events; /* of the sockets that fix_watch was asked for, collected */
};

static const struct rn_protos fix_protos = {
    .l3 = { &rn_ipv4_ops, &rn_ipv6_ops },
    .l4 = { &rn_icmp4_ops, &rn_icmp6_ops, &rn_tcp_ops },
};

static inline int fix_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    (void)dev;
    (void)in;
    (void)max;
    return RN_E_WOULD_BLOCK;
}

static inline int fix_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    (void)dev;
    (void)out;
    return 0;
}

static inline void fix_close(struct rn_device *dev)
{
    dev->is_closed = true;
}

static const struct rn_device_ops fix_device_ops = {
    .kind = "test",
    .read_batch = fix_read_batch,
    .write_batch = fix_write_batch,
    .close = fix_close,
    .destroy = fix_close,
};

static inline void tcp_fixture_init_with(struct tcp_fixture *f, const struct rn_stack_opts *with)
{
    struct rn_stack_opts opts = *with;
    struct rn_nic_opts nic = { .name = "test0" };
    struct rn_route_entry route = { 0 };

    *f = (struct tcp_fixture){ .us = rn_addr_v4(0xc0a80001),
                               .them = rn_addr_v4(0xc0a80002),
                               .our_port = 8080,
                               .their_port = 40000,
                               .their_isn = 0x12345678 };
    rn_test_turn_init(&f->t);
    opts.protos = &fix_protos;
    opts.is_test = true;
    assert_int_equal(rn_stack_new(&f->stack, &f->t.turn, &opts), 0);
    f->dev = (struct rn_device){ .ops = &fix_device_ops,
                                 .turn = &f->t.turn,
                                 .link_type = RN_LINK_IP,
                                 .mtu = 1500,
                                 .batch = 64 };
    assert_int_equal(rn_nic_new(&f->nic, f->stack, &f->dev, &nic), 0);
    assert_int_equal(rn_nic_add_addr(f->nic, f->us, 24), 0);
    route.nic = rn_nic_id(f->nic);
    assert_int_equal(rn_prefix_parse("0.0.0.0/0", &route.dst), 0);
    assert_int_equal(rn_route_add(f->stack, &route), 0);
    /* Time 0 means "never" in some places. */
    rn_test_turn_at(&f->t, RN_NS_PER_S);
}

static inline void tcp_fixture_init(struct tcp_fixture *f)
{
    struct rn_stack_opts opts = { 0 };

    tcp_fixture_init_with(f, &opts);
}

/* --- what we sent ----------------------------------------------------------------------------------------------- */

static inline void fix_collect(struct tcp_fixture *f)
{
    struct rn_pktq sent = { 0 };
    struct rn_pkt *pkt;

    while (rn_nic_take_output(f->nic, &sent, 64) > 0) {
        while ((pkt = rn_pktq_pop(&sent)) != NULL)
            assert_true(rn_gso_conform(&f->dev, pkt, &f->out) >= 0 || f->is_starved);
    }
}

/* One turn at the present time, so that what was asked of sockets is done. */
static inline void fix_turn(struct tcp_fixture *f)
{
    rn_test_turn_at(&f->t, f->t.turn.now_ns);
    fix_collect(f);
    while (rn_turn_deadline_ns(&f->t.turn) <= f->t.turn.now_ns) {
        rn_test_turn_at(&f->t, f->t.turn.now_ns);
        fix_collect(f);
    }
}

static inline void fix_pass(struct tcp_fixture *f, int64_t ms)
{
    int64_t end_ns = f->t.turn.now_ns + ms * RN_NS_PER_MS;
    int64_t next_ns;

    while ((next_ns = rn_turn_deadline_ns(&f->t.turn)) <= end_ns) {
        rn_test_turn_at(&f->t, next_ns);
        fix_collect(f);
    }
    rn_test_turn_at(&f->t, end_ns);
    fix_collect(f);
}

static inline void tcp_fixture_fini(struct tcp_fixture *f)
{
    fix_turn(f);
    assert_int_equal(f->stack->stats.tcp_invariant_broken, 0);
    rn_pktq_free_all(&f->out);
    f->stack = rn_stack_free(f->stack);
    rn_test_turn_at(&f->t, f->t.turn.now_ns);
    rn_test_turn_fini(&f->t);
}

static inline uint32_t fix_our_rel(struct tcp_fixture *f, uint32_t seq, uint16_t flags)
{
    if ((flags & RN_TCP_SYN) != 0 && !f->knows_our_isn) {
        f->our_isn = seq;
        f->knows_our_isn = true;
    }
    return seq - f->our_isn;
}

static inline void fix_our_ts(struct tcp_fixture *f, struct rn_tcp_opts *opts)
{
    if (!opts->has_ts)
        return;
    if (!f->knows_our_ts) {
        f->our_ts = opts->ts_val;
        f->knows_our_ts = true;
    }
    opts->ts_val -= f->our_ts;
}

/* Reads one packet of ours; checks what every packet must be: sums right, to the peer, from us. */
static inline struct seg_text fix_read_out(struct tcp_fixture *f, const struct rn_pkt *pkt)
{
    static uint8_t bytes[70000];
    struct rn_ipv4_hdr ip;
    struct rn_tcp_hdr tcp;
    struct seg_text got = { 0 };
    struct rn_view seg;
    uint16_t pseudo;

    rn_pkt_copy_out(pkt, 0, bytes, pkt->len);
    assert_int_equal(rn_ipv4_parse(&ip, rn_view_of(bytes, pkt->len), pkt->len), 0);
    assert_int_equal(ip.proto, RN_PROTO_TCP);
    seg = rn_view_of(bytes + ip.hdr_len, pkt->len - ip.hdr_len);
    pseudo = rn_checksum_pseudo(ip.src, ip.dst, RN_PROTO_TCP, (uint32_t)seg.len);
    assert_int_equal(rn_checksum(seg.ptr, seg.len, pseudo), 0xffff);
    assert_int_equal(rn_tcp_parse(&tcp, seg, seg.len), 0);
    assert_true(rn_tcp_opts_parse(&got.opts, rn_tcp_options(seg, &tcp)));
    got.flags = tcp.flags;
    got.seq = fix_our_rel(f, tcp.seq.v, tcp.flags);
    got.len = (uint32_t)seg.len - tcp.hdr_len;
    got.ack = (tcp.flags & RN_TCP_ACK) != 0 ? tcp.ack.v - f->their_isn : 0;
    got.win = tcp.window;
    fix_our_ts(f, &got.opts);
    for (unsigned i = 0; i < got.opts.n_sack; i++) {
        got.opts.sack[i].from.v -= f->their_isn;
        got.opts.sack[i].to.v -= f->their_isn;
    }
    f->our_port = tcp.src_port;
    return got;
}

/* The next segment we sent; fails when there is none. */
static inline struct seg_text fix_next(struct tcp_fixture *f)
{
    struct rn_pkt *pkt = rn_pktq_pop(&f->out);
    struct seg_text got;

    if (pkt == NULL)
        fail_msg("nothing was sent");
    got = fix_read_out(f, pkt);
    rn_pkt_free(pkt);
    return got;
}

static inline void fix_we(struct tcp_fixture *f, const char *text)
{
    struct seg_text want = seg_parse(text);
    struct seg_text got;

    if (rn_pktq_is_empty(&f->out))
        fail_msg("we should have sent: %s", text);
    got = fix_next(f);
    if (seg_matches(&want, &got))
        return;
    fprintf(stderr, "we sent: ");
    seg_print(&got, stderr);
    fail_msg("we should have sent: %s", text);
}

static inline void fix_silent(struct tcp_fixture *f)
{
    struct seg_text got;

    if (rn_pktq_is_empty(&f->out))
        return;
    got = fix_next(f);
    fprintf(stderr, "we sent: ");
    seg_print(&got, stderr);
    fail_msg("we should have been silent");
}

/* Forgets what we sent. */
static inline void fix_ignore(struct tcp_fixture *f)
{
    while (!rn_pktq_is_empty(&f->out))
        (void)fix_next(f);
}

/* --- what the peer sends ---------------------------------------------------------------------------------------- */

/* Byte @at of a stream (0 is the first after the SYN). */
static inline uint8_t fix_pattern(uint32_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7);
}

static inline struct rn_pkt *fix_build(struct tcp_fixture *f, const struct seg_text *s)
{
    static uint8_t bytes[65536];
    struct rn_tcp_opts opts = s->opts;
    size_t opts_len;
    size_t tcp_len;
    struct rn_tcp_hdr tcp;
    struct rn_ipv4_hdr ip;
    struct rn_writer w;

    if (opts.has_ts && (s->flags & RN_TCP_ACK) != 0)
        opts.ts_ecr += f->our_ts;
    for (unsigned i = 0; i < opts.n_sack; i++) {
        opts.sack[i].from.v += f->our_isn;
        opts.sack[i].to.v += f->our_isn;
    }
    opts_len = rn_tcp_opts_bytes(&opts);
    tcp_len = RN_TCP_HDR_BYTES + opts_len + s->len;
    tcp = (struct rn_tcp_hdr){ .src_port = f->their_port,
                               .dst_port = f->our_port,
                               .seq = rn_seq_of(f->their_isn + s->seq),
                               .ack = rn_seq_of(s->has_ack ? f->our_isn + s->ack : 0),
                               .flags = s->flags,
                               .window = s->has_win ? s->win : 65535,
                               .urgent = s->urg,
                               .hdr_len = (uint8_t)(RN_TCP_HDR_BYTES + opts_len) };
    ip = (struct rn_ipv4_hdr){ .src = f->them,
                               .dst = f->us,
                               .total_len = rn_sat_u16(20 + tcp_len),
                               .ttl = 64,
                               .tos = f->tos,
                               .proto = RN_PROTO_TCP,
                               .dont_fragment = true };
    rn_tcp_emit(&tcp, bytes + 20);
    w = rn_writer_of(bytes + 40, opts_len);
    rn_tcp_opts_emit(&opts, &w);
    for (uint32_t i = 0; i < s->len; i++)
        bytes[40 + opts_len + i] = fix_pattern(s->seq - 1 + i);
    rn_put_be16(
        bytes + 20 + RN_TCP_CHECKSUM_AT,
        (uint16_t)~rn_checksum(bytes + 20, tcp_len,
                               rn_checksum_pseudo(ip.src, ip.dst, ip.proto, (uint32_t)tcp_len)));
    rn_ipv4_emit(&ip, bytes);
    return rn_pkt_from_bytes(f->t.pool, bytes, 20 + tcp_len);
}

static inline void fix_peer_seg(struct tcp_fixture *f, const struct seg_text *s)
{
    struct rn_pktq in = { 0 };
    struct rn_pkt *pkt = fix_build(f, s);

    assert_true(pkt != NULL || f->is_starved);
    if (pkt != NULL)
        rn_pktq_push(&in, pkt);
    rn_turn_begin(&f->t.turn, f->t.turn.now_ns);
    rn_nic_input(f->nic, &in);
    rn_turn_end(&f->t.turn);
    fix_collect(f);
    if (rn_turn_deadline_ns(&f->t.turn) <= f->t.turn.now_ns)
        fix_turn(f);
}

static inline void fix_peer(struct tcp_fixture *f, const char *text)
{
    struct seg_text s = seg_parse(text);

    fix_peer_seg(f, &s);
}

/* --- our sockets ------------------------------------------------------------------------------------------------ */

static inline void fix_on_event(struct rn_sock *sock, unsigned events, void *arg)
{
    struct tcp_fixture *f = arg;

    (void)sock;
    f->events |= events;
}

static inline void fix_watch(struct tcp_fixture *f, struct rn_sock *sock)
{
    rn_sock_on_event(sock, fix_on_event, f);
}

static inline struct rn_sock *fix_socket(struct tcp_fixture *f)
{
    struct rn_sock *sock;

    assert_int_equal(rn_tcp_new(&sock, f->stack), 0);
    return sock;
}

static inline struct rn_sock *fix_listen(struct tcp_fixture *f, unsigned backlog)
{
    struct rn_sock *sock = fix_socket(f);
    struct rn_endpoint local = { .port = f->our_port };

    assert_int_equal(rn_sock_bind(sock, &local), 0);
    assert_int_equal(rn_sock_listen(sock, backlog), 0);
    return sock;
}

static inline struct rn_sock *fix_accept(struct rn_sock *server)
{
    struct rn_sock *sock;

    assert_int_equal(rn_sock_accept(server, &sock), 0);
    return sock;
}

/* A connection the peer opened, with the SYN's options as given. The listener is closed again. */
static inline struct rn_sock *fix_accepted(struct tcp_fixture *f, const char *syn_opts)
{
    struct rn_sock *server = fix_listen(f, 8);
    struct rn_sock *sock;
    struct seg_text syn;
    struct seg_text ack;
    char text[160];

    snprintf(text, sizeof(text), "S 0:0(0) win 65535 %s", syn_opts);
    syn = seg_parse(text);
    fix_peer_seg(f, &syn);
    (void)fix_next(f);
    fix_silent(f);
    ack = seg_parse(". 1:1(0) ack 1 win 65535");
    ack.opts.has_ts = syn.opts.has_ts;
    ack.opts.ts_val = syn.opts.ts_val;
    fix_peer_seg(f, &ack);
    fix_silent(f);
    sock = fix_accept(server);
    rn_sock_close(server);
    fix_turn(f);
    fix_silent(f);
    return sock;
}

static inline struct rn_sock *fix_connecting(struct tcp_fixture *f)
{
    struct rn_sock *sock = fix_socket(f);
    struct rn_endpoint remote = { .addr = f->them, .port = f->their_port };

    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_CONNECT_STARTED);
    fix_turn(f);
    return sock;
}

/* A connection we opened; the peer has no options but MSS. */
static inline struct rn_sock *fix_connected(struct tcp_fixture *f)
{
    struct rn_sock *sock = fix_connecting(f);

    (void)fix_next(f);
    fix_peer(f, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
    fix_we(f, ". 1:1(0) ack 1");
    fix_silent(f);
    return sock;
}

/* Reads exactly @len bytes that began at place @at of the peer's stream. */
static inline void fix_reads(struct rn_sock *sock, uint32_t at, size_t len)
{
    static uint8_t bytes[1 << 20];

    assert_true(len <= sizeof(bytes));
    assert_int_equal(rn_tcp_read(sock, bytes, sizeof(bytes)), len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], fix_pattern(at + (uint32_t)i));
}

/* Writes the next @len bytes of our stream and lets them go. */
static inline void fix_writes(struct tcp_fixture *f, struct rn_sock *sock, size_t len)
{
    static const uint8_t bytes[1 << 16];

    assert_int_equal(rn_tcp_write(sock, bytes, len, 0), len);
    fix_turn(f);
}
