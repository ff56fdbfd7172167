#include "lex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool skip_comment(struct lexer *lx)
{
    const char *end;

    if (lx->at[0] == '#' && lx->is_line_start) {
        lx->at += strcspn(lx->at, "\n");
        return true;
    }
    if (lx->at[0] != '/')
        return false;
    if (lx->at[1] == '/') {
        lx->at += strcspn(lx->at, "\n");
        return true;
    }
    if (lx->at[1] != '*')
        return false;
    end = strstr(lx->at + 2, "*/");
    if (end == NULL)
        return false;
    for (; lx->at < end + 2; lx->at++)
        lx->line += *lx->at == '\n';
    return true;
}

/* Returns whether anything was skipped. */
static bool skip_blanks(struct lexer *lx)
{
    const char *start = lx->at;

    for (;;) {
        if (skip_comment(lx))
            continue;
        if (*lx->at == '\n') {
            lx->line++;
            lx->is_line_start = true;
        } else if (!isspace((unsigned char)*lx->at)) {
            return lx->at != start;
        }
        lx->at++;
    }
}

static void lex_number(struct lexer *lx, struct token *t)
{
    char *end;

    if (lx->at[0] == '0' && (lx->at[1] == 'x' || lx->at[1] == 'X')) {
        t->kind = TOKEN_NUMBER;
        t->number = (int64_t)strtoull(lx->at, &end, 16);
        lx->at = end;
        return;
    }
    t->kind = TOKEN_NUMBER;
    t->number = isdigit((unsigned char)*lx->at) ? (int64_t)strtoull(lx->at, &end, 10) : 0;
    while (isdigit((unsigned char)*lx->at))
        lx->at++;
    /* "1..." is a number and an ellipsis */
    if (lx->at[0] == '.' && isdigit((unsigned char)lx->at[1])) {
        int64_t scale = 100000;

        t->kind = TOKEN_DECIMAL;
        t->number *= 1000000;
        for (lx->at++; isdigit((unsigned char)*lx->at); lx->at++, scale /= 10)
            t->number += (*lx->at - '0') * scale;
    }
}

static bool lex_until(struct lexer *lx, struct token *t, const char *close)
{
    const char *end = strstr(lx->at, close);

    if (end == NULL)
        return false;
    t->at = lx->at;
    t->len = (size_t)(end - lx->at);
    for (; lx->at < end; lx->at++)
        lx->line += *lx->at == '\n';
    lx->at += strlen(close);
    return true;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool lex_quoted(struct lexer *lx, struct token *t)
{
    if (*lx->at == '"') {
        t->kind = TOKEN_STRING;
        lx->at++;
        return lex_until(lx, t, "\"");
    }
    if (*lx->at == '`') {
        t->kind = TOKEN_COMMAND;
        lx->at++;
        return lex_until(lx, t, "`");
    }
    t->kind = TOKEN_CODE;
    lx->at += 2;
    return lex_until(lx, t, "}%");
}

static bool is_option_start(const struct lexer *lx)
{
    return lx->is_line_start && lx->at[0] == '-' && lx->at[1] == '-' &&
           isalpha((unsigned char)lx->at[2]);
}

static void lex_plain(struct lexer *lx, struct token *t)
{
    char c = *lx->at;

    if (is_option_start(lx)) {
        t->kind = TOKEN_OPTION;
        lx->at += strcspn(lx->at, " \t\r\n");
    } else if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)lx->at[1]))) {
        lex_number(lx, t);
    } else if (strncmp(lx->at, "...", 3) == 0) {
        t->kind = TOKEN_ELLIPSIS;
        lx->at += 3;
    } else if (is_word_char(c)) {
        t->kind = TOKEN_WORD;
        while (is_word_char(*lx->at))
            lx->at++;
    } else {
        t->kind = TOKEN_CHAR;
        t->ch = c;
        lx->at++;
    }
    t->len = (size_t)(lx->at - t->at);
}

bool lex_next(struct lexer *lx, struct token *ret)
{
    struct token t = { .is_glued = !skip_blanks(lx) };
    bool is_whole = true;

    t.line = lx->line;
    t.at = lx->at;
    if (*lx->at == '"' || *lx->at == '`' || strncmp(lx->at, "%{", 2) == 0)
        is_whole = lex_quoted(lx, &t);
    else if (*lx->at != '\0')
        lex_plain(lx, &t);
    lx->is_line_start = false;
    *ret = t;
    return is_whole;
}
