#include "wire/pcapng.h"

#include "parse_check.h"
#include <runnel/err.h>

static const uint8_t payload[] = { 0x45, 0x00, 0x00 }; /* needs a byte of padding */
enum { CAPTURE_MAX_BYTES = 512, N_BLOCKS = 4 };

static struct rn_view text_view(const char *text)
{
    return rn_view_of(text, strlen(text));
}

/* A section, an interface, a packet with all it can have, a note. */
static size_t write_capture(uint8_t *out)
{
    struct rn_writer w = rn_writer_of(out, CAPTURE_MAX_BYTES);
    const struct rn_pcapng_interface interface = { .name = text_view("tun0"),
                                                   .link = RN_PCAP_LINK_RAW };
    const struct rn_pcapng_packet packet = { .time_ns = 1700000000123456789,
                                             .captured = sizeof(payload),
                                             .original = 1500,
                                             .direction = RN_PCAPNG_OUT,
                                             .comment = text_view("retransmission") };

    rn_pcapng_section_emit(text_view("runnel test"), &w);
    rn_pcapng_interface_emit(&interface, &w);
    rn_pcapng_packet_head_emit(&packet, &w);
    rn_write_bytes(&w, payload, sizeof(payload));
    rn_pcapng_packet_tail_emit(&packet, &w);
    rn_pcapng_note_emit(0, packet.time_ns, text_view("state: ESTABLISHED"), &w);
    assert_false(w.overflow);
    return w.len;
}

static int read_all(struct rn_view bytes)
{
    struct rn_reader r = rn_reader_of(bytes);
    struct rn_pcapng_block block;
    struct rn_pcapng_interface interface = { .ts_digits = 6 };
    struct rn_pcapng_packet packet;
    struct rn_view data;
    int more;
    int err = RN_OK;
    int n = 0;

    while ((more = rn_pcapng_next(&block, &r)) > 0) {
        n++;
        assert_true((size_t)n * 12 <= bytes.len);
        if (block.type == RN_PCAPNG_INTERFACE)
            err = rn_pcapng_interface_parse(&interface, block.body);
        if (block.type == RN_PCAPNG_PACKET)
            err = rn_pcapng_packet_parse(&packet, &data, block.body, interface.ts_digits);
        if (err < 0)
            return err;
    }
    return more < 0 ? more : n;
}

static void test_a_section_has_the_bytes_of_the_standard(void **state)
{
    static const char golden[] = "0a0d0d0a 20000000 4d3c2b1a 0100 0000 ffffffffffffffff "
                                 "00000000 20000000";
    uint8_t expected[64];
    uint8_t out[64];
    size_t len = rn_test_unhex(golden, expected, sizeof(expected));
    struct rn_writer w = rn_writer_of(out, sizeof(out));

    rn_pcapng_section_emit((struct rn_view){ 0 }, &w);

    assert_int_equal(w.len, len);
    assert_memory_equal(out, expected, len);
    (void)state;
}

static void test_a_capture_is_read_back(void **state)
{
    uint8_t bytes[CAPTURE_MAX_BYTES];
    struct rn_reader r = rn_reader_of(rn_view_of(bytes, write_capture(bytes)));
    struct rn_pcapng_block block;
    struct rn_pcapng_interface interface;
    struct rn_pcapng_packet packet;
    struct rn_view data;

    assert_int_equal(rn_pcapng_next(&block, &r), 1);
    assert_int_equal(block.type, RN_PCAPNG_SECTION);

    assert_int_equal(rn_pcapng_next(&block, &r), 1);
    assert_int_equal(rn_pcapng_interface_parse(&interface, block.body), RN_OK);
    assert_int_equal(interface.link, RN_PCAP_LINK_RAW);
    assert_int_equal(interface.ts_digits, 9);
    assert_int_equal(interface.name.len, 4);
    assert_memory_equal(interface.name.ptr, "tun0", 4);

    assert_int_equal(rn_pcapng_next(&block, &r), 1);
    assert_int_equal(rn_pcapng_packet_parse(&packet, &data, block.body, 9), RN_OK);
    assert_int_equal(packet.time_ns, 1700000000123456789);
    assert_int_equal(packet.original, 1500);
    assert_int_equal(packet.direction, RN_PCAPNG_OUT);
    assert_int_equal(packet.comment.len, strlen("retransmission"));
    assert_int_equal(data.len, sizeof(payload));
    assert_memory_equal(data.ptr, payload, sizeof(payload));

    assert_int_equal(rn_pcapng_next(&block, &r), 1);
    assert_int_equal(block.type, RN_PCAPNG_STATS);
    assert_int_equal(rn_pcapng_next(&block, &r), 0);
    (void)state;
}

