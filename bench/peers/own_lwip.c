/*
 * usage: own_lwip DEVICE ADDRESS MTU
 *
 * Peer: lwIP as Debian builds it (liblwip-dev: MSS 1460, window 64 KiB, send buffer 64 KiB, MTU as given), its raw API on a
 * TUN, serving the ports of load.h. One thread moves packets and runs the callbacks under lwIP's core lock; lwIP's own
 * thread has the timers only. Says "ready".
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>
#include <lwip/udp.h>

enum { BATCH = 64, FRAME_MAX = 65536 };

static int tun;
static struct netif netif_tun;
static uint8_t chunk[CHUNK_BYTES];
static volatile int is_up;

static err_t tun_output(struct netif *netif, struct pbuf *packet, const ip4_addr_t *next_hop)
{
    static uint8_t copy[FRAME_MAX];
    const void *bytes = packet->payload;
    (void)netif;
    (void)next_hop;

    if (packet->next != NULL) {
        pbuf_copy_partial(packet, copy, packet->tot_len, 0);
        bytes = copy;
    }
    return write(tun, bytes, packet->tot_len) < 0 ? ERR_BUF : ERR_OK;
}

static err_t on_init(struct netif *netif)
{
    netif->name[0] = 't';
    netif->output = tun_output;
    return ERR_OK;
}

static void read_tun(void)
{
    static uint8_t frame[FRAME_MAX];

    for (unsigned i = 0; i < BATCH; i++) {
        ssize_t n = read(tun, frame, sizeof(frame));
        struct pbuf *packet;

        if (n <= 0)
            return;
        packet = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM);
        if (packet == NULL)
            return;
        memcpy(packet->payload, frame, (size_t)n);
        if (ip_input(packet, &netif_tun) != ERR_OK)
            pbuf_free(packet);
    }
}

static err_t sink(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
    (void)arg;
    (void)err;

    if (data == NULL)
        return tcp_close(pcb);
    for (const struct pbuf *part = data; part != NULL; part = part->next)
        memcpy(chunk, part->payload, part->len); /* as an application would */
    tcp_recved(pcb, data->tot_len);
    pbuf_free(data);
    return ERR_OK;
}

static err_t echo(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
    (void)arg;
    (void)err;

    if (data == NULL)
        return tcp_close(pcb);
    tcp_recved(pcb, data->tot_len);
    tcp_write(pcb, data->payload, data->len, TCP_WRITE_FLAG_COPY);
    tcp_output(pcb);
    pbuf_free(data);
    return ERR_OK;
}

static void write_more(struct tcp_pcb *pcb)
{
    u16_t room;

    while ((room = (u16_t)LWIP_MIN(tcp_sndbuf(pcb), UINT16_MAX)) > 0)
        if (tcp_write(pcb, chunk, room, TCP_WRITE_FLAG_COPY) != ERR_OK)
            break;
    tcp_output(pcb);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    (void)arg;
    (void)len;
    write_more(pcb);
    return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    unsigned port = *(const unsigned *)arg;
    (void)err;

    tcp_nagle_disable(pcb);
    tcp_recv(pcb, port == PORT_ECHO ? echo : sink);
    if (port == PORT_SOURCE) {
        tcp_sent(pcb, on_sent);
        write_more(pcb);
    }
    return ERR_OK;
}

static void udp_echo(void *arg, struct udp_pcb *pcb, struct pbuf *data, const ip_addr_t *from,
                     u16_t port)
{
    (void)arg;
    udp_sendto(pcb, data, from, port);
    pbuf_free(data);
}

static void serve(void)
{
    static unsigned ports[] = { PORT_SINK,     PORT_SOURCE,   PORT_ECHO,    PORT_IDLE,
                                PORT_IDLE + 1, PORT_IDLE + 2, PORT_IDLE + 3 };
    struct udp_pcb *udp = udp_new();

    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        struct tcp_pcb *pcb = tcp_new();

        tcp_bind(pcb, IP_ANY_TYPE, (u16_t)ports[i]);
        pcb = tcp_listen_with_backlog(pcb, 255);
        tcp_arg(pcb, &ports[i]);
        tcp_accept(pcb, on_accept);
    }
    udp_bind(udp, IP_ANY_TYPE, PORT_UDP_ECHO);
    udp_recv(udp, udp_echo, NULL);
}

static void open_tun(const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    tun = load_must(open("/dev/net/tun", O_RDWR | O_NONBLOCK), "/dev/net/tun");
    load_must(ioctl(tun, TUNSETIFF, &request), "TUNSETIFF");
}

static void on_started(void *arg)
{
    (void)arg;
    is_up = 1;
}

int main(int argc, char **argv)
{
    ip4_addr_t addr;
    ip4_addr_t mask;
    ip4_addr_t gateway;

    if (argc != 4) {
        fprintf(stderr, "usage: own_lwip DEVICE ADDRESS MTU\n");
        return 2;
    }
    open_tun(argv[1]);
    tcpip_init(on_started, NULL);
    while (!is_up)
        usleep(1000);
    LOCK_TCPIP_CORE();
    addr.addr = inet_addr(argv[2]);
    mask.addr = inet_addr("255.255.255.0");
    gateway.addr = 0;
    netif_add(&netif_tun, &addr, &mask, &gateway, NULL, on_init, ip_input);
    netif_tun.mtu = (u16_t)strtoul(argv[3], NULL, 10);
    netif_set_default(&netif_tun);
    netif_set_link_up(&netif_tun);
    netif_set_up(&netif_tun);
    serve();
    UNLOCK_TCPIP_CORE();
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct pollfd fd = { tun, POLLIN, 0 };

        load_must(poll(&fd, 1, -1), "poll");
        LOCK_TCPIP_CORE();
        read_tun();
        UNLOCK_TCPIP_CORE();
    }
}
