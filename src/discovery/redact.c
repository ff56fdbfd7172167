#include "discovery/redact.h"

#include "base/text.h"
#include "host/cgroup.h"
#include "host/nlattr.h"
#include "host/proc.h"

#include <errno.h>
#include <sys/random.h>

int rn_redact_init(struct rn_redact *r, int fd)
{
    uint8_t key[16];
    int err;

    if (getrandom(key, sizeof(key), 0) != sizeof(key))
        return rn_err_from_errno(errno);
    r->key = rn_hash_key_of(key);
    err = rn_dump_writer_init(&r->out, fd);
    if (err == RN_OK)
        rn_dump_header(&r->out);
    return err;
}

void rn_redact_fini(struct rn_redact *r)
{
    rn_dump_writer_fini(&r->out);
}

/* ---- frames that are mostly numbers ---- */

static void put_name(struct rn_redact *r, const char *before, struct rn_view name)
{
    char text[64];
    char word[RN_REDACT_NAME_BYTES];
    struct rn_text t = rn_text_of(text, sizeof(text));

    rn_text_str(&t, before);
    rn_text_str(&t, rn_redact_name(r, name, word));
    rn_dump_str(&r->out, text);
}

static void copy_bytes(struct rn_redact *r, struct rn_reader *in, size_t len)
{
    rn_dump_bytes(&r->out, rn_read_view(in, len));
}

static void redact_host(struct rn_redact *r, struct rn_reader *in)
{
    struct rn_dump_writer *out = &r->out;

    copy_bytes(r, in, 4 + 8 + 8); /* uid, capabilities, time */
    rn_dump_u32(out, (rn_read_be32(in) & ~(uint32_t)RN_DUMP_HOST_HAS_FILTERS) |
                         RN_DUMP_HOST_IS_REDACTED);
    copy_bytes(r, in, 4 * 8); /* whose namespaces */
    put_name(r, "", rn_dump_read_text(in));
    for (unsigned i = 0; i < 3; i++) /* distribution, kernel, processors */
        rn_dump_text(out, rn_dump_read_text(in));
}

struct rn_view rn_redact_cmdline(struct rn_view cmdline)
{
    size_t n = 0;

    while (n < cmdline.len && cmdline.ptr[n] > ' ' && cmdline.ptr[n] != ':')
        n++;
    return rn_view_of(cmdline.ptr, n);
}

static void redact_process(struct rn_redact *r, struct rn_reader *in)
{
    struct rn_dump_writer *out = &r->out;

    copy_bytes(r, in, 4 + 6 * 8 + 4); /* pid, namespaces, flags */
    rn_dump_text(out, rn_dump_read_text(in));
    rn_redact_cgroup(r, rn_dump_read_text(in));
    rn_dump_text(out, rn_redact_cmdline(rn_dump_read_text(in)));
}

static void redact_tun(struct rn_redact *r, struct rn_reader *in)
{
    copy_bytes(r, in, 4 + 8 + 8);
    put_name(r, "", rn_dump_read_text(in));
}

static void redact_ref(struct rn_redact *r, struct rn_reader *in)
{
    struct rn_view path;
    size_t slash;

    copy_bytes(r, in, 4 + 1 + 4 + 4 + 8);
    path = rn_dump_read_text(in);
    slash = path.len;
    while (slash != 0 && path.ptr[slash - 1] != '/')
        slash--;
    if (path.len == 0)
        rn_dump_str(&r->out, "");
    else if (rn_view_starts(path, "/run/netns/") || rn_view_starts(path, "/var/run/netns/"))
        put_name(r, "/run/netns/", rn_view_of(path.ptr + slash, path.len - slash));
    else
        put_name(r, "/", path);
}

