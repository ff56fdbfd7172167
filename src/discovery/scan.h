#pragma once
/* Makes the picture: of this machine, or of a recorded dump. */
#include "discovery/model.h"

struct rn_scan_options {
    int from_fd; /* a dump to read instead of this machine; -1: scan (borrows) */
    int save_fd; /* the stream is also written here; -1: nowhere (borrows) */
    bool
        is_save_redacted; /* ... with names and addresses replaced, see redact.h; else as it came */
    bool is_argv0_only;   /* of processes keep only the program's name */
    bool
        wants_filters; /* also read rules that only let pass or stop: ways need them, pictures do not */
    /* The calling process gives up its privilege for good, before the first byte is parsed; what it still has to open
     * with privilege must be open. */
    bool drops_privilege;
};

/* A dump that ends early still gives a picture, with a note in ->unreadable saying so.
 * Errors: VERSION (no dump, or of another byte order), NOMEM, LIMIT, host. */
RN_MUST_USE int rn_scan(const struct rn_scan_options *options, struct rn_map **ret);
/* The same from a stream in memory (borrows); what tests and the fuzzer use. */
RN_MUST_USE int rn_scan_view(struct rn_view stream, struct rn_map **ret);
