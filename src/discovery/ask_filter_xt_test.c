/* Matches and targets as a recorded file may hold them: of any length and any content. What they mean is held against the kernel
 * by tests/netns/map_filter.py. */
#include "discovery/ask_filter_run.h"

#include "base/rand.h"
#include "test_alloc.h"

#include <stdlib.h>
#include <string.h>

#define INFO_MAX_BYTES 200u

struct machine {
    struct rn_map *map;
    struct rn_map_netns *ns;
    struct rn_filter_packet packet;
    struct rn_filter_run run;
};

static void machine_init(struct machine *m)
{
    *m = (struct machine){ 0 };
    assert_int_equal(rn_model_new(&m->map), RN_OK);
    m->ns = rn_model_add_netns(m->map, 4, 1000);
    m->packet = (struct rn_filter_packet){ .netns = m->ns,
                                           .hook = RN_FILTER_FORWARD,
                                           .from = rn_addr_v4(0x0a000001),
                                           .to = rn_addr_v4(0x0a000002),
                                           .first_to = rn_addr_v4(0x0a000002),
                                           .port = 80,
                                           .first_port = 80,
                                           .ip_proto = 6 };
    m->run = (struct rn_filter_run){ .arena = &m->map->arena, .packet = &m->packet };
}

/* @info lies at the end of memory of its own: what reads beyond is found by the sanitizers' build. */
static enum rn_fit match(struct machine *m, const char *name, uint32_t revision,
                         struct rn_view info)
{
    uint8_t *copy = malloc(info.len + 1);
    struct rn_xt_ext ext = { .name = rn_view_of(name, strlen(name)), .revision = revision };
    enum rn_fit fit;

    memcpy(copy + 1, info.ptr, info.len);
    ext.info = rn_view_of(copy + 1, info.len);
    fit = rn_filter_xt_match(&m->run, &ext);
    free(copy);
    return fit;
}

static void test_matches_of_any_length_and_content_are_answered(void **state)
{
    static const char *const names[] = { "comment", "tcp",      "udp",     "multiport", "conntrack",
                                         "state",   "addrtype", "iprange", "mac",       "rpfilter",
                                         "mark",    "connmark", "icmp",    "limit",     "" };
    uint8_t bytes[INFO_MAX_BYTES];
    struct rn_rand rand;
    struct machine m;
    (void)state;
    machine_init(&m);
    rn_rand_init_u64(&rand, 4);

    for (size_t n = 0; n <= sizeof(bytes); n++) {
        for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
            for (uint32_t revision = 0; revision < 4; revision++) {
                rn_rand_bytes(&rand, bytes, sizeof(bytes));
                m.run.marks.tracking = RN_FILTER_NEW;
                assert_in_range(match(&m, names[i], revision, rn_view_of(bytes, n)), RN_FIT_NO,
                                RN_FIT_YES);
            }
        }
    }
    rn_model_free(m.map);
}

static void test_targets_of_any_length_and_content_are_done(void **state)
{
    static const char *const names[] = {
        "REJECT", "LOG", "MARK", "CONNMARK", "CT", "NOTRACK", "X"
    };
    uint8_t bytes[24];
    struct rn_rand rand;
    struct machine m;
    (void)state;
    machine_init(&m);
    rn_rand_init_u64(&rand, 5);

    for (size_t n = 0; n <= sizeof(bytes); n++) {
        for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
            uint8_t *copy = malloc(n + 1);
            struct rn_xt_ext ext = { .name = rn_view_of(names[i], strlen(names[i])),
                                     .revision = (uint32_t)n % 3 };

            rn_rand_bytes(&rand, bytes, sizeof(bytes));
            memcpy(copy + 1, bytes, n);
            ext.info = rn_view_of(copy + 1, n);
            m.run.marks.tracking = RN_FILTER_NEW;
            assert_in_range(rn_filter_xt_target(&m.run, &ext, RN_FIT_YES), RN_XT_NOTHING,
                            RN_XT_WHO_KNOWS);
            free(copy);
        }
    }
    rn_model_free(m.map);
}

/* Half of an address range, or of a state's mask, says nothing; to take it for zeros would be an answer. */
static void test_what_is_cut_short_is_not_known(void **state)
{
    static const struct {
        const char *name;
        uint32_t revision;
        size_t whole;
    } rows[] = { { "conntrack", 3, 164 }, { "iprange", 1, 65 }, { "mac", 0, 12 } };
    const uint8_t zero[INFO_MAX_BYTES] = { 0 };
    struct machine m;
    (void)state;
    machine_init(&m);

    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        for (size_t n = 0; n < rows[i].whole; n++)
            assert_int_equal(match(&m, rows[i].name, rows[i].revision, rn_view_of(zero, n)),
                             RN_FIT_MAYBE);
    }
    rn_model_free(m.map);
}

static void test_ports_and_their_inversion_are_read_where_xtables_has_them(void **state)
{
    const uint8_t udp_any[10] = { 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff };
    uint8_t tcp[12] = { 0, 0, 0xff, 0xff, 80, 0, 90, 0 }; /* host order: little endian here */
    struct machine m;
    (void)state;
    machine_init(&m);

    assert_int_equal(match(&m, "tcp", 0, rn_view_of(tcp, sizeof(tcp))), RN_FIT_YES);
    tcp[4] = 81;
    assert_int_equal(match(&m, "tcp", 0, rn_view_of(tcp, sizeof(tcp))), RN_FIT_NO);
    tcp[11] = 2;
    assert_int_equal(match(&m, "tcp", 0, rn_view_of(tcp, sizeof(tcp))), RN_FIT_YES);
    assert_int_equal(match(&m, "udp", 0, rn_view_of(udp_any, sizeof(udp_any))), RN_FIT_NO);
    m.packet.ip_proto = 17;
    assert_int_equal(match(&m, "udp", 0, rn_view_of(udp_any, sizeof(udp_any))), RN_FIT_YES);
    rn_model_free(m.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches_of_any_length_and_content_are_answered),
        cmocka_unit_test(test_targets_of_any_length_and_content_are_done),
        cmocka_unit_test(test_what_is_cut_short_is_not_known),
        cmocka_unit_test(test_ports_and_their_inversion_are_read_where_xtables_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
