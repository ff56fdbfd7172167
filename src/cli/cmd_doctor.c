#include "cli/exit.h"
#include "cli/refusal.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* What this machine allows, line by line, with the command that mends each. */

struct doctor_opts {
    bool json;
};

enum mark { MARK_OK, MARK_LESS, MARK_NO };

struct finding {
    const char *name;
    enum mark mark;
    char text[160];
    char remedy[160];
};

#define FINDINGS_MAX    16
#define WANTED_RMEM_MAX (128L << 10)

struct report {
    struct finding items[FINDINGS_MAX];
    unsigned n;
    bool can_run;
};

static struct finding *add(struct report *r, const char *name, enum mark mark, const char *text)
{
    struct finding *f = &r->items[r->n++];

    *f = (struct finding){ .name = name, .mark = mark };
    snprintf(f->text, sizeof(f->text), "%s", text);
    return f;
}

/* Tries it in a child, so that nothing of ours changes. Returns 0 or an errno. */
static int try_unshare(int flags)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(unshare(flags) == 0 ? 0 : errno);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return errno;
    return WEXITSTATUS(status);
}

static void check_userns(struct report *r)
{
    int host_errno = try_unshare(geteuid() == 0 ? CLONE_NEWNET | CLONE_NEWNS
                                                : CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS);
    enum rn_refusal refusal = rn_refusal_find(-host_errno);
    struct finding *f;

    r->can_run = host_errno == 0;
    if (host_errno == 0) {
        add(r, "namespaces", MARK_OK,
            geteuid() == 0 ? "network and mount, as root"
                           : "user, network and mount, without root");
        return;
    }
    f = add(r, "namespaces", MARK_NO, rn_refusal_text(refusal));
    snprintf(f->remedy, sizeof(f->remedy), "%s", rn_refusal_remedy(refusal));
}

static void check_tun(struct report *r)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct finding *f;

    if (fd >= 0) {
        close(fd);
        add(r, "TUN", MARK_OK, "/dev/net/tun opens: the fast link is used");
        return;
    }
    f = add(r, "TUN", MARK_LESS, "");
    snprintf(f->text, sizeof(f->text), "/dev/net/tun: %s; a veth pair is used instead",
             strerror(errno));
    snprintf(f->remedy, sizeof(f->remedy), "%s",
             errno == ENOENT ? "sudo modprobe tun" : "sudo chmod 0666 /dev/net/tun");
}

/* The veth link's packet sockets get no larger queue than this allows, sixteen together; what does not fit is dropped
 * (host/cell_packet.c). */
static void check_queue(struct report *r)
{
    long most = rn_refusal_read_number("/proc/sys/net/core/rmem_max", 0);
    struct finding *f;

    if (geteuid() == 0 || most >= WANTED_RMEM_MAX) {
        add(r, "queue", MARK_OK, "the veth link's packet queue can be large");
        return;
    }
    f = add(r, "queue", MARK_LESS, "");
    snprintf(f->text, sizeof(f->text),
             "net.core.rmem_max is %ld KiB: on the veth link bursts beyond that are sent again",
             most / 1024);
    snprintf(f->remedy, sizeof(f->remedy), "sudo sysctl net.core.rmem_max=%ld", WANTED_RMEM_MAX);
}

static void check_ping(struct report *r)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
    struct finding *f;

    if (fd < 0 && geteuid() == 0)
        fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (fd >= 0) {
        close(fd);
        add(r, "ping", MARK_OK, "echo sockets open: ping reaches the outside");
        return;
    }
    f = add(r, "ping", MARK_LESS, "no echo sockets: ping reaches the gateway only");
    snprintf(f->remedy, sizeof(f->remedy), "sudo sysctl 'net.ipv4.ping_group_range=0 2147483647'");
}

