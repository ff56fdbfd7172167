#include "host/cgroup.h"
#include "host/engine.h"
#include "host/proc.h"

#include "test_alloc.h"

#define VIEW(s) rn_view_of((s), sizeof(s) - 1)
#define HASH    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void assert_view(struct rn_view v, const char *s)
{
    assert_int_equal(v.len, strlen(s));
    assert_memory_equal(v.ptr, s, v.len);
}

static void test_comm_may_hold_blanks_parentheses_and_newlines(void **state)
{
    const char text[] =
        "42 (a) b) (\n) S 7 1 1 0 -1 2097216 0 0 0 0 1 2 0 0 20 -5 3 0 4711 0 0 0 0 0 0 0 0 0 0 0"
        " 0 0 0 0 17 0 9 2 0 0 0\n";
    struct rn_proc_stat s;

    (void)state;
    assert_int_equal(rn_proc_stat_parse(VIEW(text), &s), RN_OK);
    assert_view(s.comm, "a) b) (\n");
    assert_int_equal(s.pid, 42);
    assert_int_equal(s.ppid, 7);
    assert_int_equal(s.nice, -5);
    assert_int_equal(s.n_threads, 3);
    assert_int_equal(s.start_ticks, 4711);
    assert_true(s.flags & RN_PROC_PF_KTHREAD);
    assert_int_equal(s.rt_priority, 9);
    assert_int_equal(s.policy, 2);
}

static void test_a_cut_stat_line_is_refused_or_leaves_zeros(void **state)
{
    const char text[] = "42 (comm) S 7 1 1";
    struct rn_proc_stat s;

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        int err = rn_proc_stat_parse(rn_view_of(text, len), &s);

        assert_true(len < 11 ? err < 0 : err == RN_OK);
    }
}

static void test_status_gives_ids_capabilities_and_nested_pids(void **state)
{
    const char text[] =
        "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t100\t7\t1\n"
        "CapEff:\t00000000a80425fb\nCapBnd:\t000001ffffffffff\nCpus_allowed_list:\t0-3,8\n";
    struct rn_proc_status s;

    (void)state;
    rn_proc_status_parse(VIEW(text), &s);
    assert_int_equal(s.uid, 2);
    assert_int_equal(s.gid, 6);
    assert_int_equal(s.n_nspids, 3);
    assert_int_equal(s.nspids[2], 1);
    assert_true(s.cap_effective == 0xa80425fb);
    assert_view(s.cpus, "0-3,8");
}

static void test_the_unified_hierarchy_wins_unless_it_is_the_root(void **state)
{
    (void)state;
    assert_view(rn_proc_cgroup_path(VIEW("4:memory:/docker/x\n1:name=systemd:/y\n0::/z\n")), "/z");
    assert_view(rn_proc_cgroup_path(VIEW("4:memory:/docker/x\n1:name=systemd:/\n0::/\n")),
                "/docker/x");
    assert_view(rn_proc_cgroup_path(VIEW("")), "");
    assert_view(rn_proc_cgroup_path(VIEW("::\n:\n\n0:/a")), "");
}

static void test_bind_mounts_are_found_behind_optional_fields(void **state)
{
    const char text[] =
        "garbage\n"
        "36 35 0:4 net:[4026532177] /run/netns/a\\040b rw shared:3 master:4 - nsfs nsfs rw\n"
        "37 35 8:1 / / rw - ext4 /dev/sda rw\n";
    struct rn_view rest = VIEW(text);
    struct rn_mount m;
    char path[64];
    uint64_t ino;

    (void)state;
    assert_true(rn_proc_next_mount(&rest, &m));
    assert_view(m.fstype, "nsfs");
    assert_true(rn_proc_link_number(m.root, "net:[", &ino));
    assert_true(ino == 4026532177u);
    rn_proc_unescape(m.point, path, sizeof(path));
    assert_string_equal(path, "/run/netns/a b");
    assert_true(rn_proc_next_mount(&rest, &m));
    assert_view(m.fstype, "ext4");
    assert_false(rn_proc_next_mount(&rest, &m));
}

