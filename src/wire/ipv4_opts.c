#include "wire/ipv4_opts.h"

#include <runnel/err.h>

enum { COPIED = 0x80 };
enum {
    ROUTE_FIRST_SLOT = 4,
    TS_FIRST_SLOT = 5,
    SLOT_BYTES = 4
}; /* RFC 791 §3.1, "Specific Option Definitions" */
enum { ROUTE_HEAD = 3, TS_HEAD = 4, ALERT_LEN = 4 };

struct rn_ipv4_opt_iter rn_ipv4_opt_iter_of(struct rn_view options)
{
    options.len = rn_min_size(options.len, RN_IPV4_OPTS_MAX_BYTES);
    return (struct rn_ipv4_opt_iter){ .rest = rn_reader_of(options) };
}

int rn_ipv4_opt_next(struct rn_ipv4_opt_iter *it, struct rn_ipv4_opt *ret)
{
    while (it->rest.rest.len != 0) {
        struct rn_ipv4_opt o = { .at = it->at };
        uint8_t len;

        o.type = rn_read_u8(&it->rest);
        if (o.type == RN_IPV4_OPT_END)
            return 0;
        if (o.type == RN_IPV4_OPT_NOP) {
            it->at++;
            continue;
        }
        len = rn_read_u8(&it->rest);
        if (len < 2)
            return RN_E_MALFORMED;
        o.data = rn_read_view(&it->rest, len - 2u);
        if (it->rest.short_read)
            return RN_E_MALFORMED;
        it->at = (uint8_t)(it->at + len);
        *ret = o;
        return 1;
    }
    return 0;
}

void rn_ipv4_opt_emit(const struct rn_ipv4_opt *opt, struct rn_writer *w)
{
    rn_write_u8(w, opt->type);
    rn_write_u8(w, rn_sat_u8(opt->data.len + 2));
    rn_write_bytes(w, opt->data.ptr, opt->data.len);
}

bool rn_ipv4_opt_is_copied(uint8_t type)
{
    return (type & COPIED) != 0;
}

int rn_ipv4_opt_route_parse(struct rn_ipv4_opt_route *ret, const struct rn_ipv4_opt *opt)
{
    struct rn_reader r = rn_reader_of(opt->data);
    struct rn_ipv4_opt_route route;

    route.pointer = rn_read_u8(&r);
    route.slots = r.rest;
    route.is_full = route.pointer > ROUTE_HEAD + r.rest.len;
    if (r.short_read || r.rest.len % SLOT_BYTES != 0 || route.pointer < ROUTE_FIRST_SLOT ||
        (route.pointer - ROUTE_FIRST_SLOT) % SLOT_BYTES != 0)
        return RN_E_MALFORMED;

    *ret = route;
    return RN_OK;
}

void rn_ipv4_opt_route_emit(uint8_t type, const struct rn_ipv4_opt_route *route,
                            struct rn_writer *w)
{
    rn_write_u8(w, type);
    rn_write_u8(w, rn_sat_u8(ROUTE_HEAD + route->slots.len));
    rn_write_u8(w, route->pointer);
    rn_write_bytes(w, route->slots.ptr, route->slots.len);
}

int rn_ipv4_opt_ts_parse(struct rn_ipv4_opt_ts *ret, const struct rn_ipv4_opt *opt)
{
    struct rn_reader r = rn_reader_of(opt->data);
    struct rn_ipv4_opt_ts ts;
    uint8_t overflow_kind;
    unsigned slot;

    ts.pointer = rn_read_u8(&r);
    overflow_kind = rn_read_u8(&r);
    ts.overflow = overflow_kind >> 4;
    ts.kind = overflow_kind & 0x0f;
    ts.slots = r.rest;
    ts.is_full = ts.pointer > TS_HEAD + r.rest.len;
    if (ts.kind != RN_IPV4_TS_ONLY && ts.kind != RN_IPV4_TS_ADDR &&
        ts.kind != RN_IPV4_TS_PRESPECIFIED)
        return RN_E_MALFORMED;
    slot = ts.kind == RN_IPV4_TS_ONLY ? SLOT_BYTES : 2 * SLOT_BYTES;
    if (r.short_read || r.rest.len % slot != 0 || ts.pointer < TS_FIRST_SLOT ||
        (ts.pointer - (unsigned)TS_FIRST_SLOT) % slot != 0)
        return RN_E_MALFORMED;

    *ret = ts;
    return RN_OK;
}

void rn_ipv4_opt_ts_emit(const struct rn_ipv4_opt_ts *ts, struct rn_writer *w)
{
    rn_write_u8(w, RN_IPV4_OPT_TIMESTAMP);
    rn_write_u8(w, rn_sat_u8(TS_HEAD + ts->slots.len));
    rn_write_u8(w, ts->pointer);
    rn_write_u8(w, (uint8_t)((ts->overflow & 0x0f) << 4 | (ts->kind & 0x0f)));
    rn_write_bytes(w, ts->slots.ptr, ts->slots.len);
}

int rn_ipv4_opt_alert_parse(uint16_t *ret, const struct rn_ipv4_opt *opt)
{
    struct rn_reader r = rn_reader_of(opt->data);
    uint16_t value = rn_read_be16(&r);

    if (r.short_read || r.rest.len != 0)
        return RN_E_MALFORMED;
    *ret = value;
    return RN_OK;
}

void rn_ipv4_opt_alert_emit(uint16_t value, struct rn_writer *w)
{
    rn_write_u8(w, RN_IPV4_OPT_ROUTER_ALERT);
    rn_write_u8(w, ALERT_LEN);
    rn_write_be16(w, value);
}
