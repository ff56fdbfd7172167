#include "tcp/fastopen.h"
#include "tcp/flight.h"
#include "tcp/life.h"
#include "tcp/listen.h"
#include "tcp/reorder.h"

#include <runnel/err.h>

/* What the application calls. Nothing is sent here: output is scheduled and leaves at the end of the turn. */

/* Connections nobody owns any more; beyond it they are reset (Linux tcp_max_orphans). */
#define ORPHANS_MAX 8192u

static bool is_observing(const struct rn_tcp *conn)
{
    return conn->sock.stack->turn->is_observing;
}

static bool was_connected(const struct rn_tcp *conn)
{
    return conn->sock.demux.key.remote_port != 0;
}

int rn_tcp_new(struct rn_sock **ret, struct rn_stack *stack)
{
    struct rn_tcp *conn;
    int err;

    err = rn_tcp_conn_new(&conn, stack);
    if (err < 0)
        return err;
    *ret = &conn->sock;
    return RN_OK;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* Why there is nothing to read. */
static int nothing_to_read(struct rn_tcp *conn)
{
    int err;

    switch (conn->state) {
    case RN_TCP_CLOSED:
        err = rn_sock_take_error(&conn->sock);
        if (err < 0)
            return err;
        return was_connected(conn) ? 0 : RN_E_NOT_CONNECTED;
    case RN_TCP_LISTEN:
        return RN_E_NOT_CONNECTED;
    default:
        if ((conn->flags & (RN_TCPF_FIN_RCVD | RN_TCPF_SHUT_READ)) != 0)
            return 0;
        return RN_E_WOULD_BLOCK;
    }
}

static size_t copy_out(const struct rn_tcp *conn, uint8_t *to, size_t max)
{
    const struct rn_pkt *pkt;
    size_t done = 0;

    for (pkt = rn_tcp_rcv_first(conn); pkt != NULL && done < max;
         pkt = rn_tcp_rcv_next(conn, pkt)) {
        size_t n = rn_min_size(pkt->len, max - done);

        rn_pkt_copy_out(pkt, 0, to + done, n);
        done += n;
    }
    return done;
}

int64_t rn_tcp_read(struct rn_sock *sock, void *to, size_t max)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    size_t n;

    if (is_observing(conn))
        return RN_E_BAD_STATE;
    if (conn->rcv.queued == 0)
        return nothing_to_read(conn);
    n = copy_out(conn, to, max);
    rn_tcp_rcv_consume(conn, rn_sat_u32(n));
    return (int64_t)n;
}

int rn_tcp_peek_views(struct rn_sock *sock, struct rn_slice *views, unsigned max)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    const struct rn_pkt *pkt;
    unsigned n = 0;

    if (conn->rcv.queued == 0)
        return nothing_to_read(conn);
    for (pkt = rn_tcp_rcv_first(conn); pkt != NULL && n < max; pkt = rn_tcp_rcv_next(conn, pkt)) {
        struct rn_view parts[1 + RN_PKT_FRAGS_MAX];
        unsigned n_parts = rn_pkt_views(pkt, 0, parts, RN_ARRAY_LEN(parts));

        for (unsigned i = 0; i < n_parts && n < max; i++)
            views[n++] = (struct rn_slice){ parts[i].ptr, parts[i].len };
    }
    return (int)n;
}

