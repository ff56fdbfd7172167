/* The header-only parts: bytes.h, view.h, writer.h, seq.h, list.h, and alloc.c. */
#include "base/bytes.h"
#include "base/list.h"
#include "base/seq.h"
#include "base/view.h"
#include "base/writer.h"
#include "test_alloc.h"

static void test_what_a_writer_wrote_a_reader_reads(void **state)
{
    uint8_t bytes[64];
    uint8_t three[3];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));
    struct rn_reader r;

    (void)state;
    rn_write_u8(&w, 0x12);
    rn_write_be16(&w, 0x3456);
    rn_write_be32(&w, 0x789abcde);
    rn_write_be64(&w, 0x0123456789abcdefu);
    rn_write_bytes(&w, "xyz", 3);
    rn_write_zeros(&w, 2);
    rn_write_addr4(&w, rn_addr_v4(0x01020304));
    rn_write_addr6(&w, rn_addr_v4(0x01020304));
    assert_false(w.overflow);
    assert_int_equal(w.len, 1 + 2 + 4 + 8 + 3 + 2 + 4 + 16);

    r = rn_reader_of(rn_view_of(bytes, w.len));
    assert_int_equal(rn_read_u8(&r), 0x12);
    assert_int_equal(rn_read_be16(&r), 0x3456);
    assert_int_equal(rn_read_be32(&r), 0x789abcde);
    assert_true(rn_read_be64(&r) == 0x0123456789abcdefu);
    rn_read_bytes(&r, three, 3);
    assert_memory_equal(three, "xyz", 3);
    assert_int_equal(rn_read_be16(&r), 0);
    assert_true(rn_addr_eq(rn_read_addr4(&r), rn_addr_v4(0x01020304)));
    assert_true(rn_addr_eq(rn_read_addr6(&r), rn_addr_v4(0x01020304)));
    assert_false(r.short_read);
    assert_int_equal(r.rest.len, 0);
}

static void test_reading_past_the_end_yields_zeros_and_latches(void **state)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7 };
    uint8_t out[4] = { 9, 9, 9, 9 };

    (void)state;
    for (size_t len = 0; len < sizeof(bytes); len++) {
        struct rn_reader r = rn_reader_of(rn_view_of(bytes, len));

        assert_int_equal(rn_read_be64(&r), 0);
        assert_true(r.short_read);
        assert_int_equal(rn_read_u8(&r), 0); /* nothing is left for what follows */
        rn_read_bytes(&r, out, sizeof(out));
        assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
        assert_int_equal(rn_read_view(&r, 1).len, 0);
    }
}

static void test_writing_past_the_end_writes_nothing_and_latches(void **state)
{
    uint8_t bytes[8];

    (void)state;
    for (size_t cap = 0; cap < 4; cap++) {
        struct rn_writer w = rn_writer_of(bytes, cap);

        memset(bytes, 0xee, sizeof(bytes));
        rn_write_be32(&w, 0);
        assert_true(w.overflow);
        rn_write_u8(&w, 0);
        rn_write_zeros(&w, 1);
        assert_int_equal(w.len, 0);
        assert_int_equal(bytes[0], 0xee);
    }
}

static void test_little_and_big_endian_are_mirrored(void **state)
{
    static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

    (void)state;
    assert_true(rn_get_be64(bytes) == 0x0102030405060708u);
    assert_true(rn_get_le64(bytes) == 0x0807060504030201u);
}

static void test_narrowing_saturates(void **state)
{
    (void)state;
    assert_int_equal(rn_sat_u8(255), 255);
    assert_int_equal(rn_sat_u8(256), 255);
    assert_int_equal(rn_sat_u16(65536), 65535);
    assert_int_equal(rn_sat_u32((uint64_t)1 << 40), UINT32_MAX);
}

