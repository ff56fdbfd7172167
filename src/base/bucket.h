#pragma once
/* Token bucket driven by passed-in time. */
#include <stdbool.h>
#include <stdint.h>

struct rn_bucket {
    int64_t updated_ns;
    uint64_t tokens_scaled; /* tokens * 2^20 */
    uint64_t rate_per_s;    /* 0: unlimited */
    uint64_t burst;
};

/* Starts full. */
void rn_bucket_init(struct rn_bucket *b, uint64_t rate_per_s, uint64_t burst, int64_t now_ns);
/* Takes @n tokens if they are there. */
bool rn_bucket_take(struct rn_bucket *b, uint64_t n, int64_t now_ns);
/* When @n tokens will be there; now_ns if they are. INT64_MAX if n > burst. */
int64_t rn_bucket_ready_ns(const struct rn_bucket *b, uint64_t n, int64_t now_ns);
