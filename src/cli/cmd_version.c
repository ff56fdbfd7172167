#include "cli/exit.h"
#include "cli/verbs.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/utsname.h>

struct version_opts {
    bool json;
};

static const struct rn_opt options[] = {
    { "json", 0, RN_OPT_FLAG, NULL, "print one JSON object", offsetof(struct version_opts, json), 0,
      0, NULL },
};

static int run(int argc, char **argv)
{
    struct version_opts opts = { 0 };
    struct rn_opts_rest rest;
    struct utsname host = { 0 };
    int err = rn_opts_parse(&rn_verb_version, argc, argv, &opts, &rest);

    if (err == RN_OPTS_HELP) {
        rn_opts_help(&rn_verb_version, stdout);
        return RN_EXIT_OK;
    }
    if (err < 0)
        return RN_EXIT_USAGE;
    (void)uname(&host);
    if (opts.json)
        printf("{\"schema\":\"runnel.version/"
               "1\",\"version\":\"%s\",\"kernel\":\"%s\",\"machine\":\"%s\"}\n",
               RN_VERSION, host.release, host.machine);
    else
        printf("runnel %s (Linux %s %s)\n", RN_VERSION, host.release, host.machine);
    return RN_EXIT_OK;
}

static const char *const examples[] = { "runnel version", "version and kernel",
                                        "runnel version --json", "the same for programs", NULL };

const struct rn_verb rn_verb_version = {
    .name = "version",
    .summary = "print version and kernel",
    .synopsis = "[--json]",
    .opts = options,
    .n_opts = sizeof(options) / sizeof(options[0]),
    .examples = examples,
    .run = run,
};
