#pragma once
/* Tokens of the script language. */
#include "script.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER,  /* 12, 0x1f */
    TOKEN_DECIMAL, /* .1, 2.5 */
    TOKEN_WORD,
    TOKEN_STRING,
    TOKEN_COMMAND, /* `text` */
    TOKEN_CODE,    /* %{ text }% */
    TOKEN_ELLIPSIS,
    TOKEN_OPTION, /* --name=value at the start of a line */
    TOKEN_CHAR,   /* any other single character, in .ch */
};

struct token {
    enum token_kind kind;
    char ch;
    int line;
    const char *at; /* in the text */
    size_t len;
    bool is_glued;  /* no space between it and the token before */
    int64_t number; /* NUMBER; DECIMAL: millionths */
};

struct lexer {
    const char *at;
    int line;
    bool is_line_start;
};

/* false: an unfinished string, comment or code block, at @ret->line. */
bool lex_next(struct lexer *lexer, struct token *ret);
