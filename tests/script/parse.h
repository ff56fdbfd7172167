#pragma once
/* What the three parts of the parser share: one token of look-ahead and the first error. */
#include "lex.h"

struct parser {
    struct script *script;
    struct lexer lexer;
    struct token token; /* the next one, not taken yet */
    const char *error;  /* the first; NULL: none so far */
};

/* Takes the next token: parser->token is the one behind it. */
void parser_advance(struct parser *p);
/* Remembers the first error, with its line; everything after it parses to nothing. Returns false. */
bool parser_fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool parser_is_char(const struct parser *p, char c);
bool parser_is_word(const struct parser *p, const char *word);
/* Takes the character or word if it is next. */
bool parser_take_char(struct parser *p, char c);
bool parser_take_word(struct parser *p, const char *word);
/* Fails if it is not next. */
bool parser_expect_char(struct parser *p, char c);
bool parser_number(struct parser *p, int64_t *ret);
bool parser_u32(struct parser *p, uint32_t *ret);
/* Copy of a token's text, with the escapes of a string left as they are. */
char *parser_text(struct parser *p, const struct token *token);

/* At the name of a call. */
bool parse_call(struct parser *p, struct call *ret);
/* At the direction. */
bool parse_packet(struct parser *p, struct packet *ret);
