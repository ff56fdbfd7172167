#pragma once
/*
 * A dump that may be given away: names, addresses and hardware addresses are replaced, each always by the same, so that
 * everything still joins as it did; of command lines the program stays. What is not known to be harmless is left out.
 * Rules of nf_tables and xtables are replaced by the forwarded ports they amount to.
 *
 * The key is random and forgotten: nobody can tell afterwards what was what, nor compare two dumps.
 */
#include "discovery/load.h"

#include "base/hashkey.h"

struct rn_redact {
    struct rn_hash_key key;
    struct rn_dump_writer out;
};

/* Errors: NOMEM, host. */
RN_MUST_USE int rn_redact_init(struct rn_redact *r, int fd);
void rn_redact_fini(struct rn_redact *r);
/* Takes every frame of the stream in its order; END is left to rn_redact_finish(). */
void rn_redact_frame(struct rn_redact *r, const struct rn_dump_frame *frame);
/* Adds the forwarded ports of @load and ends the stream. Errors: host. */
RN_MUST_USE int rn_redact_finish(struct rn_redact *r, const struct rn_load *load);

/* ---- what things are replaced by; used by the redact_*.c only ---- */

#define RN_REDACT_NAME_BYTES  16u /* fits an interface's name */
#define RN_REDACT_ID_BYTES    65u
#define RN_REDACT_FLUSH_BYTES (64u * 1024u)

/* "lo" stays, and so does what is empty. */
char *rn_redact_name(const struct rn_redact *r, struct rn_view name,
                     char buf[RN_REDACT_NAME_BYTES]);
/* A container's id: 64 hex digits for 64. */
char *rn_redact_id(const struct rn_redact *r, struct rn_view id, char buf[RN_REDACT_ID_BYTES]);
/* Addresses with a common prefix still have one as long. Loopback, any, multicast groups and link-local prefixes say
 * nothing and stay. */
struct rn_addr rn_redact_addr(const struct rn_redact *r, struct rn_addr a);
/* The same in place: 4 or 16 bytes, of which @bits count and the others are zero. */
void rn_redact_addr_bytes(const struct rn_redact *r, uint8_t *bytes, size_t len, unsigned bits);
/* In place: a MAC, or an address where a tunnel has that for its hardware address. */
void rn_redact_hwaddr(const struct rn_redact *r, uint8_t *bytes, size_t len);

/* Each writes the payload of its frame. */
void rn_redact_netlink(struct rn_redact *r, const struct rn_dump_frame *frame);
void rn_redact_procnet(struct rn_redact *r, struct rn_view text);
void rn_redact_file(struct rn_redact *r, enum rn_dump_file which, struct rn_view text);
/* Programs may write anything over their arguments: what follows a space or colon is no path, and is left out. */
struct rn_view rn_redact_cmdline(struct rn_view cmdline);
void rn_redact_cgroup(struct rn_redact *r, struct rn_view text);
void rn_redact_engine(struct rn_redact *r, enum rn_dump_ask which, struct rn_view json);
