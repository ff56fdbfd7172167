/*
 * Two TCP/IP stacks in one process, joined by a pipe in memory: no device, no kernel, no rights needed.
 *
 *     client 10.0.0.1 ---- pipe ---- 10.0.0.2 server, port 7
 *
 * The client sends 16 MiB to the server, which sends them back; every byte is compared. Ends with status 0 if all is well.
 *
 *     cc two_stacks.c $(pkg-config --cflags --libs runnel)
 */
#include <runnel/err.h>
#include <runnel/loop.h>
#include <runnel/nic.h>
#include <runnel/pipe.h>
#include <runnel/tcp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TOTAL_BYTES (16u << 20)
#define PORT        7

struct host {
    struct rn_stack *stack;
    struct rn_device *device;
    struct rn_sock *sock; /* the client's, or the server's listener */
};

struct client {
    struct rn_loop *loop;
    size_t sent;
    size_t received;
    int err; /* of the connection, or RN_E_MALFORMED if a byte was wrong */
};

static void check(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "two_stacks: %s: %s\n", what, rn_err_text(err));
    exit(1);
}

/* A pattern without short periods, so that a lost or moved byte shows. */
static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

/* --- the server: whatever comes goes back ------------------------------------------------------------------- */
static void echo(struct rn_sock *sock, unsigned events, void *arg)
{
    struct rn_slice run;
    int n;
    (void)events;
    (void)arg;

    while ((n = rn_tcp_peek_views(sock, &run, 1)) > 0) {
        int64_t taken = rn_tcp_write(sock, run.ptr, run.len, 0);

        if (taken < 0)
            return; /* no room: RN_WRITABLE brings us back here */
        rn_tcp_consume(sock, (size_t)taken);
    }
    if (n != RN_E_WOULD_BLOCK)
        rn_sock_close(sock);
}

static void on_connection(struct rn_sock *listener, unsigned events, void *arg)
{
    struct rn_sock *sock;
    (void)events;
    (void)arg;

    while (rn_sock_accept(listener, &sock) >= 0)
        rn_sock_on_event(sock, echo, NULL);
}

/* --- the client ------------------------------------------------------------------------------------------------ */
static void send_some(struct rn_sock *sock, struct client *c)
{
    uint8_t chunk[16384];

    while (c->sent < TOTAL_BYTES) {
        size_t left = TOTAL_BYTES - c->sent;
        size_t len = left < sizeof(chunk) ? left : sizeof(chunk);
        int64_t taken;

        for (size_t i = 0; i < len; i++)
            chunk[i] = byte_at(c->sent + i);
        taken = rn_tcp_write(sock, chunk, len, 0);
        if (taken < 0)
            return;
        c->sent += (size_t)taken;
    }
    check(rn_sock_shutdown(sock, RN_SHUT_WRITE), "shutdown");
}

static void on_client(struct rn_sock *sock, unsigned events, void *arg)
{
    struct client *c = arg;
    uint8_t chunk[16384];
    int64_t n;

    if (events & RN_WRITABLE && c->sent < TOTAL_BYTES)
        send_some(sock, c);
    while ((n = rn_tcp_read(sock, chunk, sizeof(chunk))) > 0) {
        for (int64_t i = 0; i < n; i++) {
            if (chunk[i] != byte_at(c->received++))
                c->err = RN_E_MALFORMED;
        }
    }
    if (n != RN_E_WOULD_BLOCK) { /* 0: the end of the stream */
        c->err = n < 0 ? (int)n : c->err;
        rn_loop_stop(c->loop);
    }
}

/* --- the network --------------------------------------------------------------------------------------------- */
static void build(struct host *host, struct rn_turn *turn, struct rn_addr addr)
{
    struct rn_stack_opts opts = { .protos = &rn_protos_all };
    struct rn_nic *nic;

    if (getrandom(opts.secret, sizeof(opts.secret), 0) != (ssize_t)sizeof(opts.secret))
        exit(1);
    check(rn_stack_new(&host->stack, turn, &opts), "stack");
    check(rn_nic_new(&nic, host->stack, host->device, &(struct rn_nic_opts){ 0 }), "nic");
    check(rn_nic_add_addr(nic, addr, 24), "address");
    check(rn_nic_start(nic), "start");
    check(rn_tcp_new(&host->sock, host->stack), "socket");
}

static void tear_down(struct host *host)
{
    rn_sock_close(host->sock);
    rn_stack_free(host->stack);
    rn_device_free(host->device);
}

int main(void)
{
    struct rn_endpoint at = { .addr = rn_addr_v4(0x0a000002), .port = PORT };
    struct client client = { 0 };
    struct rn_device *ends[2];
    struct host left = { 0 };
    struct host right = { 0 };
    int err;

    check(rn_loop_new(&client.loop, NULL), "loop");
    check(rn_pipe_open(ends, rn_loop_turn(client.loop), 1500), "pipe");
    left.device = ends[0];
    right.device = ends[1];
    build(&left, rn_loop_turn(client.loop), rn_addr_v4(0x0a000001));
    build(&right, rn_loop_turn(client.loop), at.addr);

    check(rn_sock_bind(right.sock, &at), "bind");
    check(rn_sock_listen(right.sock, 8), "listen");
    rn_sock_on_event(right.sock, on_connection, NULL);
    rn_sock_on_event(left.sock, on_client, &client);
    err = rn_sock_connect(left.sock, &at);
    check(err == RN_E_CONNECT_STARTED ? RN_OK : err, "connect");
    check(rn_loop_run(client.loop), "run");

    printf("%zu bytes there, %zu back: %s\n", client.sent, client.received,
           rn_err_text(client.err));
    tear_down(&left);
    tear_down(&right);
    rn_loop_free(client.loop);
    return client.err == RN_OK && client.received == TOTAL_BYTES ? 0 : 1;
}
