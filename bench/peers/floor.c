/*
 * usage: floor PID DEVICE MTU
 *
 * The least a relay can do: a bare TUN-read + send loop one way, a bare recv + TUN-write loop the other. Opens DEVICE in the
 * network of process PID with the offloads a real relay uses, and carries one TCP connection at a time to wherever it was
 * meant. Of TCP it has what makes the kernel at the far end go on, and no more: no loss, no timers, no checks. Says "ready".
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
    OUR_SCALE = 8,
    ACK_EVERY_FRAMES = 16,
};

/* A frame as TUN takes and gives it. */
struct frame {
    struct virtio_net_hdr virtio;
    uint8_t bytes[FRAME_MAX];
};

struct floor {
    int tun;
    int host; /* socket to the server; -1: no connection */
    uint16_t mss;
    struct sockaddr_in client;
    struct sockaddr_in server;
    uint32_t rcv_next;
    uint32_t snd_next;
    uint32_t snd_acked;
    uint32_t window_bytes; /* what the client takes */
    unsigned scale;
    unsigned n_unanswered; /* frames not acknowledged yet */
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
static void fill_headers(struct floor *f, struct frame *out, size_t payload_bytes,
                         size_t options_bytes)
{
    size_t tcp_bytes = sizeof(struct tcphdr) + options_bytes;
    struct iphdr ip = {
        .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .frag_off = htons(0x4000)
    };
    struct tcphdr tcp = { .source = f->server.sin_port,
                          .dest = f->client.sin_port,
                          .doff = (tcp_bytes / 4) & 15 };

    ip.tot_len = htons((uint16_t)(sizeof(ip) + tcp_bytes + payload_bytes));
    ip.saddr = f->server.sin_addr.s_addr;
    ip.daddr = f->client.sin_addr.s_addr;
    ip.check = (uint16_t)~folded(sum_of(&ip, sizeof(ip)));
    tcp.seq = htonl(f->snd_next);
    tcp.ack_seq = htonl(f->rcv_next);
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
    if (payload_bytes > f->mss) {
        out->virtio.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        out->virtio.gso_size = f->mss;
        out->virtio.hdr_len = HDR_BYTES;
    }
}

static void put_frame(const struct floor *f, const struct frame *out, size_t len)
{
    load_must((int)write(f->tun, out, sizeof(out->virtio) + len), "write to TUN");
}

static void answer(struct floor *f)
{
    static struct frame ack;

    fill_headers(f, &ack, 0, 0);
    put_frame(f, &ack, HDR_BYTES);
    f->n_unanswered = 0;
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

static void on_syn(struct floor *f, const struct iphdr *ip, const struct tcphdr *tcp)
{
    static struct frame syn;
    const uint8_t *options = frame.bytes + HDR_BYTES;
    uint8_t ours[OPTIONS_BYTES] = {
        TCPOPT_MAXSEG, 4, (uint8_t)(f->mss >> 8), (uint8_t)f->mss, TCPOPT_NOP, TCPOPT_WINDOW, 3,
        OUR_SCALE
    };

    if (f->host >= 0)
        close(f->host);
    f->client = (struct sockaddr_in){ AF_INET, tcp->source, { ip->saddr }, { 0 } };
    f->server = (struct sockaddr_in){ AF_INET, tcp->dest, { ip->daddr }, { 0 } };
    f->scale = scale_of(options, tcp->doff * 4u - sizeof(*tcp));
    f->rcv_next = ntohl(tcp->seq) + 1;
    f->snd_next = 1;
    f->snd_acked = 1;
    f->host = load_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    load_must(connect(f->host, (const struct sockaddr *)&f->server, sizeof(f->server)), "connect");
    fill_headers(f, &syn, 0, OPTIONS_BYTES);
    memcpy(syn.bytes + HDR_BYTES, ours, sizeof(ours));
    put_frame(f, &syn, HDR_BYTES + OPTIONS_BYTES);
    f->snd_next++;
    f->snd_acked++;
    f->window_bytes = 65535;
}

static void hang_up(struct floor *f)
{
    close(f->host);
    f->host = -1;
}

static void on_data(struct floor *f, const uint8_t *payload, size_t len)
{
    f->rcv_next += (uint32_t)len;
    while (len > 0) {
        ssize_t n = send(f->host, payload, len, 0);

        if (n < 0) {
            hang_up(f);
            return;
        }
        payload += n;
        len -= (size_t)n;
    }
    if (++f->n_unanswered == ACK_EVERY_FRAMES)
        answer(f);
}

static void on_frame(struct floor *f, size_t len)
{
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
    if (f->host < 0 || tcp.source != f->client.sin_port)
        return;
    f->snd_acked = ntohl(tcp.ack_seq);
    f->window_bytes = (uint32_t)ntohs(tcp.window) << f->scale;
    if (tcp.rst || tcp.fin)
        hang_up(f);
    else if (len > hdr_bytes && ntohl(tcp.seq) == f->rcv_next)
        on_data(f, frame.bytes + hdr_bytes, len - hdr_bytes);
}

static void read_tun(struct floor *f)
{
    ssize_t n;

    while ((n = read(f->tun, &frame, sizeof(frame))) > 0)
        on_frame(f, (size_t)n - sizeof(frame.virtio));
    if (f->n_unanswered > 0 && f->host >= 0)
        answer(f);
}

static size_t room(const struct floor *f)
{
    uint32_t in_flight = f->snd_next - f->snd_acked;
    size_t most = (size_t)(FRAME_MAX - HDR_BYTES) / f->mss * f->mss;

    if (f->window_bytes < in_flight + most)
        return 0;
    return most;
}

/* As much as the client takes, a frame of the greatest size at a time. */
static void read_host(struct floor *f)
{
    static struct frame out;
    size_t max = room(f);
    ssize_t n;

    if (max == 0)
        return;
    n = recv(f->host, out.bytes + HDR_BYTES, max, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        hang_up(f);
        return;
    }
    if (n < 0)
        return;
    fill_headers(f, &out, (size_t)n, 0);
    put_frame(f, &out, HDR_BYTES + (size_t)n);
    f->snd_next += (uint32_t)n;
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

int main(int argc, char **argv)
{
    struct floor f = { .host = -1 };
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
    for (;;) {
        struct pollfd fds[2] = { { f.tun, POLLIN, 0 }, { room(&f) > 0 ? f.host : -1, POLLIN, 0 } };

        load_must(poll(fds, 2, -1), "poll");
        if (fds[0].revents != 0)
            read_tun(&f);
        if (fds[1].revents != 0 && f.host >= 0)
            read_host(&f);
    }
}
