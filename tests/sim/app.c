/* Applications: what they write is a function of the place in the stream, so every byte read is checked. */
#include "world.h"

#include <runnel/err.h>
#include <runnel/tcp.h>
#include <stdlib.h>

enum { PATTERN = 65521, READ_MAX = 65536 };

/* Two rounds of a pattern whose length is prime: any run of it up to a round is contiguous. */
static const uint8_t *pattern_at(const struct sim_end *end, uint64_t at)
{
    static uint8_t bytes[2 * PATTERN];

    if (bytes[1] == 0) {
        for (uint32_t i = 0; i < 2 * PATTERN; i++)
            bytes[i] = (uint8_t)((i % PATTERN) * 2654435761u >> 23 | 1);
    }
    return bytes + (at + end->salt) % PATTERN;
}

static struct sim_end *peer_of(struct sim_end *end)
{
    return end == &end->conn->client ? &end->conn->server : &end->conn->client;
}

static bool is_client(const struct sim_end *end)
{
    return end == &end->conn->client;
}

void sim_end_leave(struct sim_end *end, bool is_abort)
{
    struct sim_world *w = end->conn->world;

    if (end->is_over)
        return;
    end->is_over = true;
    w->n_open--;
    rn_turn_cancel(&w->turn, &end->timer);
    if (end->sock == NULL)
        return;
    if (is_abort)
        end->sock = rn_sock_abort(end->sock);
    else
        end->sock = rn_sock_close(end->sock);
}

