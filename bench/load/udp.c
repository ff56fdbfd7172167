/* Datagrams: batches that come back, and as many as go, one way. */
#include "load.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    BATCH = 32,
    DGRAM_MAX = 2048,
    BATCHES_MAX = 1 << 20,
    GSO_MAX_BYTES = 64000,
    PATIENCE_US = 20000
};

/* A datagram of the echo carries its batch's number, so that one which comes late is not taken for an answer. */
struct batch {
    struct mmsghdr msgs[BATCH];
    struct iovec views[BATCH];
    uint8_t bytes[BATCH][DGRAM_MAX];
};

static struct batch out;
static struct batch in;

static void prepare(struct batch *batch, size_t size)
{
    for (unsigned i = 0; i < BATCH; i++) {
        batch->views[i] = (struct iovec){ batch->bytes[i], size };
        batch->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &batch->views[i], .msg_iovlen = 1 };
    }
}

static int connected(const struct load_opts *opts)
{
    int fd = load_must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

    load_must(connect(fd, (const struct sockaddr *)&opts->to, sizeof(opts->to)), "connect");
    return fd;
}

static void send_batch(int fd, uint32_t number)
{
    int n_sent = 0;

    for (unsigned i = 0; i < BATCH; i++)
        memcpy(out.bytes[i], &number, sizeof(number));
    while (n_sent < BATCH)
        n_sent +=
            load_must(sendmmsg(fd, &out.msgs[n_sent], BATCH - (unsigned)n_sent, 0), "sendmmsg");
}

/* How many answers to @number came before patience ended. */
static unsigned await_batch(int fd, uint32_t number)
{
    unsigned n_back = 0;

    while (n_back < BATCH) {
        int n = recvmmsg(fd, in.msgs, BATCH, MSG_WAITFORONE, NULL);

        if (n < 0)
            break;
        for (int i = 0; i < n; i++)
            n_back += memcmp(in.bytes[i], &number, sizeof(number)) == 0;
    }
    return n_back;
}

void load_udp_echo(const struct load_opts *opts)
{
    int64_t begin_ns = load_now_ns() + (int64_t)(opts->warm_up_s * NS_PER_S);
    int64_t end_ns = begin_ns + (int64_t)(opts->seconds * NS_PER_S);
    uint64_t *ns = calloc(BATCHES_MAX, sizeof(*ns));
    uint64_t n_sent = 0;
    uint64_t n_back = 0;
    size_t n_batches = 0;
    bool has_begun = false;
    int fd = connected(opts);
    int64_t now_ns = load_now_ns();

    load_must(ns != NULL ? 0 : -1, "calloc");
    load_must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, PATIENCE_US },
                         sizeof(struct timeval)),
              "SO_RCVTIMEO");
    prepare(&out, opts->size_bytes);
    prepare(&in, DGRAM_MAX);
    for (uint32_t number = 1; now_ns < end_ns; number++) {
        int64_t then_ns = load_now_ns();

        if (!has_begun && then_ns >= begin_ns) {
            has_begun = true;
            n_sent = n_back = n_batches = 0;
            load_say_begin();
            begin_ns = then_ns = load_now_ns();
        }
        send_batch(fd, number);
        n_sent += BATCH;
        n_back += await_batch(fd, number);
        now_ns = load_now_ns();
        if (n_batches < BATCHES_MAX)
            ns[n_batches++] = (uint64_t)(now_ns - then_ns);
    }
    printf("{\"seconds\":%.6f,\"operations\":%llu,\"sent\":%llu",
           (double)(now_ns - begin_ns) / NS_PER_S, (unsigned long long)n_back,
           (unsigned long long)n_sent);
    load_print_cost();
    load_print_percentiles(ns, n_batches);
    printf("}\n");
}

/* One system call's worth; returns how many datagrams went. Full queues on the way are waited for by the kernel. */
static unsigned blast_once(int fd, const struct load_opts *opts, const uint8_t *super,
                           size_t super_bytes)
{
    if (opts->is_gso)
        return send(fd, super, super_bytes, 0) < 0 ? 0 : (unsigned)(super_bytes / opts->size_bytes);
    return (unsigned)load_must(sendmmsg(fd, out.msgs, BATCH, 0), "sendmmsg");
}

void load_udp_blast(const struct load_opts *opts)
{
    static uint8_t super[GSO_MAX_BYTES];
    size_t super_bytes = GSO_MAX_BYTES / opts->size_bytes * opts->size_bytes;
    int64_t begin_ns = load_now_ns() + (int64_t)(opts->warm_up_s * NS_PER_S);
    int64_t end_ns = begin_ns + (int64_t)(opts->seconds * NS_PER_S);
    bool has_begun = false;
    uint64_t n_sent = 0;
    int fd = connected(opts);

    prepare(&out, opts->size_bytes);
    if (opts->is_gso)
        load_must(
            setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &(int){ (int)opts->size_bytes }, sizeof(int)),
            "UDP_SEGMENT");
    while (load_now_ns() < end_ns) {
        if (!has_begun && load_now_ns() >= begin_ns) {
            has_begun = true;
            n_sent = 0;
            load_say_begin();
            begin_ns = load_now_ns();
        }
        n_sent += blast_once(fd, opts, super, super_bytes);
    }
    printf("{\"seconds\":%.6f,\"sent\":%llu", (double)(load_now_ns() - begin_ns) / NS_PER_S,
           (unsigned long long)n_sent);
    load_print_cost();
    printf("}\n");
}
