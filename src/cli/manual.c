#include "cli/manual.h"

#include "cli/exit.h"
#include "cli/verbs.h"

#include <string.h>

/* --- man(7) ------------------------------------------------------------------------------------------------- */
/* A dash of an option must not become a hyphen, a leading dot or quote must not become a macro. */
static void man_text(const char *s, FILE *to)
{
    bool at_line_start = true;

    for (; *s != '\0'; s++) {
        if (at_line_start && (*s == '.' || *s == '\''))
            fputs("\\&", to);
        at_line_start = *s == '\n';
        if (*s == '-')
            fputs("\\-", to);
        else if (*s == '\\')
            fputs("\\e", to);
        else
            fputc(*s, to);
    }
}

static void man_option(const struct rn_opt *opt, FILE *to)
{
    fputs(".TP\n", to);
    if (opt->letter != 0)
        fprintf(to, "\\fB\\-%c\\fR, ", opt->letter);
    fputs("\\fB\\-\\-", to);
    man_text(opt->name, to);
    fputs("\\fR", to);
    if (opt->arg != NULL) {
        fputs(" \\fI", to);
        man_text(opt->arg, to);
        fputs("\\fR", to);
    }
    fputc('\n', to);
    man_text(opt->help, to);
    fputc('\n', to);
}

static void man_verb(const struct rn_verb *verb, FILE *to)
{
    fprintf(to, ".SS runnel %s ", verb->name);
    man_text(verb->synopsis, to);
    fputc('\n', to);
    man_text(verb->summary, to);
    fputc('\n', to);
    for (unsigned i = 0; i < verb->n_opts; i++)
        man_option(&verb->opts[i], to);
    if (verb->notes != NULL) {
        fputs(".PP\n", to);
        man_text(verb->notes, to);
        fputc('\n', to);
    }
    for (const char *const *e = verb->examples; e != NULL && e[0] != NULL; e += 2) {
        fputs(".PP\nExample: \\fB", to);
        man_text(e[0], to);
        fputs("\\fR \\(em ", to);
        man_text(e[1], to);
        fputc('\n', to);
    }
}

static void print_man(FILE *to)
{
    fputs(".TH RUNNEL 1\n.SH NAME\nrunnel \\- userspace networking for Linux\n.SH SYNOPSIS\n.B "
          "runnel\n"
          ".I VERB\n[options]\n.SH VERBS\n",
          to);
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++)
        man_verb(*v, to);
    fputs(".SH EXIT STATUS\n0 success; 1 error; 2 usage; 3 a privilege is missing; 4 not supported "
          "by this "
          "kernel; 5 conflict.\n\\fBrun\\fR passes on the status of its command, 128 + signal if a "
          "signal ended it, "
          "125 if runnel itself failed, 126 if the command could not be executed, 127 if it was "
          "not found.\n",
          to);
}

/* --- completions -------------------------------------------------------------------------------------------- */
static void print_bash(FILE *to)
{
    fputs("_runnel() {\n    local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}\n    "
          "COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"",
          to);
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++)
        fprintf(to, "%s ", (*v)->name);
    fputs("\" -- \"$cur\"))\n        return\n    fi\n    case \"$verb\" in\n", to);
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++) {
        fprintf(to, "    %s) [[ $cur == -* ]] && COMPREPLY=($(compgen -W \"--help ", (*v)->name);
        for (unsigned i = 0; i < (*v)->n_opts; i++)
            fprintf(to, "--%s ", (*v)->opts[i].name);
        fputs("\" -- \"$cur\")) ;;\n", to);
    }
    fputs("    esac\n}\ncomplete -o default -F _runnel runnel\n", to);
}

static void print_zsh(FILE *to)
{
    fputs("#compdef runnel\nlocal -a verbs\nverbs=(\n", to);
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++)
        fprintf(to, "  '%s:%s'\n", (*v)->name, (*v)->summary);
    fputs(")\nif (( CURRENT == 2 )); then _describe verb verbs; return; fi\ncase $words[2] in\n",
          to);
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++) {
        fprintf(to, "%s) _arguments", (*v)->name);
        for (unsigned i = 0; i < (*v)->n_opts; i++)
            fprintf(to, " '--%s[%s]'", (*v)->opts[i].name, (*v)->opts[i].help);
        fputs(" '*::command:_normal' ;;\n", to);
    }
    fputs("esac\n", to);
}

static void print_fish(FILE *to)
{
    for (const struct rn_verb *const *v = rn_verbs; *v != NULL; v++) {
        fprintf(to, "complete -c runnel -n __fish_use_subcommand -a %s -d '%s'\n", (*v)->name,
                (*v)->summary);
        for (unsigned i = 0; i < (*v)->n_opts; i++)
            fprintf(to, "complete -c runnel -n '__fish_seen_subcommand_from %s' -l %s -d '%s'\n",
                    (*v)->name, (*v)->opts[i].name, (*v)->opts[i].help);
    }
}

int rn_manual_print(const char *kind, FILE *to)
{
    static const struct {
        const char *kind;
        void (*print)(FILE *to);
    } kinds[] = {
        { "man", print_man }, { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish }
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            kinds[i].print(to);
            return RN_EXIT_OK;
        }
    }
    fprintf(stderr, "runnel: --manual %s: want man, bash, zsh or fish\n", kind);
    return RN_EXIT_USAGE;
}
