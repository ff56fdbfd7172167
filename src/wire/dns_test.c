#include "wire/dns.h"

#include "parse_check.h"
#include <runnel/err.h>

/* www.example.com A: CNAME example.com, A 93.184.216.34, OPT with 1232 bytes and DO. */
static const char answer_text[] = "1234 8180 0001 0002 0000 0001 "
                                  "03777777 076578616d706c65 03636f6d 00 0001 0001 "
                                  "c00c 0005 0001 00000e10 0002 c010 "
                                  "c010 0001 0001 0000003c 0004 5db8d822 "
                                  "00 0029 04d0 00008000 0000";
enum { ANSWER_BYTES = 74 };

/* Reads all there is; refused unless the counts of the header are made good. */
static int read_all(struct rn_view msg)
{
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_question question;
    struct rn_dns_record record;
    struct rn_dns_edns edns;
    struct rn_addr addr;
    struct rn_dns_name name;
    unsigned n = 0;
    int more = rn_dns_parse(&hdr, &walk, msg);

    if (more < 0)
        return more;
    while ((more = rn_dns_question_next(&walk, &question)) > 0)
        n++;
    while (more == 0 && (more = rn_dns_record_next(&walk, &record)) > 0) {
        assert_true(record.data.ptr >= msg.ptr);
        assert_true(record.data.ptr + record.data.len <= msg.ptr + msg.len);
        if (rn_dns_record_addr(&record, &addr) == RN_OK)
            assert_false(rn_addr_is_none(addr) && record.type == RN_DNS_A);
        if (rn_dns_record_name(&record, msg, &name) == RN_OK)
            assert_in_range(name.len, 1, RN_DNS_NAME_MAX_BYTES);
        n++;
        more = 0;
    }
    assert_true(n <= RN_DNS_RECORDS_MAX + msg.len / 5);
    if (more == RN_OK && rn_dns_edns_find(&edns, msg) == 1)
        assert_true(edns.payload_bytes >= RN_DNS_UDP_MIN);
    return more;
}

static struct rn_dns_question question_of(const char *name, uint16_t type)
{
    struct rn_dns_question q = { .type = type, .class = RN_DNS_IN };

    assert_int_equal(rn_dns_name_parse(&q.name, name), RN_OK);
    return q;
}

static void test_an_answer_is_walked(void **state)
{
    uint8_t bytes[ANSWER_BYTES];
    struct rn_view msg = rn_view_of(bytes, rn_test_unhex(answer_text, bytes, sizeof(bytes)));
    struct rn_dns_name expected = question_of("example.com", 0).name;
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_question question;
    struct rn_dns_record record;
    struct rn_dns_name target;
    struct rn_addr addr;

    assert_int_equal(rn_dns_parse(&hdr, &walk, msg), RN_OK);
    assert_int_equal(hdr.id, 0x1234);
    assert_true(hdr.is_response && hdr.recursion_desired && hdr.recursion_available);
    assert_int_equal(hdr.rcode, RN_DNS_NOERROR);
    assert_int_equal(rn_dns_question_next(&walk, &question), 1);
    assert_int_equal(question.type, RN_DNS_A);
    assert_int_equal(rn_dns_question_next(&walk, &question), 0);

    assert_int_equal(rn_dns_record_next(&walk, &record), 1);
    assert_int_equal(record.type, RN_DNS_CNAME);
    assert_int_equal(record.ttl_s, 3600);
    assert_true(rn_dns_name_eq(&record.name, &question.name));
    assert_int_equal(rn_dns_record_name(&record, msg, &target), RN_OK);
    assert_true(rn_dns_name_eq(&target, &expected));

    assert_int_equal(rn_dns_record_next(&walk, &record), 1);
    assert_int_equal(rn_dns_record_addr(&record, &addr), RN_OK);
    assert_true(rn_addr_eq(addr, rn_test_addr("93.184.216.34")));
    assert_int_equal(record.section, RN_DNS_ANSWER);

    assert_int_equal(rn_dns_record_next(&walk, &record), 1);
    assert_int_equal(record.type, RN_DNS_OPT);
    assert_int_equal(record.section, RN_DNS_ADDITIONAL);
    assert_int_equal(rn_dns_record_next(&walk, &record), 0);
    (void)state;
}

