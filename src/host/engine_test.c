/* A false engine on a socket of our own: its answers arrive, its tricks do not. */
#include "host/engine.h"

#include "test_alloc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct fake {
    char dir[32];
    int root_fd;
    pid_t pid;
};

static int listen_in(const struct fake *f)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/api.sock", f->dir);
    assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* Answers one request with @answer. */
static void start(struct fake *f, const char *answer)
{
    char request[512];
    int fd;

    memcpy(f->dir, "/tmp/rn-engine-XXXXXX", 22);
    assert_non_null(mkdtemp(f->dir));
    f->root_fd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = listen_in(f);
    f->pid = fork();
    if (f->pid == 0) {
        int peer = accept(fd, NULL, NULL);

        if (read(peer, request, sizeof(request)) > 0 && write(peer, answer, strlen(answer)) < 0)
            _exit(1);
        _exit(0);
    }
    close(fd);
}

static void stop(struct fake *f)
{
    char path[64];

    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    snprintf(path, sizeof(path), "%s/api.sock", f->dir);
    unlink(path);
    rmdir(f->dir);
    close(f->root_fd);
}

static struct rn_engine_ask ask_of(const struct fake *f, const char *path)
{
    return (struct rn_engine_ask){
        .root_fd = f->root_fd, .path = path, .request = "/version", .uid = getuid()
    };
}

static void test_an_answer_arrives_with_status_and_body(void **state)
{
    struct rn_engine_answer a;
    struct rn_engine_ask ask;
    struct fake f;

    (void)state;
    start(&f, "HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"Version\":\"1\"}");
    ask = ask_of(&f, "/api.sock");
    assert_int_equal(rn_engine_get(&ask, &a), RN_OK);

    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, 15);
    assert_memory_equal(a.body.ptr, "{\"Version\":\"1\"}", 15);
    rn_engine_answer_free(&a);
    stop(&f);
}

static void test_what_is_no_http_is_refused(void **state)
{
    struct rn_engine_answer a;
    struct rn_engine_ask ask;
    struct fake f;

    (void)state;
    start(&f, "hello\r\n\r\n");
    ask = ask_of(&f, "/api.sock");
    assert_int_equal(rn_engine_get(&ask, &a), RN_E_MALFORMED);
    stop(&f);
}

static void test_a_link_out_of_the_engines_root_leads_nowhere(void **state)
{
    struct rn_engine_answer a;
    struct rn_engine_ask ask;
    struct fake f;
    char link[64];
    char target[64];

    (void)state;
    start(&f, "HTTP/1.0 200 OK\r\n\r\n");
    snprintf(link, sizeof(link), "%s/out.sock", f.dir);
    snprintf(target, sizeof(target), "%s/api.sock",
             f.dir); /* absolute: outside when seen from inside */
    assert_int_equal(symlink(target, link), 0);
    ask = ask_of(&f, "/out.sock");
    assert_true(rn_engine_get(&ask, &a) < 0);
    unlink(link);
    stop(&f);
}

static void test_a_missing_socket_is_an_error(void **state)
{
    struct rn_engine_answer a;
    struct rn_engine_ask ask;
    struct fake f;

    (void)state;
    start(&f, "");
    ask = ask_of(&f, "/none.sock");
    assert_true(rn_engine_get(&ask, &a) < 0);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_arrives_with_status_and_body),
        cmocka_unit_test(test_what_is_no_http_is_refused),
        cmocka_unit_test(test_a_link_out_of_the_engines_root_leads_nowhere),
        cmocka_unit_test(test_a_missing_socket_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
