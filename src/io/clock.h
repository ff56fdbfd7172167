#pragma once
/* The only reader of the machine's clocks. */
#include <stdint.h>

/* CLOCK_MONOTONIC: what turns are driven by. */
int64_t rn_clock_now_ns(void);
/* CLOCK_REALTIME: for people, that is for capture files and logs. */
int64_t rn_clock_wall_ns(void);
