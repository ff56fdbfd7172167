#include "io/pcap_file.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "packets.h"
#include "wire/pcapng.h"
#include <runnel/err.h>
#include <runnel/pkt.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct rn_loop *loop_new(void)
{
    const uint8_t seed[16] = { 1 };
    struct rn_loop *loop;

    assert_int_equal(rn_loop_new(&loop, &(struct rn_loop_opts){ .seed = seed }), RN_OK);
    return loop;
}

static void test_capture_reads_back_with_interface_and_direction(void **state)
{
    struct rn_loop *loop = loop_new();
    int fd = memfd_create("capture", MFD_CLOEXEC);
    int copy = dup(fd);
    struct rn_pcap_out *out;
    struct rn_sniff_sink sink;
    struct rn_pkt *pkt = rn_test_tcp4(loop->pool, 60000, 1460);
    static uint8_t bytes[100000];
    struct rn_pcapng_block block;
    struct rn_pcapng_interface interface;
    struct rn_pcapng_packet packet;
    struct rn_view payload;
    struct rn_reader r;
    ssize_t n;

    (void)state;
    assert_int_equal(
        rn_pcap_out_new(&out, loop, fd, &(struct rn_pcap_out_opts){ .app = "runnel test" }), RN_OK);
    assert_int_equal(rn_pcap_out_interface(out, "tun0", RN_LINK_IP, &sink), RN_OK);
    sink.packet(sink.arg, pkt, true, loop->turn.now_ns);
    rn_pcap_out_free(out);
    n = pread(copy, bytes, sizeof(bytes), 0);
    r = rn_reader_of(rn_view_of(bytes, (size_t)n));

    assert_int_equal(rn_pcapng_next(&block, &r), 1);
    assert_int_equal(block.type, RN_PCAPNG_SECTION);
    assert_int_equal(rn_pcapng_next(&block, &r), 1);
    assert_int_equal(rn_pcapng_interface_parse(&interface, block.body), RN_OK);
    assert_int_equal(interface.name.len, 4);
    assert_int_equal(interface.link, RN_PCAP_LINK_RAW);
    assert_int_equal(rn_pcapng_next(&block, &r), 1);
    assert_int_equal(rn_pcapng_packet_parse(&packet, &payload, block.body, 9), RN_OK);
    assert_int_equal(payload.len, 60040);
    assert_int_equal(packet.direction, RN_PCAPNG_OUT);
    assert_int_equal(pkt->csum, RN_CSUM_PARTIAL); /* and yet the file has it whole: */
    assert_int_equal(rn_checksum(payload.ptr + 20, payload.len - 20,
                                 rn_checksum_pseudo(rn_addr_v4(rn_get_be32(payload.ptr + 12)),
                                                    rn_addr_v4(rn_get_be32(payload.ptr + 16)), 6,
                                                    (uint32_t)payload.len - 20)),
                     0xffff);
    assert_int_equal(rn_pcapng_next(&block, &r), 0);
    close(copy);
    rn_pkt_free(pkt);
    rn_loop_free(loop);
}

static void test_slow_reader_costs_records_not_time(void **state)
{
    struct rn_loop *loop = loop_new();
    struct rn_pkt *pkt = rn_test_tcp4(loop->pool, 60000, 1460);
    struct rn_pcap_out *out;
    struct rn_pcap_out_stats stats;
    struct rn_sniff_sink sink;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(
        rn_pcap_out_new(&out, loop, ends[1], &(struct rn_pcap_out_opts){ .app = "runnel test" }),
        RN_OK);
    assert_int_equal(rn_pcap_out_interface(out, "tun0", RN_LINK_IP, &sink), RN_OK);
    for (int i = 0; i < 100; i++)
        sink.packet(sink.arg, pkt, false, loop->turn.now_ns);
    rn_pcap_out_get_stats(out, &stats);

    assert_true(stats.lost > 80);
    assert_int_equal(stats.lost + stats.written, 100);
    assert_int_equal(stats.err, 0);
    rn_pcap_out_free(out);
    close(ends[0]);
    rn_pkt_free(pkt);
    rn_loop_free(loop);
}

