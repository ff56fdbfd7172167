/*
 * Whole TCP conversations: a peer that knows the right numbers and sends what it likes around them, an application that
 * calls what it likes, time that passes. Nothing crashes, leaks, breaks a protocol invariant or a promise to the peer:
 * the window's right edge stays, what is acknowledged is what could be read, memory stays within twice the buffer.
 *
 * The first byte chooses where to begin; then a byte chooses each deed, the next ones its particulars; what runs out
 * reads as zero.
 *
 * Building a stack and shaking hands costs more than most inputs do, so it is done once for each beginning: all that is
 * allocated lies in an arena, and an input starts from a copy of it. The arena gives out nothing twice and hides what was
 * given back, so that a use after free is seen as with malloc. Slabs of packets come from a pool that stays, but for
 * inputs with a tiny pool, whose slabs lie in the arena as well.
 */
#include "base/checksum.h"
#include "fuzz.h"
#include "ip/ip.h"
#include "stack/nic.h"
#include "stack/stack.h"
#include "tcp/conn.h"
#include "wire/ipv4.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    POOL_MAX_BYTES = 16 << 20,
    POOL_TINY_BYTES = 192 << 10,
    SOCKS_TINY_BYTES = 24 << 10,
    ARENA_BYTES = 4 << 20,
    SAVED_BYTES = 64 << 10,
    BLOCKS_MAX = 64,
    CHUNK_MIN_BYTES = 4096,
    REDZONE_BYTES = 16,
    DEEDS_MAX = 300,
    SOCKS_MAX = 6,
    SERVER_PORT = 80,
};

/* Where an input may begin. */
enum start {
    START_FRESH,
    START_PASSIVE,      /* a connection the peer opened, with every option */
    START_PASSIVE_BARE, /* the same without options */
    START_ACTIVE,       /* one we opened */
    START_COUNT
};

struct rig {
    struct rn_reader in;
    struct rn_pool *pool;
    struct rn_turn turn;
    struct rn_device device;
    struct rn_stack *stack;
    struct rn_nic *nic;
    struct rn_tcp_forwarder *forwarder;
    struct rn_tcp_request *request;
    struct rn_sock *listener;
    struct rn_sock *socks[SOCKS_MAX];
    size_t n_allocs;
    size_t n_lent;  /* memory that was lent to sockets and not yet released */
    size_t fail_in; /* allocations until one fails; 0: none does */
    /* The conversation the peer is in: its port, and the numbers as our last segment to it tells them. */
    uint16_t our_port;
    uint16_t their_port;
    uint32_t nxt; /* what we expect of it */
    uint32_t ack; /* the end of what we sent */
    uint32_t ts;  /* our newest timestamp */
    uint32_t their_ts;
    struct {
        uint32_t irs; /* tells connections apart that use the same memory */
        uint32_t edge;
        bool is_known;
    } promise[SOCKS_MAX]; /* the right edge each socket has announced */
};

/* --- memory --------------------------------------------------------------------------------------------------------- */

struct block {
    uint8_t *at;
    size_t bytes; /* 0: was given back */
};

static struct {
    _Alignas(16) uint8_t bytes[ARENA_BYTES];
    size_t used;
    struct block blocks[BLOCKS_MAX]; /* the first ones: all there are while a beginning is made */
    unsigned n_blocks;
} arena;

static struct rn_pool *lasting_pool;
static size_t lasting_bytes;
static struct rig rig;

/* What an input starts from. */
static struct beginning {
    struct rig rig;
    struct block blocks[BLOCKS_MAX];
    unsigned n_blocks;
    size_t used;
    uint8_t bytes[SAVED_BYTES]; /* of the blocks, one behind the other */
    bool is_made;
} beginnings[START_COUNT];

/* The lasting pool and its chunks never fail: else a failure would depend on the inputs before. */
static bool is_lasting(const struct rig *r, size_t bytes)
{
    if (lasting_pool == NULL)
        return true;
    return r->pool == lasting_pool && bytes >= CHUNK_MIN_BYTES && bytes != sizeof(struct rn_stack);
}

