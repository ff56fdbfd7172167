/*
 * A TCP echo server on a TUN device, in user space.
 *
 *     programs of this machine ---- kernel 192.0.2.1 ---- tun0 ---- 192.0.2.2, this program
 *
 *     tcp_echo_tun tun0 192.0.2.2 7 &          (root, or CAP_NET_ADMIN in one's own network namespace)
 *     ip addr add 192.0.2.1/24 dev tun0; ip link set tun0 up
 *     nc 192.0.2.2 7
 *
 *     cc tcp_echo_tun.c $(pkg-config --cflags --libs runnel)
 */
#include <runnel/device.h>
#include <runnel/err.h>
#include <runnel/loop.h>
#include <runnel/nic.h>
#include <runnel/route.h>
#include <runnel/tcp.h>
#include <runnel/tun.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static struct rn_loop *loop; /* for the signal handler */

static void check(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "tcp_echo_tun: %s: %s\n", what, rn_err_text(err));
    exit(1);
}

/* Reads without copying, writes what the send buffer takes, and only that is consumed: a peer that does not read stops us,
 * and our closed window stops whoever sends. */
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
    if (n != RN_E_WOULD_BLOCK) /* the end of the stream, or a reset */
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

static void on_signal(int number)
{
    (void)number;
    rn_loop_stop(loop);
}

/* A stack with one NIC over @device, one address, and everything else beyond that NIC. */
static struct rn_stack *build_stack(struct rn_device *device, struct rn_addr addr,
                                    struct rn_attachment **ret_attachment)
{
    struct rn_stack_opts opts = { .protos = &rn_protos_all };
    struct rn_route_entry all = { .dst = { .is_v4 = rn_addr_is_v4(addr) } };
    struct rn_stack *stack;
    struct rn_nic *nic;

    if (all.dst.is_v4)
        all.dst.addr = rn_addr_v4(0);
    if (getrandom(opts.secret, sizeof(opts.secret), 0) != (ssize_t)sizeof(opts.secret))
        exit(1);
    check(rn_stack_new(&stack, rn_loop_turn(loop), &opts), "stack");
    check(rn_nic_new(&nic, stack, device, &(struct rn_nic_opts){ .name = "tun" }), "nic");
    check(rn_nic_add_addr(nic, addr, all.dst.is_v4 ? 32 : 128), "address");
    all.nic = rn_nic_id(nic);
    check(rn_route_add(stack, &all), "route");
    check(rn_nic_attach(ret_attachment, nic, loop), "attach");
    return stack;
}

int main(int argc, char **argv)
{
    struct rn_endpoint at = { 0 };
    struct rn_attachment *attachment;
    struct rn_tun_opts tun = { 0 };
    struct rn_device *device;
    struct rn_stack *stack;
    struct rn_sock *listener;

    if (argc != 4 || rn_addr_parse(argv[2], &at.addr) < 0) {
        fprintf(stderr, "usage: tcp_echo_tun DEVICE ADDRESS PORT\n");
        return 2;
    }
    tun.name = argv[1];
    at.port = (uint16_t)strtoul(argv[3], NULL, 10);
    check(rn_loop_new(&loop, NULL), "loop");
    check(rn_tun_open(&device, rn_loop_turn(loop), &tun), RN_TUN_PATH);
    stack = build_stack(device, at.addr, &attachment);

    check(rn_tcp_new(&listener, stack), "socket");
    check(rn_sock_bind(listener, &at), "bind");
    /* Whoever was here before may send with its SYN: an echo may be repeated (RFC 7413 §2.1). */
    check(rn_sock_set_opt(listener, RN_TCP_FASTOPEN, 16), "Fast Open");
    check(rn_sock_listen(listener, 128), "listen");
    rn_sock_on_event(listener, on_connection, NULL);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    check(rn_loop_run(loop), "run");

    rn_sock_close(listener);
    rn_nic_detach(attachment);
    rn_stack_free(stack);
    rn_device_free(device);
    rn_loop_free(loop);
    return 0;
}
