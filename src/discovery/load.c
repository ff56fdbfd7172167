#include "discovery/load.h"

#include "discovery/redact.h"

#include "host/nlattr.h"
#include "host/proc.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

void rn_load_init(struct rn_load *l, struct rn_map *map)
{
    *l = (struct rn_load){ .map = map };
}

const char *rn_load_str(struct rn_load *l, struct rn_view v)
{
    return rn_arena_str(&l->map->arena, v);
}

/* NAME="Debian GNU/Linux", quotes optional (os-release(5)). */
static const char *os_release(struct rn_load *l, struct rn_view text, const char *key)
{
    size_t key_len = strlen(key);
    struct rn_view line;

    while (rn_text_next_line(&text, &line)) {
        struct rn_view v;

        if (!rn_view_starts(line, key))
            continue;
        v = rn_view_of(line.ptr + key_len, line.len - key_len);
        if (v.len >= 2 && (v.ptr[0] == '"' || v.ptr[0] == '\'') && v.ptr[v.len - 1] == v.ptr[0])
            v = rn_view_of(v.ptr + 1, v.len - 2);
        return rn_load_str(l, v);
    }
    return "";
}

static void load_host(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    struct rn_map_host *h = &l->map->host;
    struct rn_view os;
    struct rn_view line;
    uint32_t flags;

    h->scanner_uid = rn_read_be32(&r);
    h->scanner_caps = rn_read_be64(&r);
    h->taken_unix_s = rn_read_be64(&r);
    flags = rn_read_be32(&r);
    l->self_dev = rn_read_be64(&r);
    l->self_ino = rn_read_be64(&r);
    l->init_dev = rn_read_be64(&r);
    l->init_ino = rn_read_be64(&r);
    h->hostname = rn_load_str(l, rn_dump_read_text(&r));
    os = rn_dump_read_text(&r);
    h->os_name = os_release(l, os, "NAME=");
    h->os_version = os_release(l, os, "VERSION=");
    h->kernel = rn_load_str(l, rn_dump_read_text(&r));
    os = rn_dump_read_text(&r);
    if (rn_text_next_line(&os, &line))
        h->cpus_online = rn_load_str(l, line);
    l->map->is_redacted = flags & RN_DUMP_HOST_IS_REDACTED;
    l->map->has_filters = flags & RN_DUMP_HOST_HAS_FILTERS;
    /* Inside a PID namespace the machine's first process is out of sight: the scanner's own stands in. */
    l->map->is_initial_guessed = l->init_ino == 0;
    if (l->init_ino == 0) {
        l->init_dev = l->self_dev;
        l->init_ino = l->self_ino;
    }
}

/* Where a namespace's seq stands, or will: identities may be hostile, but then only this reader is slow. */
static uint32_t *seq_slot(struct rn_load *l, uint64_t dev, uint64_t ino)
{
    /* 2^64 / golden ratio */
    size_t i = (size_t)(((ino ^ dev << 32) * 0x9e3779b97f4a7c15u) >> 32) & (l->n_slots - 1);

    for (; l->seqs_by_ino[i] != 0; i = (i + 1) & (l->n_slots - 1)) {
        const struct rn_map_netns *ns = l->by_seq[l->seqs_by_ino[i] - 1];

        if (ns->ino == ino && ns->dev == dev)
            break;
    }
    return &l->seqs_by_ino[i];
}

static bool make_slots(struct rn_load *l)
{
    size_t n = l->n_slots != 0 ? l->n_slots * 2 : 64;
    uint32_t *slots;

    if (l->n_seq * 2 < l->n_slots)
        return true;
    slots = rn_arena_new(&l->map->arena, n * sizeof(*slots));
    if (slots == NULL)
        return false;
    l->seqs_by_ino = slots;
    l->n_slots = n;
    for (size_t i = 0; i < l->n_seq; i++)
        *seq_slot(l, l->by_seq[i]->dev, l->by_seq[i]->ino) = rn_sat_u32(i + 1);
    return true;
}

