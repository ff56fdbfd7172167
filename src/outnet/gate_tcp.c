#include "outnet/gate_tcp.h"

#include "base/list.h"
#include "tcp/conn.h"

#define DEFAULT_MAX_PENDING 4096u
#define VIEWS_MAX           32u
/* One side may move this much per event before others get their turn; the rest goes on in the next round. */
#define QUANTUM_BYTES (1u << 20)
/* While several streams go up they take turns by so much, the payload of one frame: the host's TCP sends that at once, but of
 * more it makes a queue, which it then empties by timers (pacing) or by what acknowledgements interrupt. */
#define PIECE_BYTES (48u << 10)
/* What is read of outer sides before it goes on its way: of more the first would be cold in the cache when it is written. */
#define ROUND_BYTES (256u << 10)
/* How long a session waits when the pool has no slab for it: packets in flight come home in that time. */
#define STARVED_NS (2 * RN_NS_PER_MS)
/* A read that fills less than this goes into a small slab next time, so that a chat never pins 68 KiB. */
#define BULK_BYTES      RN_BUF_SMALL_BYTES
#define SLABS_MAX       8u
#define SLAB_READ_BYTES 65536u

struct rn_gate_tcp {
    struct rn_gate_tcp_opts opts;
    struct rn_turn *turn;
    struct rn_tcp_forwarder *forwarder;
    struct rn_list sessions;
    const struct session *last_up; /* whose data went up last */
    uint64_t round_turn;           /* in which .round_bytes were read */
    uint64_t round_bytes;
    struct rn_gate_tcp_stats stats;
};

/* One spliced connection. It is dialling (request set), or joining (inward, sock not yet connected), or open. */
struct session {
    struct rn_list link; /* gate->sessions */
    struct rn_gate_tcp *gate;
    struct rn_tcp_request *request; /* while dialling outwards */
    struct rn_net_dial dial;
    struct rn_net_conn *conn; /* outer side; owned */
    struct rn_sock *sock;     /* inner side; owned */
    struct rn_endpoint client;
    struct rn_endpoint asked; /* the destination as the client named it */
    struct rn_task resume;    /* enough was moved: go on after the others */
    struct rn_timer retry;    /* no memory: go on a little later */
    bool is_open;             /* both sides are connected */
    bool is_bulk;             /* the last outer read was large */
    bool may_read;            /* edges of the outer side, cleared by WOULD_BLOCK */
    bool may_write;
    bool up_done;   /* inner end of stream was passed on */
    bool down_done; /* outer end of stream was passed on */
};

/* --- life --------------------------------------------------------------------------------------------------- */
static void resume(struct rn_task *task);
static void retry(struct rn_timer *timer);

static struct session *session_new(struct rn_gate_tcp *gate)
{
    struct session *s;

    if (gate->opts.max_sessions != 0 && gate->stats.n_sessions >= gate->opts.max_sessions)
        return NULL;
    s = rn_alloc_new(rn_turn_alloc(gate->turn), sizeof(*s));
    if (s == NULL)
        return NULL;
    s->gate = gate;
    s->resume.run = resume;
    s->retry.fire = retry;
    rn_list_push_back(&gate->sessions, &s->link);
    gate->stats.n_sessions++;
    return s;
}

/* Everything the session had is closed, reset or handed on already. */
static void session_free(struct session *s)
{
    struct rn_gate_tcp *gate = s->gate;

    rn_turn_unschedule(&s->resume);
    rn_turn_cancel(gate->turn, &s->retry);
    if (gate->last_up == s)
        gate->last_up = NULL;
    rn_list_remove(&s->link);
    gate->stats.n_sessions--;
    rn_alloc_free(rn_turn_alloc(gate->turn), s, sizeof(*s));
}

/* A reset of either side is a reset of the other. */
static void session_reset(struct session *s)
{
    s->gate->stats.reset++;
    rn_net_dial_cancel(&s->dial);
    if (s->request != NULL)
        rn_tcp_request_refuse(s->request, RN_TCP_REFUSE_RESET);
    if (s->conn != NULL)
        s->conn->ops->abort(s->conn);
    s->sock = rn_sock_abort(s->sock);
    session_free(s);
}

