#include "cli/opts.h"

#include <runnel/err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_MAX       2u
#define NAME_MAX_CHARS 48u

/* --- nearest name ------------------------------------------------------------------------------------------- */
/* Levenshtein distance; names longer than the row are never near. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_CHARS + 1];
    size_t len = strlen(b);

    if (len > NAME_MAX_CHARS)
        return NAME_MAX_CHARS;
    for (unsigned j = 0; j <= len; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            unsigned same = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            if (same < row[j])
                row[j] = same;
        }
    }
    return row[len];
}

const char *rn_opts_nearest(const char *word, const char *const *names, unsigned n)
{
    const char *best = NULL;
    unsigned best_distance = NEAR_MAX + 1;

    for (unsigned i = 0; i < n; i++) {
        unsigned d = distance(word, names[i]);

        if (d < best_distance) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

/* --- parsing ------------------------------------------------------------------------------------------------ */
struct parse {
    const struct rn_verb *verb;
    char **argv;
    int argc;
    int at; /* the argument being looked at */
    char *opts;
};

RN_PRINTF(2, 3)
static int complain(const struct parse *p, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "runnel %s: ", p->verb->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nhint: runnel %s --help\n", p->verb->name);
    return RN_E_PARSE;
}

static const struct rn_opt *find_name(const struct rn_verb *verb, const char *name, size_t len)
{
    for (unsigned i = 0; i < verb->n_opts; i++) {
        if (strlen(verb->opts[i].name) == len && memcmp(verb->opts[i].name, name, len) == 0)
            return &verb->opts[i];
    }
    return NULL;
}

static const struct rn_opt *find_letter(const struct rn_verb *verb, char letter)
{
    for (unsigned i = 0; i < verb->n_opts; i++) {
        if (verb->opts[i].letter == letter)
            return &verb->opts[i];
    }
    return NULL;
}

static int unknown(const struct parse *p, const char *name, size_t len)
{
    const char *names[64];
    char word[NAME_MAX_CHARS];
    unsigned n = 0;
    const char *near = NULL;

    for (unsigned i = 0; i < p->verb->n_opts && i < 64; i++)
        names[n++] = p->verb->opts[i].name;
    if (len < sizeof(word)) {
        memcpy(word, name, len);
        word[len] = '\0';
        near = rn_opts_nearest(word, names, n);
    }
    if (near != NULL)
        return complain(p, "unknown option --%.*s (did you mean --%s?)", (int)len, name, near);
    return complain(p, "unknown option --%.*s", (int)len, name);
}

static bool takes_value(const struct rn_opt *opt)
{
    return opt->kind != RN_OPT_FLAG && opt->kind != RN_OPT_COUNT;
}

static int set_number(const struct parse *p, const struct rn_opt *opt, const char *value)
{
    char *end = NULL;
    unsigned long v = strtoul(value, &end, 10);

    if (value[0] < '0' || value[0] > '9' || *end != '\0' || v < opt->min || v > opt->max)
        return complain(p, "--%s %s: want a number from %u to %u", opt->name, value, opt->min,
                        opt->max);
    *(unsigned *)(void *)(p->opts + opt->offset) = (unsigned)v;
    return RN_OK;
}

static int set_choice(const struct parse *p, const struct rn_opt *opt, const char *value)
{
    for (const char *const *c = opt->choices; *c != NULL; c++) {
        if (strcmp(*c, value) == 0) {
            *(const char **)(void *)(p->opts + opt->offset) = value;
            return RN_OK;
        }
    }
    return complain(p, "--%s %s: want %s", opt->name, value, opt->arg);
}

static int add_item(const struct parse *p, const struct rn_opt *opt, const char *value)
{
    struct rn_opt_list *list = (struct rn_opt_list *)(void *)(p->opts + opt->offset);

    if (list->n == RN_OPT_LIST_MAX)
        return complain(p, "--%s: given more than %d times", opt->name, RN_OPT_LIST_MAX);
    list->items[list->n++] = value;
    return RN_OK;
}

