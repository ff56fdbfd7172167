#pragma once
/*
 * A net whose far side is the test: dials wait for its word, connections and datagram sockets hold what was sent and give
 * what the test puts in.
 *
 *     struct rn_test_outer o;
 *     rn_test_outer_init(&o, &n.t.turn);
 *     ... a gate dials ...
 *     conn = rn_test_outer_connect(&o, 0);         the first dial succeeds, in the next turn
 *     rn_test_outer_fail(&o, 1, RN_E_TIMED_OUT);   the second fails
 *     rn_test_outer_give(conn, "hello", 5);        arrives from outside
 *     ... conn->out, conn->n_out: what went out ...
 *     rn_test_outer_fini(&o);                      frees what gates have closed
 */
#include "fixture.h"
#include "outnet/net.h"

#define RN_TEST_OUTER_MAX   32
#define RN_TEST_OUTER_BYTES 65536

struct rn_test_outer_conn {
    struct rn_net_conn conn;
    struct rn_test_outer *outer;
    struct rn_task event;
    unsigned events;
    uint8_t in[RN_TEST_OUTER_BYTES];
    size_t n_in;
    uint8_t out[RN_TEST_OUTER_BYTES];
    size_t n_out;
    size_t out_room;                  /* how much more it takes before WOULD_BLOCK */
    unsigned first_write, last_write; /* which of all the net's that took something; from 1 */
    uint64_t moved_at_read; /* what devices had moved when it was last read with success */
    bool in_ends;           /* the end of the stream follows what is in */
    bool was_shut, was_closed, was_aborted;
    int read_err; /* after what is in */
};

struct rn_test_outer_dgram {
    struct rn_net_dgram dgram;
    struct rn_task event;
    struct rn_test_outer *outer;
    struct rn_net_dgram_in in[RN_TEST_OUTER_MAX]; /* room[0] is where its bytes are */
    uint8_t in_bytes[RN_TEST_OUTER_BYTES];
    unsigned n_in, n_in_read;
    struct rn_net_msg out_to;
    uint8_t out[2048];
    size_t n_out;
    unsigned n_sends;
    int64_t train_err; /* what sending a train gives, if not 0 */
    bool has_out, was_closed;
};

struct rn_test_outer {
    struct rn_net net;
    struct rn_net_dial *dials[RN_TEST_OUTER_MAX]; /* NULL: over */
    struct rn_endpoint dialled[RN_TEST_OUTER_MAX];
    unsigned n_dials;
    unsigned n_writes;
    struct rn_test_outer_conn *conns[RN_TEST_OUTER_MAX];
    unsigned n_conns;
    struct rn_test_outer_dgram *dgrams[RN_TEST_OUTER_MAX];
    unsigned n_dgrams;
};

/* --- connections -------------------------------------------------------------------------------------------- */
static inline struct rn_test_outer_conn *rn_test_outer_conn_of(struct rn_net_conn *conn)
{
    return rn_container_of(conn, struct rn_test_outer_conn, conn);
}

static inline int64_t rn_test_outer_readv(struct rn_net_conn *conn, const struct rn_net_span *to,
                                          unsigned n)
{
    struct rn_test_outer_conn *c = rn_test_outer_conn_of(conn);
    size_t got = 0;

    for (unsigned i = 0; i < n && c->n_in != 0; i++) {
        size_t part = rn_min_size(to[i].len, c->n_in);

        memcpy(to[i].ptr, c->in, part);
        memmove(c->in, c->in + part, c->n_in - part);
        c->n_in -= part;
        got += part;
    }
    if (got != 0) {
        c->moved_at_read = c->outer->net.turn->moved_bytes;
        return (int64_t)got;
    }
    if (c->read_err < 0)
        return c->read_err;
    return c->in_ends ? 0 : RN_E_WOULD_BLOCK;
}

static inline int64_t rn_test_outer_writev(struct rn_net_conn *conn, const struct rn_slice *views,
                                           unsigned n)
{
    struct rn_test_outer_conn *c = rn_test_outer_conn_of(conn);
    size_t taken = 0;

    for (unsigned i = 0; i < n && c->out_room != 0; i++) {
        size_t part = rn_min_size(views[i].len, c->out_room);

        assert_true(part <= sizeof(c->out) - c->n_out);
        memcpy(c->out + c->n_out, views[i].ptr, part);
        c->n_out += part;
        c->out_room -= part;
        taken += part;
    }
    if (taken != 0)
        c->last_write = ++c->outer->n_writes;
    if (c->first_write == 0)
        c->first_write = c->last_write;
    return taken != 0 ? (int64_t)taken : RN_E_WOULD_BLOCK;
}

static inline void rn_test_outer_shut(struct rn_net_conn *conn)
{
    rn_test_outer_conn_of(conn)->was_shut = true;
}

static inline void rn_test_outer_close(struct rn_net_conn *conn)
{
    rn_turn_unschedule(&rn_test_outer_conn_of(conn)->event);
    rn_test_outer_conn_of(conn)->was_closed = true;
}