void rn_tcp_consume(struct rn_sock *sock, size_t len)
{
    struct rn_tcp *conn = rn_tcp_of(sock);

    if (!is_observing(conn))
        rn_tcp_rcv_consume(conn, rn_sat_u32(len));
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

/* RFC 7413: before the handshake is done. */
static bool is_open_for_first_bytes(const struct rn_tcp *conn)
{
    return rn_tcp_is_deferred(conn) || rn_tcp_is_early(conn);
}

static int check_writable(struct rn_tcp *conn)
{
    int err;

    if (is_observing(conn))
        return RN_E_BAD_STATE;
    if ((conn->flags & RN_TCPF_SHUT_WRITE) != 0)
        return RN_E_CLOSED_FOR_SEND;
    switch (conn->state) {
    case RN_TCP_ESTABLISHED:
    case RN_TCP_CLOSE_WAIT:
        return RN_OK;
    case RN_TCP_SYN_SENT:
    case RN_TCP_SYN_RCVD:
        if (is_open_for_first_bytes(conn))
            return RN_OK;
        conn->flags |= RN_TCPF_WANT_WRITE;
        return RN_E_WOULD_BLOCK;
    default:
        err = rn_sock_take_error(&conn->sock);
        if (err < 0)
            return err;
        return was_connected(conn) ? RN_E_CLOSED_FOR_SEND : RN_E_NOT_CONNECTED;
    }
}

/* Who answers what it was just sent speaks in turns; from now on its ACKs ride on the answers. */
static void note_dialogue(struct rn_tcp *conn)
{
    if ((conn->flags & (RN_TCPF_ACK_NOW | RN_TCPF_ACK_DELAYED)) != 0)
        conn->rtt.quick_acks = 0;
}

static void written(struct rn_tcp *conn)
{
    note_dialogue(conn);
    if (rn_tcp_is_deferred(conn))
        rn_tcp_fastopen_go(conn);
    else
        rn_tcp_want_output(conn);
}

/* Of what waits for a SYN only as much is taken as that can carry: the rest of the path is unknown. */
static size_t room_for_write(struct rn_tcp *conn)
{
    size_t room = rn_tcp_snd_room(conn);

    return rn_tcp_is_deferred(conn) ? rn_min_size(room, rn_tcp_fastopen_room(conn)) : room;
}

/* Nothing to write: of a connect() that waited for it, this is the start all the same. */
static int write_nothing(struct rn_tcp *conn)
{
    if (!rn_tcp_is_deferred(conn))
        return 0;
    rn_tcp_fastopen_go(conn);
    return RN_E_CONNECT_STARTED;
}

int64_t rn_tcp_write(struct rn_sock *sock, const void *bytes, size_t len, unsigned flags)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    size_t n;
    int64_t taken;
    int err;

    err = check_writable(conn);
    if (err < 0)
        return err;
    if (len == 0)
        return write_nothing(conn);
    n = rn_min_size(len, room_for_write(conn));
    if (n < len)
        conn->flags |= RN_TCPF_WANT_WRITE;
    if (n == 0)
        return RN_E_WOULD_BLOCK;
    taken = rn_tcp_snd_copy(conn, bytes, n);
    if (taken < (int64_t)n)
        rn_tcp_memory_short(conn);
    if (taken < 0)
        return RN_E_WOULD_BLOCK;
    if ((flags & RN_WRITE_MORE) != 0)
        conn->flags |= RN_TCPF_MORE;
    else
        conn->flags &= ~(uint32_t)RN_TCPF_MORE;
    written(conn);
    return taken;
}

/* Memory of the application; its release is an event, though buffers die in the midst of protocol work. */
struct loan {
    struct rn_task task;
    struct rn_turn *turn;
    void (*release)(void *arg);
    void *arg;
};

static void tell_released(struct rn_task *task)
{
    struct loan *loan = rn_container_of(task, struct loan, task);
    void (*release)(void *arg) = loan->release;
    void *arg = loan->arg;

    rn_alloc_free(rn_turn_alloc(loan->turn), loan, sizeof(*loan));
    release(arg);
}

static void on_buf_released(void *arg)
{
    struct loan *loan = arg;

    if (loan->release != NULL)
        rn_turn_schedule(loan->turn, RN_PHASE_EVENT, &loan->task);
    else
        rn_alloc_free(rn_turn_alloc(loan->turn), loan, sizeof(*loan));
}

