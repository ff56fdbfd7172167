/*
 * usage: goodput IMPAIR MTU SECONDS SEEDS [CONTROLLER]
 *
 * Goodput of one bulk stream of ours over an impaired link, SECONDS of virtual time, for seeds 1..SEEDS: each, and their
 * mean. bench/goodput.py gives Linux the same link in real time.
 */
#include "stream.h"

static double one(const char *text, const struct sim_opts *with, uint64_t seed)
{
    struct sim_opts opts = *with;
    struct sim sim;
    const char *word;
    double mbits;
    size_t len;

    assert_int_equal(rn_impair_parse(text, &opts.impair, &word, &len), 0);
    opts.impair.seed = seed;
    sim_init(&sim, &opts);
    sim_run(&sim, &opts);
    assert_false(sim.server.is_broken);
    mbits = (double)sim.server.read * 8e3 / (double)opts.limit_ns;
    sim.client.sock = rn_sock_abort(sim.client.sock);
    sim_fini(&sim);
    return mbits;
}

int main(int argc, char **argv)
{
    struct sim_opts opts = { .forth_bytes = UINT64_MAX };
    double sum = 0;
    int n;

    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: goodput IMPAIR MTU SECONDS SEEDS [CONTROLLER]\n");
        return 2;
    }
    opts.mtu = (uint32_t)strtoul(argv[2], NULL, 10);
    opts.limit_ns = strtol(argv[3], NULL, 10) * RN_NS_PER_S;
    opts.cc = argv[5];
    n = (int)strtol(argv[4], NULL, 10);
    for (int seed = 1; seed <= n; seed++) {
        double mbits = one(argv[1], &opts, (uint64_t)seed);

        printf("%.2f ", mbits);
        fflush(stdout);
        sum += mbits;
    }
    printf("mean %.2f Mbit/s\n", sum / n);
    return 0;
}
