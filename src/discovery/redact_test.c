/* What may be given away of a recorded machine: nothing that names it, and the whole shape of it. */
#include "discovery/scan.h"

#include "test_alloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define DUMP_BYTES_MAX (1u << 20)
#define RECORDED       RN_SOURCE_DIR "/tests/fixtures/netlink/three-namespaces.dump"

static uint8_t saved[DUMP_BYTES_MAX];
static uint8_t saved_again[DUMP_BYTES_MAX];

struct both {
    struct rn_map *whole;    /* as it was */
    struct rn_map *redacted; /* drawn from what was saved */
    struct rn_view bytes;    /* what was saved */
    struct rn_view again;    /* and when it was saved once more */
};

/* Each time with another key. */
static struct rn_view save_once(struct rn_map **ret, uint8_t *to)
{
    struct rn_scan_options scan = { .is_save_redacted = true };
    ssize_t n;

    scan.from_fd = open(RECORDED, O_RDONLY | O_CLOEXEC);
    scan.save_fd = memfd_create("redacted", MFD_CLOEXEC);
    assert_true(scan.from_fd >= 0 && scan.save_fd >= 0);
    assert_int_equal(rn_scan(&scan, ret), RN_OK);
    n = pread(scan.save_fd, to, DUMP_BYTES_MAX, 0);
    assert_true(n > 0);
    close(scan.from_fd);
    close(scan.save_fd);
    return rn_view_of(to, (size_t)n);
}

static void save(struct both *b)
{
    struct rn_map *same;

    b->bytes = save_once(&b->whole, saved);
    b->again = save_once(&same, saved_again);
    rn_model_free(same);
    assert_int_equal(rn_scan_view(b->bytes, &b->redacted), RN_OK);
}

static void done(struct both *b)
{
    rn_model_free(b->whole);
    rn_model_free(b->redacted);
}

/* A pseudonym may have three letters of a name by chance, but not twice. */
static bool is_saved(const struct both *b, const void *bytes, size_t len)
{
    return memmem(b->bytes.ptr, b->bytes.len, bytes, len) != NULL &&
           memmem(b->again.ptr, b->again.len, bytes, len) != NULL;
}

static void assert_no_name(const struct both *b, const char *name)
{
    if (strlen(name) > 2 && is_saved(b, name, strlen(name))) /* two letters are in any bytes */
        fail_msg("\"%s\" was saved", name);
}

static void test_no_name_is_saved(void **state)
{
    struct both b;

    (void)state;
    save(&b);
    assert_no_name(&b, b.whole->host.hostname);
    for (size_t i = 0; i < b.whole->n_netns; i++) {
        const struct rn_map_netns *ns = b.whole->netns[i];

        assert_no_name(&b, ns->name);
        for (size_t k = 0; k < ns->n_links; k++) {
            assert_no_name(&b, ns->links[k]->name);
            assert_no_name(&b, ns->links[k]->alias);
            assert_no_name(&b, ns->links[k]->network);
        }
        for (size_t k = 0; k < ns->n_socks; k++)
            assert_no_name(&b, ns->socks[k].path);
    }
    for (size_t i = 0; i < b.whole->n_containers; i++) {
        assert_no_name(&b, b.whole->containers[i]->id);
        assert_no_name(&b, b.whole->containers[i]->name);
    }
    done(&b);
}

static void test_no_address_is_saved(void **state)
{
    char text[RN_ADDR_TEXT_BYTES];
    struct both b;

    (void)state;
    save(&b);
    for (size_t i = 0; i < b.whole->n_netns; i++) {
        const struct rn_map_netns *ns = b.whole->netns[i];

        for (size_t k = 0; k < ns->n_addrs; k++) {
            struct rn_addr a = ns->addrs[k].addr;

            if (rn_addr_is_loopback(a))
                continue;
            assert_false(
                is_saved(&b, a.b + (rn_addr_is_v4(a) ? 12 : 0), rn_addr_is_v4(a) ? 4 : 16));
            rn_addr_print(a, text);
            assert_false(is_saved(&b, text, strlen(text)));
        }
        for (size_t k = 0; k < ns->n_links; k++) {
            if (ns->links[k]->kind != RN_KIND_LOOPBACK && ns->links[k]->hwaddr.len == 6)
                assert_false(is_saved(&b, ns->links[k]->hwaddr.b, 6));
        }
    }
    done(&b);
}

