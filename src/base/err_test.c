#include "test_alloc.h"

#include <runnel/err.h>

#include <errno.h>

static const int all[] = {
#define X(name, value, posix, text) RN_E_##name,
    RN_ERR_MAP(X)
#undef X
};

static void test_every_error_has_its_own_value_name_and_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(all); i++) {
        assert_true(all[i] < 0 && all[i] > -RN_ERR_HOST_BASE);
        assert_true(strlen(rn_err_text(all[i])) > 3);
        assert_string_not_equal(rn_err_name(all[i]), "UNKNOWN");
        assert_true(rn_err_to_errno(all[i]) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(all[i], all[j]);
            assert_string_not_equal(rn_err_text(all[i]), rn_err_text(all[j]));
        }
    }
}

static void test_known_errors_map_to_their_errno(void **state)
{
    (void)state;
    assert_int_equal(rn_err_to_errno(RN_E_WOULD_BLOCK), EAGAIN);
    assert_int_equal(rn_err_to_errno(RN_E_CONN_REFUSED), ECONNREFUSED);
    assert_int_equal(rn_err_to_errno(RN_E_PORT_IN_USE), EADDRINUSE);
    assert_string_equal(rn_err_name(RN_E_PORT_IN_USE), "PORT_IN_USE");
}

static void test_success_is_zero_or_a_count(void **state)
{
    (void)state;
    assert_int_equal(rn_err_to_errno(RN_OK), 0);
    assert_int_equal(rn_err_to_errno(17), 0);
    assert_string_equal(rn_err_name(0), "OK");
    assert_string_equal(rn_err_text(17), "success");
}

static void test_host_errno_survives_the_round_trip(void **state)
{
    (void)state;
    assert_int_equal(rn_err_from_errno(ENOENT), -1002);
    assert_int_equal(rn_err_to_errno(rn_err_from_errno(ENOENT)), ENOENT);
    assert_string_equal(rn_err_name(rn_err_from_errno(EPERM)), "HOST");
    assert_string_equal(rn_err_text(rn_err_from_errno(EPERM)), "host error");
}

static void test_unknown_values_are_answered_too(void **state)
{
    (void)state;
    assert_string_equal(rn_err_name(-999), "UNKNOWN");
    assert_string_equal(rn_err_text(-1000), "unknown error");
    assert_int_equal(rn_err_to_errno(-999), EIO);
    assert_string_equal(rn_err_name(INT32_MIN), "HOST");
    assert_true(rn_err_to_errno(INT32_MIN) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_has_its_own_value_name_and_text),
        cmocka_unit_test(test_known_errors_map_to_their_errno),
        cmocka_unit_test(test_success_is_zero_or_a_count),
        cmocka_unit_test(test_host_errno_survives_the_round_trip),
        cmocka_unit_test(test_unknown_values_are_answered_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
