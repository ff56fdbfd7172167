#include "dev/impair.h"
#include <runnel/err.h>

/* The text of --impair: words key=value separated by commas, numbers with a unit. */

#define MILLION 1000000u

struct word {
    const char *at;
    size_t len;
};

static bool word_is(struct word w, const char *name)
{
    return w.len == strlen(name) && memcmp(w.at, name, w.len) == 0;
}

/* A decimal with at most six places, scaled by 10^6; the rest is the unit. */
static bool read_micro(struct word w, uint64_t *ret, struct word *ret_unit)
{
    uint64_t v = 0;
    uint64_t place = MILLION;
    size_t i = 0;

    for (; i < w.len && w.at[i] >= '0' && w.at[i] <= '9'; i++) {
        if (v > 1000000000u)
            return false;
        v = v * 10 + (uint64_t)(w.at[i] - '0');
    }
    if (i == 0)
        return false;
    v *= MILLION;
    if (i < w.len && w.at[i] == '.') {
        for (i++; i < w.len && w.at[i] >= '0' && w.at[i] <= '9'; i++) {
            place /= 10;
            v += place * (uint64_t)(w.at[i] - '0');
        }
    }
    *ret = v;
    *ret_unit = (struct word){ w.at + i, w.len - i };
    return true;
}

static bool read_share(struct word w, uint32_t *ret_ppm)
{
    uint64_t v;
    struct word unit;

    if (!read_micro(w, &v, &unit) || !word_is(unit, "%") || v > 100ull * MILLION)
        return false;
    *ret_ppm = (uint32_t)(v / 100);
    return true;
}

static bool read_time(struct word w, int64_t *ret_ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = { { "us", RN_NS_PER_US }, { "ms", RN_NS_PER_MS }, { "s", RN_NS_PER_S } };
    uint64_t v;
    struct word unit;

    if (!read_micro(w, &v, &unit))
        return false;
    for (size_t i = 0; i < RN_ARRAY_LEN(units); i++) {
        if (word_is(unit, units[i].name) && v <= 3600ull * MILLION * 1000u) {
            *ret_ns = (int64_t)(v / 1000) * (units[i].ns / 1000);
            return true;
        }
    }
    return false;
}

static bool read_rate(struct word w, uint64_t *ret_bps)
{
    static const struct {
        const char *name;
        uint64_t bps;
    } units[] = { { "bit", 1 }, { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 } };
    uint64_t v;
    struct word unit;

    if (!read_micro(w, &v, &unit))
        return false;
    for (size_t i = 0; i < RN_ARRAY_LEN(units); i++) {
        if (word_is(unit, units[i].name) && v != 0 && v / MILLION <= 1000000) {
            *ret_bps =
                units[i].bps >= MILLION ? v * (units[i].bps / MILLION) : v * units[i].bps / MILLION;
            return *ret_bps != 0;
        }
    }
    return false;
}

static bool read_count(struct word w, uint64_t *ret)
{
    uint64_t v = 0;

    if (w.len == 0 || w.len > 18)
        return false;
    for (size_t i = 0; i < w.len; i++) {
        if (w.at[i] < '0' || w.at[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(w.at[i] - '0');
    }
    *ret = v;
    return true;
}

static bool set_one(struct rn_impair_dir *d, struct word key, struct word value)
{
    uint64_t count;

    if (word_is(key, "loss"))
        return read_share(value, &d->loss_ppm);
    if (word_is(key, "reorder"))
        return read_share(value, &d->reorder_ppm);
    if (word_is(key, "dup"))
        return read_share(value, &d->dup_ppm);
    if (word_is(key, "corrupt"))
        return read_share(value, &d->corrupt_ppm);
    if (word_is(key, "burst")) {
        d->burst_end_ppm = d->burst_end_ppm != 0 ? d->burst_end_ppm : MILLION / 4;
        return read_share(value, &d->burst_ppm);
    }
    if (word_is(key, "delay"))
        return read_time(value, &d->delay_ns);
    if (word_is(key, "jitter"))
        return read_time(value, &d->jitter_ns);
    if (word_is(key, "rate"))
        return read_rate(value, &d->rate_bps);
    if (word_is(key, "queue") && read_count(value, &count) && count != 0) {
        d->queue_pkts = rn_sat_u32(count);
        return true;
    }
    return false;
}

static bool starts_with(struct word w, const char *prefix)
{
    size_t n = strlen(prefix);

    return w.len >= n && memcmp(w.at, prefix, n) == 0;
}

static bool read_word(struct word w, struct rn_impair_opts *opts)
{
    bool is_in = starts_with(w, "in:");
    bool is_out = starts_with(w, "out:");
    size_t skip = is_in ? 3 : is_out ? 4 : 0;
    const char *equals;
    struct word key;
    struct word value;

    w.at += skip;
    w.len -= skip;
    equals = w.len != 0 ? memchr(w.at, '=', w.len) : NULL;
    if (equals == NULL)
        return false;
    key = (struct word){ w.at, (size_t)(equals - w.at) };
    value = (struct word){ equals + 1, w.len - key.len - 1 };
    if (word_is(key, "seed"))
        return skip == 0 && read_count(value, &opts->seed);
    if (!is_out && !set_one(&opts->in, key, value))
        return false;
    return is_in || set_one(&opts->out, key, value);
}

int rn_impair_parse(const char *text, struct rn_impair_opts *ret, const char **ret_word,
                    size_t *ret_len)
{
    struct rn_impair_opts opts = { 0 };
    size_t len = strlen(text);
    size_t from = 0;

    while (from <= len) {
        const char *comma = memchr(text + from, ',', len - from);
        struct word w = { text + from, comma != NULL ? (size_t)(comma - text) - from : len - from };

        if (!read_word(w, &opts)) {
            *ret_word = w.at;
            *ret_len = w.len;
            return RN_E_PARSE;
        }
        from += w.len + 1;
    }
    *ret = opts;
    return RN_OK;
}
