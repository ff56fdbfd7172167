#pragma once
/*
 * JSON written piece by piece, so that a picture of thousands of namespaces needs no tree of values in memory.
 * Output is pure ASCII: whatever a name holds, it can be looked at in a terminal. Broken UTF-8 becomes U+FFFD.
 * Keys are ours; @key is NULL within arrays.
 */
#include "discovery/out.h"

#include <runnel/addr.h>

struct rn_json {
    struct rn_out *out; /* borrows */
    unsigned depth;
    bool is_pretty;
    bool has_item; /* something precedes in the open container */
};

void rn_json_open(struct rn_json *j, const char *key, char bracket); /* '{' or '[' */
void rn_json_close(struct rn_json *j, char bracket);                 /* '}' or ']' */
void rn_json_text(struct rn_json *j, const char *key, const char *text);
void rn_json_int(struct rn_json *j, const char *key, int64_t v);
/* As a string: numbers beyond 2^53 would be rounded by most readers. */
void rn_json_u64(struct rn_json *j, const char *key, uint64_t v);
/* "0x1ffffffffff" */
void rn_json_hex(struct rn_json *j, const char *key, uint64_t v);
void rn_json_bool(struct rn_json *j, const char *key, bool v);
void rn_json_null(struct rn_json *j, const char *key);
/* null for none. */
void rn_json_addr(struct rn_json *j, const char *key, struct rn_addr a);
void rn_json_prefix(struct rn_json *j, const char *key, const struct rn_prefix *p);
