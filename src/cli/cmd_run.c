#include "cli/exit.h"
#include "cli/plan.h"
#include "cli/supervisor.h"
#include "cli/verbs.h"

#include <runnel/err.h>
#include <runnel/loop.h>
#include <runnel/workers.h>
#include <stdlib.h>
#include <string.h>

#define MTU_DEFAULT 65520u
#define MTU_MIN     576u
#define MTU_MAX     65535u

#define BUSY_POLL_MAX_US 1000u

static const char *const links[] = { "auto", "tun", "veth", NULL };

static const char *const ios[] = { "epoll", "uring", NULL };

#define AT(member) offsetof(struct rn_run_opts, member)

static const struct rn_opt options[] = {
    { "publish", 'p', RN_OPT_LIST, "[ADDR:]HOST:PORT", "host port that leads to its PORT; /udp",
      AT(publish), 0, 0, NULL },
    { "pcap", 0, RN_OPT_TEXT, "FILE", "capture its packets as pcapng (- is stdout)", AT(pcap), 0, 0,
      NULL },
    { "pcap-filter", 0, RN_OPT_TEXT, "EXPR", "only these: 'tcp port 443 and not host 10.0.0.1'",
      AT(pcap_filter), 0, 0, NULL },
    { "impair", 0, RN_OPT_TEXT, "LIST", "bad link: loss=1%,delay=20ms,rate=10mbit,...", AT(impair),
      0, 0, NULL },
    { "dns", 0, RN_OPT_LIST, "ADDR", "ask this nameserver, not the host's", AT(dns), 0, 0, NULL },
    { "mtu", 0, RN_OPT_NUMBER, "N", "MTU inside (65520)", AT(mtu), MTU_MIN, MTU_MAX, NULL },
    { "only-ipv4", '4', RN_OPT_FLAG, NULL, "no IPv6 inside", AT(only_v4), 0, 0, NULL },
    { "only-ipv6", '6', RN_OPT_FLAG, NULL, "no IPv4 inside; IPv6 default route always", AT(only_v6),
      0, 0, NULL },
    { "host-loopback", 0, RN_OPT_FLAG, NULL, "host.runnel reaches 127.0.0.1 of the host",
      AT(host_loopback), 0, 0, NULL },
    { "link", 0, RN_OPT_CHOICE, "auto|tun|veth", "how packets get out (auto)", AT(link), 0, 0,
      links },
    { "io", 0, RN_OPT_CHOICE, "epoll|uring", "how the TUN is read and written (epoll)", AT(io), 0,
      0, ios },
    { "busy-poll", 0, RN_OPT_NUMBER, "USEC", "look for more before sleeping, 0: never (50)",
      AT(busy_poll_us), 0, BUSY_POLL_MAX_US, NULL },
    { "workers", 0, RN_OPT_NUMBER, "N", "threads that share the traffic of the TUN (1)",
      AT(n_workers), 1, RN_WORKERS_MAX, NULL },
    { "map-root", 0, RN_OPT_FLAG, NULL, "be root inside", AT(map_root), 0, 0, NULL },
    { "userns", 0, RN_OPT_FLAG, NULL, "use a user namespace even as root", AT(userns), 0, 0, NULL },
    { "no-linger", 0, RN_OPT_FLAG, NULL, "end all when the command ends", AT(no_linger), 0, 0,
      NULL },
    { "dry-run", 0, RN_OPT_FLAG, NULL, "print the plan and stop", AT(dry_run), 0, 0, NULL },
    { "verbose", 'v', RN_OPT_COUNT, NULL, "tell what happens; -vv: every counter too", AT(verbose),
      0, 0, NULL },
    { "quiet", 'q', RN_OPT_FLAG, NULL, "no hints", AT(quiet), 0, 0, NULL },
};

/* A program behind us that is told of a proxy on loopback will not find it: loopback inside is its own. */
static void hint_about_proxies(const struct rn_run_opts *opts)
{
    static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy",
                                         "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY" };

    if (opts->quiet || opts->host_loopback)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL &&
            (strstr(value, "//127.") != NULL || strstr(value, "//localhost") != NULL ||
             strstr(value, "//[::1]") != NULL || strncmp(value, "127.", 4) == 0)) {
            fprintf(stderr,
                    "hint: %s=%s names a proxy on loopback, which is another one inside; "
                    "with --host-loopback it is at host.runnel\n",
                    names[i], value);
            return;
        }
    }
}

