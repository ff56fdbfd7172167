#include "host/engine.h"

#include "base/text.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / RN_NS_PER_MS;
}

/* The path is the engine's view of its files: links in it must not lead into ours. */
static int connect_below(const struct rn_engine_ask *ask)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct rn_text t = rn_text_of(addr.sun_path, sizeof(addr.sun_path));
    int node = (int)syscall(SYS_openat2, ask->root_fd, ask->path, &how, sizeof(how));
    int fd;
    int err = RN_OK;

    if (node < 0)
        return rn_err_from_errno(errno);
    rn_text_str(&t, "/proc/self/fd/");
    rn_text_u64(&t, (uint64_t)node);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        err = rn_err_from_errno(errno);
    close(node);
    if (err < 0 && fd >= 0)
        close(fd);
    return err < 0 ? err : fd;
}

static int check_peer(int fd, uint32_t uid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return rn_err_from_errno(errno);
    return peer.uid == 0 || peer.uid == uid ? RN_OK : RN_E_NOT_PERMITTED;
}

static int send_request(int fd, const char *request)
{
    char text[512];
    struct rn_text t = rn_text_of(text, sizeof(text));

    rn_text_str(&t, "GET ");
    rn_text_str(&t, request);
    rn_text_str(&t, " HTTP/1.0\r\nHost: localhost\r\nUser-Agent: runnel\r\n\r\n");
    if (t.cut)
        return RN_E_LIMIT;
    if (send(fd, text, t.len, MSG_NOSIGNAL) != (ssize_t)t.len)
        return rn_err_from_errno(errno != 0 ? errno : EIO);
    return RN_OK;
}

static int grow(struct rn_engine_answer *a, size_t *cap)
{
    uint8_t *buf;

    if (*cap - a->len >= 4096)
        return RN_OK;
    if (*cap >= RN_ENGINE_ANSWER_MAX_BYTES)
        return RN_E_LIMIT;
    *cap = *cap != 0 ? *cap * 2 : 64u * 1024u;
    buf = realloc(a->buf, *cap);
    if (buf == NULL)
        return RN_E_NOMEM;
    a->buf = buf;
    return RN_OK;
}

static int receive_all(int fd, struct rn_engine_answer *a)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int64_t deadline = now_ms() + RN_ENGINE_TIMEOUT_MS;
    size_t cap = 0;

    for (;;) {
        int64_t left = deadline - now_ms();
        ssize_t n;
        int err = grow(a, &cap);

        if (err < 0)
            return err;
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return RN_E_TIMED_OUT;
        n = recv(fd, a->buf + a->len, cap - a->len, 0);
        if (n == 0)
            return RN_OK;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return rn_err_from_errno(errno);
        a->len += n > 0 ? (size_t)n : 0;
    }
}

/* "HTTP/1.0 200 OK\r\n" headers "\r\n\r\n" body */
int rn_engine_parse(struct rn_view answer, unsigned *ret_status, struct rn_view *ret_body)
{
    const uint8_t *end = answer.len != 0 ? memmem(answer.ptr, answer.len, "\r\n\r\n", 4) : NULL;
    struct rn_view rest = answer;
    struct rn_view line;
    struct rn_view word;
    uint64_t status;

    if (end == NULL || !rn_view_starts(answer, "HTTP/1.") || !rn_text_next_line(&rest, &line))
        return RN_E_MALFORMED;
    if (!rn_text_next_word(&line, &word) || !rn_text_next_word(&line, &word) ||
        !rn_text_number(word, 10, &status) || status > 999)
        return RN_E_MALFORMED;
    *ret_status = (unsigned)status;
    *ret_body = rn_view_of(end + 4, answer.len - (size_t)(end + 4 - answer.ptr));
    return RN_OK;
}

int rn_engine_get(const struct rn_engine_ask *ask, struct rn_engine_answer *ret)
{
    struct rn_engine_answer a = { 0 };
    int fd = connect_below(ask);
    int err;

    if (fd < 0)
        return fd;
    err = check_peer(fd, ask->uid);
    if (err >= 0)
        err = send_request(fd, ask->request);
    if (err >= 0)
        err = receive_all(fd, &a);
    if (err >= 0)
        err = rn_engine_parse(rn_view_of(a.buf, a.len), &a.status, &a.body);
    close(fd);
    if (err < 0)
        rn_engine_answer_free(&a);
    else
        *ret = a;
    return err;
}

void rn_engine_answer_free(struct rn_engine_answer *a)
{
    free(a->buf);
    *a = (struct rn_engine_answer){ 0 };
}
