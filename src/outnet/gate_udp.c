#include "outnet/gate_udp.h"

#include "base/hash.h"
#include "ip/ip.h"
#include "outnet/gate_error.h"
#include "outnet/udp_intake.h"
#include "outnet/udp_peers.h"
#include "outnet/udp_train.h"
#include "sock/udp.h"
#include "wire/udp.h"

#define DEFAULT_MAX     16384u
#define DEFAULT_IDLE_NS (180 * RN_NS_PER_S)
#define VIEWS_MAX       (RN_PKT_FRAGS_MAX + 1u)
/* Datagrams read from one socket before others get their turn. */
#define QUANTUM 64u
/* Destinations that are called otherwise inside (the gateway's names); more are rare enough to be forgotten in turn. */
#define ALIASES_MAX 4u

struct rn_gate_udp {
    struct rn_gate_udp_opts opts;
    struct rn_turn *turn;
    struct rn_udp_forwarder *forwarder;
    struct rn_hash sessions;
    struct rn_hash_key hash_key;
    struct rn_list
        by_age; /* struct session.link, least recently used first; published ones are not in it */
    struct rn_list published;
    struct rn_udp_peers peers; /* of the published ones */
    struct rn_list asks;       /* struct ask.link */
    struct rn_udp_intake intake;
    struct rn_timer reaper;
    struct rn_gate_udp_stats stats;
};

struct alias {
    struct rn_endpoint inside;
    struct rn_endpoint outside;
};

/* One inner address and port. */
struct session {
    struct rn_hash_node hash;
    struct rn_list link;
    struct rn_gate_udp *gate;
    struct rn_endpoint inner;
    struct rn_net_dgram *dgram; /* owned */
    struct rn_flow flow;        /* to inner */
    struct rn_udp_taste taste;
    struct rn_task resume;
    struct rn_udp_train train; /* leaves at the end of the round */
    struct rn_endpoint train_asked;
    struct rn_task depart;
    uint32_t no_train_bytes; /* datagrams of this size the host sends only singly; 0: none */
    int64_t used_ns;
    struct alias aliases[ALIASES_MAX];
    uint8_t n_aliases;
    uint8_t next_alias;
    bool is_published;
};

/* --- sessions ------------------------------------------------------------------------------------------------ */
static uint32_t hash_of(const struct rn_gate_udp *gate, const struct rn_endpoint *e)
{
    uint64_t words[3] = { e->addr.w[0], e->addr.w[1], e->port };

    return (uint32_t)rn_siphash13_words(&gate->hash_key, words, 3);
}

static struct session *find(const struct rn_gate_udp *gate, const struct rn_endpoint *inner)
{
    struct rn_hash_node *n = rn_hash_first(&gate->sessions, hash_of(gate, inner));

    for (; n != NULL; n = rn_hash_next(n)) {
        struct session *s = rn_container_of(n, struct session, hash);

        if (rn_addr_eq(s->inner.addr, inner->addr) && s->inner.port == inner->port)
            return s;
    }
    return NULL;
}

static void session_free(struct session *s)
{
    struct rn_gate_udp *gate = s->gate;

    rn_turn_unschedule(&s->resume);
    rn_turn_unschedule(&s->depart);
    rn_pktq_drop_all(&s->train.pkts, RN_DROP_CLOSED);
    rn_flow_release(&s->flow);
    s->dgram->ops->close(s->dgram);
    rn_hash_remove(&gate->sessions, &s->hash);
    rn_list_remove(&s->link);
    gate->stats.n_sessions--;
    rn_alloc_free(rn_turn_alloc(gate->turn), s, sizeof(*s));
}

static void touch(struct session *s)
{
    s->used_ns = s->gate->turn->now_ns;
    if (s->is_published)
        return;
    rn_list_remove(&s->link);
    rn_list_push_back(&s->gate->by_age, &s->link);
}

static void arm_reaper(struct rn_gate_udp *gate)
{
    struct rn_list *oldest = rn_list_first(&gate->by_age);

    if (oldest != NULL && !rn_timer_is_armed(&gate->reaper))
        rn_turn_arm(gate->turn, &gate->reaper,
                    rn_list_entry(oldest, struct session, link)->used_ns + gate->opts.idle_ns);
}

