/* Name resolution from a tenant's own files. The files are the tenant's: every line may be a lie or noise. */
#include "discovery/phases.h"

#include "host/proc.h"

#include <stdlib.h>

#define LINES_MAX      4096u
#define LINE_MAX_BYTES 1024u
#define HOSTS_MAX      4096u

/* One line without comment, at most LINE_MAX_BYTES; false at the end or after LINES_MAX. */
struct lines {
    struct rn_view rest;
    size_t n;
    const char *comment_chars;
};

static bool next_line(struct lines *in, struct rn_view *ret)
{
    if (in->n++ >= LINES_MAX || !rn_text_next_line(&in->rest, ret))
        return false;
    ret->len = rn_min_size(ret->len, LINE_MAX_BYTES);
    for (size_t i = 0; i < ret->len; i++) {
        if (strchr(in->comment_chars, ret->ptr[i]) != NULL)
            ret->len = i; /* a NUL ends the line too: strchr finds it */
    }
    return true;
}

static bool read_addr(struct rn_view word, struct rn_addr *ret)
{
    char text[RN_ADDR_TEXT_BYTES];
    const uint8_t *zone = memchr(word.ptr, '%', word.len);

    if (zone != NULL)
        word.len = (size_t)(zone - word.ptr);
    if (word.len >= sizeof(text))
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    return rn_addr_parse(text, ret) == RN_OK;
}

static const char *first_word(struct rn_load *l, struct rn_view text)
{
    struct lines in = { .rest = text, .comment_chars = "#" };
    struct rn_view line;
    struct rn_view word;

    while (next_line(&in, &line)) {
        if (rn_text_next_word(&line, &word))
            return rn_load_str(l, word);
    }
    return "";
}

static void add_host(struct rn_load *l, struct rn_map_dns *dns, const struct rn_map_host_entry *e)
{
    struct rn_map_host_entry *grown;

    if (dns->n_hosts >= HOSTS_MAX) {
        dns->is_truncated = true;
        return;
    }
    grown = rn_arena_room(&l->map->arena, dns->hosts, dns->n_hosts, sizeof(*grown));
    if (grown == NULL)
        return;
    dns->hosts = grown;
    dns->hosts[dns->n_hosts++] = *e;
}

/* hosts(5): address name [alias...] */
static void read_hosts(struct rn_load *l, struct rn_map_dns *dns, struct rn_view text)
{
    struct lines in = { .rest = text, .comment_chars = "#" };
    struct rn_view line;
    struct rn_view word;

    while (next_line(&in, &line)) {
        struct rn_map_host_entry e;

        if (!rn_text_next_word(&line, &word) || !read_addr(word, &e.addr))
            continue;
        while (rn_text_next_word(&line, &word)) {
            e.name = rn_load_str(l, word);
            add_host(l, dns, &e);
        }
    }
}

static void add_text(struct rn_load *l, const char ***list, size_t *n, struct rn_view word)
{
    const char **grown = rn_arena_room(&l->map->arena, *list, *n, sizeof(*grown));

    if (grown == NULL)
        return;
    *list = grown;
    grown[(*n)++] = rn_load_str(l, word);
}

static void add_nameserver(struct rn_load *l, struct rn_map_dns *dns, struct rn_view word)
{
    struct rn_addr *grown;
    struct rn_addr a;

    if (!read_addr(word, &a))
        return;
    grown = rn_arena_room(&l->map->arena, dns->nameservers, dns->n_nameservers, sizeof(*grown));
    if (grown == NULL)
        return;
    dns->nameservers = grown;
    dns->nameservers[dns->n_nameservers++] = a;
}

/* resolv.conf(5): of search and domain lines the last wins; comments only start a line. */
static void read_resolv_conf(struct rn_load *l, struct rn_map_dns *dns, struct rn_view text)
{
    struct lines in = { .rest = text, .comment_chars = "" };
    struct rn_view line;
    struct rn_view key;
    struct rn_view word;

    while (next_line(&in, &line)) {
        if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';' ||
            !rn_text_next_word(&line, &key))
            continue;
        if (rn_view_is(key, "nameserver") && rn_text_next_word(&line, &word))
            add_nameserver(l, dns, word);
        if (rn_view_is(key, "search") || rn_view_is(key, "domain")) {
            dns->n_search = 0;
            dns->search = NULL;
            while (rn_text_next_word(&line, &word))
                add_text(l, &dns->search, &dns->n_search, word);
        }
        if (rn_view_is(key, "options")) {
            while (rn_text_next_word(&line, &word))
                add_text(l, &dns->options, &dns->n_options, word);
        }
    }
}