static void test_sequence_numbers_compare_across_the_wrap(void **state)
{
    rn_seq before = rn_seq_of(0xfffffff0);
    rn_seq after = rn_seq_add(before, 0x20);

    (void)state;
    assert_int_equal(after.v, 0x10);
    assert_true(rn_seq_lt(before, after) && rn_seq_le(before, after) && rn_seq_le(after, after));
    assert_true(rn_seq_gt(after, before) && rn_seq_ge(after, before));
    assert_false(rn_seq_lt(after, after) || rn_seq_eq(before, after));
    assert_int_equal(rn_seq_diff(before, after), -0x20);
    assert_int_equal(rn_seq_max(before, after).v, after.v);
    assert_int_equal(rn_seq_min(before, after).v, before.v);
    assert_int_equal(rn_seq_sub(after, 0x20).v, before.v);
}

struct bead {
    struct rn_list link;
    char name;
};

static void expect_beads(const struct rn_list *head, const char *want)
{
    const struct rn_list *it;
    char got[16] = "";

    rn_list_for_each (it, head)
        strncat(got, &rn_list_entry(it, struct bead, link)->name, 1);
    assert_string_equal(got, want);
}

static void test_a_list_keeps_order_through_insert_remove_and_splice(void **state)
{
    struct bead a = { .name = 'a' };
    struct bead b = { .name = 'b' };
    struct bead c = { .name = 'c' };
    struct rn_list head;
    struct rn_list more;

    (void)state;
    rn_list_init(&head);
    rn_list_init(&more);
    rn_list_push_back(&head, &b.link);
    rn_list_push_front(&head, &a.link);
    rn_list_push_back(&more, &c.link);
    rn_list_splice_back(&head, &more);
    assert_true(rn_list_is_empty(&more));
    expect_beads(&head, "abc");

    rn_list_remove(&b.link);
    rn_list_remove(&b.link); /* a no-op */
    assert_false(rn_list_is_linked(&b.link));
    expect_beads(&head, "ac");
    rn_list_insert_before(&c.link, &b.link);
    expect_beads(&head, "abc");
    assert_ptr_equal(rn_list_pop_front(&head), &a.link);
    assert_false(rn_list_is_linked(&a.link));
    assert_ptr_equal(rn_list_first(&head), &b.link);
}

static void test_a_list_may_lose_the_node_under_the_walk(void **state)
{
    struct bead beads[3] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' } };
    struct rn_list head;
    struct rn_list *it;
    struct rn_list *tmp;

    (void)state;
    rn_list_init(&head);
    for (unsigned i = 0; i < 3; i++)
        rn_list_push_back(&head, &beads[i].link);
    rn_list_for_each_safe (it, tmp, &head)
        rn_list_remove(it);
    assert_true(rn_list_is_empty(&head));
    assert_null(rn_list_pop_front(&head));
}

static void test_allocations_are_zeroed_counted_and_checked_for_overflow(void **state)
{
    struct rn_test_alloc a;
    uint64_t *p;

    (void)state;
    rn_test_alloc_init(&a);
    p = rn_alloc_array(&a.alloc, 10, sizeof(*p));
    assert_non_null(p);
    assert_true((p[0] | p[9]) == 0);
    assert_int_equal(a.bytes_live, 80);
    assert_null(rn_alloc_array(&a.alloc, SIZE_MAX / 2, 3));
    rn_alloc_free(&a.alloc, p, 80);
    rn_alloc_free(&a.alloc, NULL, 80);
    a.fail_at = 2;
    p = rn_alloc_new(&a.alloc, 8);
    assert_non_null(p);
    assert_null(rn_alloc_new(&a.alloc, 8));
    rn_alloc_free(&a.alloc, p, 8);
    rn_test_alloc_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_writer_wrote_a_reader_reads),
        cmocka_unit_test(test_reading_past_the_end_yields_zeros_and_latches),
        cmocka_unit_test(test_writing_past_the_end_writes_nothing_and_latches),
        cmocka_unit_test(test_little_and_big_endian_are_mirrored),
        cmocka_unit_test(test_narrowing_saturates),
        cmocka_unit_test(test_sequence_numbers_compare_across_the_wrap),
        cmocka_unit_test(test_a_list_keeps_order_through_insert_remove_and_splice),
        cmocka_unit_test(test_a_list_may_lose_the_node_under_the_walk),
        cmocka_unit_test(test_allocations_are_zeroed_counted_and_checked_for_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
