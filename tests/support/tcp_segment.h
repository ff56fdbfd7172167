#pragma once
/*
 * TCP segments as text, for tests: "S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS 7 0,wscale 7>". Flags: S F R P . (ACK)
 * U E (ECE) W (CWR), - for none. Numbers are relative to each side's first. In an expectation what is not named is not
 * checked, PSH never; "<>" means: no options at all.
 */
#include "test_alloc.h"
#include "wire/tcp.h"
#include "wire/tcp_opts.h"

#include <stdio.h>
#include <stdlib.h>

struct seg_text {
    uint16_t flags;
    bool has_ack;
    bool has_win;
    bool has_urg;
    bool names_opts;
    bool names_ts_val;
    uint32_t seq; /* relative */
    uint32_t len;
    uint32_t ack; /* relative */
    uint16_t win;
    uint16_t urg;
    struct rn_tcp_opts opts; /* relative SACK blocks */
};

static inline uint16_t seg_flag_of(char c)
{
    switch (c) {
    case 'S':
        return RN_TCP_SYN;
    case 'F':
        return RN_TCP_FIN;
    case 'R':
        return RN_TCP_RST;
    case 'P':
        return RN_TCP_PSH;
    case '.':
        return RN_TCP_ACK;
    case 'U':
        return RN_TCP_URG;
    case 'E':
        return RN_TCP_ECE;
    case 'W':
        return RN_TCP_CWR;
    case 'A':
        return RN_TCP_AE;
    default:
        return 0;
    }
}

static inline const char *seg_skip(const char *at, const char *word)
{
    while (*at == ' ' || *at == ',')
        at++;
    return strncmp(at, word, strlen(word)) == 0 ? at + strlen(word) : NULL;
}

static inline uint32_t seg_number(const char **at)
{
    char *end;
    unsigned long long v = strtoull(*at, &end, 10);

    if (end == *at)
        fail_msg("number expected at '%s'", *at);
    *at = end;
    return (uint32_t)v;
}

static inline const char *seg_parse_sack(const char *at, struct rn_tcp_opts *opts)
{
    while (*at == ' ')
        at++;
    while (*at >= '0' && *at <= '9') {
        struct rn_tcp_sack_block *b = &opts->sack[opts->n_sack++];

        b->from.v = seg_number(&at);
        at++;
        b->to.v = seg_number(&at);
        while (*at == ' ')
            at++;
    }
    return at;
}

static inline const char *seg_parse_opt(const char *at, struct seg_text *ret)
{
    const char *next;

    if ((next = seg_skip(at, "mss ")) != NULL) {
        ret->opts.has_mss = true;
        ret->opts.mss = (uint16_t)seg_number(&next);
    } else if ((next = seg_skip(at, "wscale ")) != NULL) {
        ret->opts.has_wscale = true;
        ret->opts.wscale = (uint8_t)seg_number(&next);
    } else if ((next = seg_skip(at, "sackOK")) != NULL) {
        ret->opts.sack_ok = true;
    } else if ((next = seg_skip(at, "TS * ")) != NULL) {
        ret->opts.has_ts = true;
        ret->opts.ts_ecr = seg_number(&next);
    } else if ((next = seg_skip(at, "TS ")) != NULL) {
        ret->opts.has_ts = true;
        ret->names_ts_val = true;
        ret->opts.ts_val = seg_number(&next);
        ret->opts.ts_ecr = seg_number(&next);
    } else if ((next = seg_skip(at, "sack ")) != NULL) {
        next = seg_parse_sack(next, &ret->opts);
    } else {
        fail_msg("option expected at '%s'", at);
    }
    return next;
}