static void reap(struct rn_timer *timer)
{
    struct rn_gate_udp *gate = rn_container_of(timer, struct rn_gate_udp, reaper);
    struct rn_list *it;

    while ((it = rn_list_first(&gate->by_age)) != NULL) {
        struct session *s = rn_list_entry(it, struct session, link);

        if (s->used_ns + gate->opts.idle_ns > gate->turn->now_ns)
            break;
        session_free(s);
    }
    arm_reaper(gate);
}

static void on_dgram(struct rn_net_dgram *dgram, unsigned events);
static void resume(struct rn_task *task);
static void depart(struct rn_task *task);

/* Consumes @dgram on success. */
static struct session *session_new(struct rn_gate_udp *gate, const struct rn_endpoint *inner,
                                   struct rn_net_dgram *dgram)
{
    struct session *s = rn_alloc_new(rn_turn_alloc(gate->turn), sizeof(*s));

    if (s == NULL)
        return NULL;
    s->gate = gate;
    s->inner = *inner;
    s->inner.nic = 0;
    s->dgram = dgram;
    s->resume.run = resume;
    s->depart.run = depart;
    s->used_ns = gate->turn->now_ns;
    dgram->owner = s;
    dgram->on_event = on_dgram;
    rn_hash_insert(&gate->sessions, &s->hash, hash_of(gate, inner));
    gate->stats.n_sessions++;
    return s;
}

/* --- names ------------------------------------------------------------------------------------------------------ */
static bool same(const struct rn_endpoint *a, const struct rn_endpoint *b)
{
    return a->port == b->port && rn_addr_eq(a->addr, b->addr);
}

static void note_alias(struct session *s, const struct rn_endpoint *inside,
                       const struct rn_endpoint *outside)
{
    for (unsigned i = 0; i < s->n_aliases; i++) {
        if (same(&s->aliases[i].inside, inside) && same(&s->aliases[i].outside, outside))
            return;
    }
    s->aliases[s->next_alias] = (struct alias){ *inside, *outside };
    s->next_alias = (uint8_t)((s->next_alias + 1u) % ALIASES_MAX);
    if (s->n_aliases < ALIASES_MAX)
        s->n_aliases++;
}

/* As whom @outside is known to the inner side. */
static struct rn_endpoint name_inside(const struct session *s, const struct rn_endpoint *outside)
{
    const struct rn_gate_udp_opts *opts = &s->gate->opts;

    for (unsigned i = 0; i < s->n_aliases; i++) {
        if (same(&s->aliases[i].outside, outside))
            return s->aliases[i].inside;
    }
    return opts->peer != NULL ? opts->peer(opts->policy_arg, outside) : *outside;
}

/* --- outer to inner ----------------------------------------------------------------------------------------------- */
/* The largest datagram that goes inside in one packet; 0 while the way is not known. */
static uint32_t inner_max_bytes(const struct session *s)
{
    if (!rn_flow_is_fresh(s->gate->opts.stack, &s->flow))
        return 0;
    return rn_flow_payload_mtu(&s->flow, s->inner.addr) - RN_UDP_HDR_BYTES;
}

/* Consumes @pkt: datagrams too large for a train are cut apart, and then to fragments. */
static void send_in(struct session *s, const struct rn_udp_way *way, struct rn_pkt *pkt)
{
    struct rn_stack *stack = s->gate->opts.stack;
    struct rn_udp_way singly = *way;

    singly.segment_bytes = 0;
    while (way->segment_bytes > inner_max_bytes(s) && pkt->len > way->segment_bytes) {
        struct rn_pkt *first = rn_pkt_clone(pkt);

        if (first == NULL)
            break;
        rn_pkt_trim(first, way->segment_bytes);
        rn_pkt_pull(pkt, way->segment_bytes);
        (void)rn_udp_send_from(stack, &singly, first);
    }
    (void)rn_udp_send_from(stack, pkt->len > way->segment_bytes ? way : &singly, pkt);
}

struct delivery {
    struct rn_udp_sink sink;
    struct session *session;
};

static void deliver(struct rn_udp_sink *sink, struct rn_pkt *pkt, const struct rn_net_msg *msg)
{
    struct session *s = rn_container_of(sink, struct delivery, sink)->session;
    struct rn_endpoint from = name_inside(s, &msg->peer);
    struct rn_udp_way way = { .src = from,
                              .dst = s->inner,
                              .segment_bytes = msg->segment_bytes,
                              .tos = msg->tos,
                              .flow = &s->flow };

    if (s->is_published)
        rn_udp_peers_note(&s->gate->peers, &(struct rn_udp_peer){ .inner = s->inner,
                                                                  .inside = from,
                                                                  .outside = msg->peer,
                                                                  .owner = s });
    s->gate->stats.down++;
    send_in(s, &way, pkt);
}

