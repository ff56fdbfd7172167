#pragma once
/* The parts of `runnel demo`: a web server on the host's side, a client of our own, and two stacks in one process. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Byte @at of the file that the server serves: pseudo-random, so that no misplaced block goes unseen. */
void rn_demo_fill(uint8_t *to, uint64_t at, size_t len);

struct rn_demo_server {
    pid_t pid;
    uint16_t port; /* on 127.0.0.1 */
};

/* Forks a server for GET /N, which answers N bytes of the file. Returns 0 or -errno. */
int rn_demo_server_start(struct rn_demo_server *server);
void rn_demo_server_stop(struct rn_demo_server *server);
/* A client for where curl is missing: GET http://HOST:PORT/N to stdout. Returns an exit status. */
int rn_demo_client(const char *host, const char *port, const char *path);

/* Moves @bytes between two stacks of one process, over a link with 0.5 % loss and 10 ms, in virtual time, and compares every
 * byte. Returns 0, or -1 on any difference; @ret_virtual_s and @ret_real_s tell how long it took. */
int rn_demo_two_stacks(uint64_t bytes, double *ret_virtual_s, double *ret_real_s);
