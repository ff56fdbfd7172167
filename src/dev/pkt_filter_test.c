#include "packets.h"
#include "wire/eth.h"
#include <runnel/err.h>
#include <runnel/pkt.h>

#include <stdlib.h>
#include <string.h>

static struct rn_pkt_filter parsed(const char *text)
{
    struct rn_pkt_filter filter;
    const char *word;
    size_t len;

    if (rn_pkt_filter_parse(text, &filter, &word, &len) < 0)
        fail_msg("'%s': '%.*s'", text, (int)len, word);
    return filter;
}

static bool matches(const char *text, const struct rn_pkt *pkt, enum rn_link_type link)
{
    struct rn_pkt_filter filter = parsed(text);

    return rn_pkt_filter_matches(&filter, pkt, link);
}

/* 10.0.0.1:9 -> 10.0.0.2:9, UDP, 48 bytes. */
static void test_words_mean_what_they_mean_to_tcpdump(void **state)
{
    static const struct {
        const char *text;
        bool is_match;
    } rows[] = {
        { "", true },
        { "  ", true },
        { "udp", true },
        { "tcp", false },
        { "ip", true },
        { "ip6", false },
        { "arp", false },
        { "icmp", false },
        { "host 10.0.0.1", true },
        { "host 10.0.0.2", true },
        { "host 10.0.0.3", false },
        { "src host 10.0.0.1", true },
        { "dst host 10.0.0.1", false },
        { "src 10.0.0.1 and dst 10.0.0.2", true },
        { "net 10.0.0.0/8", true },
        { "dst net 10.0.0.2/31", true },
        { "net 192.168.0.0/16", false },
        { "host ::1", false },
        { "port 9", true },
        { "port 10", false },
        { "udp port 9", true },
        { "tcp port 9", false },
        { "udp src portrange 1-9", true },
        { "portrange 10-65535", false },
        { "less 48", true },
        { "less 47", false },
        { "greater 48", true },
        { "greater 49", false },
        { "not tcp", true },
        { "!udp", false },
        { "! ! udp", true },
        { "not not not tcp", true },
        { "tcp or udp and port 10", false }, /* (tcp or udp) and port 10 */
        { "udp or tcp and port 10", false }, /* alike, from left to right */
        { "udp or (tcp and port 10)", true },
        { "(udp)", true },
        { "((udp)and(port 9))", true },
        { "tcp||udp && !port 10", true },
    };
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_test_udp4(t.pool, 1, 20);

    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        if (matches(rows[i].text, pkt, RN_LINK_IP) != rows[i].is_match)
            fail_msg("'%s'", rows[i].text);
    }

    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_frames_are_looked_into_and_other_protocols_are_no_ip(void **state)
{
    struct rn_eth_hdr eth = { .type = RN_ETHERTYPE_IPV4 };
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_test_udp4(t.pool, 1, 20);
    rn_eth_emit(&eth, rn_pkt_push(pkt, RN_ETH_HDR_BYTES));

    assert_true(matches("udp port 9 and host 10.0.0.2", pkt, RN_LINK_ETHERNET));
    assert_false(matches("arp", pkt, RN_LINK_ETHERNET));
    eth.type = RN_ETHERTYPE_ARP;
    rn_eth_emit(&eth, rn_pkt_own_front(pkt, RN_ETH_HDR_BYTES));
    assert_true(matches("arp", pkt, RN_LINK_ETHERNET));
    assert_false(matches("ip or ip6 or udp or port 9 or net 0.0.0.0/0", pkt, RN_LINK_ETHERNET));
    assert_true(matches("not ip", pkt, RN_LINK_ETHERNET));

    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_later_fragments_have_addresses_but_no_ports(void **state)
{
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_test_udp4(t.pool, 1, 20);
    rn_put_be16(rn_pkt_own_front(pkt, 28) + 6, 100);

    assert_true(matches("udp and host 10.0.0.1", pkt, RN_LINK_IP));
    assert_false(matches("port 9", pkt, RN_LINK_IP));

    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_wrong_words_are_named(void **state)
{
    static const struct {
        const char *text;
        const char *word;
    } rows[] = {
        { "hots 10.0.0.1", "hots" },
        { "host", "" },
        { "host 10.0.0.0/8", "10.0.0.0/8" },
        { "net 10.0.0.1/8", "10.0.0.1/8" },
        { "port http", "http" },
        { "port 65536", "65536" },
        { "port 99999999999999999999999", "99999999999999999999999" },
        { "port -1", "-1" },
        { "portrange 9", "9" },
        { "portrange 9-8", "9-8" },
        { "portrange 9-", "9-" },
        { "less many", "many" },
        { "tcp udp", "udp" },
        { "tcp and", "" },
        { "and tcp", "and" },
        { "(tcp", "" },
        { "tcp)", ")" },
        { "()", ")" },
        { "not", "" },
        { "src tcp", "tcp" },
    };
    struct rn_pkt_filter filter;
    const char *word;
    size_t len;
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        assert_int_equal(rn_pkt_filter_parse(rows[i].text, &filter, &word, &len), RN_E_PARSE);
        if (len != strlen(rows[i].word) || memcmp(word, rows[i].word, len) != 0)
            fail_msg("'%s': '%.*s'", rows[i].text, (int)len, word);
    }
}

static void test_what_is_too_long_or_too_deep_is_refused(void **state)
{
    static const char word_of_many[] = "tcp or ";
    char text[2000] = { 0 };
    struct rn_pkt_filter filter;
    const char *word;
    size_t len;
    (void)state;

    for (size_t i = 0; i < 100; i++)
        memcpy(text + i * (sizeof(word_of_many) - 1), word_of_many, sizeof(word_of_many) - 1);
    assert_int_equal(rn_pkt_filter_parse(text, &filter, &word, &len), RN_E_LIMIT);
    memset(text, '(', 1000);
    text[1000] = '\0';
    assert_int_equal(rn_pkt_filter_parse(text, &filter, &word, &len), RN_E_LIMIT);
    memset(text, '!', 1000);
    assert_int_equal(rn_pkt_filter_parse(text, &filter, &word, &len), RN_E_LIMIT);
}

/* A number or an address that is cut short may still be one; wherever else it ends, it is refused, and never read beyond. */
static void test_every_truncation_is_whole_or_refused(void **state)
{
    static const char whole[] = "!(tcp src port 80 or udp dst portrange 1-99) and net fe80::/10";
    struct rn_pkt_filter filter;
    unsigned n_refused = 0;
    const char *word;
    size_t len;
    (void)state;

    for (size_t n = 0; n < sizeof(whole); n++) {
        char *text = malloc(n + 1);
        int err;

        memcpy(text, whole, n);
        text[n] = '\0';
        err = rn_pkt_filter_parse(text, &filter, &word, &len);
        assert_true(err == RN_OK || err == RN_E_PARSE);
        n_refused += err < 0;
        free(text);
    }
    assert_in_range(n_refused, 50, sizeof(whole) - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_mean_what_they_mean_to_tcpdump),
        cmocka_unit_test(test_frames_are_looked_into_and_other_protocols_are_no_ip),
        cmocka_unit_test(test_later_fragments_have_addresses_but_no_ports),
        cmocka_unit_test(test_wrong_words_are_named),
        cmocka_unit_test(test_what_is_too_long_or_too_deep_is_refused),
        cmocka_unit_test(test_every_truncation_is_whole_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