/* Reads until there are no more. An error that waits between two datagrams ends a call early: @may_fail asks once more. */
static void read_all(struct session *s, bool may_fail)
{
    struct delivery to = { .sink = { .give = deliver }, .session = s };
    unsigned n = 0;

    while (n < QUANTUM) {
        unsigned asked = rn_udp_taste_n(&s->taste);
        int got;

        to.sink.merge_max_bytes = inner_max_bytes(s);
        got = rn_udp_intake_read(&s->gate->intake, s->dgram, &s->taste, &to.sink);
        if (got < 0 || ((unsigned)got < asked && !may_fail))
            break;
        n += (unsigned)got;
    }
    if (n != 0)
        touch(s);
    if (n >= QUANTUM)
        rn_turn_schedule(s->gate->turn, RN_PHASE_EVENT, &s->resume);
}

static void resume(struct rn_task *task)
{
    read_all(rn_container_of(task, struct session, resume), true);
}

/* The network spoke of something we sent: say it to the inner sender as if it had heard it itself. */
static void pass_errors(struct session *s)
{
    struct rn_net_dgram_err err;

    for (unsigned n = 0; n < QUANTUM && s->dgram->ops->take_error(s->dgram, &err) >= 0; n++) {
        struct rn_endpoint to = name_inside(s, &err.peer);

        rn_gate_pass_error(s->gate->opts.stack, &s->inner, &to, RN_PROTO_UDP, &err);
    }
}

static void on_dgram(struct rn_net_dgram *dgram, unsigned events)
{
    struct session *s = dgram->owner;

    if (events & RN_ERROR)
        pass_errors(s);
    if (events & (RN_READABLE | RN_ERROR))
        read_all(s, (events & RN_ERROR) != 0);
}

/* --- questions ------------------------------------------------------------------------------------------------------ */
struct ask {
    struct rn_resolver_ask ask;
    struct rn_list link;
    struct rn_gate_udp *gate;
    struct rn_endpoint client;
    struct rn_endpoint asked;
};

static void ask_free(struct ask *a)
{
    rn_list_remove(&a->link);
    rn_alloc_free(rn_turn_alloc(a->gate->turn), a, sizeof(*a));
}

static void on_answer(struct rn_resolver_ask *ask, struct rn_view answer)
{
    struct ask *a = rn_container_of(ask, struct ask, ask);
    struct rn_udp_way way = { .src = a->asked, .dst = a->client };
    struct rn_pkt *pkt =
        answer.len != 0 ? rn_pkt_from_bytes(a->gate->turn->pool, answer.ptr, answer.len) : NULL;

    if (pkt != NULL) {
        a->gate->stats.down++;
        (void)rn_udp_send_from(a->gate->opts.stack, &way, pkt);
    }
    ask_free(a);
}

static void ask_resolver(struct rn_gate_udp *gate, struct rn_udp_request *req)
{
    const struct rn_pkt *pkt = rn_udp_request_pkt(req);
    uint8_t query[4096];
    struct ask *a;

    rn_udp_request_ignore(req);
    if (pkt->len > sizeof(query))
        return;
    a = rn_alloc_new(rn_turn_alloc(gate->turn), sizeof(*a));
    if (a == NULL)
        return;
    a->gate = gate;
    a->client = rn_udp_request_remote(req);
    a->asked = rn_udp_request_local(req);
    a->ask.done = on_answer;
    rn_list_push_back(&gate->asks, &a->link);
    rn_pkt_copy_out(pkt, 0, query, pkt->len);
    gate->stats.up++;
    if (rn_resolver_start(gate->opts.resolver, &a->ask, rn_view_of(query, pkt->len)) < 0)
        ask_free(a); /* not a question, or too many: the client asks again */
}

