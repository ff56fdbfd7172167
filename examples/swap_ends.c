/*
 * A link that is re-plugged while packets flow, in memory: what a VPN does when its network changes.
 *
 *     sender --- pipe --- point to point --- sniffer --- pipe --- receiver, and later another one
 *
 * Numbered packets cross; half-way the far end is replaced. The first receiver gets what was sent before, the second the rest,
 * each packet once and in order. With an argument, a capture of the link is written there:
 *
 *     ./example_swap_ends link.pcapng && tshark -r link.pcapng
 */
#include <runnel/err.h>
#include <runnel/join.h>
#include <runnel/loop.h>
#include <runnel/memory.h>
#include <runnel/pipe.h>
#include <runnel/wrap.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { PACKETS = 1000, HEADER_BYTES = 28, PACKET_BYTES = HEADER_BYTES + 4 };

/* What stands on one side of the link: a program that reads and writes bytes. */
struct end {
    struct rn_device *outer; /* the program's */
    struct rn_device *inner; /* the link's */
    struct rn_single *io;
};

struct link {
    struct rn_loop *loop;
    struct rn_p2p *p2p;
    struct rn_pcap_out *capture; /* NULL: none wanted */
    struct rn_sniff_sink sink;
    struct end end[3]; /* sender, first receiver, second receiver */
};

static int open_end(struct link *l, unsigned i)
{
    struct rn_device *ends[2];
    int err = rn_pipe_open(ends, rn_loop_turn(l->loop), 0);

    if (err < 0)
        return err;
    l->end[i].outer = ends[0];
    l->end[i].inner = ends[1];
    return rn_single_new(&l->end[i].io, ends[0], NULL, NULL);
}

/* The link sees the receivers through a sniffer. */
static int open_receiver(struct link *l, unsigned i)
{
    struct rn_device *seen;
    int err = open_end(l, i);

    if (err < 0 || l->capture == NULL)
        return err;
    err = rn_sniffer_new(&seen, l->end[i].inner, &l->sink);
    if (err >= 0)
        l->end[i].inner = seen; /* it owns the pipe's end now */
    return err;
}

static int open_capture(struct link *l, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int err;

    if (fd < 0)
        return RN_E_NO_FILE;
    err = rn_pcap_out_new(&l->capture, l->loop, fd,
                          &(struct rn_pcap_out_opts){ .app = "swap_ends 1" });
    return err < 0 ? err : rn_pcap_out_interface(l->capture, "link", RN_LINK_IP, &l->sink);
}

static int open_link(struct link *l, const char *capture)
{
    int err = rn_loop_new(&l->loop, NULL);

    if (err >= 0 && capture != NULL)
        err = open_capture(l, capture);
    if (err >= 0)
        err = rn_p2p_new(&l->p2p, rn_loop_turn(l->loop), &(struct rn_p2p_opts){ 0 });
    if (err >= 0)
        err = open_end(l, 0);
    if (err >= 0)
        err = open_receiver(l, 1);
    if (err >= 0)
        err = open_receiver(l, 2);
    if (err >= 0)
        err = rn_p2p_set(l->p2p, RN_P2P_A, l->end[0].inner);
    return err < 0 ? err : rn_p2p_set(l->p2p, RN_P2P_B, l->end[1].inner);
}

/* A UDP packet of IPv4 without checksums: enough for a link, which does not look inside. */
static void make_packet(unsigned char packet[PACKET_BYTES], unsigned number)
{
    static const unsigned char header[HEADER_BYTES] = {
        0x45, 0, 0, PACKET_BYTES, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 9,
        0,    9, 0, 12,           0, 0
    };

    memcpy(packet, header, sizeof(header));
    for (unsigned i = 0; i < 4; i++)
        packet[HEADER_BYTES + i] = (unsigned char)(number >> (24 - 8 * i));
}

/* Reads all that has come. Returns the next number that is missing, or a huge one when something is wrong. */
static unsigned receive(struct end *end, unsigned next)
{
    unsigned char packet[1500];
    unsigned char expected[PACKET_BYTES];
    int n;

    while ((n = rn_single_read(end->io, packet, sizeof(packet))) > 0) {
        make_packet(expected, next++);
        if (n != PACKET_BYTES || memcmp(packet, expected, sizeof(expected)) != 0)
            return ~0u;
    }
    return next;
}

static int run(struct link *l)
{
    unsigned got[2] = { 0, 0 };
    unsigned next = 0;

    for (unsigned sent = 0; sent < PACKETS; sent++) {
        unsigned char packet[PACKET_BYTES];
        unsigned receiver = sent < PACKETS / 2 ? 0 : 1;
        unsigned had = next;

        make_packet(packet, sent);
        if (sent == PACKETS / 2 && rn_p2p_set(l->p2p, RN_P2P_B, l->end[2].inner) < 0)
            return 1;
        if (rn_single_write(l->end[0].io, packet, sizeof(packet)) < 0 ||
            rn_loop_step(l->loop, 0) < 0)
            return 1;
        next = receive(&l->end[1 + receiver], next);
        got[receiver] += next - had;
    }
    printf("sent %d: %u to the first end, %u to the second; %s\n", PACKETS, got[0], got[1],
           next == PACKETS ? "each once, in order" : "something is missing");
    return next == PACKETS && got[0] == PACKETS / 2 ? 0 : 1;
}

static void close_link(struct link *l)
{
    rn_p2p_free(l->p2p);
    for (unsigned i = 0; i < 3; i++) {
        rn_single_free(l->end[i].io);
        rn_device_free(l->end[i].inner);
        rn_device_free(l->end[i].outer);
    }
    rn_pcap_out_free(l->capture);
    rn_loop_free(l->loop);
}

int main(int argc, char **argv)
{
    struct link l = { 0 };
    int err = open_link(&l, argc > 1 ? argv[1] : NULL);
    int status = 1;

    if (err < 0)
        fprintf(stderr, "swap_ends: %s\n", rn_err_text(err));
    else
        status = run(&l);
    close_link(&l);
    return status;
}
