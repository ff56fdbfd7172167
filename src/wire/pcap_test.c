#include "wire/pcap.h"

#include "parse_check.h"
#include <runnel/err.h>

/* What tcpdump writes: microseconds, snap length 262144, Ethernet; one record of two bytes at 1.5 s. */
static const char golden_text[] = "d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000 "
                                  "01000000 20a10700 02000000 3c000000 aabb";
enum { GOLDEN_BYTES = RN_PCAP_FILE_BYTES + RN_PCAP_RECORD_BYTES + 2 };

static int read_all(struct rn_view bytes)
{
    struct rn_reader r = rn_reader_of(bytes);
    struct rn_pcap_file file;
    struct rn_pcap_record record;
    struct rn_view data;
    int more = rn_pcap_file_parse(&file, &r);

    while (more == 0 && (more = rn_pcap_record_next(&record, &data, &file, &r)) > 0) {
        assert_int_equal(data.len, record.captured);
        more = 0;
        if (r.rest.len == 0)
            return 0;
    }
    return more < 0 ? more : RN_E_MALFORMED; /* a file without records counts as refused here */
}

static void test_a_capture_is_read_and_written(void **state)
{
    uint8_t bytes[GOLDEN_BYTES];
    uint8_t out[GOLDEN_BYTES];
    size_t len = rn_test_unhex(golden_text, bytes, sizeof(bytes));
    struct rn_reader r = rn_reader_of(rn_view_of(bytes, len));
    struct rn_writer w = rn_writer_of(out, sizeof(out));
    struct rn_pcap_file file;
    struct rn_pcap_record record;
    struct rn_view data;

    assert_int_equal(rn_pcap_file_parse(&file, &r), RN_OK);
    assert_int_equal(file.link, RN_PCAP_LINK_ETHERNET);
    assert_int_equal(file.snap_len, RN_PCAP_SNAP_MAX);
    assert_false(file.is_ns);
    assert_int_equal(rn_pcap_record_next(&record, &data, &file, &r), 1);
    assert_int_equal(record.time_ns, 1500000000);
    assert_int_equal(record.original, 60);
    assert_int_equal(data.len, 2);
    assert_int_equal(rn_pcap_record_next(&record, &data, &file, &r), 0);

    rn_pcap_file_emit(&file, &w);
    rn_pcap_record_emit(&record, &file, &w);
    rn_write_bytes(&w, data.ptr, data.len);
    assert_int_equal(w.len, len);
    assert_memory_equal(out, bytes, len);
    (void)state;
}

static void test_nanoseconds_are_kept(void **state)
{
    const struct rn_pcap_file file = { .link = RN_PCAP_LINK_RAW, .is_ns = true };
    const struct rn_pcap_record record = { .time_ns = 1700000000123456789, .captured = 0 };
    uint8_t out[RN_PCAP_FILE_BYTES + RN_PCAP_RECORD_BYTES];
    struct rn_writer w = rn_writer_of(out, sizeof(out));
    struct rn_reader r;
    struct rn_pcap_file file_back;
    struct rn_pcap_record back;
    struct rn_view data;

    rn_pcap_file_emit(&file, &w);
    rn_pcap_record_emit(&record, &file, &w);
    r = rn_reader_of(rn_view_of(out, w.len));
    assert_int_equal(rn_pcap_file_parse(&file_back, &r), RN_OK);
    assert_int_equal(rn_pcap_record_next(&back, &data, &file_back, &r), 1);

    assert_true(file_back.is_ns);
    assert_int_equal(back.time_ns, record.time_ns);
    (void)state;
}

static void test_other_files_are_refused(void **state)
{
    uint8_t bytes[GOLDEN_BYTES];
    size_t len = rn_test_unhex(golden_text, bytes, sizeof(bytes));

    bytes[0] ^= 1;
    assert_int_equal(read_all(rn_view_of(bytes, len)), RN_E_MALFORMED);
    rn_put_be32(bytes, 0xa1b2c3d4); /* written on a big-endian machine */
    assert_int_equal(read_all(rn_view_of(bytes, len)), RN_E_NOT_SUPPORTED);
    (void)state;
}

static void test_records_beyond_any_snap_length_are_refused(void **state)
{
    static uint8_t bytes[RN_PCAP_RECORD_BYTES + RN_PCAP_SNAP_MAX + 1];
    const struct rn_pcap_file file = { .is_ns = true };
    struct rn_pcap_record record;
    struct rn_view data;
    struct rn_reader r = rn_reader_of(rn_view_of(bytes, sizeof(bytes)));

    rn_put_le32(bytes + 8, RN_PCAP_SNAP_MAX + 1);
    assert_int_equal(rn_pcap_record_next(&record, &data, &file, &r), RN_E_MALFORMED);
    rn_put_le32(bytes + 8, RN_PCAP_SNAP_MAX);
    r = rn_reader_of(rn_view_of(bytes, sizeof(bytes)));
    assert_int_equal(rn_pcap_record_next(&record, &data, &file, &r), 1);
    (void)state;
}

static void test_short_files_are_refused(void **state)
{
    uint8_t bytes[GOLDEN_BYTES];
    size_t len = rn_test_unhex(golden_text, bytes, sizeof(bytes));

    rn_test_all_truncations_fail(read_all, bytes, len);
    rn_test_mutations_are_survived(read_all, bytes, len);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_capture_is_read_and_written),
        cmocka_unit_test(test_nanoseconds_are_kept),
        cmocka_unit_test(test_other_files_are_refused),
        cmocka_unit_test(test_records_beyond_any_snap_length_are_refused),
        cmocka_unit_test(test_short_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
