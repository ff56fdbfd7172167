#include "opts.h"

#include <runnel/tcp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *text)
{
    fprintf(stderr, "librunnel_packetdrill: %s: %s\n", what, text);
    exit(2);
}

static void set_local(struct adapter_opts *opts, const char *text)
{
    char buf[64] = "";
    struct rn_addr addr;

    /* "/16" may follow; the prefix is known */
    memcpy(buf, text, strcspn(text, "/") < sizeof(buf) ? strcspn(text, "/") : 0);
    if (rn_addr_parse(buf, &addr) < 0)
        die("local= is no address", text);
    if (rn_addr_is_v4(addr))
        opts->local4 = addr;
    else
        opts->local6 = addr;
}

static long number_of(const char *key, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || number < 0)
        die(key, "is a number");
    return number;
}

static void set_one(struct adapter_opts *opts, const char *key, const char *value)
{
    if (strcmp(key, "local") == 0)
        set_local(opts, value);
    else if (strcmp(key, "mtu") == 0)
        opts->mtu = (uint32_t)number_of(key, value);
    else if (strcmp(key, "sysctl") == 0)
        opts->has_sysctl = number_of(key, value) != 0;
    else if (strcmp(key, "quickack") == 0)
        opts->has_quickack = number_of(key, value) != 0;
    else if (strcmp(key, "giveup_s") == 0)
        opts->giveup_s = number_of(key, value);
    else if (strcmp(key, "trace") == 0)
        opts->is_traced = number_of(key, value) != 0;
    else if (strcmp(key, "cc") == 0)
        snprintf(opts->congestion, sizeof(opts->congestion), "%s", value);
    else if (strcmp(key, "pcap") == 0)
        snprintf(opts->pcap, sizeof(opts->pcap), "%s", value);
    else
        die("unknown flag", key);
}

void adapter_opts_parse(struct adapter_opts *ret, const char *flags)
{
    char *copy = strdup(flags != NULL ? flags : "");
    char *save = NULL;

    *ret = (struct adapter_opts){
        .mtu = 1500, .has_quickack = true, .has_sysctl = true, .giveup_s = 300
    };
    for (char *item = strtok_r(copy, ",", &save); item != NULL; item = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(item, '=');

        if (equals == NULL)
            die("flags are key=value", item);
        *equals = '\0';
        set_one(ret, item, equals + 1);
    }
    free(copy);
}

/* --- sysctls ------------------------------------------------------------------------------------------------------- */

/* The text of one, without its newline; false: this kernel has none such. */
static bool read_sysctl(const char *name, char *ret, size_t max)
{
    char path[128];
    FILE *file;
    bool is_read;

    snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    is_read = fgets(ret, (int)max, file) != NULL;
    fclose(file);
    if (is_read)
        ret[strcspn(ret, "\n")] = '\0';
    return is_read;
}

static void apply_number(struct rn_sock *sock, const char *name, enum rn_sock_opt opt, int64_t unit)
{
    char text[64];

    if (read_sysctl(name, text, sizeof(text)))
        (void)!rn_sock_set_opt(sock, opt, strtoll(text, NULL, 10) * unit);
}

/* Linux offers the window scale for the largest buffer its tuning may reach, the third number. */
static void apply_rmem(struct rn_sock *sock)
{
    char text[128];
    char *at = text;
    int64_t largest = 0;

    if (!read_sysctl("tcp_rmem", text, sizeof(text)))
        return;
    for (int i = 0; i < 3; i++)
        largest = strtoll(at, &at, 10);
    (void)!rn_sock_set_opt(sock, RN_TCP_RCVBUF_MOST, largest);
}

