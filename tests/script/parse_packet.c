#include "parse.h"

#include <stdlib.h>
#include <string.h>

/* < [ect0] P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 2 ecr 1>, and < icmp unreachable frag_needed mtu 1200 [1:1461(1460)] */

/* --- IP ---------------------------------------------------------------------------------------------------------- */

static bool parse_ip_item(struct parser *p, struct packet *pkt)
{
    static const struct {
        const char *name;
        enum ecn ecn;
    } marks[] = { { "noecn", ECN_NONE },
                  { "ect0", ECN_ECT0 },
                  { "ect1", ECN_ECT1 },
                  { "ce", ECN_CE },
                  { "ect01", ECN_ECT01 } };
    int64_t number;

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (parser_take_word(p, marks[i].name)) {
            pkt->ecn = marks[i].ecn;
            return true;
        }
    }
    if (parser_take_word(p, "tos")) {
        if (!parser_number(p, &number))
            return false;
        pkt->tos = (int)number;
        return true;
    }
    if (parser_take_word(p, "ttl")) {
        if (!parser_number(p, &number))
            return false;
        pkt->ttl = (int)number;
        return true;
    }
    return parser_fail(p, "unknown IP field at \"%.12s\"", p->token.at);
}

static bool parse_ip(struct parser *p, struct packet *pkt)
{
    if (!parser_take_char(p, '['))
        return true;
    do {
        if (!parse_ip_item(p, pkt))
            return false;
    } while (parser_take_char(p, ','));
    return parser_expect_char(p, ']');
}

/* --- TCP options -------------------------------------------------------------------------------------------------- */

static bool parse_sack(struct parser *p, struct tcp_opt *opt)
{
    opt->kind = OPT_SACK;
    while (p->token.kind == TOKEN_NUMBER) {
        uint32_t *block = opt->sack[opt->n_sack];

        if (opt->n_sack == 4)
            return parser_fail(p, "more than four SACK blocks");
        if (!parser_u32(p, &block[0]) || !parser_expect_char(p, ':') || !parser_u32(p, &block[1]))
            return false;
        opt->n_sack++;
    }
    return true;
}

static bool parse_timestamps(struct parser *p, struct tcp_opt *opt)
{
    opt->kind = OPT_TS;
    if (!parser_take_word(p, "val"))
        return parser_fail(p, "expected \"val\"");
    if (!parser_u32(p, &opt->val))
        return false;
    if (!parser_take_word(p, "ecr"))
        return parser_fail(p, "expected \"ecr\"");
    return parser_u32(p, &opt->ecr);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* FO cookie as hex digits, perhaps none; also "kind 253 f989". */
static bool parse_bytes(struct parser *p, struct tcp_opt *opt)
{
    const char *at = p->token.at;
    size_t len = p->token.len;

    if (p->token.kind != TOKEN_WORD && p->token.kind != TOKEN_NUMBER)
        return true;
    while (len > 0 && hex_digit(at[len]) >= 0)
        len++; /* a number token stops at the first letter */
    if (len % 2 != 0 || len / 2 > OPT_BYTES_MAX)
        return parser_fail(p, "a cookie is an even number of hex digits");
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(at[2 * i]);
        int low = hex_digit(at[2 * i + 1]);

        if (high < 0 || low < 0)
            return parser_fail(p, "a cookie is made of hex digits");
        opt->bytes[i] = (uint8_t)(high << 4 | low);
    }
    opt->n_bytes = (uint8_t)(len / 2);
    while (p->error == NULL && p->token.at < at + len)
        parser_advance(p);
    return true;
}

/* ECN e0b 1 ceb 0 e1b 1: the counters of RFC 9768, as packetdrill writes them; which comes first tells the order. */
static bool parse_accecn(struct parser *p, struct tcp_opt *opt)
{
    static const char *const names[2][3] = { { "e0b", "ceb", "e1b" }, { "e1b", "ceb", "e0b" } };
    unsigned order = p->token.len == 3 && memcmp(p->token.at, "e1b", 3) == 0;
    uint32_t count;

    opt->kind = order == 0 ? OPT_ACCECN0 : OPT_ACCECN1;
    for (unsigned i = 0; i < 3 && parser_take_word(p, names[order][i]); i++) {
        if (!parser_u32(p, &count))
            return false;
        if (count > 0xffffff)
            return parser_fail(p, "a counter of ECN has 24 bits");
        opt->bytes[opt->n_bytes++] = (uint8_t)(count >> 16);
        opt->bytes[opt->n_bytes++] = (uint8_t)(count >> 8);
        opt->bytes[opt->n_bytes++] = (uint8_t)count;
    }
    return true;
}

