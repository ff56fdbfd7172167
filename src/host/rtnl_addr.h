#pragma once
/* Addresses of links over rtnetlink: add, remove, dump, and read one RTM_NEWADDR into a value. */
#include "host/nl.h"
#include "host/nlattr.h"

/* One RTM_NEWADDR. Views borrow the message. */
struct rn_rtnl_addr {
    struct rn_addr local;     /* what the link answers to (IFA_LOCAL, else IFA_ADDRESS) */
    struct rn_addr peer;      /* the far end of a point-to-point address; none else */
    struct rn_addr broadcast; /* none if not set */
    struct rn_addr anycast;
    struct rn_view label; /* IPv4 only */
    uint32_t ifindex;
    uint32_t flags; /* IFA_F_* */
    uint32_t valid_s;
    uint32_t preferred_s; /* UINT32_MAX: for ever */
    uint32_t created_cs;  /* hundredths of a second since boot */
    uint32_t updated_cs;
    uint32_t metric; /* IFA_RT_PRIORITY */
    uint8_t prefix_bits;
    uint8_t scope;
    uint8_t proto; /* IFAPROT_* */
};

struct rn_addr_plan {
    struct rn_addr addr;
    uint8_t prefix_bits; /* within the family of @addr */
    uint32_t flags;      /* IFA_F_NODAD ... */
};

/* Errors: host EEXIST, EACCES, ENODEV ... */
RN_MUST_USE int rn_rtnl_addr_add(struct rn_nl *nl, uint32_t ifindex,
                                 const struct rn_addr_plan *plan);

/* Errors: MALFORMED. */
RN_MUST_USE int rn_rtnl_addr_parse(struct rn_view payload, struct rn_rtnl_addr *ret);

typedef int rn_rtnl_addr_fn(const struct rn_rtnl_addr *addr, void *arg);
/* Every address of the socket's namespace, both families; an interrupted dump may name one twice. */
RN_MUST_USE int rn_rtnl_addr_dump(struct rn_nl *nl, rn_rtnl_addr_fn *fn, void *arg);