static void test_a_bare_packet_has_no_options(void **state)
{
    const struct rn_pcapng_packet packet = { .captured = 4, .original = 4 };
    uint8_t out[64];
    struct rn_writer w = rn_writer_of(out, sizeof(out));

    rn_pcapng_packet_head_emit(&packet, &w);
    rn_write_zeros(&w, 4);
    rn_pcapng_packet_tail_emit(&packet, &w);

    assert_int_equal(w.len, 36);
    assert_int_equal(read_all(rn_view_of(out, w.len)), 1);
    (void)state;
}

static void test_microsecond_clocks_are_converted(void **state)
{
    uint8_t bytes[CAPTURE_MAX_BYTES];
    uint8_t *out = bytes;
    const struct rn_pcapng_packet packet = { .time_ns = 1500000 };
    struct rn_writer w = rn_writer_of(out, sizeof(bytes));
    struct rn_pcapng_packet back;
    struct rn_view data;

    rn_pcapng_packet_head_emit(&packet, &w);
    rn_pcapng_packet_tail_emit(&packet, &w);
    assert_int_equal(rn_pcapng_packet_parse(&back, &data, rn_view_of(out + 8, w.len - 12), 6),
                     RN_OK);
    assert_int_equal(back.time_ns, 1500000000);
    (void)state;
}

static void test_long_texts_are_cut(void **state)
{
    static char text[RN_PCAPNG_TEXT_MAX + 100];
    uint8_t out[RN_PCAPNG_BLOCK_MAX_BYTES];
    struct rn_writer w = rn_writer_of(out, sizeof(out));

    memset(text, 'x', sizeof(text));
    rn_pcapng_note_emit(0, 0, rn_view_of(text, sizeof(text)), &w);

    assert_false(w.overflow);
    assert_int_equal(read_all(rn_view_of(out, w.len)), 1);
    (void)state;
}

static void test_big_endian_sections_are_told_apart(void **state)
{
    uint8_t bytes[CAPTURE_MAX_BYTES];
    size_t len = write_capture(bytes);

    rn_put_be32(bytes + 8, 0x1a2b3c4d);
    assert_int_equal(read_all(rn_view_of(bytes, len)), RN_E_NOT_SUPPORTED);
    rn_put_be32(bytes + 8, 0x11111111);
    assert_int_equal(read_all(rn_view_of(bytes, len)), RN_E_MALFORMED);
    (void)state;
}

static void test_both_lengths_of_a_block_must_agree(void **state)
{
    uint8_t out[64];
    struct rn_writer w = rn_writer_of(out, sizeof(out));

    rn_pcapng_section_emit((struct rn_view){ 0 }, &w);
    out[w.len - 4] ^= 4;

    assert_int_equal(read_all(rn_view_of(out, w.len)), RN_E_MALFORMED);
    (void)state;
}

static void test_short_captures_are_refused(void **state)
{
    uint8_t bytes[CAPTURE_MAX_BYTES];
    size_t len = write_capture(bytes);
    struct rn_reader r = rn_reader_of(rn_view_of(bytes, len));
    struct rn_pcapng_block block;
    size_t boundaries[N_BLOCKS + 1] = { 0 };
    size_t at = 0;

    for (size_t i = 1; i <= N_BLOCKS; i++) {
        assert_int_equal(rn_pcapng_next(&block, &r), 1);
        boundaries[i] = len - r.rest.len;
    }
    for (size_t n = 0; n <= len; n++) {
        bool at_boundary = n == boundaries[at];

        assert_int_equal(rn_test_parse_exact(read_all, bytes, n) >= 0, at_boundary);
        at += at_boundary;
    }
    rn_test_mutations_are_survived(read_all, bytes, len);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_section_has_the_bytes_of_the_standard),
        cmocka_unit_test(test_a_capture_is_read_back),
        cmocka_unit_test(test_a_bare_packet_has_no_options),
        cmocka_unit_test(test_microsecond_clocks_are_converted),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_big_endian_sections_are_told_apart),
        cmocka_unit_test(test_both_lengths_of_a_block_must_agree),
        cmocka_unit_test(test_short_captures_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
