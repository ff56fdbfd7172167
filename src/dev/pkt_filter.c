/*
 * Words of a capture filter become tests in postfix order: each pushes a truth, `and`, `or` and `not` combine what lies on top. What
 * is asked of a packet is what dev/flow.c knows of it.
 */
#include "dev/flow.h"
#include "wire/eth.h"
#include "wire/proto.h"
#include <runnel/err.h>

#define NESTED_MAX 16u

enum kind { AND, OR, NOT, VERSION, ARP, PROTO, NET, PORTS, LENGTH };
enum side { SRC = 1, DST = 2, EITHER = 3 };

struct word {
    const char *at;
    size_t len; /* 0: the end */
};

struct parser {
    const char *rest;
    struct word word; /* the next one */
    struct rn_pkt_filter filter;
    unsigned n_open; /* parentheses and negations around the present word */
    int err;
    struct word wrong; /* with .err */
};

/* --- words ---------------------------------------------------------------------------------------------------- */
static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static bool is_sign(char c)
{
    return c == '(' || c == ')' || c == '!' || c == '&' || c == '|';
}

static void next(struct parser *p)
{
    while (is_space(*p->rest))
        p->rest++;
    p->word = (struct word){ p->rest, 0 };
    while (*p->rest != '\0' && !is_space(*p->rest) && !is_sign(*p->rest))
        p->rest++;
    if (p->rest == p->word.at && *p->rest != '\0')
        p->rest += p->rest[1] == p->rest[0] && (*p->rest == '&' || *p->rest == '|') ? 2 : 1;
    p->word.len = (size_t)(p->rest - p->word.at);
}

static bool is(const struct parser *p, const char *name)
{
    return p->word.len == strlen(name) && memcmp(p->word.at, name, p->word.len) == 0;
}

/* Passes over @name if it is next. */
static bool skip(struct parser *p, const char *name)
{
    bool is_there = is(p, name);

    if (is_there)
        next(p);
    return is_there;
}

static void fail(struct parser *p, int err)
{
    if (p->err < 0)
        return;
    p->err = err;
    p->wrong = p->word;
}

static void emit(struct parser *p, struct rn_pkt_test test)
{
    if (p->filter.n == RN_PKT_FILTER_MAX)
        fail(p, RN_E_LIMIT);
    else if (p->err == RN_OK)
        p->filter.code[p->filter.n++] = test;
}

/* Takes the next word as text of its own. false: none, or too long for anything that is meant here. */
static bool take_text(struct parser *p, char *buf, size_t cap)
{
    if (p->word.len == 0 || p->word.len >= cap)
        return false;
    memcpy(buf, p->word.at, p->word.len);
    buf[p->word.len] = '\0';
    return true;
}

/* Digits up to @end; at most @max. */
static bool read_number(const char *at, const char *end, uint32_t max, uint32_t *ret)
{
    uint64_t v = 0;

    if (at == end)
        return false;
    for (; at != end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        v = v * 10 + (uint64_t)(*at - '0');
        if (v > max)
            return false;
    }
    *ret = (uint32_t)v;
    return true;
}

/* --- primitives ----------------------------------------------------------------------------------------------- */
static const struct {
    const char *name;
    struct rn_pkt_test test;
} protocols[] = {
    { "ip", { .kind = VERSION, .from = 4 } },
    { "ip6", { .kind = VERSION, .from = 6 } },
    { "arp", { .kind = ARP } },
    { "tcp", { .kind = PROTO, .from = RN_PROTO_TCP } },
    { "udp", { .kind = PROTO, .from = RN_PROTO_UDP } },
    { "icmp", { .kind = PROTO, .from = RN_PROTO_ICMP4 } },
    { "icmp6", { .kind = PROTO, .from = RN_PROTO_ICMP6 } },
};

static bool protocol(struct parser *p)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(protocols); i++) {
        if (skip(p, protocols[i].name)) {
            emit(p, protocols[i].test);
            return true;
        }
    }
    return false;
}

static enum side sides(struct parser *p)
{
    if (skip(p, "src"))
        return SRC;
    return skip(p, "dst") ? DST : EITHER;
}

static void address(struct parser *p, enum side side, bool is_host)
{
    struct rn_pkt_test test = { .kind = NET, .sides = (uint8_t)side };
    char text[RN_PREFIX_TEXT_BYTES];

    if (!take_text(p, text, sizeof(text)) || rn_prefix_parse(text, &test.prefix) < 0 ||
        (is_host && test.prefix.bits != (test.prefix.is_v4 ? 32 : 128))) {
        fail(p, RN_E_PARSE);
        return;
    }
    emit(p, test);
    next(p);
}

/* "80", or of a range "80-90". */
static void ports(struct parser *p, enum side side, bool is_range)
{
    struct rn_pkt_test test = { .kind = PORTS, .sides = (uint8_t)side };
    const char *end = p->word.at + p->word.len;
    const char *dash = p->word.at;

    while (is_range && dash != end && *dash != '-')
        dash++;
    if (!is_range)
        dash = end;
    if (!read_number(p->word.at, dash, UINT16_MAX, &test.from) ||
        (is_range && (dash == end || !read_number(dash + 1, end, UINT16_MAX, &test.to) ||
                      test.to < test.from))) {
        fail(p, RN_E_PARSE);
        return;
    }
    if (!is_range)
        test.to = test.from;
    emit(p, test);
    next(p);
}

