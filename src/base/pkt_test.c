#include "base/checksum.h"
#include "base/pkt.h"
#include "base/pktq.h"
#include "base/rand.h"
#include "fixture.h"

static const uint8_t text[] = "abcdefghijklmnopqrstuvwxyz";

static void expect_bytes(const struct rn_pkt *pkt, const char *want)
{
    uint8_t got[256] = { 0 };

    assert_int_equal(pkt->len, strlen(want));
    rn_pkt_copy_out(pkt, 0, got, pkt->len);
    assert_string_equal((char *)got, want);
}

static struct rn_pkt *pkt_of(struct rn_test_turn *t, const char *s)
{
    struct rn_pkt *pkt = rn_pkt_from_bytes(t->pool, s, strlen(s));

    assert_non_null(pkt);
    return pkt;
}

/* "head" in the head and every one of @pieces in a buffer of its own. */
static struct rn_pkt *pieces_of(struct rn_test_turn *t, const char *const *pieces, unsigned n)
{
    struct rn_pkt *pkt = rn_pkt_new(t->pool);

    assert_non_null(pkt);
    for (unsigned i = 0; i < n; i++) {
        uint32_t len = (uint32_t)strlen(pieces[i]);
        struct rn_buf *buf = rn_buf_new(t->pool, RN_BUF_SMALL);

        assert_non_null(buf);
        memcpy(buf->data, pieces[i], len);
        assert_true(rn_pkt_append_ref(pkt, buf, 0, len));
        rn_buf_unref(buf);
    }
    return pkt;
}

static void test_a_new_packet_is_empty_with_the_head_as_headroom(void **state)
{
    struct rn_test_turn t;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_pkt_new(t.pool);
    assert_int_equal(pkt->len, 0);
    assert_int_equal(rn_pkt_front(pkt).len, 0);
    assert_non_null(rn_pkt_push(pkt, RN_PKT_HEAD_BYTES));
    assert_null(rn_pkt_push(pkt, 1));
    assert_int_equal(pkt->len, RN_PKT_HEAD_BYTES);
    rn_pkt_free(pkt);
    rn_pkt_free(NULL);
    rn_test_turn_fini(&t);
}

