#include "io/busy_poll.h"

/* A turn that moves more is one of a transfer, not of an exchange. */
#define LIGHT_BYTES 4096u
#define TURN_MAX    (1u << 20)
/* Four of five must find something, or it is time to sleep at once; then every so often one tries again. */
#define CREDIT_START   4u
#define CREDIT_MAX     32u
#define CREDIT_OF_MISS 4u
#define AGAIN_AFTER    64u

void rn_busy_poll_init(struct rn_busy_poll *bp, int64_t for_ns)
{
    *bp = (struct rn_busy_poll){ .for_ns = for_ns,
                                 .bytes_seen = bp->bytes_seen,
                                 .credit = CREDIT_START };
}

bool rn_busy_poll_pays(struct rn_busy_poll *bp, uint64_t bytes)
{
    uint64_t moved = rn_min_u64(bytes - bp->bytes_seen, TURN_MAX);

    bp->bytes_seen = bytes;
    if (bp->for_ns == 0 || moved == 0)
        return false;
    bp->bytes_mean = (uint32_t)((7 * (uint64_t)bp->bytes_mean + moved) / 8);
    if (bp->bytes_mean > LIGHT_BYTES)
        return false;
    return bp->credit > 0 || ++bp->n_declined % AGAIN_AFTER == 0;
}

void rn_busy_poll_learn(struct rn_busy_poll *bp, bool has_found)
{
    if (has_found)
        bp->credit = rn_min_u32(bp->credit + 1, CREDIT_MAX);
    else
        bp->credit -= rn_min_u32(bp->credit, CREDIT_OF_MISS);
}