static void load_netns(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    uint32_t seq = rn_read_be32(&r);
    uint64_t dev = rn_read_be64(&r);
    uint64_t ino = rn_read_be64(&r);
    struct rn_map_netns **grown;
    struct rn_map_netns *ns;
    uint32_t *slot;

    if (!make_slots(l))
        return;
    slot = seq_slot(l, dev, ino);
    if (r.short_read || seq != l->n_seq || *slot != 0) {
        l->n_malformed++;
        return;
    }
    grown = rn_arena_room(&l->map->arena, l->by_seq, l->n_seq, sizeof(*grown));
    if (grown == NULL)
        return;
    l->by_seq = grown;
    ns = rn_model_add_netns(l->map, dev, ino);
    if (ns == NULL)
        return;
    l->by_seq[l->n_seq++] = ns;
    *slot = rn_sat_u32(l->n_seq);
    ns->is_initial = dev == l->init_dev && ino == l->init_ino;
    ns->is_current = dev == l->self_dev && ino == l->self_ino;
}

static struct rn_map_netns *netns_of(struct rn_load *l, uint32_t seq)
{
    return seq < l->n_seq ? l->by_seq[seq] : NULL;
}

/* /run/netns is where ip(8) keeps names; other engines' directories hold ids, which are no names. */
static const char *name_in_run(const char *path)
{
    static const char *const dirs[] = { "/run/netns/", "/var/run/netns/" };

    for (size_t i = 0; i < RN_ARRAY_LEN(dirs); i++) {
        size_t len = strlen(dirs[i]);

        if (strncmp(path, dirs[i], len) == 0 && strchr(path + len, '/') == NULL)
            return path + len;
    }
    return "";
}

static void load_ref(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    struct rn_map_netns *ns = netns_of(l, rn_read_be32(&r));
    struct rn_map_ref ref = { 0 };
    struct rn_map_ref *slot;
    uint8_t found_by = rn_read_u8(&r);

    ref.pid = rn_read_be32(&r);
    ref.fd = rn_read_be32(&r);
    ref.mntns_id = rn_read_be64(&r);
    ref.path = rn_load_str(l, rn_dump_read_text(&r));
    if (ns == NULL || r.short_read || found_by > RN_FOUND_NSID) {
        l->n_malformed++;
        return;
    }
    ref.found_by = (enum rn_map_found_by)found_by;
    slot = rn_model_add_ref(l->map, ns);
    if (slot == NULL)
        return;
    *slot = ref;
    if (ns->name[0] == '\0' && ref.found_by == RN_FOUND_BIND)
        ns->name = name_in_run(ref.path);
}

static void load_visit(struct rn_load *l, const struct rn_dump_frame *frame)
{
    struct rn_reader r = rn_reader_of(frame->payload);

    l->current = netns_of(l, rn_read_be32(&r));
    if (l->current == NULL || frame->table != 0)
        return;
    l->current->cookie = rn_read_be64(&r);
    l->current->owner_uid = rn_read_be32(&r);
    l->current->userns_ino = rn_read_be64(&r);
    l->current->is_entered = !r.short_read;
}

static void load_note(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    struct rn_map_unreadable note = { 0 };

    note.netns = netns_of(l, rn_read_be32(&r));
    note.what = rn_load_str(l, rn_dump_read_text(&r));
    note.id = rn_load_str(l, rn_dump_read_text(&r));
    note.why = rn_load_str(l, rn_dump_read_text(&r));
    note.needs = rn_load_str(l, rn_dump_read_text(&r));
    if (r.short_read)
        l->n_malformed++;
    else
        rn_model_note(l->map, note);
}

static void load_sockets(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    uint32_t pid = rn_read_be32(&r);

    while (r.rest.len >= 8) {
        struct rn_fact_sock *grown =
            rn_arena_room(&l->map->arena, l->socks, l->n_socks, sizeof(*grown));

        if (grown == NULL)
            return;
        l->socks = grown;
        l->socks[l->n_socks].ino = rn_read_be64(&r);
        l->socks[l->n_socks++].pid = pid;
    }
}

static void load_tun(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    struct rn_fact_tun t = { 0 };
    struct rn_fact_tun *grown;

    t.pid = rn_read_be32(&r);
    t.dev = rn_read_be64(&r);
    t.ino = rn_read_be64(&r);
    t.ifname = rn_load_str(l, rn_dump_read_text(&r));
    grown = rn_arena_room(&l->map->arena, l->tuns, l->n_tuns, sizeof(*grown));
    if (grown == NULL || r.short_read)
        return;
    l->tuns = grown;
    l->tuns[l->n_tuns++] = t;
}

