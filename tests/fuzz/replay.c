/*
 * Runs a fuzz target without a fuzzer: over every file of its corpus, over mutations of each, and over noise. Always
 * the same inputs, so that a failure in a test run is a failure on every machine.
 *
 *     fuzz_NAME CORPUS_DIR           what the tests run
 *     fuzz_NAME FILE...              exactly these inputs
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_INPUT_BYTES (256U * 1024)
#define MUTATIONS_TOTAL                                                                            \
    20000U /* shared by the files of a corpus, so that a large one takes no longer */
#define MUTATIONS_LEAST 20U
#define NOISE_INPUTS    2000U
#define NOISE_MAX_BYTES 256U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *data;
    size_t size;
};

/* Where we are, for the signal handler: a crash must name the input that made it. */
static char current_file[512];
static volatile unsigned current_mutation;
static uint64_t random_state;

/* xorshift64*: good enough to choose bytes with, and the same everywhere */
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static size_t random_below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(random_next() % limit);
}

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

/* Only what a signal handler may call: write() and its own arithmetic. */
static void on_crash(int signal_number)
{
    char digits[12];
    char *digit = digits + sizeof digits;
    unsigned left = current_mutation;

    *--digit = '\0';
    do {
        *--digit = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    say("\nreplay: crash at ");
    say(current_file);
    say(", mutation ");
    say(digit);
    say(" (0: the file itself)\n");
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* On a block of its own of exactly this size, where ASan sees the first byte read too far. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void set_bytes(uint8_t *data, size_t size)
{
    static const uint8_t telling[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    size_t at = random_below(size);

    switch (random_below(4)) {
    case 0:
        data[at] ^= (uint8_t)(1U << random_below(8));
        break;
    case 1:
        data[at] = telling[random_below(sizeof telling)];
        break;
    case 2:
        data[at] = (uint8_t)random_next();
        break;
    default: /* a length field gone wild */
        data[at] = 0xff;
        data[random_below(size)] = (uint8_t)random_next();
        break;
    }
}

/* A piece of the input over another place of it: options repeated, headers in a wrong order. */
static void move_piece(uint8_t *data, size_t size)
{
    size_t from = random_below(size);
    size_t to = random_below(size);
    size_t room = size - (from > to ? from : to);

    memmove(data + to, data + from, 1 + random_below(room));
}

static void run_mutation(const struct input *seed, uint8_t *scratch)
{
    size_t size = seed->size;
    size_t changes = 1 + random_below(8);

    if (size == 0)
        return;
    memcpy(scratch, seed->data, size);
    while (changes-- > 0) {
        if (random_below(8) == 0)
            move_piece(scratch, size);
        else
            set_bytes(scratch, size);
    }
    if (random_below(4) == 0)
        size = random_below(size + 1);
    run_one(scratch, size);
}

static struct input read_file(const char *path)
{
    struct input file = { malloc(MAX_INPUT_BYTES), 0 };
    FILE *stream = fopen(path, "rb");

    if (!stream || !file.data) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    file.size = fread(file.data, 1, MAX_INPUT_BYTES, stream);
    fclose(stream);
    return file;
}

static void run_file(const char *path, unsigned mutations)
{
    struct input seed = read_file(path);
    uint8_t *scratch = malloc(seed.size + 1);

    if (!scratch)
        abort();
    snprintf(current_file, sizeof current_file, "%s", path);
    current_mutation = 0;
    random_state = UINT64_C(0x9e3779b97f4a7c15);
    run_one(seed.data, seed.size);
    while (current_mutation < mutations) {
        current_mutation++;
        run_mutation(&seed, scratch);
    }
    free(scratch);
    free(seed.data);
}

static void run_noise(void)
{
    uint8_t noise[NOISE_MAX_BYTES];

    snprintf(current_file, sizeof current_file, "noise");
    random_state = 1;
    run_one(NULL, 0);
    for (current_mutation = 1; current_mutation <= NOISE_INPUTS; current_mutation++) {
        size_t size = random_below(sizeof noise);

        for (size_t i = 0; i < size; i++)
            noise[i] = (uint8_t)random_next();
        run_one(noise, size);
    }
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void run_corpus(const char *folder)
{
    struct dirent **entries = NULL;
    int n_entries = scandir(folder, &entries, is_visible, alphasort);
    unsigned mutations = n_entries > 0 ? MUTATIONS_TOTAL / (unsigned)n_entries : 0;

    if (mutations < MUTATIONS_LEAST)
        mutations = MUTATIONS_LEAST;
    for (int i = 0; i < n_entries; i++) {
        char path[1024];

        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        run_file(path, mutations);
        free(entries[i]);
    }
    free(entries);
    run_noise();
    printf("%d files, %u mutations of each, %u inputs of noise\n", n_entries > 0 ? n_entries : 0,
           mutations, NOISE_INPUTS);
}

int main(int argc, char **argv)
{
    static const int crashes[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };
    struct stat st;

    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        signal(crashes[i], on_crash);
    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &st) == 0 && S_ISREG(st.st_mode))
            run_file(argv[i], 0);
        else
            run_corpus(argv[i]);
    }
    return 0;
}
