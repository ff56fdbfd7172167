#include "wire/dns.h"

#include <runnel/err.h>

/* RFC 1035 §4.1.1, AD and CD by RFC 4035. */
enum {
    FLAG_RESPONSE = 0x8000,
    FLAG_AUTHORITATIVE = 0x0400,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION_DESIRED = 0x0100,
    FLAG_RECURSION_AVAILABLE = 0x0080,
    FLAG_AUTHENTIC = 0x0020,
    FLAG_CHECKING_DISABLED = 0x0010,
    OPCODE_SHIFT = 11,
    NIBBLE = 0x0f,
};

#define EDNS_DO             0x8000u /* RFC 3225 §3 */
#define POINTER_TO_QUESTION (0xc000u | RN_DNS_HDR_BYTES)

int rn_dns_parse(struct rn_dns_hdr *ret, struct rn_dns_walk *ret_walk, struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    struct rn_dns_hdr h;
    uint16_t flags;

    h.id = rn_read_be16(&r);
    flags = rn_read_be16(&r);
    h.n_questions = rn_read_be16(&r);
    h.n_answers = rn_read_be16(&r);
    h.n_authority = rn_read_be16(&r);
    h.n_additional = rn_read_be16(&r);
    h.opcode = (flags >> OPCODE_SHIFT) & NIBBLE;
    h.rcode = flags & NIBBLE;
    h.is_response = (flags & FLAG_RESPONSE) != 0;
    h.is_authoritative = (flags & FLAG_AUTHORITATIVE) != 0;
    h.is_truncated = (flags & FLAG_TRUNCATED) != 0;
    h.recursion_desired = (flags & FLAG_RECURSION_DESIRED) != 0;
    h.recursion_available = (flags & FLAG_RECURSION_AVAILABLE) != 0;
    h.is_authentic = (flags & FLAG_AUTHENTIC) != 0;
    h.checking_disabled = (flags & FLAG_CHECKING_DISABLED) != 0;
    if (r.short_read)
        return RN_E_MALFORMED;

    *ret = h;
    *ret_walk = (struct rn_dns_walk){ .msg = msg,
                                      .r = r,
                                      .questions_left = h.n_questions,
                                      .left = { h.n_answers, h.n_authority, h.n_additional } };
    return RN_OK;
}

int rn_dns_question_next(struct rn_dns_walk *walk, struct rn_dns_question *ret)
{
    struct rn_dns_question q;
    int err;

    if (walk->questions_left == 0)
        return 0;
    err = rn_dns_name_read(&q.name, &walk->r, walk->msg);
    if (err < 0)
        return err;
    q.type = rn_read_be16(&walk->r);
    q.class = rn_read_be16(&walk->r);
    if (walk->r.short_read)
        return RN_E_MALFORMED;

    walk->questions_left--;
    *ret = q;
    return 1;
}

static int pass_questions(struct rn_dns_walk *walk)
{
    struct rn_dns_question q;
    int more;

    do {
        more = rn_dns_question_next(walk, &q);
    } while (more > 0);
    return more;
}

/* The section whose turn it is; the count itself when all are done. */
static unsigned current_section(const struct rn_dns_walk *walk)
{
    unsigned section = 0;

    while (section < RN_ARRAY_LEN(walk->left) && walk->left[section] == 0)
        section++;
    return section;
}

int rn_dns_record_next(struct rn_dns_walk *walk, struct rn_dns_record *ret)
{
    struct rn_reader *r = &walk->r;
    struct rn_dns_record rec;
    unsigned section;
    uint16_t data_len;
    int err = pass_questions(walk);

    if (err < 0)
        return err;
    section = current_section(walk);
    if (section == RN_ARRAY_LEN(walk->left) || walk->n_records == RN_DNS_RECORDS_MAX)
        return 0;
    err = rn_dns_name_read(&rec.name, r, walk->msg);
    if (err < 0)
        return err;
    rec.type = rn_read_be16(r);
    rec.class = rn_read_be16(r);
    rec.ttl_s = rn_read_be32(r);
    data_len = rn_read_be16(r);
    rec.data = rn_read_view(r, data_len);
    rec.section = (uint8_t)section;
    if (r->short_read)
        return RN_E_MALFORMED;
    if (rec.ttl_s > RN_DNS_TTL_MAX_S && rec.type != RN_DNS_OPT)
        rec.ttl_s = 0;

    walk->left[section]--;
    walk->n_records++;
    *ret = rec;
    return 1;
}

