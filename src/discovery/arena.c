#include "discovery/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define CHUNK_BYTES     (64u * 1024u - 64u)
#define FIRST_ARRAY_CAP 2u

struct rn_arena_chunk {
    struct rn_arena_chunk *next;
    size_t cap_bytes;
    alignas(max_align_t) uint8_t bytes[];
};

static bool add_chunk(struct rn_arena *a, size_t need)
{
    size_t cap = need > CHUNK_BYTES / 4 ? need : CHUNK_BYTES;
    size_t budget = a->budget_bytes != 0 ? a->budget_bytes : RN_ARENA_BUDGET_BYTES;
    struct rn_arena_chunk *c;

    if (cap > budget || a->held_bytes > budget - cap)
        return false;
    c = calloc(1, sizeof(*c) + cap);
    if (c == NULL)
        return false;
    c->cap_bytes = cap;
    c->next = a->chunks;
    a->chunks = c;
    a->used_bytes = 0;
    a->held_bytes += cap;
    return true;
}

void *rn_arena_new(struct rn_arena *a, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    void *p;

    if (bytes > SIZE_MAX / 4) {
        a->is_full = true;
        return NULL;
    }
    bytes = (bytes + align - 1) / align * align;
    if ((a->chunks == NULL || bytes > a->chunks->cap_bytes - a->used_bytes) &&
        !add_chunk(a, bytes)) {
        a->is_full = true;
        return NULL;
    }
    p = a->chunks->bytes + a->used_bytes;
    a->used_bytes += bytes;
    return p;
}

static size_t cap_of(size_t n)
{
    size_t cap = FIRST_ARRAY_CAP;

    if (n == 0)
        return 0;
    while (cap < n)
        cap *= 2;
    return cap;
}

void *rn_arena_room(struct rn_arena *a, void *items, size_t n, size_t item_bytes)
{
    size_t cap = cap_of(n);
    void *grown;

    if (n < cap)
        return items;
    cap = cap_of(n + 1);
    if (cap > SIZE_MAX / 8 / item_bytes) {
        a->is_full = true;
        return NULL;
    }
    grown = rn_arena_new(a, cap * item_bytes);
    if (grown != NULL && n != 0)
        memcpy(grown, items, n * item_bytes);
    return grown;
}

const char *rn_arena_str(struct rn_arena *a, struct rn_view v)
{
    const uint8_t *nul = v.len != 0 ? memchr(v.ptr, 0, v.len) : NULL;
    size_t len = nul != NULL ? (size_t)(nul - v.ptr) : v.len;
    char *s;

    if (len == 0)
        return "";
    s = rn_arena_new(a, len + 1);
    if (s == NULL)
        return "";
    memcpy(s, v.ptr, len);
    return s;
}

const char *rn_arena_strdup(struct rn_arena *a, const char *s)
{
    return rn_arena_str(a, rn_view_of(s, strlen(s)));
}

const char *rn_arena_join(struct rn_arena *a, const char *one, const char *between,
                          const char *other)
{
    const char *const parts[] = { one, between, other };
    char *s = rn_arena_new(a, strlen(one) + strlen(between) + strlen(other) + 1);
    size_t at = 0;

    for (size_t i = 0; s != NULL && i < RN_ARRAY_LEN(parts); i++) {
        memcpy(s + at, parts[i], strlen(parts[i]));
        at += strlen(parts[i]);
    }
    return s != NULL ? s : "";
}

void rn_arena_free(struct rn_arena *a)
{
    struct rn_arena_chunk *c = a->chunks;

    while (c != NULL) {
        struct rn_arena_chunk *next = c->next;

        free(c);
        c = next;
    }
    *a = (struct rn_arena){ .budget_bytes = a->budget_bytes };
}
