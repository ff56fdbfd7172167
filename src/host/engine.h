#pragma once
/* Container engines' REST APIs over their UNIX sockets: one GET, one answer. HTTP/1.0, so that the answer ends with the
 * connection and is never chunked. The engine may be anybody: size and time are bounded, redirects are answers. */
#include "base/view.h"

#include <runnel/attr.h>
#include <runnel/err.h>

#define RN_ENGINE_ANSWER_MAX_BYTES (16u << 20)
#define RN_ENGINE_TIMEOUT_MS       5000

struct rn_engine_answer {
    uint8_t *buf; /* owned; rn_engine_answer_free() */
    size_t len;
    struct rn_view body; /* inside buf */
    unsigned status;
};

/* Asks the socket at @path below the directory @root_fd (borrows), whose other end must belong to @uid or root.
 * Errors: NOT_PERMITTED (a stranger's socket), TIMED_OUT, LIMIT, MALFORMED, host. */
struct rn_engine_ask {
    int root_fd;
    const char *path;
    const char *request; /* "/version" */
    uint32_t uid;
};
RN_MUST_USE int rn_engine_get(const struct rn_engine_ask *ask, struct rn_engine_answer *ret);
void rn_engine_answer_free(struct rn_engine_answer *a);
/* Splits an HTTP answer; pure. Errors: MALFORMED. */
RN_MUST_USE int rn_engine_parse(struct rn_view answer, unsigned *ret_status,
                                struct rn_view *ret_body);
