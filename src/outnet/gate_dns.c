#include "outnet/gate_dns.h"

#include "base/list.h"
#include "outnet/dns_exchange.h"
#include "stack/stack.h"

#define DEFAULT_MAX_CONNS 128u
#define DEFAULT_IDLE_NS   (10 * RN_NS_PER_S)
/* Questions of one connection that are asked or whose answer is not taken yet; reading stops meanwhile. */
#define OPEN_MAX    16u
#define INPUT_BYTES (RN_DNS_LENGTH_BYTES + RN_RESOLVER_QUERY_MAX_BYTES)

struct rn_gate_dns {
    struct rn_gate_dns_opts opts;
    struct rn_turn *turn;
    struct rn_list conns;
    unsigned n_conns;
};

struct conn {
    struct rn_list link;
    struct rn_gate_dns *gate;
    struct rn_sock *sock; /* owned */
    struct rn_list asked; /* struct question.link */
    struct rn_list ready; /* answered, in the order of sending; the first may be sent in part */
    unsigned n_open;      /* in both lists */
    struct rn_timer idle;
    bool has_ended; /* the client will ask no more */
    uint32_t n_in;
    uint8_t in[INPUT_BYTES];
};

struct question {
    struct rn_resolver_ask ask;
    struct rn_list link;
    struct conn *conn;
    uint8_t *answer; /* owned, its length first; NULL while asked */
    uint32_t answer_bytes;
    uint32_t sent;
};

/* --- life --------------------------------------------------------------------------------------------------- */
static const struct rn_alloc *alloc_of(const struct conn *c)
{
    return rn_turn_alloc(c->gate->turn);
}

static void question_free(struct question *q)
{
    struct conn *c = q->conn;

    rn_resolver_cancel(&q->ask);
    rn_list_remove(&q->link);
    if (q->answer != NULL)
        rn_alloc_free(alloc_of(c), q->answer, q->answer_bytes);
    rn_alloc_free(alloc_of(c), q, sizeof(*q));
    c->n_open--;
}

static void free_questions(struct rn_list *list)
{
    struct rn_list *it;

    while ((it = rn_list_first(list)) != NULL)
        question_free(rn_list_entry(it, struct question, link));
}

/* The socket is closed or reset already. */
static void conn_free(struct conn *c)
{
    free_questions(&c->asked);
    free_questions(&c->ready);
    rn_turn_cancel(c->gate->turn, &c->idle);
    rn_list_remove(&c->link);
    c->gate->n_conns--;
    rn_alloc_free(alloc_of(c), c, sizeof(*c));
}

static void conn_reset(struct conn *c)
{
    c->sock = rn_sock_abort(c->sock);
    conn_free(c);
}

static void on_idle(struct rn_timer *timer)
{
    struct conn *c = rn_container_of(timer, struct conn, idle);

    c->sock = rn_sock_close(c->sock);
    conn_free(c);
}

static void rest(struct conn *c)
{
    rn_turn_arm(c->gate->turn, &c->idle, c->gate->turn->now_ns + c->gate->opts.idle_ns);
}

/* --- answers ------------------------------------------------------------------------------------------------ */
/* Returns false when the connection is broken. */
static bool send_answers(struct conn *c)
{
    struct rn_list *it;

    while ((it = rn_list_first(&c->ready)) != NULL) {
        struct question *q = rn_list_entry(it, struct question, link);
        int64_t sent =
            rn_tcp_write(c->sock, q->answer + q->sent, (size_t)q->answer_bytes - q->sent, 0);

        if (sent == RN_E_WOULD_BLOCK)
            return true;
        if (sent < 0)
            return false;
        q->sent += (uint32_t)sent;
        rest(c);
        if (q->sent == q->answer_bytes)
            question_free(q);
    }
    return true;
}

static void go_on(struct conn *c);

static void on_answer(struct rn_resolver_ask *ask, struct rn_view answer)
{
    struct question *q = rn_container_of(ask, struct question, ask);
    struct conn *c = q->conn;

    if (answer.len != 0)
        q->answer = rn_alloc_new(alloc_of(c), RN_DNS_LENGTH_BYTES + answer.len);
    if (q->answer == NULL) {
        question_free(q); /* the client asks again, as after a lost datagram */
        go_on(c);
        return;
    }
    q->answer_bytes = (uint32_t)(RN_DNS_LENGTH_BYTES + answer.len);
    rn_put_be16(q->answer, rn_sat_u16(answer.len));
    memcpy(q->answer + RN_DNS_LENGTH_BYTES, answer.ptr, answer.len);
    rn_list_remove(&q->link);
    rn_list_push_back(&c->ready, &q->link);
    go_on(c);
}

