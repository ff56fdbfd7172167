#include "wirefmt.h"

#include <string.h>

enum { PROTO_ICMP4 = 1, PROTO_TCP = 6, PROTO_ICMP6 = 58 };
enum { IP4_BYTES = 20, IP6_BYTES = 40, TCP_BYTES = 20, ICMP_BYTES = 8 };

static void put16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
    put16(at, v >> 16);
    put16(at + 2, v & 0xffff);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

/* --- checksums (RFC 1071) ---------------------------------------------------------------------------------------- */

static uint64_t sum(const uint8_t *bytes, size_t len, uint64_t start)
{
    uint64_t total = start;

    for (size_t i = 0; i + 1 < len; i += 2)
        total += get16(bytes + i);
    if (len % 2 != 0)
        total += (uint64_t)bytes[len - 1] << 8;
    return total;
}

static uint32_t fold(uint64_t total)
{
    while (total >> 16 != 0)
        total = (total & 0xffff) + (total >> 16);
    return (uint32_t)total;
}

static uint64_t pseudo(const struct flow_names *n, unsigned proto, size_t len)
{
    size_t addr_len = n->is_v6 ? 16 : 4;

    return sum(n->local, addr_len, sum(n->remote, addr_len, proto + len));
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static size_t emit_opt(const struct tcp_opt *opt, uint8_t *out)
{
    size_t len = 2;

    out[0] = opt->kind;
    switch (opt->kind) {
    case OPT_EOL:
    case OPT_NOP:
        return 1;
    case OPT_MSS:
        put16(out + 2, opt->val);
        len = 4;
        break;
    case OPT_WSCALE:
        out[2] = (uint8_t)opt->val;
        len = 3;
        break;
    case OPT_SACK:
        for (unsigned i = 0; i < opt->n_sack; i++, len += 8) {
            put32(out + len, opt->sack[i][0]);
            put32(out + len + 4, opt->sack[i][1]);
        }
        break;
    case OPT_TS:
        put32(out + 2, opt->val);
        put32(out + 6, opt->ecr);
        len = 10;
        break;
    default:
        memcpy(out + 2, opt->bytes, opt->n_bytes);
        len = 2 + (size_t)opt->n_bytes;
        break;
    }
    out[1] = (uint8_t)len;
    return len;
}

static size_t emit_opts(const struct packet *pkt, uint8_t *out)
{
    size_t len = 0;

    for (unsigned i = 0; i < pkt->n_opts && len + 34 <= 60; i++)
        len += emit_opt(&pkt->opts[i], out + len);
    while (len % 4 != 0)
        out[len++] = OPT_EOL;
    return len;
}

static size_t emit_tcp(const struct packet *pkt, const struct flow_names *n, uint8_t *out)
{
    uint8_t opts[128];
    size_t opts_len = emit_opts(pkt, opts);
    size_t len = TCP_BYTES + opts_len + pkt->len;
    uint32_t doff = (uint32_t)(TCP_BYTES + opts_len) / 4;

    put16(out, n->remote_port);
    put16(out + 2, n->local_port);
    put32(out + 4, pkt->seq);
    put32(out + 8, pkt->ack);
    put16(out + 12, doff << 12 | (pkt->flags & 0x1ff));
    put16(out + 14, pkt->win);
    put16(out + 16, 0);
    put16(out + 18, pkt->urg);
    memcpy(out + TCP_BYTES, opts, opts_len);
    /* A SYN takes the first sequence number. */
    for (uint32_t i = 0; i < pkt->len; i++)
        out[TCP_BYTES + opts_len + i] = wire_data((uint32_t)(pkt->seq + i + (pkt->flags >> 1 & 1)));
    put16(out + 16, ~fold(sum(out, len, pseudo(n, PROTO_TCP, len))));
    return len;
}

/* The packet of ours that an ICMP error complains about: IP header and eight bytes of TCP (RFC 792). */
static size_t emit_quote(const struct packet *pkt, const struct flow_names *n, uint8_t *out)
{
    size_t ip = n->is_v6 ? IP6_BYTES : IP4_BYTES;
    uint32_t total = (uint32_t)(ip + TCP_BYTES) + pkt->quote_len;

    memset(out, 0, ip + 8);
    if (n->is_v6) {
        out[0] = 0x60;
        put16(out + 4, total - IP6_BYTES);
        out[6] = PROTO_TCP;
        out[7] = 63;
        memcpy(out + 8, n->local, 16);
        memcpy(out + 24, n->remote, 16);
    } else {
        out[0] = 0x45;
        put16(out + 2, total);
        put16(out + 6, 0x4000);
        out[8] = 63;
        out[9] = PROTO_TCP;
        memcpy(out + 12, n->local, 4);
        memcpy(out + 16, n->remote, 4);
        put16(out + 10, ~fold(sum(out, IP4_BYTES, 0)));
    }
    put16(out + ip, n->local_port);
    put16(out + ip + 2, n->remote_port);
    put32(out + ip + 4, pkt->quote_seq);
    return ip + 8;
}

static size_t emit_icmp(const struct packet *pkt, const struct flow_names *n, uint8_t *out)
{
    size_t len = ICMP_BYTES;

    memset(out, 0, ICMP_BYTES);
    out[0] = pkt->icmp_type;
    out[1] = pkt->icmp_code;
    put32(out + 4, pkt->mtu);
    len += emit_quote(pkt, n, out + ICMP_BYTES);
    put16(out + 2, ~fold(sum(out, len, n->is_v6 ? pseudo(n, PROTO_ICMP6, len) : 0)));
    return len;
}

static unsigned tos_of(const struct packet *pkt)
{
    unsigned tos = pkt->tos >= 0 ? (unsigned)pkt->tos : 0;

    return pkt->ecn < ECN_ECT01 ? (tos & ~3u) | (unsigned)pkt->ecn : tos;
}

static void emit_ip(const struct packet *pkt, const struct flow_names *n, uint8_t *out, size_t len)
{
    unsigned ttl = pkt->ttl >= 0 ? (unsigned)pkt->ttl : 255;
    unsigned tos = tos_of(pkt);

    memset(out, 0, n->is_v6 ? IP6_BYTES : IP4_BYTES);
    if (n->is_v6) {
        put16(out, 0x6000 | tos << 4);
        put16(out + 4, (uint32_t)(len - IP6_BYTES));
        out[6] = pkt->is_icmp ? PROTO_ICMP6 : PROTO_TCP;
        out[7] = (uint8_t)ttl;
        memcpy(out + 8, n->remote, 16);
        memcpy(out + 24, n->local, 16);
        return;
    }
    out[0] = 0x45;
    out[1] = (uint8_t)tos;
    put16(out + 2, (uint32_t)len);
    out[8] = (uint8_t)ttl;
    out[9] = pkt->is_icmp ? PROTO_ICMP4 : PROTO_TCP;
    memcpy(out + 12, n->remote, 4);
    memcpy(out + 16, n->local, 4);
    put16(out + 10, ~fold(sum(out, IP4_BYTES, 0)));
}

size_t wire_emit(const struct packet *pkt, const struct flow_names *names, uint8_t *out)
{
    size_t ip = names->is_v6 ? IP6_BYTES : IP4_BYTES;
    size_t len = ip;

    len += pkt->is_icmp ? emit_icmp(pkt, names, out + ip) : emit_tcp(pkt, names, out + ip);
    emit_ip(pkt, names, out, len);
    return len;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static const char *parse_sack(struct tcp_opt *opt, const uint8_t *body, size_t len)
{
    if (len % 8 != 0 || len == 0 || len > 32)
        return "SACK option of an odd length";
    opt->n_sack = (uint8_t)(len / 8);
    for (unsigned i = 0; i < opt->n_sack; i++) {
        opt->sack[i][0] = get32(body + (size_t)8 * i);
        opt->sack[i][1] = get32(body + (size_t)8 * i + 4);
    }
    return NULL;
}

static const char *parse_opt(struct tcp_opt *opt, const uint8_t *body, size_t len)
{
    switch (opt->kind) {
    case OPT_MSS:
        opt->val = len == 2 ? get16(body) : 0;
        return len == 2 ? NULL : "MSS option of an odd length";
    case OPT_WSCALE:
        opt->val = len == 1 ? body[0] : 0;
        return len == 1 ? NULL : "window scale option of an odd length";
    case OPT_SACK_OK:
        return len == 0 ? NULL : "SACK-permitted option of an odd length";
    case OPT_SACK:
        return parse_sack(opt, body, len);
    case OPT_TS:
        if (len != 8)
            return "timestamps option of an odd length";
        opt->val = get32(body);
        opt->ecr = get32(body + 4);
        return NULL;
    default:
        opt->n_bytes = (uint8_t)len;
        memcpy(opt->bytes, body, len);
        return NULL;
    }
}

static const char *parse_opts(struct packet *ret, const uint8_t *opts, size_t len)
{
    const char *wrong = NULL;
    size_t at = 0;

    while (at < len && wrong == NULL) {
        struct tcp_opt *opt = &ret->opts[ret->n_opts];
        size_t size = 1;

        if (ret->n_opts == OPTS_MAX)
            return "too many options";
        opt->kind = opts[at];
        ret->n_opts++;
        if (opt->kind == OPT_EOL) {
            ret->n_opts--; /* padding */
            break;
        }
        if (opt->kind != OPT_NOP) {
            size = at + 1 < len ? opts[at + 1] : 0;
            if (size < 2 || size > len - at)
                return "option beyond the header";
            wrong = parse_opt(opt, opts + at + 2, size - 2);
        }
        at += size;
    }
    return wrong;
}

static const char *parse_tcp(const uint8_t *at, size_t len, struct packet *ret,
                             struct flow_names *n)
{
    size_t header;

    if (len < TCP_BYTES)
        return "TCP header is cut";
    header = (size_t)(at[12] >> 4) * 4;
    if (header < TCP_BYTES || header > len)
        return "TCP data offset is wrong";
    if (fold(sum(at, len, pseudo(n, PROTO_TCP, len))) != 0xffff)
        return "TCP checksum is wrong";
    n->local_port = (uint16_t)get16(at);
    n->remote_port = (uint16_t)get16(at + 2);
    ret->seq = get32(at + 4);
    ret->ack = get32(at + 8);
    ret->flags = get16(at + 12) & 0x1ff;
    ret->has_ack = (ret->flags & FLAG_ACK) != 0;
    ret->has_win = true;
    ret->win = get16(at + 14);
    ret->urg = get16(at + 18);
    ret->len = (uint32_t)(len - header);
    if ((at[12] & 0x0e) != 0)
        return "reserved bits are set";
    return parse_opts(ret, at + TCP_BYTES, header - TCP_BYTES);
}

static const char *parse_icmp(const uint8_t *at, size_t len, struct packet *ret,
                              const struct flow_names *n)
{
    if (len < ICMP_BYTES)
        return "ICMP message is cut";
    if (fold(sum(at, len, n->is_v6 ? pseudo(n, PROTO_ICMP6, len) : 0)) != 0xffff)
        return "ICMP checksum is wrong";
    ret->is_icmp = true;
    ret->icmp_type = at[0];
    ret->icmp_code = at[1];
    ret->mtu = get32(at + 4);
    return NULL;
}

static const char *parse_ip4(const uint8_t *bytes, size_t len, struct packet *ret,
                             struct flow_names *n)
{
    if (len < IP4_BYTES || bytes[0] != 0x45 || get16(bytes + 2) != len)
        return "IPv4 header is wrong";
    if (fold(sum(bytes, IP4_BYTES, 0)) != 0xffff)
        return "IPv4 header checksum is wrong";
    if ((get16(bytes + 6) & 0x3fff) != 0)
        return "a fragment";
    ret->tos = bytes[1];
    ret->ttl = bytes[8];
    memcpy(n->local, bytes + 12, 4);
    memcpy(n->remote, bytes + 16, 4);
    return NULL;
}

static const char *parse_ip6(const uint8_t *bytes, size_t len, struct packet *ret,
                             struct flow_names *n)
{
    if (len < IP6_BYTES || get16(bytes + 4) != len - IP6_BYTES)
        return "IPv6 header is wrong";
    ret->is_v6 = true;
    ret->tos = (int)(get16(bytes) >> 4 & 0xff);
    ret->ttl = bytes[7];
    n->is_v6 = true;
    memcpy(n->local, bytes + 8, 16);
    memcpy(n->remote, bytes + 24, 16);
    return NULL;
}

const char *wire_parse(const uint8_t *bytes, size_t len, struct packet *ret,
                       struct flow_names *ret_names, const uint8_t **ret_data)
{
    bool is_v6 = len > 0 && bytes[0] >> 4 == 6;
    size_t ip = is_v6 ? IP6_BYTES : IP4_BYTES;
    const char *wrong;
    unsigned proto;

    *ret = (struct packet){ 0 };
    *ret_names = (struct flow_names){ 0 };
    wrong = is_v6 ? parse_ip6(bytes, len, ret, ret_names) : parse_ip4(bytes, len, ret, ret_names);
    if (wrong != NULL)
        return wrong;
    ret->ecn = (enum ecn)(ret->tos & 3);
    proto = is_v6 ? bytes[6] : bytes[9];
    if (proto == (is_v6 ? PROTO_ICMP6 : PROTO_ICMP4))
        return parse_icmp(bytes + ip, len - ip, ret, ret_names);
    if (proto != PROTO_TCP)
        return "neither TCP nor ICMP";
    wrong = parse_tcp(bytes + ip, len - ip, ret, ret_names);
    *ret_data = bytes + len - ret->len;
    return wrong;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static void print_flags(FILE *to, unsigned flags)
{
    static const char letters[] = "FSRP.UEWA";
    static const char order[] = "SFRPUEWA."; /* as scripts write them */

    if (flags == 0)
        fputc('-', to);
    for (const char *c = order; *c != '\0'; c++) {
        if ((flags >> (strchr(letters, *c) - letters) & 1) != 0)
            fputc(*c, to);
    }
}

static void print_accecn(FILE *to, const struct tcp_opt *opt)
{
    static const char *const names[2][3] = { { "e0b", "ceb", "e1b" }, { "e1b", "ceb", "e0b" } };

    fputs("ECN", to);
    for (unsigned i = 0; i < 3 && 3 * i + 3 <= opt->n_bytes; i++)
        fprintf(to, " %s %u", names[opt->kind == OPT_ACCECN1][i],
                get16(opt->bytes + 3 * i) << 8 | opt->bytes[3 * i + 2]);
}

static void print_opt(FILE *to, const struct tcp_opt *opt)
{
    switch (opt->kind) {
    case OPT_EOL:
        fputs("eol", to);
        break;
    case OPT_NOP:
        fputs("nop", to);
        break;
    case OPT_MSS:
        fprintf(to, "mss %u", opt->val);
        break;
    case OPT_WSCALE:
        fprintf(to, "wscale %u", opt->val);
        break;
    case OPT_SACK_OK:
        fputs("sackOK", to);
        break;
    case OPT_SACK:
        fputs("sack", to);
        for (unsigned i = 0; i < opt->n_sack; i++)
            fprintf(to, " %u:%u", opt->sack[i][0], opt->sack[i][1]);
        break;
    case OPT_TS:
        fprintf(to, "TS val %u ecr %u", opt->val, opt->ecr);
        break;
    case OPT_ACCECN0:
    case OPT_ACCECN1:
        print_accecn(to, opt);
        break;
    default:
        if (opt->kind == OPT_FASTOPEN)
            fputs("FO ", to);
        else
            fprintf(to, "kind %u ", opt->kind);
        for (unsigned i = 0; i < opt->n_bytes; i++)
            fprintf(to, "%02x", opt->bytes[i]);
        break;
    }
}

static void print_opts(FILE *to, const struct packet *pkt)
{
    if (pkt->any_opts)
        fputs(" <...>", to);
    if (pkt->any_opts || pkt->n_opts == 0)
        return;
    for (unsigned i = 0; i < pkt->n_opts; i++) {
        fputs(i == 0 ? " <" : ",", to);
        print_opt(to, &pkt->opts[i]);
    }
    fputc('>', to);
}

static void print_ip(FILE *to, const struct packet *pkt)
{
    static const char *const marks[] = { "noecn", "ect1", "ect0", "ce", "ect01" };
    const char *sep = "[";

    if (pkt->ecn != ECN_ANY) {
        fprintf(to, "%s%s", sep, marks[pkt->ecn]);
        sep = ",";
    }
    if (pkt->tos >= 0) {
        fprintf(to, "%stos 0x%x", sep, (unsigned)pkt->tos);
        sep = ",";
    }
    if (pkt->ttl >= 0) {
        fprintf(to, "%sttl %d", sep, pkt->ttl);
        sep = ",";
    }
    if (*sep == ',')
        fputs("] ", to);
}

void wire_print(FILE *to, const struct packet *pkt)
{
    fputs(pkt->is_in ? "< " : "> ", to);
    print_ip(to, pkt);
    if (pkt->is_icmp) {
        fprintf(to, "icmp type %u code %u mtu %u", pkt->icmp_type, pkt->icmp_code, pkt->mtu);
        return;
    }
    print_flags(to, pkt->flags);
    fprintf(to, " %u:%u(%u)", pkt->seq, pkt->seq + pkt->len, pkt->len);
    if (pkt->has_ack)
        fprintf(to, " ack %u", pkt->ack);
    if (pkt->has_win)
        fprintf(to, " win %u", pkt->win);
    if (pkt->urg != 0)
        fprintf(to, " urg %u", pkt->urg);
    print_opts(to, pkt);
}
