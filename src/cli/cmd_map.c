/* `runnel map`: the topology of every network on the machine. Walk (d) of the design starts here. */
#include "cli/exit.h"
#include "cli/verbs.h"

#include "discovery/ask_path.h"
#include "discovery/draw.h"
#include "discovery/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <netdb.h>
#include <runnel/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80u
#define WIDTH_MIN     40u

struct map_opts {
    const char *format;
    const char *netns;
    const char *container;
    const char *kind;
    unsigned port;
    const char *save;
    const char *from;
    const char *color;
    bool json;
    bool gostwire;
    bool full;
    bool strict;
    unsigned verbose;
};

static int complain(const char *what, const char *name, int err)
{
    int host = rn_err_to_errno(err);

    fprintf(stderr, "runnel map: cannot %s%s%s: %s\n", what, name[0] != '\0' ? " " : "", name,
            host != 0 ? strerror(host) : rn_err_text(err));
    return rn_exit_of_err(err);
}

/* ---- how to draw ---- */

static unsigned terminal_width(void)
{
    struct winsize size = { 0 };
    const char *columns = getenv("COLUMNS");
    unsigned width = WIDTH_DEFAULT;

    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0)
        width = size.ws_col;
    else if (columns != NULL && strtoul(columns, NULL, 10) > 0)
        width = (unsigned)strtoul(columns, NULL, 10);
    return width >= WIDTH_MIN ? width : WIDTH_MIN;
}

/* no-color.org: any value but an empty one; --color=always is a user's explicit word. */
static bool wants_color(const char *color)
{
    const char *no_color = getenv("NO_COLOR");

    if (color != NULL && strcmp(color, "always") == 0)
        return true;
    if ((color != NULL && strcmp(color, "never") == 0) || (no_color != NULL && no_color[0] != '\0'))
        return false;
    return isatty(STDOUT_FILENO) != 0;
}

static enum rn_charset charset(void)
{
    const char *codeset = setlocale(LC_CTYPE, "") != NULL ? nl_langinfo(CODESET) : "";

    return strcmp(codeset, "UTF-8") == 0 ? RN_CHARSET_UTF8 : RN_CHARSET_ASCII;
}

static const char *service_name(uint16_t port, const char *proto)
{
    const struct servent *service = getservbyport(htons(port), proto);

    return service != NULL ? service->s_name : NULL;
}

static struct rn_draw how_to_draw(const struct map_opts *opts, const struct rn_map *map)
{
    return (struct rn_draw){
        .map = map,
        .select = { .netns = opts->netns,
                    .container = opts->container,
                    .kind = opts->kind,
                    .port = (uint16_t)opts->port },
        .width = terminal_width(),
        .charset = charset(),
        .has_color = wants_color(opts->color),
        .is_verbose = opts->verbose != 0,
        .is_pretty = isatty(STDOUT_FILENO) != 0,
        .service_name = service_name,
        .version = RN_VERSION,
    };
}

struct format {
    const char *name;
    void (*draw)(const struct rn_draw *draw, struct rn_out *out);
};

static const struct format formats[] = {
    { "tree", rn_draw_tree }, { "json", rn_draw_json }, { "gostwire", rn_draw_gostwire },
    { "dot", rn_draw_dot },   { "svg", rn_draw_svg },
};
static const char *const format_names[] = { "tree", "json", "gostwire", "dot", "svg", NULL };

static void draw_all(const struct map_opts *opts, const struct rn_draw *draw, struct rn_out *out)
{
    const char *name = opts->json ? "json" : opts->gostwire ? "gostwire" : opts->format;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (name == NULL || strcmp(formats[i].name, name) == 0) {
            formats[i].draw(draw, out);
            return;
        }
    }
}

/* ---- where the picture comes from ---- */

