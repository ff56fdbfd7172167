/* Streams survive what a wire does to them, byte for byte, within a bounded time, and leave nothing behind. */
#include "stream.h"

struct weather {
    const char *name;
    const char *impair; /* NULL: none */
    uint64_t bytes;     /* each way */
    uint32_t mtu;
    bool has_offload;
};

static const struct weather weathers[] = {
    { "no wire at all", NULL, 64 << 20, 1500, true },
    { "a wire without offload", NULL, 8 << 20, 1500, false },
    { "a large MTU", NULL, 64 << 20, 65520, true },
    { "a large MTU, 1 % loss", "delay=1ms,loss=1%,seed=12", 8 << 20, 65520, true },
    { "10 ms", "delay=10ms,seed=1", 8 << 20, 1500, false },
    { "10 ms, 100 Mbit/s", "delay=10ms,rate=100mbit,seed=1", 8 << 20, 1500, false },
    { "0.1 % loss", "delay=10ms,loss=0.1%,seed=2", 8 << 20, 1280, false },
    { "1 % loss", "delay=25ms,loss=1%,seed=3", 4 << 20, 1500, false },
    { "1 % loss, the largest MTU", "delay=10ms,loss=1%,seed=12", 32 << 20, 65535, false },
    { "5 % loss, 5 % reordered, 1 % twice", "delay=10ms,loss=5%,reorder=5%,dup=1%,seed=4", 1 << 20,
      1500, false },
    { "20 % loss", "delay=5ms,loss=20%,seed=5", 256 << 10, 1500, false },
    { "40 % loss", "delay=2ms,loss=40%,seed=6", 64 << 10, 1500, false },
    { "bursts of loss", "delay=10ms,burst=0.2%,seed=7", 2 << 20, 1500, false },
    { "half of it reordered", "delay=10ms,reorder=50%,seed=8", 2 << 20, 1500, false },
    { "a third of it twice", "delay=10ms,dup=33%,seed=9", 2 << 20, 1500, false },
    { "flipped bits", "delay=10ms,corrupt=1%,seed=10", 2 << 20, 1500, false },
    { "jitter", "delay=20ms,jitter=15ms,seed=11", 2 << 20, 1500, false },
};

static void read_weather(const struct weather *w, struct sim_opts *opts)
{
    const char *word;
    size_t len;

    *opts = (struct sim_opts){ .mtu = w->mtu,
                               .has_offload = w->has_offload,
                               .forth_bytes = w->bytes,
                               .back_bytes = w->bytes };
    if (w->impair != NULL)
        assert_int_equal(rn_impair_parse(w->impair, &opts->impair, &word, &len), 0);
}

static void tell(const struct sim *sim, const struct weather *w)
{
    const struct rn_stats *stats = &sim->a.stack->stats;
    double seconds = (double)sim->done_ns / 1e9;

    print_message("%-36s %8.3f s %9.1f Mbit/s  %u retransmitted, %u timeouts, %u undone\n", w->name,
                  seconds, seconds > 0 ? (double)sim->server.read * 8e-6 / seconds : 0.0,
                  (unsigned)stats->tcp_retrans_segs, (unsigned)stats->tcp_timeouts,
                  (unsigned)stats->tcp_undos);
}

static void test_streams_survive_every_weather(void **state)
{
    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(weathers); i++) {
        struct sim_opts opts;
        struct sim sim;

        read_weather(&weathers[i], &opts);
        sim_init(&sim, &opts);

        sim_run(&sim, &opts);

        tell(&sim, &weathers[i]);
        sim_assert_whole(&sim);
        sim_fini(&sim);
    }
}

/* Many short runs: what one seed does not meet, another does. */
static void test_streams_survive_a_hundred_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rn_impair_dir dir = { .loss_ppm = (uint32_t)(seed * 37 % 200) * 1000,
                                     .reorder_ppm = (uint32_t)(seed * 53 % 100) * 1000,
                                     .dup_ppm = (uint32_t)(seed * 17 % 50) * 1000,
                                     .delay_ns = (int64_t)(seed % 7) * RN_NS_PER_MS,
                                     .jitter_ns = (int64_t)(seed % 3) * RN_NS_PER_MS };
        struct sim_opts opts = { .impair = { .in = dir, .out = dir, .seed = seed },
                                 .mtu = seed % 2 == 0 ? 1500 : 9000,
                                 .forth_bytes = 50000 + seed * 1000,
                                 .back_bytes = seed * 500,
                                 .write_bytes = (uint32_t)(seed * 131 % 20000) + 1,
                                 .cc = seed % 3 == 0 ? "reno" : "cubic" };
        struct sim sim;

        sim_init(&sim, &opts);

        sim_run(&sim, &opts);

        if (sim.server.read != opts.forth_bytes || sim.client.read != opts.back_bytes)
            print_error("seed %u\n", (unsigned)seed);
        sim_assert_whole(&sim);
        sim_fini(&sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_survive_every_weather),
        cmocka_unit_test(test_streams_survive_a_hundred_seeds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