static bool is_in_arena(const uint8_t *ptr)
{
    return ptr >= arena.bytes && ptr < arena.bytes + ARENA_BYTES;
}

static void *take(void *ctx, size_t bytes)
{
    struct rig *r = ctx;
    uint8_t *at = arena.bytes + arena.used;
    size_t step = (bytes + REDZONE_BYTES + 15) & ~(size_t)15;

    if (is_lasting(r, bytes)) {
        lasting_bytes += bytes;
        return calloc(1, bytes);
    }
    if (r->fail_in > 0 && --r->fail_in == 0)
        return NULL;
    if (step > ARENA_BYTES - arena.used)
        return NULL;
    arena.used += step;
    r->n_allocs++;
    if (arena.n_blocks < BLOCKS_MAX)
        arena.blocks[arena.n_blocks++] = (struct block){ at, bytes };
    RN_SHOW(at, bytes);
    memset(at, 0, bytes);
    return at;
}

static void give(void *ctx, void *ptr, size_t bytes)
{
    struct rig *r = ctx;

    if (!is_in_arena(ptr)) {
        lasting_bytes -= bytes;
        free(ptr);
        return;
    }
    r->n_allocs--;
    for (unsigned i = 0; i < arena.n_blocks; i++) {
        if (arena.blocks[i].at == ptr)
            arena.blocks[i].bytes = 0;
    }
    RN_HIDE(ptr, bytes);
}

static const struct rn_alloc arena_alloc = { take, give, &rig };

static void hide_all(void)
{
    RN_HIDE(arena.bytes, arena.used);
    arena.used = 0;
    arena.n_blocks = 0;
}

static void save(struct beginning *b)
{
    uint8_t *to = b->bytes;

    must(arena.n_blocks < BLOCKS_MAX);
    for (unsigned i = 0; i < arena.n_blocks; i++) {
        struct block block = arena.blocks[i];

        if (block.bytes == 0)
            continue;
        must(to + block.bytes <= b->bytes + SAVED_BYTES);
        memcpy(to, block.at, block.bytes);
        to += block.bytes;
        b->blocks[b->n_blocks++] = block;
    }
    b->used = arena.used;
    b->rig = rig;
    b->is_made = true;
}

static void restore(const struct beginning *b)
{
    const uint8_t *from = b->bytes;

    hide_all();
    for (unsigned i = 0; i < b->n_blocks; i++) {
        RN_SHOW(b->blocks[i].at, b->blocks[i].bytes);
        memcpy(b->blocks[i].at, from, b->blocks[i].bytes);
        from += b->blocks[i].bytes;
    }
    arena.used = b->used;
    rig = b->rig;
}

/* --- what we send, as the peer sees it ---------------------------------------------------------------------------- */

static void learn(struct rig *r, const struct rn_tcp_hdr *tcp, const struct rn_tcp_opts *opts,
                  size_t len)
{
    if ((tcp->flags & RN_TCP_RST) != 0)
        return;
    r->our_port = tcp->src_port;
    r->their_port = tcp->dst_port;
    r->ack = tcp->seq.v + (uint32_t)len + ((tcp->flags & RN_TCP_SYN) != 0) +
             ((tcp->flags & RN_TCP_FIN) != 0);
    if ((tcp->flags & RN_TCP_ACK) != 0)
        r->nxt = tcp->ack.v;
    if (opts->has_ts)
        r->ts = opts->ts_val;
}

static void read_sent(struct rig *r, const struct rn_pkt *pkt)
{
    static uint8_t bytes[70000];
    struct rn_ipv4_hdr ip;
    struct rn_tcp_hdr tcp;
    struct rn_tcp_opts opts;
    struct rn_view seg;

    must(pkt->len <= sizeof(bytes));
    rn_pkt_copy_out(pkt, 0, bytes, pkt->len);
    must(rn_ipv4_parse(&ip, rn_view_of(bytes, pkt->len), pkt->len) == RN_OK);
    if (ip.proto != RN_PROTO_TCP)
        return;
    seg = rn_view_of(bytes + ip.hdr_len, pkt->len - ip.hdr_len);
    must(rn_tcp_parse(&tcp, seg, seg.len) == RN_OK);
    must(rn_tcp_opts_parse(&opts, rn_tcp_options(seg, &tcp)));
    learn(r, &tcp, &opts, seg.len - tcp.hdr_len);
}