static void keep_blob(struct rn_load *l, struct rn_fact_blob **list, size_t *n,
                      const struct rn_fact_blob *blob)
{
    struct rn_fact_blob *grown = rn_arena_room(&l->map->arena, *list, *n, sizeof(*grown));
    uint8_t *copy = rn_arena_new(&l->map->arena, blob->bytes.len + 1);

    if (grown == NULL || copy == NULL)
        return;
    if (blob->bytes.len != 0)
        memcpy(copy, blob->bytes.ptr, blob->bytes.len);
    *list = grown;
    grown[*n] = *blob;
    grown[(*n)++].bytes = rn_view_of(copy, blob->bytes.len);
}

static void load_file(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    struct rn_fact_blob blob = { 0 };
    uint8_t which;
    uint8_t flags;

    blob.pid = rn_read_be32(&r);
    which = rn_read_u8(&r);
    flags = rn_read_u8(&r);
    if (r.short_read) {
        l->n_malformed++;
        return;
    }
    if (which == RN_FILE_STATUS) {
        rn_load_status(l, rn_model_process(l->map, blob.pid), r.rest);
        return;
    }
    if (which == RN_FILE_CMDLINE) {
        rn_load_cmdline(l, rn_model_process(l->map, blob.pid), r.rest);
        return;
    }
    blob.table = which;
    blob.is_truncated = flags & RN_DUMP_FILE_TRUNCATED;
    blob.bytes = r.rest;
    keep_blob(l, &l->files, &l->n_files, &blob);
}

static void load_engine(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    struct rn_fact_blob blob = { 0 };

    blob.kind = rn_read_u8(&r);
    blob.table = rn_read_u8(&r);
    blob.pid = rn_read_be32(&r);
    blob.uid = rn_read_be32(&r);
    blob.path = rn_load_str(l, rn_dump_read_text(&r));
    blob.bytes = r.rest;
    if (!r.short_read)
        keep_blob(l, &l->engines, &l->n_engines, &blob);
}

static void load_message(struct rn_load *l, uint16_t table, struct rn_view payload)
{
    switch (table) {
    case RN_TABLE_LINK:
        rn_load_link(l, payload);
        break;
    case RN_TABLE_ADDR:
        rn_load_addr(l, payload);
        break;
    case RN_TABLE_ROUTE:
        rn_load_route(l, payload);
        break;
    case RN_TABLE_RULE:
        rn_load_rule(l, payload);
        break;
    case RN_TABLE_NEIGH:
    case RN_TABLE_FDB:
        rn_load_neigh(l, payload);
        break;
    case RN_TABLE_NEXTHOP:
        rn_load_nexthop(l, payload);
        break;
    case RN_TABLE_NSID:
        rn_load_nsid(l, payload);
        break;
    case RN_TABLE_TCP:
        rn_load_inet(l, RN_PROTO_TCP, payload);
        break;
    case RN_TABLE_UDP:
        rn_load_inet(l, RN_PROTO_UDP, payload);
        break;
    case RN_TABLE_UDPLITE:
        rn_load_inet(l, RN_PROTO_UDPLITE, payload);
        break;
    case RN_TABLE_MPTCP:
        rn_load_inet(l, RN_PROTO_MPTCP, payload);
        break;
    case RN_TABLE_UNIX:
        rn_load_unix(l, payload);
        break;
    case RN_TABLE_PACKET:
        rn_load_packet(l, payload);
        break;
    case RN_TABLE_WIREGUARD:
        rn_load_wireguard(l, payload);
        break;
    default:
        break;
    }
}

static void load_netlink(struct rn_load *l, const struct rn_dump_frame *frame)
{
    struct rn_view rest = frame->payload;
    struct rn_nlmsg m;

    if (l->current == NULL)
        return;
    if (frame->table >= RN_TABLE_NFT_TABLE && frame->table <= RN_TABLE_NFT_ELEM) {
        keep_blob(l, &l->nft, &l->n_nft,
                  &(struct rn_fact_blob){
                      .netns = l->current, .table = frame->table, .bytes = frame->payload });
        return;
    }
    while (rn_nlmsg_next(&rest, &m)) {
        if (m.type >= NLMSG_MIN_TYPE)
            load_message(l, frame->table, m.payload);
    }
}

