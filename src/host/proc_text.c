/* The pure half of proc.h: text of /proc files as values. */
#include "host/proc.h"

bool rn_view_is(struct rn_view v, const char *s)
{
    size_t len = strlen(s);

    return v.len == len && (len == 0 || memcmp(v.ptr, s, len) == 0);
}

bool rn_view_starts(struct rn_view v, const char *s)
{
    size_t len = strlen(s);

    return v.len >= len && len != 0 && memcmp(v.ptr, s, len) == 0;
}

bool rn_text_next_line(struct rn_view *text, struct rn_view *ret)
{
    const uint8_t *nl;

    if (text->len == 0)
        return false;
    nl = memchr(text->ptr, '\n', text->len);
    ret->ptr = text->ptr;
    ret->len = nl != NULL ? (size_t)(nl - text->ptr) : text->len;
    if (nl == NULL) {
        text->len = 0;
        return true;
    }
    *text = rn_view_of(nl + 1, text->len - ret->len - 1);
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

bool rn_text_next_word(struct rn_view *line, struct rn_view *ret)
{
    size_t start = 0;
    size_t end;

    while (start < line->len && is_blank(line->ptr[start]))
        start++;
    end = start;
    while (end < line->len && !is_blank(line->ptr[end]))
        end++;
    if (end == start)
        return false;
    *ret = rn_view_of(line->ptr + start, end - start);
    *line = rn_view_of(line->ptr + end, line->len - end);
    return true;
}

static unsigned digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - (unsigned)'0';
    if (c >= 'a' && c <= 'f')
        return c - (unsigned)'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - (unsigned)'A' + 10;
    return UINT8_MAX;
}

bool rn_text_number(struct rn_view word, unsigned base, uint64_t *ret)
{
    uint64_t n = 0;

    if (word.len == 0)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        unsigned d = digit_of(word.ptr[i]);

        if (d >= base || n > (UINT64_MAX - d) / base)
            return false;
        n = n * base + d;
    }
    *ret = n;
    return true;
}

static uint64_t next_number(struct rn_view *line)
{
    struct rn_view word;
    uint64_t n = 0;

    if (rn_text_next_word(line, &word))
        (void)rn_text_number(word, 10, &n);
    return n;
}

static int32_t next_signed(struct rn_view *line)
{
    struct rn_view word;
    uint64_t n = 0;
    bool is_negative;

    if (!rn_text_next_word(line, &word))
        return 0;
    is_negative = word.ptr[0] == '-';
    if (is_negative)
        word = rn_view_of(word.ptr + 1, word.len - 1);
    if (!rn_text_number(word, 10, &n) || n > INT32_MAX)
        return 0;
    return is_negative ? -(int32_t)n : (int32_t)n;
}

static void skip_words(struct rn_view *line, unsigned n)
{
    struct rn_view word;

    while (n-- != 0 && rn_text_next_word(line, &word))
        ;
}

/* proc(5): "pid (comm) state ppid ...". comm is the process's own choice, so its end is the last ')'. */
int rn_proc_stat_parse(struct rn_view text, struct rn_proc_stat *ret)
{
    const uint8_t *open_paren = text.len != 0 ? memchr(text.ptr, '(', text.len) : NULL;
    const uint8_t *close_paren = text.len != 0 ? memrchr(text.ptr, ')', text.len) : NULL;
    struct rn_proc_stat s = { 0 };
    struct rn_view head;
    struct rn_view rest;
    struct rn_view word;

    if (open_paren == NULL || close_paren == NULL || close_paren < open_paren)
        return RN_E_MALFORMED;
    head = rn_view_of(text.ptr, (size_t)(open_paren - text.ptr));
    s.pid = rn_sat_u32(next_number(&head));
    s.comm = rn_view_of(open_paren + 1, (size_t)(close_paren - open_paren - 1));
    rest = rn_view_of(close_paren + 1, text.len - (size_t)(close_paren + 1 - text.ptr));
    if (!rn_text_next_word(&rest, &word))
        return RN_E_MALFORMED;
    s.state = (char)word.ptr[0];
    s.ppid = rn_sat_u32(next_number(&rest)); /* field 4 */
    skip_words(&rest, 4);                    /* pgrp session tty tpgid */
    s.flags = rn_sat_u32(next_number(&rest));
    skip_words(&rest, 9); /* 10..18: faults, times, priority */
    s.nice = next_signed(&rest);
    s.n_threads = rn_sat_u32(next_number(&rest));
    skip_words(&rest, 1);
    s.start_ticks = next_number(&rest); /* field 22 */
    skip_words(&rest, 17);              /* 23..39 */
    s.rt_priority = rn_sat_u32(next_number(&rest));
    s.policy = rn_sat_u32(next_number(&rest));
    *ret = s;
    return RN_OK;
}

static struct rn_view after_colon(struct rn_view line, size_t key_len)
{
    return rn_view_of(line.ptr + key_len, line.len - key_len);
}

static uint64_t hex_word(struct rn_view line)
{
    struct rn_view word;
    uint64_t n = 0;

    if (rn_text_next_word(&line, &word))
        (void)rn_text_number(word, 16, &n);
    return n;
}