/* Both ends of stream were passed on: what is still queued drains by itself. */
static void session_close(struct session *s)
{
    s->conn->ops->close(s->conn);
    s->sock = rn_sock_close(s->sock);
    session_free(s);
}

/* --- splice ------------------------------------------------------------------------------------------------- */
enum flow_end { FLOW_STALLED, FLOW_DONE, FLOW_BROKEN, FLOW_QUANTUM, FLOW_STARVED };

/* How many of @views come to @bytes or more; all if they do not. */
static unsigned views_of(const struct rn_slice *views, unsigned n, uint64_t bytes)
{
    uint64_t sum = 0;
    unsigned i = 0;

    while (i < n && sum < bytes)
        sum += views[i++].len;
    return i;
}

/* Inner to outer: what the outer side took is consumed, which reopens the inner window. */
static enum flow_end move_up(struct session *s)
{
    struct rn_slice views[VIEWS_MAX];
    uint64_t quantum = s->gate->last_up == s ? QUANTUM_BYTES : PIECE_BYTES;
    uint64_t moved = 0;

    while (moved < quantum) {
        int n = rn_tcp_peek_views(s->sock, views, VIEWS_MAX);
        int64_t sent;

        if (n == RN_E_WOULD_BLOCK)
            return FLOW_STALLED;
        if (n < 0)
            return FLOW_BROKEN;
        if (n == 0) {
            if (!s->down_done) /* else the whole connection is closed now, which says the same */
                s->conn->ops->shut_write(s->conn);
            return FLOW_DONE;
        }
        sent = s->conn->ops->writev(s->conn, views, views_of(views, (unsigned)n, quantum - moved));
        if (sent == RN_E_WOULD_BLOCK) {
            s->may_write = false;
            return FLOW_STALLED;
        }
        if (sent < 0)
            return FLOW_BROKEN;
        rn_tcp_consume(s->sock, (size_t)sent);
        s->gate->last_up = s;
        s->gate->stats.bytes_up += (uint64_t)sent;
        moved += (uint64_t)sent;
    }
    return FLOW_QUANTUM;
}

/* Slabs for one read: a small one for a chat, big ones while the stream is bulk. Returns how many. */
static unsigned take_slabs(struct session *s, struct rn_buf **bufs, struct rn_net_span *spans,
                           size_t room)
{
    unsigned max = s->is_bulk ? SLABS_MAX : 1;
    unsigned n = 0;

    while (n < max && room != 0) {
        struct rn_buf *buf =
            rn_buf_new(s->gate->turn->pool, s->is_bulk ? RN_BUF_BIG : RN_BUF_SMALL);

        if (buf == NULL)
            break;
        bufs[n] = buf;
        spans[n] =
            (struct rn_net_span){ buf->data,
                                  rn_min_size(rn_min_size(buf->cap_bytes, SLAB_READ_BYTES), room) };
        room -= spans[n].len;
        n++;
    }
    return n;
}

/* Queues the first @got bytes of @bufs by reference. Consumes no reference of the caller's. */
static bool queue_slabs(struct session *s, struct rn_buf **bufs, const struct rn_net_span *spans,
                        size_t got)
{
    for (unsigned i = 0; got != 0; i++) {
        size_t part = rn_min_size(got, spans[i].len);

        if (rn_tcp_write_buf(s->sock, rn_buf_ref(bufs[i]), 0, (uint32_t)part) < 0) {
            rn_buf_unref(bufs[i]);
            return false;
        }
        got -= part;
    }
    return true;
}

/* One read of the outer side straight into slabs, which the send queue then refers to: few large reads, since each makes the
 * kernel acknowledge on its own. Returns as conn->ops->readv, or NOMEM. */
