/*
 * usage: floor PID DEVICE MTU
 *
 * The least a relay can do: a bare TUN-read + send loop one way, a bare recv + TUN-write loop the other. Opens DEVICE in the
 * network of process PID with the offloads a real relay uses, and carries TCP connections to wherever they were meant: a
 * socket for each flow, found by the packet's ports. Of TCP it has what makes the kernel at the far end go on, and no more:
 * no loss, no timers, no checks. Says "ready".
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    HDR_BYTES = sizeof(struct iphdr) + sizeof(struct tcphdr),
    FRAME_MAX = 65535,
    OPTIONS_BYTES = 8, /* of our SYN: MSS, a no-op, window scale */
    OUR_SCALE =
        5, /* 2 MiB: eight such flows cannot fill TUN's queue of 500 frames, and there is no loss */
    ACK_EVERY_FRAMES = 16,
    FLOWS_MAX = 16,
};

/* A frame as TUN takes and gives it. */
struct frame {
    struct virtio_net_hdr virtio;
    uint8_t bytes[FRAME_MAX];
};

struct flow {
    int host; /* socket to the server; 0: no connection */
    struct sockaddr_in client;
    struct sockaddr_in server;
    uint32_t rcv_next;
    uint32_t snd_next;
    uint32_t snd_acked;
    uint32_t window_bytes; /* what the client takes */
    unsigned scale;
    unsigned n_unanswered; /* frames not acknowledged yet */
};

struct floor {
    int tun;
    uint16_t mss;
    struct flow flows[FLOWS_MAX];
};

static struct frame frame;

static uint16_t folded(uint64_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint64_t sum_of(const void *bytes, size_t len)
{
    uint64_t sum = 0;
    uint16_t word;

    for (size_t i = 0; i + 1 < len; i += 2) {
        memcpy(&word, (const uint8_t *)bytes + i, sizeof(word));
        sum += word;
    }
    return sum;
}

/* Headers of what goes to the client; the kernel completes the checksum and cuts, as the virtio header says. */
static void fill_headers(const struct flow *flow, struct frame *out, size_t payload_bytes,
                         size_t options_bytes)
{
    size_t tcp_bytes = sizeof(struct tcphdr) + options_bytes;
    struct iphdr ip = {
        .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .frag_off = htons(0x4000)
    };
    struct tcphdr tcp = { .source = flow->server.sin_port,
                          .dest = flow->client.sin_port,
                          .doff = (tcp_bytes / 4) & 15 };

    ip.tot_len = htons((uint16_t)(sizeof(ip) + tcp_bytes + payload_bytes));
    ip.saddr = flow->server.sin_addr.s_addr;
    ip.daddr = flow->client.sin_addr.s_addr;
    ip.check = (uint16_t)~folded(sum_of(&ip, sizeof(ip)));
    tcp.seq = htonl(flow->snd_next);
    tcp.ack_seq = htonl(flow->rcv_next);
    tcp.ack = 1;
    tcp.syn = options_bytes > 0;
    tcp.window = 0xffff;
    tcp.check = folded(sum_of(&ip.saddr, 8) + htons(IPPROTO_TCP) +
                       htons((uint16_t)(tcp_bytes + payload_bytes)));
    memcpy(out->bytes, &ip, sizeof(ip));
    memcpy(out->bytes + sizeof(ip), &tcp, sizeof(tcp));
    out->virtio = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                           .csum_start = sizeof(struct iphdr),
                                           .csum_offset = offsetof(struct tcphdr, check) };
}

static void put_frame(const struct floor *f, const struct frame *out, size_t len)
{
    load_must((int)write(f->tun, out, sizeof(out->virtio) + len), "write to TUN");
}

static void answer(const struct floor *f, struct flow *flow)
{
    static struct frame ack;

    fill_headers(flow, &ack, 0, 0);
    put_frame(f, &ack, HDR_BYTES);
    flow->n_unanswered = 0;
}

