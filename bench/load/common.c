#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

int64_t load_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int load_must(int result, const char *what)
{
    if (result >= 0)
        return result;
    perror(what);
    exit(1);
}

void load_raise_limits(void)
{
    struct rlimit limit;

    load_must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    load_must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

struct cost {
    double cpu_s;
    double wait_s;
};

static struct cost at_begin;

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Of the scheduler's account: nanoseconds running, nanoseconds ready to run. A kernel without it says nothing: 0. */
static double waited_s(void)
{
    unsigned long long ran_ns = 0;
    unsigned long long waited_ns = 0;
    FILE *file = fopen("/proc/self/schedstat", "r");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &ran_ns, &waited_ns) != 2)
        waited_ns = 0;
    fclose(file);
    return (double)waited_ns / NS_PER_S;
}

static struct cost cost_now(void)
{
    struct rusage usage;

    load_must(getrusage(RUSAGE_SELF, &usage), "getrusage");
    return (struct cost){ seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), waited_s() };
}

void load_say_begin(void)
{
    printf("begin\n");
    at_begin = cost_now();
}

void load_print_cost(void)
{
    struct cost now = cost_now();

    printf(",\"client_cpu_s\":%.6f,\"client_wait_s\":%.6f", now.cpu_s - at_begin.cpu_s,
           now.wait_s - at_begin.wait_s);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *one = a;
    const uint64_t *other = b;

    return (*one > *other) - (*one < *other);
}

void load_print_percentiles(uint64_t *ns, size_t n)
{
    static const struct {
        const char *name;
        size_t per_mille;
    } wanted[] = { { "p50_us", 500 }, { "p99_us", 990 }, { "p999_us", 999 } };

    qsort(ns, n, sizeof(*ns), by_size);
    for (size_t i = 0; n > 0 && i < sizeof(wanted) / sizeof(wanted[0]); i++)
        printf(",\"%s\":%.2f", wanted[i].name, (double)ns[n * wanted[i].per_mille / 1000] / 1e3);
}