/* --- inner to outer ----------------------------------------------------------------------------------------------- */
/* The session of the sender, made if need be. NULL: refused, and told so. */
static struct session *session_of(struct rn_gate_udp *gate, const struct rn_endpoint *client,
                                  const struct rn_endpoint *asked)
{
    struct rn_endpoint any = { .addr =
                                   rn_addr_is_v4(client->addr) ? rn_addr_v4(0) : rn_addr_none() };
    struct session *s = find(gate, client);
    struct rn_net_dgram *dgram;
    int err;

    if (s != NULL)
        return s;
    err = gate->stats.n_sessions < gate->opts.max_sessions
              ? gate->opts.net->ops->open_dgram(gate->opts.net, &dgram, RN_NET_UDP, &any)
              : RN_E_LIMIT;
    if (err >= 0) {
        s = session_new(gate, client, dgram);
        if (s == NULL)
            dgram->ops->close(dgram);
        else
            rn_list_push_back(&gate->by_age, &s->link);
    }
    if (s == NULL) {
        gate->stats.over_limit++;
        rn_gate_refuse(gate->opts.stack, client, asked, RN_PROTO_UDP, err < 0 ? err : RN_E_NOMEM);
        return NULL;
    }
    arm_reaper(gate);
    return s;
}

static void refuse_out(struct session *s, const struct rn_endpoint *asked, int err)
{
    if (err == RN_E_MSG_TOO_LONG || err == RN_E_CONN_REFUSED)
        pass_errors(s); /* the error queue knows the MTU, or whom the last error was about */
    else if (err != RN_E_WOULD_BLOCK) /* a full socket buffer loses it, as any full queue does */
        rn_gate_refuse(s->gate->opts.stack, &s->inner, asked, RN_PROTO_UDP, err);
}

static void send_out(struct session *s, const struct rn_pkt *pkt, const struct rn_net_msg *msg,
                     const struct rn_endpoint *asked)
{
    struct rn_view views[VIEWS_MAX];
    struct rn_slice slices[VIEWS_MAX];
    unsigned n = rn_pkt_views(pkt, 0, views, VIEWS_MAX);
    int64_t sent;

    for (unsigned i = 0; i < n; i++)
        slices[i] = (struct rn_slice){ views[i].ptr, views[i].len };
    sent = s->dgram->ops->send(s->dgram, slices, n, msg);
    if (sent >= 0)
        s->gate->stats.up++;
    else
        refuse_out(s, asked, (int)sent);
}

/* All at once if the host takes it: some ways out cannot cut trains, or not of this size. */
static bool send_train(struct session *s)
{
    int64_t sent;

    if (s->train.pkts.n_pkts < 2)
        return false;
    sent = rn_udp_train_send(&s->train, s->dgram);
    if (sent >= 0)
        s->gate->stats.up++;
    else if (sent != RN_E_WOULD_BLOCK && sent != RN_E_CONN_REFUSED)
        s->no_train_bytes = s->train.pkts.first->len;
    return sent >= 0 || sent == RN_E_WOULD_BLOCK;
}

static void depart_now(struct session *s)
{
    bool is_sent = send_train(s);
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(&s->train.pkts)) != NULL) {
        struct rn_net_msg msg = s->train.msg;

        msg.segment_bytes = pkt->gso == RN_GSO_UDP ? pkt->gso_size : 0;
        if (!is_sent)
            send_out(s, pkt, &msg, &s->train_asked);
        rn_pkt_drop(pkt, RN_DROP_CONSUMED);
    }
}

static void depart(struct rn_task *task)
{
    depart_now(rn_container_of(task, struct session, depart));
}

/* Consumes @pkt. */
static void board(struct session *s, struct rn_pkt *pkt, const struct rn_endpoint *asked,
                  const struct rn_endpoint *to)
{
    struct rn_net_msg msg = { .peer = *to,
                              .tos = pkt->tos,
                              .dont_fragment = (pkt->flags & RN_PKT_NO_FRAGMENT) != 0 };
    bool is_single = s->no_train_bytes != 0 && pkt->len >= s->no_train_bytes;

    if (is_single || !same(&s->train_asked, asked) || !rn_udp_train_takes(&s->train, pkt, &msg))
        depart_now(s);
    s->train_asked = *asked;
    rn_udp_train_add(&s->train, pkt, &msg);
    rn_turn_schedule(s->gate->turn, RN_PHASE_OUTPUT, &s->depart);
}