static int open_files(const struct map_opts *opts, struct rn_scan_options *ret)
{
    *ret = (struct rn_scan_options){
        .from_fd = -1, .save_fd = -1, .drops_privilege = true, .is_save_redacted = !opts->full
    };
    if (opts->from != NULL) {
        ret->from_fd = strcmp(opts->from, "-") == 0 ? dup(STDIN_FILENO)
                                                    : open(opts->from, O_RDONLY | O_CLOEXEC);
        if (ret->from_fd < 0)
            return rn_err_from_errno(errno);
    }
    if (opts->save != NULL) {
        ret->save_fd = open(opts->save, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (ret->save_fd < 0)
            return rn_err_from_errno(errno);
    }
    return RN_OK;
}

static void close_files(const struct rn_scan_options *scan)
{
    if (scan->from_fd >= 0)
        (void)close(scan->from_fd);
    if (scan->save_fd >= 0)
        (void)close(scan->save_fd);
}

/* ---- what is asked ---- */

static int show(const struct rn_draw *draw, const char *name, struct rn_out *out)
{
    if (rn_draw_link(draw, name, out) == RN_OK)
        return RN_EXIT_OK;
    fprintf(stderr,
            "runnel map: there is no interface %s\n"
            "hint: runnel map shows all; name one of another network as eth0@web\n",
            name);
    return RN_EXIT_ERROR;
}

/* "path TO" from here, or "path FROM TO". */
static int path(const struct map_opts *opts, const struct rn_draw *draw,
                const struct rn_opts_rest *rest, struct rn_out *out)
{
    const char *const from_to[] = { rest->n_operands == 3 ? rest->operands[1] : NULL,
                                    rest->operands[rest->n_operands - 1] };
    struct rn_path_query query;
    struct rn_path way;
    const char *what;
    int status;
    int err = rn_path_parse(draw->map, from_to, &query, &what);

    if (err < 0) {
        fprintf(stderr,
                "runnel map: %s \"%s\"\n"
                "hint: FROM is a container, pid, network or eth0@network; TO is 10.0.0.1, "
                "[::1]:53/udp, web:80\n",
                err == RN_E_PARSE ? "cannot understand" : "there is no", what);
        return RN_EXIT_USAGE;
    }
    err = rn_path_find(&way, draw->map, &query);
    if (err < 0) {
        rn_path_free(&way);
        return complain("find the way", "", err);
    }
    if (opts->json || (opts->format != NULL && strcmp(opts->format, "json") == 0))
        rn_draw_path_json(draw, &way, out);
    else
        rn_draw_path(draw, &way, out);
    status = way.is_reached ? RN_EXIT_OK : RN_EXIT_ERROR;
    rn_path_free(&way);
    return status;
}

static bool is_path(const struct rn_opts_rest *rest)
{
    return rest->n_operands >= 2 && rest->n_operands <= 3 && strcmp(rest->operands[0], "path") == 0;
}

static bool is_asked_namespace_there(const struct map_opts *opts, const struct rn_map *map)
{
    const struct rn_select select = { .netns = opts->netns };

    for (size_t i = 0; i < map->n_netns; i++) {
        if (rn_select_netns(&select, map, map->netns[i]))
            return true;
    }
    fprintf(stderr,
            "runnel map: there is no network namespace \"%s\"\n"
            "hint: a name, container, pid, inode or path; runnel map shows them all\n",
            opts->netns);
    return false;
}

static int answer(const struct map_opts *opts, const struct rn_opts_rest *rest,
                  const struct rn_map *map)
{
    struct rn_draw draw = how_to_draw(opts, map);
    struct rn_out out = { .file = stdout };
    int status = RN_EXIT_OK;
    int err;

    if (opts->netns != NULL && !is_asked_namespace_there(opts, map))
        return RN_EXIT_ERROR;
    if (is_path(rest))
        status = path(opts, &draw, rest, &out);
    else if (rest->n_operands == 2)
        status = show(&draw, rest->operands[1], &out);
    else
        draw_all(opts, &draw, &out);
    err = rn_out_flush(&out);
    rn_out_free(&out);
    if (err < 0)
        return complain("write the drawing", "", err);
    return status == RN_EXIT_OK && opts->strict && map->n_unreadable != 0 ? RN_EXIT_PRIVILEGE
                                                                          : status;
}

static bool is_question(const struct rn_opts_rest *rest)
{
    if (rest->n_operands == 0)
        return true;
    return is_path(rest) || (rest->n_operands == 2 && strcmp(rest->operands[0], "show") == 0);
}

/* Filter rules may be many: only a way asks for them, or may be asked of what is saved whole. */
static bool wants_filters(const struct map_opts *opts, const struct rn_opts_rest *rest)
{
    return is_path(rest) || (opts->save != NULL && opts->full);
}

static int scan_and_answer(const struct map_opts *opts, const struct rn_opts_rest *rest)
{
    struct rn_scan_options scan;
    struct rn_map *map = NULL;
    int status;
    int err = open_files(opts, &scan);

    if (err < 0) {
        close_files(&scan);
        return complain("open", scan.from_fd < 0 && opts->from != NULL ? opts->from : opts->save,
                        err);
    }
    scan.wants_filters = wants_filters(opts, rest);
    err = rn_scan(&scan, &map);
    close_files(&scan);
    if (err < 0)
        return complain(opts->from != NULL ? "read" : "look at this machine",
                        opts->from != NULL ? opts->from : "", err);
    status = answer(opts, rest, map);
    rn_model_free(map);
    return status;
}

static int run(int argc, char **argv)
{
    struct map_opts opts = { 0 };
    struct rn_opts_rest rest;
    int err = rn_opts_parse(&rn_verb_map, argc, argv, &opts, &rest);

    if (err == RN_OPTS_HELP) {
        rn_opts_help(&rn_verb_map, stdout);
        return RN_EXIT_OK;
    }
    if (err < 0)
        return RN_EXIT_USAGE;
    if (!is_question(&rest)) {
        fprintf(stderr,
                "runnel map: what should be done with \"%s\"?\n"
                "hint: runnel map, runnel map show NIF, or runnel map path [FROM] TO[:PORT]\n",
                rest.operands[0]);
        return RN_EXIT_USAGE;
    }
    return scan_and_answer(&opts, &rest);
}

static const char *const colors[] = { "auto", "always", "never", NULL };

#define AT(field) offsetof(struct map_opts, field)
static const struct rn_opt options[] = {
    { "output", 'o', RN_OPT_CHOICE, "FORMAT", "tree, json, gostwire, dot or svg", AT(format), 0, 0,
      format_names },
    { "json", 0, RN_OPT_FLAG, NULL, "the same as -o json (schema runnel.map/1)", AT(json), 0, 0,
      NULL },
    { "gostwire", 0, RN_OPT_FLAG, NULL, "the same as -o gostwire, for Edgeshark's page",
      AT(gostwire), 0, 0, NULL },
    { "netns", 'n', RN_OPT_TEXT, "WHICH", "only this network: name, container, pid, inode",
      AT(netns), 0, 0, NULL },
    { "container", 'c', RN_OPT_TEXT, "NAME", "only networks of a container, project or pod",
      AT(container), 0, 0, NULL },
    { "kind", 'k', RN_OPT_TEXT, "KIND", "only interfaces of a kind: veth, bridge, ...", AT(kind), 0,
      0, NULL },
    { "port", 'p', RN_OPT_NUMBER, "PORT", "only who uses or forwards a port", AT(port), 1, 65535,
      NULL },
    { "verbose", 'v', RN_OPT_COUNT, NULL, "also all routes, inner and link-local", AT(verbose), 0,
      0, NULL },
    { "save", 0, RN_OPT_TEXT, "FILE", "keep what was seen; names and addresses replaced", AT(save),
      0, 0, NULL },
    { "full", 0, RN_OPT_FLAG, NULL, "with --save: names, addresses, commands as is", AT(full), 0, 0,
      NULL },
    { "from", 0, RN_OPT_TEXT, "FILE", "draw what was saved (- is stdin)", AT(from), 0, 0, NULL },
    { "strict", 0, RN_OPT_FLAG, NULL, "exit 3 if anything could not be read", AT(strict), 0, 0,
      NULL },
    { "color", 0, RN_OPT_CHOICE, "WHEN", "colours: auto, always, never", AT(color), 0, 0, colors },
};

static const char *const examples[] = { "runnel map",
                                        "every network of this machine as a tree",
                                        "runnel map -o svg > map.svg",
                                        "the same as a picture worth printing",
                                        "runnel map --port 8080",
                                        "who listens on, or forwards, port 8080",
                                        "runnel map show eth0@web",
                                        "all about one interface of a container",
                                        "runnel map path web db:5432",
                                        "which way a packet takes, and why, hop by hop",
                                        NULL };

const struct rn_verb rn_verb_map = {
    .name = "map",
    .summary = "show every network on this machine, and how they hang together",
    .synopsis = "[options] [show NIF[@WHICH] | path [FROM] TO[:PORT[/udp]]]",
    .opts = options,
    .n_opts = sizeof(options) / sizeof(options[0]),
    .examples = examples,
    .notes = "What could not be read is shown as such, with what would be needed to read it; it is "
             "never left out "
             "silently. Without privilege the networks of your own processes are shown.\n\n"
             "A way to a port also asks the filter rules on it, of nf_tables (also of bridges and "
             "devices) and of both kinds of iptables, for the packet that opens a connection; the "
             "way back it does not look at.\n\n"
             "With --save --full the file holds command lines and the configurations of "
             "containers, environments and all: it is for your eyes.\n\n"
             "Exit status: 0 if the picture was made, even if parts of it could not be read (with "
             "--strict: 3).",
    .run = run,
};
