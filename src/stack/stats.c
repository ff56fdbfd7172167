#include <runnel/stats.h>

#include "stack/nic.h"
#include "stack/stack.h"

#include <runnel/err.h>

struct counter {
    const char *group;
    const char *name;
    const char *text;
    size_t at; /* in struct rn_stats */
};

static const struct counter counters[] = {
#define S(group, name, text) { #group, #name, text, offsetof(struct rn_stats, group##_##name) },
#include "stack/stats.def"
#undef S
};

size_t rn_stats_count(void)
{
    return RN_ARRAY_LEN(counters);
}

struct rn_stat rn_stats_at(const struct rn_stack *stack, size_t index)
{
    const struct counter *c = &counters[index];
    struct rn_stat stat = { .group = c->group, .name = c->name, .text = c->text };

    rn_assert(index < RN_ARRAY_LEN(counters));
    memcpy(&stat.value, (const uint8_t *)&stack->stats + c->at, sizeof(stat.value));
    return stat;
}

/* Is @name "group.name"? */
static bool is_named(const struct counter *c, const char *name)
{
    size_t group_len = strlen(c->group);
    size_t name_len = strlen(c->name);

    return strlen(name) == group_len + 1 + name_len && memcmp(name, c->group, group_len) == 0 &&
           name[group_len] == '.' && memcmp(name + group_len + 1, c->name, name_len) == 0;
}

int rn_stats_get(const struct rn_stack *stack, const char *name, uint64_t *ret)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(counters); i++) {
        if (is_named(&counters[i], name)) {
            *ret = rn_stats_at(stack, i).value;
            return RN_OK;
        }
    }
    return RN_E_NOT_FOUND;
}

size_t rn_drops_count(void)
{
    return RN_DROP_COUNT;
}

struct rn_stat rn_drops_at(const struct rn_stack *stack, size_t index)
{
    rn_assert(index < RN_DROP_COUNT);
    return (struct rn_stat){ .group = "drop",
                             .name = rn_drop_name((enum rn_drop)index),
                             .text = rn_drop_text((enum rn_drop)index),
                             .value = stack->drops.n[index] };
}

void rn_nic_get_counts(const struct rn_nic *nic, struct rn_nic_counts *ret)
{
    *ret = (struct rn_nic_counts){ nic->rx_pkts, nic->rx_bytes, nic->tx_pkts, nic->tx_bytes };
}