static inline struct seg_text seg_parse(const char *text)
{
    struct seg_text ret = { 0 };
    const char *at = text;
    const char *next;

    for (; *at != ' '; at++)
        ret.flags |= seg_flag_of(*at);
    at++;
    ret.seq = seg_number(&at);
    at++;
    (void)seg_number(&at);
    at++;
    ret.len = seg_number(&at);
    at++;
    if ((next = seg_skip(at, "ack ")) != NULL) {
        ret.has_ack = true;
        ret.ack = seg_number(&next);
        at = next;
    }
    if ((next = seg_skip(at, "win ")) != NULL) {
        ret.has_win = true;
        ret.win = (uint16_t)seg_number(&next);
        at = next;
    }
    if ((next = seg_skip(at, "urg ")) != NULL) {
        ret.has_urg = true;
        ret.urg = (uint16_t)seg_number(&next);
        at = next;
    }
    if ((next = seg_skip(at, "<")) != NULL) {
        ret.names_opts = true;
        for (at = next; *at != '>';)
            at = seg_parse_opt(at, &ret);
        at++;
    }
    if (*at != '\0')
        fail_msg("cannot read '%s' of '%s'", at, text);
    return ret;
}

static inline void seg_print_flags(uint16_t flags, FILE *to)
{
    static const char names[] = "SFRPUEWA.";
    const char *c;

    for (c = names; *c != '\0'; c++) {
        if ((flags & seg_flag_of(*c)) != 0)
            fputc(*c, to);
    }
}

static inline void seg_print(const struct seg_text *s, FILE *to)
{
    seg_print_flags(s->flags, to);
    fprintf(to, " %u:%u(%u)", s->seq, s->seq + s->len, s->len);
    if ((s->flags & RN_TCP_ACK) != 0)
        fprintf(to, " ack %u", s->ack);
    fprintf(to, " win %u <", s->win);
    if (s->opts.has_mss)
        fprintf(to, "mss %u,", s->opts.mss);
    if (s->opts.sack_ok)
        fprintf(to, "sackOK,");
    if (s->opts.has_ts)
        fprintf(to, "TS %u %u,", s->opts.ts_val, s->opts.ts_ecr);
    if (s->opts.has_wscale)
        fprintf(to, "wscale %u,", s->opts.wscale);
    for (unsigned i = 0; i < s->opts.n_sack; i++)
        fprintf(to, "sack %u:%u ", s->opts.sack[i].from.v, s->opts.sack[i].to.v);
    fprintf(to, ">\n");
}

static inline bool seg_same_sacks(const struct rn_tcp_opts *a, const struct rn_tcp_opts *b)
{
    for (unsigned i = 0; i < a->n_sack && i < b->n_sack; i++) {
        if (a->sack[i].from.v != b->sack[i].from.v || a->sack[i].to.v != b->sack[i].to.v)
            return false;
    }
    return a->n_sack == b->n_sack;
}

static inline bool seg_same_opts(const struct seg_text *want, const struct rn_tcp_opts *got)
{
    const struct rn_tcp_opts *w = &want->opts;

    if (w->has_mss != got->has_mss || (w->has_mss && w->mss != got->mss))
        return false;
    if (w->has_wscale != got->has_wscale || (w->has_wscale && w->wscale != got->wscale))
        return false;
    if (w->sack_ok != got->sack_ok || w->has_ts != got->has_ts)
        return false;
    if (w->has_ts && w->ts_ecr != got->ts_ecr)
        return false;
    if (want->names_ts_val && w->ts_val != got->ts_val)
        return false;
    return seg_same_sacks(w, got);
}

/* Is @got what @want names? */
static inline bool seg_matches(const struct seg_text *want, const struct seg_text *got)
{
    uint16_t mask = (uint16_t)~RN_TCP_PSH;

    if ((want->flags & mask) != (got->flags & mask) || want->seq != got->seq ||
        want->len != got->len)
        return false;
    if (want->has_ack && want->ack != got->ack)
        return false;
    if (want->has_win && want->win != got->win)
        return false;
    return !want->names_opts || seg_same_opts(want, &got->opts);
}