static void test_gathered_records_are_written_within_a_tenth_of_a_second(void **state)
{
    struct rn_loop *loop = loop_new();
    struct rn_pcap_out *out;
    char bytes[64];
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(
        rn_pcap_out_new(&out, loop, ends[1], &(struct rn_pcap_out_opts){ .app = "runnel test" }),
        RN_OK);
    rn_turn_begin(&loop->turn, loop->turn.now_ns);
    rn_turn_end(&loop->turn);
    assert_int_equal(read(ends[0], bytes, sizeof(bytes)), -1);
    rn_turn_begin(&loop->turn, loop->turn.now_ns + 101 * RN_NS_PER_MS);
    rn_turn_end(&loop->turn);

    assert_true(read(ends[0], bytes, sizeof(bytes)) > 0);
    rn_pcap_out_free(out);
    close(ends[0]);
    rn_loop_free(loop);
}

static void test_old_format_of_what_the_filter_wants_cut_short(void **state)
{
    struct rn_loop *loop = loop_new();
    int fd = memfd_create("capture", MFD_CLOEXEC);
    int copy = dup(fd);
    struct rn_pkt_filter filter;
    struct rn_pcap_out_opts opts = { .filter = &filter, .snap_bytes = 60, .is_classic = true };
    struct rn_pkt *tcp = rn_test_tcp4(loop->pool, 60000, 1460);
    struct rn_pkt *udp = rn_test_udp4(loop->pool, 1, 20);
    struct rn_pcap_out_stats stats;
    struct rn_sniff_sink sink;
    struct rn_pcap_out *out;
    struct rn_pcap_file file;
    struct rn_pcap_record record;
    struct rn_view bytes;
    struct rn_reader r;
    uint8_t all[1000];
    ssize_t n;
    const char *word;
    size_t len;
    (void)state;
    assert_int_equal(rn_pkt_filter_parse("tcp", &filter, &word, &len), RN_OK);

    assert_int_equal(rn_pcap_out_new(&out, loop, fd, &opts), RN_OK);
    memset(&filter, 0, sizeof(filter)); /* it was copied */
    assert_int_equal(rn_pcap_out_interface(out, "tun0", RN_LINK_IP, &sink), RN_OK);
    assert_int_equal(rn_pcap_out_interface(out, "tun1", RN_LINK_IP, &sink), RN_E_LIMIT);
    sink.packet(sink.arg, udp, true, loop->turn.now_ns);
    sink.packet(sink.arg, tcp, true, loop->turn.now_ns);
    rn_pcap_out_get_stats(out, &stats);
    rn_pcap_out_free(out);
    n = pread(copy, all, sizeof(all), 0);
    r = rn_reader_of(rn_view_of(all, (size_t)n));

    assert_int_equal(stats.written, 1);
    assert_int_equal(stats.passed_over, 1);
    assert_int_equal(rn_pcap_file_parse(&file, &r), RN_OK);
    assert_int_equal(file.link, RN_PCAP_LINK_RAW);
    assert_int_equal(rn_pcap_record_next(&record, &bytes, &file, &r), 1);
    assert_int_equal(record.captured, 60);
    assert_int_equal(record.original, 60040);
    assert_int_equal(bytes.ptr[0], 0x45);
    assert_int_equal(rn_get_be16(bytes.ptr + 20 + RN_TCP_CHECKSUM_AT),
                     rn_pkt_checksum_field(rn_pkt_checksum(tcp, 20, 60020, 0), RN_TCP_CHECKSUM_AT));
    assert_int_equal(rn_pcap_record_next(&record, &bytes, &file, &r), 0);
    close(copy);
    rn_pkt_free(tcp);
    rn_pkt_free(udp);
    rn_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capture_reads_back_with_interface_and_direction),
        cmocka_unit_test(test_old_format_of_what_the_filter_wants_cut_short),
        cmocka_unit_test(test_slow_reader_costs_records_not_time),
        cmocka_unit_test(test_gathered_records_are_written_within_a_tenth_of_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
