#include "host/fdpass.h"

#include "test_alloc.h"
#include <runnel/err.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_descriptors_arrive_with_their_message_and_close_on_exec(void **state)
{
    int ends[2];
    int pipe_fds[2];
    struct rn_fds got = { .n = 0 };
    char text[8] = "";

    (void)state;
    assert_int_equal(rn_fdpass_pair(ends), RN_OK);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(rn_fdpass_send(ends[0], "take", 4,
                                    &(struct rn_fds){ .fd = { pipe_fds[0], pipe_fds[1] }, .n = 2 }),
                     RN_OK);
    assert_int_equal(rn_fdpass_recv(ends[1], text, sizeof(text), &got), 4);

    assert_string_equal(text, "take");
    assert_int_equal(got.n, 2);
    assert_int_equal(write(got.fd[1], "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], text, 1), 1);
    assert_true((fcntl(got.fd[0], F_GETFD) & FD_CLOEXEC) != 0);
    rn_fds_close(&got);
    assert_int_equal(got.n, 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(ends[0]);
    close(ends[1]);
}

static void test_unwanted_descriptors_are_closed(void **state)
{
    int ends[2];
    int pipe_fds[2];
    char text[8];

    (void)state;
    assert_int_equal(rn_fdpass_pair(ends), RN_OK);
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
    assert_int_equal(
        rn_fdpass_send(ends[0], "x", 1, &(struct rn_fds){ .fd = { pipe_fds[1] }, .n = 1 }), RN_OK);
    assert_int_equal(rn_fdpass_recv(ends[1], text, sizeof(text), NULL), 1);
    close(pipe_fds[1]);

    /* End of file: no copy of the writing end is left anywhere. */
    assert_int_equal(read(pipe_fds[0], text, 1), 0);
    close(pipe_fds[0]);
    close(ends[0]);
    close(ends[1]);
}

static void test_too_long_a_message_is_refused_whole_and_its_descriptors_closed(void **state)
{
    int ends[2];
    int pipe_fds[2];
    char text[4];
    struct rn_fds got = { .n = 0 };

    (void)state;
    assert_int_equal(rn_fdpass_pair(ends), RN_OK);
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
    assert_int_equal(
        rn_fdpass_send(ends[0], "12345", 5, &(struct rn_fds){ .fd = { pipe_fds[1] }, .n = 1 }),
        RN_OK);
    assert_int_equal(rn_fdpass_recv(ends[1], text, sizeof(text), &got), RN_E_MSG_TOO_LONG);
    close(pipe_fds[1]);

    assert_int_equal(got.n, 0);
    assert_int_equal(read(pipe_fds[0], text, 1), 0);
    close(pipe_fds[0]);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_peer_that_left_is_zero_for_the_reader_and_an_error_for_the_writer(void **state)
{
    int ends[2];
    char text[4];

    (void)state;
    assert_int_equal(rn_fdpass_pair(ends), RN_OK);
    close(ends[0]);

    assert_int_equal(rn_fdpass_recv(ends[1], text, sizeof(text), NULL), 0);
    assert_int_equal(rn_fdpass_send(ends[1], "x", 1, NULL), rn_err_from_errno(EPIPE));
    close(ends[1]);
}

static void test_nothing_to_read_would_block(void **state)
{
    int ends[2];
    char text[4];

    (void)state;
    assert_int_equal(rn_fdpass_pair(ends), RN_OK);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);

    assert_int_equal(rn_fdpass_recv(ends[0], text, sizeof(text), NULL), RN_E_WOULD_BLOCK);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_arrive_with_their_message_and_close_on_exec),
        cmocka_unit_test(test_unwanted_descriptors_are_closed),
        cmocka_unit_test(test_too_long_a_message_is_refused_whole_and_its_descriptors_closed),
        cmocka_unit_test(test_a_peer_that_left_is_zero_for_the_reader_and_an_error_for_the_writer),
        cmocka_unit_test(test_nothing_to_read_would_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
