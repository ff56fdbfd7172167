#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
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