/* Ids of ours are numbers, capabilities and "pid N /etc/..."; a path may hold a name. */
static void redact_note(struct rn_redact *r, struct rn_reader *in)
{
    struct rn_view id;

    copy_bytes(r, in, 4);
    rn_dump_text(&r->out, rn_dump_read_text(in));
    id = rn_dump_read_text(in);
    if (id.len != 0 && id.ptr[0] == '/')
        put_name(r, "/", id);
    else
        rn_dump_text(&r->out, id);
    rn_dump_text(&r->out, rn_dump_read_text(in));
    rn_dump_text(&r->out, rn_dump_read_text(in));
}

static void redact_file(struct rn_redact *r, struct rn_reader *in)
{
    uint8_t which;

    copy_bytes(r, in, 4);
    which = rn_read_u8(in);
    rn_dump_u8(&r->out, which);
    copy_bytes(r, in, 1);
    rn_redact_file(r, (enum rn_dump_file)which, in->rest);
}

/* "namespace/id": those that engines choose themselves say nothing of the machine. */
static void put_bundle_path(struct rn_redact *r, struct rn_view path)
{
    static const char *const known[] = { "default/", "moby/", "k8s.io/" };
    char text[RN_REDACT_NAME_BYTES + RN_REDACT_ID_BYTES];
    char word[RN_REDACT_ID_BYTES];
    struct rn_text t = rn_text_of(text, sizeof(text));
    size_t slash = path.len;
    struct rn_view id;

    while (slash != 0 && path.ptr[slash - 1] != '/')
        slash--;
    id = rn_view_of(path.ptr + slash, path.len - slash);
    for (size_t i = 0; i < RN_ARRAY_LEN(known) && t.len == 0; i++)
        rn_text_str(&t, rn_view_is(rn_view_of(path.ptr, slash), known[i]) ? known[i] : "");
    if (slash != 0 && t.len == 0) {
        rn_text_str(&t, rn_redact_name(r, rn_view_of(path.ptr, slash - 1), word));
        rn_text_char(&t, '/');
    }
    rn_text_str(&t, id.len == RN_REDACT_ID_BYTES - 1 ? rn_redact_id(r, id, word)
                                                     : rn_redact_name(r, id, word));
    rn_dump_str(&r->out, text);
}

static void redact_engine(struct rn_redact *r, struct rn_reader *in)
{
    uint8_t which;

    copy_bytes(r, in, 1);
    which = rn_read_u8(in);
    rn_dump_u8(&r->out, which);
    copy_bytes(r, in, 4 + 4);
    if (which == RN_ASK_BUNDLE)
        put_bundle_path(r, rn_dump_read_text(in));
    else
        put_name(r, "/", rn_dump_read_text(in));
    rn_redact_engine(r, (enum rn_dump_ask)which, in->rest);
}

static void redact_procnet(struct rn_redact *r, struct rn_reader *in)
{
    rn_redact_procnet(r, in->rest);
}

static void redact_nothing(struct rn_redact *r, struct rn_reader *in)
{
    rn_dump_bytes(&r->out, in->rest);
}

static void (*const redactors[])(struct rn_redact *r, struct rn_reader *in) = {
    [RN_DUMP_HOST] = redact_host,       [RN_DUMP_PROCESS] = redact_process,
    [RN_DUMP_SOCKETS] = redact_nothing, [RN_DUMP_TUN] = redact_tun,
    [RN_DUMP_NETNS] = redact_nothing,   [RN_DUMP_REF] = redact_ref,
    [RN_DUMP_NSID] = redact_nothing,    [RN_DUMP_VISIT] = redact_nothing,
    [RN_DUMP_PROCNET] = redact_procnet, [RN_DUMP_DRIVER] = redact_nothing,
    [RN_DUMP_FILE] = redact_file,       [RN_DUMP_ENGINE] = redact_engine,
    [RN_DUMP_NOTE] = redact_note,
};