static void on_datagram(struct rn_udp_request *req, void *arg)
{
    struct rn_gate_udp *gate = arg;
    struct rn_endpoint client = rn_udp_request_remote(req);
    struct rn_endpoint asked = rn_udp_request_local(req);
    const struct rn_udp_peer *peer = rn_udp_peers_find(&gate->peers, &client, &asked);
    struct rn_endpoint to = peer != NULL ? peer->outside : asked;
    int way = RN_GATE_UDP_OUT; /* the answer to a published port's peer asks for no leave */
    struct session *s;

    if (peer == NULL && gate->opts.policy != NULL)
        way = gate->opts.policy(gate->opts.policy_arg, &to);

    if (way == RN_GATE_UDP_RESOLVER && gate->opts.resolver != NULL) {
        ask_resolver(gate, req);
        return;
    }
    rn_udp_request_ignore(req);
    if (way < 0) {
        gate->stats.refused++;
        rn_gate_refuse(gate->opts.stack, &client, &asked, RN_PROTO_UDP, way);
        return;
    }
    s = peer != NULL ? peer->owner : session_of(gate, &client, &asked);
    if (s == NULL)
        return;
    if (!s->is_published && !same(&asked, &to))
        note_alias(s, &asked, &to);
    touch(s);
    board(s, rn_udp_request_take(req), &asked, &to);
}

/* --- the gate ----------------------------------------------------------------------------------------------------- */
int rn_gate_udp_publish(struct rn_gate_udp *gate, struct rn_net_dgram *dgram,
                        const struct rn_endpoint *inner)
{
    struct session *s = session_new(gate, inner, dgram);

    if (s == NULL) {
        dgram->ops->close(dgram);
        return RN_E_NOMEM;
    }
    s->is_published = true;
    rn_list_push_back(&gate->published, &s->link);
    return RN_OK;
}

int rn_gate_udp_new(struct rn_gate_udp **ret, const struct rn_gate_udp_opts *opts)
{
    struct rn_turn *turn = rn_stack_turn(opts->stack);
    const struct rn_alloc *alloc = rn_turn_alloc(turn);
    struct rn_gate_udp *gate = rn_alloc_new(alloc, sizeof(*gate));
    int err;

    if (gate == NULL)
        return RN_E_NOMEM;
    gate->opts = *opts;
    gate->opts.max_sessions = opts->max_sessions != 0 ? opts->max_sessions : DEFAULT_MAX;
    gate->opts.idle_ns = opts->idle_ns != 0 ? opts->idle_ns : DEFAULT_IDLE_NS;
    gate->turn = turn;
    gate->intake.pool = turn->pool;
    gate->hash_key = opts->stack->secrets.table;
    gate->reaper.fire = reap;
    rn_list_init(&gate->by_age);
    rn_list_init(&gate->published);
    rn_list_init(&gate->asks);
    err = rn_hash_init(&gate->sessions, alloc, 64);
    if (err < 0)
        goto fail;
    err = rn_udp_peers_init(&gate->peers, alloc, &gate->hash_key);
    if (err < 0)
        goto fail_hash;
    err = rn_udp_forwarder_new(&gate->forwarder, opts->stack, on_datagram, gate);
    if (err < 0)
        goto fail_peers;
    *ret = gate;
    return RN_OK;

fail_peers:
    rn_udp_peers_fini(&gate->peers);
fail_hash:
    rn_hash_fini(&gate->sessions);
fail:
    rn_alloc_free(alloc, gate, sizeof(*gate));
    return err;
}

static void free_sessions(struct rn_list *list)
{
    struct rn_list *it;

    while ((it = rn_list_first(list)) != NULL)
        session_free(rn_list_entry(it, struct session, link));
}

struct rn_gate_udp *rn_gate_udp_free(struct rn_gate_udp *gate)
{
    struct rn_list *it;

    if (gate == NULL)
        return NULL;
    while ((it = rn_list_first(&gate->asks)) != NULL) {
        struct ask *a = rn_list_entry(it, struct ask, link);

        rn_resolver_cancel(&a->ask);
        ask_free(a);
    }
    rn_turn_cancel(gate->turn, &gate->reaper);
    free_sessions(&gate->by_age);
    free_sessions(&gate->published);
    rn_udp_forwarder_free(gate->forwarder);
    rn_udp_intake_fini(&gate->intake);
    rn_udp_peers_fini(&gate->peers);
    rn_hash_fini(&gate->sessions);
    rn_alloc_free(rn_turn_alloc(gate->turn), gate, sizeof(*gate));
    return NULL;
}

void rn_gate_udp_get_stats(const struct rn_gate_udp *gate, struct rn_gate_udp_stats *ret)
{
    *ret = gate->stats;
}
