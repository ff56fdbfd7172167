#include "run.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Packets in and out, between the script's numbers and those on the wire. */

#define PORT_SERVICE 8080  /* ours in bind(), the peer's in connect() */
#define PORT_REMOTE  40000 /* of peers that connect to us, plus the number of the flow */
#define LOOK_AHEAD_S 200   /* how far to look for the packet that should have left earlier */

/* --- flows --------------------------------------------------------------------------------------------------------- */

static void default_names(const struct run *run, unsigned number, struct flow_names *ret)
{
    bool is_v6 = run->script->opts.is_v6;

    *ret = (struct flow_names){ .is_v6 = is_v6,
                                .local_port = PORT_SERVICE,
                                .remote_port = (uint16_t)(PORT_REMOTE + number) };
    inet_pton(is_v6 ? AF_INET6 : AF_INET, is_v6 ? "fd3d:fa7b:d17d::1" : "192.168.0.1", ret->local);
    inet_pton(is_v6 ? AF_INET6 : AF_INET, is_v6 ? "2001:db8::1" : "192.0.2.1", ret->remote);
}

struct flow *run_flow(struct run *run, unsigned number)
{
    struct flow *flow = &run->flows[number == 0 ? 1 : number];

    if (!flow->is_known) {
        flow->is_known = true;
        flow->may_learn = true;
        default_names(run, number == 0 ? 1 : number, &flow->names);
    }
    return flow;
}

struct flow *run_flow_of_fd(struct run *run, int live_fd)
{
    const struct face_fd *f = face_fd(&run->face, live_fd);
    struct rn_endpoint local;
    struct rn_endpoint remote;

    if (f == NULL || f->sock == NULL)
        return NULL;
    local = rn_sock_local(f->sock);
    remote = rn_sock_remote(f->sock);
    for (int i = 1; i < RUN_FLOWS_MAX; i++) {
        struct flow *flow = &run->flows[i];

        if (flow->is_known && flow->names.local_port == local.port &&
            flow->names.remote_port == remote.port)
            return flow;
    }
    return NULL;
}

static bool same_names(const struct flow_names *a, const struct flow_names *b)
{
    size_t len = a->is_v6 ? 16 : 4;

    return a->is_v6 == b->is_v6 && a->local_port == b->local_port &&
           a->remote_port == b->remote_port && memcmp(a->local, b->local, len) == 0 &&
           memcmp(a->remote, b->remote, len) == 0;
}

/* --- timestamps of ours -------------------------------------------------------------------------------------------- */

static void learn_ts(struct flow *flow, uint32_t script, uint32_t wire)
{
    uint32_t *pair = flow->ts[flow->n_ts % RUN_TS_PAIRS_MAX];

    pair[0] = script;
    pair[1] = wire;
    flow->n_ts++;
}

static uint32_t ts_to_wire(const struct flow *flow, uint32_t script)
{
    unsigned n = flow->n_ts < RUN_TS_PAIRS_MAX ? flow->n_ts : RUN_TS_PAIRS_MAX;

    for (unsigned i = n; i-- > 0;) {
        if (flow->ts[i][0] == script)
            return flow->ts[i][1];
    }
    return n > 0 ? script - flow->ts[0][0] + flow->ts[0][1] : script;
}

/* --- in ------------------------------------------------------------------------------------------------------------ */

static void opts_to_wire(const struct flow *flow, struct packet *pkt)
{
    for (unsigned i = 0; i < pkt->n_opts; i++) {
        struct tcp_opt *opt = &pkt->opts[i];

        if (opt->kind == OPT_TS && opt->ecr != 0)
            opt->ecr = ts_to_wire(flow, opt->ecr);
        for (unsigned k = 0; k < opt->n_sack; k++) {
            opt->sack[k][0] += flow->offset;
            opt->sack[k][1] += flow->offset;
        }
    }
}