static void collect(struct rig *r)
{
    struct rn_pktq out = { 0 };
    struct rn_pkt *pkt;

    while (rn_nic_take_output(r->nic, &out, 64) > 0) {
        while ((pkt = rn_pktq_pop(&out)) != NULL) {
            read_sent(r, pkt);
            rn_pkt_free(pkt);
        }
    }
}

/* --- the peer ------------------------------------------------------------------------------------------------------ */

/* Mostly right: a number near the expected one, now and then far off. */
static uint32_t near(struct rig *r, uint32_t expected)
{
    uint8_t how = rn_read_u8(&r->in);

    if (how < 128)
        return expected;
    if (how < 192)
        return expected + (uint32_t)(how - 160);
    if (how < 240)
        return expected + (uint32_t)(how - 216) * 1460;
    return expected + rn_read_be32(&r->in);
}

static void choose_opts(struct rig *r, uint16_t flags, struct rn_tcp_opts *opts)
{
    uint8_t how = rn_read_u8(&r->in);

    if ((flags & RN_TCP_SYN) != 0) {
        opts->has_mss = (how & 1) != 0;
        opts->mss = (how & 2) != 0 ? 1460 : (uint16_t)how;
        opts->has_wscale = (how & 4) != 0;
        opts->wscale = how >> 4;
        opts->sack_ok = (how & 8) != 0;
    } else if ((how & 3) == 3) {
        opts->n_sack = (uint8_t)(1 + (how >> 6 & 1));
        for (unsigned i = 0; i < opts->n_sack; i++) {
            opts->sack[i].from.v = near(r, r->ack - 1460 * (i + 2));
            opts->sack[i].to.v = near(r, r->ack - 1460 * (i + 1));
        }
    }
    if ((how & 0xc2) == 0xc2 && (flags & RN_TCP_SYN) != 0) {
        opts->has_fastopen = true;
        opts->cookie_len = (how & 1) != 0 ? 8 : 0;
    }
    if ((how & 0x20) != 0) {
        opts->has_ts = true;
        opts->ts_val = near(r, r->their_ts++);
        opts->ts_ecr = near(r, r->ts);
    }
}

static void feed(struct rig *r, struct rn_tcp_hdr *tcp, const struct rn_tcp_opts *opts, size_t len)
{
    static uint8_t bytes[4096];
    size_t opts_len = rn_tcp_opts_bytes(opts);
    size_t tcp_len = RN_TCP_HDR_BYTES + opts_len + len;
    struct rn_ipv4_hdr ip = { .src = rn_addr_v4(0x0a000002),
                              .dst = rn_addr_v4((tcp->dst_port & 1) != 0 ? 0x08080808 : 0x0a000001),
                              .total_len = rn_sat_u16(20 + tcp_len),
                              .ttl = 64,
                              .tos = tcp->urgent & 3,
                              .proto = RN_PROTO_TCP };
    struct rn_pktq in = { 0 };
    struct rn_pkt *pkt;
    struct rn_writer w;

    if (opts_len > RN_TCP_OPTS_MAX_BYTES)
        return;
    tcp->hdr_len = (uint8_t)(RN_TCP_HDR_BYTES + opts_len);
    memset(bytes, 'x', 20 + tcp_len);
    rn_ipv4_emit(&ip, bytes);
    rn_tcp_emit(tcp, bytes + 20);
    w = rn_writer_of(bytes + 40, opts_len);
    rn_tcp_opts_emit(opts, &w);
    rn_put_be16(bytes + 20 + RN_TCP_CHECKSUM_AT,
                (uint16_t)~rn_checksum(
                    bytes + 20, tcp_len,
                    rn_checksum_pseudo(ip.src, ip.dst, RN_PROTO_TCP, (uint32_t)tcp_len)));
    pkt = rn_pkt_from_bytes(r->pool, bytes, 20 + tcp_len);
    if (pkt != NULL)
        rn_pktq_push(&in, pkt);
    rn_nic_input(r->nic, &in);
}