void adapter_apply_sysctls(struct face *face, int fd)
{
    struct rn_sock *sock = face_fd(face, fd)->sock;
    char text[32];

    apply_rmem(sock);
    apply_number(sock, "tcp_syn_retries", RN_TCP_SYNCNT, 1);
    apply_number(sock, "tcp_keepalive_time", RN_TCP_KEEPIDLE_NS, RN_NS_PER_S);
    apply_number(sock, "tcp_keepalive_intvl", RN_TCP_KEEPINTVL_NS, RN_NS_PER_S);
    apply_number(sock, "tcp_keepalive_probes", RN_TCP_KEEPCNT, 1);
    apply_number(sock, "tcp_fin_timeout", RN_TCP_LINGER2_NS, RN_NS_PER_S);
    apply_number(sock, "tcp_notsent_lowat", RN_TCP_NOTSENT_LOWAT, 1);
    apply_number(sock, "tcp_timestamps", RN_TCP_TIMESTAMPS, 1);
    apply_number(sock, "tcp_sack", RN_TCP_SACK, 1);
    apply_number(sock, "tcp_window_scaling", RN_TCP_WSCALE, 1);
    apply_number(sock, "tcp_ecn", RN_TCP_ECN, 1);
    apply_number(sock, "tcp_min_tso_segs", RN_TCP_BURST_SEGS, 1);
    if (read_sysctl("tcp_congestion_control", text, sizeof(text)))
        (void)!rn_tcp_set_congestion(sock, text);
}

void adapter_apply_congestion(const struct adapter_opts *opts, struct face *face, int fd)
{
    if (opts->congestion[0] != '\0' &&
        rn_tcp_set_congestion(face_fd(face, fd)->sock, opts->congestion) < 0)
        die("cc= is no controller", opts->congestion);
}

/* --- Fast Open ------------------------------------------------------------------------------------------------------ */

/* Bits of tcp_fastopen, Documentation/networking/ip-sysctl. */
enum {
    FO_CLIENT = 0x1,
    FO_SERVER = 0x2,
    FO_CLIENT_NO_COOKIE = 0x4,
    FO_SERVER_NO_COOKIE = 0x200,
    FO_EVERY_LISTENER = 0x400,
};

static long read_bits(void)
{
    char text[32];

    return read_sysctl("tcp_fastopen", text, sizeof(text)) ? strtol(text, NULL, 0) : 0;
}

/* Four words in hex, each one little-endian; more than one key, by commas. */
static void apply_keys(struct rn_stack *stack)
{
    char text[128];
    char *at = text;
    uint8_t keys[2][16];
    unsigned n = 0;

    if (!read_sysctl("tcp_fastopen_key", text, sizeof(text)))
        return;
    for (bool has_more = true; has_more && n < 2; n++) {
        for (int i = 0; i < 16; i += 4) {
            unsigned long word = strtoul(at, &at, 16);

            for (int k = 0; k < 4; k++)
                keys[n][i + k] = (uint8_t)(word >> 8 * k);
            at += *at == '-';
        }
        has_more = *at++ == ',';
    }
    (void)!rn_tcp_set_fastopen_keys(stack, keys, n);
}

void adapter_apply_fastopen(struct face *face, int fd)
{
    struct face_fd *f = face_fd(face, fd);
    struct rn_tcp_info info;
    long bits = read_bits();

    if (f == NULL || f->sock == NULL)
        return;
    f->is_fastopen_off = (bits & FO_CLIENT) == 0;
    if (rn_tcp_get_info(f->sock, &info) < 0 || info.state == RN_TCP_LISTEN ||
        rn_sock_remote(f->sock).port != 0)
        return;
    (void)!rn_sock_set_opt(f->sock, RN_TCP_FASTOPEN_NO_COOKIE, (bits & FO_CLIENT_NO_COOKIE) != 0);
}

void adapter_apply_listen_sysctls(struct face *face, int fd, int backlog)
{
    struct rn_sock *sock = face_fd(face, fd)->sock;
    long bits = read_bits();
    int64_t limit = 0;

    apply_keys(face->world->stack);
    (void)!rn_sock_set_opt(sock, RN_TCP_FASTOPEN_NO_COOKIE, (bits & FO_SERVER_NO_COOKIE) != 0);
    (void)!rn_sock_get_opt(sock, RN_TCP_FASTOPEN, &limit);
    if ((bits & FO_SERVER) == 0)
        limit = 0;
    else if ((bits & FO_EVERY_LISTENER) != 0 && limit == 0)
        limit = backlog;
    (void)!rn_sock_set_opt(sock, RN_TCP_FASTOPEN, limit);
}
