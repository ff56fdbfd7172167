/* What a hundred thousand idle connections cost, by what the allocator gave: connections, tables, ports. */
#include "stream.h"

enum { CONNS = 100000, PER_PORT = 25000, LISTENERS = 5 };

struct idle {
    struct sim sim;
    struct rn_sock **clients;
    struct rn_sock **servers;
    unsigned n_accepted;
};

static void on_accept(struct rn_sock *listener, unsigned events, void *arg)
{
    struct idle *idle = arg;

    (void)events;
    while (rn_sock_accept(listener, &idle->servers[idle->n_accepted]) == 0)
        idle->n_accepted++;
}

/* Each says a word, so that all that is made on first use was made, and is let go. */
static void say_a_word(struct idle *idle, unsigned i)
{
    char word[4];

    assert_int_equal(rn_tcp_write(idle->clients[i], "idle", 4, 0), 4);
    rn_test_turn_run(&idle->sim.t, RN_NS_PER_MS);
    assert_true(idle->n_accepted > i);
    assert_int_equal(rn_tcp_read(idle->servers[i], word, sizeof(word)), 4);
}

static void open_one(struct idle *idle, unsigned i)
{
    struct rn_endpoint to = { .addr = idle->sim.b.v4, .port = (uint16_t)(100 + i / PER_PORT) };

    assert_int_equal(rn_tcp_new(&idle->clients[i], idle->sim.a.stack), 0);
    assert_int_equal(rn_sock_connect(idle->clients[i], &to), RN_E_CONNECT_STARTED);
    rn_test_turn_at(&idle->sim.t, idle->sim.t.turn.now_ns);
}

static void listen_on(struct idle *idle, struct rn_sock **ret, uint16_t port)
{
    struct rn_endpoint any = { .port = port };

    assert_int_equal(rn_tcp_new(ret, idle->sim.b.stack), 0);
    assert_int_equal(rn_sock_bind(*ret, &any), 0);
    assert_int_equal(rn_sock_listen(*ret, 1024), 0);
    rn_sock_on_event(*ret, on_accept, idle);
}

/* Bytes alive with @n connections: of both stacks, and of the accepting one alone. */
static void measure(unsigned n, size_t *ret_both, size_t *ret_accepted)
{
    struct idle idle = { .clients = calloc(n, sizeof(*idle.clients)),
                         .servers = calloc(n, sizeof(*idle.servers)) };
    struct sim_opts opts = { .mtu = 1500 };
    struct rn_sock *listeners[LISTENERS];

    sim_init(&idle.sim, &opts);
    for (unsigned i = 0; i < LISTENERS; i++)
        listen_on(&idle, &listeners[i], (uint16_t)(100 + i));
    rn_test_turn_run(&idle.sim.t, 100 * RN_NS_PER_MS);
    for (unsigned i = 0; i < n; i++) {
        open_one(&idle, i);
        say_a_word(&idle, i);
    }
    rn_test_turn_run(&idle.sim.t, 10 * RN_NS_PER_S);
    assert_int_equal(idle.n_accepted, n);
    rn_pool_trim(idle.sim.t.pool);
    *ret_both = idle.sim.t.alloc.bytes_live;

    /* The dialling host vanishes without a word. */
    idle.sim.a.device->ops->close(idle.sim.a.device);
    for (unsigned i = 0; i < n; i++)
        rn_sock_abort(idle.clients[i]);
    idle.sim.client.sock = rn_sock_abort(idle.sim.client.sock);
    rn_test_turn_at(&idle.sim.t, idle.sim.t.turn.now_ns);
    rn_test_side_fini(&idle.sim.a);
    rn_pool_trim(idle.sim.t.pool);
    *ret_accepted = idle.sim.t.alloc.bytes_live;

    for (unsigned i = 0; i < n; i++)
        rn_sock_abort(idle.servers[i]);
    for (unsigned i = 0; i < LISTENERS; i++)
        rn_sock_close(listeners[i]);
    if (idle.sim.server.sock != NULL)
        rn_sock_abort(idle.sim.server.sock);
    rn_sock_close(idle.sim.listener);
    rn_test_turn_at(&idle.sim.t, idle.sim.t.turn.now_ns);
    rn_test_side_fini(&idle.sim.b);
    rn_test_turn_fini(&idle.sim.t);
    free(idle.clients);
    free(idle.servers);
}

static void test_an_idle_accepted_connection_costs_at_most_512_bytes(void **state)
{
    size_t both[2];
    size_t accepted[2];
    size_t per_accepted;
    size_t per_dialled;

    (void)state;
    measure(1, &both[0], &accepted[0]);
    measure(1 + CONNS, &both[1], &accepted[1]);

    per_accepted = (accepted[1] - accepted[0]) / CONNS;
    per_dialled = (both[1] - both[0]) / CONNS - per_accepted;
    print_message(
        "an accepted connection %zu bytes, a dialled one with its port %zu; tables included\n",
        per_accepted, per_dialled);
    assert_true(per_accepted <= 512);
    assert_true(per_dialled <= 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_accepted_connection_costs_at_most_512_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