static void read_nspids(struct rn_view line, struct rn_proc_status *s)
{
    struct rn_view word;
    uint64_t n;

    while (s->n_nspids < RN_PROC_NSPIDS_MAX && rn_text_next_word(&line, &word)) {
        if (rn_text_number(word, 10, &n))
            s->nspids[s->n_nspids++] = rn_sat_u32(n);
    }
}

void rn_proc_status_parse(struct rn_view text, struct rn_proc_status *ret)
{
    struct rn_view line;

    *ret = (struct rn_proc_status){ 0 };
    while (rn_text_next_line(&text, &line)) {
        struct rn_view rest;

        if (rn_view_starts(line, "Uid:")) {
            rest = after_colon(line, 4);
            ret->real_uid = rn_sat_u32(next_number(&rest));
            ret->uid = rn_sat_u32(next_number(&rest));
        } else if (rn_view_starts(line, "Gid:")) {
            rest = after_colon(line, 4);
            skip_words(&rest, 1);
            ret->gid = rn_sat_u32(next_number(&rest));
        } else if (rn_view_starts(line, "NSpid:")) {
            read_nspids(after_colon(line, 6), ret);
        } else if (rn_view_starts(line, "CapEff:")) {
            ret->cap_effective = hex_word(after_colon(line, 7));
        } else if (rn_view_starts(line, "CapBnd:")) {
            ret->cap_bounding = hex_word(after_colon(line, 7));
        } else if (rn_view_starts(line, "Cpus_allowed_list:")) {
            rest = after_colon(line, 18);
            (void)rn_text_next_word(&rest, &ret->cpus);
        }
    }
}

/* A line is "id:controllers:path"; the unified hierarchy is "0::path". */
static bool split_cgroup(struct rn_view line, struct rn_view *controllers, struct rn_view *path)
{
    const uint8_t *first = memchr(line.ptr, ':', line.len);
    const uint8_t *end = line.ptr + line.len;
    const uint8_t *second;

    if (first == NULL)
        return false;
    second = memchr(first + 1, ':', (size_t)(end - first - 1));
    if (second == NULL)
        return false;
    *controllers = rn_view_of(first + 1, (size_t)(second - first - 1));
    *path = rn_view_of(second + 1, (size_t)(end - second - 1));
    return true;
}

struct rn_view rn_proc_cgroup_path(struct rn_view text)
{
    /* Hosts with hybrid cgroups leave v2 at "/" and put containers into v1 hierarchies. */
    static const char *const order[] = { "", "name=systemd", "memory", "pids", "devices" };
    struct rn_view best = rn_view_of("", 0);
    struct rn_view line;
    size_t best_rank = RN_ARRAY_LEN(order);

    while (rn_text_next_line(&text, &line)) {
        struct rn_view controllers;
        struct rn_view path;

        if (line.len == 0 || !split_cgroup(line, &controllers, &path) || path.len <= 1)
            continue;
        for (size_t i = 0; i < best_rank; i++) {
            if (rn_view_is(controllers, order[i])) {
                best_rank = i;
                best = path;
            }
        }
    }
    return best;
}

struct rn_view rn_proc_cgroup_of(struct rn_view text, const char *controller)
{
    struct rn_view line;
    struct rn_view controllers;
    struct rn_view path;

    while (rn_text_next_line(&text, &line)) {
        if (line.len != 0 && split_cgroup(line, &controllers, &path) &&
            rn_view_is(controllers, controller))
            return path;
    }
    return rn_view_of("", 0);
}

static bool split_device(struct rn_view word, struct rn_mount *m)
{
    const uint8_t *colon = memchr(word.ptr, ':', word.len);
    size_t n;
    uint64_t major;
    uint64_t minor;

    if (colon == NULL)
        return false;
    n = (size_t)(colon - word.ptr);
    if (!rn_text_number(rn_view_of(word.ptr, n), 10, &major) ||
        !rn_text_number(rn_view_of(colon + 1, word.len - n - 1), 10, &minor))
        return false;
    m->major = rn_sat_u32(major);
    m->minor = rn_sat_u32(minor);
    return true;
}

/* proc(5): id parent major:minor root point options [optional...] - fstype source superoptions. */
static bool parse_mount(struct rn_view line, struct rn_mount *ret)
{
    struct rn_view word;

    skip_words(&line, 2);
    if (!rn_text_next_word(&line, &word) || !split_device(word, ret))
        return false;
    if (!rn_text_next_word(&line, &ret->root) || !rn_text_next_word(&line, &ret->point))
        return false;
    while (rn_text_next_word(&line, &word)) {
        if (rn_view_is(word, "-"))
            return rn_text_next_word(&line, &ret->fstype);
    }
    return false;
}

bool rn_proc_next_mount(struct rn_view *text, struct rn_mount *ret)
{
    struct rn_view line;

    while (rn_text_next_line(text, &line)) {
        if (parse_mount(line, ret))
            return true;
    }
    return false;
}

static bool is_octal(const uint8_t *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

void rn_proc_unescape(struct rn_view v, char *buf, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < v.len && n + 1 < cap; i++) {
        if (v.ptr[i] == '\\' && v.len - i > 3 && is_octal(v.ptr + i + 1)) {
            buf[n++] = (char)((v.ptr[i + 1] - '0') << 6 | (v.ptr[i + 2] - '0') << 3 |
                              (v.ptr[i + 3] - '0'));
            i += 3;
        } else {
            buf[n++] = (char)v.ptr[i];
        }
    }
    buf[n] = '\0';
}