static void test_records_are_found_behind_unread_questions(void **state)
{
    uint8_t bytes[ANSWER_BYTES];
    struct rn_view msg = rn_view_of(bytes, rn_test_unhex(answer_text, bytes, sizeof(bytes)));
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_record record;

    assert_int_equal(rn_dns_parse(&hdr, &walk, msg), RN_OK);
    assert_int_equal(rn_dns_record_next(&walk, &record), 1);
    assert_int_equal(record.type, RN_DNS_CNAME);
    (void)state;
}

static void test_edns_is_found(void **state)
{
    uint8_t bytes[ANSWER_BYTES];
    struct rn_view msg = rn_view_of(bytes, rn_test_unhex(answer_text, bytes, sizeof(bytes)));
    struct rn_dns_edns edns;

    assert_int_equal(rn_dns_edns_find(&edns, msg), 1);
    assert_int_equal(edns.payload_bytes, 1232);
    assert_true(edns.dnssec_ok);
    assert_int_equal(edns.version, 0);

    rn_put_be16(bytes + 66, 100); /* less than RFC 6891 lets anyone mean */
    assert_int_equal(rn_dns_edns_find(&edns, msg), 1);
    assert_int_equal(edns.payload_bytes, RN_DNS_UDP_MIN);
    rn_put_be16(bytes + 10, 0); /* no additional record */
    assert_int_equal(rn_dns_edns_find(&edns, msg), 0);
    (void)state;
}

static void test_two_edns_records_are_one_too_many(void **state)
{
    static const char two[] = "0001 0100 0000 0000 0000 0002 "
                              "00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000";
    uint8_t bytes[64];
    struct rn_view msg = rn_view_of(bytes, rn_test_unhex(two, bytes, sizeof(bytes)));
    struct rn_dns_edns edns;

    assert_int_equal(rn_dns_edns_find(&edns, msg), RN_E_MALFORMED);
    (void)state;
}

static void test_counts_are_claims(void **state)
{
    uint8_t lone_header[RN_DNS_HDR_BYTES] = { 0,    1,    0x81, 0x80, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    assert_int_equal(read_all(rn_view_of(lone_header, sizeof(lone_header))), RN_E_MALFORMED);
    (void)state;
}

static void test_no_more_records_than_the_limit_are_given(void **state)
{
    uint8_t bytes[RN_DNS_HDR_BYTES + 300 * 11] = { [6] = 300 >> 8, [7] = 300 & 0xff };
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_record record;
    unsigned n = 0;

    assert_int_equal(rn_dns_parse(&hdr, &walk, rn_view_of(bytes, sizeof(bytes))), RN_OK);
    while (rn_dns_record_next(&walk, &record) > 0)
        n++;
    assert_int_equal(n, RN_DNS_RECORDS_MAX);
    (void)state;
}

static void test_addresses_of_the_wrong_size_are_refused(void **state)
{
    static const uint8_t bytes[17] = { 0 };
    static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
    struct rn_addr addr;

    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct rn_dns_record record = { .type = RN_DNS_A, .data = rn_view_of(bytes, n) };

        assert_int_equal(rn_dns_record_addr(&record, &addr) == RN_OK, n == 4);
        record.type = RN_DNS_AAAA;
        assert_int_equal(rn_dns_record_addr(&record, &addr) == RN_OK, n == 16);
        record.type = RN_DNS_TXT;
        assert_int_equal(rn_dns_record_addr(&record, &addr), RN_E_MALFORMED);
    }
    assert_int_equal(
        rn_dns_record_addr(
            &(struct rn_dns_record){ .type = RN_DNS_AAAA, .data = rn_view_of(mapped, 16) }, &addr),
        RN_E_MALFORMED);
    (void)state;
}

static void test_a_ttl_with_its_top_bit_set_is_zero(void **state)
{
    uint8_t bytes[ANSWER_BYTES];
    struct rn_view msg = rn_view_of(bytes, rn_test_unhex(answer_text, bytes, sizeof(bytes)));
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_record record;

    bytes[39] = 0x80;
    assert_int_equal(rn_dns_parse(&hdr, &walk, msg), RN_OK);
    assert_int_equal(rn_dns_record_next(&walk, &record), 1);
    assert_int_equal(record.ttl_s, 0);
    (void)state;
}

