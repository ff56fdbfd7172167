#include "wire/ipv6_ext.h"

#include "parse_check.h"
#include <runnel/err.h>

/* Hop-by-hop (router alert, PadN), routing type 0, destination options (unknown c3, Pad1, PadN), fragment, then UDP. */
static const uint8_t chain[] = {
    43, 0, 5,    2,    0,    0,    1,    0, /* at 0 */
    60, 2, 0,    1,    0,    0,    0,    0,    0xfe, 0x80, 0, 0,
    0,  0, 0,    0,    0,    0,    0,    0,    0,    0,    0, 2, /* at 8 */
    44, 0, 0xc3, 1,    7,    0,    1,    0,                      /* at 32 */
    17, 0, 0x00, 0x01, 0xde, 0xad, 0xbe, 0xef,                   /* at 40 */
};

static int walk(struct rn_view bytes)
{
    struct rn_ipv6_ext_iter it = rn_ipv6_ext_iter_of(RN_PROTO_HOP_BY_HOP, bytes);
    struct rn_ipv6_ext ext;
    struct rn_ipv6_opt opt;
    int n = 0;
    int more;

    while ((more = rn_ipv6_ext_next(&it, &ext)) > 0) {
        struct rn_ipv6_opt_iter opts = rn_ipv6_opt_iter_of(ext.body);

        n++;
        assert_true(n <= (int)RN_IPV6_EXT_MAX);
        while (rn_ipv6_opt_next(&opts, &opt) > 0)
            assert_true(opt.at < ext.body.len);
    }
    return more < 0 ? more : n;
}

static void test_chain_is_walked_in_order(void **state)
{
    struct rn_ipv6_ext_iter it =
        rn_ipv6_ext_iter_of(RN_PROTO_HOP_BY_HOP, rn_view_of(chain, sizeof(chain)));
    struct rn_ipv6_ext ext;

    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 1);
    assert_int_equal(ext.type, RN_PROTO_HOP_BY_HOP);
    assert_int_equal(ext.body.len, 6);
    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 1);
    assert_int_equal(ext.type, RN_PROTO_ROUTING);
    assert_int_equal(ext.routing_type, 0);
    assert_int_equal(ext.segments_left, 1);
    assert_int_equal(ext.at, 8);
    assert_int_equal(ext.next_at, 0);
    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 1);
    assert_int_equal(ext.type, RN_PROTO_DST_OPTS);
    assert_int_equal(ext.next_at, 8);
    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 1);
    assert_int_equal(ext.type, RN_PROTO_FRAGMENT);
    assert_int_equal(ext.frag.off_bytes, 0);
    assert_true(ext.frag.more);
    assert_int_equal(ext.frag.id, 0xdeadbeef);
    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 0);
    assert_int_equal(it.next, RN_PROTO_UDP);
    assert_int_equal(it.at, sizeof(chain));
    assert_int_equal(it.next_at, 40);
    assert_false(it.is_later_fragment);
    (void)state;
}

static void test_nothing_is_read_behind_a_later_fragment(void **state)
{
    static const uint8_t later[] = { 0, 0, 0x00, 0x08, 0, 0, 0, 1, 0xff, 0xff };
    struct rn_ipv6_ext_iter it =
        rn_ipv6_ext_iter_of(RN_PROTO_FRAGMENT, rn_view_of(later, sizeof(later)));
    struct rn_ipv6_ext ext;

    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 1);
    assert_int_equal(ext.frag.off_bytes, 8);
    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 0);
    assert_true(it.is_later_fragment);
    assert_int_equal(it.rest.rest.len, 2);
    (void)state;
}

static void test_options_tell_what_to_do_when_unknown(void **state)
{
    struct rn_ipv6_opt_iter it = rn_ipv6_opt_iter_of(rn_view_of(chain + 34, 6));
    struct rn_ipv6_opt opt;

    assert_int_equal(rn_ipv6_opt_next(&it, &opt), 1);
    assert_int_equal(opt.type, 0xc3);
    assert_int_equal(opt.at, 0);
    assert_int_equal(opt.data.len, 1);
    assert_int_equal(rn_ipv6_opt_action(opt.type), RN_IPV6_OPT_DROP_ICMP_UNICAST);
    assert_int_equal(rn_ipv6_opt_next(&it, &opt), 0);

    assert_int_equal(rn_ipv6_opt_action(RN_IPV6_OPT_ROUTER_ALERT), RN_IPV6_OPT_SKIP);
    assert_int_equal(rn_ipv6_opt_action(0x40), RN_IPV6_OPT_DROP);
    assert_int_equal(rn_ipv6_opt_action(0x80), RN_IPV6_OPT_DROP_ICMP);
    (void)state;
}