static const uint16_t usual_flags[] = {
    RN_TCP_SYN,
    RN_TCP_ACK,
    RN_TCP_ACK | RN_TCP_PSH,
    RN_TCP_SYN | RN_TCP_ACK,
    RN_TCP_RST,
    RN_TCP_FIN | RN_TCP_ACK,
    RN_TCP_RST | RN_TCP_ACK,
    RN_TCP_ACK | RN_TCP_CWR,
    RN_TCP_SYN | RN_TCP_ECE | RN_TCP_CWR,
    RN_TCP_ACK | RN_TCP_ECE,
};

static void peer_sends(struct rig *r)
{
    uint8_t what = rn_read_u8(&r->in);
    struct rn_tcp_opts opts = { 0 };
    struct rn_tcp_hdr tcp = { .src_port = r->their_port, .dst_port = r->our_port };
    size_t len = (what & 0x0f) < 10 ? 0 : 1 + (size_t)rn_read_u8(&r->in) * 5;

    tcp.flags = (what & 0x0f) < RN_ARRAY_LEN(usual_flags) ? usual_flags[what & 0x0f] : RN_TCP_ACK;
    if ((what & 0xf0) == 0xf0)
        tcp.flags = rn_read_be16(&r->in) & 0x1ff;
    if ((tcp.flags & (RN_TCP_SYN | RN_TCP_ACK)) == RN_TCP_SYN && (what & 0x10) != 0) {
        tcp.src_port = (uint16_t)(1000 + (what >> 5));
        tcp.dst_port = SERVER_PORT + (what >> 7);
    }
    tcp.seq.v = near(r, r->nxt);
    tcp.ack.v = near(r, r->ack);
    tcp.window = (what & 0x20) != 0 ? rn_read_be16(&r->in) : 65535;
    tcp.urgent = (what & 0x40) != 0 ? rn_read_u8(&r->in) : 0;
    choose_opts(r, tcp.flags, &opts);
    feed(r, &tcp, &opts, len);
}

/* --- the application ------------------------------------------------------------------------------------------------ */

static void on_cancel(struct rn_tcp_request *req)
{
    struct rig *r = rn_tcp_request_data(req);

    r->request = NULL;
}

static void on_syn(struct rn_tcp_request *req, void *arg)
{
    struct rig *r = arg;

    if (r->request != NULL) {
        rn_tcp_request_refuse(req, RN_TCP_REFUSE_HOST);
        return;
    }
    r->request = req;
    rn_tcp_request_set_data(req, r);
    rn_tcp_request_on_cancel(req, on_cancel);
}

static void keep(struct rig *r, struct rn_sock *sock)
{
    for (unsigned i = 0; i < SOCKS_MAX; i++) {
        if (r->socks[i] == NULL) {
            r->socks[i] = sock;
            return;
        }
    }
    rn_sock_abort(sock);
}

static void accept_one(struct rig *r)
{
    struct rn_sock *sock;

    if (rn_sock_accept(r->listener, &sock) == RN_OK)
        keep(r, sock);
}

static void connect_one(struct rig *r)
{
    struct rn_endpoint remote = { .addr = rn_addr_v4(0x0a000002), .port = rn_read_u8(&r->in) };
    struct rn_sock *sock;

    if (rn_tcp_new(&sock, r->stack) != RN_OK)
        return;
    (void)!rn_sock_connect(sock, &remote);
    keep(r, sock);
}

static void answer_request(struct rig *r)
{
    uint8_t how = rn_read_u8(&r->in);
    struct rn_tcp_request *req = r->request;
    struct rn_sock *sock;

    if (req == NULL)
        return;
    r->request = NULL;
    if (how < 64 && rn_tcp_request_accept(req, &sock) == RN_OK)
        keep(r, sock);
    else if (how >= 64)
        rn_tcp_request_refuse(req, (enum rn_tcp_refuse)(how % 5));
}