static void test_a_target_must_fill_its_record(void **state)
{
    uint8_t bytes[ANSWER_BYTES];
    struct rn_view msg = rn_view_of(bytes, rn_test_unhex(answer_text, bytes, sizeof(bytes)));
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_record record;
    struct rn_dns_name target;

    assert_int_equal(rn_dns_parse(&hdr, &walk, msg), RN_OK);
    assert_int_equal(rn_dns_record_next(&walk, &record), 1);
    record.data.len = 1;
    assert_int_equal(rn_dns_record_name(&record, msg, &target), RN_E_MALFORMED);
    record.data.len = 3;
    assert_int_equal(rn_dns_record_name(&record, msg, &target), RN_E_MALFORMED);
    (void)state;
}

static void test_a_reply_answers_its_query(void **state)
{
    const struct rn_dns_hdr query = { .id = 77, .recursion_desired = true };
    const struct rn_addr addrs[] = { rn_test_addr("10.0.2.2"), rn_test_addr("10.0.2.3") };
    struct rn_dns_question question = question_of("host.runnel", RN_DNS_A);
    struct rn_dns_reply reply = { .query = &query,
                                  .question = &question,
                                  .is_authoritative = true,
                                  .has_edns = true,
                                  .ttl_s = 60,
                                  .addrs = addrs,
                                  .n_addrs = 2 };
    uint8_t out[RN_DNS_UDP_MIN];
    int len = rn_dns_reply_emit(&reply, out, sizeof(out));
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_record record;
    struct rn_addr addr;

    assert_int_equal(len, 12 + 13 + 4 + 2 * 16 + 11);
    assert_int_equal(rn_dns_parse(&hdr, &walk, rn_view_of(out, (size_t)len)), RN_OK);
    assert_int_equal(hdr.id, 77);
    assert_true(hdr.is_response && hdr.is_authoritative && hdr.recursion_desired);
    assert_false(hdr.is_truncated);
    assert_int_equal(hdr.n_answers, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rn_dns_record_next(&walk, &record), 1);
        assert_true(rn_dns_name_eq(&record.name, &question.name));
        assert_int_equal(record.ttl_s, 60);
        assert_int_equal(rn_dns_record_addr(&record, &addr), RN_OK);
        assert_true(rn_addr_eq(addr, addrs[i]));
    }
    assert_int_equal(rn_dns_record_next(&walk, &record), 1);
    assert_int_equal(record.type, RN_DNS_OPT);
    rn_test_all_truncations_fail(read_all, out, (size_t)len);
    (void)state;
}

static void test_answers_that_do_not_fit_set_tc(void **state)
{
    const struct rn_dns_hdr query = { .id = 1 };
    struct rn_addr addrs[40];
    struct rn_dns_question question = question_of("many.runnel", RN_DNS_AAAA);
    const struct rn_dns_reply reply = { .query = &query,
                                        .question = &question,
                                        .has_edns = true,
                                        .addrs = addrs,
                                        .n_addrs = RN_ARRAY_LEN(addrs) };
    uint8_t out[2048];

    for (size_t i = 0; i < RN_ARRAY_LEN(addrs); i++)
        addrs[i] = rn_test_addr("fd00::1");
    for (size_t cap = 0; cap <= sizeof(out); cap++) {
        int len = rn_dns_reply_emit(&reply, out, cap);
        struct rn_dns_hdr hdr;
        struct rn_dns_walk walk;

        if (cap < 12 + 13 + 4 + 11) {
            assert_int_equal(len, RN_E_MSG_TOO_LONG);
            continue;
        }
        assert_in_range(len, 1, cap);
        assert_int_equal(rn_dns_parse(&hdr, &walk, rn_view_of(out, (size_t)len)), RN_OK);
        assert_int_equal(hdr.is_truncated, hdr.n_answers < RN_ARRAY_LEN(addrs));
        assert_int_equal(hdr.n_answers, rn_min_size((cap - 40) / 28, RN_ARRAY_LEN(addrs)));
        assert_int_equal(read_all(rn_view_of(out, (size_t)len)), 0);
    }
    (void)state;
}