static void load_xtables(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    struct rn_fact_blob blob = { .netns = l->current };

    blob.kind = rn_read_u8(&r);
    blob.bytes = r.rest;
    if (l->current != NULL)
        keep_blob(l, &l->nft, &l->n_nft, &blob);
}

static struct rn_addr read_addr(struct rn_reader *r)
{
    struct rn_view v = rn_read_view(r, 16);

    return v.len == 16 ? rn_addr_v6(v.ptr) : rn_addr_none();
}

/* What a redacted stream has instead of rules. */
static void load_forward(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    struct rn_map_netns *ns = netns_of(l, rn_read_be32(&r));
    uint8_t origin = rn_read_u8(&r);
    struct rn_map_fwd f = { .netns = ns, .rule = "", .comment = "", .why = "" };
    struct rn_map_fwd *slot;
    uint8_t bits;

    f.origin = (enum rn_map_fwd_origin)origin;
    f.family = rn_read_u8(&r);
    f.ip_proto = rn_read_u8(&r);
    f.hooks = rn_read_u8(&r);
    f.is_conditional = rn_read_u8(&r) != 0;
    bits = rn_read_u8(&r);
    f.addr = rn_prefix_of(read_addr(&r), bits);
    f.addr.is_v4 = f.family == RN_FAMILY_V4;
    f.to = read_addr(&r);
    f.port_from = rn_read_be16(&r);
    f.port_to = rn_read_be16(&r);
    f.to_port_from = rn_read_be16(&r);
    f.to_port_to = rn_read_be16(&r);
    f.proxy = rn_model_process(l->map, rn_read_be32(&r));
    f.iif = rn_load_str(l, rn_dump_read_text(&r));
    f.to_netns = netns_of(l, rn_read_be32(&r));
    if (ns == NULL || r.short_read || origin > RN_FWD_PROXY || bits > (f.addr.is_v4 ? 32 : 128)) {
        l->n_malformed++;
        return;
    }
    slot = rn_model_add_fwd(l->map, ns);
    if (slot != NULL)
        *slot = f;
}

void rn_load_frame(struct rn_load *l, const struct rn_dump_frame *frame)
{
    switch (frame->type) {
    case RN_DUMP_HOST:
        load_host(l, frame->payload);
        break;
    case RN_DUMP_PROCESS:
        rn_load_process(l, frame->payload);
        break;
    case RN_DUMP_SOCKETS:
        load_sockets(l, frame->payload);
        break;
    case RN_DUMP_TUN:
        load_tun(l, frame->payload);
        break;
    case RN_DUMP_NETNS:
        load_netns(l, frame->payload);
        break;
    case RN_DUMP_REF:
        load_ref(l, frame->payload);
        break;
    case RN_DUMP_VISIT:
        load_visit(l, frame);
        break;
    case RN_DUMP_NETLINK:
        load_netlink(l, frame);
        break;
    case RN_DUMP_XTABLES:
        load_xtables(l, frame->payload);
        break;
    case RN_DUMP_PROCNET:
        if (l->current != NULL && frame->table < RN_TABLE_N)
            rn_load_procnet(l, (enum rn_dump_table)frame->table, frame->payload);
        break;
    case RN_DUMP_DRIVER:
        rn_load_driver(l, frame->payload);
        break;
    case RN_DUMP_FILE:
        load_file(l, frame->payload);
        break;
    case RN_DUMP_ENGINE:
        load_engine(l, frame->payload);
        break;
    case RN_DUMP_NOTE:
        load_note(l, frame->payload);
        break;
    case RN_DUMP_FORWARD:
        load_forward(l, frame->payload);
        break;
    case RN_DUMP_NSID:
        rn_load_nsid_of(l, frame->payload);
        break;
    case RN_DUMP_END:
        l->is_ended = true;
        break;
    default:
        break; /* of a newer runnel */
    }
}

int rn_load_stream(struct rn_load *l, struct rn_dump_reader *r)
{
    struct rn_dump_frame frame;
    int got = 0;

    /* Not the end of the file counts: a child of the broker that hangs for good holds the pipe open. */
    while (!l->is_ended && (got = rn_dump_next(r, &frame)) > 0) {
        rn_load_frame(l, &frame);
        if (l->redact != NULL)
            rn_redact_frame(l->redact, &frame);
    }
    if (got < 0)
        return got;
    return l->map->arena.is_full ? RN_E_LIMIT : RN_OK;
}
