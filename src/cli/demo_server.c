#include "cli/demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK_BYTES 65536u

/* A 64-bit finaliser (splitmix64) of the word's index: any word can be made without those before it. */
static uint64_t word_at(uint64_t index)
{
    uint64_t z = (index + 1) * 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void rn_demo_fill(uint8_t *to, uint64_t at, size_t len)
{
    size_t done = 0;

    while (done < len) {
        uint64_t word = word_at((at + done) / 8);
        size_t skip = (at + done) % 8;
        size_t part = 8 - skip;

        if (part > len - done)
            part = len - done;
        memcpy(to + done, (const uint8_t *)&word + skip, part);
        done += part;
    }
}

/* --- server ------------------------------------------------------------------------------------------------------ */
static bool send_all(int fd, const void *bytes, size_t len)
{
    const char *from = bytes;

    while (len != 0) {
        ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        from += n;
        len -= (size_t)n;
    }
    return true;
}

static void serve_file(int fd, uint64_t bytes)
{
    static uint8_t chunk[CHUNK_BYTES];
    char head[128];
    int n = snprintf(
        head, sizeof(head),
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %llu\r\n"
        "Connection: close\r\n\r\n",
        (unsigned long long)bytes);

    if (!send_all(fd, head, (size_t)n))
        return;
    for (uint64_t at = 0; at < bytes; at += CHUNK_BYTES) {
        size_t part = bytes - at < CHUNK_BYTES ? (size_t)(bytes - at) : CHUNK_BYTES;

        rn_demo_fill(chunk, at, part);
        if (!send_all(fd, chunk, part))
            return;
    }
}

static void serve_one(int fd)
{
    char request[4096];
    size_t len = 0;
    unsigned long long bytes = 0;

    while (len < sizeof(request) - 1) {
        ssize_t n = recv(fd, request + len, sizeof(request) - 1 - len, 0);

        if (n <= 0)
            return;
        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL)
            break;
    }
    if (strncmp(request, "GET /", 5) == 0)
        bytes = strtoull(request + 5, NULL, 10);
    serve_file(fd, bytes);
    shutdown(fd, SHUT_WR);
    while (recv(fd, request, sizeof(request), 0) > 0)
        continue;
}

static _Noreturn void serve_forever(int listener)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            _exit(1);
        serve_one(fd);
        close(fd);
    }
}

int rn_demo_server_start(struct rn_demo_server *server)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 16) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
        int err = errno;

        if (fd >= 0)
            close(fd);
        return -err;
    }
    server->port = ntohs(at.sin_port);
    server->pid = fork();
    if (server->pid == 0)
        serve_forever(fd);
    close(fd);
    return server->pid < 0 ? -errno : 0;
}

void rn_demo_server_stop(struct rn_demo_server *server)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

/* --- client ------------------------------------------------------------------------------------------------------ */
static int dial(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    int fd = -1;

    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

int rn_demo_client(const char *host, const char *port, const char *path)
{
    static char chunk[CHUNK_BYTES];
    bool in_body = false;
    size_t matched = 0;
    ssize_t n;
    int fd = dial(host, port);

    if (fd < 0)
        return 1;
    n = snprintf(chunk, sizeof(chunk), "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                 path, host);
    if (!send_all(fd, chunk, (size_t)n))
        return 1;
    while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
        size_t from = 0;

        for (; !in_body && from < (size_t)n; from++) {
            matched = chunk[from] == "\r\n\r\n"[matched] ? matched + 1 : chunk[from] == '\r';
            in_body = matched == 4;
        }
        if (in_body && fwrite(chunk + from, 1, (size_t)n - from, stdout) != (size_t)n - from)
            return 1;
    }
    close(fd);
    return n < 0 || fflush(stdout) != 0;
}
