#include "io/conn.h"

#include "io/loop.h"
#include "sock/sock.h"
#include <runnel/err.h>

#include <errno.h>

/* --- ops -------------------------------------------------------------------------------------------------------- */

/* The caller wakes and @op is gone. */
static void finish(struct rn_conn_op *op)
{
    sem_post(&op->done); /* syscalls: futex */
}

/* What had begun is told as far as it came. */
static void give_up(struct rn_conn_op *op, int err)
{
    op->result = op->moved > 0 ? (int64_t)op->moved : err;
    finish(op);
}

static struct rn_conn_op *first_waiting(const struct rn_conn_lane *lane)
{
    struct rn_list *it = rn_list_first(&lane->waiting);

    return it != NULL ? rn_list_entry(it, struct rn_conn_op, link) : NULL;
}

static void give_up_all(struct rn_conn_lane *lane, int err)
{
    struct rn_conn_op *op;

    while ((op = first_waiting(lane)) != NULL) {
        rn_list_remove(&op->link);
        give_up(op, err);
    }
}

static void serve(struct rn_conn_lane *lane)
{
    struct rn_conn_op *op;

    while ((op = first_waiting(lane)) != NULL && op->attempt(op)) {
        rn_list_remove(&op->link);
        finish(op);
    }
}

static void serve_all(struct rn_conn *conn)
{
    for (unsigned i = 0; i < RN_CONN_LANES; i++)
        serve(&conn->lane[i]);
}

static void on_event(struct rn_sock *sock, unsigned events, void *arg)
{
    (void)sock;
    (void)events;
    serve_all(arg);
}

static void wait_in_lane(struct rn_conn_op *op)
{
    struct rn_conn_lane *lane = &op->conn->lane[op->lane];

    if (lane->is_late) {
        give_up(op, RN_E_WOULD_BLOCK);
        return;
    }
    rn_list_push_back(&lane->waiting, &op->link);
    serve(lane);
}

static void start(struct rn_loop *loop, void *arg)
{
    struct rn_conn_op *op = arg;

    if (loop == NULL || (op->conn->sock == NULL && !op->is_without_sock)) {
        give_up(op, RN_E_CANCELLED);
    } else if (op->lane == RN_CONN_LANES) {
        (void)op->attempt(op);
        finish(op);
    } else {
        wait_in_lane(op);
    }
}

int64_t rn_conn_do(struct rn_conn_op *op)
{
    op->posted.fn = start;
    op->posted.arg = op;
    sem_init(&op->done, 0, 0);
    rn_post_work(op->conn->loop, &op->posted);
    while (sem_wait(&op->done) < 0 && errno == EINTR)
        continue;
    sem_destroy(&op->done);
    return op->result;
}

/* --- deadlines -------------------------------------------------------------------------------------------------- */

static void pass_deadline(struct rn_timer *timer)
{
    struct rn_conn_lane *lane = rn_container_of(timer, struct rn_conn_lane, timer);

    lane->is_late = true;
    give_up_all(lane, RN_E_WOULD_BLOCK);
}

void rn_conn_arm(struct rn_conn *conn, enum rn_conn_lane_id id, int64_t after_ns)
{
    struct rn_conn_lane *lane = &conn->lane[id];
    struct rn_turn *turn = &conn->loop->turn;

    lane->is_late = false;
    rn_turn_cancel(turn, &lane->timer);
    if (after_ns == 0)
        pass_deadline(&lane->timer);
    else if (after_ns > 0 && after_ns < INT64_MAX - turn->now_ns)
        rn_turn_arm(turn, &lane->timer, turn->now_ns + after_ns);
}

struct deadline_op {
    struct rn_conn_op op;
    enum rn_shut how;
    int64_t after_ns;
};

static bool set_deadline(struct rn_conn_op *op)
{
    const struct deadline_op *d = rn_container_of(op, struct deadline_op, op);

    if ((d->how & RN_SHUT_READ) != 0)
        rn_conn_arm(op->conn, RN_CONN_LANE_READ, d->after_ns);
    if ((d->how & RN_SHUT_WRITE) != 0)
        rn_conn_arm(op->conn, RN_CONN_LANE_WRITE, d->after_ns);
    return true;
}

void rn_conn_set_deadline(struct rn_conn *conn, enum rn_shut how, int64_t after_ns)
{
    struct deadline_op d = { .op = { .conn = conn, .attempt = set_deadline, .lane = RN_CONN_LANES },
                             .how = how,
                             .after_ns = after_ns };

    (void)rn_conn_do(&d.op);
}