static bool parse_opt(struct parser *p, struct tcp_opt *opt)
{
    if (parser_take_word(p, "nop")) {
        opt->kind = OPT_NOP;
    } else if (parser_take_word(p, "eol")) {
        opt->kind = OPT_EOL;
    } else if (parser_take_word(p, "sackOK")) {
        opt->kind = OPT_SACK_OK;
    } else if (parser_take_word(p, "mss")) {
        opt->kind = OPT_MSS;
        return parser_u32(p, &opt->val);
    } else if (parser_take_word(p, "wscale")) {
        opt->kind = OPT_WSCALE;
        return parser_u32(p, &opt->val);
    } else if (parser_take_word(p, "sack")) {
        return parse_sack(p, opt);
    } else if (parser_take_word(p, "TS")) {
        return parse_timestamps(p, opt);
    } else if (parser_take_word(p, "FO")) {
        opt->kind = OPT_FASTOPEN;
        return parse_bytes(p, opt);
    } else if (parser_take_word(p, "ECN")) {
        return parse_accecn(p, opt);
    } else if (parser_take_word(p, "kind")) {
        uint32_t kind;

        if (!parser_u32(p, &kind) || kind > 255)
            return parser_fail(p, "an option's kind is at most 255");
        opt->kind = (uint8_t)kind;
        return parse_bytes(p, opt);
    } else {
        return parser_fail(p, "unknown TCP option at \"%.12s\"", p->token.at);
    }
    return true;
}

static bool parse_opts(struct parser *p, struct packet *pkt)
{
    if (!parser_take_char(p, '<'))
        return true;
    if (p->token.kind == TOKEN_ELLIPSIS) {
        pkt->any_opts = true;
        parser_advance(p);
        return parser_expect_char(p, '>');
    }
    do {
        if (pkt->n_opts == OPTS_MAX)
            return parser_fail(p, "too many TCP options");
        if (!parse_opt(p, &pkt->opts[pkt->n_opts++]))
            return false;
    } while (parser_take_char(p, ','));
    return parser_expect_char(p, '>');
}

/* --- TCP ---------------------------------------------------------------------------------------------------------- */

static unsigned flag_of(char c)
{
    static const char letters[] = "FSRP.UEWA";
    const char *at = c != '\0' ? strchr(letters, c) : NULL;

    return at != NULL ? 1u << (at - letters) : 0;
}

/* "SEW", "P.", ".": word characters and dots, up to the space. "P.5" says the ACE field of RFC 9768 as a number. */
static bool parse_flags(struct parser *p, struct packet *pkt)
{
    const char *at = p->token.at;
    size_t n = 0;

    if (parser_take_char(p, '-'))
        return true;
    while (flag_of(at[n]) != 0)
        pkt->flags |= flag_of(at[n++]);
    if (at[n] >= '0' && at[n] <= '7')
        pkt->flags |= (unsigned)(at[n++] - '0') << FLAG_ACE_SHIFT;
    if (n == 0 || (at[n] != ' ' && at[n] != '\t'))
        return parser_fail(p, "expected TCP flags (FSRP.UEWA0-7 or -) at \"%.12s\"", at);
    while (p->error == NULL && p->token.at < at + n)
        parser_advance(p);
    return true;
}

/* 1:1001(1000) */
static bool parse_range(struct parser *p, uint32_t *ret_seq, uint32_t *ret_len)
{
    uint32_t end;

    if (!parser_u32(p, ret_seq) || !parser_expect_char(p, ':') || !parser_u32(p, &end) ||
        !parser_expect_char(p, '(') || !parser_u32(p, ret_len) || !parser_expect_char(p, ')'))
        return false;
    if (*ret_seq + *ret_len != end)
        return parser_fail(p, "%u:%u is not %u bytes", *ret_seq, end, *ret_len);
    return true;
}

