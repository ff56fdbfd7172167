/* Tables of iptables-legacy made by hand, asked for packets; tests/netns/map_filter.py holds the answers against the
 * kernel's. Here: what a file may hold that no kernel would write. */
#include "discovery/ask_filter.h"

#include "test_alloc.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <string.h>

#define TABLE_BYTES 4096u

/* A table under construction: struct ipt_getinfo, then the rules. */
struct table {
    uint8_t bytes[TABLE_BYTES];
    struct ipt_getinfo info;
    size_t len;
};

static void table_init(struct table *t)
{
    *t = (struct table){ .len = sizeof(struct ipt_getinfo) };
    memcpy(t->info.name, "filter", 7);
    t->info.valid_hooks = 1u << NF_INET_FORWARD;
}

static unsigned offset_of_next(const struct table *t)
{
    return (unsigned)(t->len - sizeof(struct ipt_getinfo));
}

/* @verdict as xt_standard_target has it: an offset, or minus what to do minus one. Returns the entry's offset. */
static unsigned put_rule(struct table *t, const char *dst, int verdict)
{
    unsigned at = offset_of_next(t);
    struct ipt_entry e = { 0 };
    struct xt_standard_target target = { .verdict = verdict };
    struct rn_addr addr;

    if (dst != NULL) {
        assert_int_equal(rn_addr_parse(dst, &addr), RN_OK);
        memcpy(&e.ip.dst, addr.b + 12, 4);
        memset(&e.ip.dmsk, 0xff, 4);
    }
    target.target.u.user.target_size = sizeof(target);
    e.target_offset = sizeof(e);
    e.next_offset = sizeof(e) + sizeof(target);
    memcpy(t->bytes + t->len, &e, sizeof(e));
    memcpy(t->bytes + t->len + sizeof(e), &target, sizeof(target));
    t->len += e.next_offset;
    return at;
}

static unsigned put_name(struct table *t, const char *name)
{
    unsigned at = offset_of_next(t);
    struct ipt_entry e = { 0 };
    struct xt_error_target target = { 0 };

    memcpy(target.target.u.user.name, XT_ERROR_TARGET, sizeof(XT_ERROR_TARGET));
    memcpy(target.errorname, name, strlen(name));
    target.target.u.user.target_size = sizeof(target);
    e.target_offset = sizeof(e);
    e.next_offset = sizeof(e) + sizeof(target);
    memcpy(t->bytes + t->len, &e, sizeof(e));
    memcpy(t->bytes + t->len + sizeof(e), &target, sizeof(target));
    t->len += e.next_offset;
    return at;
}

static struct rn_view finish(struct table *t)
{
    t->info.size = offset_of_next(t);
    memcpy(t->bytes, &t->info, sizeof(t->info));
    return rn_view_of(t->bytes, t->len);
}

struct machine {
    struct rn_map *map;
    struct rn_map_netns *ns;
    struct rn_old_table old;
    struct rn_filter_packet packet;
};

static void machine_init(struct machine *m)
{
    assert_int_equal(rn_model_new(&m->map), RN_OK);
    m->ns = rn_model_add_netns(m->map, 4, 1000);
    m->ns->old_tables = &m->old;
    m->ns->n_old_tables = 1;
    m->packet = (struct rn_filter_packet){
        .netns = m->ns, .hook = RN_FILTER_FORWARD, .port = 80, .ip_proto = 6
    };
    assert_int_equal(rn_addr_parse("10.0.0.9", &m->packet.to), RN_OK);
}

static struct rn_filter_answer ask(struct machine *m, struct rn_view table)
{
    m->old = (struct rn_old_table){ RN_FAMILY_V4, table };
    return rn_filter_ask(&m->map->arena, &m->packet);
}

static void test_rules_are_named_as_iptables_counts_them(void **state)
{
    struct machine m;
    struct table t;
    struct rn_filter_answer answer;
    unsigned web;

    (void)state;
    machine_init(&m);
    table_init(&t);
    (void)put_name(&t, "web");
    web = put_rule(&t, "10.0.0.8", -NF_ACCEPT - 1);
    (void)put_rule(&t, "10.0.0.9", -NF_DROP - 1);
    (void)put_rule(&t, NULL, XT_RETURN);
    t.info.hook_entry[NF_INET_FORWARD] = put_rule(&t, NULL, (int)web);
    t.info.underflow[NF_INET_FORWARD] = put_rule(&t, NULL, -NF_ACCEPT - 1);
    (void)put_name(&t, "ERROR");
    answer = ask(&m, finish(&t));

    assert_int_equal(answer.verdict, RN_FILTER_DROP);
    assert_string_equal(answer.rule, "iptables-legacy filter web rule 2");
    assert_int_equal(answer.n_chains, 1);
    rn_model_free(m.map);
}

static void test_a_policy_alone_drops(void **state)
{
    struct machine m;
    struct table t;
    struct rn_filter_answer answer;

    (void)state;
    machine_init(&m);
    table_init(&t);
    t.info.underflow[NF_INET_FORWARD] = put_rule(&t, NULL, -NF_DROP - 1);
    answer = ask(&m, finish(&t));
    assert_int_equal(answer.verdict, RN_FILTER_DROP);
    assert_string_equal(answer.rule, "the policy of iptables-legacy filter FORWARD");

    m.packet.hook = RN_FILTER_INPUT; /* which this table does not have */
    answer = ask(&m, finish(&t));
    assert_int_equal(answer.verdict, RN_FILTER_PASS);
    assert_int_equal(answer.n_chains, 0);
    rn_model_free(m.map);
}

static void test_a_table_cut_anywhere_is_read_in_its_bounds(void **state)
{
    struct machine m;
    struct table t;
    struct rn_view whole;

    (void)state;
    machine_init(&m);
    table_init(&t);
    (void)put_rule(&t, "10.0.0.8", -NF_ACCEPT - 1);
    t.info.underflow[NF_INET_FORWARD] = put_rule(&t, NULL, -NF_DROP - 1);
    whole = finish(&t);
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *exact = test_malloc(len + 1); /* a sanitizer sees what is read beyond it */

        memcpy(exact, whole.ptr, len);
        assert_int_equal(ask(&m, rn_view_of(exact, len)).verdict, RN_FILTER_PASS);
        test_free(exact);
    }
    rn_model_free(m.map);
}

static void test_jumps_in_a_circle_and_out_of_the_table_end(void **state)
{
    struct machine m;
    struct table t;

    (void)state;
    machine_init(&m);
    table_init(&t);
    (void)put_rule(&t, NULL, 0); /* to itself, twice: 2 to the 16th ways of DEPTH_MAX */
    (void)put_rule(&t, NULL, 0);
    (void)put_rule(&t, NULL, INT32_MAX);
    t.info.underflow[NF_INET_FORWARD] = UINT32_MAX;

    assert_int_equal(ask(&m, finish(&t)).verdict, RN_FILTER_DOUBT);
    rn_model_free(m.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_are_named_as_iptables_counts_them),
        cmocka_unit_test(test_a_policy_alone_drops),
        cmocka_unit_test(test_a_table_cut_anywhere_is_read_in_its_bounds),
        cmocka_unit_test(test_jumps_in_a_circle_and_out_of_the_table_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