/* --- questions ---------------------------------------------------------------------------------------------- */
/* Returns false when it is not a question: who sends such a thing is reset. */
static bool ask(struct conn *c, struct rn_view query)
{
    struct question *q = rn_alloc_new(alloc_of(c), sizeof(*q));
    int err;

    if (q == NULL)
        return false;
    q->conn = c;
    q->ask.done = on_answer;
    q->ask.is_tcp = true;
    rn_list_push_back(&c->asked, &q->link);
    c->n_open++;
    err = rn_resolver_start(c->gate->opts.resolver, &q->ask, query);
    if (err < 0)
        question_free(q);
    return err >= 0;
}

/* Takes whole questions off the front of the input. */
static bool take_questions(struct conn *c)
{
    uint32_t at = 0;

    while (c->n_open < OPEN_MAX && c->n_in - at >= RN_DNS_LENGTH_BYTES) {
        uint32_t len = rn_get_be16(c->in + at);

        if (len > RN_RESOLVER_QUERY_MAX_BYTES)
            return false;
        if (c->n_in - at < RN_DNS_LENGTH_BYTES + len)
            break;
        if (!ask(c, rn_view_of(c->in + at + RN_DNS_LENGTH_BYTES, len)))
            return false;
        at += (uint32_t)RN_DNS_LENGTH_BYTES + len;
        rest(c);
    }
    c->n_in -= at;
    memmove(c->in, c->in + at, c->n_in);
    return true;
}

/* Returns false when the connection is broken. */
static bool read_questions(struct conn *c)
{
    while (c->n_open < OPEN_MAX && !c->has_ended) {
        int64_t got = rn_tcp_read(c->sock, c->in + c->n_in, INPUT_BYTES - c->n_in);

        if (got == RN_E_WOULD_BLOCK)
            return true;
        if (got < 0)
            return false;
        c->has_ended = got == 0;
        c->n_in += (uint32_t)got;
        if (!take_questions(c))
            return false;
    }
    return true;
}

/* May free @c. */
static void go_on(struct conn *c)
{
    if (!send_answers(c) || !take_questions(c) || !read_questions(c)) {
        conn_reset(c);
        return;
    }
    if (c->has_ended && c->n_open == 0) {
        c->sock = rn_sock_close(c->sock);
        conn_free(c);
    }
}

static void on_event(struct rn_sock *sock, unsigned events, void *arg)
{
    struct conn *c = arg;

    if (events & RN_ERROR && rn_sock_take_error(sock) < 0) {
        conn_reset(c);
        return;
    }
    go_on(c);
}

/* --- the gate ----------------------------------------------------------------------------------------------- */
static struct conn *conn_new(struct rn_gate_dns *gate)
{
    struct conn *c = gate->n_conns < gate->opts.max_conns
                         ? rn_alloc_new(rn_turn_alloc(gate->turn), sizeof(*c))
                         : NULL;

    if (c == NULL)
        return NULL;
    c->gate = gate;
    c->idle.fire = on_idle;
    rn_list_init(&c->asked);
    rn_list_init(&c->ready);
    rn_list_push_back(&gate->conns, &c->link);
    gate->n_conns++;
    return c;
}

void rn_gate_dns_take(struct rn_gate_dns *gate, struct rn_tcp_request *req)
{
    struct conn *c = conn_new(gate);

    if (c == NULL) {
        rn_tcp_request_refuse(req, RN_TCP_REFUSE_RESET);
        return;
    }
    if (rn_tcp_request_accept(req, &c->sock) < 0) {
        conn_free(c);
        return;
    }
    rest(c);
    rn_sock_on_event(c->sock, on_event, c);
    rn_assert(rn_sock_set_opt(c->sock, RN_TCP_NODELAY, 1) >= 0);
}

int rn_gate_dns_new(struct rn_gate_dns **ret, const struct rn_gate_dns_opts *opts)
{
    struct rn_turn *turn = rn_stack_turn(opts->stack);
    struct rn_gate_dns *gate = rn_alloc_new(rn_turn_alloc(turn), sizeof(*gate));

    if (gate == NULL)
        return RN_E_NOMEM;
    gate->opts = *opts;
    gate->opts.max_conns = opts->max_conns != 0 ? opts->max_conns : DEFAULT_MAX_CONNS;
    gate->opts.idle_ns = opts->idle_ns != 0 ? opts->idle_ns : DEFAULT_IDLE_NS;
    gate->turn = turn;
    rn_list_init(&gate->conns);
    *ret = gate;
    return RN_OK;
}

struct rn_gate_dns *rn_gate_dns_free(struct rn_gate_dns *gate)
{
    struct rn_list *it;

    if (gate == NULL)
        return NULL;
    while ((it = rn_list_first(&gate->conns)) != NULL)
        conn_reset(rn_list_entry(it, struct conn, link));
    rn_alloc_free(rn_turn_alloc(gate->turn), gate, sizeof(*gate));
    return NULL;
}
