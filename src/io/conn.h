#pragma once
/*
 * Behind <runnel/conn.h>: a call is an op on the caller's stack that is posted to the loop. The loop alone touches sockets,
 * tries the op, keeps it waiting in the lane of its direction, and tries again at every event; the caller sleeps on a
 * semaphore meanwhile. So nothing is shared, and nothing but the end of an op is synchronised.
 */
#include "base/list.h"
#include "base/wheel.h"
#include "io/post.h"
#include <runnel/conn.h>

#include <semaphore.h>

/* How ops wait: one direction of a conn. */
enum rn_conn_lane_id { RN_CONN_LANE_READ, RN_CONN_LANE_WRITE, RN_CONN_LANES };

struct rn_conn_lane {
    struct rn_list waiting; /* ops, oldest first */
    struct rn_timer timer;  /* the deadline */
    bool is_late;           /* it has passed */
    int error;              /* came after some bytes of a write: for the next */
};

/* All but .loop and .stack belong to the loop's thread. */
struct rn_conn {
    struct rn_loop *loop;
    struct rn_stack *stack;
    struct rn_sock *sock; /* NULL: closed, or not open yet */
    bool is_dgram;
    struct rn_conn_lane lane[RN_CONN_LANES];
};

struct rn_conn_op {
    struct rn_posted posted;
    struct rn_conn *conn;
    /* One try, on the loop's thread. False: nothing yet, wait; else .result is final. */
    bool (*attempt)(struct rn_conn_op *op);
    enum rn_conn_lane_id lane; /* RN_CONN_LANES: never waits */
    bool is_without_sock;      /* makes the socket, or does not mind that there is none */
    struct rn_list link;
    sem_t done;
    int64_t result;
    size_t moved; /* bytes of a write that were taken */
};

/* Returns owned, without a socket. NULL: no memory. */
struct rn_conn *rn_conn_new(struct rn_loop *loop, struct rn_stack *stack);
/* Gives @sock to @conn. */
void rn_conn_take(struct rn_conn *conn, struct rn_sock *sock);
/* Runs @op, whose .conn, .attempt and .lane are set, and waits for its end; returns its result. */
int64_t rn_conn_do(struct rn_conn_op *op);
/* On the loop's thread: the deadline of one direction. */
void rn_conn_arm(struct rn_conn *conn, enum rn_conn_lane_id lane, int64_t after_ns);