static void length(struct parser *p, bool is_less)
{
    struct rn_pkt_test test = { .kind = LENGTH, .to = UINT32_MAX };

    if (!read_number(p->word.at, p->word.at + p->word.len, UINT32_MAX,
                     is_less ? &test.to : &test.from)) {
        fail(p, RN_E_PARSE);
        return;
    }
    emit(p, test);
    next(p);
}

/* A protocol, a place, or a place of a protocol. */
static void primitive(struct parser *p)
{
    bool has_protocol = protocol(p);
    const char *from = p->word.at;
    enum side side = sides(p);

    if (skip(p, "host"))
        address(p, side, true);
    else if (skip(p, "net"))
        address(p, side, false);
    else if (skip(p, "port"))
        ports(p, side, false);
    else if (skip(p, "portrange"))
        ports(p, side, true);
    else if (from != p->word.at)
        address(p, side, true); /* "src 10.0.0.1" */
    else if (has_protocol)
        return;
    else if (skip(p, "less"))
        length(p, true);
    else if (skip(p, "greater"))
        length(p, false);
    else
        fail(p, RN_E_PARSE);
    if (has_protocol)
        emit(p, (struct rn_pkt_test){ .kind = AND });
}

static void expression(struct parser *p);

static void operand(struct parser *p)
{
    if (++p->n_open > NESTED_MAX) {
        fail(p, RN_E_LIMIT);
    } else if (skip(p, "not") || skip(p, "!")) {
        operand(p);
        emit(p, (struct rn_pkt_test){ .kind = NOT });
    } else if (skip(p, "(")) {
        expression(p);
        if (!skip(p, ")"))
            fail(p, RN_E_PARSE);
    } else {
        primitive(p);
    }
    p->n_open--;
}

static void expression(struct parser *p)
{
    operand(p);
    while (p->err == RN_OK) {
        if (skip(p, "and") || skip(p, "&&")) {
            operand(p);
            emit(p, (struct rn_pkt_test){ .kind = AND });
        } else if (skip(p, "or") || skip(p, "||")) {
            operand(p);
            emit(p, (struct rn_pkt_test){ .kind = OR });
        } else {
            return;
        }
    }
}

int rn_pkt_filter_parse(const char *text, struct rn_pkt_filter *ret, const char **ret_word,
                        size_t *ret_len)
{
    struct parser p = { .rest = text };

    next(&p);
    if (p.word.len != 0)
        expression(&p);
    if (p.word.len != 0)
        fail(&p, RN_E_PARSE);
    if (p.err < 0) {
        *ret_word = p.wrong.at;
        *ret_len = p.wrong.len;
        return p.err;
    }
    *ret = p.filter;
    return RN_OK;
}

/* --- matching ------------------------------------------------------------------------------------------------- */
struct subject {
    struct rn_pkt_flow flow;
    bool is_ip;
    bool is_arp;
    uint32_t len;
};

static bool is_arp(const struct rn_pkt *pkt, enum rn_link_type link)
{
    uint8_t hdr[RN_ETH_HDR_BYTES];

    if (link != RN_LINK_ETHERNET || pkt->len < sizeof(hdr))
        return false;
    rn_pkt_copy_out(pkt, 0, hdr, sizeof(hdr));
    return rn_get_be16(hdr + 12) == RN_ETHERTYPE_ARP;
}

static bool is_port(const struct rn_pkt_test *test, uint16_t port)
{
    return port >= test->from && port <= test->to;
}

static bool has_ports(const struct rn_pkt_flow *flow)
{
    return flow->has_transport && (flow->proto == RN_PROTO_TCP || flow->proto == RN_PROTO_UDP);
}

static bool holds(const struct rn_pkt_test *test, const struct subject *s)
{
    bool of_src = (test->sides & SRC) != 0;
    bool of_dst = (test->sides & DST) != 0;

    if (test->kind == ARP)
        return s->is_arp;
    if (test->kind == LENGTH)
        return s->len >= test->from && s->len <= test->to;
    if (!s->is_ip)
        return false;
    switch (test->kind) {
    case VERSION:
        return test->from == (s->flow.is_v4 ? 4 : 6);
    case PROTO:
        return test->from == s->flow.proto;
    case NET:
        return (of_src && rn_prefix_contains(&test->prefix, s->flow.src)) ||
               (of_dst && rn_prefix_contains(&test->prefix, s->flow.dst));
    case PORTS:
        return has_ports(&s->flow) && ((of_src && is_port(test, s->flow.src_port)) ||
                                       (of_dst && is_port(test, s->flow.dst_port)));
    default:
        return false;
    }
}

bool rn_pkt_filter_matches(const struct rn_pkt_filter *filter, const struct rn_pkt *pkt,
                           enum rn_link_type link)
{
    bool stack[RN_PKT_FILTER_MAX + 1] = { true };
    struct subject s = { .len = pkt->len };
    unsigned n = 0;

    if (filter->n == 0)
        return true;
    s.is_ip = rn_flow_of(pkt, link, &s.flow);
    s.is_arp = !s.is_ip && is_arp(pkt, link);
    for (unsigned i = 0; i < filter->n; i++) {
        const struct rn_pkt_test *test = &filter->code[i];

        if (test->kind == NOT) {
            stack[n - 1] = !stack[n - 1];
        } else if (test->kind == AND || test->kind == OR) {
            n--;
            stack[n - 1] = test->kind == AND ? stack[n - 1] && stack[n] : stack[n - 1] || stack[n];
        } else {
            stack[n++] = holds(test, &s);
        }
    }
    return stack[0];
}
