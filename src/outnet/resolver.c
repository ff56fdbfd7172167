#include "outnet/resolver.h"

#include "base/list.h"
#include "outnet/dns_exchange.h"
#include "wire/dns.h"

#define DEFAULT_MAX 1024u
#define QUERY_MAX   RN_RESOLVER_QUERY_MAX_BYTES
#define ANSWER_MAX  65535u
/* Clients retry after 5 s (resolv.conf(5)): two servers get their chance before that. */
#define SERVER_PATIENCE_NS (2 * RN_NS_PER_S)
#define ROUNDS             2u
#define HOST_TTL_S         30u

struct rn_resolver {
    struct rn_resolver_opts opts;
    struct rn_turn *turn;
    struct rn_addr servers[RN_RESOLVER_SERVERS_MAX];
    unsigned n_servers;
    unsigned n_open;
    struct rn_list questions;
    struct rn_dns_name host_name;
    bool has_host_name;
};

struct rn_resolver_question {
    struct rn_list link;
    struct rn_resolver *resolver;
    struct rn_resolver_ask *ask;
    struct rn_net_dgram *dgram;      /* to the server asked now; NULL between */
    struct rn_dns_exchange exchange; /* the same, over TCP */
    struct rn_timer timer;
    struct rn_task answer_now;                       /* when the answer needs no server */
    struct rn_addr servers[RN_RESOLVER_SERVERS_MAX]; /* as of the start */
    unsigned n_servers;
    unsigned tries;
    uint16_t client_id;
    uint16_t wire_id;
    uint16_t answer_len; /* of answer_now: the answer replaces the query */
    uint16_t query_len;
    uint8_t query[QUERY_MAX];
};

/* --- life --------------------------------------------------------------------------------------------------- */
static void hang_up(struct rn_resolver_question *q)
{
    if (q->dgram != NULL)
        q->dgram->ops->close(q->dgram);
    q->dgram = NULL;
    rn_dns_exchange_stop(&q->exchange);
}

static void question_free(struct rn_resolver_question *q)
{
    struct rn_resolver *resolver = q->resolver;

    hang_up(q);
    rn_turn_cancel(resolver->turn, &q->timer);
    rn_turn_unschedule(&q->answer_now);
    rn_list_remove(&q->link);
    resolver->n_open--;
    rn_alloc_free(rn_turn_alloc(resolver->turn), q, sizeof(*q));
}

static void finish(struct rn_resolver_question *q, struct rn_view answer)
{
    struct rn_resolver_ask *ask = q->ask;

    ask->pending = NULL;
    ask->done(ask, answer);
    question_free(q);
}

void rn_resolver_cancel(struct rn_resolver_ask *ask)
{
    struct rn_resolver_question *q = ask->pending;

    if (q == NULL)
        return;
    ask->pending = NULL;
    question_free(q);
}

/* --- answers of our own -------------------------------------------------------------------------------------- */
static void answer_at_once(struct rn_task *task)
{
    struct rn_resolver_question *q = rn_container_of(task, struct rn_resolver_question, answer_now);

    finish(q, rn_view_of(q->query, q->answer_len));
}

static void reply(struct rn_resolver_question *q, struct rn_dns_reply *reply)
{
    struct rn_dns_edns edns;
    uint8_t out[QUERY_MAX];
    int len;

    reply->has_edns = rn_dns_edns_find(&edns, rn_view_of(q->query, q->query_len)) == 1;
    len = rn_dns_reply_emit(reply, out, sizeof(out));
    q->answer_len = len > 0 ? (uint16_t)len : 0;
    memcpy(q->query, out, q->answer_len);
    rn_turn_schedule(q->resolver->turn, RN_PHASE_EVENT, &q->answer_now);
}

static void reply_error(struct rn_resolver_question *q, uint8_t rcode)
{
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_question asked;
    struct rn_dns_reply r = { .query = &hdr, .rcode = rcode };

    if (rn_dns_parse(&hdr, &walk, rn_view_of(q->query, q->query_len)) < 0) {
        rn_turn_schedule(q->resolver->turn, RN_PHASE_EVENT, &q->answer_now); /* empty: drop it */
        return;
    }
    hdr.id = q->client_id;
    if (rn_dns_question_next(&walk, &asked) == 1)
        r.question = &asked;
    reply(q, &r);
}

