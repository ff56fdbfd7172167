#include "wire/print.h"

#include "parse_check.h"

enum { LINE_BYTES = 512 };

static const struct {
    enum rn_print_link link;
    const char *packet;
    const char *line;
} packets[] = {
    { RN_PRINT_RAW_IP,
      "4500003c 00004000 4006 0000 0a000001 0a000002 00500bb8 00000064 000000c8 a012faf0 0000 0000 "
      "020405b4 0402080a 00000001 00000002 01030307",
      "IP 10.0.0.1.80 > 10.0.0.2.3000: Flags [S.], seq 100, ack 200, win 64240, "
      "options [mss 1460,sackOK,TS val 1 ecr 2,wscale 7], length 0" },
    { RN_PRINT_RAW_IP,
      "4500002c 00004000 4006 0000 0a000001 0a000002 00500bb8 00000064 000000c8 5018faf0 0000 0000 "
      "61626364",
      "IP 10.0.0.1.80 > 10.0.0.2.3000: Flags [P.], seq 100:104, ack 200, win 64240, length 4" },
    { RN_PRINT_RAW_IP,
      "45000039 00000000 4011 0000 0a000001 0a000002 d4310035 00250000 "
      "1234 0100 0001 0000 0000 0000 076578616d706c65 03636f6d 00 001c 0001",
      "IP 10.0.0.1.54321 > 10.0.0.2.53: UDP, 4660+ AAAA? example.com, length 29" },
    { RN_PRINT_RAW_IP, "45000054 00000000 4001 0000 0a000001 0a000002 08000000 12340001",
      "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 4660, seq 1, length 64" },
    { RN_PRINT_RAW_IP,
      "45000038 00000000 4001 0000 0a000002 0a000001 03030000 00000000 "
      "45000021 00000000 4011 0000 0a000001 0a000002 03e80035 000d0000",
      "IP 10.0.0.2 > 10.0.0.1: ICMP port unreachable for udp 10.0.0.1.1000 > 10.0.0.2.53, "
      "length 36" },
    { RN_PRINT_RAW_IP, "450005dc 000720b9 4011 0000 0a000001 0a000002",
      "IP 10.0.0.1 > 10.0.0.2: udp fragment, id 7, offset 1480, length 1480" },
    { RN_PRINT_RAW_IP, "45000018 00000000 4032 0000 0a000001 0a000002 00000000",
      "IP 10.0.0.1 > 10.0.0.2: proto 50, length 4" },
    { RN_PRINT_RAW_IP, "45000018 00000000 4006 0000 0a000001 0a000002 00000000",
      "IP 10.0.0.1 > 10.0.0.2: [|tcp], length 4" },
    { RN_PRINT_RAW_IP, "4500", "IP [|ip], length 2" },
    { RN_PRINT_RAW_IP, "ff", "[|ip] version 15, length 1" },
    { RN_PRINT_ETHERNET,
      "3333ff000002 020000000001 86dd 60000000 00203aff fe800000000000000000000000000001 "
      "ff0200000000000000000001ff000002 87000000 00000000 fe800000000000000000000000000002 "
      "0101020000000001",
      "IP6 fe80::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has fe80::2, length 32" },
    { RN_PRINT_ETHERNET,
      "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 "
      "0a000002",
      "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28" },
    { RN_PRINT_ETHERNET,
      "020000000001 020000000002 8100 0064 0806 0001 0800 06 04 0002 020000000002 0a000002 "
      "020000000001 0a000001",
      "vlan 100, ARP, Reply 10.0.0.2 is-at 02:00:00:00:00:02, length 28" },
    { RN_PRINT_ETHERNET, "020000000001 020000000002 88cc 0000",
      "02:00:00:00:00:02 > 02:00:00:00:00:01, ethertype 0x88cc, length 16" },
};

static int print_ethernet(struct rn_view bytes)
{
    char buf[LINE_BYTES];
    struct rn_text line = rn_text_of(buf, sizeof(buf));

    rn_print_packet(&line, bytes, RN_PRINT_ETHERNET);
    for (size_t i = 0; i < line.len; i++)
        assert_in_range(buf[i], ' ', '~');
    return line.len != 0 ? 0 : -1;
}

static int print_raw(struct rn_view bytes)
{
    char buf[LINE_BYTES];
    struct rn_text line = rn_text_of(buf, sizeof(buf));

    rn_print_packet(&line, bytes, RN_PRINT_RAW_IP);
    for (size_t i = 0; i < line.len; i++)
        assert_in_range(buf[i], ' ', '~');
    return line.len != 0 ? 0 : -1;
}

static void test_packets_are_told_as_tcpdump_would(void **state)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(packets); i++) {
        uint8_t bytes[256];
        char buf[LINE_BYTES];
        struct rn_text line = rn_text_of(buf, sizeof(buf));
        size_t len = rn_test_unhex(packets[i].packet, bytes, sizeof(bytes));

        rn_print_packet(&line, rn_view_of(bytes, len), packets[i].link);
        assert_string_equal(buf, packets[i].line);
    }
    (void)state;
}

static void test_any_cut_or_broken_packet_gives_a_printable_line(void **state)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(packets); i++) {
        uint8_t bytes[256];
        size_t len = rn_test_unhex(packets[i].packet, bytes, sizeof(bytes));
        rn_test_parse_fn print = packets[i].link == RN_PRINT_ETHERNET ? print_ethernet : print_raw;

        for (size_t n = 0; n <= len; n++)
            assert_int_equal(rn_test_parse_exact(print, bytes, n), 0);
        rn_test_mutations_are_survived(print, bytes, len);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_are_told_as_tcpdump_would),
        cmocka_unit_test(test_any_cut_or_broken_packet_gives_a_printable_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
