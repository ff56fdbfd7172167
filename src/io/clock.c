#include "io/clock.h"

#include "base/bytes.h"

#include <time.h>

static int64_t read_clock(clockid_t which)
{
    struct timespec ts;

    /* Cannot fail for these two clocks; usually the vDSO answers. */
    clock_gettime(which, &ts); /* syscalls: clock_gettime */
    return ts.tv_sec * RN_NS_PER_S + ts.tv_nsec;
}

int64_t rn_clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t rn_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}
