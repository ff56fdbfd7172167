#include "discovery/dump.h"

#include "base/view.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define FLUSH_BYTES (64u * 1024u)
#define READ_BYTES  (64u * 1024u)

int rn_dump_writer_init(struct rn_dump_writer *w, int fd)
{
    *w = (struct rn_dump_writer){ .fd = fd, .cap = FLUSH_BYTES };
    w->buf = malloc(w->cap);
    return w->buf != NULL ? RN_OK : RN_E_NOMEM;
}

void rn_dump_writer_fini(struct rn_dump_writer *w)
{
    free(w->buf);
    *w = (struct rn_dump_writer){ .fd = -1 };
}

static uint8_t *room(struct rn_dump_writer *w, size_t len)
{
    size_t cap = w->cap;
    uint8_t *buf;

    if (w->err < 0)
        return NULL;
    if (len > RN_DUMP_FRAME_MAX_BYTES) {
        w->err = RN_E_MSG_TOO_LONG;
        return NULL;
    }
    while (len > cap - w->len)
        cap *= 2;
    if (cap != w->cap) {
        buf = realloc(w->buf, cap);
        if (buf == NULL) {
            w->err = RN_E_NOMEM;
            return NULL;
        }
        w->buf = buf;
        w->cap = cap;
    }
    w->len += len;
    return w->buf + w->len - len;
}

void rn_dump_u8(struct rn_dump_writer *w, uint8_t v)
{
    uint8_t *p = room(w, 1);

    if (p != NULL)
        *p = v;
}

static void put_u16(struct rn_dump_writer *w, uint16_t v)
{
    uint8_t *p = room(w, 2);

    if (p != NULL)
        rn_put_be16(p, v);
}

void rn_dump_u32(struct rn_dump_writer *w, uint32_t v)
{
    uint8_t *p = room(w, 4);

    if (p != NULL)
        rn_put_be32(p, v);
}

void rn_dump_u64(struct rn_dump_writer *w, uint64_t v)
{
    uint8_t *p = room(w, 8);

    if (p != NULL)
        rn_put_be64(p, v);
}

void rn_dump_bytes(struct rn_dump_writer *w, struct rn_view v)
{
    uint8_t *p = room(w, v.len);

    if (p != NULL && v.len != 0)
        memcpy(p, v.ptr, v.len);
}

void rn_dump_text(struct rn_dump_writer *w, struct rn_view v)
{
    v.len = rn_min_size(v.len, UINT16_MAX);
    put_u16(w, rn_sat_u16(v.len));
    rn_dump_bytes(w, v);
}

void rn_dump_str(struct rn_dump_writer *w, const char *s)
{
    rn_dump_text(w, rn_view_of(s, strlen(s)));
}

void rn_dump_header(struct rn_dump_writer *w)
{
    const uint32_t order = RN_DUMP_BYTE_ORDER;

    rn_dump_bytes(w, rn_view_of(RN_DUMP_MAGIC, sizeof(RN_DUMP_MAGIC) - 1));
    rn_dump_bytes(w, rn_view_of(&order, sizeof(order)));
}

void rn_dump_begin(struct rn_dump_writer *w, enum rn_dump_type type, uint16_t table)
{
    w->frame_at = w->len;
    rn_dump_u32(w, 0);
    put_u16(w, (uint16_t)type);
    put_u16(w, table);
}

void rn_dump_end(struct rn_dump_writer *w)
{
    if (w->err < 0)
        return;
    rn_put_be32(w->buf + w->frame_at, rn_sat_u32(w->len - w->frame_at - RN_DUMP_FRAME_HDR_BYTES));
}

void rn_dump_note(struct rn_dump_writer *w, const struct rn_dump_note *note)
{
    rn_dump_begin(w, RN_DUMP_NOTE, 0);
    rn_dump_u32(w, note->seq);
    rn_dump_str(w, note->what);
    rn_dump_str(w, note->id);
    rn_dump_str(w, note->why != NULL ? note->why : strerror(rn_err_to_errno(note->err)));
    rn_dump_str(w, note->needs != NULL ? note->needs : "");
    rn_dump_end(w);
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
    while (len != 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rn_err_from_errno(errno);
        p += n;
        len -= (size_t)n;
    }
    return RN_OK;
}

int rn_dump_flush(struct rn_dump_writer *w)
{
    int err = w->err;

    if (err == RN_OK)
        err = write_all(w->fd, w->buf, w->len);
    w->err = err;
    w->len = 0;
    return err;
}

void rn_dump_rewind(struct rn_dump_writer *w, size_t len)
{
    w->len = rn_min_size(w->len, len);
}