static int64_t read_slabs(struct session *s, size_t room)
{
    struct rn_buf *bufs[SLABS_MAX];
    struct rn_net_span spans[SLABS_MAX];
    unsigned n = take_slabs(s, bufs, spans, room);
    size_t asked = 0;
    int64_t got;

    if (n == 0)
        return RN_E_NOMEM;
    for (unsigned i = 0; i < n; i++)
        asked += spans[i].len;
    got = s->conn->ops->readv(s->conn, spans, n);
    if (got > 0) {
        /* A short read of a stream has drained it (epoll(7), Q9), but for an end whose edge came before. */
        s->may_read = (size_t)got == asked || s->conn->is_ending;
        s->is_bulk = (size_t)got >= BULK_BYTES;
        if (!queue_slabs(s, bufs, spans, (size_t)got))
            got = RN_E_ABORTED; /* a stream with a hole must end as a reset, not go on */
    }
    while (n-- > 0)
        rn_buf_unref(bufs[n]);
    return got;
}

/* Outer to inner: stops when the inner send budget is full; its RN_WRITABLE starts us again. */
static enum flow_end move_down(struct session *s)
{
    uint64_t moved = 0;

    while (moved < QUANTUM_BYTES) {
        size_t room = rn_tcp_await_room(s->sock);
        int64_t got;

        if (room == 0 || !s->may_read)
            return FLOW_STALLED;
        got = read_slabs(s, room);
        if (got == RN_E_WOULD_BLOCK) {
            s->may_read = false;
            return FLOW_STALLED;
        }
        if (got == RN_E_NOMEM)
            return FLOW_STARVED;
        if (got < 0)
            return FLOW_BROKEN;
        if (got == 0)
            return rn_sock_shutdown(s->sock, RN_SHUT_WRITE) < 0 ? FLOW_BROKEN : FLOW_DONE;
        s->gate->stats.bytes_down += (uint64_t)got;
        s->gate->round_bytes += (uint64_t)got;
        moved += (uint64_t)got;
    }
    return FLOW_QUANTUM;
}

/* Moves what can be moved both ways. May free @s. */
static void splice(struct session *s)
{
    enum flow_end up = s->up_done ? FLOW_DONE : s->may_write ? move_up(s) : FLOW_STALLED;
    enum flow_end down = FLOW_STALLED;

    if (up != FLOW_BROKEN)
        down = s->down_done ? FLOW_DONE : move_down(s);
    if (up == FLOW_BROKEN || down == FLOW_BROKEN) {
        session_reset(s);
        return;
    }
    s->up_done = up == FLOW_DONE;
    s->down_done = down == FLOW_DONE;
    if (s->up_done && s->down_done) {
        session_close(s);
        return;
    }
    if (down == FLOW_STARVED)
        rn_turn_arm(s->gate->turn, &s->retry, s->gate->turn->now_ns + STARVED_NS);
    if (up == FLOW_QUANTUM || down == FLOW_QUANTUM)
        rn_turn_schedule(s->gate->turn, RN_PHASE_EVENT, &s->resume);
}

static void resume(struct rn_task *task)
{
    struct session *s = rn_container_of(task, struct session, resume);

    s->gate->round_bytes = 0; /* what was read before is on its way */
    splice(s);
}

static void retry(struct rn_timer *timer)
{
    splice(rn_container_of(timer, struct session, retry));
}

/* Was so much read in this turn that it should go its way first? */
static bool is_round_full(struct rn_gate_tcp *gate)
{
    if (gate->round_turn != gate->turn->n_turns) {
        gate->round_turn = gate->turn->n_turns;
        gate->round_bytes = 0;
    }
    return gate->round_bytes >= ROUND_BYTES;
}

static void on_outer(struct rn_net_conn *conn, unsigned events)
{
    struct session *s = conn->owner;

    if (events & (RN_READABLE | RN_PEER_SHUT | RN_HANGUP | RN_ERROR))
        s->may_read =
            true; /* an error is told by the read that meets it, after the data before it */
    if (events & (RN_WRITABLE | RN_HANGUP | RN_ERROR))
        s->may_write = true;
    if (!s->is_open)
        return;
    if (s->may_read && is_round_full(s->gate))
        rn_turn_schedule(s->gate->turn, RN_PHASE_REFILL, &s->resume);
    else
        splice(s);
}