static int set(const struct parse *p, const struct rn_opt *opt, const char *value)
{
    switch (opt->kind) {
    case RN_OPT_FLAG:
        *(bool *)(p->opts + opt->offset) = true;
        return RN_OK;
    case RN_OPT_COUNT:
        ++*(unsigned *)(void *)(p->opts + opt->offset);
        return RN_OK;
    case RN_OPT_TEXT:
        *(const char **)(void *)(p->opts + opt->offset) = value;
        return RN_OK;
    case RN_OPT_LIST:
        return add_item(p, opt, value);
    case RN_OPT_NUMBER:
        return set_number(p, opt, value);
    case RN_OPT_CHOICE:
        return set_choice(p, opt, value);
    }
    return RN_E_PARSE;
}

static int parse_long(struct parse *p, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct rn_opt *opt = find_name(p->verb, word, len);

    if (opt == NULL)
        return len == 4 && memcmp(word, "help", 4) == 0 ? RN_OPTS_HELP : unknown(p, word, len);
    if (!takes_value(opt)) {
        if (equals != NULL)
            return complain(p, "--%s takes no value", opt->name);
        return set(p, opt, NULL);
    }
    if (equals != NULL)
        return set(p, opt, equals + 1);
    if (p->at + 1 >= p->argc)
        return complain(p, "--%s: missing %s", opt->name, opt->arg);
    return set(p, opt, p->argv[++p->at]);
}

/* "-v", "-vv", "-p8080:80", "-p 8080:80" */
static int parse_letters(struct parse *p, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        const struct rn_opt *opt = find_letter(p->verb, *letters);
        int err;

        if (opt == NULL)
            return *letters == 'h' ? RN_OPTS_HELP : complain(p, "unknown option -%c", *letters);
        if (takes_value(opt)) {
            if (letters[1] != '\0')
                return set(p, opt, letters + 1);
            if (p->at + 1 >= p->argc)
                return complain(p, "-%c: missing %s", *letters, opt->arg);
            return set(p, opt, p->argv[++p->at]);
        }
        err = set(p, opt, NULL);
        if (err < 0)
            return err;
    }
    return RN_OK;
}

int rn_opts_parse(const struct rn_verb *verb, int argc, char **argv, void *opts,
                  struct rn_opts_rest *ret)
{
    struct parse p = { .verb = verb, .argv = argv, .argc = argc, .at = 1, .opts = opts };
    int n_kept = 0;

    *ret = (struct rn_opts_rest){ .operands = argv + 1 };
    for (; p.at < argc; p.at++) {
        char *word = argv[p.at];
        int err;

        if (strcmp(word, "--") == 0) {
            ret->has_dashes = true;
            p.at++;
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            if (verb->stops_at_operand)
                break;
            ret->operands[n_kept++] = word; /* operands move down over the options already read */
            continue;
        }
        err = word[1] == '-' ? parse_long(&p, word + 2) : parse_letters(&p, word + 1);
        if (err != RN_OK)
            return err;
    }
    for (; p.at < argc; p.at++)
        ret->operands[n_kept++] = argv[p.at];
    ret->n_operands = n_kept;
    ret->operands[n_kept] = NULL; /* argv[argc] is NULL: execvp can take what is left */
    return RN_OK;
}

/* --- help --------------------------------------------------------------------------------------------------- */
static void print_option(const struct rn_opt *opt, FILE *to)
{
    char left[64];
    int n = snprintf(left, sizeof(left), opt->letter != 0 ? "-%c, " : "    ", opt->letter);

    n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", opt->name);
    if (opt->arg != NULL)
        snprintf(left + n, sizeof(left) - (size_t)n, " %s", opt->arg);
    fprintf(to, "  %-28s %s\n", left, opt->help);
}

void rn_opts_help(const struct rn_verb *verb, FILE *to)
{
    size_t width = 0;

    fprintf(to, "usage: runnel %s %s\n%s\n", verb->name, verb->synopsis, verb->summary);
    for (unsigned i = 0; i < verb->n_opts; i++)
        print_option(&verb->opts[i], to);
    if (verb->examples == NULL)
        return;
    fprintf(to, "examples:\n");
    for (const char *const *e = verb->examples; e[0] != NULL; e += 2)
        width = strlen(e[0]) > width ? strlen(e[0]) : width;
    for (const char *const *e = verb->examples; e[0] != NULL; e += 2)
        fprintf(to, "  %-*s  %s\n", (int)width, e[0], e[1]);
}