/* ---- reading ---- */

void rn_dump_reader_init(struct rn_dump_reader *r, int fd)
{
    *r = (struct rn_dump_reader){ .fd = fd, .tee_fd = -1 };
}

void rn_dump_reader_init_view(struct rn_dump_reader *r, struct rn_view stream)
{
    *r = (struct rn_dump_reader){ .fd = -1, .tee_fd = -1 };
    /* Never written to: filling is what fd >= 0 does. */
    memcpy(&r->buf, &stream.ptr, sizeof(r->buf));
    r->end = stream.len;
}

void rn_dump_reader_fini(struct rn_dump_reader *r)
{
    if (r->fd >= 0)
        free(r->buf);
    *r = (struct rn_dump_reader){ .fd = -1, .tee_fd = -1 };
}

static int make_room(struct rn_dump_reader *r, size_t want)
{
    size_t have = r->end - r->start;
    size_t cap = r->cap != 0 ? r->cap : READ_BYTES * 2;
    uint8_t *buf;

    if (r->start != 0 && have != 0)
        memmove(r->buf, r->buf + r->start, have);
    r->start = 0;
    r->end = have;
    while (want > cap)
        cap *= 2;
    if (cap == r->cap)
        return RN_OK;
    buf = realloc(r->buf, cap);
    if (buf == NULL)
        return RN_E_NOMEM;
    r->buf = buf;
    r->cap = cap;
    return RN_OK;
}

static bool may_read(const struct rn_dump_reader *r)
{
    struct pollfd p = { .fd = r->fd, .events = POLLIN };
    int got;

    if (r->patience_ms == 0)
        return true;
    do {
        got = poll(&p, 1, r->patience_ms);
    } while (got < 0 && errno == EINTR);
    return got != 0;
}

/* Ensures @want unread bytes. 1: there; 0: the stream ended before. */
static int fill(struct rn_dump_reader *r, size_t want)
{
    int err;

    if (r->end - r->start >= want)
        return 1;
    if (r->fd < 0)
        return 0;
    err = make_room(r, want);
    if (err < 0)
        return err;
    while (r->end < want) {
        ssize_t n;

        if (!may_read(r))
            return RN_E_TIMED_OUT;
        n = read(r->fd, r->buf + r->end, r->cap - r->end);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rn_err_from_errno(errno);
        if (n == 0)
            return 0;
        if (r->tee_fd >= 0) {
            err = write_all(r->tee_fd, r->buf + r->end, (size_t)n);
            if (err < 0)
                return err;
        }
        r->end += (size_t)n;
    }
    return 1;
}

static int read_header(struct rn_dump_reader *r)
{
    const uint32_t order = RN_DUMP_BYTE_ORDER;
    const uint8_t *p;
    int got = fill(r, RN_DUMP_HEADER_BYTES);

    if (got <= 0)
        return got < 0 ? got : RN_E_VERSION;
    p = r->buf + r->start;
    if (memcmp(p, RN_DUMP_MAGIC, sizeof(RN_DUMP_MAGIC) - 1) != 0 ||
        memcmp(p + sizeof(RN_DUMP_MAGIC) - 1, &order, sizeof(order)) != 0)
        return RN_E_VERSION;
    r->start += RN_DUMP_HEADER_BYTES;
    r->has_header = true;
    return RN_OK;
}

int rn_dump_next(struct rn_dump_reader *r, struct rn_dump_frame *ret)
{
    size_t len;
    int got;

    if (!r->has_header) {
        got = read_header(r);
        if (got < 0)
            return got;
    }
    got = fill(r, RN_DUMP_FRAME_HDR_BYTES);
    if (got <= 0)
        return got < 0 || r->end == r->start ? got : RN_E_MALFORMED;
    len = rn_get_be32(r->buf + r->start);
    if (len > RN_DUMP_FRAME_MAX_BYTES)
        return RN_E_MALFORMED;
    got = fill(r, RN_DUMP_FRAME_HDR_BYTES + len);
    if (got <= 0)
        return got < 0 ? got : RN_E_MALFORMED;
    ret->type = rn_get_be16(r->buf + r->start + 4);
    ret->table = rn_get_be16(r->buf + r->start + 6);
    ret->payload = rn_view_of(r->buf + r->start + RN_DUMP_FRAME_HDR_BYTES, len);
    r->start += RN_DUMP_FRAME_HDR_BYTES + len;
    return 1;
}

struct rn_view rn_dump_read_text(struct rn_reader *r)
{
    return rn_read_view(r, rn_read_be16(r));
}
