#pragma once
/*
 * One table per verb says everything about its options: parsing, --help, man page and shell completions are made from it.
 * An option writes into the verb's plain options struct at an offset.
 */
#include <runnel/attr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum rn_opt_kind {
    RN_OPT_FLAG,   /* bool */
    RN_OPT_COUNT,  /* unsigned: how often it was given (-v -v) */
    RN_OPT_TEXT,   /* const char * */
    RN_OPT_LIST,   /* struct rn_opt_list: may be repeated */
    RN_OPT_NUMBER, /* unsigned, between .min and .max */
    RN_OPT_CHOICE, /* const char *, one of .choices */
};

#define RN_OPT_LIST_MAX 64

struct rn_opt_list {
    const char *items[RN_OPT_LIST_MAX];
    unsigned n;
};

struct rn_opt {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum rn_opt_kind kind;
    const char *arg;  /* what the value is called: "FILE"; NULL for flags */
    const char *help; /* one line, lower case, no full stop */
    size_t offset;    /* into the options struct */
    unsigned min, max;
    const char *const *choices; /* NULL-terminated */
};

struct rn_verb {
    const char *name;
    const char *summary;  /* one line: what it does for the user */
    const char *synopsis; /* "[options] -- CMD [ARGS]" */
    const struct rn_opt *opts;
    unsigned n_opts;
    const char *const *examples; /* NULL-terminated pairs: command, what it does */
    const char *notes;     /* for the man page: paragraphs separated by blank lines; NULL: none */
    bool stops_at_operand; /* the first operand ends the options (a command follows) */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit status */
};

/* The result of parsing. */
struct rn_opts_rest {
    char **operands;
    int n_operands;
    bool has_dashes; /* "--" was given */
};

enum { RN_OPTS_HELP = 1 }; /* --help was asked for */

/* Parses @argv (argv[0] is the verb) into @opts; unknown words get an error that names them and the nearest option, on
 * stderr. Returns 0, RN_OPTS_HELP, or PARSE. */
RN_MUST_USE int rn_opts_parse(const struct rn_verb *verb, int argc, char **argv, void *opts,
                              struct rn_opts_rest *ret);
/* At most 24 lines. */
void rn_opts_help(const struct rn_verb *verb, FILE *to);
/* The nearest of @n names within an edit distance of 2; NULL if none is near. */
const char *rn_opts_nearest(const char *word, const char *const *names, unsigned n);
