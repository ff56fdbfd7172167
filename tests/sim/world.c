#include "world.h"

#include "dev/pipe.h"
#include "ip/ip.h"

#include <runnel/err.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT_NS (36000 * RN_NS_PER_S)

enum {
    POOL_MAX_BYTES = 128 << 20,
    SEGMENTS_MAX = 20000,
    STILL_MAX =
        1000000, /* turns at one and the same time: somebody asks for a turn and does nothing in it */
};

static const struct rn_protos protos = {
    .l3 = { &rn_ipv4_ops, &rn_ipv6_ops },
    .l4 = { &rn_icmp4_ops, &rn_icmp6_ops, &rn_tcp_ops },
};

void sim_wrong(struct sim_world *w, const struct sim_conn *conn, const char *what)
{
    if (w->wrong[0] != 0)
        return;
    if (conn == NULL)
        snprintf(w->wrong, sizeof(w->wrong), "%s", what);
    else
        snprintf(w->wrong, sizeof(w->wrong), "connection %u (port %u, manner %u): %s",
                 (unsigned)(conn - w->conns), conn->port, conn->manner, what);
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

static void *take(void *ctx, size_t bytes)
{
    struct sim_world *w = ctx;
    void *ptr;

    if (w->fail_ppm != 0 && rn_rand_below(&w->fail_rand, 1000000) < w->fail_ppm)
        return NULL;
    ptr = calloc(1, bytes);
    if (ptr == NULL)
        abort();
    w->n_live++;
    w->bytes_live += bytes;
    w->bytes_peak = w->bytes_live > w->bytes_peak ? w->bytes_live : w->bytes_peak;
    return ptr;
}

static void give(void *ctx, void *ptr, size_t bytes)
{
    struct sim_world *w = ctx;

    w->n_live--;
    w->bytes_live -= bytes;
    free(ptr);
}

/* --- the weather ---------------------------------------------------------------------------------------------------- */

static uint32_t some_ppm(struct sim_world *w, uint32_t percent, uint32_t most_ppm)
{
    return sim_chance(w, percent) ? 1 + sim_below(w, most_ppm) : 0;
}

static void choose_way(struct sim_world *w, struct rn_impair_dir *d)
{
    static const int64_t delays_ms[] = { 0, 1, 5, 20, 50, 300, 1000 };

    *d = (struct rn_impair_dir){ 0 };
    d->loss_ppm = some_ppm(w, 50, w->is_gentle ? 20000 : 400000);
    d->burst_ppm = w->is_gentle ? 0 : some_ppm(w, 20, 5000);
    d->burst_end_ppm = 50000 + sim_below(w, 400000);
    d->reorder_ppm = some_ppm(w, 40, 500000);
    d->dup_ppm = some_ppm(w, 30, 300000);
    d->corrupt_ppm = some_ppm(w, 30, w->is_gentle ? 5000 : 50000);
    d->delay_ns = delays_ms[sim_below(w, RN_ARRAY_LEN(delays_ms))] * RN_NS_PER_MS;
    d->jitter_ns = sim_chance(w, 30) ? d->delay_ns / 2 : 0;
    /* A long queue at a low rate outlives every handshake. */
    if (sim_chance(w, 25))
        d->rate_bps = (w->is_gentle ? 16000000u : 1000000u) << sim_below(w, 5);
    d->queue_pkts = sim_chance(w, 20) && !w->is_gentle ? 20 + sim_below(w, 200) : 0;
}

static void choose_episodes(struct sim_world *w, struct sim_box_opts *o, int64_t span_ns)
{
    o->n_episodes = sim_chance(w, 40) ? 1 + sim_below(w, SIM_EPISODES_MAX) : 0;
    for (unsigned i = 0; i < o->n_episodes; i++) {
        struct sim_episode *e = &o->episodes[i];
        uint64_t longest_ns = (uint64_t)(w->is_gentle ? 2 : 60) * (uint64_t)RN_NS_PER_S;

        e->from_ns = w->turn.now_ns + (int64_t)rn_rand_below(&w->rand, (uint64_t)span_ns);
        e->to_ns = e->from_ns + (int64_t)rn_rand_below(&w->rand, longest_ns);
        e->is_spike = sim_chance(w, 50);
    }
}

static void choose_box(struct sim_world *w, struct sim_box_opts *o, int64_t span_ns)
{
    static const unsigned strips[] = { SIM_STRIP_SACK, SIM_STRIP_TS, SIM_STRIP_WSCALE,
                                       SIM_STRIP_MSS, 15 };

    *o = (struct sim_box_opts){ 0 };
    choose_episodes(w, o, span_ns);
    if (sim_chance(w, 25))
        o->strip = strips[sim_below(w, RN_ARRAY_LEN(strips))];
    if (sim_chance(w, 10))
        o->strip_late = strips[sim_below(w, 2)];
    if (sim_chance(w, 10))
        o->mss = (uint16_t)(600 + sim_below(w, 800));
    if (sim_chance(w, 10)) {
        /* What is sent in the moment the path is found to be narrower never leaves the host. */
        sim_monitor_starve(w->monitor);
        o->hole_bytes = 1280 + sim_below(w, 200);
        o->hole_ns = w->turn.now_ns + (int64_t)rn_rand_below(&w->rand, (uint64_t)span_ns);
    }
    o->ce_ppm = some_ppm(w, 30, 200000);
    o->bleaches_ecn = sim_chance(w, 5);
    o->hostile_ppm = some_ppm(w, 50, 30000);
    o->forges_syns = !w->is_gentle;
}

/* --- hosts ---------------------------------------------------------------------------------------------------------- */

static int raise(struct sim_world *w, unsigned side)
{
    struct sim_host *h = &w->hosts[side];
    struct rn_stack_opts so = { .protos = &protos, .is_test = true };
    struct rn_nic_opts no = { 0 };
    struct rn_endpoint any = { .port = SIM_SERVER_PORT };
    int64_t ecn = sim_chance(w, 50) ? RN_TCP_ECN_ACCURATE_GRANT : RN_TCP_ECN_GRANT;

    for (unsigned i = 0; i < sizeof(so.secret); i++)
        so.secret[i] = (uint8_t)sim_below(w, 256);
    h->v4 = rn_addr_v4(0x0a000001u + side);
    (void)!rn_addr_parse(side == 0 ? "fd00::1" : "fd00::2", &h->v6);
    h->peer = &w->hosts[1 - side];
    if (rn_stack_new(&h->stack, &w->turn, &so) < 0 ||
        rn_nic_new(&h->nic, h->stack, &h->box->base.dev, &no) < 0)
        return RN_E_NOMEM;
    rn_pump_init(&h->pump, h->nic);
    if (rn_nic_add_addr(h->nic, h->v4, 24) < 0 || rn_nic_add_addr(h->nic, h->v6, 64) < 0 ||
        rn_tcp_new(&h->listener, h->stack) < 0 || rn_sock_bind(h->listener, &any) < 0 ||
        rn_sock_set_opt(h->listener, RN_TCP_FASTOPEN, 64) < 0 ||
        rn_sock_set_opt(h->listener, RN_TCP_ECN, ecn) < 0 || rn_sock_listen(h->listener, 4096) < 0)
        return RN_E_NOMEM;
    rn_sock_on_event(h->listener, sim_on_accept, h);
    return RN_OK;
}

static void check_quiet(struct sim_world *w, const struct sim_host *h)
{
    const struct rn_tcp_stack *tcp = rn_stack_l4_state(h->stack, RN_PROTO_TCP);

    if (!rn_list_is_empty(&tcp->conns))
        sim_wrong(w, NULL, "a connection was left");
    if (tcp->n_timewait != 0 || tcp->n_orphans != 0)
        sim_wrong(w, NULL, "TIME-WAIT or orphans were left");
    if (h->stack->sock_bytes != 0 || h->stack->reass_bytes != 0)
        sim_wrong(w, NULL, "socket memory was left");
    if (h->stack->stats.tcp_invariant_broken != 0)
        sim_wrong(w, NULL, "a protocol invariant broke");
}

static void fell(struct sim_host *h)
{
    rn_pump_fini(&h->pump);
    h->stack = rn_stack_free(h->stack);
}

static void turn_at(struct sim_world *w, int64_t now_ns)
{
    rn_turn_begin(&w->turn, now_ns);
    rn_turn_end(&w->turn);
}

/* Without a word: nothing it would say on the way down leaves it. */
static void reboot(struct sim_world *w)
{
    unsigned side = w->reboot_side;
    struct sim_host *h = &w->hosts[side];

    h->box->is_unplugged = true;
    for (unsigned i = 0; i < w->n_conns; i++) {
        struct sim_conn *conn = &w->conns[i];
        struct sim_end *end = conn->side == side ? &conn->client : &conn->server;

        conn->is_excused = true;
        if (end->sock != NULL)
            sim_end_leave(end, true);
    }
    h->listener = rn_sock_abort(h->listener);
    turn_at(w, w->turn.now_ns);
    fell(h);
    sim_monitor_rebooted(w->monitor);
    h->box->is_unplugged = false;
    if (raise(w, side) < 0)
        abort();
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static void lay_path(struct sim_world *w, int64_t span_ns)
{
    static const uint32_t mtus[] = { 1500, 1500, 1500, 1400, 1280, 4000, 9000, 65520 };
    struct rn_pipe_opts po = { .mtu = mtus[sim_below(w, RN_ARRAY_LEN(mtus))],
                               .has_offload = sim_chance(w, 30),
                               .queue_pkts = 1u << 20 };
    struct rn_impair_opts io = { .seed = w->seed };
    struct sim_box_opts box[SIM_SIDES];
    struct rn_device *ends[SIM_SIDES];

    choose_way(w, &io.in);
    choose_way(w, &io.out);
    choose_box(w, &box[0], span_ns);
    box[1] = (struct sim_box_opts){ .side = 1,
                                    .hostile_ppm = box[0].hostile_ppm,
                                    .forges_syns = box[0].forges_syns };
    if (rn_pipe_new(ends, &w->turn, &po) < 0 || rn_impair_new(&ends[0], ends[0], &io) < 0)
        abort();
    for (unsigned side = 0; side < SIM_SIDES; side++) {
        w->hosts[side].box = sim_box_new(ends[side], w->monitor, &box[side], w->seed * 2 + side);
        if (w->hosts[side].box == NULL || raise(w, side) < 0)
            abort();
        w->hosts[side].box->is_shown = w->is_shown;
    }
}

static void ring(struct rn_timer *timer)
{
    (void)timer;
}

static void choose_disasters(struct sim_world *w, int64_t span_ns)
{
    w->reboot_ns = INT64_MAX;
    w->alarm.fire = ring;
    if (w->is_gentle)
        return;
    if (sim_chance(w, 20)) {
        w->reboot_ns = w->turn.now_ns + (int64_t)rn_rand_below(&w->rand, (uint64_t)span_ns);
        w->reboot_side = sim_below(w, SIM_SIDES);
        rn_turn_arm(&w->turn, &w->alarm, w->reboot_ns);
    } else if (sim_chance(w, 20)) {
        sim_monitor_starve(w->monitor);
        w->fail_ppm = 100 + sim_below(w, 20000);
        w->starved_until_ns = w->turn.now_ns + 2 * span_ns;
    }
}

static void world_begin(struct sim_world *w, uint64_t seed, unsigned n_conns)
{
    static const uint8_t turn_seed[16] = "simulated worlds";
    struct rn_pool_limits limits = { .max_bytes = POOL_MAX_BYTES };
    int64_t span_ns;

    w->seed = seed;
    w->alloc = (struct rn_alloc){ take, give, w };
    rn_rand_init_u64(&w->rand, seed);
    rn_rand_init_u64(&w->fail_rand, ~seed);
    if (rn_pool_new(&w->pool, &w->alloc, &limits) < 0)
        abort();
    rn_turn_init(&w->turn, w->pool, turn_seed, RN_NS_PER_S);
    w->monitor = sim_monitor_new();
    w->conns = calloc(n_conns, sizeof(*w->conns));
    if (w->monitor == NULL || w->conns == NULL)
        abort();
    w->n_conns = n_conns;
    w->is_gentle = sim_chance(w, 50);
    span_ns = (1 + (int64_t)sim_below(w, 60)) * RN_NS_PER_S;
    lay_path(w, span_ns);
    for (unsigned i = 0; i < n_conns; i++)
        sim_conn_plan(w, &w->conns[i], span_ns);
    choose_disasters(w, span_ns);
}

static void disasters(struct sim_world *w)
{
    if (w->fail_ppm != 0) {
        for (unsigned i = 0; i < w->n_conns; i++)
            w->conns[i].is_excused = true;
        if (w->turn.now_ns > w->starved_until_ns)
            w->fail_ppm = 0;
    }
    if (w->turn.now_ns >= w->reboot_ns) {
        w->reboot_ns = INT64_MAX;
        reboot(w);
    }
}

static void tell_hang(struct sim_world *w, const struct sim_conn *conn, const char *who,
                      const struct sim_end *end)
{
    const struct rn_tcp *tcp = rn_container_of(end->sock, const struct rn_tcp, sock);
    char text[140];

    snprintf(text, sizeof(text),
             "%s hangs in %s, queued %u, charged %u, window %u, read %llu, wrote %llu of %llu%s",
             who, rn_tcp_state_name((enum rn_tcp_state)tcp->state), tcp->rcv.queued,
             tcp->rcv.charged, tcp->rcv.wnd, (unsigned long long)end->read,
             (unsigned long long)end->written, (unsigned long long)end->to_write,
             end->is_eof ? ", EOF" : "");
    sim_wrong(w, conn, text);
}

static void check_hang(struct sim_world *w, const struct sim_conn *conn)
{
    if (conn->client.sock != NULL)
        tell_hang(w, conn, "client", &conn->client);
    if (conn->server.sock != NULL)
        tell_hang(w, conn, "server", &conn->server);
}

/* All connections end, and nothing that is left stays for ever. */
static void world_pass(struct sim_world *w)
{
    int64_t next_ns = w->turn.now_ns;
    unsigned n_still = 0;

    while (next_ns != INT64_MAX && next_ns < LIMIT_NS && n_still < STILL_MAX) {
        n_still = next_ns == w->turn.now_ns ? n_still + 1 : 0;
        turn_at(w, next_ns);
        disasters(w);
        next_ns = rn_turn_deadline_ns(&w->turn);
    }
    for (unsigned i = 0; i < w->n_conns && w->n_open != 0; i++)
        check_hang(w, &w->conns[i]);
    if (n_still == STILL_MAX)
        sim_wrong(w, NULL, "time stands still");
    else if (next_ns != INT64_MAX)
        sim_wrong(w, NULL, "it never becomes quiet");
}

static void judge(struct sim_world *w, struct sim_verdict *v)
{
    for (unsigned i = 0; i < w->n_conns; i++) {
        struct sim_conn *conn = &w->conns[i];

        sim_conn_judge(w, conn);
        v->n_bytes += conn->client.read + conn->server.read;
        v->n_whole += conn->client.read == conn->server.to_write &&
                      conn->server.read == conn->client.to_write;
        if (sim_monitor_segments(w->monitor, conn->side, conn->is_v6, conn->port) > SEGMENTS_MAX)
            sim_wrong(w, conn, "too many segments");
    }
    for (unsigned side = 0; side < SIM_SIDES; side++) {
        struct sim_box *box = w->hosts[side].box;

        v->hash ^= box->hash + side;
        v->n_pkts += box->n_sent;
        v->n_hostile += (unsigned)box->n_hostile;
        if (box->wrong != NULL)
            sim_wrong(w, NULL, box->wrong);
    }
    v->virtual_ns = w->turn.now_ns;
}

static void world_end(struct sim_world *w)
{
    struct rn_pool_stats stats;

    for (unsigned i = 0; i < w->n_conns; i++) {
        rn_turn_cancel(&w->turn, &w->conns[i].start);
        sim_end_leave(&w->conns[i].client, true);
        sim_end_leave(&w->conns[i].server, true);
    }
    for (unsigned side = 0; side < SIM_SIDES; side++)
        w->hosts[side].listener = rn_sock_close(w->hosts[side].listener);
    turn_at(w, w->turn.now_ns);
    for (unsigned side = 0; side < SIM_SIDES; side++) {
        check_quiet(w, &w->hosts[side]);
        fell(&w->hosts[side]);
    }
    for (unsigned side = 0; side < SIM_SIDES; side++)
        rn_device_free(&w->hosts[side].box->base.dev);
    rn_turn_cancel(&w->turn, &w->alarm);
    rn_pool_get_stats(w->pool, &stats);
    if (stats.pkts_in_use != 0 || stats.small_in_use != 0 || stats.big_in_use != 0)
        sim_wrong(w, NULL, "packets or buffers leak");
    if (w->turn.wheel.n_armed != 0)
        sim_wrong(w, NULL, "a timer was left");
    rn_turn_fini(&w->turn);
    rn_pool_free(w->pool);
    if (w->n_live != 0 || w->bytes_live != 0)
        sim_wrong(w, NULL, "memory leaks");
    sim_monitor_free(w->monitor);
    free(w->conns);
}

void sim_world_live(const struct sim_life *life, struct sim_verdict *ret)
{
    struct sim_world *w = calloc(1, sizeof(*w));
    struct sim_verdict v = { 0 };

    if (w == NULL)
        abort();
    w->is_shown = life->is_shown;
    world_begin(w, life->seed, life->n_conns);
    world_pass(w);
    judge(w, &v);
    world_end(w);
    memcpy(v.wrong, w->wrong, sizeof(v.wrong));
    free(w);
    *ret = v;
}
