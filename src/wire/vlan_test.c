#include "wire/vlan.h"

#include "parse_check.h"
#include "wire/eth.h"
#include <runnel/err.h>

/* priority 5, drop eligible, id 100, then IPv6 */
static const uint8_t tag_bytes[] = { 0xb0, 0x64, 0x86, 0xdd };

static int parse(struct rn_view bytes)
{
    struct rn_vlan_tag tag;
    struct rn_view payload;

    return rn_vlan_parse(&tag, &payload, bytes);
}

static void test_tag_is_read(void **state)
{
    struct rn_vlan_tag tag;
    struct rn_view payload;

    assert_int_equal(rn_vlan_parse(&tag, &payload, rn_view_of(tag_bytes, sizeof(tag_bytes))),
                     RN_OK);

    assert_int_equal(tag.id, 100);
    assert_int_equal(tag.priority, 5);
    assert_true(tag.may_drop);
    assert_int_equal(tag.type, RN_ETHERTYPE_IPV6);
    assert_int_equal(payload.len, 0);
    (void)state;
}

static void test_every_control_word_survives_the_round_trip(void **state)
{
    for (unsigned control = 0; control <= UINT16_MAX; control++) {
        const uint8_t in[] = { (uint8_t)(control >> 8), (uint8_t)control, 0x08, 0x00 };
        uint8_t out[RN_VLAN_TAG_BYTES];
        struct rn_vlan_tag tag;
        struct rn_view payload;

        assert_int_equal(rn_vlan_parse(&tag, &payload, rn_view_of(in, sizeof(in))), RN_OK);
        rn_vlan_emit(&tag, out);
        assert_memory_equal(out, in, sizeof(in));
    }
    (void)state;
}

static void test_short_tags_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse, tag_bytes, sizeof(tag_bytes));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tag_is_read),
        cmocka_unit_test(test_every_control_word_survives_the_round_trip),
        cmocka_unit_test(test_short_tags_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
