/*
 * usage: wrap_test [MiB]
 *
 * One connection, much data both ways, every byte checked, and the client's sequence numbers wrap right after the start.
 * 256 MiB each way unless told otherwise; 4096 takes a minute or two, and then the server's numbers wrap too.
 */
#include "stream.h"

#define ISN_TICK_NS 4000 /* RFC 6528 §3: M */

static uint64_t mib = 256;

/* When a connection must begin for its first number to be a mebibyte before the wrap: the same names give the same hash,
 * so only the clock moves it. */
static int64_t moment_of_wrap(void)
{
    struct sim_opts opts = { .mtu = 1500, .start_ns = RN_NS_PER_S };
    struct sim sim;
    uint32_t iss;

    sim_init(&sim, &opts);
    iss = rn_container_of(sim.client.sock, struct rn_tcp, sock)->iss.v;
    sim.client.sock = rn_sock_abort(sim.client.sock);
    sim_fini(&sim);
    return opts.start_ns + (int64_t)(uint32_t)(0u - (1u << 20) - iss) * ISN_TICK_NS;
}

static void test_streams_survive_the_wrap_of_their_numbers(void **state)
{
    int64_t start_ns = moment_of_wrap();
    struct sim_opts opts = { .mtu = 65520,
                             .has_offload = true,
                             .forth_bytes = mib << 20,
                             .back_bytes = mib << 20,
                             .start_ns = start_ns,
                             .limit_ns = INT64_MAX };
    struct sim sim;

    (void)state;
    sim_init(&sim, &opts);
    assert_int_equal(rn_container_of(sim.client.sock, struct rn_tcp, sock)->iss.v, 0u - (1u << 20));

    sim_run(&sim, &opts);

    sim_assert_whole(&sim);
    print_message("%llu MiB each way\n", (unsigned long long)mib);
    sim_fini(&sim);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_survive_the_wrap_of_their_numbers),
    };

    if (argc > 1)
        mib = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
