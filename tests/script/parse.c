#include "parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options, times and the kinds of events. Calls: parse_call.c; packets: parse_packet.c. */

struct arena_block {
    struct arena_block *next;
    max_align_t bytes[];
};

void *arena_new(struct arena *arena, size_t bytes)
{
    struct arena_block *block = calloc(1, sizeof(*block) + bytes);

    if (block == NULL)
        abort();
    block->next = arena->blocks;
    arena->blocks = block;
    return block->bytes;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
}

/* --- tokens ---------------------------------------------------------------------------------------------------- */

void parser_advance(struct parser *p)
{
    if (p->error == NULL && !lex_next(&p->lexer, &p->token))
        parser_fail(p, "unfinished text, comment or code block");
}

bool parser_fail(struct parser *p, const char *format, ...)
{
    char *text;
    va_list args;
    int n;

    if (p->error != NULL)
        return false;
    text = arena_new(&p->script->arena, 512);
    n = snprintf(text, 512, "%s:%d: ", p->script->path, p->token.line);
    va_start(args, format);
    vsnprintf(text + n, 512 - (size_t)n, format, args);
    va_end(args);
    p->error = text;
    p->token.kind = TOKEN_END;
    return false;
}

bool parser_is_char(const struct parser *p, char c)
{
    return p->token.kind == TOKEN_CHAR && p->token.ch == c;
}

bool parser_is_word(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_WORD && p->token.len == strlen(word) &&
           memcmp(p->token.at, word, p->token.len) == 0;
}

bool parser_take_char(struct parser *p, char c)
{
    if (!parser_is_char(p, c))
        return false;
    parser_advance(p);
    return true;
}

bool parser_take_word(struct parser *p, const char *word)
{
    if (!parser_is_word(p, word))
        return false;
    parser_advance(p);
    return true;
}

bool parser_expect_char(struct parser *p, char c)
{
    if (parser_take_char(p, c))
        return true;
    return parser_fail(p, "expected '%c' at \"%.12s\"", c, p->token.at);
}

bool parser_number(struct parser *p, int64_t *ret)
{
    if (p->token.kind != TOKEN_NUMBER)
        return parser_fail(p, "expected a number at \"%.12s\"", p->token.at);
    *ret = p->token.number;
    parser_advance(p);
    return true;
}

bool parser_u32(struct parser *p, uint32_t *ret)
{
    int64_t number;

    if (!parser_number(p, &number))
        return false;
    if (number < 0 || number > UINT32_MAX)
        return parser_fail(p, "number is too large");
    *ret = (uint32_t)number;
    return true;
}

char *parser_text(struct parser *p, const struct token *token)
{
    char *text = arena_new(&p->script->arena, token->len + 1);

    memcpy(text, token->at, token->len);
    return text;
}

/* --- options --------------------------------------------------------------------------------------------------- */

static bool option_value(const char *option, const char *name, const char **ret)
{
    size_t len = strlen(name);

    if (strncmp(option, name, len) != 0 || (option[len] != '=' && option[len] != '\0'))
        return false;
    *ret = option[len] == '=' ? option + len + 1 : option + len;
    return true;
}

static bool parse_option(struct parser *p)
{
    struct script_opts *opts = &p->script->opts;
    const char *option = parser_text(p, &p->token) + 2;
    const char *value;

    if (option_value(option, "ip_version", &value)) {
        if (strcmp(value, "ipv4") != 0 && strcmp(value, "ipv6") != 0)
            return parser_fail(p, "--ip_version is ipv4 or ipv6, not %s", value);
        opts->is_v6 = strcmp(value, "ipv6") == 0;
    } else if (option_value(option, "mtu", &value)) {
        opts->mtu = (uint32_t)strtoul(value, NULL, 10);
    } else if (option_value(option, "tolerance_usecs", &value)) {
        opts->tolerance_us = strtol(value, NULL, 10);
    } else if (option_value(option, "tcp_ts_tick_usecs", &value)) {
        opts->ts_tick_us = strtol(value, NULL, 10);
    } else {
        return parser_fail(p, "unknown option --%s", option);
    }
    parser_advance(p);
    return true;
}

/* --- times ------------------------------------------------------------------------------------------------------ */