bool run_inject(struct run *run, const struct event *event)
{
    static uint8_t bytes[WIRE_BYTES_MAX];
    struct flow *flow = run_flow(run, event->packet->flow);
    struct packet pkt = *event->packet;
    size_t header = 40 + 60; /* the largest */

    if (pkt.len > WIRE_BYTES_MAX - header)
        return run_fail(run, event, "a packet holds at most %zu bytes", WIRE_BYTES_MAX - header);
    if (!pkt.has_win)
        pkt.win = 65535; /* an ACK without "win" opens the window wide */
    if (pkt.has_ack)
        pkt.ack += flow->offset;
    pkt.quote_seq += flow->offset;
    opts_to_wire(flow, &pkt);
    if ((pkt.flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN && !flow->is_active && !pkt.is_icmp)
        flow->may_learn = true;
    world_feed(&run->world, bytes, wire_emit(&pkt, &flow->names, bytes));
    return true;
}

/* --- out: what left, in the script's numbers ------------------------------------------------------------------------ */

struct seen {
    struct packet pkt;
    struct flow_names names;
    const uint8_t *data;
    int64_t at_us;
    uint32_t wire_seq;
    uint32_t wire_ts;
};

/* A SYN tells the names (the port that connect() took) and our ISN. */
static void learn(struct flow *flow, const struct packet *want, const struct seen *seen)
{
    bool is_syn = (seen->pkt.flags & want->flags & FLAG_SYN) != 0;
    bool is_active = is_syn && (seen->pkt.flags & FLAG_ACK) == 0;

    if (is_active && !same_names(&flow->names, &seen->names)) {
        flow->names = seen->names;
        flow->is_active = true;
        flow->may_learn = true;
    }
    if (!is_syn || !flow->may_learn)
        return;
    flow->may_learn = false;
    flow->has_isn = true;
    flow->isn = seen->wire_seq;
    flow->offset = seen->wire_seq - want->seq;
    flow->n_ts = 0;
}

static void to_script_numbers(const struct flow *flow, struct seen *seen)
{
    seen->pkt.seq = seen->wire_seq - flow->offset;
    for (unsigned i = 0; i < seen->pkt.n_opts; i++) {
        struct tcp_opt *opt = &seen->pkt.opts[i];

        if (opt->kind != OPT_TS)
            continue;
        seen->wire_ts = opt->val;
        if (flow->n_ts > 0)
            opt->val = opt->val - flow->ts[0][1] + flow->ts[0][0];
    }
}

/* --- out: comparison ----------------------------------------------------------------------------------------------- */

static const struct tcp_opt *find_opt(const struct packet *pkt, uint8_t kind)
{
    for (unsigned i = 0; i < pkt->n_opts; i++) {
        if (pkt->opts[i].kind == kind)
            return &pkt->opts[i];
    }
    return NULL;
}

static bool is_ts_right(const struct run *run, const struct flow *flow, const struct tcp_opt *want,
                        const struct tcp_opt *got)
{
    uint32_t tick_us = (uint32_t)run->script->opts.ts_tick_us;
    uint32_t slack = tick_us == 0 ? 0 : (uint32_t)run->script->opts.tolerance_us / tick_us;

    if (want->ecr != got->ecr)
        return false;
    if (tick_us == 0 || flow->n_ts == 0)
        return true;
    return got->val - want->val + slack <= 2 * slack;
}

static bool same_opt(const struct run *run, const struct flow *flow, const struct tcp_opt *want,
                     const struct tcp_opt *got)
{
    if (want->kind != got->kind)
        return false;
    if (want->kind == OPT_TS)
        return is_ts_right(run, flow, want, got);
    return want->val == got->val && want->n_sack == got->n_sack && want->n_bytes == got->n_bytes &&
           memcmp(want->bytes, got->bytes, want->n_bytes) == 0 &&
           memcmp(want->sack, got->sack, sizeof(want->sack)) == 0;
}

static bool same_opts(const struct run *run, const struct flow *flow, const struct packet *want,
                      const struct packet *got)
{
    if (want->any_opts)
        return true;
    if (want->n_opts != got->n_opts)
        return false;
    for (unsigned i = 0; i < want->n_opts; i++) {
        if (!same_opt(run, flow, &want->opts[i], &got->opts[i]))
            return false;
    }
    return true;
}

static bool same_ecn(enum ecn want, enum ecn got)
{
    if (want == ECN_ANY)
        return true;
    if (want == ECN_ECT01)
        return got == ECN_ECT0 || got == ECN_ECT1;
    return want == got;
}

/* What is different; NULL: nothing. The payload's length is judged apart. */
static const char *difference(const struct run *run, const struct flow *flow,
                              const struct packet *want, const struct packet *got)
{
    unsigned mask = want->len > got->len ? ~(unsigned)(FLAG_PSH | FLAG_FIN) : ~0u;

    if (want->is_icmp || got->is_icmp) {
        bool same = want->is_icmp == got->is_icmp && want->icmp_type == got->icmp_type &&
                    want->icmp_code == got->icmp_code;

        return same ? NULL : "ICMP";
    }
    if (((want->flags ^ got->flags) & mask) != 0)
        return "flags";
    if (want->seq != got->seq)
        return "sequence number";
    if (want->has_ack && want->ack != got->ack)
        return "ack number";
    if (want->has_win && want->win != got->win)
        return "window";
    if (want->urg != got->urg)
        return "urgent pointer";
    if (!same_ecn(want->ecn, got->ecn))
        return "ECN bits";
    if (want->tos >= 0 && want->tos != got->tos)
        return "TOS";
    if (want->ttl >= 0 && want->ttl != got->ttl)
        return "TTL";
    if (!same_opts(run, flow, want, got))
        return "options";
    return NULL;
}

static bool is_data_right(const struct flow *flow, const struct seen *seen)
{
    uint64_t offset = (uint32_t)(seen->wire_seq - flow->isn - ((seen->pkt.flags & FLAG_SYN) == 0));

    for (uint32_t i = 0; flow->has_isn && i < seen->pkt.len; i++) {
        if (seen->data[i] != wire_data(offset + i))
            return false;
    }
    return true;
}

static void print_time(FILE *to, const char *what, int64_t us)
{
    fprintf(to, "    %s %lld.%06lld ", what, (long long)(us / 1000000), (long long)(us % 1000000));
}

/* Only what the script asks for is shown of what was seen, so that the two lines differ where they differ. */
static void print_like(FILE *to, const struct packet *want, const struct packet *got)
{
    struct packet shown = *got;

    if (want->ecn == ECN_ANY)
        shown.ecn = ECN_ANY;
    if (want->tos < 0)
        shown.tos = -1;
    if (want->ttl < 0)
        shown.ttl = -1;
    if (!want->has_win)
        shown.has_win = false;
    wire_print(to, &shown);
    fputc('\n', to);
}

static bool fail_packet(struct run *run, const struct event *event, const struct seen *seen,
                        const char *what)
{
    int64_t at_us = run_at_us(run, event, event->at_us);

    if (run->has_failed)
        return false;
    (void)run_fail(run, event, "%s", what);
    print_time(run->report, "expected", event->time_kind == TIME_ANY ? seen->at_us : at_us);
    wire_print(run->report, event->packet);
    fputc('\n', run->report);
    print_time(run->report, "got     ", seen->at_us);
    print_like(run->report, event->packet, &seen->pkt);
    return false;
}

/* --- out: one segment, or as many as make up the script's ------------------------------------------------------------ */

static bool read_sent(struct run *run, const struct event *event, const struct sent *sent,
                      struct seen *ret)
{
    const char *wrong;

    *ret = (struct seen){ .at_us = run_us(sent->at_ns) };
    wrong = wire_parse(sent->bytes, sent->len, &ret->pkt, &ret->names, &ret->data);
    if (wrong != NULL)
        return run_fail(run, event, "the stack sent a broken packet: %s", wrong);
    ret->wire_seq = ret->pkt.seq;
    return true;
}

static bool check_one(struct run *run, const struct event *event, struct flow *flow,
                      const struct packet *want, struct seen *seen)
{
    const struct tcp_opt *ts = find_opt(want, OPT_TS);
    const char *what;
    char text[64];

    if (!seen->pkt.is_icmp) {
        learn(flow, want, seen);
        to_script_numbers(flow, seen);
        if (!same_names(&flow->names, &seen->names))
            return fail_packet(run, event, seen, "a packet of another connection");
    }
    what = difference(run, flow, want, &seen->pkt);
    if (what == NULL && !seen->pkt.is_icmp && seen->pkt.len > want->len)
        what = "length";
    if (what != NULL) {
        snprintf(text, sizeof(text), "%s differ%s", what,
                 strchr("sN", what[strlen(what) - 1]) ? "" : "s");
        return fail_packet(run, event, seen, text);
    }
    if (!seen->pkt.is_icmp && !is_data_right(flow, seen))
        return fail_packet(run, event, seen, "the bytes are not those that were written");
    if (ts != NULL && find_opt(&seen->pkt, OPT_TS) != NULL)
        learn_ts(flow, ts->val, seen->wire_ts);
    return true;
}

/* @want shrinks by what the next packet that left carries. */
static bool take_one(struct run *run, const struct event *event, struct packet *want,
                     struct seen *ret)
{
    struct sent *sent = world_take(&run->world);
    struct flow *flow = run_flow(run, want->flow);
    bool is_fine =
        sent != NULL && read_sent(run, event, sent, ret) && check_one(run, event, flow, want, ret);

    if (is_fine && !want->is_icmp) {
        want->seq += ret->pkt.len;
        want->len -= ret->pkt.len;
    }
    free(sent);
    return is_fine;
}

static bool fail_silence(struct run *run, const struct event *event, int64_t until_us)
{
    struct seen seen = { 0 };
    struct sent *sent;

    (void)run_fail(run, event, "nothing left by %lld.%06lld", (long long)(until_us / 1000000),
                   (long long)(until_us % 1000000));
    print_time(run->report, "expected", run_at_us(run, event, event->at_us));
    wire_print(run->report, event->packet);
    fputc('\n', run->report);
    (void)world_wait_output(&run->world, world_now_ns(&run->world) + LOOK_AHEAD_S * RN_NS_PER_S);
    sent = world_take(&run->world);
    if (sent == NULL) {
        fprintf(run->report, "    got      nothing within %d s\n", LOOK_AHEAD_S);
    } else if (read_sent(run, event, sent, &seen)) {
        to_script_numbers(run_flow(run, event->packet->flow), &seen);
        print_time(run->report, "got     ", seen.at_us);
        print_like(run->report, event->packet, &seen.pkt);
    }
    free(sent);
    return false;
}

bool run_expect(struct run *run, const struct event *event, int64_t *ret_us)
{
    int64_t from_us = run_at_us(run, event, event->at_us);
    int64_t until_us = run_at_us(run, event, event->until_us);
    int64_t limit_us = until_us + run->script->opts.tolerance_us;
    struct packet want = *event->packet;
    struct seen seen;

    if (event->time_kind == TIME_ANY)
        limit_us = run_us(world_now_ns(&run->world)) + (int64_t)LOOK_AHEAD_S * 1000000;
    do {
        if (!world_wait_output(&run->world, run_ns(limit_us)))
            return fail_silence(run, event, limit_us);
        if (!take_one(run, event, &want, &seen))
            return false;
        if (event->time_kind != TIME_ANY && !run_is_timely(run, seen.at_us, from_us, until_us))
            return fail_packet(run, event, &seen,
                               seen.at_us < from_us ? "left too early" : "left too late");
    } while (want.len > 0);
    *ret_us = seen.at_us;
    return true;
}

bool run_expect_silence(struct run *run)
{
    struct sent *sent = run->has_failed ? NULL : world_take(&run->world);
    struct seen seen;

    if (sent == NULL)
        return true;
    if (read_sent(run, run->event, sent, &seen)) {
        to_script_numbers(run_flow(run, 0), &seen);
        (void)run_fail(run, run->event, "a packet left that no line names");
        print_time(run->report, "got     ", seen.at_us);
        wire_print(run->report, &seen.pkt);
        fputc('\n', run->report);
    }
    free(sent);
    return false;
}