static int run(int argc, char **argv)
{
    struct rn_run_opts opts = { .mtu = MTU_DEFAULT,
                                .busy_poll_us = RN_LOOP_BUSY_POLL_NS / RN_NS_PER_US,
                                .n_workers = 1,
                                .link = "auto",
                                .io = "epoll" };
    struct rn_host_view host = { 0 };
    struct rn_opts_rest rest;
    struct rn_run_plan plan;
    const char *shell = getenv("SHELL");
    char *shell_argv[2] = { NULL, NULL };
    struct rn_supervisor_opts supervise = { .opts = &opts, .plan = &plan };
    int err = rn_opts_parse(&rn_verb_run, argc, argv, &opts, &rest);

    if (err == RN_OPTS_HELP) {
        rn_opts_help(&rn_verb_run, stdout);
        return RN_EXIT_OK;
    }
    if (err < 0)
        return RN_EXIT_USAGE;
    shell_argv[0] = (char *)(uintptr_t)(shell != NULL && shell[0] != '\0' ? shell : "/bin/sh");
    supervise.argv = rest.n_operands != 0 ? rest.operands : shell_argv;
    err = rn_plan_look(&host);
    if (err < 0) {
        fprintf(stderr, "runnel run: cannot read the host's routes: %s\n", rn_err_text(err));
        return RN_EXIT_RUN_FAILED;
    }
    err = rn_plan_run(&opts, &host, &plan);
    rn_plan_forget(&host);
    if (err < 0)
        return err == RN_E_PARSE ? RN_EXIT_USAGE : RN_EXIT_RUN_FAILED;
    if (opts.dry_run) {
        rn_plan_print(&plan, &opts, supervise.argv, stdout);
        return RN_EXIT_OK;
    }
    hint_about_proxies(&opts);
    return rn_run_supervise(&supervise);
}

static const char *const examples[] = { "runnel run -- curl http://example.com/",
                                        "a program behind our stack",
                                        "runnel run -p 8080:80 -- nginx",
                                        "host port 8080 is its port 80", NULL };

const struct rn_verb rn_verb_run = {
    .name = "run",
    .summary = "run a program, without root, behind our TCP/IP stack",
    .synopsis = "[options] [--] [CMD [ARGS]]",
    .opts = options,
    .n_opts = sizeof(options) / sizeof(options[0]),
    .examples = examples,
    .notes =
        "Without CMD it starts $SHELL. CMD sees a network of its own, whose gateway is runnel: "
        "connections are "
        "made anew by sockets of the host, so no right is needed and no host route is touched. A "
        "connection is "
        "accepted only when the host's own connection stands; refused and unreachable are passed "
        "on as such.\n"
        "A port is published as [ADDR:]HOST[-END]:PORT[-END][/tcp|udp], on 127.0.0.1 and ::1 if "
        "no ADDR is given (0.0.0.0 for all of IPv4, [::] for all of IPv6). The command sees the "
        "peer's own address; a peer on loopback appears as host.runnel.\n"
        "The name host.runnel is the host. Its loopback services stay closed without "
        "--host-loopback.\n"
        "--io uring lets an io_uring (Linux 6.7) read the TUN into buffers that lie ready and "
        "write "
        "many packets by one system call; what the ring may do is limited to that.\n"
        "--busy-poll says how many microseconds the stack looks for the next packet before it "
        "sleeps, which makes short round trips up to twice as fast. It does so only while small "
        "packets go to and fro and mostly come in that time, and yields its core to whoever wants "
        "it; for a transfer, and when nothing comes, it does not look. With 0 it never does.\n"
        "--workers starts that many threads, each with a stack of its own, its own queue of the "
        "TUN, and its own share of the limits (memory, descriptors, UDP sessions). A connection "
        "stays with one of them, so a single one gets no faster, and datagrams that are never "
        "answered get dearer: many cross from one to another. It takes a TUN, and neither --pcap "
        "nor --impair, which want all packets in one place.\n"
        "Words of --pcap-filter, as tcpdump has them: ip, ip6, tcp, udp, icmp, icmp6; host ADDR, "
        "net PREFIX, port N, portrange N-M, with src or dst before them; less N, greater N; and, "
        "or, not, parentheses.\n"
        "Words of --impair: loss, dup, reorder, corrupt, burst (percent), delay, jitter (us, ms, "
        "s), rate (kbit, "
        "mbit, gbit), queue (packets), seed; in: or out: before a word limits it to one direction.",
    .stops_at_operand = true,
    .run = run,
};
