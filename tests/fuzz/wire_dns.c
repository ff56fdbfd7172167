/* DNS messages: walked within bounds, names printable and the same again, replies to anything readable. */
#include "wire/dns.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const struct rn_dns_name *name)
{
    char buf[RN_DNS_NAME_TEXT_BYTES];
    struct rn_text text = rn_text_of(buf, sizeof buf);
    struct rn_dns_name again;

    if (name->len == 0 || name->wire[name->len - 1] != 0)
        abort();
    rn_dns_name_print(&text, name);
    if (text.cut || rn_dns_name_parse(&again, buf) < 0 || again.len != name->len ||
        memcmp(again.wire, name->wire, name->len) != 0)
        abort();
}

static void check_reverse(const struct rn_dns_name *name)
{
    struct rn_dns_name again;
    struct rn_addr addr;

    if (!rn_dns_name_to_addr(name, &addr) || rn_addr_is_none(addr))
        return;
    /* ip6.arpa can spell a v4-mapped address, whose own name is under in-addr.arpa. */
    rn_dns_name_of_addr(addr, &again);
    if (!rn_addr_is_v4(addr) && !rn_dns_name_eq(name, &again))
        abort();
}

static void check_reply(const struct rn_dns_hdr *query, const struct rn_dns_question *question)
{
    const struct rn_addr addr = rn_addr_v4(0x0a000202);
    const struct rn_dns_reply reply = { .query = query,
                                        .question = question,
                                        .has_edns = true,
                                        .addrs = &addr,
                                        .n_addrs = 1,
                                        .target = &question->name };
    uint8_t out[RN_DNS_UDP_MIN];
    int len = rn_dns_reply_emit(&reply, out, sizeof out);
    struct rn_dns_edns edns;

    if (len < 0 || (size_t)len > sizeof out ||
        rn_dns_edns_find(&edns, rn_view_of(out, (size_t)len)) != 1)
        abort();
}

static void check_records(struct rn_dns_walk *walk)
{
    struct rn_dns_record record;
    struct rn_dns_name name;
    struct rn_addr addr;
    unsigned n = 0;

    while (rn_dns_record_next(walk, &record) > 0) {
        if (++n > RN_DNS_RECORDS_MAX || record.data.len > walk->msg.len)
            abort();
        check_name(&record.name);
        if (rn_dns_record_name(&record, walk->msg, &name) == RN_OK)
            check_name(&name);
        (void)(rn_dns_record_addr(&record, &addr) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_view msg = rn_view_of(data, size);
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_question question;
    struct rn_dns_edns edns;

    if (rn_dns_parse(&hdr, &walk, msg) < 0)
        return 0;
    while (rn_dns_question_next(&walk, &question) > 0) {
        check_name(&question.name);
        check_reverse(&question.name);
        check_reply(&hdr, &question);
    }
    check_records(&walk);
    if (rn_dns_edns_find(&edns, msg) == 1 && edns.payload_bytes < RN_DNS_UDP_MIN)
        abort();
    return 0;
}