static void test_options_cut_short_are_refused(void **state)
{
    static const uint8_t past_end[] = { 0x1e, 4, 0, 0, 0 };
    static const uint8_t no_length[] = { 0, 0, 0x1e };
    struct rn_ipv6_opt_iter it = rn_ipv6_opt_iter_of(rn_view_of(past_end, sizeof(past_end)));
    struct rn_ipv6_opt opt;

    assert_int_equal(rn_ipv6_opt_next(&it, &opt), RN_E_MALFORMED);
    it = rn_ipv6_opt_iter_of(rn_view_of(no_length, sizeof(no_length)));
    assert_int_equal(rn_ipv6_opt_next(&it, &opt), RN_E_MALFORMED);
    (void)state;
}

static void test_endless_chains_are_refused(void **state)
{
    static const uint8_t many[(RN_IPV6_EXT_MAX + 1) * 8] = { 0 }; /* hop-by-hop names hop-by-hop */
    uint8_t huge[RN_IPV6_EXT_MAX_BYTES + 8] = { RN_PROTO_NO_NEXT, RN_IPV6_EXT_MAX_BYTES / 8 };

    assert_int_equal(walk(rn_view_of(many, sizeof(many))), RN_E_MALFORMED);
    assert_int_equal(walk(rn_view_of(huge, sizeof(huge))), RN_E_MALFORMED);
    huge[1]--;
    assert_int_equal(walk(rn_view_of(huge, sizeof(huge))), 1);
    (void)state;
}

static void test_a_length_of_255_does_not_wrap(void **state)
{
    uint8_t bytes[2048] = { RN_PROTO_HOP_BY_HOP, 255 };

    assert_int_equal(walk(rn_view_of(bytes, sizeof(bytes))), RN_E_MALFORMED);
    (void)state;
}

static void test_authentication_header_counts_in_words(void **state)
{
    uint8_t ah[16] = { RN_PROTO_TCP, 2 }; /* (2 + 2) * 4 bytes */
    struct rn_ipv6_ext_iter it = rn_ipv6_ext_iter_of(RN_PROTO_AH, rn_view_of(ah, sizeof(ah)));
    struct rn_ipv6_ext ext;

    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 1);
    assert_int_equal(it.rest.rest.len, 0);
    assert_int_equal(it.next, RN_PROTO_TCP);
    (void)state;
}

static void test_fragment_header_survives_the_round_trip(void **state)
{
    const struct rn_ipv6_frag frag = { .off_bytes = 1448, .more = true, .id = 0x01020304 };
    uint8_t out[RN_IPV6_FRAG_BYTES];
    struct rn_ipv6_ext_iter it;
    struct rn_ipv6_ext ext;

    rn_ipv6_frag_emit(&frag, RN_PROTO_TCP, out);
    it = rn_ipv6_ext_iter_of(RN_PROTO_FRAGMENT, rn_view_of(out, sizeof(out)));

    assert_int_equal(rn_ipv6_ext_next(&it, &ext), 1);
    assert_int_equal(ext.frag.off_bytes, 1448);
    assert_true(ext.frag.more);
    assert_int_equal(ext.frag.id, 0x01020304);
    assert_int_equal(it.next, RN_PROTO_TCP);
    (void)state;
}

static void test_short_chains_are_refused(void **state)
{
    rn_test_all_truncations_fail(walk, chain, sizeof(chain));
    rn_test_mutations_are_survived(walk, chain, sizeof(chain));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_is_walked_in_order),
        cmocka_unit_test(test_nothing_is_read_behind_a_later_fragment),
        cmocka_unit_test(test_options_tell_what_to_do_when_unknown),
        cmocka_unit_test(test_options_cut_short_are_refused),
        cmocka_unit_test(test_endless_chains_are_refused),
        cmocka_unit_test(test_a_length_of_255_does_not_wrap),
        cmocka_unit_test(test_authentication_header_counts_in_words),
        cmocka_unit_test(test_fragment_header_survives_the_round_trip),
        cmocka_unit_test(test_short_chains_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