static inline void rn_test_outer_abort(struct rn_net_conn *conn)
{
    rn_turn_unschedule(&rn_test_outer_conn_of(conn)->event);
    rn_test_outer_conn_of(conn)->was_aborted = true;
}

static const struct rn_net_conn_ops rn_test_outer_conn_ops = {
    .readv = rn_test_outer_readv,
    .writev = rn_test_outer_writev,
    .shut_write = rn_test_outer_shut,
    .close = rn_test_outer_close,
    .abort = rn_test_outer_abort,
};

static inline void rn_test_outer_fire(struct rn_task *task)
{
    struct rn_test_outer_conn *c = rn_container_of(task, struct rn_test_outer_conn, event);
    unsigned events = c->events;

    c->events = 0;
    c->conn.on_event(&c->conn, events);
}

static inline void rn_test_outer_tell(struct rn_test_outer_conn *c, unsigned events)
{
    c->events |= events;
    rn_turn_schedule(c->outer->net.turn, RN_PHASE_EVENT, &c->event);
}

static inline struct rn_test_outer_conn *rn_test_outer_conn_new(struct rn_test_outer *o)
{
    struct rn_test_outer_conn *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    assert_true(o->n_conns < RN_TEST_OUTER_MAX);
    c->conn.ops = &rn_test_outer_conn_ops;
    c->outer = o;
    c->event.run = rn_test_outer_fire;
    c->out_room = RN_TEST_OUTER_BYTES;
    o->conns[o->n_conns++] = c;
    return c;
}

static inline void rn_test_outer_give(struct rn_test_outer_conn *c, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(c->in) - c->n_in);
    memcpy(c->in + c->n_in, bytes, len);
    c->n_in += len;
    rn_test_outer_tell(c, RN_READABLE);
}

/* The end of the stream follows what is in. */
static inline void rn_test_outer_end(struct rn_test_outer_conn *c)
{
    c->in_ends = true;
    c->conn.is_ending = true;
    rn_test_outer_tell(c, RN_READABLE | RN_PEER_SHUT);
}

/* --- dials -------------------------------------------------------------------------------------------------- */
static inline int rn_test_outer_dial(struct rn_net *net, struct rn_net_dial *dial)
{
    struct rn_test_outer *o = rn_container_of(net, struct rn_test_outer, net);

    assert_true(o->n_dials < RN_TEST_OUTER_MAX);
    dial->pending = o;
    o->dialled[o->n_dials] = dial->to;
    o->dials[o->n_dials++] = dial;
    return RN_OK;
}

static inline void rn_test_outer_dial_cancel(struct rn_net_dial *dial)
{
    struct rn_test_outer *o = dial->pending;

    dial->pending = NULL;
    for (unsigned i = 0; i < o->n_dials; i++) {
        if (o->dials[i] == dial)
            o->dials[i] = NULL;
    }
}

static inline struct rn_net_dial *rn_test_outer_end_dial(struct rn_test_outer *o, unsigned which)
{
    struct rn_net_dial *dial = o->dials[which];

    assert_true(which < o->n_dials);
    assert_non_null(dial);
    o->dials[which] = NULL;
    dial->pending = NULL;
    return dial;
}

/* Call it between turns. */
static inline struct rn_test_outer_conn *rn_test_outer_connect(struct rn_test_outer *o,
                                                               unsigned which)
{
    struct rn_net_dial *dial = rn_test_outer_end_dial(o, which);
    struct rn_test_outer_conn *c = rn_test_outer_conn_new(o);

    c->conn.remote = dial->to;
    dial->done(dial, RN_OK, &c->conn);
    return c;
}

static inline void rn_test_outer_fail(struct rn_test_outer *o, unsigned which, int err)
{
    struct rn_net_dial *dial = rn_test_outer_end_dial(o, which);

    dial->done(dial, err, NULL);
}

/* --- datagrams ---------------------------------------------------------------------------------------------- */
static inline struct rn_test_outer_dgram *rn_test_outer_dgram_of(struct rn_net_dgram *dgram)
{
    return rn_container_of(dgram, struct rn_test_outer_dgram, dgram);
}

static inline int64_t rn_test_outer_send(struct rn_net_dgram *dgram, const struct rn_slice *views,
                                         unsigned n, const struct rn_net_msg *msg)
{
    struct rn_test_outer_dgram *d = rn_test_outer_dgram_of(dgram);

    d->n_sends++;
    if (msg->segment_bytes != 0 && d->train_err != 0)
        return d->train_err;
    d->n_out = 0;
    for (unsigned i = 0; i < n; i++) {
        assert_true(views[i].len <= sizeof(d->out) - d->n_out);
        memcpy(d->out + d->n_out, views[i].ptr, views[i].len);
        d->n_out += views[i].len;
    }
    d->out_to = *msg;
    d->has_out = true;
    return (int64_t)d->n_out;
}

