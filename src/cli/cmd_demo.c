#include "cli/demo.h"
#include "cli/exit.h"
#include "cli/verbs.h"
#include "io/clock.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The main job in some ten seconds: an unmodified curl behind our stack, verified, on a good and on a bad link. */

#define GOOD_BYTES (64ull << 20)
#define BAD_BYTES  (4ull << 20)
#define STEPS      4
#define HASH_CHARS 64

struct demo_opts {
    const char *pcap;
};

struct demo {
    struct demo_opts opts;
    struct rn_demo_server server;
    char self[PATH_MAX];
    bool has_curl;
    int failures;
};

static bool has_program(const char *name)
{
    char command[128];

    snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

/* Runs @command by the shell; the first word of its output goes to @word. Returns the exit status. */
static int ask(const char *command, char *word, size_t cap)
{
    FILE *pipe = popen(command, "re");
    int status;

    if (pipe == NULL)
        return -1;
    if (fgets(word, (int)cap, pipe) == NULL)
        word[0] = '\0';
    word[strcspn(word, " \t\n")] = '\0';
    status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void say(int step, const char *what)
{
    printf(" [%d/%d] %-46s ", step, STEPS, what);
    fflush(stdout);
}

static void fail(struct demo *d, const char *why)
{
    printf("FAILED  %s\n", why);
    d->failures++;
}

/* The file's digest, made without any network. */
static bool digest_of(struct demo *d, uint64_t bytes, char hash[HASH_CHARS + 1])
{
    char command[PATH_MAX + 64];

    snprintf(command, sizeof(command), "'%s' demo --file %llu | sha256sum", d->self,
             (unsigned long long)bytes);
    return ask(command, hash, HASH_CHARS + 1) == 0 && strlen(hash) == HASH_CHARS;
}

/* One transfer through `runnel run`; @options go to it. The digest inside must be the one outside. */
static void transfer(struct demo *d, int step, uint64_t bytes, const char *options)
{
    char want[HASH_CHARS + 1];
    char got[HASH_CHARS + 1];
    char client[PATH_MAX + 128];
    char command[3 * PATH_MAX];
    char what[80];
    int64_t start_ns;
    double seconds;
    int status;

    snprintf(what, sizeof(what), "%s, %llu MiB%s",
             d->has_curl ? "unmodified curl" : "our own client (no curl here)",
             (unsigned long long)(bytes >> 20), step == 3 ? ", 0.5 % loss, 10 ms" : "");
    say(step, what);
    if (d->has_curl)
        snprintf(client, sizeof(client), "curl -sSf http://host.runnel:%u/%llu", d->server.port,
                 (unsigned long long)bytes);
    else
        snprintf(client, sizeof(client), "\"%s\" demo --get host.runnel:%u/%llu", d->self,
                 d->server.port, (unsigned long long)bytes);
    snprintf(command, sizeof(command), "'%s' run -q --host-loopback %s -- sh -c '%s | sha256sum'",
             d->self, options, client);
    if (!digest_of(d, bytes, want)) {
        fail(d, "cannot make the file's digest (sha256sum)");
        return;
    }
    start_ns = rn_clock_now_ns();
    status = ask(command, got, sizeof(got));
    seconds = (double)(rn_clock_now_ns() - start_ns) / 1e9;
    if (status != 0 || strcmp(got, want) != 0) {
        fail(d, status != 0 ? "the command inside did not succeed" : "the sha256 differs");
        return;
    }
    printf("ok      sha256 equal, %.2f s, %.0f Mbit/s\n", seconds,
           (double)bytes * 8 / seconds / 1e6);
}

static void check_capture(struct demo *d)
{
    char command[PATH_MAX + 128];
    char word[32];

    say(4, "capture readable by tshark");
    if (!has_program("tshark")) {
        printf("skipped tshark is not installed; the file is %s\n", d->opts.pcap);
        return;
    }
    /* No settings of whoever runs this: they may not be readable, and they change what is checked. */
    snprintf(
        command, sizeof(command),
        "out=$(HOME=/nonexistent tshark -n -o tcp.check_checksum:TRUE -r '%s' -Y '_ws.malformed || "
        "tcp.checksum.status == 0' 2>/dev/null) && test -z \"$out\" && echo clean",
        d->opts.pcap);
    if (ask(command, word, sizeof(word)) != 0 || strcmp(word, "clean") != 0)
        fail(d, "tshark finds malformed packets or bad checksums, or cannot read it");
    else
        printf("ok      %s\n", d->opts.pcap);
}

static void say_rung(const struct demo *d)
{
    char command[PATH_MAX + 96];
    char word[32];

    snprintf(command, sizeof(command),
             "'%s' run -q -- grep -o 'tun0\\|eth0' /proc/net/dev 2>/dev/null", d->self);
    if (ask(command, word, sizeof(word)) == 0)
        printf("link: %s\n", strcmp(word, "tun0") == 0
                                 ? "TUN (/dev/net/tun)"
                                 : "veth and a packet socket (/dev/net/tun is closed to us)");
}

static int run_in_process(void)
{
    double virtual_s;
    double real_s;

    printf("namespaces are refused here (runnel doctor says why): two stacks in one process "
           "instead, with our own client\n");
    say(1, "4 MiB between two stacks, 0.5 % loss, 10 ms");
    if (rn_demo_two_stacks(BAD_BYTES, &virtual_s, &real_s) < 0) {
        printf("FAILED\n");
        return RN_EXIT_ERROR;
    }
    printf("ok      every byte equal, %.2f s of network time in %.2f s\n", virtual_s, real_s);
    return RN_EXIT_OK;
}

static int run_demo(struct demo *d)
{
    char options[PATH_MAX + 96];
    char word[8];
    char command[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", d->self, sizeof(d->self) - 1);

    d->self[n > 0 ? n : 0] = '\0';
    printf("runnel %s demo: a program behind our own TCP/IP stack, %s, no internet\n", RN_VERSION,
           geteuid() == 0 ? "as root" : "without root");
    snprintf(command, sizeof(command), "'%s' run -q -- true 2>/dev/null", d->self);
    if (ask(command, word, sizeof(word)) != 0)
        return run_in_process();
    say_rung(d);
    d->has_curl = has_program("curl");
    say(1, "web server on the host's loopback");
    if (rn_demo_server_start(&d->server) < 0) {
        fail(d, "cannot listen on 127.0.0.1");
        return RN_EXIT_ERROR;
    }
    printf("ok      127.0.0.1:%u, seen inside as host.runnel\n", d->server.port);
    transfer(d, 2, GOOD_BYTES, "");
    snprintf(options, sizeof(options),
             "--mtu 1500 --impair loss=0.5%%,delay=10ms,seed=1 --pcap '%s'", d->opts.pcap);
    transfer(d, 3, BAD_BYTES, options);
    check_capture(d);
    rn_demo_server_stop(&d->server);
    return d->failures == 0 ? RN_EXIT_OK : RN_EXIT_ERROR;
}

/* --- the demo's own helpers, run by it inside and outside --------------------------------------------------------- */
static int print_file(const char *count)
{
    static uint8_t chunk[65536];
    uint64_t bytes = strtoull(count, NULL, 10);

    for (uint64_t at = 0; at < bytes; at += sizeof(chunk)) {
        size_t part = bytes - at < sizeof(chunk) ? (size_t)(bytes - at) : sizeof(chunk);

        rn_demo_fill(chunk, at, part);
        if (fwrite(chunk, 1, part, stdout) != part)
            return RN_EXIT_ERROR;
    }
    return fflush(stdout) == 0 ? RN_EXIT_OK : RN_EXIT_ERROR;
}

static int get(char *url)
{
    char *colon = strchr(url, ':');
    char *slash = colon != NULL ? strchr(colon, '/') : NULL;
    char path[64];

    if (slash == NULL)
        return RN_EXIT_USAGE;
    snprintf(path, sizeof(path), "%s", slash);
    *colon = '\0';
    *slash = '\0';
    return rn_demo_client(url, colon + 1, path);
}

static const struct rn_opt options[] = {
    { "pcap", 0, RN_OPT_TEXT, "FILE", "where the capture goes (runnel-demo.pcapng)",
      offsetof(struct demo_opts, pcap), 0, 0, NULL },
};

static int run(int argc, char **argv)
{
    struct demo d = { .opts = { .pcap = "runnel-demo.pcapng" } };
    struct rn_opts_rest rest;
    int err;

    if (argc == 3 && strcmp(argv[1], "--file") == 0)
        return print_file(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--get") == 0)
        return get(argv[2]);
    err = rn_opts_parse(&rn_verb_demo, argc, argv, &d.opts, &rest);
    if (err == RN_OPTS_HELP) {
        rn_opts_help(&rn_verb_demo, stdout);
        return RN_EXIT_OK;
    }
    if (err < 0 || rest.n_operands != 0 || strchr(d.opts.pcap, '\'') != NULL)
        return RN_EXIT_USAGE;
    return run_demo(&d);
}

static const char *const examples[] = { "runnel demo", "about ten seconds, leaves a capture behind",
                                        "runnel demo --pcap /tmp/d.pcapng",
                                        "puts the capture elsewhere", NULL };

const struct rn_verb rn_verb_demo = {
    .name = "demo",
    .summary = "show it: curl behind our stack, verified, on a good and a bad link",
    .synopsis = "[--pcap FILE]",
    .opts = options,
    .n_opts = sizeof(options) / sizeof(options[0]),
    .examples = examples,
    .run = run,
};
