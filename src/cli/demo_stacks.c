#include "cli/demo.h"

#include "dev/impair.h"
#include "dev/pipe.h"
#include "io/alloc.h"
#include "io/clock.h"

#include <runnel/err.h>
#include <runnel/nic.h>
#include <runnel/tcp.h>
#include <string.h>

/* Two stacks, one turn, a bad link between them and no kernel anywhere: where namespaces are refused, this still shows it. */

#define CHUNK_BYTES   65536u
#define PORT          80
#define TIME_LIMIT_NS (600 * RN_NS_PER_S)

struct demo {
    struct rn_pool *pool;
    struct rn_turn turn;
    struct rn_stack *stacks[2];
    struct rn_device *ends[2];
    struct rn_sock *listener;
    struct rn_sock *server;
    struct rn_sock *client;
    uint64_t bytes;
    uint64_t sent;
    uint64_t received;
    bool is_wrong;
    bool is_done;
};

static struct rn_addr addr_of(unsigned which)
{
    return rn_addr_v4(0x0a000001 + which);
}

static void on_server(struct rn_sock *sock, unsigned events, void *arg)
{
    struct demo *d = arg;
    uint8_t chunk[CHUNK_BYTES];
    (void)events;

    while (d->sent < d->bytes) {
        size_t len = rn_min_size(CHUNK_BYTES, (size_t)(d->bytes - d->sent));
        int64_t n;

        rn_demo_fill(chunk, d->sent, len);
        n = rn_tcp_write(sock, chunk, len, 0);
        if (n < 0)
            return;
        d->sent += (uint64_t)n;
    }
    if (rn_sock_shutdown(sock, RN_SHUT_WRITE) < 0)
        d->is_wrong = true;
}

static void on_listener(struct rn_sock *sock, unsigned events, void *arg)
{
    struct demo *d = arg;
    (void)events;

    if (d->server == NULL && rn_sock_accept(sock, &d->server) >= 0)
        rn_sock_on_event(d->server, on_server, d);
}

static void on_client(struct rn_sock *sock, unsigned events, void *arg)
{
    struct demo *d = arg;
    uint8_t got[CHUNK_BYTES];
    uint8_t want[CHUNK_BYTES];
    int64_t n;
    (void)events;

    while ((n = rn_tcp_read(sock, got, sizeof(got))) > 0) {
        rn_demo_fill(want, d->received, (size_t)n);
        d->is_wrong |= memcmp(got, want, (size_t)n) != 0;
        d->received += (uint64_t)n;
    }
    if (n == 0)
        d->is_done = true;
    else if (n != RN_E_WOULD_BLOCK && n != RN_E_NOT_CONNECTED)
        d->is_wrong = true;
}

static int build(struct demo *d)
{
    static const uint8_t seed[16] = "runnel demo";
    struct rn_pipe_opts pipe = { .mtu = 1500 };
    struct rn_impair_opts bad = { .in = { .loss_ppm = 5000, .delay_ns = 5 * RN_NS_PER_MS },
                                  .out = { .loss_ppm = 5000, .delay_ns = 5 * RN_NS_PER_MS },
                                  .seed = 1 };
    struct rn_stack_opts opts = { .protos = &rn_protos_all, .is_test = true };
    struct rn_device *plain[2];
    struct rn_nic *nic;
    int err = rn_pool_new(&d->pool, rn_alloc_libc(), NULL);

    if (err < 0)
        return err;
    rn_turn_init(&d->turn, d->pool, seed, 0);
    err = rn_pipe_new(plain, &d->turn, &pipe);
    if (err < 0)
        return err;
    d->ends[1] = plain[1];
    err = rn_impair_new(&d->ends[0], plain[0], &bad);
    for (unsigned i = 0; i < 2 && err >= 0; i++) {
        err = rn_stack_new(&d->stacks[i], &d->turn, &opts);
        if (err >= 0)
            err = rn_nic_new(&nic, d->stacks[i], d->ends[i],
                             &(struct rn_nic_opts){ .flags = RN_NIC_NO_DAD });
        if (err >= 0)
            err = rn_nic_start(nic);
        if (err >= 0)
            err = rn_nic_add_addr(nic, addr_of(i), 24);
    }
    return err;
}

static int start(struct demo *d)
{
    struct rn_endpoint at = { .addr = addr_of(1), .port = PORT };
    int err = rn_tcp_new(&d->listener, d->stacks[1]);

    if (err >= 0)
        err = rn_sock_bind(d->listener, &at);
    if (err >= 0)
        err = rn_sock_listen(d->listener, 1);
    if (err < 0)
        return err;
    rn_sock_on_event(d->listener, on_listener, d);
    err = rn_tcp_new(&d->client, d->stacks[0]);
    if (err < 0)
        return err;
    rn_sock_on_event(d->client, on_client, d);
    err = rn_sock_connect(d->client, &at);
    return err == RN_E_CONNECT_STARTED ? RN_OK : err;
}

static void run(struct demo *d)
{
    int64_t now_ns = 0;

    while (!d->is_done && !d->is_wrong && now_ns < TIME_LIMIT_NS) {
        int64_t next_ns;

        rn_turn_begin(&d->turn, now_ns);
        rn_turn_end(&d->turn);
        next_ns = rn_turn_deadline_ns(&d->turn);
        if (next_ns == INT64_MAX)
            break;
        now_ns = rn_max_i64(now_ns, next_ns);
    }
}

static void tear_down(struct demo *d)
{
    d->client = rn_sock_abort(d->client);
    d->server = rn_sock_abort(d->server);
    d->listener = rn_sock_close(d->listener);
    d->stacks[0] = rn_stack_free(d->stacks[0]);
    d->stacks[1] = rn_stack_free(d->stacks[1]);
    rn_device_free(d->ends[0]);
    rn_device_free(d->ends[1]);
    if (d->pool != NULL)
        rn_turn_fini(&d->turn);
    rn_pool_free(d->pool);
}

int rn_demo_two_stacks(uint64_t bytes, double *ret_virtual_s, double *ret_real_s)
{
    struct demo d = { .bytes = bytes };
    int64_t started_ns = rn_clock_now_ns();
    bool is_right;

    if (build(&d) >= 0 && start(&d) >= 0)
        run(&d);
    is_right = d.is_done && !d.is_wrong && d.received == bytes;
    *ret_virtual_s = (double)d.turn.now_ns / (double)RN_NS_PER_S;
    *ret_real_s = (double)(rn_clock_now_ns() - started_ns) / (double)RN_NS_PER_S;
    tear_down(&d);
    return is_right ? 0 : -1;
}
