#include "cli/plan.h"

#include "cli/policy.h"

#include <runnel/err.h>
#include <string.h>
#include <unistd.h>

#define MTU_MIN_V6 1280u /* RFC 8200 §5 */

/* IPv4: /30s from corners of RFC 1918 that few networks use. Nested runs take the next free one, so there are some. */
static const uint32_t candidates4[] = {
    0x0ad24700, 0x0ad24704, 0x0ad24708, 0x0ad2470c,
    0x0ad24710, 0x0ad24714, 0x0ad24718, 0x0ad2471c, /* 10.210.71.x */
    0xac1fd700, 0xac1fd704, 0xac1fd708, 0xac1fd70c, /* 172.31.215.x */
    0xc0a8e500, 0xc0a8e504, 0xc0a8e508, 0xc0a8e50c, /* 192.168.229.x */
};
#define BITS4 30u

/* IPv6: ULA (RFC 4193) with a fixed pseudo-random global id; the subnet id counts up. */
static const uint8_t ula48[6] = { 0xfd, 0x72, 0x75, 0x6e, 0x9e, 0x6c };
#define BITS6       64u
#define CANDIDATES6 16u

static bool is_free(const struct rn_host_view *host, const struct rn_prefix *p)
{
    for (size_t i = 0; i < host->n_taken; i++) {
        if (rn_prefix_overlaps(&host->taken[i], p))
            return false;
    }
    for (unsigned i = 0; i < host->n_dns; i++) {
        if (rn_prefix_contains(p, host->dns[i]))
            return false;
    }
    return true;
}

static bool choose4(const struct rn_host_view *host, struct rn_run_plan *plan)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(candidates4); i++) {
        struct rn_prefix p = rn_prefix_of(rn_addr_v4(candidates4[i]), BITS4);

        if (!is_free(host, &p))
            continue;
        plan->gateway4 = rn_addr_v4(candidates4[i] + 1);
        plan->addr4 = rn_addr_v4(candidates4[i] + 2);
        plan->bits4 = BITS4;
        return true;
    }
    return false;
}

static bool choose6(const struct rn_host_view *host, struct rn_run_plan *plan)
{
    for (unsigned i = 0; i < CANDIDATES6; i++) {
        uint8_t bytes[16] = { 0 };
        struct rn_prefix p;

        memcpy(bytes, ula48, sizeof(ula48));
        bytes[7] = (uint8_t)i;
        p = rn_prefix_of(rn_addr_v6(bytes), BITS6);
        if (!is_free(host, &p))
            continue;
        bytes[15] = 1;
        plan->gateway6 = rn_addr_v6(bytes);
        bytes[15] = 2;
        plan->addr6 = rn_addr_v6(bytes);
        plan->bits6 = BITS6;
        return true;
    }
    return false;
}

static int read_publish(const struct rn_run_opts *opts, struct rn_run_plan *plan)
{
    for (unsigned i = 0; i < opts->publish.n; i++) {
        const char *why = NULL;

        if (rn_publish_parse(opts->publish.items[i], &plan->publish[plan->n_publish], &why) < 0) {
            fprintf(stderr,
                    "runnel run: --publish %s: %s\nhint: -p "
                    "[ADDR:]HOST[-END]:PORT[-END][/tcp|udp], as in -p 8080:80\n",
                    opts->publish.items[i], why);
            return RN_E_PARSE;
        }
        plan->n_publish++;
    }
    return RN_OK;
}

static int read_dns(const struct rn_run_opts *opts, const struct rn_host_view *host,
                    struct rn_run_plan *plan)
{
    for (unsigned i = 0; i < opts->dns.n; i++) {
        if (plan->n_dns == RN_PLAN_DNS_MAX ||
            rn_addr_parse(opts->dns.items[i], &plan->dns[plan->n_dns]) < 0) {
            fprintf(stderr, "runnel run: --dns %s: want an IP address (at most %u of them)\n",
                    opts->dns.items[i], RN_PLAN_DNS_MAX);
            return RN_E_PARSE;
        }
        plan->n_dns++;
    }
    if (opts->dns.n == 0) {
        memcpy(plan->dns, host->dns, sizeof(plan->dns));
        plan->n_dns = host->n_dns;
    }
    memcpy(plan->search, host->search, sizeof(plan->search));
    return RN_OK;
}

