#pragma once
/*
 * What the load programs share. A client (client.c) drives a server: load_server on the kernel's sockets, or a peer's own
 * stack (bench/peers/), which offers the same ports.
 *
 * A client prints "begin" when its warm-up is over and one line of JSON when its time is, so that whoever started it can read
 * the peer's processor time at both moments. With it goes what the client itself needed, since a client whose core is full
 * measures itself: all of it is one thread.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum load_port {
    PORT_SINK = 7001,     /* TCP: reads and throws away */
    PORT_SOURCE = 7002,   /* TCP: writes without end */
    PORT_ECHO = 7003,     /* TCP: gives back; closes when the client has */
    PORT_UDP_ECHO = 7004, /* UDP: gives back */
    PORT_UDP_SINK = 7005, /* UDP: counts */
    PORT_IDLE = 7010,     /* TCP, this and the next three: accepts and waits */
    N_IDLE_PORTS = 4,
};

enum { CHUNK_BYTES = 256 * 1024, NS_PER_S = 1000000000, STREAMS_MAX = 1000 };

struct load_opts {
    const char *test;
    struct sockaddr_in to;
    unsigned streams; /* connections at a time */
    double warm_up_s;
    double seconds;
    unsigned size_bytes; /* of a datagram's payload */
    const char *sources; /* idle: addresses to connect from, comma between them; NULL: one */
    bool is_gso;         /* UDP: UDP_SEGMENT */
    bool has_keepalive;  /* idle: one probe a second */
};

/* What load_server counts, in a file that others may map. */
struct load_counts {
    uint64_t datagrams;
    uint64_t bytes;
};

int64_t load_now_ns(void);

/* Ends the program with what perror says, unless @result is >= 0; returns @result. */
int load_must(int result, const char *what);

/* Says "begin"; what the client needs is counted from here. */
void load_say_begin(void);

/* Prints ,"client_cpu_s":..,"client_wait_s":..: since load_say_begin(), running and ready to run without a core. */
void load_print_cost(void);

/* As many descriptors as we may have. */
void load_raise_limits(void);

/* Sorts @ns and prints ,"p50_us":..,"p99_us":..,"p999_us":.. */
void load_print_percentiles(uint64_t *ns, size_t n);

void load_bulk(const struct load_opts *opts, bool is_up);
void load_round_trips(const struct load_opts *opts);
void load_connections(const struct load_opts *opts);
void load_idle(const struct load_opts *opts);
void load_udp_echo(const struct load_opts *opts);
void load_udp_blast(const struct load_opts *opts);
