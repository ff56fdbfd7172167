/* A forwarder and a point-to-point link in a row between two sockets, both outer ends swapped all the time. */
#include "io/device_watch.h"

#include "dev/forward.h"
#include "dev/p2p.h"
#include "dev/pipe.h"
#include "io/fd_device.h"
#include "packets.h"
#include <runnel/err.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_PACKETS 20000u

/* One outer end: a socket of the test, and the device on its other side. */
struct port {
    int fd;
    struct rn_device *dev;
    struct rn_device_watch watch;
};

/*  in.fd | in.dev -> forwarder -> middle[0] = middle[1] <-> p2p <-> out.dev | out.fd  */
struct line {
    struct rn_test_alloc alloc;
    struct rn_loop *loop;
    struct rn_forwarder fwd;
    struct rn_p2p p2p;
    struct rn_device *middle[2];
    struct port in;
    struct port out;
    uint32_t next_out;
    uint32_t next_in;
};

static struct port open_port(struct line *l)
{
    struct rn_fd_device_opts opts = { .kind = "fd", .name = "port", .mtu = 1500 };
    struct port port = { 0 };
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    opts.fd = fds[1];
    port.fd = fds[0];
    assert_int_equal(rn_fd_device_new(&port.dev, rn_loop_turn(l->loop), &opts), RN_OK);
    return port;
}

static void close_port(struct port *port)
{
    rn_device_watch_stop(&port->watch);
    rn_device_free(port->dev);
    close(port->fd);
}

static void plug_in(struct line *l)
{
    l->in = open_port(l);
    assert_int_equal(rn_forwarder_set_from(&l->fwd, l->in.dev), RN_OK);
    assert_int_equal(rn_device_watch_start(&l->in.watch, l->loop, l->in.dev), RN_OK);
}

static void plug_out(struct line *l)
{
    l->out = open_port(l);
    assert_int_equal(rn_p2p_set(&l->p2p, RN_P2P_B, l->out.dev), RN_OK);
    assert_int_equal(rn_device_watch_start(&l->out.watch, l->loop, l->out.dev), RN_OK);
}

static void line_init(struct line *l)
{
    *l = (struct line){ 0 };
    rn_test_alloc_init(&l->alloc);
    assert_int_equal(rn_loop_new(&l->loop, &(struct rn_loop_opts){ .alloc = &l->alloc.alloc }), 0);
    assert_int_equal(rn_pipe_new(l->middle, rn_loop_turn(l->loop), &(struct rn_pipe_opts){ 0 }), 0);
    rn_forwarder_init(&l->fwd, rn_loop_turn(l->loop));
    rn_p2p_init(&l->p2p, rn_loop_turn(l->loop));
    assert_int_equal(rn_forwarder_set_to(&l->fwd, l->middle[0]), RN_OK);
    assert_int_equal(rn_p2p_set(&l->p2p, RN_P2P_A, l->middle[1]), RN_OK);
    plug_in(l);
    plug_out(l);
}

static void line_fini(struct line *l)
{
    rn_forwarder_fini(&l->fwd);
    rn_p2p_fini(&l->p2p);
    close_port(&l->in);
    close_port(&l->out);
    rn_device_free(l->middle[0]);
    rn_device_free(l->middle[1]);
    rn_loop_free(l->loop);
    rn_test_alloc_fini(&l->alloc);
}

static void send_some(struct line *l, unsigned n)
{
    uint8_t bytes[48] = { 0 };

    for (unsigned i = 0; i < n && l->next_out < N_PACKETS; i++) {
        rn_put_be32(bytes + 28, l->next_out);
        bytes[0] = 0x45;
        if (send(l->in.fd, bytes, sizeof(bytes), 0) < 0)
            return;
        l->next_out++;
    }
}

/* Each number exactly once and in order. */
static void receive_all(struct line *l)
{
    uint8_t bytes[64];
    ssize_t n;

    while ((n = recv(l->out.fd, bytes, sizeof(bytes), 0)) > 0) {
        assert_int_equal(n, 48);
        assert_int_equal(rn_get_be32(bytes + 28), l->next_in++);
    }
}

static void step_until_in_is_read(struct line *l)
{
    for (unsigned i = 0; i < 8; i++)
        assert_true(rn_loop_step(l->loop, 0) >= 0);
}

static void test_numbered_series_passes_once_while_nothing_is_swapped(void **state)
{
    struct line l;
    (void)state;
    line_init(&l);

    while (l.next_in < N_PACKETS) {
        send_some(&l, 50);
        assert_true(rn_loop_step(l.loop, 0) >= 0);
        receive_all(&l);
    }

    assert_int_equal(l.next_out, N_PACKETS);
    line_fini(&l);
}

/* Before an end goes its own queue is let run empty, as the far network would; what is between the ends must not be lost. */
static void test_both_ends_are_swapped_all_the_time_and_the_series_stays_whole(void **state)
{
    struct line l;
    struct port old;
    (void)state;
    line_init(&l);

    for (unsigned i = 0; l.next_in < N_PACKETS; i++) {
        send_some(&l, 60);
        step_until_in_is_read(&l);
        receive_all(&l);
        if (i % 2 == 0) {
            old = l.in;
            rn_device_watch_stop(&l.in.watch);
            plug_in(&l);
        } else {
            old = l.out;
            rn_device_watch_stop(&l.out.watch);
            plug_out(&l);
        }
        rn_device_free(old.dev);
        close(old.fd);
        assert_true(rn_loop_step(l.loop, 0) >= 0);
        receive_all(&l);
    }

    assert_int_equal(l.next_in, N_PACKETS);
    line_fini(&l);
}

static void test_watch_of_ones_own_moves_packets_until_it_is_freed(void **state)
{
    struct rn_device_watch *watch;
    struct line l;
    (void)state;
    line_init(&l);
    rn_device_watch_stop(&l.in.watch);
    assert_int_equal(rn_device_watch_new(&watch, l.loop, l.in.dev), RN_OK);

    send_some(&l, 1);
    step_until_in_is_read(&l);
    receive_all(&l);
    assert_int_equal(l.next_in, 1);

    assert_null(rn_device_watch_free(watch));
    send_some(&l, 1);
    step_until_in_is_read(&l);
    receive_all(&l);
    assert_int_equal(l.next_in, 1);
    assert_null(rn_device_watch_free(NULL));
    line_fini(&l);
}

static void test_device_in_memory_has_nothing_to_watch(void **state)
{
    struct line l;
    struct rn_device_watch watch;
    struct rn_device_watch *owned;
    (void)state;
    line_init(&l);

    assert_int_equal(rn_device_watch_start(&watch, l.loop, l.middle[0]), RN_E_BAD_NIC);
    assert_int_equal(rn_device_watch_new(&owned, l.loop, l.middle[0]), RN_E_BAD_NIC);

    line_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbered_series_passes_once_while_nothing_is_swapped),
        cmocka_unit_test(test_both_ends_are_swapped_all_the_time_and_the_series_stays_whole),
        cmocka_unit_test(test_watch_of_ones_own_moves_packets_until_it_is_freed),
        cmocka_unit_test(test_device_in_memory_has_nothing_to_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
