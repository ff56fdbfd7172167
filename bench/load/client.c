/*
 * usage: load_client TEST ADDRESS [--streams N] [--seconds S] [--warm-up S] [--size BYTES] [--gso] [--sources A,B]
 *                                 [--keepalive]
 *
 * TEST: up, down (bulk TCP), rr (one byte there and back), crr (connect, one byte, close), udp-echo, udp-blast,
 * idle (opens and keeps connections until its standard input ends).
 */
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void load_up(const struct load_opts *opts)
{
    load_bulk(opts, true);
}

static void load_down(const struct load_opts *opts)
{
    load_bulk(opts, false);
}

static const struct {
    const char *name;
    uint16_t port;
    void (*run)(const struct load_opts *opts);
} tests[] = {
    { "up", PORT_SINK, load_up },
    { "down", PORT_SOURCE, load_down },
    { "rr", PORT_ECHO, load_round_trips },
    { "crr", PORT_ECHO, load_connections },
    { "udp-echo", PORT_UDP_ECHO, load_udp_echo },
    { "udp-blast", PORT_UDP_SINK, load_udp_blast },
    { "idle", PORT_IDLE, load_idle },
};

static void usage(void)
{
    fprintf(stderr, "usage: load_client TEST ADDRESS [--streams N] [--seconds S] [--warm-up S] "
                    "[--size BYTES] [--gso] "
                    "[--sources A,B] [--keepalive]\n");
    exit(2);
}

static void take_option(struct load_opts *opts, int option)
{
    if (option == 'n')
        opts->streams = (unsigned)strtoul(optarg, NULL, 10);
    else if (option == 's')
        opts->seconds = strtod(optarg, NULL);
    else if (option == 'w')
        opts->warm_up_s = strtod(optarg, NULL);
    else if (option == 'b')
        opts->size_bytes = (unsigned)strtoul(optarg, NULL, 10);
    else if (option == 'a')
        opts->sources = optarg;
    else if (option == 'g')
        opts->is_gso = true;
    else if (option == 'k')
        opts->has_keepalive = true;
    else
        usage();
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "streams", 1, NULL, 'n' },   { "seconds", 1, NULL, 's' },
        { "warm-up", 1, NULL, 'w' },   { "size", 1, NULL, 'b' },
        { "gso", 0, NULL, 'g' },       { "sources", 1, NULL, 'a' },
        { "keepalive", 0, NULL, 'k' }, { 0 }
    };
    struct load_opts opts = { .streams = 1, .seconds = 2, .warm_up_s = 0.5, .size_bytes = 64 };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
        take_option(&opts, option);
    if (optind + 2 != argc || inet_pton(AF_INET, argv[optind + 1], &opts.to.sin_addr) != 1)
        usage();
    opts.test = argv[optind];
    opts.to.sin_family = AF_INET;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    load_raise_limits();
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (strcmp(tests[i].name, opts.test) != 0)
            continue;
        opts.to.sin_port = htons(tests[i].port);
        tests[i].run(&opts);
        return 0;
    }
    usage();
}
