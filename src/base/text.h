#pragma once
/* Bounded string builder: the core's printf. Always NUL-terminated; what does not fit is cut and latches. */
#include "base/view.h"
#include <runnel/addr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn_text {
    char *buf;
    size_t len; /* without NUL */
    size_t cap; /* with NUL; at least 1 */
    bool cut;
};

struct rn_text rn_text_of(char *buf, size_t cap);
void rn_text_str(struct rn_text *t, const char *s);
void rn_text_strn(struct rn_text *t, const char *s, size_t n);
void rn_text_char(struct rn_text *t, char c);
void rn_text_u64(struct rn_text *t, uint64_t v);
/* Lower-case hex, at least @digits wide, no prefix. */
void rn_text_hex(struct rn_text *t, uint64_t v, unsigned digits);
void rn_text_hexdump(struct rn_text *t, struct rn_view bytes);
void rn_text_addr(struct rn_text *t, struct rn_addr a);
void rn_text_endpoint(struct rn_text *t, const struct rn_endpoint *e);
void rn_text_prefix(struct rn_text *t, const struct rn_prefix *p);
void rn_text_mac(struct rn_text *t, struct rn_mac mac);