static inline int rn_test_outer_recv_many(struct rn_net_dgram *dgram, struct rn_net_dgram_in *in,
                                          unsigned n)
{
    struct rn_test_outer_dgram *d = rn_test_outer_dgram_of(dgram);
    unsigned got = 0;

    while (got < n && d->n_in_read < d->n_in) {
        const struct rn_net_dgram_in *from = &d->in[d->n_in_read++];
        size_t first = rn_min_size(from->len, in[got].room[0].len);

        if (first != 0)
            memcpy(in[got].room[0].ptr, from->room[0].ptr, first);
        if (from->len > first)
            memcpy(in[got].room[1].ptr, from->room[0].ptr + first, from->len - first);
        in[got].msg = from->msg;
        in[got++].len = from->len;
    }
    if (d->n_in_read == d->n_in)
        d->n_in = d->n_in_read = 0;
    return got != 0 ? (int)got : RN_E_WOULD_BLOCK;
}

static inline int64_t rn_test_outer_recv(struct rn_net_dgram *dgram, struct rn_net_span to,
                                         struct rn_net_msg *ret)
{
    struct rn_net_dgram_in in = { .room = { to } };
    int got = rn_test_outer_recv_many(dgram, &in, 1);

    if (got < 0)
        return got;
    *ret = in.msg;
    return (int64_t)in.len;
}

static inline int rn_test_outer_take_error(struct rn_net_dgram *dgram, struct rn_net_dgram_err *ret)
{
    (void)dgram;
    (void)ret;
    return RN_E_WOULD_BLOCK;
}

static inline void rn_test_outer_dgram_close(struct rn_net_dgram *dgram)
{
    struct rn_test_outer_dgram *d = rn_container_of(dgram, struct rn_test_outer_dgram, dgram);

    rn_turn_unschedule(&d->event);
    d->was_closed = true;
}

static const struct rn_net_dgram_ops rn_test_outer_dgram_ops = {
    .send = rn_test_outer_send,
    .recv = rn_test_outer_recv,
    .recv_many = rn_test_outer_recv_many,
    .take_error = rn_test_outer_take_error,
    .close = rn_test_outer_dgram_close,
};

static inline void rn_test_outer_dgram_fire(struct rn_task *task)
{
    struct rn_test_outer_dgram *d = rn_container_of(task, struct rn_test_outer_dgram, event);

    d->dgram.on_event(&d->dgram, RN_READABLE);
}

static inline struct rn_test_outer_dgram *rn_test_outer_dgram_new(struct rn_test_outer *o)
{
    struct rn_test_outer_dgram *d = calloc(1, sizeof(*d));

    assert_non_null(d);
    assert_true(o->n_dgrams < RN_TEST_OUTER_MAX);
    d->dgram.ops = &rn_test_outer_dgram_ops;
    d->outer = o;
    d->event.run = rn_test_outer_dgram_fire;
    o->dgrams[o->n_dgrams++] = d;
    return d;
}

static inline int rn_test_outer_open_dgram(struct rn_net *net, struct rn_net_dgram **ret,
                                           enum rn_net_dgram_kind kind,
                                           const struct rn_endpoint *local)
{
    (void)kind;
    (void)local;
    *ret = &rn_test_outer_dgram_new(rn_container_of(net, struct rn_test_outer, net))->dgram;
    return RN_OK;
}

/* A datagram arrives on @d, to be read in the next turn. */
static inline void rn_test_outer_dgram_give(struct rn_test_outer_dgram *d, const void *bytes,
                                            size_t len, const struct rn_endpoint *from)
{
    uint8_t *at =
        d->n_in != 0 ? d->in[d->n_in - 1].room[0].ptr + d->in[d->n_in - 1].len : d->in_bytes;

    assert_true(d->n_in < RN_TEST_OUTER_MAX);
    assert_true(len <= sizeof(d->in_bytes) - (size_t)(at - d->in_bytes));
    memcpy(at, bytes, len);
    d->in[d->n_in++] =
        (struct rn_net_dgram_in){ .room = { { at, len } }, .msg = { .peer = *from }, .len = len };
    rn_turn_schedule(d->outer->net.turn, RN_PHASE_EVENT, &d->event);
}

/* --- the net ------------------------------------------------------------------------------------------------ */
static inline void rn_test_outer_destroy(struct rn_net *net)
{
    (void)net;
}

static const struct rn_net_ops rn_test_outer_ops = {
    .kind = "test",
    .dial = rn_test_outer_dial,
    .dial_cancel = rn_test_outer_dial_cancel,
    .open_dgram = rn_test_outer_open_dgram,
    .destroy = rn_test_outer_destroy,
};

static inline void rn_test_outer_init(struct rn_test_outer *o, struct rn_turn *turn)
{
    *o = (struct rn_test_outer){ .net = { .ops = &rn_test_outer_ops, .turn = turn } };
}

/* Everything was closed or aborted by those who had it. */
static inline void rn_test_outer_fini(struct rn_test_outer *o)
{
    for (unsigned i = 0; i < o->n_dials; i++)
        assert_null(o->dials[i]);
    for (unsigned i = 0; i < o->n_conns; i++) {
        assert_true(o->conns[i]->was_closed || o->conns[i]->was_aborted);
        free(o->conns[i]);
    }
    for (unsigned i = 0; i < o->n_dgrams; i++) {
        assert_true(o->dgrams[i]->was_closed);
        free(o->dgrams[i]);
    }
}
