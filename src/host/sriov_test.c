#include "host/sriov.h"

#include "test_alloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A false /sys/bus/pci/devices with one PF and one VF of it. */
struct sysfs {
    char dir[32];
    int fd;
};

static void setup(struct sysfs *s)
{
    int fd;

    memcpy(s->dir, "/tmp/rn-sriov-XXXXXX", 21);
    assert_non_null(mkdtemp(s->dir));
    s->fd = open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(s->fd, "0000:01:00.0", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "0000:01:10.0", 0755), 0);
    fd = openat(s->fd, "0000:01:00.0/sriov_numvfs", O_CREAT | O_WRONLY, 0644);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(symlinkat("../0000:01:00.0", s->fd, "0000:01:10.0/physfn"), 0);
}

static void teardown(struct sysfs *s)
{
    unlinkat(s->fd, "0000:01:00.0/sriov_numvfs", 0);
    unlinkat(s->fd, "0000:01:10.0/physfn", 0);
    unlinkat(s->fd, "0000:01:00.0", AT_REMOVEDIR);
    unlinkat(s->fd, "0000:01:10.0", AT_REMOVEDIR);
    close(s->fd);
    rmdir(s->dir);
}

static void test_a_virtual_function_names_its_physical_one(void **state)
{
    struct sysfs s;
    char pf[RN_SRIOV_BUS_BYTES];

    (void)state;
    setup(&s);
    assert_int_equal(rn_sriov_read(s.fd, "0000:01:10.0", pf), RN_SRIOV_IS_VF);
    assert_string_equal(pf, "0000:01:00.0");
    assert_int_equal(rn_sriov_read(s.fd, "0000:01:00.0", pf), RN_SRIOV_IS_PF);
    assert_string_equal(pf, "");
    teardown(&s);
}

static void test_what_is_no_pci_address_has_no_role_and_climbs_nowhere(void **state)
{
    static const char *const others[] = {
        "", "usb-1", "../0000:01:00.0", "0000:01:00.0/..", "0000:02:00.0", "0:.."
    };
    struct sysfs s;
    char pf[RN_SRIOV_BUS_BYTES];

    (void)state;
    setup(&s);
    for (size_t i = 0; i < RN_ARRAY_LEN(others); i++)
        assert_int_equal(rn_sriov_read(s.fd, others[i], pf), RN_SRIOV_IS_NONE);
    teardown(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_virtual_function_names_its_physical_one),
        cmocka_unit_test(test_what_is_no_pci_address_has_no_role_and_climbs_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
