#include "parse.h"

#include <string.h>

/* name(arguments) = result [ERRNO (text)] */

#define DEPTH_MAX 8

static bool parse_value(struct parser *p, struct value *ret, unsigned depth);

/* A|B|0x4, where each may be a number or a symbol. */
static bool parse_int(struct parser *p, struct value *ret)
{
    bool is_negative = parser_take_char(p, '-');

    ret->kind = VALUE_INT;
    do {
        int64_t number = 0;

        if (p->token.kind == TOKEN_NUMBER) {
            number = p->token.number;
        } else if (p->token.kind != TOKEN_WORD ||
                   !symbol_find(p->token.at, p->token.len, &number)) {
            return parser_fail(p, "unknown symbol \"%.*s\"", (int)p->token.len, p->token.at);
        }
        parser_advance(p);
        ret->num |= is_negative ? -number : number;
    } while (parser_take_char(p, '|'));
    return true;
}

/* Values up to @close, which is taken. */
static bool parse_members(struct parser *p, struct value **end, char close, unsigned depth)
{
    if (parser_take_char(p, close))
        return true;
    do {
        struct value *member = arena_new(&p->script->arena, sizeof(*member));

        if (!parse_value(p, member, depth + 1))
            return false;
        *end = member;
        end = &member->next;
    } while (parser_take_char(p, ','));
    return parser_expect_char(p, close);
}

/* msg_name(...)=..., msg_iov(2)=[...]: what stands in the parentheses is told by the value itself. */
static bool skip_annotation(struct parser *p)
{
    if (!parser_take_char(p, '('))
        return true;
    while (!parser_is_char(p, ')') && p->token.kind != TOKEN_END)
        parser_advance(p);
    return parser_expect_char(p, ')');
}

static bool is_member_name(struct parser *p)
{
    struct lexer ahead = p->lexer;
    struct token next;

    if (p->token.kind != TOKEN_WORD || !lex_next(&ahead, &next))
        return false;
    if (next.kind == TOKEN_CHAR && next.ch == '(' && strncmp(p->token.at, "msg_", 4) == 0)
        return true;
    return next.kind == TOKEN_CHAR && next.ch == '=';
}

static bool is_call(struct parser *p)
{
    struct lexer ahead = p->lexer;
    struct token next;

    return p->token.kind == TOKEN_WORD && lex_next(&ahead, &next) && next.kind == TOKEN_CHAR &&
           next.ch == '(';
}

static bool parse_named(struct parser *p, struct value *ret, unsigned depth)
{
    ret->name = parser_text(p, &p->token);
    parser_advance(p);
    if (!skip_annotation(p) || !parser_expect_char(p, '='))
        return false;
    return parse_value(p, ret, depth + 1);
}

static bool parse_inner_call(struct parser *p, struct value *ret, unsigned depth)
{
    ret->kind = VALUE_CALL;
    ret->text = parser_text(p, &p->token);
    parser_advance(p);
    parser_advance(p);
    return parse_members(p, &ret->first, ')', depth);
}

static bool parse_value(struct parser *p, struct value *ret, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return parser_fail(p, "values are nested too deeply");
    if (is_member_name(p))
        return parse_named(p, ret, depth);
    if (is_call(p))
        return parse_inner_call(p, ret, depth);
    if (p->token.kind == TOKEN_ELLIPSIS) {
        ret->kind = VALUE_ELLIPSIS;
        parser_advance(p);
        return true;
    }
    if (p->token.kind == TOKEN_STRING) {
        ret->kind = VALUE_STRING;
        ret->text = parser_text(p, &p->token);
        parser_advance(p);
        return true;
    }
    if (parser_take_char(p, '[')) {
        ret->kind = VALUE_LIST;
        return parse_members(p, &ret->first, ']', depth);
    }
    if (parser_take_char(p, '{')) {
        ret->kind = VALUE_STRUCT;
        return parse_members(p, &ret->first, '}', depth);
    }
    return parse_int(p, ret);
}

/* "EPIPE (Broken pipe)" or "(flags O_RDWR)". */
static bool parse_errno_and_note(struct parser *p, struct call *ret)
{
    if (p->token.kind == TOKEN_WORD) {
        int64_t number;

        if (!symbol_find(p->token.at, p->token.len, &number))
            return parser_fail(p, "unknown errno %.*s", (int)p->token.len, p->token.at);
        ret->err_no = (int)number;
        parser_advance(p);
    }
    return skip_annotation(p);
}

bool parse_call(struct parser *p, struct call *ret)
{
    ret->name = parser_text(p, &p->token);
    parser_advance(p);
    if (!parser_expect_char(p, '(') || !parse_members(p, &ret->args, ')', 0))
        return false;
    if (!parser_expect_char(p, '='))
        return false;
    ret->result = arena_new(&p->script->arena, sizeof(*ret->result));
    if (parser_take_char(p, '?'))
        ret->result->kind = VALUE_ELLIPSIS;
    else if (!parse_value(p, ret->result, 0))
        return false;
    return parse_errno_and_note(p, ret);
}