static int64_t append_loan(struct rn_tcp *conn, struct rn_slice bytes, struct loan *loan)
{
    struct rn_turn *turn = loan->turn;
    struct rn_buf *buf = rn_buf_lend(turn->pool, bytes.ptr, bytes.len, on_buf_released, loan);
    int64_t taken;

    if (buf == NULL) {
        rn_alloc_free(rn_turn_alloc(turn), loan, sizeof(*loan));
        return RN_E_NOMEM;
    }
    taken = rn_tcp_snd_append(conn, buf, 0, (uint32_t)bytes.len);
    if (taken < 0) {
        loan->release = NULL; /* refused: the memory never was ours */
        rn_buf_unref(buf);
    }
    return taken;
}

int64_t rn_tcp_write_ref(struct rn_sock *sock, struct rn_slice bytes, void (*release)(void *arg),
                         void *arg)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    struct loan *loan;
    int64_t taken;
    int err;

    err = check_writable(conn);
    if (err < 0)
        return err;
    if (bytes.len == 0 || bytes.len > INT32_MAX)
        return RN_E_BAD_BUFFER;
    /* More than the whole buffer is taken when it is empty, else it could never be sent. */
    if (rn_tcp_snd_room(conn) < bytes.len && conn->snd.queued != 0) {
        conn->flags |= RN_TCPF_WANT_WRITE;
        return RN_E_WOULD_BLOCK;
    }
    loan = rn_alloc_new(rn_turn_alloc(sock->stack->turn), sizeof(*loan));
    if (loan == NULL) {
        rn_tcp_memory_short(conn);
        return RN_E_WOULD_BLOCK;
    }
    loan->task.run = tell_released;
    loan->turn = sock->stack->turn;
    loan->release = release;
    loan->arg = arg;
    taken = append_loan(conn, bytes, loan);
    if (taken < 0) {
        rn_tcp_memory_short(conn);
        return RN_E_WOULD_BLOCK;
    }
    written(conn);
    return taken;
}

int64_t rn_tcp_write_buf(struct rn_sock *sock, struct rn_buf *buf, uint32_t off, uint32_t len)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    int64_t taken;
    int err;

    err = check_writable(conn);
    if (err < 0)
        return err;
    taken = rn_tcp_snd_append(conn, buf, off, len);
    if (taken < 0)
        return taken;
    written(conn);
    return taken;
}

size_t rn_tcp_await_room(struct rn_sock *sock)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    size_t room = rn_tcp_snd_room(conn);

    if (room == 0)
        conn->flags |= RN_TCPF_WANT_WRITE;
    return room;
}

size_t rn_tcp_send_room(const struct rn_sock *sock)
{
    const struct rn_tcp *conn = rn_tcp_of_const(sock);

    return rn_tcp_snd_room(conn);
}

