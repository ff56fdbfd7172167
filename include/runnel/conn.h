#pragma once
/*
 * Sockets for threads: every call blocks until it is done, and any thread may call, several at once. The work is done by the
 * stack's loop, which must run on a thread of its own; on that thread itself only rn_conn_wrap may be called.
 *
 * A conn is a TCP connection, a TCP listener or a UDP socket. Free every conn before its stack and loop.
 */
#include <runnel/udp.h>

struct rn_conn;
struct rn_loop;

struct rn_conn_opts {
    struct rn_loop *loop;      /* required: runs the stack */
    struct rn_stack *stack;    /* required */
    struct rn_endpoint local;  /* zero members: any */
    struct rn_endpoint remote; /* dial: required; UDP: zero sends to and receives from anybody */
    int64_t timeout_ns;        /* of dial; 0: as long as TCP tries */
    unsigned backlog;          /* of listen; 0: 128 */
};

/* Opens a TCP connection. Returns owned. Errors: as rn_sock_bind, rn_sock_connect; CONN_REFUSED, TIMED_OUT, NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_conn_dial(struct rn_conn **ret, const struct rn_conn_opts *opts);
/* Returns owned a TCP listener. Errors: as rn_sock_bind, rn_sock_listen; NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_conn_listen(struct rn_conn **ret, const struct rn_conn_opts *opts);
/* Returns owned a UDP socket. Errors: as rn_sock_bind, rn_sock_connect; NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_conn_udp(struct rn_conn **ret, const struct rn_conn_opts *opts);
/* Makes a conn of a socket of @loop, such as a forwarder gives. Called on the loop's thread. Consumes @sock on success.
 * Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_conn_wrap(struct rn_conn **ret, struct rn_loop *loop,
                                       struct rn_sock *sock);

/*
 * All calls below may also answer WOULD_BLOCK (their deadline passed) or CANCELLED (the conn was closed). Calls of several
 * threads in one direction are served in the order in which they came.
 */

/* Waits for the next connection of a listener. Returns owned. Errors: BAD_STATE, NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_conn_accept(struct rn_conn *listener, struct rn_conn **ret);
/* Waits until there is something. Returns how many bytes were read, 0 at the end of the stream (or an empty datagram), or as
 * rn_tcp_read, rn_dgram_recv. */
RN_PUBLIC RN_MUST_USE int64_t rn_conn_read(struct rn_conn *conn, void *to, size_t max);
/* Waits until all is in the send buffer. Returns @len; less when an error or the deadline came after some bytes (the next
 * call tells the error); or as rn_tcp_write, rn_dgram_send. */
RN_PUBLIC RN_MUST_USE int64_t rn_conn_write(struct rn_conn *conn, const void *bytes, size_t len);
/* UDP only: as rn_conn_read, and tells the sender. Errors: NOT_SUPPORTED. */
RN_PUBLIC RN_MUST_USE int64_t rn_conn_recv_from(struct rn_conn *conn, void *to, size_t max,
                                                struct rn_endpoint *ret_from);
/* UDP only: one datagram to @to. Errors: NOT_SUPPORTED, as rn_dgram_send. */
RN_PUBLIC RN_MUST_USE int64_t rn_conn_send_to(struct rn_conn *conn, struct rn_slice bytes,
                                              const struct rn_endpoint *to);
/* Half-close. Errors: NOT_CONNECTED. */
RN_PUBLIC RN_MUST_USE int rn_conn_shutdown(struct rn_conn *conn, enum rn_shut how);

#define RN_CONN_NO_DEADLINE (-1)
/* Calls of direction @how (accept reads), those that wait already included, answer WOULD_BLOCK once @after_ns have passed
 * from now, until another deadline is set. The conn itself stays as it is. */
RN_PUBLIC void rn_conn_set_deadline(struct rn_conn *conn, enum rn_shut how, int64_t after_ns);

/* Zero members when there is none, or closed. */
RN_PUBLIC struct rn_endpoint rn_conn_local(struct rn_conn *conn);
RN_PUBLIC struct rn_endpoint rn_conn_remote(struct rn_conn *conn);

typedef int rn_conn_fn(struct rn_sock *sock, void *arg);
/* Runs @fn on the loop's thread, for options, TCP_INFO and all else that a socket can do but being closed. Returns what @fn returned. */
RN_PUBLIC int rn_conn_call(struct rn_conn *conn, rn_conn_fn *fn, void *arg);

/* Closes the socket (rn_sock_close) and ends every call that waits; later ones answer CANCELLED. Again: a no-op. */
RN_PUBLIC void rn_conn_close(struct rn_conn *conn);
/* Consumes @conn (NULL is legal), closing it first; calls that wait end, none may begin any more. Returns NULL. */
RN_PUBLIC struct rn_conn *rn_conn_free(struct rn_conn *conn);