static bool parse_seconds(struct parser *p, int64_t *ret_us)
{
    if (p->token.kind == TOKEN_NUMBER)
        *ret_us = p->token.number * 1000000;
    else if (p->token.kind == TOKEN_DECIMAL)
        *ret_us = p->token.number;
    else
        return parser_fail(p, "expected a time at \"%.12s\"", p->token.at);
    parser_advance(p);
    return true;
}

static bool parse_time(struct parser *p, struct event *event)
{
    event->time_kind = TIME_ABSOLUTE;
    if (parser_take_char(p, '*')) {
        event->time_kind = TIME_ANY;
        return true;
    }
    if (parser_take_char(p, '+'))
        event->time_kind = TIME_RELATIVE;
    if (!parse_seconds(p, &event->at_us))
        return false;
    event->until_us = event->at_us;
    if (parser_take_char(p, '~')) {
        (void)parser_take_char(p, '+');
        return parse_seconds(p, &event->until_us);
    }
    return true;
}

/* --- events ----------------------------------------------------------------------------------------------------- */

static bool parse_call_event(struct parser *p, struct event *event, bool is_blocking,
                             int64_t end_us)
{
    event->kind = EVENT_CALL;
    event->call = arena_new(&p->script->arena, sizeof(*event->call));
    event->call->is_blocking = is_blocking;
    event->call->end_us = end_us;
    return parse_call(p, event->call);
}

static bool parse_text_event(struct parser *p, struct event *event, enum event_kind kind)
{
    event->kind = kind;
    event->text = parser_text(p, &p->token);
    parser_advance(p);
    return true;
}

static bool parse_what(struct parser *p, struct event *event)
{
    bool is_blocking = p->token.kind == TOKEN_ELLIPSIS;
    int64_t end_us = 0;

    if (is_blocking) {
        parser_advance(p);
        (void)parser_take_char(p, '+');
        if (!parse_seconds(p, &end_us))
            return false;
    }
    if (p->token.kind == TOKEN_WORD)
        return parse_call_event(p, event, is_blocking, end_us);
    if (p->token.kind == TOKEN_CODE)
        return parse_text_event(p, event, EVENT_CODE);
    if (p->token.kind == TOKEN_COMMAND)
        return parse_text_event(p, event, EVENT_COMMAND);
    if (!parser_is_char(p, '<') && !parser_is_char(p, '>'))
        return parser_fail(p, "expected a packet, call or assertion at \"%.12s\"", p->token.at);
    event->kind = EVENT_PACKET;
    event->packet = arena_new(&p->script->arena, sizeof(*event->packet));
    event->packet->is_v6 = p->script->opts.is_v6;
    return parse_packet(p, event->packet);
}

static bool parse_event(struct parser *p, struct event *event)
{
    event->line = p->token.line;
    /* A line without time happens with the one before it. */
    if (p->token.kind == TOKEN_COMMAND || p->token.kind == TOKEN_CODE) {
        event->time_kind = TIME_RELATIVE;
        return parse_what(p, event);
    }
    return parse_time(p, event) && parse_what(p, event);
}

bool script_parse(struct script *ret, const char *path, const char *text, const char **ret_error)
{
    struct parser p = { .script = ret, .lexer = { .at = text, .line = 1, .is_line_start = true } };
    struct event **end = &ret->first;
    uint32_t mtu = ret->opts.mtu != 0 ? ret->opts.mtu : 1500;

    *ret =
        (struct script){ .path = path,
                         .opts = { .is_v6 = ret->opts.is_v6, .mtu = mtu, .tolerance_us = 4000 } };
    parser_advance(&p);
    while (p.error == NULL && p.token.kind == TOKEN_OPTION)
        (void)parse_option(&p);
    while (p.error == NULL && p.token.kind != TOKEN_END) {
        struct event *event = arena_new(&ret->arena, sizeof(*event));

        if (!parse_event(&p, event))
            break;
        *end = event;
        end = &event->next;
        ret->n_events++;
    }
    if (p.error != NULL)
        *ret_error = p.error;
    return p.error == NULL;
}

void script_free(struct script *script)
{
    arena_free(&script->arena);
}
