/*
 * usage: sim [--conns N] [--seconds S] [--seed FIRST] [--jobs N] [--twice] [--verbose] [--packets]
 *
 * Lives through worlds (world.h) of consecutive seeds until N connections were made or S seconds are over. Prints
 * every violation with the seed that shows it again (sim --seed X --conns 100 --verbose). One world in sixteen, with
 * --twice all, is lived twice: the same seed must give the same packets at the same times.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONNS_PER_WORLD = 100, JOBS_MAX = 64, TWICE_EVERY = 16 };

struct plan {
    uint64_t n_conns;
    uint64_t first_seed;
    unsigned seconds;
    unsigned n_jobs;
    bool is_twice;
    bool is_verbose;
    bool is_shown;
};

struct tally {
    uint64_t n_worlds, n_conns, n_whole, n_pkts, n_bytes, n_hostile, n_violations, hash;
};

static double seconds_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void violation(struct tally *t, uint64_t seed, const char *what)
{
    t->n_violations++;
    printf("seed %llu: %s\n", (unsigned long long)seed, what);
    fflush(stdout);
}

static void live_one(const struct plan *plan, uint64_t seed, struct tally *t)
{
    struct sim_life life = { .seed = seed, .n_conns = CONNS_PER_WORLD, .is_shown = plan->is_shown };
    struct sim_verdict v;
    struct sim_verdict again;

    sim_world_live(&life, &v);
    if (v.wrong[0] != 0)
        violation(t, seed, v.wrong);
    if (plan->is_twice || seed % TWICE_EVERY == 0) {
        sim_world_live(&life, &again);
        if (again.hash != v.hash)
            violation(t, seed, "another trace when lived again");
    }
    t->n_worlds++;
    t->n_conns += CONNS_PER_WORLD;
    t->n_whole += v.n_whole;
    t->n_pkts += v.n_pkts;
    t->n_bytes += v.n_bytes;
    t->n_hostile += v.n_hostile;
    t->hash ^= v.hash;
    if (plan->is_verbose)
        printf("seed %llu: %u whole, %llu packets, %.0f s, trace %016llx\n",
               (unsigned long long)seed, v.n_whole, (unsigned long long)v.n_pkts,
               (double)v.virtual_ns * 1e-9, (unsigned long long)v.hash);
}

static struct tally live(const struct plan *plan, unsigned job)
{
    struct tally t = { 0 };
    double end = seconds_now() + plan->seconds;
    uint64_t n_worlds = (plan->n_conns + CONNS_PER_WORLD - 1) / CONNS_PER_WORLD;

    for (uint64_t i = job; i < n_worlds; i += plan->n_jobs) {
        if (plan->seconds != 0 && seconds_now() >= end)
            break;
        live_one(plan, plan->first_seed + i, &t);
    }
    return t;
}

static void add(struct tally *sum, const struct tally *t)
{
    sum->n_worlds += t->n_worlds;
    sum->n_conns += t->n_conns;
    sum->n_whole += t->n_whole;
    sum->n_pkts += t->n_pkts;
    sum->n_bytes += t->n_bytes;
    sum->n_hostile += t->n_hostile;
    sum->n_violations += t->n_violations;
    sum->hash ^= t->hash;
}

static pid_t start(const struct plan *plan, unsigned job, int *ret_fd)
{
    int fds[2];
    pid_t pid;

    if (pipe(fds) < 0)
        exit(2);
    pid = fork();
    if (pid == 0) {
        struct tally t = live(plan, job);

        fflush(stdout);
        _exit(write(fds[1], &t, sizeof(t)) == (ssize_t)sizeof(t) ? 0 : 2);
    }
    close(fds[1]);
    *ret_fd = fds[0];
    return pid;
}

static struct tally live_in_jobs(const struct plan *plan)
{
    struct tally sum = { 0 };
    pid_t pids[JOBS_MAX];
    int fds[JOBS_MAX];

    for (unsigned job = 0; job < plan->n_jobs; job++)
        pids[job] = start(plan, job, &fds[job]);
    for (unsigned job = 0; job < plan->n_jobs; job++) {
        struct tally t = { 0 };
        int status = 0;

        if (read(fds[job], &t, sizeof(t)) != (ssize_t)sizeof(t) ||
            waitpid(pids[job], &status, 0) < 0 || status != 0) {
            printf("job %u died\n", job);
            t.n_violations++;
        }
        add(&sum, &t);
        close(fds[job]);
    }
    return sum;
}

static bool read_args(int argc, char **argv, struct plan *plan)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";

        if (strcmp(argv[i], "--twice") == 0)
            plan->is_twice = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            plan->is_verbose = true;
        else if (strcmp(argv[i], "--packets") == 0)
            plan->is_shown = true;
        else if (strcmp(argv[i], "--conns") == 0)
            plan->n_conns = strtoull(value, NULL, 0), i++;
        else if (strcmp(argv[i], "--seconds") == 0)
            plan->seconds = (unsigned)strtoul(value, NULL, 0), i++;
        else if (strcmp(argv[i], "--seed") == 0)
            plan->first_seed = strtoull(value, NULL, 0), i++;
        else if (strcmp(argv[i], "--jobs") == 0)
            plan->n_jobs = (unsigned)strtoul(value, NULL, 0), i++;
        else
            return false;
    }
    return plan->n_jobs >= 1 && plan->n_jobs <= JOBS_MAX;
}

int main(int argc, char **argv)
{
    struct plan plan = { .n_conns = 100000, .first_seed = 1, .n_jobs = 1 };
    double began = seconds_now();
    struct tally t;

    if (!read_args(argc, argv, &plan)) {
        fprintf(stderr, "usage: sim [--conns N] [--seconds S] [--seed FIRST] [--jobs N] [--twice] "
                        "[--verbose]\n");
        return 2;
    }
    t = live_in_jobs(&plan);
    printf("%llu connections in %llu worlds from seed %llu: %llu whole, %llu packets, %llu MB "
           "read, %llu hostile "
           "packets, %.0f s, trace %016llx, %llu violations\n",
           (unsigned long long)t.n_conns, (unsigned long long)t.n_worlds,
           (unsigned long long)plan.first_seed, (unsigned long long)t.n_whole,
           (unsigned long long)t.n_pkts, (unsigned long long)(t.n_bytes / 1000000),
           (unsigned long long)t.n_hostile, seconds_now() - began, (unsigned long long)t.hash,
           (unsigned long long)t.n_violations);
    return t.n_violations != 0;
}
