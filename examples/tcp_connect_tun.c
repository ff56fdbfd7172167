/*
 * A TCP client on a TUN device, in user space: what it reads from standard input (a pipe or a terminal) goes to the server,
 * what the server says goes to standard output.
 *
 *     servers of this machine ---- kernel 192.0.2.1 ---- tun0 ---- 192.0.2.2, this program
 *
 *     echo hello | tcp_connect_tun tun0 192.0.2.2 192.0.2.1 7
 *         (root, or CAP_NET_ADMIN in one's own network namespace; meanwhile:
 *          ip addr add 192.0.2.1/24 dev tun0; ip link set tun0 up)
 *
 *     cc tcp_connect_tun.c $(pkg-config --cflags --libs runnel)
 */
#include <runnel/device.h>
#include <runnel/err.h>
#include <runnel/loop.h>
#include <runnel/nic.h>
#include <runnel/route.h>
#include <runnel/tcp.h>
#include <runnel/tun.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

struct client {
    struct rn_watch input; /* first: its handler is given this */
    struct rn_loop *loop;
    struct rn_sock *sock;
    char text[4096]; /* read from standard input, not yet taken by the socket */
    size_t len;
    size_t done;
    bool is_at_end;
    int err;
};

static void check(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "tcp_connect_tun: %s: %s\n", what, rn_err_text(err));
    exit(1);
}

/* Input is watched only while nothing waits to be sent: a server that does not read stops whoever feeds us. */
static void watch_input(struct client *c, bool wanted)
{
    if (!wanted)
        rn_unwatch(&c->input);
    else if (c->input.loop == NULL)
        check(rn_loop_watch(c->loop, &c->input, STDIN_FILENO, RN_IO_READ), "standard input");
}

static void flush_input(struct client *c)
{
    while (c->done < c->len) {
        int64_t taken = rn_tcp_write(c->sock, c->text + c->done, c->len - c->done, 0);

        if (taken < 0)
            break; /* no room: RN_WRITABLE brings us back */
        c->done += (size_t)taken;
    }
    watch_input(c, c->done == c->len);
}

static void on_input(struct rn_watch *watch, unsigned ready)
{
    struct client *c = (struct client *)watch;
    ssize_t n = read(STDIN_FILENO, c->text, sizeof(c->text));
    (void)ready;

    if (n <= 0) {
        c->is_at_end = true;
        watch_input(c, false);
        check(rn_sock_shutdown(c->sock, RN_SHUT_WRITE), "shutdown");
        return;
    }
    c->len = (size_t)n;
    c->done = 0;
    flush_input(c);
}

static void on_socket(struct rn_sock *sock, unsigned events, void *arg)
{
    struct client *c = arg;
    char text[4096];
    int64_t n;

    if (events & RN_ERROR) {
        c->err = rn_sock_take_error(sock);
        rn_loop_stop(c->loop);
        return;
    }
    if (events & RN_WRITABLE && !c->is_at_end)
        flush_input(c);
    while ((n = rn_tcp_read(sock, text, sizeof(text))) > 0)
        fwrite(text, 1, (size_t)n, stdout);
    fflush(stdout);
    if (n == 0)
        rn_loop_stop(c->loop);
}

static struct rn_stack *build_stack(struct client *c, struct rn_device *device, struct rn_addr addr,
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
    check(rn_stack_new(&stack, rn_loop_turn(c->loop), &opts), "stack");
    check(rn_nic_new(&nic, stack, device, &(struct rn_nic_opts){ .name = "tun" }), "nic");
    check(rn_nic_add_addr(nic, addr, all.dst.is_v4 ? 32 : 128), "address");
    all.nic = rn_nic_id(nic);
    check(rn_route_add(stack, &all), "route");
    check(rn_nic_attach(ret_attachment, nic, c->loop), "attach");
    return stack;
}

static void connect_to(struct client *c, struct rn_stack *stack, const struct rn_endpoint *to)
{
    int err;

    check(rn_tcp_new(&c->sock, stack), "socket");
    rn_sock_on_event(c->sock, on_socket, c);
    err = rn_sock_connect(c->sock, to);
    check(err == RN_E_CONNECT_STARTED ? RN_OK : err, "connect");
    c->input.fn = on_input; /* watched once the connection is writable */
}

int main(int argc, char **argv)
{
    struct client c = { 0 };
    struct rn_endpoint to = { 0 };
    struct rn_addr addr;
    struct rn_attachment *attachment;
    struct rn_tun_opts tun = { 0 };
    struct rn_device *device;
    struct rn_stack *stack;

    if (argc != 5 || rn_addr_parse(argv[2], &addr) < 0 || rn_addr_parse(argv[3], &to.addr) < 0) {
        fprintf(stderr, "usage: tcp_connect_tun DEVICE OWN-ADDRESS ADDRESS PORT\n");
        return 2;
    }
    tun.name = argv[1];
    to.port = (uint16_t)strtoul(argv[4], NULL, 10);
    check(rn_loop_new(&c.loop, NULL), "loop");
    check(rn_tun_open(&device, rn_loop_turn(c.loop), &tun), RN_TUN_PATH);
    stack = build_stack(&c, device, addr, &attachment);
    connect_to(&c, stack, &to);
    check(rn_loop_run(c.loop), "run");

    rn_unwatch(&c.input);
    rn_sock_close(c.sock);
    rn_nic_detach(attachment);
    rn_stack_free(stack);
    rn_device_free(device);
    rn_loop_free(c.loop);
    check(c.err, "connection");
    return 0;
}
