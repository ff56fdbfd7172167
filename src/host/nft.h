#pragma once
/* nf_tables over netlink, reading half: what to ask, and tables of contents as values. Expressions are read by
 * whoever needs their meaning. */
#include "host/nl.h"
#include "host/nlattr.h"

struct rn_nft_name {
    uint8_t family;       /* NFPROTO_* */
    struct rn_view table; /* borrows */
    struct rn_view name;  /* of chain or set */
};

/* @nft_msg is an NFT_MSG_GET*; @table NULL: of every table. */
void rn_nft_ask(struct rn_nl_msg *msg, unsigned nft_msg, const struct rn_nft_name *table);
/* The elements of one set. */
void rn_nft_ask_elements(struct rn_nl_msg *msg, const struct rn_nft_name *set);

struct rn_nft_chain {
    struct rn_nft_name id;
    struct rn_view type; /* "nat"; empty for a chain that is only jumped to */
    uint32_t hook;       /* NF_INET_* */
    int32_t priority;
    bool is_base;
    bool is_drop_policy; /* what no rule decides on is dropped */
    struct rn_view dev;  /* of a chain at devices: its only one */
    struct rn_view devs; /* or the list of them, see rn_nft_chain_has_device() */
};

struct rn_nft_rule {
    struct rn_nft_name id; /* .name is the chain */
    uint64_t handle;
    struct rn_view exprs;    /* NFTA_RULE_EXPRESSIONS' content */
    struct rn_view userdata; /* comments of nft */
};

struct rn_nft_set {
    struct rn_nft_name id;
    uint32_t set_id;
    uint32_t flags; /* NFT_SET_MAP ... */
    uint32_t key_type, key_len, data_type, data_len;
};

/* One key, and what it maps to. */
struct rn_nft_elem {
    struct rn_view key, key_end; /* key_end of concatenated ranges */
    struct rn_view data;         /* value of a map */
    struct rn_view chain;        /* verdict map: jump or goto target */
    int32_t verdict;
    uint32_t flags; /* NFT_SET_ELEM_INTERVAL_END: the key ends the interval before it */
    bool has_verdict;
};

/* @payload starts with the nfgenmsg. Errors: MALFORMED. */
RN_MUST_USE int rn_nft_chain_parse(struct rn_view payload, struct rn_nft_chain *ret);
/* Whether a chain of the family netdev, or at ingress, hooks into the device @name. */
bool rn_nft_chain_has_device(const struct rn_nft_chain *chain, const char *name);
RN_MUST_USE int rn_nft_rule_parse(struct rn_view payload, struct rn_nft_rule *ret);
RN_MUST_USE int rn_nft_set_parse(struct rn_view payload, struct rn_nft_set *ret);
/* The set's name, and in @ret_elems the list for rn_nft_elem_next(). */
RN_MUST_USE int rn_nft_elems_parse(struct rn_view payload, struct rn_nft_name *ret,
                                   struct rn_view *ret_elems);
bool rn_nft_elem_next(struct rn_view *elems, struct rn_nft_elem *ret);