int rn_dns_record_addr(const struct rn_dns_record *record, struct rn_addr *ret)
{
    struct rn_reader r = rn_reader_of(record->data);
    struct rn_addr addr;

    if (record->type == RN_DNS_A)
        addr = rn_read_addr4(&r);
    else if (record->type == RN_DNS_AAAA)
        addr = rn_read_addr6(&r);
    else
        return RN_E_MALFORMED;
    if (r.short_read || r.rest.len != 0)
        return RN_E_MALFORMED;
    if (record->type == RN_DNS_AAAA && rn_addr_is_v4(addr))
        return RN_E_MALFORMED;

    *ret = addr;
    return RN_OK;
}

int rn_dns_record_name(const struct rn_dns_record *record, struct rn_view msg,
                       struct rn_dns_name *ret)
{
    struct rn_reader r = rn_reader_of(msg);
    struct rn_dns_name name;
    int err;

    if (record->type != RN_DNS_CNAME && record->type != RN_DNS_NS && record->type != RN_DNS_PTR)
        return RN_E_MALFORMED;
    /* The name may point back into the message but must itself end with the record. */
    (void)rn_read_view(&r, (size_t)(record->data.ptr - msg.ptr));
    err = rn_dns_name_read(&name, &r, msg);
    if (err < 0)
        return err;
    if (r.rest.ptr != record->data.ptr + record->data.len)
        return RN_E_MALFORMED;

    *ret = name;
    return RN_OK;
}

static struct rn_dns_edns edns_of(const struct rn_dns_record *opt)
{
    return (struct rn_dns_edns){
        .payload_bytes = (uint16_t)rn_max_u32(opt->class, RN_DNS_UDP_MIN),
        .rcode_high = (uint8_t)(opt->ttl_s >> 24),
        .version = (uint8_t)(opt->ttl_s >> 16),
        .dnssec_ok = (opt->ttl_s & EDNS_DO) != 0,
    };
}

int rn_dns_edns_find(struct rn_dns_edns *ret, struct rn_view msg)
{
    struct rn_dns_edns edns = { 0 };
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_record record;
    int n_found = 0;
    int more = rn_dns_parse(&hdr, &walk, msg);

    if (more < 0)
        return more;
    while ((more = rn_dns_record_next(&walk, &record)) > 0) {
        if (record.type != RN_DNS_OPT || record.section != RN_DNS_ADDITIONAL)
            continue;
        edns = edns_of(&record);
        n_found++;
    }
    if (more < 0 || n_found > 1)
        return RN_E_MALFORMED;
    if (n_found == 1)
        *ret = edns;
    return n_found;
}

static uint16_t flags_of(const struct rn_dns_hdr *h)
{
    unsigned flags = (unsigned)(h->opcode & NIBBLE) << OPCODE_SHIFT | (h->rcode & NIBBLE);

    flags |= h->is_response ? FLAG_RESPONSE : 0u;
    flags |= h->is_authoritative ? FLAG_AUTHORITATIVE : 0u;
    flags |= h->is_truncated ? FLAG_TRUNCATED : 0u;
    flags |= h->recursion_desired ? FLAG_RECURSION_DESIRED : 0u;
    flags |= h->recursion_available ? FLAG_RECURSION_AVAILABLE : 0u;
    flags |= h->is_authentic ? FLAG_AUTHENTIC : 0u;
    flags |= h->checking_disabled ? FLAG_CHECKING_DISABLED : 0u;
    return (uint16_t)flags;
}

void rn_dns_hdr_emit(const struct rn_dns_hdr *hdr, struct rn_writer *w)
{
    rn_write_be16(w, hdr->id);
    rn_write_be16(w, flags_of(hdr));
    rn_write_be16(w, hdr->n_questions);
    rn_write_be16(w, hdr->n_answers);
    rn_write_be16(w, hdr->n_authority);
    rn_write_be16(w, hdr->n_additional);
}

static void write_question(struct rn_writer *w, const struct rn_dns_question *q)
{
    rn_dns_name_write(&q->name, w);
    rn_write_be16(w, q->type);
    rn_write_be16(w, q->class);
}

