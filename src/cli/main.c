#include "cli/verbs.h"

#include "cli/exit.h"
#include "cli/manual.h"

#include <stdio.h>
#include <string.h>

#define VERBS_MAX 32

const struct rn_verb *rn_verb_find(const char *name)
{
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++) {
        if (strcmp((*v)->name, name) == 0)
            return *v;
    }
    return NULL;
}

static void print_front_page(FILE *to)
{
    fprintf(to, "runnel: userspace networking for Linux\n"
                "usage: runnel VERB [options]   (runnel VERB --help, man runnel)\n");
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++)
        fprintf(to, "  %-9s %s\n", (*v)->name, (*v)->summary);
    fprintf(to, "  runnel run -- curl http://example.com/       a program behind our stack\n"
                "  runnel run -p 8080:80 -- nginx               its port 80 is your port 8080\n"
                "  runnel demo                                  see it work in ten seconds\n");
}

static int unknown_verb(const char *word)
{
    const char *names[VERBS_MAX];
    const char *near;
    unsigned n = 0;

    for (const struct rn_verb *const *v = rn_verbs; *v != NULL && n < VERBS_MAX; v++)
        names[n++] = (*v)->name;
    near = rn_opts_nearest(word, names, n);
    fprintf(stderr, "runnel: unknown verb '%s'", word);
    if (near != NULL)
        fprintf(stderr, " (did you mean '%s'?)", near);
    fprintf(stderr, "\nhint: runnel --help lists the verbs; to run a program: runnel run -- %s\n",
            word);
    return RN_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const struct rn_verb *verb;

    if (argc < 2) {
        print_front_page(stdout);
        return RN_EXIT_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        verb = argc > 2 ? rn_verb_find(argv[2]) : NULL;
        if (argc > 2 && verb == NULL)
            return unknown_verb(argv[2]);
        if (verb != NULL)
            rn_opts_help(verb, stdout);
        else
            print_front_page(stdout);
        return RN_EXIT_OK;
    }
    if (strcmp(argv[1], "--manual") == 0 && argc > 2)
        return rn_manual_print(argv[2], stdout);
    verb = rn_verb_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    if (verb == NULL)
        return unknown_verb(argv[1]);
    return verb->run(argc - 1, argv + 1);
}
