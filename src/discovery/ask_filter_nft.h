#pragma once
/* Inside of ask_filter_nft*.c: one rule of nf_tables at work, and its registers. */
#include "discovery/ask_filter_run.h"

#define RN_REG_SLOTS     20u
#define RN_REG_VALUE_MAX 16u /* bytes of one expression's result */

/* Four bytes of a register, and which bits of them are known. */
struct rn_reg_slot {
    uint8_t data[4];
    uint8_t known[4];
};

/* One rule at work. */
struct rn_rule_run {
    struct rn_filter_run *a;
    const struct rn_nft_rule *rule;
    struct rn_reg_slot slots[RN_REG_SLOTS];
    enum rn_fit fit;
    unsigned depth;
    enum rn_outcome outcome; /* of the verdicts so far */
    bool is_over;
};

/* ---- registers: what is not known is remembered bit by bit ---- */

size_t rn_reg_index(struct rn_view reg);
void rn_reg_put(struct rn_rule_run *r, struct rn_view reg, const void *data, size_t len);
/* @known NULL: all of it. */
void rn_reg_put_bits(struct rn_rule_run *r, struct rn_view reg, const uint8_t *data,
                     const uint8_t *known, size_t len);
void rn_reg_forget(struct rn_rule_run *r, struct rn_view reg, size_t len);
/* @len bytes from the register number @at on; false if any bit of them is not known. */
bool rn_reg_get(const struct rn_rule_run *r, size_t at, uint8_t *buf, size_t len);
void rn_reg_get_bits(const struct rn_rule_run *r, size_t at, struct rn_filter_bytes *ret,
                     size_t len);

/* ---- expressions that load what is known of the packet, or write upon it; @tb are their attributes ---- */

void rn_rule_narrow(struct rn_rule_run *r, enum rn_fit fit);
void rn_rule_narrow_to(struct rn_rule_run *r, bool is_so);
void rn_rule_meta(struct rn_rule_run *r, const struct rn_view *tb);
void rn_rule_payload(struct rn_rule_run *r, const struct rn_view *tb);
void rn_rule_ct(struct rn_rule_run *r, const struct rn_view *tb);
void rn_rule_fib(struct rn_rule_run *r, const struct rn_view *tb);