static void read_nsswitch(struct rn_load *l, struct rn_map_dns *dns, struct rn_view text)
{
    struct lines in = { .rest = text, .comment_chars = "#" };
    struct rn_view line;
    struct rn_view key;

    while (next_line(&in, &line)) {
        if (!rn_text_next_word(&line, &key) || !rn_view_is(key, "hosts:"))
            continue;
        while (line.len != 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
            line = rn_view_of(line.ptr + 1, line.len - 1);
        while (line.len != 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
            line.len--;
        dns->nsswitch_hosts = rn_load_str(l, line);
    }
}

static void read_file(struct rn_load *l, struct rn_map_dns *dns, const struct rn_fact_blob *f)
{
    dns->is_truncated |= f->is_truncated;
    switch (f->table) {
    case RN_FILE_HOSTNAME:
        dns->etc_hostname = first_word(l, f->bytes);
        break;
    case RN_FILE_DOMAINNAME:
        dns->domainname = first_word(l, f->bytes);
        break;
    case RN_FILE_HOSTS:
        read_hosts(l, dns, f->bytes);
        break;
    case RN_FILE_RESOLV_CONF:
        read_resolv_conf(l, dns, f->bytes);
        break;
    case RN_FILE_NSSWITCH:
        read_nsswitch(l, dns, f->bytes);
        break;
    case RN_FILE_UTS_HOSTNAME:
        dns->uts_hostname = rn_load_str(l, f->bytes);
        break;
    default:
        break;
    }
}

/* Files lie in the order of pids, one process's side by side. */
/* Two children tell of files at once: whose come first is chance. */
static int cmp_file(const void *pa, const void *pb)
{
    const struct rn_fact_blob *a = pa;
    const struct rn_fact_blob *b = pb;

    if (a->pid != b->pid)
        return a->pid > b->pid ? 1 : -1;
    return (a->table > b->table) - (a->table < b->table);
}

static size_t first_file(const struct rn_load *l, uint32_t pid)
{
    size_t lo = 0;
    size_t hi = l->n_files;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (l->files[mid].pid < pid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint32_t same_as(const struct rn_fact_blob *f)
{
    struct rn_reader r = rn_reader_of(f->bytes);

    return rn_read_be32(&r);
}

/* ---- host names: one process speaks for its UTS namespace ---- */

struct uts {
    uint64_t ino;
    const char *hostname;
};

struct uts_list {
    struct uts *items;
    size_t n;
};

static int cmp_uts(const void *pa, const void *pb)
{
    const struct uts *a = pa;
    const struct uts *b = pb;

    return (a->ino > b->ino) - (a->ino < b->ino);
}

static struct uts_list list_uts(struct rn_load *l)
{
    struct uts_list list = { 0 };

    for (size_t i = 0; i < l->n_files; i++) {
        const struct rn_map_process *p;
        struct uts *grown;

        if (l->files[i].table != RN_FILE_UTS_HOSTNAME)
            continue;
        p = rn_model_process(l->map, l->files[i].pid);
        grown = rn_arena_room(&l->map->arena, list.items, list.n, sizeof(*grown));
        if (p == NULL || p->utsns_ino == 0 || grown == NULL)
            continue;
        list.items = grown;
        list.items[list.n++] = (struct uts){ p->utsns_ino, rn_load_str(l, l->files[i].bytes) };
    }
    if (list.n > 1)
        qsort(list.items, list.n, sizeof(*list.items), cmp_uts);
    return list;
}

/* NULL: nobody told. */
static const char *hostname_in(const struct uts_list *list, uint64_t ino)
{
    const struct uts key = { .ino = ino };
    const struct uts *hit =
        list->n != 0 ? bsearch(&key, list->items, list->n, sizeof(key), cmp_uts) : NULL;

    return hit != NULL ? hit->hostname : NULL;
}

/* ---- together ---- */

static struct rn_map_dns *new_dns(struct rn_load *l, const char *hostname)
{
    struct rn_map_dns *dns = rn_arena_new(&l->map->arena, sizeof(*dns));

    if (dns != NULL)
        *dns = (struct rn_map_dns){ .uts_hostname = hostname != NULL ? hostname : "",
                                    .etc_hostname = "",
                                    .domainname = "",
                                    .nsswitch_hosts = "" };
    return dns;
}

/* A process that sees the same files as another shares its answers; host names are per process all the same. */
static struct rn_map_dns *read_dns(struct rn_load *l, const struct uts_list *uts,
                                   const struct rn_map_process *p)
{
    const char *hostname = hostname_in(uts, p->utsns_ino);
    struct rn_map_dns *dns = hostname != NULL ? new_dns(l, hostname) : NULL;
    uint32_t pid = p->pid;
    uint32_t other = 0;

    for (size_t i = first_file(l, pid); i < l->n_files && l->files[i].pid == pid; i++) {
        if (dns == NULL)
            dns = new_dns(l, NULL);
        if (dns == NULL)
            return NULL;
        if (l->files[i].table == RN_FILE_SAME_AS)
            other = same_as(&l->files[i]);
        else
            read_file(l, dns, &l->files[i]);
    }
    if (dns == NULL || other == pid)
        return dns;
    for (size_t i = first_file(l, other); i < l->n_files && l->files[i].pid == other; i++) {
        if (l->files[i].table != RN_FILE_UTS_HOSTNAME)
            read_file(l, dns, &l->files[i]);
    }
    return dns;
}

void rn_resolv(struct rn_load *l)
{
    const struct uts_list uts = list_uts(l);

    if (l->n_files != 0)
        qsort(l->files, l->n_files, sizeof(*l->files), cmp_file);
    for (size_t i = 0; i < l->map->n_netns; i++) {
        struct rn_map_netns *ns = l->map->netns[i];

        for (size_t k = 0; k < ns->n_tenants; k++)
            ns->tenants[k].dns = read_dns(l, &uts, ns->tenants[k].process);
    }
}