/* --- birth and death -------------------------------------------------------------------------------------------- */

struct rn_conn *rn_conn_new(struct rn_loop *loop, struct rn_stack *stack)
{
    struct rn_conn *conn = rn_alloc_new(&loop->alloc, sizeof(*conn));

    if (conn == NULL)
        return NULL;
    conn->loop = loop;
    conn->stack = stack;
    for (unsigned i = 0; i < RN_CONN_LANES; i++) {
        rn_list_init(&conn->lane[i].waiting);
        conn->lane[i].timer.fire = pass_deadline;
    }
    return conn;
}

void rn_conn_take(struct rn_conn *conn, struct rn_sock *sock)
{
    conn->sock = sock;
    conn->is_dgram = sock->ops->proto != RN_PROTO_TCP;
    rn_sock_on_event(sock, on_event, conn);
}

int rn_conn_wrap(struct rn_conn **ret, struct rn_loop *loop, struct rn_sock *sock)
{
    struct rn_conn *conn = rn_conn_new(loop, rn_sock_stack(sock));

    if (conn == NULL)
        return RN_E_NOMEM;
    rn_conn_take(conn, sock);
    *ret = conn;
    return RN_OK;
}

static bool close_now(struct rn_conn_op *op)
{
    struct rn_conn *conn = op->conn;

    conn->sock = rn_sock_close(conn->sock);
    for (unsigned i = 0; i < RN_CONN_LANES; i++) {
        rn_turn_cancel(&conn->loop->turn, &conn->lane[i].timer);
        give_up_all(&conn->lane[i], RN_E_CANCELLED);
    }
    return true;
}

void rn_conn_close(struct rn_conn *conn)
{
    struct rn_conn_op op = {
        .conn = conn, .attempt = close_now, .lane = RN_CONN_LANES, .is_without_sock = true
    };

    (void)rn_conn_do(&op);
}

struct rn_conn *rn_conn_free(struct rn_conn *conn)
{
    if (conn == NULL)
        return NULL;
    rn_conn_close(conn);
    rn_alloc_free(&conn->loop->alloc, conn, sizeof(*conn));
    return NULL;
}

/* --- accept ----------------------------------------------------------------------------------------------------- */

struct accept_op {
    struct rn_conn_op op;
    struct rn_conn *accepted;
};

static bool try_accept(struct rn_conn_op *op)
{
    struct accept_op *a = rn_container_of(op, struct accept_op, op);
    struct rn_sock *sock;
    int err = rn_sock_accept(op->conn->sock, &sock);

    if (err == RN_E_WOULD_BLOCK)
        return false;
    if (err >= 0) {
        err = rn_conn_wrap(&a->accepted, op->conn->loop, sock);
        if (err < 0)
            rn_sock_abort(sock);
    }
    op->result = err;
    return true;
}

int rn_conn_accept(struct rn_conn *listener, struct rn_conn **ret)
{
    struct accept_op a = {
        .op = { .conn = listener, .attempt = try_accept, .lane = RN_CONN_LANE_READ }
    };
    int64_t err = rn_conn_do(&a.op);

    if (err < 0)
        return (int)err;
    *ret = a.accepted;
    return RN_OK;
}

/* --- reading and writing ---------------------------------------------------------------------------------------- */

struct read_op {
    struct rn_conn_op op;
    void *to;
    size_t max;
    struct rn_dgram dgram;
};

static bool try_read(struct rn_conn_op *op)
{
    struct read_op *r = rn_container_of(op, struct read_op, op);
    struct rn_sock *sock = op->conn->sock;
    int64_t n = op->conn->is_dgram ? rn_dgram_recv(sock, r->to, r->max, &r->dgram)
                                   : rn_tcp_read(sock, r->to, r->max);

    op->result = n;
    return n != RN_E_WOULD_BLOCK;
}

int64_t rn_conn_read(struct rn_conn *conn, void *to, size_t max)
{
    struct read_op r = { .op = { .conn = conn, .attempt = try_read, .lane = RN_CONN_LANE_READ },
                         .to = to,
                         .max = max };

    return rn_conn_do(&r.op);
}

static bool try_recv_from(struct rn_conn_op *op)
{
    if (op->conn->is_dgram)
        return try_read(op);
    op->result = RN_E_NOT_SUPPORTED;
    return true;
}