static void test_an_escape_that_is_cut_stays_as_it_is(void **state)
{
    char path[8];

    (void)state;
    rn_proc_unescape(VIEW("a\\04"), path, sizeof(path));
    assert_string_equal(path, "a\\04");
    rn_proc_unescape(VIEW("abcdefghij"), path, sizeof(path));
    assert_string_equal(path, "abcdefg");
}

static void test_numbers_refuse_signs_blanks_and_overflow(void **state)
{
    uint64_t n;

    (void)state;
    assert_true(rn_text_number(VIEW("18446744073709551615"), 10, &n));
    assert_true(n == UINT64_MAX);
    assert_false(rn_text_number(VIEW("18446744073709551616"), 10, &n));
    assert_false(rn_text_number(VIEW("-1"), 10, &n));
    assert_false(rn_text_number(VIEW(""), 10, &n));
    assert_false(rn_text_number(VIEW("a"), 10, &n));
    assert_true(rn_text_number(VIEW("fF"), 16, &n));
    assert_int_equal(n, 255);
}

static void test_containers_are_recognised_by_their_cgroups(void **state)
{
    static const struct {
        const char *path;
        enum rn_cgroup_kind kind;
        const char *id;
    } cases[] = {
        { "/system.slice/docker-" HASH ".scope", RN_CGROUP_DOCKER, HASH },
        { "/docker/" HASH, RN_CGROUP_DOCKER, HASH },
        { "/machine.slice/libpod-" HASH ".scope/container", RN_CGROUP_PODMAN, HASH },
        { "/libpod_parent/libpod-" HASH, RN_CGROUP_PODMAN, HASH },
        { "/kubepods/burstable/pod1/" HASH, RN_CGROUP_CONTAINERD, HASH },
        { "/kubepods.slice/cri-containerd-" HASH ".scope", RN_CGROUP_CONTAINERD, HASH },
        { "/crio-" HASH ".scope", RN_CGROUP_CRIO, HASH },
        { "/lxc.payload.web/init.scope", RN_CGROUP_LXC, "web" },
        { "/lxc/web", RN_CGROUP_LXC, "web" },
        { "/machine.slice/machine-deb.scope", RN_CGROUP_NSPAWN, "deb" },
        { "/system.slice/nginx.service", RN_CGROUP_UNIT, "nginx.service" },
    };
    struct rn_cgroup_id id;

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        assert_true(rn_cgroup_identify(rn_view_of(cases[i].path, strlen(cases[i].path)), &id));
        assert_int_equal(id.kind, cases[i].kind);
        assert_view(id.id, cases[i].id);
    }
    assert_false(rn_cgroup_identify(VIEW("/libpod_parent/" HASH), &id)); /* a pod is no container */
    assert_false(rn_cgroup_identify(VIEW("/"), &id));
    assert_false(rn_cgroup_identify(VIEW("/user.slice/docker-short.scope"), &id));
}

static void test_an_engines_answer_is_split_and_anything_else_refused(void **state)
{
    const char text[] = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[]";
    struct rn_view body;
    unsigned status;

    (void)state;
    assert_int_equal(rn_engine_parse(VIEW(text), &status, &body), RN_OK);
    assert_int_equal(status, 200);
    assert_view(body, "[]");
    for (size_t len = 0; len < sizeof(text) - 3; len++)
        assert_true(rn_engine_parse(rn_view_of(text, len), &status, &body) < 0);
    assert_true(rn_engine_parse(VIEW("HTTP/1.0 abc\r\n\r\n"), &status, &body) < 0);
    assert_true(rn_engine_parse(VIEW("SSH-2.0-x\r\n\r\n"), &status, &body) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comm_may_hold_blanks_parentheses_and_newlines),
        cmocka_unit_test(test_a_cut_stat_line_is_refused_or_leaves_zeros),
        cmocka_unit_test(test_status_gives_ids_capabilities_and_nested_pids),
        cmocka_unit_test(test_the_unified_hierarchy_wins_unless_it_is_the_root),
        cmocka_unit_test(test_bind_mounts_are_found_behind_optional_fields),
        cmocka_unit_test(test_an_escape_that_is_cut_stays_as_it_is),
        cmocka_unit_test(test_numbers_refuse_signs_blanks_and_overflow),
        cmocka_unit_test(test_containers_are_recognised_by_their_cgroups),
        cmocka_unit_test(test_an_engines_answer_is_split_and_anything_else_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