/* Is it about the name we own? Then the answer is scheduled. */
static bool answer_own_name(struct rn_resolver_question *q, const struct rn_dns_hdr *hdr,
                            const struct rn_dns_question *asked)
{
    const struct rn_resolver *resolver = q->resolver;
    struct rn_dns_reply r = {
        .query = hdr, .question = asked, .is_authoritative = true, .ttl_s = HOST_TTL_S
    };
    struct rn_addr addr = rn_addr_none();

    if (!resolver->has_host_name || !rn_dns_name_eq(&asked->name, &resolver->host_name))
        return false;
    if (asked->type == RN_DNS_A)
        addr = resolver->opts.host_addrs[0];
    else if (asked->type == RN_DNS_AAAA)
        addr = resolver->opts.host_addrs[1];
    if (!rn_addr_is_none(addr)) {
        r.addrs = &addr;
        r.n_addrs = 1;
    }
    reply(q, &r);
    return true;
}

/* --- asking servers ------------------------------------------------------------------------------------------ */
static void ask_next(struct rn_resolver_question *q);

static struct rn_addr server_asked(const struct rn_resolver_question *q)
{
    return q->servers[(q->tries - 1) % q->n_servers];
}

/* An answer must bear our id and repeat the question. */
static bool is_answer(const struct rn_resolver_question *q, struct rn_view msg)
{
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_question asked;
    struct rn_dns_question answered;
    struct rn_dns_hdr query;
    struct rn_dns_walk query_walk;

    if (rn_dns_parse(&hdr, &walk, msg) < 0 || !hdr.is_response || hdr.id != q->wire_id)
        return false;
    if (rn_dns_parse(&query, &query_walk, rn_view_of(q->query, q->query_len)) < 0 ||
        rn_dns_question_next(&query_walk, &asked) != 1)
        return false;
    if (rn_dns_question_next(&walk, &answered) != 1)
        return hdr.rcode != RN_DNS_NOERROR; /* some servers refuse without repeating the question */
    return answered.type == asked.type && answered.class == asked.class &&
           rn_dns_name_eq(&answered.name, &asked.name);
}

static void on_readable(struct rn_resolver_question *q)
{
    struct rn_buf *buf = rn_buf_new(q->resolver->turn->pool, RN_BUF_BIG);

    while (buf != NULL) {
        struct rn_net_msg msg;
        int64_t n =
            q->dgram->ops->recv(q->dgram, (struct rn_net_span){ buf->data, ANSWER_MAX }, &msg);

        if (n < 0)
            break;
        if (!rn_addr_eq(msg.peer.addr, server_asked(q)) || msg.peer.port != RN_DNS_PORT ||
            !is_answer(q, rn_view_of(buf->data, (size_t)n)))
            continue; /* the socket is for one server only */
        rn_put_be16(buf->data, q->client_id);
        finish(q, rn_view_of(buf->data, (size_t)n));
        break;
    }
    rn_buf_unref(buf);
}

static void on_event(struct rn_net_dgram *dgram, unsigned events)
{
    struct rn_resolver_question *q = dgram->owner;
    struct rn_net_dgram_err err;

    if (events & RN_ERROR && dgram->ops->take_error(dgram, &err) >= 0) {
        ask_next(q); /* refused or unreachable: no need to wait */
        return;
    }
    if (events & RN_READABLE)
        on_readable(q);
}

static void on_exchanged(struct rn_dns_exchange *ex, int err, struct rn_net_span answer)
{
    struct rn_resolver_question *q = rn_container_of(ex, struct rn_resolver_question, exchange);
    struct rn_view msg = rn_view_of(answer.ptr, answer.len);

    if (err < 0 || !is_answer(q, msg)) {
        ask_next(q);
        return;
    }
    rn_put_be16(answer.ptr, q->client_id);
    finish(q, msg);
}

static bool ask_by_tcp(struct rn_resolver_question *q, struct rn_addr server)
{
    struct rn_endpoint to = { .addr = server, .port = RN_DNS_PORT };

    q->exchange.done = on_exchanged;
    return rn_dns_exchange_start(&q->exchange, q->resolver->opts.net, &to,
                                 rn_view_of(q->query, q->query_len)) >= 0;
}

static bool ask_by_udp(struct rn_resolver_question *q, struct rn_addr server)
{
    struct rn_net *net = q->resolver->opts.net;
    struct rn_endpoint any = { .addr = rn_addr_is_v4(server) ? rn_addr_v4(0) : rn_addr_none() };
    struct rn_net_msg msg = { .peer = { .addr = server, .port = RN_DNS_PORT } };
    struct rn_slice query = { q->query, q->query_len };

    if (net->ops->open_dgram(net, &q->dgram, RN_NET_UDP, &any) < 0)
        return false;
    q->dgram->owner = q;
    q->dgram->on_event = on_event;
    if (q->dgram->ops->send(q->dgram, &query, 1, &msg) >= 0)
        return true;
    hang_up(q);
    return false;
}