static void set_some_opt(struct rig *r, struct rn_sock *sock)
{
    static const enum rn_sock_opt opts[] = {
        RN_SO_KEEPALIVE,
        RN_SO_LINGER_NS,
        RN_SO_SNDBUF,
        RN_SO_RCVBUF,
        RN_TCP_NODELAY,
        RN_TCP_CORK,
        RN_TCP_MAXSEG,
        RN_TCP_USER_TIMEOUT_NS,
        RN_TCP_WINDOW_CLAMP,
        RN_TCP_TIMEWAIT_NS,
        RN_TCP_QUICKACK,
        RN_TCP_KEEPIDLE_NS,
        RN_SO_RCVLOWAT,
        RN_TCP_NOTSENT_LOWAT,
        RN_TCP_TIMESTAMPS,
        RN_TCP_SACK,
        RN_TCP_WSCALE,
        RN_TCP_ECN,
        RN_TCP_FASTOPEN,
        RN_TCP_FASTOPEN_CONNECT,
        RN_TCP_FASTOPEN_NO_COOKIE,
        RN_TCP_MAX_PACING_RATE,
        RN_TCP_DEFER_ACCEPT_NS,
        RN_TCP_LINGER2_NS,
        RN_TCP_RCVBUF_MOST,
    };

    (void)!rn_sock_set_opt(sock, opts[rn_read_u8(&r->in) % RN_ARRAY_LEN(opts)],
                           rn_read_be32(&r->in) >> (rn_read_u8(&r->in) & 31));
}

static void write_some(struct rig *r, struct rn_sock *sock)
{
    static const uint8_t bytes[1 << 16];

    (void)!rn_tcp_write(sock, bytes, (size_t)rn_read_u8(&r->in) << (rn_read_u8(&r->in) & 7), 0);
}

static void read_some(struct rig *r, struct rn_sock *sock)
{
    static uint8_t bytes[1 << 16];
    struct rn_slice views[3];

    if ((rn_read_u8(&r->in) & 1) == 0) {
        (void)!rn_tcp_read(sock, bytes, sizeof(bytes));
    } else if (rn_tcp_peek_views(sock, views, 3) > 0) {
        must(views[0].len > 0);
        rn_tcp_consume(sock, views[0].len / 2 + 1);
    }
}

static void release(void *arg)
{
    struct rig *r = arg;

    must(r->n_lent-- > 0);
}

static void lend_some(struct rig *r, struct rn_sock *sock)
{
    static const uint8_t bytes[1 << 16];
    struct rn_slice lent = { bytes, (size_t)rn_read_u8(&r->in) << 6 };

    if (rn_tcp_write_ref(sock, lent, release, r) > 0)
        r->n_lent++;
}

static void choose_congestion(struct rig *r, struct rn_sock *sock)
{
    static const char *const names[] = { "cubic", "reno", "bbr", "cubic-bbr" };

    (void)!rn_tcp_set_congestion(sock, names[rn_read_u8(&r->in) % RN_ARRAY_LEN(names)]);
}

/* What is seldom done: @how tells which. */
static void use_rarely(struct rig *r, struct rn_sock *sock, uint8_t how)
{
    if (how < 64)
        lend_some(r, sock);
    else if (how < 96)
        choose_congestion(r, sock);
    else if (how < 104)
        (void)!rn_sock_preflight(sock, NULL);
    else
        set_some_opt(r, sock);
}

static void use_sock(struct rig *r, uint8_t deed)
{
    unsigned i = rn_read_u8(&r->in);
    struct rn_sock *sock = i == 255 ? r->listener : r->socks[i % SOCKS_MAX];

    if (sock == r->listener)
        set_some_opt(r, sock);
    if (sock == NULL || sock == r->listener)
        return;
    i %= SOCKS_MAX;
    switch (deed) {
    case 0:
        write_some(r, sock);
        break;
    case 1:
        read_some(r, sock);
        break;
    case 2:
        (void)!rn_sock_shutdown(sock, (enum rn_shut)(1 + rn_read_u8(&r->in) % 3));
        break;
    case 3:
        r->socks[i] = rn_sock_close(sock);
        break;
    case 4:
        r->socks[i] = rn_sock_abort(sock);
        break;
    default:
        use_rarely(r, sock, rn_read_u8(&r->in));
    }
}