static void write_opt(struct rn_writer *w)
{
    rn_write_u8(w, 0); /* the root */
    rn_write_be16(w, RN_DNS_OPT);
    rn_write_be16(w, RN_DNS_EDNS_PAYLOAD);
    rn_write_be32(w, 0);
    rn_write_be16(w, 0);
}

static void write_record_head(struct rn_writer *w, enum rn_dns_type type, uint32_t ttl_s)
{
    rn_write_be16(w, POINTER_TO_QUESTION);
    rn_write_be16(w, (uint16_t)type);
    rn_write_be16(w, RN_DNS_IN);
    rn_write_be32(w, ttl_s);
}

static void write_addr(struct rn_writer *w, struct rn_addr addr, uint32_t ttl_s)
{
    if (rn_addr_is_v4(addr)) {
        write_record_head(w, RN_DNS_A, ttl_s);
        rn_write_be16(w, 4);
        rn_write_addr4(w, addr);
    } else {
        write_record_head(w, RN_DNS_AAAA, ttl_s);
        rn_write_be16(w, 16);
        rn_write_addr6(w, addr);
    }
}

static void write_ptr(struct rn_writer *w, const struct rn_dns_name *target, uint32_t ttl_s)
{
    write_record_head(w, RN_DNS_PTR, ttl_s);
    rn_write_be16(w, target->len);
    rn_dns_name_write(target, w);
}

/* Returns the number of answers that fit whole; @w ends behind the last of them. */
static uint16_t write_answers(struct rn_writer *w, const struct rn_dns_reply *reply)
{
    uint16_t n = 0;
    struct rn_writer whole = *w;

    for (size_t i = 0; i < reply->n_addrs && !w->overflow; i++) {
        write_addr(w, reply->addrs[i], reply->ttl_s);
        if (!w->overflow) {
            whole = *w;
            n++;
        }
    }
    if (reply->target != NULL && !w->overflow) {
        write_ptr(w, reply->target, reply->ttl_s);
        if (!w->overflow) {
            whole = *w;
            n++;
        }
    }
    *w = whole;
    return n;
}

static struct rn_dns_hdr reply_hdr(const struct rn_dns_reply *reply)
{
    return (struct rn_dns_hdr){
        .id = reply->query->id,
        .opcode = reply->query->opcode,
        .rcode = reply->rcode,
        .is_response = true,
        .is_authoritative = reply->is_authoritative,
        .is_truncated = reply->is_truncated,
        .recursion_desired = reply->query->recursion_desired,
        .recursion_available = true,
        .checking_disabled = reply->query->checking_disabled,
        .n_questions = reply->question != NULL,
        .n_additional = reply->has_edns,
    };
}

int rn_dns_reply_emit(const struct rn_dns_reply *reply, uint8_t *out, size_t cap)
{
    enum { OPT_BYTES = 11 };
    size_t reserved = reply->has_edns ? OPT_BYTES : 0;
    struct rn_dns_hdr hdr = reply_hdr(reply);
    size_t n_wanted = reply->n_addrs + (reply->target != NULL);
    struct rn_writer head = rn_writer_of(out, RN_DNS_HDR_BYTES);
    struct rn_writer w;

    if (reserved > cap)
        return RN_E_MSG_TOO_LONG;
    w = rn_writer_of(out, rn_min_size(cap, UINT16_MAX) - reserved);
    rn_dns_hdr_emit(&hdr, &w);
    if (reply->question != NULL)
        write_question(&w, reply->question);
    if (w.overflow)
        return RN_E_MSG_TOO_LONG;
    if (reply->question != NULL && !reply->is_truncated)
        hdr.n_answers = write_answers(&w, reply);
    hdr.is_truncated = hdr.is_truncated || hdr.n_answers < n_wanted;
    w.cap += reserved;
    if (reply->has_edns)
        write_opt(&w);

    rn_dns_hdr_emit(&hdr, &head); /* once more, now that the counts are known */
    return (int)w.len;
}

int rn_dns_query_emit(uint16_t id, const struct rn_dns_question *question, uint8_t *out, size_t cap)
{
    struct rn_dns_hdr hdr = {
        .id = id, .recursion_desired = true, .n_questions = 1, .n_additional = 1
    };
    struct rn_writer w = rn_writer_of(out, cap);

    rn_dns_hdr_emit(&hdr, &w);
    write_question(&w, question);
    write_opt(&w);
    return w.overflow ? RN_E_MSG_TOO_LONG : (int)w.len;
}