static void check_ports(struct report *r)
{
    long first = rn_refusal_read_number("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024);
    struct finding *f;

    if (geteuid() == 0 || first <= 80) {
        add(r, "low ports", MARK_OK, "-p can publish ports below 1024");
        return;
    }
    f = add(r, "low ports", MARK_LESS, "");
    snprintf(f->text, sizeof(f->text), "-p publishes host ports from %ld on", first);
    snprintf(f->remedy, sizeof(f->remedy), "sudo sysctl net.ipv4.ip_unprivileged_port_start=80");
}

static void check_ipv6(struct report *r)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    if (fd >= 0)
        add(r, "IPv6", MARK_OK, "the host speaks it");
    else
        add(r, "IPv6", MARK_LESS, "the host has none: IPv6 destinations answer unreachable");
}

static void check_resolv(struct report *r)
{
    FILE *file = fopen("/etc/resolv.conf", "re");
    char line[256];
    unsigned n = 0;
    struct finding *f;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        n += strncmp(line, "nameserver", 10) == 0;
    if (file != NULL)
        fclose(file);
    f = add(r, "DNS", n != 0 ? MARK_OK : MARK_LESS, "");
    snprintf(f->text, sizeof(f->text),
             n != 0 ? "/etc/resolv.conf names %u server%s" : "/etc/resolv.conf names nobody", n,
             n == 1 ? "" : "s");
    if (n == 0)
        snprintf(f->remedy, sizeof(f->remedy), "runnel run --dns ADDR -- ...");
}

static void print_text(const struct report *r)
{
    static const char *const marks[] = { [MARK_OK] = "ok", [MARK_LESS] = "less", [MARK_NO] = "no" };
    struct utsname host = { 0 };

    (void)uname(&host);
    printf("runnel %s on Linux %s (%s), as %s\n", RN_VERSION, host.release, host.machine,
           geteuid() == 0 ? "root" : "an ordinary user");
    for (unsigned i = 0; i < r->n; i++) {
        const struct finding *f = &r->items[i];

        printf("  %-4s  %-11s %s\n", marks[f->mark], f->name, f->text);
        if (f->remedy[0] != '\0')
            printf("        %-11s mend: %s\n", "", f->remedy);
    }
    printf("%s\n",
           r->can_run ? "runnel run and runnel demo work here"
                      : "runnel run cannot work here; runnel demo shows two stacks in one process");
}

static void print_json(const struct report *r)
{
    static const char *const marks[] = { [MARK_OK] = "ok", [MARK_LESS] = "less", [MARK_NO] = "no" };

    printf("{\"schema\":\"runnel.doctor/1\",\"can_run\":%s,\"findings\":[",
           r->can_run ? "true" : "false");
    for (unsigned i = 0; i < r->n; i++)
        printf("%s{\"name\":\"%s\",\"mark\":\"%s\",\"text\":\"%s\",\"remedy\":\"%s\"}",
               i != 0 ? "," : "", r->items[i].name, marks[r->items[i].mark], r->items[i].text,
               r->items[i].remedy);
    printf("]}\n");
}

static int run(int argc, char **argv)
{
    struct doctor_opts opts = { 0 };
    struct rn_opts_rest rest;
    struct report report = { 0 };
    int err = rn_opts_parse(&rn_verb_doctor, argc, argv, &opts, &rest);

    if (err == RN_OPTS_HELP) {
        rn_opts_help(&rn_verb_doctor, stdout);
        return RN_EXIT_OK;
    }
    if (err < 0)
        return RN_EXIT_USAGE;
    check_userns(&report);
    check_tun(&report);
    check_queue(&report);
    check_ping(&report);
    check_ports(&report);
    check_ipv6(&report);
    check_resolv(&report);
    if (opts.json)
        print_json(&report);
    else
        print_text(&report);
    return report.can_run ? RN_EXIT_OK : RN_EXIT_UNSUPPORTED;
}

static const struct rn_opt options[] = {
    { "json", 0, RN_OPT_FLAG, NULL, "print one JSON object", offsetof(struct doctor_opts, json), 0,
      0, NULL },
};

static const char *const examples[] = { "runnel doctor",
                                        "what works here, and how to mend the rest",
                                        "runnel doctor --json", "the same for programs", NULL };

const struct rn_verb rn_verb_doctor = {
    .name = "doctor",
    .summary = "tell what this machine allows, and how to mend the rest",
    .synopsis = "[--json]",
    .opts = options,
    .n_opts = sizeof(options) / sizeof(options[0]),
    .examples = examples,
    .run = run,
};