static int read_impair(const struct rn_run_opts *opts, struct rn_run_plan *plan)
{
    const char *word;
    size_t len;

    if (opts->impair == NULL)
        return RN_OK;
    if (rn_impair_parse(opts->impair, &plan->impair, &word, &len) < 0) {
        fprintf(stderr,
                "runnel run: --impair: cannot read '%.*s'\n"
                "hint: words are loss=1%%, delay=20ms, jitter=2ms, rate=10mbit, reorder=5%%, "
                "dup=1%%, corrupt=0.1%%, "
                "seed=7; in: or out: before one limits it to that direction\n",
                (int)len, word);
        return RN_E_PARSE;
    }
    plan->has_impair = true;
    return RN_OK;
}

static int read_capture(const struct rn_run_opts *opts, struct rn_run_plan *plan)
{
    const char *word;
    size_t len;

    if (opts->pcap_filter == NULL)
        return RN_OK;
    if (opts->pcap == NULL) {
        fprintf(stderr, "runnel run: --pcap-filter needs --pcap FILE\n");
        return RN_E_PARSE;
    }
    if (rn_pkt_filter_parse(opts->pcap_filter, &plan->pcap_filter, &word, &len) >= 0)
        return RN_OK;
    fprintf(stderr,
            "runnel run: --pcap-filter: cannot read '%.*s'\n"
            "hint: write it as for tcpdump: tcp port 443 and not host 10.0.0.1\n",
            len != 0 ? (int)len : (int)strlen("the end"), len != 0 ? word : "the end");
    return RN_E_PARSE;
}

/* A veth has no queues, a capture one order of packets, a bad link one rate and one seed. */
static int read_workers(const struct rn_run_opts *opts, struct rn_run_plan *plan)
{
    const char *against = strcmp(opts->link, "veth") == 0 ? "--link veth"
                          : opts->pcap != NULL            ? "--pcap"
                          : opts->impair != NULL          ? "--impair"
                                                          : NULL;

    plan->n_workers = opts->n_workers > 1 ? opts->n_workers : 1;
    if (plan->n_workers == 1 || against == NULL)
        return RN_OK;
    fprintf(stderr, "runnel run: --workers %u cannot go with %s: that takes a single worker\n",
            opts->n_workers, against);
    return RN_E_PARSE;
}

int rn_plan_run(const struct rn_run_opts *opts, const struct rn_host_view *host,
                struct rn_run_plan *ret)
{
    struct rn_run_plan plan = { .mtu = opts->mtu,
                                .busy_poll_us = opts->busy_poll_us,
                                .has_io_uring = strcmp(opts->io, "uring") == 0,
                                .has_userns = geteuid() != 0 || opts->userns };
    int err = read_publish(opts, &plan);

    if (err >= 0)
        err = read_dns(opts, host, &plan);
    if (err >= 0)
        err = read_impair(opts, &plan);
    if (err >= 0)
        err = read_capture(opts, &plan);
    if (err >= 0)
        err = read_workers(opts, &plan);
    if (err < 0)
        return err;
    plan.has_v4 = !opts->only_v6 || opts->only_v4;
    plan.has_v6 = (!opts->only_v4 || opts->only_v6) && opts->mtu >= MTU_MIN_V6;
    if (opts->only_v6 && opts->mtu < MTU_MIN_V6) {
        fprintf(stderr, "runnel run: -6 needs --mtu %u or more (RFC 8200), not %u\n", MTU_MIN_V6,
                opts->mtu);
        return RN_E_PARSE;
    }
    if ((plan.has_v4 && !choose4(host, &plan)) || (plan.has_v6 && !choose6(host, &plan))) {
        fprintf(stderr,
                "runnel run: every private prefix it could use is routed on this host already\n"
                "hint: `ip route` shows them; -4 or -6 leaves one family out\n");
        return RN_E_EXISTS;
    }
    plan.has_default6 = plan.has_v6 && (host->has_default6 || opts->only_v6);
    *ret = plan;
    return RN_OK;
}

