/*
 * usage: run-scripts [--pcap FILE] [--ipv6] SCRIPT|DIRECTORY...
 *
 * Plays packet scripts, each against a fresh stack, and reports in TAP: one line a script. A directory means every .pkt in
 * it. --ipv6 plays over IPv6 what does not say which family it is about, with an MTU of 1520: the same MSS as over IPv4.
 */
#include "run.h"

#include <dirent.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct tally {
    unsigned n_run;
    unsigned n_failed;
    FILE *pcap;
    const char *root; /* left off the names of scripts */
    bool is_v6;
};

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    FILE *to;
    int c;

    if (file == NULL)
        return NULL;
    to = open_memstream(&text, &size);
    while ((c = fgetc(file)) != EOF)
        fputc(c, to);
    fclose(to);
    fclose(file);
    return text;
}

/* Says it anything that only one family has? */
static bool is_of_one_family(const char *text)
{
    static const char *const words[] = { "--ip_version", "--mtu",  "icmp ", "AF_INET",
                                         "IPPROTO_IP,",  "SOL_IP", "192.",  "0.0.0.0" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(text, words[i]) != NULL)
            return true;
    }
    return false;
}

static bool is_skipped(const struct tally *tally, const char *path)
{
    char *text = tally->is_v6 ? read_file(path) : NULL;
    bool is_skipped = text != NULL && is_of_one_family(text);

    free(text);
    return is_skipped;
}

static void print_diagnosis(const char *text)
{
    fputs("# ", stdout);
    for (const char *c = text; *c != '\0'; c++) {
        fputc(*c, stdout);
        if (*c == '\n' && c[1] != '\0')
            fputs("# ", stdout);
    }
}

static bool play_file(const struct tally *tally, const char *path, FILE *report)
{
    struct script script = { .opts = { .is_v6 = tally->is_v6, .mtu = tally->is_v6 ? 1520 : 0 } };
    const char *error = NULL;
    char *text = read_file(path);
    bool is_fine = false;

    if (text == NULL)
        fprintf(report, "%s: cannot be read\n", path);
    else if (!script_parse(&script, path, text, &error))
        fprintf(report, "%s\n", error);
    else
        is_fine = run_script(&script, report, tally->pcap);
    script_free(&script);
    free(text);
    return is_fine;
}

static void run_file(struct tally *tally, const char *path)
{
    size_t root_len = tally->root != NULL ? strlen(tally->root) : 0;
    const char *name = path;
    char *why = NULL;
    size_t size = 0;
    FILE *report = open_memstream(&why, &size);
    bool is_to_skip = is_skipped(tally, path);
    bool is_fine = is_to_skip || play_file(tally, path, report);

    fclose(report);
    if (root_len > 0 && strncmp(path, tally->root, root_len) == 0)
        name = path + root_len + 1;
    tally->n_run++;
    tally->n_failed += !is_fine;
    printf("%s %u - %s%s\n", is_fine ? "ok" : "not ok", tally->n_run, name,
           is_to_skip ? " # SKIP of one family" : "");
    if (!is_fine)
        print_diagnosis(why);
    free(why);
}

static int is_script(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 4 && strcmp(entry->d_name + len - 4, ".pkt") == 0;
}

static bool run_directory(struct tally *tally, const char *path)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, is_script, alphasort);

    tally->root = path;
    for (int i = 0; i < n; i++) {
        char *file = NULL;

        if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
            abort();
        run_file(tally, file);
        free(file);
        free(entries[i]);
    }
    free(entries);
    tally->root = NULL;
    return n > 0;
}

/* The header of a capture of raw IP packets (LINKTYPE_RAW), in the machine's byte order. */
static FILE *open_pcap(const char *path)
{
    struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, sigfigs, snaplen, link;
    } header = { 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101 };
    FILE *file = fopen(path, "w");

    if (file != NULL)
        fwrite(&header, sizeof(header), 1, file);
    return file;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "pcap", required_argument, NULL, 'p' },
                                             { "ipv6", no_argument, NULL, '6' },
                                             { 0 } };
    struct tally tally = { 0 };
    bool is_missing = false;
    int c;

    while ((c = getopt_long(argc, argv, "p:6", options, NULL)) != -1) {
        if (c == '6')
            tally.is_v6 = true;
        else if (c != 'p' || (tally.pcap = open_pcap(optarg)) == NULL)
            return 2;
    }
    for (int i = optind; i < argc; i++) {
        struct stat st;

        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            is_missing |= !run_directory(&tally, argv[i]);
        else
            run_file(&tally, argv[i]);
    }
    printf("1..%u\n", tally.n_run);
    if (tally.pcap != NULL)
        fclose(tally.pcap);
    return tally.n_failed > 0 || is_missing || tally.n_run == 0;
}