static void test_a_reused_packet_remembers_nothing(void **state)
{
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    static const uint8_t zeros[offsetof(struct rn_pkt, frags)];
    uint8_t meta[sizeof(zeros)];

    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_pkt_new(t.pool);
    memset(pkt, 0xff, offsetof(struct rn_pkt, frags));
    pkt->pool = t.pool;
    pkt->n_frags = 0;
    rn_pkt_free(pkt);

    assert_ptr_equal(rn_pkt_new(t.pool), pkt);

    pkt->head_off = 0;
    pkt->pool = NULL;
    memcpy(meta, pkt, sizeof(meta));
    assert_memory_equal(meta, zeros, sizeof(zeros));
    pkt->pool = t.pool;
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_push_and_pull_keep_offsets_true(void **state)
{
    struct rn_test_turn t;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = pkt_of(&t, "payload");
    pkt->csum_start = 3;
    pkt->gso_hdr = 5;
    memcpy(rn_pkt_push(pkt, 4), "head", 4);
    expect_bytes(pkt, "headpayload");
    assert_int_equal(pkt->csum_start, 7);
    assert_int_equal(pkt->gso_hdr, 9);

    rn_pkt_pull(pkt, 8);

    expect_bytes(pkt, "oad");
    assert_int_equal(pkt->csum_start, 0);
    assert_int_equal(pkt->gso_hdr, 1);
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_pull_lets_emptied_buffers_go_but_keeps_the_last(void **state)
{
    static const char *const pieces[] = { "abc", "def", "gh" };
    struct rn_test_turn t;
    struct rn_pool_stats stats;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = pieces_of(&t, pieces, 3);
    rn_pkt_pull(pkt, 4);
    expect_bytes(pkt, "efgh");
    rn_pool_get_stats(t.pool, &stats);
    assert_int_equal(stats.small_in_use, 2);

    rn_pkt_pull(pkt, 4);

    assert_int_equal(pkt->len, 0);
    assert_int_equal(pkt->n_frags, 1);
    assert_memory_equal(rn_pkt_pulled(pkt, 2), "gh", 2);
    assert_null(rn_pkt_pulled(pkt, 3));
    assert_true(rn_pkt_append_copy(pkt, "xyz", 3));
    expect_bytes(pkt, "xyz");
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_pulled_headers_can_be_put_back(void **state)
{
    static const char *const pieces[] = { "linknetdata" };
    struct rn_test_turn t;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = pieces_of(&t, pieces, 1);
    pkt->csum_start = 7;
    rn_pkt_pull(pkt, 4);
    rn_pkt_pull(pkt, 3);
    assert_memory_equal(rn_pkt_pulled(pkt, 3), "net", 3);

    assert_true(rn_pkt_unpull(pkt, 3));

    expect_bytes(pkt, "netdata");
    assert_int_equal(pkt->csum_start, 3);
    assert_true(rn_pkt_unpull(pkt, 4));
    assert_false(rn_pkt_unpull(pkt, 1));
    expect_bytes(pkt, "linknetdata");
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_headers_pulled_off_the_head_come_back_from_the_head(void **state)
{
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    struct rn_pkt *copy;

    (void)state;
    rn_test_turn_init(&t);
    pkt = pkt_of(&t, "data");
    memcpy(rn_pkt_push(pkt, 7), "nettcp!", 7);
    rn_pkt_pull(pkt, 7);
    assert_memory_equal(rn_pkt_front(pkt).ptr, "data", 4);

    copy = rn_pkt_clone(pkt);
    assert_true(rn_pkt_unpull(pkt, 7));
    expect_bytes(pkt, "nettcp!data");
    assert_true(rn_pkt_unpull(copy, 4));
    expect_bytes(copy, "tcp!data");

    rn_pkt_pull(copy, 4);
    memcpy(rn_pkt_push(copy, 1), "x", 1); /* overwrites what was there */
    assert_false(rn_pkt_unpull(copy, 1));
    rn_pkt_free(copy);
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_trim_cuts_the_tail_across_fragments(void **state)
{
    static const char *const pieces[] = { "abc", "def", "gh" };
    struct rn_test_turn t;

    (void)state;
    rn_test_turn_init(&t);
    for (size_t len = 0; len <= 10; len++) {
        struct rn_pkt *pkt = pieces_of(&t, pieces, 3);
        char want[] = "HIabcdefgh";

        memcpy(rn_pkt_push(pkt, 2), "HI", 2);
        want[len] = '\0';
        rn_pkt_trim(pkt, len);
        expect_bytes(pkt, want);
        assert_true(rn_pkt_append_copy(pkt, "Z", 1));
        want[len] = 'Z';
        if (len < 10)
            want[len + 1] = '\0';
        assert_int_equal(pkt->len, len + 1);
        rn_pkt_free(pkt);
    }
    rn_test_turn_fini(&t);
}

static void test_owned_front_is_private_whatever_it_lay_in(void **state)
{
    static const char *const pieces[] = { "abc", "def", "gh" };
    struct rn_test_turn t;

    (void)state;
    rn_test_turn_init(&t);
    for (size_t head = 0; head <= 2; head++) {
        for (size_t n = 0; n <= 8 + head; n++) {
            struct rn_pkt *pkt = pieces_of(&t, pieces, 3);
            char before[] = "HIabcdefgh";
            struct rn_pkt *copy;
            uint8_t *front;

            memcpy(rn_pkt_push(pkt, head), before + 2 - head, head);
            copy = rn_pkt_clone(pkt);
            front = rn_pkt_own_front(pkt, n);
            assert_non_null(front);
            expect_bytes(pkt, before + 2 - head);
            memset(front, '#', n);
            expect_bytes(copy, before + 2 - head);
            memset(before + 2 - head, '#', n);
            expect_bytes(pkt, before + 2 - head);
            rn_pkt_free(copy);
            rn_pkt_free(pkt);
        }
    }
    rn_test_turn_fini(&t);
}

static void test_front_larger_than_head_or_packet_is_refused(void **state)
{
    static const char big[400];
    struct rn_test_turn t;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_pkt_from_bytes(t.pool, big, sizeof(big));
    assert_null(rn_pkt_own_front(pkt, RN_PKT_HEAD_BYTES + 1));
    assert_non_null(rn_pkt_own_front(pkt, RN_PKT_HEAD_BYTES));
    assert_int_equal(pkt->len, sizeof(big));
    rn_pkt_trim(pkt, 10);
    assert_null(rn_pkt_own_front(pkt, 11));
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_a_clone_shares_payload_and_owns_its_head(void **state)
{
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    struct rn_pkt *copy;

    (void)state;
    rn_test_turn_init(&t);
    pkt = pkt_of(&t, "payload");
    memcpy(rn_pkt_push(pkt, 4), "head", 4);
    pkt->gso_size = 1460;
    pkt->flow_hash = 77;
    copy = rn_pkt_clone(pkt);
    assert_int_equal(pkt->frags[0].buf->refs, 2);
    assert_int_equal(copy->gso_size, 1460);
    assert_int_equal(copy->flow_hash, 77);

    memcpy(rn_pkt_own_front(pkt, 4), "XXXX", 4);
    assert_true(rn_pkt_append_copy(pkt, "+", 1)); /* neither may extend the slab they share */
    assert_true(rn_pkt_append_copy(copy, "-", 1));

    expect_bytes(copy, "headpayload-");
    expect_bytes(pkt, "XXXXpayload+");
    rn_pkt_free(pkt);
    expect_bytes(copy, "headpayload-");
    rn_pkt_free(copy);
    rn_test_turn_fini(&t);
}

static void test_adjacent_references_become_one_fragment(void **state)
{
    struct rn_test_turn t;
    struct rn_buf *buf;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    buf = rn_buf_new(t.pool, RN_BUF_SMALL);
    memcpy(buf->data, text, sizeof(text));
    pkt = rn_pkt_new(t.pool);
    assert_true(rn_pkt_append_ref(pkt, buf, 0, 3));
    assert_true(rn_pkt_append_ref(pkt, buf, 3, 3));
    assert_true(rn_pkt_append_ref(pkt, buf, 10, 0));
    assert_int_equal(pkt->n_frags, 1);
    assert_true(rn_pkt_append_ref(pkt, buf, 10, 2));
    assert_int_equal(buf->refs, 3);
    expect_bytes(pkt, "abcdefkl");
    for (uint32_t i = 2; i < RN_PKT_FRAGS_MAX; i++)
        assert_true(rn_pkt_append_ref(pkt, buf, 100 * i, 1));

    assert_false(rn_pkt_append_ref(pkt, buf, 0, 1));

    assert_int_equal(buf->refs, 1 + RN_PKT_FRAGS_MAX);
    rn_pkt_free(pkt);
    assert_int_equal(buf->refs, 1);
    rn_buf_unref(buf);
    rn_test_turn_fini(&t);
}

static void test_large_packets_use_one_small_and_one_big_slab(void **state)
{
    static uint8_t big[65536];
    static uint8_t out[sizeof(big)];
    struct rn_test_turn t;
    struct rn_rand rand;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    rn_rand_init_u64(&rand, 1);
    rn_rand_bytes(&rand, big, sizeof(big));

    pkt = rn_pkt_from_bytes(t.pool, big, sizeof(big));

    assert_int_equal(pkt->n_frags, 2);
    assert_int_equal(pkt->frags[0].len, RN_BUF_SMALL_BYTES);
    assert_true(rn_pkt_true_bytes(pkt) > RN_BUF_SMALL_BYTES + RN_BUF_BIG_BYTES);
    rn_pkt_copy_out(pkt, 0, out, sizeof(out));
    assert_memory_equal(out, big, sizeof(big));
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_a_failed_append_leaves_the_packet_as_it_was(void **state)
{
    static const uint8_t big[100000];
    struct rn_test_turn t;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = pkt_of(&t, "abc");
    t.alloc.fail_at = 1;
    t.alloc.fail_forever = true;
    assert_false(rn_pkt_append_copy(pkt, big, sizeof(big)));
    expect_bytes(pkt, "abc");
    assert_null(rn_pkt_from_bytes(t.pool, big, sizeof(big)));
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_views_cover_the_packet_from_any_offset(void **state)
{
    static const char *const pieces[] = { "abc", "def", "gh" };
    struct rn_test_turn t;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = pieces_of(&t, pieces, 3);
    memcpy(rn_pkt_push(pkt, 2), "HI", 2);
    for (size_t off = 0; off <= pkt->len; off++) {
        struct rn_view views[1 + RN_PKT_FRAGS_MAX];
        unsigned n = rn_pkt_views(pkt, off, views, RN_ARRAY_LEN(views));
        char got[16] = "";
        size_t len = 0;

        for (unsigned i = 0; i < n; i++) {
            assert_true(views[i].len != 0);
            memcpy(got + len, views[i].ptr, views[i].len);
            len += views[i].len;
        }
        assert_string_equal(got, &"HIabcdefgh"[off]);
    }
    assert_int_equal(rn_pkt_views(pkt, 0, (struct rn_view[2]){ { 0 } }, 2), 2);
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_checksum_over_odd_pieces_is_that_of_the_flat_bytes(void **state)
{
    struct rn_test_turn t;
    struct rn_rand rand;

    (void)state;
    rn_test_turn_init(&t);
    rn_rand_init_u64(&rand, 9);
    for (unsigned round = 0; round < 300; round++) {
        struct rn_pkt *pkt = rn_pkt_new(t.pool);
        uint8_t flat[4096];
        size_t off;
        size_t len;

        for (unsigned i = 0; i < RN_PKT_FRAGS_MAX; i++) {
            struct rn_buf *buf = rn_buf_new(t.pool, RN_BUF_SMALL);

            rn_rand_bytes(&rand, buf->data, 300);
            assert_true(rn_pkt_append_ref(pkt, buf, 1, (uint32_t)rn_rand_below(&rand, 299)));
            rn_buf_unref(buf);
        }
        rn_rand_bytes(&rand, rn_pkt_push(pkt, 7), 7);
        rn_pkt_copy_out(pkt, 0, flat, pkt->len);
        off = rn_rand_below(&rand, pkt->len + 1);
        len = rn_rand_below(&rand, pkt->len - off + 1);
        assert_int_equal(rn_pkt_checksum(pkt, off, len, 0x12345),
                         rn_checksum(flat + off, len, 0x12345));
        rn_pkt_free(pkt);
    }
    rn_test_turn_fini(&t);
}

/* A UDP-like header of 8 bytes behind @skip bytes, with the pseudo-header sum 0x1234 in its field. */
static struct rn_pkt *partial_pkt(struct rn_test_turn *t, size_t skip, const uint8_t *bytes,
                                  size_t len)
{
    struct rn_pkt *pkt = rn_pkt_from_bytes(t->pool, bytes, len);

    assert_non_null(pkt);
    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = (uint16_t)skip;
    pkt->csum_offset = 6;
    return pkt;
}

static void test_partial_checksum_is_completed_without_touching_shared_bytes(void **state)
{
    static const size_t skips[] = { 0, 20, 184, 185, 400 }; /* within and beyond the head's reach */
    struct rn_test_turn t;
    struct rn_rand rand;

    (void)state;
    rn_test_turn_init(&t);
    rn_rand_init_u64(&rand, 4);
    for (size_t i = 0; i < RN_ARRAY_LEN(skips); i++) {
        uint8_t bytes[601];
        uint8_t after[601];
        uint8_t at_once[601];
        size_t skip = skips[i];
        struct rn_pkt *pkt;
        struct rn_pkt *copy;

        rn_rand_bytes(&rand, bytes, sizeof(bytes));
        rn_put_be16(bytes + skip + 6, 0x1234);
        pkt = partial_pkt(&t, skip, bytes, sizeof(bytes));
        copy = rn_pkt_clone(pkt);

        assert_true(rn_pkt_copy_out_complete(pkt, at_once));
        assert_true(rn_pkt_complete_checksum(pkt));

        assert_int_equal(pkt->csum, RN_CSUM_NONE);
        rn_pkt_copy_out(pkt, 0, after, sizeof(after));
        assert_memory_equal(at_once, after, sizeof(after));
        assert_true(rn_pkt_copy_out_complete(pkt, at_once));
        assert_memory_equal(at_once, after, sizeof(after));
        assert_int_equal(rn_checksum(after + skip, sizeof(after) - skip, 0x1234), 0xffff);
        rn_pkt_copy_out(copy, 0, after, sizeof(after));
        assert_memory_equal(after, bytes, sizeof(bytes));
        rn_pkt_free(copy);
        rn_pkt_free(pkt);
    }
    rn_test_turn_fini(&t);
}

static void test_a_computed_zero_is_all_ones_to_udp_and_zero_to_tcp(void **state)
{
    static const uint8_t bytes[18] = { 0xff, 0xff };
    struct rn_test_turn t;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = partial_pkt(&t, 0, bytes, sizeof(bytes));
    assert_true(rn_pkt_complete_checksum(pkt));
    assert_int_equal(rn_get_be16(rn_pkt_front(pkt).ptr + 6), 0xffff);
    rn_pkt_free(pkt);
    pkt = partial_pkt(&t, 0, bytes, sizeof(bytes));
    pkt->csum_offset = 16;
    assert_true(rn_pkt_complete_checksum(pkt));
    assert_int_equal(rn_get_be16(rn_pkt_front(pkt).ptr + 16), 0);
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_checksum_offsets_outside_the_packet_are_refused(void **state)
{
    static const uint8_t bytes[8];
    uint8_t out[8];
    struct rn_test_turn t;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = partial_pkt(&t, 1, bytes, sizeof(bytes));
    assert_false(rn_pkt_complete_checksum(pkt));
    assert_false(rn_pkt_copy_out_complete(pkt, out));
    pkt->csum_start = UINT16_MAX;
    pkt->csum_offset = UINT16_MAX;
    assert_false(rn_pkt_complete_checksum(pkt));
    assert_false(rn_pkt_copy_out_complete(pkt, out));
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

struct traced {
    unsigned n;
    enum rn_drop why;
    uint32_t len;
};

static void on_drop(void *arg, const struct rn_pkt *pkt, enum rn_drop why)
{
    struct traced *traced = arg;

    traced->n++;
    traced->why = why;
    traced->len = pkt->len;
}

static void test_a_drop_is_counted_and_traced_where_the_packet_belongs(void **state)
{
    struct rn_test_turn t;
    struct traced traced = { 0 };
    struct rn_drop_account account = { .trace = on_drop, .arg = &traced };
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    pkt = pkt_of(&t, "abc");
    pkt->account = &account;
    rn_pkt_drop(pkt, RN_DROP_NO_ROUTE);
    rn_pkt_drop(pkt_of(&t, "d"), RN_DROP_MARTIAN);

    assert_int_equal(account.n[RN_DROP_NO_ROUTE], 1);
    assert_int_equal(account.n[RN_DROP_MARTIAN], 0);
    assert_int_equal(rn_pool_drops(t.pool)->n[RN_DROP_MARTIAN], 1);
    assert_int_equal(traced.n, 1);
    assert_int_equal(traced.why, RN_DROP_NO_ROUTE);
    assert_int_equal(traced.len, 3);
    rn_test_turn_fini(&t);
}

static void test_every_drop_reason_has_name_and_text(void **state)
{
    (void)state;
    for (int why = 0; why < RN_DROP_COUNT; why++) {
        assert_true(strlen(rn_drop_name((enum rn_drop)why)) > 0);
        assert_true(strlen(rn_drop_text((enum rn_drop)why)) > 0);
    }
    assert_string_equal(rn_drop_name(RN_DROP_NO_ROUTE), "NO_ROUTE");
    assert_string_equal(rn_drop_text(RN_DROP_COUNT), "unknown reason");
}

static void test_a_queue_keeps_order_count_and_bytes(void **state)
{
    struct rn_test_turn t;
    struct rn_pktq q = { 0 };
    struct rn_pktq more = { 0 };
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    rn_pktq_push(&q, pkt_of(&t, "bb"));
    rn_pktq_push_front(&q, pkt_of(&t, "a"));
    rn_pktq_push(&more, pkt_of(&t, "ccc"));
    rn_pktq_splice(&q, &more);
    assert_true(rn_pktq_is_empty(&more));
    assert_int_equal(q.n_pkts, 3);
    assert_int_equal(q.n_bytes, 6);
    for (size_t len = 1; len <= 2; len++) {
        pkt = rn_pktq_pop(&q);
        assert_int_equal(pkt->len, len);
        rn_pkt_free(pkt);
    }
    rn_pktq_drop_all(&q, RN_DROP_CLOSED);
    assert_null(rn_pktq_pop(&q));
    assert_int_equal(q.n_bytes, 0);
    assert_int_equal(rn_pool_drops(t.pool)->n[RN_DROP_CLOSED], 1);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_packet_is_empty_with_the_head_as_headroom),
        cmocka_unit_test(test_a_reused_packet_remembers_nothing),
        cmocka_unit_test(test_push_and_pull_keep_offsets_true),
        cmocka_unit_test(test_pull_lets_emptied_buffers_go_but_keeps_the_last),
        cmocka_unit_test(test_pulled_headers_can_be_put_back),
        cmocka_unit_test(test_headers_pulled_off_the_head_come_back_from_the_head),
        cmocka_unit_test(test_trim_cuts_the_tail_across_fragments),
        cmocka_unit_test(test_owned_front_is_private_whatever_it_lay_in),
        cmocka_unit_test(test_front_larger_than_head_or_packet_is_refused),
        cmocka_unit_test(test_a_clone_shares_payload_and_owns_its_head),
        cmocka_unit_test(test_adjacent_references_become_one_fragment),
        cmocka_unit_test(test_large_packets_use_one_small_and_one_big_slab),
        cmocka_unit_test(test_a_failed_append_leaves_the_packet_as_it_was),
        cmocka_unit_test(test_views_cover_the_packet_from_any_offset),
        cmocka_unit_test(test_checksum_over_odd_pieces_is_that_of_the_flat_bytes),
        cmocka_unit_test(test_partial_checksum_is_completed_without_touching_shared_bytes),
        cmocka_unit_test(test_a_computed_zero_is_all_ones_to_udp_and_zero_to_tcp),
        cmocka_unit_test(test_checksum_offsets_outside_the_packet_are_refused),
        cmocka_unit_test(test_a_drop_is_counted_and_traced_where_the_packet_belongs),
        cmocka_unit_test(test_every_drop_reason_has_name_and_text),
        cmocka_unit_test(test_a_queue_keeps_order_count_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