/* --- the whole ------------------------------------------------------------------------------------------------------ */

/* What was promised to the peer stays promised. */
static void check_edge(struct rig *r, unsigned i, const struct rn_tcp *conn)
{
    uint32_t edge = conn->rcv.wup.v + conn->rcv.wnd;
    bool is_same = r->promise[i].is_known && r->promise[i].irs == conn->irs.v;

    must(!is_same || (int32_t)(edge - r->promise[i].edge) >= 0);
    r->promise[i].irs = conn->irs.v;
    r->promise[i].edge = edge;
    r->promise[i].is_known = conn->irs.v != 0;
}

static void check_promises(struct rig *r)
{
    for (unsigned i = 0; i < SOCKS_MAX; i++) {
        const struct rn_tcp *conn;

        if (r->socks[i] == NULL) {
            r->promise[i].is_known = false;
            continue;
        }
        conn = rn_container_of(r->socks[i], struct rn_tcp, sock);
        must(conn->rcv.charged < (4u << 20));
        must((conn->rcv.queued == 0) == (conn->rcv.last == NULL));
        must(rn_seq_le(conn->snd.una, conn->snd.nxt));
        check_edge(r, i, conn);
    }
    must(r->stack->stats.tcp_invariant_broken == 0);
}

static int64_t pause_of(struct rig *r)
{
    uint8_t how = rn_read_u8(&r->in);

    return (int64_t)(1 + (how & 15)) << (4 * (how >> 5) + 12); /* 4 us to 18 minutes */
}

static void step(struct rig *r)
{
    uint8_t deed = rn_read_u8(&r->in);

    rn_turn_begin(&r->turn, r->turn.now_ns + 1000);
    if (deed < 144)
        peer_sends(r);
    else if (deed < 160)
        accept_one(r);
    else if (deed < 168)
        connect_one(r);
    else if (deed < 176)
        answer_request(r);
    else if (deed < 180)
        r->fail_in = rn_read_u8(&r->in);
    else if (deed < 240)
        use_sock(r, deed % 6);
    else
        rn_turn_end(&r->turn), rn_turn_begin(&r->turn, r->turn.now_ns + pause_of(r));
    rn_turn_end(&r->turn);
    collect(r);
    check_promises(r);
}

static void make_lasting_pool(void)
{
    struct rn_pool_limits limits = { .max_bytes = POOL_MAX_BYTES };
    struct rn_pool *pool;

    must(rn_pool_new(&pool, &arena_alloc, &limits) == RN_OK);
    lasting_pool = pool;
    lasting_bytes = 0;
}

static void init(struct rig *r)
{
    static const uint8_t seed[16] = "fuzz sequences";
    struct rn_stack_opts so = { .protos = &rn_protos_all, .is_test = true };
    struct rn_nic_opts no = { .flags = RN_NIC_PROMISCUOUS | RN_NIC_SPOOFING };
    struct rn_endpoint local = { .addr = rn_addr_v4(0x0a000001), .port = SERVER_PORT };

    rn_turn_init(&r->turn, r->pool, seed, RN_NS_PER_S);
    r->device.turn = &r->turn;
    r->device.link_type = RN_LINK_IP;
    r->device.mtu = 1500;
    must(rn_stack_new(&r->stack, &r->turn, &so) == RN_OK);
    must(rn_nic_new(&r->nic, r->stack, &r->device, &no) == RN_OK);
    must(rn_nic_add_addr(r->nic, local.addr, 24) == RN_OK);
    must(rn_tcp_new(&r->listener, r->stack) == RN_OK);
    must(rn_sock_bind(r->listener, &local) == RN_OK);
    must(rn_sock_listen(r->listener, 3) == RN_OK);
    must(rn_tcp_forwarder_new(&r->forwarder, r->stack, 3, on_syn, r) == RN_OK);
    r->our_port = SERVER_PORT;
    r->their_port = 1000;
}

