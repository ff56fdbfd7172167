/*
 * The adapter without the tester: loaded as the tester loads it, and driven through its table. Real time passes only
 * where a second thread sleeps.
 */
#include "iface.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../script/wirefmt.h"

static const char *library;

struct fixture {
    struct pd_iface t;
    void *handle;
    struct flow_names names;
};

/* A stack of its own for each test. */
static void setup(struct fixture *f)
{
    void (*init)(const char *, struct pd_iface *);
    void *symbol;

    memset(f, 0, sizeof(*f));
    f->handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (f->handle == NULL)
        fail_msg("%s", dlerror());
    symbol = dlsym(f->handle, "packetdrill_interface_init");
    assert_non_null(symbol);
    memcpy(&init, &symbol, sizeof(init));
    init("local=192.168.0.1,sysctl=0", &f->t);
    inet_pton(AF_INET, "192.168.0.1", f->names.local);
    inet_pton(AF_INET, "192.0.2.1", f->names.remote);
    f->names.local_port = 8080;
    f->names.remote_port = 40000;
}

static void teardown(struct fixture *f)
{
    f->t.free(f->t.userdata);
    dlclose(f->handle);
}

static int64_t now_us(struct fixture *f)
{
    struct timeval tv;

    assert_int_equal(f->t.gettimeofday(f->t.userdata, &tv, NULL), 0);
    return (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
}

static void inject(struct fixture *f, const struct packet *pkt)
{
    uint8_t bytes[256];

    assert_int_equal(f->t.netdev_send(f->t.userdata, bytes, wire_emit(pkt, &f->names, bytes)), 0);
}

static int64_t receive(struct fixture *f, struct packet *ret)
{
    uint8_t bytes[65536];
    size_t len = sizeof(bytes);
    struct flow_names names;
    const uint8_t *data;
    long long at_us;

    assert_int_equal(f->t.netdev_receive(f->t.userdata, bytes, &len, &at_us), 0);
    assert_true(len > 0);
    assert_null(wire_parse(bytes, len, ret, &names, &data));
    return at_us;
}

static int listener(struct fixture *f)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(8080) };
    int fd = f->t.socket(f->t.userdata, AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    inet_pton(AF_INET, "192.168.0.1", &addr.sin_addr);
    assert_int_equal(f->t.bind(f->t.userdata, fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(f->t.listen(f->t.userdata, fd, 5), 0);
    return fd;
}

static const struct packet syn = {
    .is_in = true, .flags = FLAG_SYN, .win = 1000, .tos = -1, .ttl = -1
};

/* Our ISN plus one; what connections of before still send is passed over. */
static uint32_t take_syn_ack(struct fixture *f)
{
    struct packet seen;

    do {
        receive(f, &seen);
    } while ((seen.flags & FLAG_SYN) == 0);
    assert_int_equal(seen.flags, FLAG_SYN | FLAG_ACK);
    return seen.seq + 1;
}

static void test_every_slot_is_filled(void **state)
{
    struct fixture f;
    void *slots[33];

    (void)state;
    setup(&f);
    memcpy(slots, &f.t, sizeof(slots));
    for (int i = 1; i < 33; i++) /* 0 is userdata */
        assert_non_null(slots[i]);
    teardown(&f);
}

static void test_clock_strictly_increases_and_sleep_takes_no_time(void **state)
{
    struct timespec before;
    struct timespec after;
    struct fixture f;
    int64_t start;

    (void)state;
    setup(&f);
    start = now_us(&f);
    for (int i = 0; i < 100; i++) {
        int64_t next = now_us(&f);

        assert_true(next > start);
        start = next;
    }
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(f.t.usleep(f.t.userdata, 3600000000u), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(now_us(&f) >= start + INT64_C(3600000000));
    assert_true(after.tv_sec - before.tv_sec <= 1);
    teardown(&f);
}

static void test_syn_to_closed_port_is_reset_at_once(void **state)
{
    struct packet seen;
    struct fixture f;
    int64_t at;

    (void)state;
    setup(&f);
    at = now_us(&f);
    inject(&f, &syn);
    assert_int_equal(receive(&f, &seen), at);
    assert_int_equal(seen.flags, FLAG_RST | FLAG_ACK);
    assert_int_equal(seen.ack, 1);
    teardown(&f);
}

static void test_synack_is_retransmitted_in_virtual_time(void **state)
{
    static const int64_t due_us[] = { 0, 1000000, 3000000, 7000000 };
    struct packet seen;
    struct fixture f;
    int64_t start;

    (void)state;
    setup(&f);
    (void)listener(&f);
    start = now_us(&f);
    inject(&f, &syn);
    for (int i = 0; i < 4; i++) {
        int64_t late = receive(&f, &seen) - start - due_us[i];

        assert_int_equal(seen.flags, FLAG_SYN | FLAG_ACK);
        assert_true(late >= 0 && late < 1000);
    }
    teardown(&f);
}

static void test_idle_stack_gives_an_empty_packet(void **state)
{
    uint8_t bytes[1500];
    size_t len = sizeof(bytes);
    long long at_us;
    struct fixture f;

    (void)state;
    setup(&f);
    assert_int_equal(f.t.netdev_receive(f.t.userdata, bytes, &len, &at_us), 0);
    assert_int_equal(len, 0);
    teardown(&f);
}

/* --- a call that waits in a second thread --------------------------------------------------------------------------- */

struct waiter {
    struct fixture *f;
    int listener;
    pid_t tid; /* atomically */
    int fd;
    struct sockaddr_in peer;
    int64_t ended_us;
};

static void *wait_for_client(void *arg)
{
    struct waiter *w = arg;
    socklen_t len = sizeof(w->peer);

    __atomic_store_n(&w->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    w->fd = w->f->t.accept(w->f->t.userdata, w->listener, (struct sockaddr *)&w->peer, &len);
    w->ended_us = now_us(w->f);
    return NULL;
}

/* As the tester does it: the letter behind the name in /proc/self/task/TID/stat. */
static void await_sleep(struct waiter *w)
{
    char path[64];
    char text[256] = "";

    while (__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE) == 0)
        ;
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", w->tid);
    while (strstr(text, ") S") == NULL) {
        FILE *file = fopen(path, "r");

        assert_non_null(file);
        assert_non_null(fgets(text, sizeof(text), file));
        fclose(file);
    }
}

static void test_blocking_accept_ends_when_the_handshake_does(void **state)
{
    struct packet ack = {
        .is_in = true, .flags = FLAG_ACK, .seq = 1, .win = 1000, .tos = -1, .ttl = -1
    };
    struct fixture f;
    int fd;

    (void)state;
    setup(&f);
    fd = listener(&f);
    for (int i = 0; i < 100; i++) {
        struct waiter w = { .f = &f, .listener = fd };
        pthread_t thread;
        int64_t before;

        f.names.remote_port = (uint16_t)(40000 + i);
        pthread_create(&thread, NULL, wait_for_client, &w);
        await_sleep(&w);
        inject(&f, &syn);
        ack.ack = take_syn_ack(&f);
        before = now_us(&f);
        inject(&f, &ack);
        pthread_join(thread, NULL);
        assert_true(w.fd >= 0 && w.fd != w.listener);
        assert_int_equal(w.ended_us, before);
        assert_int_equal(ntohs(w.peer.sin_port), 40000 + i);
        assert_int_equal(f.t.close(f.t.userdata, w.fd), 0);
    }
    teardown(&f);
}

static void test_call_that_would_wait_for_ever_fails(void **state)
{
    struct fixture f;
    int fd;

    (void)state;
    setup(&f);
    fd = listener(&f);
    assert_int_equal(f.t.accept(f.t.userdata, fd, NULL, NULL), -1);
    assert_int_equal(errno, EDEADLK);
    teardown(&f);
}

static void test_leftover_descriptors_can_be_closed_for_real(void **state)
{
    struct fixture f;
    int fd;

    (void)state;
    setup(&f);
    fd = listener(&f);
    assert_int_equal(close(fd), 0);
    teardown(&f);
}

static void test_errors_are_errno(void **state)
{
    struct fixture f;
    int fd;
    int value = 1;

    (void)state;
    setup(&f);
    fd = f.t.socket(f.t.userdata, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(f.t.read(f.t.userdata, fd, &value, 4), -1);
    assert_int_equal(errno, ENOTCONN);
    assert_int_equal(f.t.listen(f.t.userdata, 900, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(f.t.setsockopt(f.t.userdata, fd, SOL_SOCKET, SO_PEEK_OFF, &value, 4), -1);
    assert_int_equal(errno, ENOPROTOOPT);
    assert_int_equal(f.t.pipe(f.t.userdata, &value), -1);
    assert_int_equal(errno, ENOSYS);
    teardown(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_slot_is_filled),
        cmocka_unit_test(test_clock_strictly_increases_and_sleep_takes_no_time),
        cmocka_unit_test(test_syn_to_closed_port_is_reset_at_once),
        cmocka_unit_test(test_synack_is_retransmitted_in_virtual_time),
        cmocka_unit_test(test_idle_stack_gives_an_empty_packet),
        cmocka_unit_test(test_blocking_accept_ends_when_the_handshake_does),
        cmocka_unit_test(test_call_that_would_wait_for_ever_fails),
        cmocka_unit_test(test_leftover_descriptors_can_be_closed_for_real),
        cmocka_unit_test(test_errors_are_errno),
    };

    if (argc != 2)
        return 2;
    library = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