static const struct rn_map_netns *same_netns(const struct both *b, const struct rn_map_netns *ns)
{
    const struct rn_map_netns *other = rn_model_netns(b->redacted, ns->dev, ns->ino);

    assert_non_null(other);
    return other;
}

static void assert_same_end(const struct rn_map_link *a, const struct rn_map_link *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL) {
        assert_int_equal(a->index, b->index);
        assert_int_equal(a->netns->ino, b->netns->ino);
    }
}

static void assert_same_link(const struct rn_map_link *a, const struct rn_map_link *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->n_addrs, b->n_addrs);
    assert_int_equal(a->n_ports, b->n_ports);
    assert_int_equal(a->network[0] == '\0', b->network[0] == '\0');
    assert_same_end(a->peer, b->peer);
    assert_same_end(a->master, b->master);
    assert_same_end(a->lower, b->lower);
}

static const struct rn_map_link *by_index(const struct rn_map_netns *ns, uint32_t index)
{
    for (size_t i = 0; i < ns->n_links; i++) {
        if (ns->links[i]->index == index)
            return ns->links[i];
    }
    fail();
    return NULL;
}

static void test_what_was_saved_has_the_same_shape(void **state)
{
    struct both b;

    (void)state;
    save(&b);
    assert_true(b.redacted->is_redacted);
    assert_int_equal(b.redacted->n_netns, b.whole->n_netns);
    assert_int_equal(b.redacted->n_processes, b.whole->n_processes);
    assert_int_equal(b.redacted->n_containers, b.whole->n_containers);
    assert_int_equal(b.redacted->n_unreadable, b.whole->n_unreadable);
    for (size_t i = 0; i < b.whole->n_netns; i++) {
        const struct rn_map_netns *ns = b.whole->netns[i];
        const struct rn_map_netns *other = same_netns(&b, ns);

        assert_int_equal(ns->n_links, other->n_links);
        assert_int_equal(ns->n_routes, other->n_routes);
        assert_int_equal(ns->n_rules, other->n_rules);
        assert_int_equal(ns->n_socks, other->n_socks);
        assert_int_equal(ns->n_tenants, other->n_tenants);
        assert_int_equal(ns->n_fwds, other->n_fwds);
        for (size_t k = 0; k < ns->n_links; k++)
            assert_same_link(ns->links[k], by_index(other, ns->links[k]->index));
    }
    done(&b);
}

static unsigned n_resolved(const struct rn_map *map, unsigned *ret_owners)
{
    unsigned n = 0;

    *ret_owners = 0;
    for (size_t i = 0; i < map->n_netns; i++) {
        for (size_t k = 0; k < map->netns[i]->n_fwds; k++) {
            n += map->netns[i]->fwds[k].to_netns != NULL;
            *ret_owners += map->netns[i]->fwds[k].n_owners != 0;
        }
    }
    return n;
}

/* Routes, addresses and sockets were all replaced alike, or the ways would no longer be found. */
static void test_forwarded_ports_still_find_where_they_lead(void **state)
{
    unsigned whole_owners;
    unsigned owners;
    struct both b;

    (void)state;
    save(&b);
    assert_true(n_resolved(b.whole, &whole_owners) != 0);
    assert_int_equal(n_resolved(b.redacted, &owners), n_resolved(b.whole, &whole_owners));
    assert_int_equal(owners, whole_owners);
    done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_name_is_saved),
        cmocka_unit_test(test_no_address_is_saved),
        cmocka_unit_test(test_what_was_saved_has_the_same_shape),
        cmocka_unit_test(test_forwarded_ports_still_find_where_they_lead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