static int tcp_preflight(struct rn_sock *sock, const struct rn_endpoint *to)
{
    struct rn_tcp *conn = rn_tcp_of(sock);
    int err;

    if (to != NULL)
        return RN_E_ALREADY_CONNECTED;
    err = check_writable(conn);
    if (err < 0)
        return err;
    if (room_for_write(conn) > 0)
        return RN_OK;
    conn->flags |= RN_TCPF_WANT_WRITE;
    return RN_E_WOULD_BLOCK;
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static int tcp_bind(struct rn_sock *sock, const struct rn_endpoint *local)
{
    struct rn_tcp *conn = rn_tcp_of(sock);

    if (conn->state != RN_TCP_CLOSED || was_connected(conn))
        return RN_E_BAD_STATE;
    if (local->port == 0)
        return rn_sock_claim_any(sock, local, NULL);
    return rn_sock_claim(sock, local, 0);
}

/* A listener does not share its port by REUSEADDR alone, so its claim is made anew under that flag. */
static int claim_for_listening(struct rn_sock *sock)
{
    struct rn_ports *ports = &sock->stack->ports;
    int err;

    if ((sock->flags & RN_SOCK_BOUND) == 0) {
        struct rn_endpoint any = { 0 };

        err = tcp_bind(sock, &any);
        if (err < 0)
            return err;
    }
    rn_ports_release(ports, sock->claim);
    sock->claim->flags |= RN_PORT_LISTENING;
    err = rn_ports_claim(ports, sock->claim);
    if (err < 0)
        sock->claim->flags &= (uint8_t)~RN_PORT_LISTENING;
    return err;
}

static int enter_demux(struct rn_sock *sock)
{
    sock->demux.kind = RN_TCP_NODE_LISTENER;
    return rn_demux_add(&sock->stack->demux, &sock->demux) < 0 ? RN_E_PORT_IN_USE : RN_OK;
}

static int start_listening(struct rn_tcp *conn, unsigned backlog)
{
    struct rn_sock *sock = &conn->sock;
    struct rn_tcp_listen *listen;
    int err;

    err = claim_for_listening(sock);
    if (err < 0)
        return err;
    listen = rn_alloc_new(sock->stack->alloc, sizeof(*listen));
    if (listen == NULL)
        return RN_E_NOMEM;
    err = enter_demux(sock);
    if (err < 0) {
        rn_alloc_free(sock->stack->alloc, listen, sizeof(*listen));
        return err;
    }
    listen->listener = conn;
    listen->backlog = backlog;
    rn_list_init(&listen->half_open);
    rn_list_init(&listen->ready);
    conn->listen = listen;
    rn_tcp_move(conn, RN_TCP_EV_OPEN_PASSIVE);
    return RN_OK;
}

static int tcp_listen(struct rn_sock *sock, unsigned backlog)
{
    struct rn_tcp *conn = rn_tcp_of(sock);

    backlog = rn_min_u32(backlog == 0 ? 1 : backlog, RN_TCP_BACKLOG_MAX);
    if (conn->state == RN_TCP_LISTEN) {
        conn->listen->backlog = backlog;
        return RN_OK;
    }
    if (conn->state != RN_TCP_CLOSED || was_connected(conn))
        return RN_E_BAD_STATE;
    return start_listening(conn, backlog);
}

static int tcp_accept(struct rn_sock *sock, struct rn_sock **ret)
{
    struct rn_tcp *listener = rn_tcp_of(sock);
    struct rn_tcp *conn;

    if (listener->state != RN_TCP_LISTEN)
        return RN_E_BAD_STATE;
    conn = rn_tcp_listen_accept(listener->listen);
    if (conn == NULL)
        return RN_E_WOULD_BLOCK;
    *ret = &conn->sock;
    return RN_OK;
}

/* --- closing ---------------------------------------------------------------------------------------------------- */

static int tcp_shutdown(struct rn_sock *sock, enum rn_shut how)
{
    struct rn_tcp *conn = rn_tcp_of(sock);

    if (conn->state == RN_TCP_CLOSED || conn->state == RN_TCP_LISTEN ||
        conn->state == RN_TCP_SYN_SENT)
        return RN_E_NOT_CONNECTED;
    if ((how & RN_SHUT_READ) != 0 && (conn->flags & RN_TCPF_SHUT_READ) == 0) {
        conn->flags |= RN_TCPF_SHUT_READ;
        rn_sock_ready(sock, RN_READABLE);
    }
    if ((how & RN_SHUT_WRITE) != 0 && (conn->flags & RN_TCPF_SHUT_WRITE) == 0) {
        conn->flags |= RN_TCPF_SHUT_WRITE;
        rn_tcp_want_output(conn);
    }
    return RN_OK;
}

/* Connections that nobody waits for go first. */
static bool is_room_for_orphan(const struct rn_tcp *conn)
{
    struct rn_stack *stack = conn->sock.stack;

    if (rn_tcp_stack_of(conn)->n_orphans < ORPHANS_MAX &&
        rn_stack_pressure(stack) != RN_PRESSURE_FULL)
        return true;
    stack->stats.tcp_aborts_on_memory++;
    return false;
}

static bool must_reset_on_close(const struct rn_tcp *conn)
{
    /* RFC 2525 §2.17: the peer must learn that its data reached nobody. */
    return conn->rcv.queued > 0 || rn_tcp_cold_get(conn)->linger_ns == 0 ||
           !is_room_for_orphan(conn);
}

/* RFC 9293 §3.10.4: a SYN alone is forgotten; but data that went with it was taken from the application. */
static bool is_only_asking(const struct rn_tcp *conn)
{
    return conn->state == RN_TCP_SYN_SENT && conn->snd.queued == 0;
}

static void end_and_free(struct rn_tcp *conn)
{
    if (conn->state == RN_TCP_LISTEN)
        rn_tcp_listen_end(conn);
    else
        rn_tcp_conn_abort(conn, RN_E_ABORTED);
    rn_tcp_conn_free(conn);
}

static void tcp_abort(struct rn_sock *sock)
{
    end_and_free(rn_tcp_of(sock));
}

static void tcp_close(struct rn_sock *sock)
{
    struct rn_tcp *conn = rn_tcp_of(sock);

    if (conn->state == RN_TCP_CLOSED || conn->state == RN_TCP_LISTEN || is_only_asking(conn) ||
        must_reset_on_close(conn)) {
        end_and_free(conn);
        return;
    }
    rn_tcp_conn_orphan(conn);
    conn->flags |= RN_TCPF_SHUT_WRITE;
    rn_tcp_timers_orphaned(conn);
    rn_tcp_want_output(conn);
}

/* --- readiness -------------------------------------------------------------------------------------------------- */

static unsigned closed_readiness(const struct rn_tcp *conn)
{
    unsigned ready = conn->rcv.queued > 0 ? RN_READABLE : 0;

    return was_connected(conn) ? ready | RN_READABLE | RN_WRITABLE | RN_HANGUP : ready;
}

static unsigned stream_readiness(const struct rn_tcp *conn)
{
    unsigned ready = 0;
    bool may_send = conn->state == RN_TCP_ESTABLISHED || conn->state == RN_TCP_CLOSE_WAIT;

    if (conn->rcv.queued >= rn_tcp_cold_get(conn)->rcvlowat)
        ready |= RN_READABLE;
    if ((conn->flags & (RN_TCPF_FIN_RCVD | RN_TCPF_SHUT_READ)) != 0)
        ready |= RN_READABLE;
    if ((conn->flags & RN_TCPF_FIN_RCVD) != 0)
        ready |= RN_PEER_SHUT;
    may_send = may_send || is_open_for_first_bytes(conn);
    if (may_send && (conn->flags & RN_TCPF_SHUT_WRITE) == 0 && rn_tcp_snd_room(conn) > 0 &&
        rn_tcp_wants_more(conn))
        ready |= RN_WRITABLE;
    return ready;
}

static unsigned tcp_readiness(const struct rn_sock *sock)
{
    const struct rn_tcp *conn = rn_tcp_of_const(sock);
    unsigned error = sock->error != 0 ? RN_ERROR : 0;

    if (conn->state == RN_TCP_LISTEN)
        return error | (conn->listen->n_ready > 0 ? RN_READABLE : 0);
    if (conn->state == RN_TCP_CLOSED)
        return error | closed_readiness(conn);
    return error | stream_readiness(conn);
}

const struct rn_sock_ops rn_tcp_sock_ops = {
    .name = "tcp",
    .proto = RN_PROTO_TCP,
    .bind = tcp_bind,
    .connect = rn_tcp_connect,
    .listen = tcp_listen,
    .accept = tcp_accept,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
    .abort = tcp_abort,
    .preflight = tcp_preflight,
    .readiness = tcp_readiness,
    .set_opt = rn_tcp_set_opt,
    .get_opt = rn_tcp_get_opt,
};
