#include "expr.h"

#include "info.h"
#include <ctype.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

struct expr {
    const char *at;
    const union face_info *info;
    const char *error; /* NULL: none */
    unsigned depth;
    char *notes; /* " (tcpi_lost is 2)" */
    size_t notes_len;
    size_t notes_max;
};

/* --- names --------------------------------------------------------------------------------------------------------- */

struct field {
    const char *name;
    size_t at;
    size_t size;
};

#define F(member)                                                                                  \
    {                                                                                              \
        "tcpi_" #member, offsetof(struct tcp_info, tcpi_##member),                                 \
            sizeof(((struct tcp_info *)0)->tcpi_##member)                                          \
    }

/* What face_opts.c fills in: a script that asserts anything else would pass or fail for nothing. */
static const struct field fields[] = {
    F(state),
    F(ca_state),
    F(retransmits),
    F(probes),
    F(backoff),
    F(options),
    F(rto),
    F(snd_mss),
    F(rcv_mss),
    F(unacked),
    F(sacked),
    F(lost),
    F(retrans),
    F(last_data_sent),
    F(last_data_recv),
    F(last_ack_recv),
    F(pmtu),
    F(rtt),
    F(rttvar),
    F(snd_ssthresh),
    F(snd_cwnd),
    F(advmss),
    F(rcv_rtt),
    F(rcv_space),
    F(total_retrans),
    F(pacing_rate),
    F(bytes_acked),
    F(bytes_received),
    F(segs_out),
    F(segs_in),
    F(notsent_bytes),
    F(min_rtt),
    F(data_segs_in),
    F(delivery_rate),
    F(reordering),
    F(reord_seen),
    F(rcv_ooopack),
    F(snd_wnd),
    F(delivered),
    F(delivered_ce),
    F(busy_time),
    F(rwnd_limited),
    F(sndbuf_limited),
    /* Of a newer Linux than the headers at hand may be. */
    { "tcpi_received_ce", FACE_INFO_RECEIVED_CE, 4 },
    { "tcpi_delivered_e1_bytes", FACE_INFO_DELIVERED_BYTES, 4 },
    { "tcpi_delivered_e0_bytes", FACE_INFO_DELIVERED_BYTES + 4, 4 },
    { "tcpi_delivered_ce_bytes", FACE_INFO_DELIVERED_BYTES + 8, 4 },
    { "tcpi_received_e1_bytes", FACE_INFO_RECEIVED_BYTES, 4 },
    { "tcpi_received_e0_bytes", FACE_INFO_RECEIVED_BYTES + 4, 4 },
    { "tcpi_received_ce_bytes", FACE_INFO_RECEIVED_BYTES + 8, 4 },
};

struct constant {
    const char *name;
    int64_t value;
};

static const struct constant constants[] = {
    { "True", 1 },
    { "False", 0 },
    { "TCP_CA_Open", 0 },
    { "TCP_CA_Disorder", 1 },
    { "TCP_CA_CWR", 2 },
    { "TCP_CA_Recovery", 3 },
    { "TCP_CA_Loss", 4 },
    { "TCPI_OPT_TIMESTAMPS", TCPI_OPT_TIMESTAMPS },
    { "TCPI_OPT_SACK", TCPI_OPT_SACK },
    { "TCPI_OPT_WSCALE", TCPI_OPT_WSCALE },
    { "TCPI_OPT_ECN", TCPI_OPT_ECN },
    { "TCPI_OPT_SYN_DATA", TCPI_OPT_SYN_DATA },
    { "TCP_INFINITE_SSTHRESH", 0x7fffffff },
    { "TCP_ESTABLISHED", 1 },
    { "TCP_SYN_SENT", 2 },
    { "TCP_SYN_RECV", 3 },
    { "TCP_FIN_WAIT1", 4 },
    { "TCP_FIN_WAIT2", 5 },
    { "TCP_TIME_WAIT", 6 },
    { "TCP_CLOSE", 7 },
    { "TCP_CLOSE_WAIT", 8 },
    { "TCP_LAST_ACK", 9 },
    { "TCP_LISTEN", 10 },
    { "TCP_CLOSING", 11 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_name(const char *name, const char *at, size_t len)
{
    return strlen(name) == len && memcmp(name, at, len) == 0;
}

static int64_t load(const union face_info *info, const struct field *field)
{
    uint64_t u64 = 0;
    uint32_t u32 = 0;
    uint8_t u8 = 0;
    const uint8_t *from = info->bytes + field->at;

    memcpy(field->size == 8   ? (void *)&u64
           : field->size == 4 ? (void *)&u32
                              : &u8,
           from, field->size);
    return (int64_t)(u64 + u32 + u8);
}

static void note(struct expr *e, const char *name, int64_t value)
{
    int n = snprintf(e->notes + e->notes_len, e->notes_max - e->notes_len, " (%s is %lld)", name,
                     (long long)value);

    if (n > 0 && (size_t)n < e->notes_max - e->notes_len)
        e->notes_len += (size_t)n;
}

static int64_t find_name(struct expr *e, const char *at, size_t len)
{
    for (size_t i = 0; i < COUNT(fields); i++) {
        if (is_name(fields[i].name, at, len)) {
            int64_t value = load(e->info, &fields[i]);

            note(e, fields[i].name, value);
            return value;
        }
    }
    for (size_t i = 0; i < COUNT(constants); i++) {
        if (is_name(constants[i].name, at, len))
            return constants[i].value;
    }
    e->error = "unknown name";
    return 0;
}

/* --- the grammar, loosest binding first -------------------------------------------------------------------------- */

static int64_t parse_or(struct expr *e);

static void skip(struct expr *e)
{
    while (*e->at == ' ' || *e->at == '\t' || *e->at == '\\')
        e->at++;
}

static bool take(struct expr *e, const char *op)
{
    size_t len = strlen(op);
    bool is_word = isalpha((unsigned char)op[0]) != 0;

    skip(e);
    if (strncmp(e->at, op, len) != 0)
        return false;
    if (is_word && (isalnum((unsigned char)e->at[len]) || e->at[len] == '_'))
        return false;
    e->at += len;
    return true;
}

static int64_t parse_atom(struct expr *e)
{
    const char *start;
    int64_t value;

    if (e->error != NULL || ++e->depth > DEPTH_MAX) {
        e->error = e->error != NULL ? e->error : "nested too deeply";
        return 0;
    }
    if (take(e, "(")) {
        value = parse_or(e);
        if (!take(e, ")"))
            e->error = "missing )";
    } else if (take(e, "-")) {
        value = -parse_atom(e);
    } else if (isdigit((unsigned char)*e->at)) {
        char *end;

        value = strtoll(e->at, &end, 0);
        e->at = end;
    } else {
        start = e->at;
        while (isalnum((unsigned char)*e->at) || *e->at == '_')
            e->at++;
        value = e->at > start ? find_name(e, start, (size_t)(e->at - start)) : 0;
        if (e->at == start)
            e->error = "expected a number or a name";
    }
    e->depth--;
    return value;
}

static int64_t divide(struct expr *e, int64_t a, int64_t b, bool is_rest)
{
    if (b == 0) {
        e->error = "division by zero";
        return 0;
    }
    return is_rest ? a % b : a / b;
}

static int64_t parse_product(struct expr *e)
{
    int64_t value = parse_atom(e);

    for (;;) {
        if (take(e, "*"))
            value *= parse_atom(e);
        else if (take(e, "//") || take(e, "/"))
            value = divide(e, value, parse_atom(e), false);
        else if (take(e, "%"))
            value = divide(e, value, parse_atom(e), true);
        else
            return value;
    }
}

static int64_t parse_sum(struct expr *e)
{
    int64_t value = parse_product(e);

    for (;;) {
        if (take(e, "+"))
            value += parse_product(e);
        else if (take(e, "-"))
            value -= parse_product(e);
        else
            return value;
    }
}

static int64_t parse_bits(struct expr *e)
{
    int64_t value = parse_sum(e);

    for (;;) {
        if (take(e, "&"))
            value &= parse_sum(e);
        else if (take(e, "|"))
            value |= parse_sum(e);
        else
            return value;
    }
}

/* "1 <= a < 5" is a chain, as in Python. */
static int64_t parse_comparison(struct expr *e)
{
    int64_t left = parse_bits(e);
    bool is_chain = false;
    bool holds = true;

    for (;; is_chain = true) {
        int64_t right;
        char op;

        skip(e);
        if (take(e, "=="))
            op = '=';
        else if (take(e, "!="))
            op = '!';
        else if (take(e, "<="))
            op = 'l';
        else if (take(e, ">="))
            op = 'g';
        else if (take(e, "<"))
            op = '<';
        else if (take(e, ">"))
            op = '>';
        else
            return is_chain ? holds : left;
        right = parse_bits(e);
        holds = holds && (op == '='   ? left == right
                          : op == '!' ? left != right
                          : op == 'l' ? left <= right
                          : op == 'g' ? left >= right
                          : op == '<' ? left < right
                                      : left > right);
        left = right;
    }
}

static int64_t parse_not(struct expr *e)
{
    if (take(e, "not"))
        return parse_not(e) == 0;
    return parse_comparison(e);
}

static int64_t parse_and(struct expr *e)
{
    int64_t value = parse_not(e);

    while (take(e, "and")) {
        int64_t right = parse_not(e);

        value = value != 0 && right != 0;
    }
    return value;
}

static int64_t parse_or(struct expr *e)
{
    int64_t value = parse_and(e);

    while (take(e, "or")) {
        int64_t right = parse_and(e);

        value = value != 0 || right != 0;
    }
    return value;
}

/* --- statements ---------------------------------------------------------------------------------------------------- */

static const char *statement_end(const char *at)
{
    while (*at != '\0' && *at != '\n' && *at != ';')
        at++;
    return at;
}

static bool run_statement(struct expr *e, const char *end, char *why, size_t why_max)
{
    const char *start = e->at;
    int64_t value;

    if (take(e, "print")) {
        e->at = end;
        return true;
    }
    if (!take(e, "assert"))
        e->error = "expected \"assert\"";
    value = parse_or(e);
    skip(e);
    if (e->error == NULL && e->at != end && *e->at != ',')
        e->error = "cannot understand what follows";
    if (e->error != NULL)
        snprintf(why, why_max, "%.*s: %s", (int)(end - start), start, e->error);
    else if (value == 0)
        snprintf(why, why_max, "%.*s does not hold%s", (int)(end - start), start, e->notes);
    e->at = end;
    return e->error == NULL && value != 0;
}

bool expr_run(const char *text, const union face_info *info, char *why, size_t why_max)
{
    char notes[512];
    struct expr e = { .at = text, .info = info, .notes = notes, .notes_max = sizeof(notes) };

    while (*e.at != '\0') {
        const char *end;

        if (isspace((unsigned char)*e.at) || *e.at == ';') {
            e.at++;
            continue;
        }
        if (*e.at == '#') {
            e.at += strcspn(e.at, "\n");
            continue;
        }
        end = statement_end(e.at);
        e.notes_len = 0;
        notes[0] = '\0';
        if (!run_statement(&e, end, why, why_max))
            return false;
    }
    return true;
}
