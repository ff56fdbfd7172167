/*
 * usage: own_runnel DEVICE ADDRESS MTU
 *
 * Our stack on a TUN, serving the ports of load.h. Says "ready" when the device exists; whoever started it gives the
 * kernel's end an address.
 */
#include "load.h"

#include <runnel/device.h>
#include <runnel/err.h>
#include <runnel/loop.h>
#include <runnel/nic.h>
#include <runnel/route.h>
#include <runnel/tcp.h>
#include <runnel/tun.h>
#include <runnel/udp.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static uint8_t chunk[CHUNK_BYTES];

static void must(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "own_runnel: %s: %s\n", what, rn_err_text(err));
    exit(1);
}

static void sink(struct rn_sock *sock, unsigned events, void *arg)
{
    int64_t n;
    (void)events;
    (void)arg;

    while ((n = rn_tcp_read(sock, chunk, sizeof(chunk))) > 0)
        ;
    if (n != RN_E_WOULD_BLOCK)
        rn_sock_close(sock);
}

static void source(struct rn_sock *sock, unsigned events, void *arg)
{
    int64_t n;
    (void)arg;

    while ((n = rn_tcp_write(sock, chunk, sizeof(chunk), 0)) > 0)
        ;
    if (n != RN_E_WOULD_BLOCK || (events & RN_PEER_SHUT) != 0)
        rn_sock_abort(sock);
}

static void echo(struct rn_sock *sock, unsigned events, void *arg)
{
    int64_t n;
    (void)events;
    (void)arg;

    while ((n = rn_tcp_read(sock, chunk, 1024)) > 0)
        if (rn_tcp_write(sock, chunk, (size_t)n, 0) < 0)
            break;
    if (n != RN_E_WOULD_BLOCK)
        rn_sock_close(sock);
}

struct service {
    uint16_t port;
    rn_sock_event_fn *fn;
};

static void on_connection(struct rn_sock *listener, unsigned events, void *arg)
{
    struct service *service = arg;
    struct rn_sock *sock;
    (void)events;

    while (rn_sock_accept(listener, &sock) >= 0) {
        must(rn_sock_set_opt(sock, RN_TCP_NODELAY, 1), "TCP_NODELAY");
        rn_sock_on_event(sock, service->fn, NULL);
    }
}

static void udp_echo(struct rn_sock *sock, unsigned events, void *arg)
{
    struct rn_dgram dgram;
    int64_t n;
    (void)events;
    (void)arg;

    while ((n = rn_dgram_recv(sock, chunk, sizeof(chunk), &dgram)) >= 0) {
        struct rn_dgram_opts back = { .to = dgram.from, .segment_bytes = dgram.segment_bytes };

        (void)!rn_dgram_send(sock, (struct rn_slice){ chunk, (size_t)n }, &back);
    }
}

static void serve(struct rn_stack *stack, struct rn_addr addr)
{
    static struct service services[] = {
        { PORT_SINK, sink },     { PORT_SOURCE, source }, { PORT_ECHO, echo },
        { PORT_IDLE, sink },     { PORT_IDLE + 1, sink }, { PORT_IDLE + 2, sink },
        { PORT_IDLE + 3, sink },
    };
    struct rn_endpoint at = { .addr = addr };
    struct rn_sock *sock;

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        at.port = services[i].port;
        must(rn_tcp_new(&sock, stack), "socket");
        must(rn_sock_bind(sock, &at), "bind");
        /* Bulk that we send: what a lossy link takes, not what CUBIC thinks of each loss. */
        if (services[i].fn == source)
            must(rn_tcp_set_congestion(sock, "bbr"), "congestion controller");
        must(rn_sock_listen(sock, 4096), "listen");
        rn_sock_on_event(sock, on_connection, &services[i]);
    }
    at.port = PORT_UDP_ECHO;
    must(rn_udp_new(&sock, stack), "socket");
    must(rn_sock_bind(sock, &at), "bind");
    rn_sock_on_event(sock, udp_echo, NULL);
}

int main(int argc, char **argv)
{
    struct rn_stack_opts opts = { .protos = &rn_protos_all };
    struct rn_route_entry all = { .dst = { .is_v4 = true, .addr = rn_addr_v4(0) } };
    struct rn_tun_opts tun = { 0 };
    struct rn_attachment *attachment;
    struct rn_device *device;
    struct rn_stack *stack;
    struct rn_loop *loop;
    struct rn_addr addr;
    struct rn_nic *nic;

    if (argc != 4 || rn_addr_parse(argv[2], &addr) < 0) {
        fprintf(stderr, "usage: own_runnel DEVICE ADDRESS MTU\n");
        return 2;
    }
    tun.name = argv[1];
    tun.mtu = (uint32_t)strtoul(argv[3], NULL, 10);
    must(getrandom(opts.secret, sizeof(opts.secret), 0) == (ssize_t)sizeof(opts.secret)
             ? 0
             : RN_E_NOMEM,
         "secret");
    must(rn_loop_new(&loop, NULL), "loop");
    must(rn_tun_open(&device, rn_loop_turn(loop), &tun), RN_TUN_PATH);
    must(rn_stack_new(&stack, rn_loop_turn(loop), &opts), "stack");
    must(rn_nic_new(&nic, stack, device, &(struct rn_nic_opts){ .name = "tun" }), "NIC");
    must(rn_nic_add_addr(nic, addr, 32), "address");
    all.nic = rn_nic_id(nic);
    must(rn_route_add(stack, &all), "route");
    must(rn_nic_attach(&attachment, nic, loop), "attach");
    serve(stack, addr);
    printf("ready\n");
    fflush(stdout);
    must(rn_loop_run(loop), "loop");
}