static void fail(struct sim_end *end, int error)
{
    end->error = error;
    sim_end_leave(end, false);
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

static void choose_controller(struct sim_world *w, struct sim_end *end)
{
    static const char *const names[] = { "cubic", "cubic", "reno", "bbr" };

    (void)!rn_tcp_set_congestion(end->sock, names[sim_below(w, RN_ARRAY_LEN(names))]);
}

static void shut(struct sim_end *end)
{
    if (end->is_shut)
        return;
    end->is_shut = true;
    if (is_client(end) && end->conn->manner == SIM_FIRE_FORGET) {
        sim_end_leave(end, false);
        return;
    }
    (void)!rn_sock_shutdown(end->sock, RN_SHUT_WRITE);
}

static void write_some(struct sim_end *end)
{
    while (!end->is_over && end->written < end->to_write) {
        uint64_t limit = rn_min_u64(end->to_write, end->hold_at);
        size_t n = rn_min_size(end->write_bytes, (size_t)(limit - end->written));
        int64_t took;

        if (n == 0)
            return;
        took = rn_tcp_write(end->sock, pattern_at(end, end->written), n, 0);
        if (took == RN_E_WOULD_BLOCK)
            return;
        if (took == RN_E_NOMEM) {
            end->conn->is_excused = true;
            rn_turn_arm(&end->conn->world->turn, &end->timer,
                        end->conn->world->turn.now_ns + RN_NS_PER_S);
            return;
        }
        if (took < 0) {
            fail(end, (int)took);
            return;
        }
        end->written += (uint64_t)took;
        if (sim_chance(end->conn->world, 1))
            choose_controller(end->conn->world, end); /* in full flight */
    }
    if (!end->is_over)
        shut(end);
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

static void check(struct sim_end *end, const uint8_t *bytes, size_t n)
{
    struct sim_end *peer = peer_of(end);

    if (!end->conn->is_stained && memcmp(bytes, pattern_at(peer, end->read), n) != 0)
        sim_wrong(end->conn->world, end->conn, "bytes differ");
    end->read += n;
    if (end->read > peer->written)
        sim_wrong(end->conn->world, end->conn, "more bytes than were written");
}

/* What a manner does at a certain byte. */
static bool is_cut(struct sim_end *end)
{
    const struct sim_conn *conn = end->conn;
    bool is_mine = (conn->manner == SIM_ABORTING && is_client(end)) ||
                   (conn->manner == SIM_RUDE_SERVER && !is_client(end));

    if (!is_mine || end->read < conn->cut_at)
        return false;
    sim_end_leave(end, conn->manner == SIM_ABORTING);
    return true;
}

static void finish_if_done(struct sim_end *end)
{
    if (!end->is_over && end->is_eof && end->is_shut)
        sim_end_leave(end, false);
}

static void read_some(struct sim_end *end, size_t max)
{
    static uint8_t bytes[READ_MAX];
    int64_t n = 1;

    while (max > 0 && n > 0 && !is_cut(end)) {
        n = rn_tcp_read(end->sock, bytes, rn_min_size(rn_min_size(max, PATTERN), sizeof(bytes)));
        if (n > 0) {
            check(end, bytes, (size_t)n);
            max -= (size_t)n;
        }
    }
    if (end->is_over || n > 0)
        return;
    if (n == 0) {
        end->is_eof = true;
        finish_if_done(end);
    } else if (n != RN_E_WOULD_BLOCK) {
        fail(end, (int)n);
    }
}

/* --- events --------------------------------------------------------------------------------------------------------- */

/* No connection holds more than its buffers allow, whatever the peer does. */
static void check_bounds(struct sim_end *end)
{
    const struct rn_tcp *conn = rn_container_of(end->sock, const struct rn_tcp, sock);

    /* A buffer made smaller keeps what was promised before. */
    if (conn->rcv.charged > 2 * rn_max_u32(conn->rcv.buf_max, 256u << 10) + (256u << 10))
        sim_wrong(end->conn->world, end->conn, "receive memory beyond its bound");
    if (conn->snd.queued > conn->snd.buf_max + (256u << 10))
        sim_wrong(end->conn->world, end->conn, "send memory beyond its bound");
}

static void on_event(struct rn_sock *sock, unsigned events, void *arg)
{
    struct sim_end *end = arg;

    if ((events & RN_ERROR) != 0) {
        fail(end, rn_sock_take_error(sock));
        return;
    }
    check_bounds(end);
    if ((events & RN_WRITABLE) != 0)
        write_some(end);
    if (end->is_over || (events & (RN_READABLE | RN_PEER_SHUT | RN_HANGUP)) == 0)
        return;
    if (end->conn->manner != SIM_SLOW)
        read_some(end, SIZE_MAX);
    finish_if_done(end);
}

static void on_timer(struct rn_timer *timer)
{
    struct sim_end *end = rn_container_of(timer, struct sim_end, timer);
    struct sim_world *w = end->conn->world;

    end->hold_at = UINT64_MAX;
    write_some(end);
    if (end->is_over || end->conn->manner != SIM_SLOW)
        return;
    read_some(end, 1 + sim_below(w, 30000));
    finish_if_done(end);
    if (!end->is_over)
        rn_turn_arm(&w->turn, &end->timer,
                    w->turn.now_ns + (1 + (int64_t)sim_below(w, 400)) * RN_NS_PER_MS);
}

/* --- beginning ------------------------------------------------------------------------------------------------------ */

static void set_options(struct sim_world *w, struct sim_end *end)
{
    static const struct {
        enum rn_sock_opt opt;
        int64_t value;
        unsigned percent;
    } some[] = {
        { RN_TCP_NODELAY, 1, 30 },
        { RN_TCP_CORK, 1, 5 },
        { RN_TCP_QUICKACK, 1, 10 },
        { RN_SO_SNDBUF, 8192, 5 },
        { RN_SO_RCVBUF, 4096, 5 },
        { RN_SO_RCVBUF, 65536, 5 },
        { RN_TCP_MAXSEG, 600, 3 },
        { RN_TCP_WINDOW_CLAMP, 3000, 3 },
        { RN_TCP_NOTSENT_LOWAT, 4096, 5 },
        { RN_TCP_MAX_PACING_RATE, 200000, 5 },
        { RN_TCP_ECN, RN_TCP_ECN_ASK, 40 },
        { RN_TCP_ECN, RN_TCP_ECN_OFF, 10 },
        { RN_TCP_ECN, RN_TCP_ECN_ACCURATE_ASK, 30 },
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(some); i++) {
        if (sim_chance(w, some[i].percent))
            (void)!rn_sock_set_opt(end->sock, some[i].opt, some[i].value);
    }
    /* Whoever waits for a peer that is gone without a word must learn of it. */
    (void)!rn_sock_set_opt(end->sock, RN_SO_KEEPALIVE, 1);
    (void)!rn_sock_set_opt(end->sock, RN_TCP_KEEPIDLE_NS, 60 * RN_NS_PER_S);
    (void)!rn_sock_set_opt(end->sock, RN_TCP_KEEPINTVL_NS, 20 * RN_NS_PER_S);
    choose_controller(w, end);
}

static void begin(struct sim_end *end)
{
    struct sim_world *w = end->conn->world;

    set_options(w, end);
    if (end->conn->manner == SIM_SLOW)
        rn_turn_arm(&w->turn, &end->timer, w->turn.now_ns + RN_NS_PER_MS);
    if (end->conn->manner == SIM_PAUSING && is_client(end)) {
        end->hold_at = end->to_write / 2;
        rn_turn_arm(&w->turn, &end->timer,
                    w->turn.now_ns + (1 + (int64_t)sim_below(w, 40)) * RN_NS_PER_S);
    }
    rn_sock_on_event(end->sock, on_event, end);
}

/* What a SYN says. */
static void set_handshake_options(struct sim_conn *conn)
{
    struct sim_world *w = conn->world;
    struct rn_sock *sock = conn->client.sock;

    if (sim_chance(w, 10))
        (void)!rn_sock_set_opt(sock, RN_TCP_TIMESTAMPS, 0);
    if (sim_chance(w, 10))
        (void)!rn_sock_set_opt(sock, RN_TCP_SACK, 0);
    if (sim_chance(w, 10))
        (void)!rn_sock_set_opt(sock, RN_TCP_WSCALE, 0);
    /* Who never writes would never send its SYN. */
    if (conn->client.to_write != 0 && sim_chance(w, 40))
        conn->is_fast = rn_sock_set_opt(sock, RN_TCP_FASTOPEN_CONNECT, 1) == RN_OK;
}

/* Who comes late by this port belongs to us. */
static void take_port(struct sim_host *from, struct sim_conn *conn)
{
    struct sim_conn **at = &from->by_port[conn->is_v6][conn->port];

    if (*at != NULL) {
        (*at)->is_excused = true;
        conn->is_stained = (*at)->is_fast || (*at)->is_stained;
        conn->is_excused |= conn->is_stained;
    }
    *at = conn;
}

static void on_start(struct rn_timer *timer)
{
    struct sim_conn *conn = rn_container_of(timer, struct sim_conn, start);
    struct sim_world *w = conn->world;
    struct sim_host *from = &w->hosts[conn->side];
    const struct sim_host *to = &w->hosts[1 - conn->side];
    struct rn_endpoint remote = { .addr = conn->is_v6 ? to->v6 : to->v4, .port = SIM_SERVER_PORT };
    int err;

    if (rn_tcp_new(&conn->client.sock, from->stack) < 0) {
        conn->is_excused = true;
        fail(&conn->client, RN_E_NOMEM);
        return;
    }
    set_handshake_options(conn);
    err = rn_sock_connect(conn->client.sock, &remote);
    if (err != RN_E_CONNECT_STARTED && err != RN_OK) {
        conn->is_excused |= err == RN_E_NOMEM;
        fail(&conn->client, err);
        return;
    }
    conn->port = rn_sock_local(conn->client.sock).port;
    take_port(from, conn);
    begin(&conn->client);
}

static struct sim_conn *conn_of(const struct sim_host *client, const struct rn_sock *sock)
{
    struct rn_endpoint remote = rn_sock_remote(sock);

    return client->by_port[!rn_addr_is_v4(remote.addr)][remote.port];
}

void sim_on_accept(struct rn_sock *listener, unsigned events, void *arg)
{
    struct sim_host *host = arg;
    struct rn_sock *sock;

    (void)events;
    while (rn_sock_accept(listener, &sock) == RN_OK) {
        struct sim_conn *conn = conn_of(host->peer, sock);

        if (conn == NULL || conn->server.sock != NULL || conn->server.is_over) {
            if (conn != NULL && conn->is_fast)
                conn->is_excused = true; /* its SYN was heard twice */
            rn_sock_abort(sock);         /* of a connection that an earlier life began */
            continue;
        }
        conn->server.sock = sock;
        conn->world->n_open++;
        begin(&conn->server);
    }
}

static uint64_t size_of_stream(struct sim_world *w)
{
    uint32_t kind = sim_below(w, 100);

    if (kind < 10)
        return 0;
    if (kind < 70)
        return sim_below(w, 3000);
    if (kind < 97 || !w->is_gentle)
        return sim_below(w, 40000);
    return sim_below(w, 600000);
}

static void plan_end(struct sim_world *w, struct sim_conn *conn, struct sim_end *end)
{
    *end = (struct sim_end){ .conn = conn,
                             .timer = { .fire = on_timer },
                             .to_write = size_of_stream(w),
                             .hold_at = UINT64_MAX,
                             .write_bytes = 1 + sim_below(w, sim_chance(w, 30) ? 500 : 20000),
                             .salt = sim_below(w, PATTERN) };
}

void sim_conn_plan(struct sim_world *w, struct sim_conn *conn, int64_t span_ns)
{
    static const unsigned char manners[] = {
        SIM_POLITE,      SIM_POLITE,   SIM_POLITE,      SIM_POLITE, SIM_POLITE,
        SIM_FIRE_FORGET, SIM_ABORTING, SIM_RUDE_SERVER, SIM_SLOW,   SIM_PAUSING,
    };

    conn->world = w;
    conn->side = sim_below(w, 2);
    conn->is_v6 = sim_chance(w, 50);
    conn->manner = (enum sim_manner)manners[sim_below(w, sizeof(manners))];
    conn->start.fire = on_start;
    plan_end(w, conn, &conn->client);
    plan_end(w, conn, &conn->server);
    if (conn->manner == SIM_FIRE_FORGET)
        conn->server.to_write = 0;
    conn->cut_at = sim_below(w, 20000);
    w->n_open++;
    rn_turn_arm(&w->turn, &conn->start,
                w->turn.now_ns + (int64_t)rn_rand_below(&w->rand, (uint64_t)span_ns));
}

/* --- judgement ------------------------------------------------------------------------------------------------------ */

/* Prefixes were checked byte by byte; here: what had to arrive did. */
void sim_conn_judge(struct sim_world *w, struct sim_conn *conn)
{
    const struct sim_end *c = &conn->client;
    const struct sim_end *s = &conn->server;

    if ((c->is_eof && s->is_shut && c->read != s->to_write) ||
        (s->is_eof && c->is_shut && s->read != c->to_write))
        sim_wrong(w, conn, "an end of stream in the middle");
    if (!w->is_gentle || conn->is_excused || conn->manner == SIM_ABORTING ||
        conn->manner == SIM_RUDE_SERVER)
        return;
    if (c->error != 0)
        sim_wrong(w, conn, rn_err_text(c->error));
    if (s->error != 0)
        sim_wrong(w, conn, rn_err_text(s->error));
    if (s->read != c->to_write || (conn->manner != SIM_FIRE_FORGET && c->read != s->to_write))
        sim_wrong(w, conn, "a stream did not arrive");
}