static unsigned scale_of(const uint8_t *options, size_t len)
{
    size_t at = 0;

    while (at + 2 < len && options[at] != TCPOPT_EOL) {
        if (options[at] == TCPOPT_WINDOW)
            return options[at + 2];
        at += options[at] == TCPOPT_NOP || options[at + 1] == 0 ? 1 : options[at + 1];
    }
    return 0;
}

/* The flow of these ports, in the client's order; NULL: there is none. */
static struct flow *flow_of(struct floor *f, const struct tcphdr *tcp)
{
    for (size_t i = 0; i < FLOWS_MAX; i++) {
        struct flow *flow = &f->flows[i];

        if (flow->host > 0 && flow->client.sin_port == tcp->source &&
            flow->server.sin_port == tcp->dest)
            return flow;
    }
    return NULL;
}

static void hang_up(struct flow *flow)
{
    close(flow->host);
    *flow = (struct flow){ 0 };
}

/* A place for a new flow; what had these ports before is over. NULL: no more can be carried. */
static struct flow *vacant(struct floor *f, const struct tcphdr *syn)
{
    struct flow *old = flow_of(f, syn);

    if (old != NULL)
        hang_up(old);
    for (size_t i = 0; i < FLOWS_MAX; i++)
        if (f->flows[i].host == 0)
            return &f->flows[i];
    return NULL;
}

static void on_syn(struct floor *f, const struct iphdr *ip, const struct tcphdr *tcp)
{
    static struct frame syn;
    const uint8_t *options = frame.bytes + HDR_BYTES;
    struct flow *flow = vacant(f, tcp);
    uint8_t ours[OPTIONS_BYTES] = {
        TCPOPT_MAXSEG, 4, (uint8_t)(f->mss >> 8), (uint8_t)f->mss, TCPOPT_NOP, TCPOPT_WINDOW, 3,
        OUR_SCALE
    };

    if (flow == NULL)
        return;
    flow->client = (struct sockaddr_in){ AF_INET, tcp->source, { ip->saddr }, { 0 } };
    flow->server = (struct sockaddr_in){ AF_INET, tcp->dest, { ip->daddr }, { 0 } };
    flow->scale = scale_of(options, tcp->doff * 4u - sizeof(*tcp));
    flow->rcv_next = ntohl(tcp->seq) + 1;
    flow->snd_next = 1;
    flow->host = load_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    load_must(connect(flow->host, (const struct sockaddr *)&flow->server, sizeof(flow->server)),
              "connect");
    fill_headers(flow, &syn, 0, OPTIONS_BYTES);
    memcpy(syn.bytes + HDR_BYTES, ours, sizeof(ours));
    put_frame(f, &syn, HDR_BYTES + OPTIONS_BYTES);
    flow->snd_next++;
    flow->snd_acked = flow->snd_next;
    flow->window_bytes = 65535;
}

static void on_data(const struct floor *f, struct flow *flow, const uint8_t *payload, size_t len)
{
    flow->rcv_next += (uint32_t)len;
    while (len > 0) {
        ssize_t n = send(flow->host, payload, len, 0);

        if (n < 0) {
            hang_up(flow);
            return;
        }
        payload += n;
        len -= (size_t)n;
    }
    if (++flow->n_unanswered == ACK_EVERY_FRAMES)
        answer(f, flow);
}

static void on_frame(struct floor *f, size_t len)
{
    struct flow *flow;
    struct tcphdr tcp;
    struct iphdr ip;
    size_t hdr_bytes;

    memcpy(&ip, frame.bytes, sizeof(ip));
    memcpy(&tcp, frame.bytes + sizeof(ip), sizeof(tcp));
    if (len < HDR_BYTES || ip.version != 4 || ip.protocol != IPPROTO_TCP)
        return;
    hdr_bytes = sizeof(ip) + tcp.doff * 4u;
    if (tcp.syn) {
        on_syn(f, &ip, &tcp);
        return;
    }
    flow = flow_of(f, &tcp);
    if (flow == NULL)
        return;
    flow->snd_acked = ntohl(tcp.ack_seq);
    flow->window_bytes = (uint32_t)ntohs(tcp.window) << flow->scale;
    if (tcp.rst || tcp.fin)
        hang_up(flow);
    else if (len > hdr_bytes && ntohl(tcp.seq) == flow->rcv_next)
        on_data(f, flow, frame.bytes + hdr_bytes, len - hdr_bytes);
}

