/* How conns begin. */
#include "io/conn.h"
#include "io/loop.h"
#include "sock/sock.h"

#include <runnel/err.h>

#define BACKLOG_DEFAULT 128u

struct open_op {
    struct rn_conn_op op;
    const struct rn_conn_opts *opts;
};

static const struct rn_conn_opts *opts_of(struct rn_conn_op *op)
{
    return rn_container_of(op, struct open_op, op)->opts;
}

static bool is_zero(const struct rn_endpoint *end)
{
    return rn_addr_is_none(end->addr) && end->port == 0 && end->nic == 0;
}

static int make_sock(struct rn_conn *conn, int (*make)(struct rn_sock **, struct rn_stack *))
{
    struct rn_sock *sock;
    int err = make(&sock, conn->stack);

    if (err >= 0)
        rn_conn_take(conn, sock);
    return err;
}

static int start_dialing(struct rn_conn *conn, const struct rn_conn_opts *opts)
{
    int err = make_sock(conn, rn_tcp_new);

    if (err >= 0 && !is_zero(&opts->local))
        err = rn_sock_bind(conn->sock, &opts->local);
    if (err >= 0)
        err = rn_sock_connect(conn->sock, &opts->remote);
    if (err == RN_E_CONNECT_STARTED && opts->timeout_ns > 0)
        rn_conn_arm(conn, RN_CONN_LANE_WRITE, opts->timeout_ns);
    return err;
}

static bool is_dialed(struct rn_conn_op *op)
{
    struct rn_conn *conn = op->conn;
    unsigned ready = rn_sock_readiness(conn->sock);

    if ((ready & (RN_ERROR | RN_HANGUP)) != 0) {
        int err = rn_sock_take_error(conn->sock);

        op->result = err < 0 ? err : RN_E_CONN_ABORTED;
        return true;
    }
    if ((ready & RN_WRITABLE) == 0)
        return false;
    rn_conn_arm(conn, RN_CONN_LANE_WRITE, RN_CONN_NO_DEADLINE);
    return true;
}

static bool try_dial(struct rn_conn_op *op)
{
    int err;

    if (op->conn->sock != NULL)
        return is_dialed(op);
    err = start_dialing(op->conn, opts_of(op));
    if (err == RN_E_CONNECT_STARTED)
        return false;
    op->result = err;
    return true;
}

static bool try_listen(struct rn_conn_op *op)
{
    struct rn_conn *conn = op->conn;
    const struct rn_conn_opts *opts = opts_of(op);
    int err = make_sock(conn, rn_tcp_new);

    if (err >= 0)
        err = rn_sock_bind(conn->sock, &opts->local);
    if (err >= 0)
        err = rn_sock_listen(conn->sock, opts->backlog != 0 ? opts->backlog : BACKLOG_DEFAULT);
    op->result = err;
    return true;
}

static bool try_udp(struct rn_conn_op *op)
{
    struct rn_conn *conn = op->conn;
    const struct rn_conn_opts *opts = opts_of(op);
    int err = make_sock(conn, rn_udp_new);

    if (err >= 0)
        err = rn_sock_bind(conn->sock, &opts->local);
    if (err >= 0 && !is_zero(&opts->remote))
        err = rn_sock_connect(conn->sock, &opts->remote);
    op->result = err;
    return true;
}

/* A loop that ended never began the op: then there is no socket, and nobody to close it. */
static void discard(struct rn_conn *conn, int64_t err)
{
    if (err == RN_E_CANCELLED)
        rn_alloc_free(&conn->loop->alloc, conn, sizeof(*conn));
    else
        rn_conn_free(conn);
}

static int open_conn(struct rn_conn **ret, struct open_op *open)
{
    const struct rn_conn_opts *opts = open->opts;
    int64_t err;

    if (opts->loop == NULL || opts->stack == NULL)
        return RN_E_MISSING_FIELDS;
    open->op.conn = rn_conn_new(opts->loop, opts->stack);
    if (open->op.conn == NULL)
        return RN_E_NOMEM;
    open->op.is_without_sock = true;
    err = rn_conn_do(&open->op);
    if (err < 0) {
        discard(open->op.conn, err);
        return (int)err;
    }
    *ret = open->op.conn;
    return RN_OK;
}

int rn_conn_dial(struct rn_conn **ret, const struct rn_conn_opts *opts)
{
    struct open_op open = { .op = { .attempt = try_dial, .lane = RN_CONN_LANE_WRITE },
                            .opts = opts };
    int err = open_conn(ret, &open);

    return err == RN_E_WOULD_BLOCK ? RN_E_TIMED_OUT : err;
}

int rn_conn_listen(struct rn_conn **ret, const struct rn_conn_opts *opts)
{
    struct open_op open = { .op = { .attempt = try_listen, .lane = RN_CONN_LANES }, .opts = opts };

    return open_conn(ret, &open);
}

int rn_conn_udp(struct rn_conn **ret, const struct rn_conn_opts *opts)
{
    struct open_op open = { .op = { .attempt = try_udp, .lane = RN_CONN_LANES }, .opts = opts };

    return open_conn(ret, &open);
}