static void on_inner(struct rn_sock *sock, unsigned events, void *arg)
{
    struct session *s = arg;

    if (events & RN_ERROR && rn_sock_take_error(sock) < 0) {
        session_reset(s);
        return;
    }
    if (!s->is_open) {
        if (!(events & RN_WRITABLE))
            return;
        s->is_open = true;
        s->gate->stats.opened++;
    }
    splice(s);
}

static void join(struct session *s, struct rn_net_conn *conn, struct rn_sock *sock)
{
    s->conn = conn;
    s->sock = sock;
    s->may_write = true; /* an event will tell that it may be read */
    conn->owner = s;
    conn->on_event = on_outer;
    rn_sock_on_event(sock, on_inner, s);
    /* What the outer side sent apart is passed on apart: Nagle here would hold the second part of an answer until the
     * client's delayed ACK of the first. */
    rn_assert(rn_sock_set_opt(sock, RN_TCP_NODELAY, 1) >= 0);
}

/* --- outwards: SYN -> dial -> answer ------------------------------------------------------------------------ */
static enum rn_tcp_refuse refusal_of(int err)
{
    switch (err) {
    case RN_E_NET_UNREACH:
        return RN_TCP_REFUSE_NET;
    case RN_E_HOST_UNREACH:
    case RN_E_HOST_DOWN:
        return RN_TCP_REFUSE_HOST;
    case RN_E_NOT_PERMITTED:
        return RN_TCP_REFUSE_PROHIBITED;
    case RN_E_TIMED_OUT:
        return RN_TCP_REFUSE_SILENT;
    default:
        return RN_TCP_REFUSE_RESET;
    }
}

static void tell(struct rn_gate_tcp *gate, const struct session *s, int err)
{
    if (gate->opts.on_session != NULL)
        gate->opts.on_session(gate->opts.session_arg, &s->client, &s->asked, err);
}

static void refuse(struct session *s, int err)
{
    s->gate->stats.refused++;
    tell(s->gate, s, err);
    rn_tcp_request_refuse(s->request, refusal_of(err));
    session_free(s);
}

static void on_dialled(struct rn_net_dial *dial, int err, struct rn_net_conn *conn)
{
    struct session *s = rn_container_of(dial, struct session, dial);
    struct rn_sock *sock;

    if (err < 0) {
        refuse(s, err);
        return;
    }
    err = rn_tcp_request_accept(s->request, &sock);
    s->request = NULL;
    if (err < 0) {
        conn->ops->abort(conn);
        session_free(s);
        return;
    }
    tell(s->gate, s, RN_OK);
    join(s, conn, sock);
}

static void on_cancelled(struct rn_tcp_request *req)
{
    struct session *s = rn_tcp_request_data(req);

    s->request = NULL;
    rn_net_dial_cancel(&s->dial);
    session_free(s);
}

static void on_syn(struct rn_tcp_request *req, void *arg)
{
    struct rn_gate_tcp *gate = arg;
    struct rn_endpoint to = rn_tcp_request_local(req);
    int err = gate->opts.map != NULL ? gate->opts.map(gate->opts.map_arg, &to) : RN_GATE_TCP_OUT;
    struct session *s;

    if (err == RN_GATE_TCP_DNS) {
        rn_gate_dns_take(gate->opts.dns, req);
        return;
    }
    s = session_new(gate);
    if (s == NULL) {
        rn_tcp_request_refuse(req, RN_TCP_REFUSE_RESET);
        return;
    }
    s->request = req;
    s->client = rn_tcp_request_remote(req);
    s->asked = rn_tcp_request_local(req);
    s->dial = (struct rn_net_dial){ .to = to, .client = s->client, .done = on_dialled };
    rn_tcp_request_set_data(req, s);
    rn_tcp_request_on_cancel(req, on_cancelled);
    if (err >= 0)
        err = rn_net_dial_start(gate->opts.net, &s->dial);
    if (err < 0)
        refuse(s, err);
}