static void read_tun(struct floor *f)
{
    ssize_t n;

    while ((n = read(f->tun, &frame, sizeof(frame))) > 0)
        on_frame(f, (size_t)n - sizeof(frame.virtio));
    for (size_t i = 0; i < FLOWS_MAX; i++)
        if (f->flows[i].n_unanswered > 0)
            answer(f, &f->flows[i]);
}

static size_t room(const struct floor *f, const struct flow *flow)
{
    uint32_t in_flight = flow->snd_next - flow->snd_acked;
    size_t most = (size_t)(FRAME_MAX - HDR_BYTES) / f->mss * f->mss;

    if (flow->window_bytes < in_flight + most)
        return 0;
    return most;
}

/* As much as the client takes, a frame of the greatest size at a time. */
static void read_host(struct floor *f, struct flow *flow)
{
    static struct frame out;
    size_t max = room(f, flow);
    ssize_t n;

    if (max == 0)
        return;
    n = recv(flow->host, out.bytes + HDR_BYTES, max, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        hang_up(flow);
        return;
    }
    if (n < 0)
        return;
    fill_headers(flow, &out, (size_t)n, 0);
    if (n > f->mss) {
        out.virtio.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        out.virtio.gso_size = f->mss;
        out.virtio.hdr_len = HDR_BYTES;
    }
    put_frame(f, &out, HDR_BYTES + (size_t)n);
    flow->snd_next += (uint32_t)n;
}

static void enter(const char *path)
{
    int fd = load_must(open(path, O_RDONLY | O_CLOEXEC), path);

    load_must(setns(fd, CLONE_NEWNET), path);
    close(fd);
}

static int open_tun(const char *pid, const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    enter(path);
    fd = load_must(open("/dev/net/tun", O_RDWR | O_NONBLOCK), "/dev/net/tun");
    load_must(ioctl(fd, TUNSETIFF, &request), "TUNSETIFF");
    load_must(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4), "TUNSETOFFLOAD");
    return fd;
}

static void turn(struct floor *f)
{
    struct pollfd fds[1 + FLOWS_MAX] = { { f->tun, POLLIN, 0 } };
    struct flow *flows[1 + FLOWS_MAX];
    nfds_t n_fds = 1;

    for (size_t i = 0; i < FLOWS_MAX; i++) {
        if (f->flows[i].host == 0 || room(f, &f->flows[i]) == 0)
            continue;
        flows[n_fds] = &f->flows[i];
        fds[n_fds++] = (struct pollfd){ f->flows[i].host, POLLIN, 0 };
    }
    load_must(poll(fds, n_fds, -1), "poll");
    if (fds[0].revents != 0)
        read_tun(f);
    for (nfds_t i = 1; i < n_fds; i++)
        if (fds[i].revents != 0 && flows[i]->host == fds[i].fd)
            read_host(f, flows[i]);
}

int main(int argc, char **argv)
{
    static struct floor f;
    int home = load_must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "/proc/self/ns/net");

    if (argc != 4) {
        fprintf(stderr, "usage: floor PID DEVICE MTU\n");
        return 2;
    }
    f.mss = (uint16_t)(strtoul(argv[3], NULL, 10) - HDR_BYTES);
    f.tun = open_tun(argv[1], argv[2]);
    load_must(setns(home, CLONE_NEWNET), "setns");
    printf("ready\n");
    fflush(stdout);
    for (;;)
        turn(&f);
}
