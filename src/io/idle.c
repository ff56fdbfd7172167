#include "io/idle.h"

/* A turn that moves no more is one of an exchange; one that receives as much, of a transfer. */
#define LIGHT_BYTES 4096u
#define HEAVY_BYTES 32768u
#define TURN_MAX    (1u << 20)
/* Four of five must find something, or it is time to sleep at once; then every so often one tries again. */
#define CREDIT_START   4u
#define CREDIT_MAX     32u
#define CREDIT_OF_MISS 4u
#define AGAIN_AFTER    64u

void rn_idle_set(struct rn_idle_way *way, int64_t for_ns)
{
    way->for_ns = for_ns;
    way->bytes_mean = 0;
    way->credit = CREDIT_START;
    way->n_declined = 0;
}

/* Returns whether the turn had any. */
static bool count(struct rn_idle_way *way, uint64_t bytes)
{
    uint64_t n = rn_min_u64(bytes - way->bytes_seen, TURN_MAX);

    way->bytes_seen = bytes;
    if (n == 0)
        return false;
    way->bytes_mean = (uint32_t)((7 * (uint64_t)way->bytes_mean + n) / 8);
    return true;
}

static bool pays(struct rn_idle_way *way)
{
    return way->for_ns != 0 && (way->credit > 0 || ++way->n_declined % AGAIN_AFTER == 0);
}

enum rn_idle_how rn_idle_choose(struct rn_idle *idle, uint64_t moved, uint64_t received)
{
    bool has_moved = count(&idle->look, moved);
    bool has_received = count(&idle->nap, received);

    if (has_moved && idle->look.bytes_mean <= LIGHT_BYTES && pays(&idle->look))
        return RN_IDLE_LOOK;
    if (has_received && idle->nap.bytes_mean >= HEAVY_BYTES && pays(&idle->nap))
        return RN_IDLE_NAP;
    return RN_IDLE_SLEEP;
}

void rn_idle_learn(struct rn_idle_way *way, bool has_found)
{
    if (has_found)
        way->credit = rn_min_u32(way->credit + 1, CREDIT_MAX);
    else
        way->credit -= rn_min_u32(way->credit, CREDIT_OF_MISS);
}