/* --- inwards: accepted outside -> connect inside ------------------------------------------------------------- */
static int connect_inside(struct rn_gate_tcp *gate, const struct session *s, struct rn_sock **ret)
{
    struct rn_sock *sock;
    int err = rn_tcp_new(&sock, gate->opts.stack);

    if (err < 0)
        return err;
    sock->flags |= RN_SOCK_SPOOFED; /* the peer's own address is the source that CMD sees */
    err = rn_sock_bind(sock, &s->client);
    if (err == RN_E_PORT_IN_USE) {
        struct rn_endpoint any_port = { .addr = s->client.addr };

        err = rn_sock_bind(sock, &any_port);
    }
    if (err >= 0)
        err = rn_sock_connect(sock, &s->asked);
    if (err < 0 && err != RN_E_CONNECT_STARTED) {
        rn_sock_close(sock);
        return err;
    }
    *ret = sock;
    return RN_OK;
}

int rn_gate_tcp_inward(struct rn_gate_tcp *gate, struct rn_net_conn *conn,
                       const struct rn_endpoint *from, const struct rn_endpoint *to)
{
    struct session *s = session_new(gate);
    struct rn_sock *sock;
    int err;

    if (s == NULL) {
        conn->ops->abort(conn);
        return RN_E_LIMIT;
    }
    s->client = *from;
    s->asked = *to;
    err = connect_inside(gate, s, &sock);
    if (err < 0) {
        gate->stats.refused++;
        tell(gate, s, err);
        conn->ops->abort(conn);
        session_free(s);
        return err;
    }
    tell(gate, s, RN_OK);
    join(s, conn, sock);
    return RN_OK;
}

/* --- the gate ----------------------------------------------------------------------------------------------- */
int rn_gate_tcp_new(struct rn_gate_tcp **ret, const struct rn_gate_tcp_opts *opts)
{
    struct rn_turn *turn = rn_stack_turn(opts->stack);
    struct rn_gate_tcp *gate = rn_alloc_new(rn_turn_alloc(turn), sizeof(*gate));
    unsigned max_pending = opts->max_pending != 0 ? opts->max_pending : DEFAULT_MAX_PENDING;
    int err;

    if (gate == NULL)
        return RN_E_NOMEM;
    gate->opts = *opts;
    gate->turn = turn;
    rn_list_init(&gate->sessions);
    err = rn_tcp_forwarder_new(&gate->forwarder, opts->stack, max_pending, on_syn, gate);
    if (err < 0) {
        rn_alloc_free(rn_turn_alloc(turn), gate, sizeof(*gate));
        return err;
    }
    *ret = gate;
    return RN_OK;
}

unsigned rn_gate_tcp_unsent(const struct rn_gate_tcp *gate)
{
    const struct rn_list *it;
    unsigned n = 0;

    rn_list_for_each (it, &gate->sessions) {
        const struct session *s = rn_container_of(it, const struct session, link);

        n += s->is_open && !s->up_done;
    }
    return n;
}

static void end_session(struct session *s)
{
    if (s->up_done)
        session_close(s);
    else
        session_reset(s);
}

struct rn_gate_tcp *rn_gate_tcp_free(struct rn_gate_tcp *gate)
{
    struct rn_list *it;
    struct rn_list *tmp;

    if (gate == NULL)
        return NULL;
    rn_list_for_each_safe (it, tmp, &gate->sessions)
        end_session(rn_list_entry(it, struct session, link));
    rn_tcp_forwarder_free(gate->forwarder);
    rn_alloc_free(rn_turn_alloc(gate->turn), gate, sizeof(*gate));
    return NULL;
}

void rn_gate_tcp_get_stats(const struct rn_gate_tcp *gate, struct rn_gate_tcp_stats *ret)
{
    *ret = gate->stats;
}