static bool send_to(struct rn_resolver_question *q, struct rn_addr server)
{
    q->wire_id = (uint16_t)rn_rand_u32(&q->resolver->turn->rand);
    rn_put_be16(q->query, q->wire_id);
    return q->ask->is_tcp ? ask_by_tcp(q, server) : ask_by_udp(q, server);
}

static void ask_next(struct rn_resolver_question *q)
{
    struct rn_turn *turn = q->resolver->turn;

    hang_up(q);
    while (q->tries < ROUNDS * q->n_servers) {
        struct rn_addr server = q->servers[q->tries % q->n_servers];

        q->tries++;
        if (send_to(q, server)) {
            rn_turn_arm(turn, &q->timer, turn->now_ns + SERVER_PATIENCE_NS);
            return;
        }
    }
    rn_turn_cancel(turn, &q->timer);
    reply_error(q, RN_DNS_SERVFAIL);
}

static void on_timer(struct rn_timer *timer)
{
    ask_next(rn_container_of(timer, struct rn_resolver_question, timer));
}

/* --- start --------------------------------------------------------------------------------------------------- */
static struct rn_resolver_question *question_new(struct rn_resolver *resolver,
                                                 struct rn_resolver_ask *ask, struct rn_view query)
{
    unsigned max = resolver->opts.max_questions != 0 ? resolver->opts.max_questions : DEFAULT_MAX;
    struct rn_resolver_question *q;

    if (query.len < RN_DNS_HDR_BYTES || query.len > QUERY_MAX || resolver->n_open >= max)
        return NULL;
    q = rn_alloc_new(rn_turn_alloc(resolver->turn), sizeof(*q));
    if (q == NULL)
        return NULL;
    q->resolver = resolver;
    q->ask = ask;
    q->timer.fire = on_timer;
    q->answer_now.run = answer_at_once;
    memcpy(q->servers, resolver->servers, sizeof(q->servers));
    q->n_servers = resolver->n_servers;
    memcpy(q->query, query.ptr, query.len);
    q->query_len = (uint16_t)query.len;
    q->client_id = rn_get_be16(query.ptr);
    rn_list_push_back(&resolver->questions, &q->link);
    resolver->n_open++;
    return q;
}

int rn_resolver_start(struct rn_resolver *resolver, struct rn_resolver_ask *ask,
                      struct rn_view query)
{
    struct rn_resolver_question *q;
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_question asked;

    if (rn_dns_parse(&hdr, &walk, query) < 0 || hdr.is_response)
        return RN_E_MALFORMED;
    q = question_new(resolver, ask, query);
    if (q == NULL)
        return RN_E_LIMIT;
    ask->pending = q;
    if (rn_dns_question_next(&walk, &asked) != 1)
        reply_error(q, RN_DNS_FORMERR);
    else if (!answer_own_name(q, &hdr, &asked))
        ask_next(q);
    return RN_OK;
}

/* --- the resolver ---------------------------------------------------------------------------------------------- */
int rn_resolver_new(struct rn_resolver **ret, const struct rn_resolver_opts *opts)
{
    struct rn_turn *turn = opts->net->turn;
    struct rn_resolver *resolver = rn_alloc_new(rn_turn_alloc(turn), sizeof(*resolver));

    if (resolver == NULL)
        return RN_E_NOMEM;
    resolver->opts = *opts;
    resolver->turn = turn;
    rn_list_init(&resolver->questions);
    resolver->has_host_name =
        opts->host_name != NULL && rn_dns_name_parse(&resolver->host_name, opts->host_name) >= 0;
    *ret = resolver;
    return RN_OK;
}

struct rn_resolver *rn_resolver_free(struct rn_resolver *resolver)
{
    struct rn_list *it;
    struct rn_list *tmp;

    if (resolver == NULL)
        return NULL;
    rn_list_for_each_safe (it, tmp, &resolver->questions)
        rn_resolver_cancel(rn_list_entry(it, struct rn_resolver_question, link)->ask);
    rn_alloc_free(rn_turn_alloc(resolver->turn), resolver, sizeof(*resolver));
    return NULL;
}

void rn_resolver_set_servers(struct rn_resolver *resolver, const struct rn_addr *servers,
                             unsigned n)
{
    resolver->n_servers = rn_min_u32(n, RN_RESOLVER_SERVERS_MAX);
    memcpy(resolver->servers, servers, resolver->n_servers * sizeof(*servers));
}

bool rn_resolver_is_server(const struct rn_resolver *resolver, struct rn_addr addr)
{
    for (unsigned i = 0; i < resolver->n_servers; i++) {
        if (rn_addr_eq(resolver->servers[i], addr))
            return true;
    }
    return false;
}