unsigned rn_plan_stubs(const struct rn_run_plan *plan, struct rn_addr *ret, unsigned max)
{
    unsigned n = 0;

    if (!plan->has_v4 || max < 2)
        return 0;
    ret[n++] = rn_addr_v4(RN_STUB_RESOLVER);
    ret[n++] = rn_addr_v4(RN_STUB_RESOLVER2);
    for (unsigned i = 0; i < plan->n_dns && n < max; i++) {
        uint32_t v4 = rn_addr_is_v4(plan->dns[i]) ? rn_addr_to_v4(plan->dns[i]) : 0;

        if (v4 >> 24 == 127 && v4 != 0x7f000001 && v4 != RN_STUB_RESOLVER &&
            v4 != RN_STUB_RESOLVER2)
            ret[n++] = plan->dns[i];
    }
    return n;
}

static void print_family(FILE *to, struct rn_addr addr, unsigned bits, struct rn_addr gateway,
                         bool has_default)
{
    char a[RN_ADDR_TEXT_BYTES];
    char g[RN_ADDR_TEXT_BYTES];

    fprintf(to, "address   %s/%u, gateway and resolver %s%s\n", rn_addr_print(addr, a), bits,
            rn_addr_print(gateway, g),
            has_default ? ", default route" : ", no default route (the host has none)");
}

void rn_plan_print(const struct rn_run_plan *plan, const struct rn_run_opts *opts,
                   char *const *argv, FILE *to)
{
    char text[128];

    fprintf(to, "namespaces %snetwork, mount\n", plan->has_userns ? "user, " : "");
    fprintf(to, "link      %s, MTU %u\n",
            strcmp(opts->link, "auto") != 0 ? opts->link
            : plan->n_workers > 1           ? "TUN"
                                            : "TUN, or veth where /dev/net/tun is closed",
            plan->mtu);
    if (plan->n_workers > 1)
        fprintf(to, "workers   %u, each with a queue of the TUN\n", plan->n_workers);
    if (plan->has_v4)
        print_family(to, plan->addr4, plan->bits4, plan->gateway4, true);
    if (plan->has_v6)
        print_family(to, plan->addr6, plan->bits6, plan->gateway6, plan->has_default6);
    fprintf(to, "resolver  asks");
    for (unsigned i = 0; i < plan->n_dns; i++)
        fprintf(to, " %s", rn_addr_print(plan->dns[i], text));
    fprintf(to, "%s\n", plan->n_dns == 0 ? " nobody: the host names no nameserver" : "");
    fprintf(to, "host      host.runnel is the host%s\n",
            opts->host_loopback ? ", its loopback services included"
                                : "; its loopback stays closed");
    for (unsigned i = 0; i < plan->n_publish; i++)
        fprintf(to, "publish   %s\n", rn_publish_print(&plan->publish[i], text, sizeof(text)));
    if (plan->has_impair)
        fprintf(to, "impair    %s\n", opts->impair);
    if (opts->pcap != NULL)
        fprintf(to, "capture   %s%s%s\n", opts->pcap, opts->pcap_filter != NULL ? " of " : "",
                opts->pcap_filter != NULL ? opts->pcap_filter : "");
    fprintf(to, "command  ");
    for (; *argv != NULL; argv++)
        fprintf(to, " %s", *argv);
    fputc('\n', to);
}