int64_t rn_conn_recv_from(struct rn_conn *conn, void *to, size_t max, struct rn_endpoint *ret_from)
{
    struct read_op r = {
        .op = { .conn = conn, .attempt = try_recv_from, .lane = RN_CONN_LANE_READ },
        .to = to,
        .max = max
    };
    int64_t n = rn_conn_do(&r.op);

    if (n >= 0)
        *ret_from = r.dgram.from;
    return n;
}

struct write_op {
    struct rn_conn_op op;
    struct rn_slice bytes;
    struct rn_dgram_opts dgram;
};

static bool try_write_stream(struct rn_conn_op *op)
{
    const struct write_op *w = rn_container_of(op, struct write_op, op);
    struct rn_conn_lane *lane = &op->conn->lane[RN_CONN_LANE_WRITE];

    op->result = lane->error;
    lane->error = 0;
    while (op->result == 0 && op->moved < w->bytes.len) {
        int64_t n =
            rn_tcp_write(op->conn->sock, w->bytes.ptr + op->moved, w->bytes.len - op->moved, 0);

        if (n == RN_E_WOULD_BLOCK)
            return false;
        if (n < 0)
            op->result = n;
        else
            op->moved += (size_t)n;
    }
    if (op->moved > 0) {
        lane->error = (int)op->result;
        op->result = (int64_t)op->moved;
    }
    return true;
}

static bool try_send(struct rn_conn_op *op)
{
    const struct write_op *w = rn_container_of(op, struct write_op, op);

    op->result = rn_dgram_send(op->conn->sock, w->bytes, &w->dgram);
    return op->result != RN_E_WOULD_BLOCK;
}

static bool try_write(struct rn_conn_op *op)
{
    return op->conn->is_dgram ? try_send(op) : try_write_stream(op);
}

int64_t rn_conn_write(struct rn_conn *conn, const void *bytes, size_t len)
{
    struct write_op w = { .op = { .conn = conn, .attempt = try_write, .lane = RN_CONN_LANE_WRITE },
                          .bytes = { bytes, len } };

    return rn_conn_do(&w.op);
}

static bool try_send_to(struct rn_conn_op *op)
{
    if (op->conn->is_dgram)
        return try_send(op);
    op->result = RN_E_NOT_SUPPORTED;
    return true;
}

int64_t rn_conn_send_to(struct rn_conn *conn, struct rn_slice bytes, const struct rn_endpoint *to)
{
    struct write_op w = {
        .op = { .conn = conn, .attempt = try_send_to, .lane = RN_CONN_LANE_WRITE },
        .bytes = bytes,
        .dgram.to = *to
    };

    return rn_conn_do(&w.op);
}

/* --- all else --------------------------------------------------------------------------------------------------- */

struct call_op {
    struct rn_conn_op op;
    rn_conn_fn *fn;
    void *arg;
};

static bool call_now(struct rn_conn_op *op)
{
    const struct call_op *c = rn_container_of(op, struct call_op, op);

    op->result = c->fn(op->conn->sock, c->arg);
    serve_all(op->conn); /* what it changed may concern those who wait */
    return true;
}

int rn_conn_call(struct rn_conn *conn, rn_conn_fn *fn, void *arg)
{
    struct call_op c = { .op = { .conn = conn, .attempt = call_now, .lane = RN_CONN_LANES },
                         .fn = fn,
                         .arg = arg };

    return (int)rn_conn_do(&c.op);
}

static int shut(struct rn_sock *sock, void *arg)
{
    const enum rn_shut *how = arg;

    return rn_sock_shutdown(sock, *how);
}

int rn_conn_shutdown(struct rn_conn *conn, enum rn_shut how)
{
    return rn_conn_call(conn, shut, &how);
}

static int tell_local(struct rn_sock *sock, void *arg)
{
    *(struct rn_endpoint *)arg = rn_sock_local(sock);
    return RN_OK;
}

static int tell_remote(struct rn_sock *sock, void *arg)
{
    *(struct rn_endpoint *)arg = rn_sock_remote(sock);
    return RN_OK;
}

struct rn_endpoint rn_conn_local(struct rn_conn *conn)
{
    struct rn_endpoint end = { 0 };

    (void)rn_conn_call(conn, tell_local, &end);
    return end;
}

struct rn_endpoint rn_conn_remote(struct rn_conn *conn)
{
    struct rn_endpoint end = { 0 };

    (void)rn_conn_call(conn, tell_remote, &end);
    return end;
}