static bool parse_tcp(struct parser *p, struct packet *pkt)
{
    if (!parse_flags(p, pkt) || !parse_range(p, &pkt->seq, &pkt->len))
        return false;
    if (parser_take_word(p, "ack")) {
        pkt->has_ack = true;
        if (!parser_u32(p, &pkt->ack))
            return false;
    }
    if ((pkt->flags & FLAG_ACK) != 0 && !pkt->has_ack)
        return parser_fail(p, "flag '.' without an ack number");
    if (parser_take_word(p, "win")) {
        pkt->has_win = true;
        if (!parser_u32(p, &pkt->win))
            return false;
    }
    if (parser_take_word(p, "urg") && !parser_u32(p, &pkt->urg))
        return false;
    return parse_opts(p, pkt);
}

/* --- ICMP --------------------------------------------------------------------------------------------------------- */

struct icmp_name {
    const char *name;
    int v4; /* -1: not in that family */
    int v6;
};

static const struct icmp_name icmp_types[] = {
    { "unreachable", 3, 1 },    { "packet_too_big", -1, 2 },    { "time_exceeded", 11, 3 },
    { "source_quench", 4, -1 }, { "parameter_problem", 12, 4 }, { "redirect", 5, -1 },
    { "echo_request", 8, 128 }, { "echo_reply", 0, 129 },
};

/* of "unreachable" */
static const struct icmp_name icmp_codes[] = {
    { "net_unreachable", 0, -1 },
    { "host_unreachable", 1, -1 },
    { "protocol_unreachable", 2, -1 },
    { "port_unreachable", 3, 4 },
    { "frag_needed", 4, -1 },
    { "source_route_failed", 5, -1 },
    { "net_unknown", 6, -1 },
    { "host_unknown", 7, -1 },
    { "source_host_isolated", 8, -1 },
    { "net_prohibited", 9, -1 },
    { "host_prohibited", 10, -1 },
    { "packet_filtered", 13, -1 },
    { "communication_prohibited", 13, 1 },
    { "no_route", -1, 0 },
    { "admin_prohibited", -1, 1 },
    { "address_unreachable", -1, 3 },
};

/* -1: not a name of this list in this family. */
static int icmp_number(const struct parser *p, const struct icmp_name *names, size_t n, bool is_v6)
{
    for (size_t i = 0; i < n; i++) {
        if (parser_is_word(p, names[i].name))
            return is_v6 ? names[i].v6 : names[i].v4;
    }
    return -1;
}

static bool parse_icmp(struct parser *p, struct packet *pkt)
{
    int number = icmp_number(p, icmp_types, sizeof(icmp_types) / sizeof(icmp_types[0]), pkt->is_v6);

    pkt->is_icmp = true;
    if (number < 0)
        return parser_fail(p, "unknown ICMP type at \"%.20s\"", p->token.at);
    pkt->icmp_type = (uint8_t)number;
    parser_advance(p);
    number = icmp_number(p, icmp_codes, sizeof(icmp_codes) / sizeof(icmp_codes[0]), pkt->is_v6);
    if (number >= 0) {
        pkt->icmp_code = (uint8_t)number;
        parser_advance(p);
    } else if (parser_take_word(p, "code")) {
        uint32_t code;

        if (!parser_u32(p, &code))
            return false;
        pkt->icmp_code = (uint8_t)code;
    }
    if (parser_take_word(p, "mtu") && !parser_u32(p, &pkt->mtu))
        return false;
    if (!parser_take_char(p, '['))
        return true;
    pkt->has_quote = true;
    return parse_range(p, &pkt->quote_seq, &pkt->quote_len) && parser_expect_char(p, ']');
}

bool parse_packet(struct parser *p, struct packet *ret)
{
    ret->is_in = parser_is_char(p, '<');
    ret->ecn = ECN_ANY;
    ret->tos = -1;
    ret->ttl = -1;
    parser_advance(p);
    if (parser_is_char(p, '#') && p->token.is_glued) {
        parser_advance(p);
        if (!parser_u32(p, &ret->flow))
            return false;
        if (ret->flow == 0 || ret->flow > 255)
            return parser_fail(p, "connections are #1 to #255");
    }
    if (!parse_ip(p, ret))
        return false;
    if (parser_take_word(p, "icmp"))
        return parse_icmp(p, ret);
    return parse_tcp(p, ret);
}
