#include "outnet/native_crowd.h"

#include "fixture.h"

#include <linux/socket.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_SOCKS  200u
#define SECOND   1000000000LL
#define BIG_READ 65536u

static struct rn_native_crowd crowd;
static struct rn_native_seat seats[N_SOCKS];
static int fds[N_SOCKS];

static int open_all(void **state)
{
    (void)state;
    crowd = (struct rn_native_crowd){ 0 };
    for (unsigned i = 0; i < N_SOCKS; i++) {
        seats[i] = (struct rn_native_seat){ 0 };
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_SOCKS; i++)
        close(fds[i]);
    return 0;
}

static int option(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &value, &len), 0);
    return value;
}

static void read_all(unsigned n, size_t bytes, int64_t now_ns)
{
    for (unsigned i = 0; i < n; i++)
        rn_native_crowd_note(&crowd, &seats[i], fds[i], bytes, now_ns);
}

static unsigned n_fixed(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < N_SOCKS; i++)
        n += (option(fds[i], SO_BUF_LOCK) & SOCK_RCVBUF_LOCK) != 0;
    return n;
}

/* Does this machine allow an ordinary user 1 MiB (net.core.rmem_max)? */
static bool has_room(void)
{
    int bytes = 1 << 20;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = false;

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    has = option(fd, SO_RCVBUF) >= 2 * bytes;
    close(fd);
    return has;
}

static void test_a_few_busy_sockets_are_left_alone(void **state)
{
    (void)state;
    for (int64_t s = 1; s < 5; s++)
        read_all(100, BIG_READ, s * SECOND);
    assert_int_equal(n_fixed(), 0);
}

static void test_many_that_only_chat_are_left_alone(void **state)
{
    (void)state;
    read_all(N_SOCKS, 1000, SECOND);
    read_all(N_SOCKS, 1000, SECOND);
    assert_int_equal(n_fixed(), 0);
}

static void test_many_in_turn_are_no_crowd(void **state)
{
    (void)state;
    /* Two hundred sockets in ten seconds, twenty in each. */
    for (unsigned i = 0; i < N_SOCKS; i++)
        rn_native_crowd_note(&crowd, &seats[i], fds[i], BIG_READ, SECOND + i / 20 * SECOND);
    assert_int_equal(n_fixed(), 0);
}

static void test_the_buffers_of_a_crowd_are_fixed_until_it_goes(void **state)
{
    (void)state;
    if (!has_room()) {
        read_all(N_SOCKS, BIG_READ, SECOND);
        read_all(N_SOCKS, BIG_READ, SECOND);
        assert_int_equal(n_fixed(), 0); /* what cannot be had is let be */
        return;
    }
    read_all(N_SOCKS, BIG_READ, SECOND);
    assert_in_range(n_fixed(), 1, N_SOCKS - 100); /* from when they were many */
    read_all(N_SOCKS, BIG_READ, SECOND);
    assert_int_equal(n_fixed(), N_SOCKS);
    assert_int_equal(option(fds[0], SO_RCVBUF), 2 << 20);

    /* Each second fewer: those that are left go on. */
    read_all(100, BIG_READ, 2 * SECOND);
    read_all(100, BIG_READ, 3 * SECOND);
    assert_int_equal(n_fixed(), N_SOCKS);
    read_all(10, BIG_READ, 4 * SECOND);
    assert_int_equal(n_fixed(), N_SOCKS); /* a hundred were busy a second ago */
    read_all(10, BIG_READ, 5 * SECOND);
    assert_int_equal(n_fixed(), N_SOCKS - 10);
    read_all(20, 1000, 5 * SECOND); /* small reads will do */
    assert_int_equal(n_fixed(), N_SOCKS - 20);
}

static void test_a_larger_buffer_is_not_made_smaller(void **state)
{
    int bytes = 3 << 19; /* 1.5 MiB, which the kernel doubles */
    (void)state;

    if (!has_room()) {
        print_message("skipped: net.core.rmem_max is below 1 MiB here\n");
        skip();
    }
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    bytes = option(fds[0], SO_RCVBUF);
    read_all(N_SOCKS, BIG_READ, SECOND);
    read_all(N_SOCKS, BIG_READ, SECOND);
    assert_int_equal(option(fds[0], SO_RCVBUF), bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_few_busy_sockets_are_left_alone, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(test_many_that_only_chat_are_left_alone, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(test_many_in_turn_are_no_crowd, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_the_buffers_of_a_crowd_are_fixed_until_it_goes,
                                        open_all, close_all),
        cmocka_unit_test_setup_teardown(test_a_larger_buffer_is_not_made_smaller, open_all,
                                        close_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