void rn_redact_frame(struct rn_redact *r, const struct rn_dump_frame *frame)
{
    struct rn_reader in = rn_reader_of(frame->payload);

    if (frame->type == RN_DUMP_NETLINK) {
        rn_redact_netlink(r, frame);
    } else if (frame->type < RN_ARRAY_LEN(redactors) && redactors[frame->type] != NULL) {
        rn_dump_begin(&r->out, (enum rn_dump_type)frame->type, frame->table);
        redactors[frame->type](r, &in);
        rn_dump_end(&r->out);
    }
    if (r->out.len >= RN_REDACT_FLUSH_BYTES && rn_dump_flush(&r->out) < 0)
        return; /* the error latches: rn_redact_finish() reports it */
}

/* ---- forwarded ports instead of rules ---- */

static void put_addr(struct rn_redact *r, struct rn_addr a)
{
    a = rn_redact_addr(r, a);
    rn_dump_bytes(&r->out, rn_view_of(a.b, sizeof(a.b)));
}

/* "!eth0" and "veth*" stay what they were. */
static void put_iif(struct rn_redact *r, const char *iif)
{
    bool is_inverted = iif[0] == '!';
    struct rn_view name = rn_view_of(iif + is_inverted, strlen(iif + is_inverted));
    bool is_prefix = name.len != 0 && name.ptr[name.len - 1] == '*';
    char word[RN_REDACT_NAME_BYTES];
    char text[RN_REDACT_NAME_BYTES + 2];
    struct rn_text t = rn_text_of(text, sizeof(text));

    name.len -= is_prefix;
    rn_text_str(&t, is_inverted ? "!" : "");
    rn_text_str(&t, rn_redact_name(r, name, word));
    rn_text_str(&t, is_prefix ? "*" : "");
    rn_dump_str(&r->out, text);
}

/* Where a proxy leads no route tells. */
static uint32_t seq_behind(const struct rn_load *load, const struct rn_map_fwd *f)
{
    for (uint32_t seq = 0; f->proxy != NULL && seq < load->n_seq; seq++) {
        if (load->by_seq[seq] == f->to_netns)
            return seq;
    }
    return RN_DUMP_NO_SEQ;
}

static void put_forward(struct rn_redact *r, const struct rn_load *load, uint32_t seq,
                        const struct rn_map_fwd *f)
{
    struct rn_dump_writer *out = &r->out;
    struct rn_prefix to = f->addr;

    rn_dump_begin(out, RN_DUMP_FORWARD, 0);
    rn_dump_u32(out, seq);
    rn_dump_u8(out, (uint8_t)f->origin);
    rn_dump_u8(out, f->family);
    rn_dump_u8(out, f->ip_proto);
    rn_dump_u8(out, f->hooks);
    rn_dump_u8(out, f->is_conditional);
    rn_dump_u8(out, f->addr.bits);
    to = rn_prefix_of(rn_redact_addr(r, to.addr), to.bits);
    rn_dump_bytes(out, rn_view_of(to.addr.b, sizeof(to.addr.b)));
    put_addr(r, f->to);
    rn_dump_u32(out, (uint32_t)f->port_from << 16 | f->port_to);
    rn_dump_u32(out, (uint32_t)f->to_port_from << 16 | f->to_port_to);
    rn_dump_u32(out, f->proxy != NULL ? f->proxy->pid : 0);
    put_iif(r, f->iif);
    rn_dump_u32(out, seq_behind(load, f));
    rn_dump_end(out);
}

int rn_redact_finish(struct rn_redact *r, const struct rn_load *load)
{
    for (uint32_t seq = 0; seq < load->n_seq; seq++) {
        const struct rn_map_netns *ns = load->by_seq[seq];

        for (size_t i = 0; i < ns->n_fwds; i++)
            put_forward(r, load, seq, &ns->fwds[i]);
    }
    if (load->is_ended) {
        rn_dump_begin(&r->out, RN_DUMP_END, 0);
        rn_dump_end(&r->out);
    }
    return rn_dump_flush(&r->out);
}