static void test_pointers_and_errors_are_answered(void **state)
{
    const struct rn_dns_hdr query = { .id = 5 };
    struct rn_dns_question question = { .type = RN_DNS_PTR, .class = RN_DNS_IN };
    struct rn_dns_name host = question_of("host.runnel", 0).name;
    struct rn_dns_reply reply = { .query = &query, .question = &question, .target = &host };
    uint8_t out[RN_DNS_UDP_MIN];
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_record record;
    struct rn_dns_name target;
    struct rn_view msg;

    rn_dns_name_of_addr(rn_test_addr("10.0.2.2"), &question.name);
    msg = rn_view_of(out, (size_t)rn_dns_reply_emit(&reply, out, sizeof(out)));
    assert_int_equal(rn_dns_parse(&hdr, &walk, msg), RN_OK);
    assert_int_equal(rn_dns_record_next(&walk, &record), 1);
    assert_int_equal(rn_dns_record_name(&record, msg, &target), RN_OK);
    assert_true(rn_dns_name_eq(&target, &host));

    reply = (struct rn_dns_reply){ .query = &query, .rcode = RN_DNS_FORMERR };
    assert_int_equal(rn_dns_reply_emit(&reply, out, sizeof(out)), RN_DNS_HDR_BYTES);
    assert_int_equal(rn_dns_parse(&hdr, &walk, rn_view_of(out, RN_DNS_HDR_BYTES)), RN_OK);
    assert_int_equal(hdr.rcode, RN_DNS_FORMERR);
    assert_int_equal(hdr.n_questions, 0);
    (void)state;
}

static void test_a_query_is_read_back(void **state)
{
    struct rn_dns_question question = question_of("example.com", RN_DNS_AAAA);
    struct rn_dns_question back;
    struct rn_dns_hdr hdr;
    struct rn_dns_walk walk;
    struct rn_dns_edns edns;
    uint8_t out[RN_DNS_UDP_MIN];
    int len = rn_dns_query_emit(0xbeef, &question, out, sizeof(out));

    assert_true(len > 0);
    assert_int_equal(rn_dns_parse(&hdr, &walk, rn_view_of(out, (size_t)len)), RN_OK);
    assert_int_equal(hdr.id, 0xbeef);
    assert_true(hdr.recursion_desired && !hdr.is_response);
    assert_int_equal(rn_dns_question_next(&walk, &back), 1);
    assert_true(rn_dns_name_eq(&back.name, &question.name));
    assert_int_equal(rn_dns_edns_find(&edns, rn_view_of(out, (size_t)len)), 1);
    assert_int_equal(edns.payload_bytes, RN_DNS_EDNS_PAYLOAD);
    assert_int_equal(rn_dns_query_emit(1, &question, out, 20), RN_E_MSG_TOO_LONG);
    (void)state;
}

static void test_every_header_flag_survives_the_round_trip(void **state)
{
    for (unsigned flags = 0; flags <= UINT16_MAX; flags++) {
        const uint8_t in[RN_DNS_HDR_BYTES] = { 1, 2, (uint8_t)(flags >> 8), (uint8_t)flags & 0xbf };
        uint8_t out[RN_DNS_HDR_BYTES];
        struct rn_writer w = rn_writer_of(out, sizeof(out));
        struct rn_dns_hdr hdr;
        struct rn_dns_walk walk;

        assert_int_equal(rn_dns_parse(&hdr, &walk, rn_view_of(in, sizeof(in))), RN_OK);
        rn_dns_hdr_emit(&hdr, &w);
        assert_memory_equal(out, in, sizeof(in)); /* bit 6 is Z, must be zero */
    }
    (void)state;
}

static void test_short_messages_are_refused(void **state)
{
    uint8_t bytes[ANSWER_BYTES];
    size_t len = rn_test_unhex(answer_text, bytes, sizeof(bytes));

    assert_int_equal(len, ANSWER_BYTES);
    rn_test_all_truncations_fail(read_all, bytes, len);
    rn_test_mutations_are_survived(read_all, bytes, len);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_is_walked),
        cmocka_unit_test(test_records_are_found_behind_unread_questions),
        cmocka_unit_test(test_edns_is_found),
        cmocka_unit_test(test_two_edns_records_are_one_too_many),
        cmocka_unit_test(test_counts_are_claims),
        cmocka_unit_test(test_no_more_records_than_the_limit_are_given),
        cmocka_unit_test(test_addresses_of_the_wrong_size_are_refused),
        cmocka_unit_test(test_a_ttl_with_its_top_bit_set_is_zero),
        cmocka_unit_test(test_a_target_must_fill_its_record),
        cmocka_unit_test(test_a_reply_answers_its_query),
        cmocka_unit_test(test_answers_that_do_not_fit_set_tc),
        cmocka_unit_test(test_pointers_and_errors_are_answered),
        cmocka_unit_test(test_a_query_is_read_back),
        cmocka_unit_test(test_every_header_flag_survives_the_round_trip),
        cmocka_unit_test(test_short_messages_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