static void peer_says(struct rig *r, uint16_t flags, bool has_options)
{
    bool is_syn = (flags & RN_TCP_SYN) != 0;
    struct rn_tcp_hdr tcp = { .src_port = r->their_port,
                              .dst_port = r->our_port,
                              .seq = rn_seq_of(r->nxt),
                              .ack = rn_seq_of(r->ack),
                              .flags = flags,
                              .window = 65535 };
    struct rn_tcp_opts opts = { 0 };

    if (has_options) {
        opts = (struct rn_tcp_opts){ .has_ts = true, .ts_val = r->their_ts++, .ts_ecr = r->ts };
        opts.has_mss = opts.has_wscale = opts.sack_ok = is_syn;
        opts.mss = 1460;
        opts.wscale = 7;
    }
    rn_turn_begin(&r->turn, r->turn.now_ns + RN_NS_PER_MS);
    feed(r, &tcp, &opts, 0);
    rn_turn_end(&r->turn);
    collect(r);
}

static void begin_active(struct rig *r)
{
    struct rn_endpoint remote = { .addr = rn_addr_v4(0x0a000002), .port = 7 };

    rn_turn_begin(&r->turn, r->turn.now_ns);
    must(rn_tcp_new(&r->socks[0], r->stack) == RN_OK);
    must(rn_sock_connect(r->socks[0], &remote) == RN_E_CONNECT_STARTED);
    rn_turn_end(&r->turn);
    collect(r);
    peer_says(r, RN_TCP_SYN | RN_TCP_ACK, true);
}

static void make(struct beginning *b, enum start start)
{
    bool has_options = start == START_PASSIVE;

    hide_all();
    if (lasting_pool == NULL)
        make_lasting_pool();
    rig = (struct rig){ .pool = lasting_pool };
    init(&rig);
    if (start == START_ACTIVE) {
        begin_active(&rig);
    } else if (start != START_FRESH) {
        peer_says(&rig, RN_TCP_SYN, has_options);
        peer_says(&rig, RN_TCP_ACK, has_options);
        rn_turn_begin(&rig.turn, rig.turn.now_ns);
        accept_one(&rig);
        rn_turn_end(&rig.turn);
    }
    must(start == START_FRESH || rn_sock_readiness(rig.socks[0]) == RN_WRITABLE);
    check_promises(&rig);
    save(b);
}

static void begin(struct rig *r)
{
    uint8_t how = rn_read_u8(&r->in);
    struct beginning *b = &beginnings[how % START_COUNT];
    struct rn_pool_limits tiny = { .max_bytes = POOL_TINY_BYTES };
    struct rn_reader in = r->in;

    if (!b->is_made)
        make(b, (enum start)(how % START_COUNT));
    restore(b);
    r->in = in;
    if (how >= 0xf0) {
        must(rn_pool_new(&r->pool, &arena_alloc, &tiny) == RN_OK);
        r->turn.pool = r->pool;
        r->stack->opts.sock_max_bytes = SOCKS_TINY_BYTES;
    }
}

static void check_slabs(const struct rn_pool *pool)
{
    struct rn_pool_stats stats;

    rn_pool_get_stats(pool, &stats);
    must(stats.bytes_in_use == 0);
}

static void check_lasting(void)
{
    struct rn_pool_stats stats;

    rn_pool_get_stats(lasting_pool, &stats);
    must(stats.bytes_in_use == 0 && stats.bytes_held == lasting_bytes);
}

static void fini(struct rig *r)
{
    r->fail_in = 0;
    for (unsigned i = 0; i < SOCKS_MAX; i++)
        rn_sock_close(r->socks[i]);
    r->request = NULL;
    rn_tcp_forwarder_free(r->forwarder);
    rn_sock_close(r->listener);
    r->stack = rn_stack_free(r->stack);
    rn_turn_begin(&r->turn, r->turn.now_ns);
    rn_turn_end(&r->turn);
    check_slabs(r->pool);
    rn_turn_fini(&r->turn);
    if (r->pool != lasting_pool)
        rn_pool_free(r->pool);
    must(r->n_allocs == 0 && r->n_lent == 0);
    check_lasting();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rig.in = rn_reader_of(rn_view_of(data, size));
    begin(&rig);
    for (unsigned i = 0; i < DEEDS_MAX && rig.in.rest.len > 0; i++)
        step(&rig);
    fini(&rig);
    return 0;
}
