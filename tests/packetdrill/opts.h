#pragma once
/* --so_flags=key=value,...: and what the kernel's sysctls of this network namespace say of a new socket. */
#include "../script/face.h"

struct adapter_opts {
    struct rn_addr
        local4; /* local=192.168.0.1, local=fd3d::1; the tester needs the same by --local_ip */
    struct rn_addr local6;
    uint32_t mtu;        /* mtu=1500 */
    bool has_quickack;   /* quickack=0: ACKs are delayed from the start, as other systems do */
    bool has_sysctl;     /* sysctl=0: do not look at /proc/sys/net/ipv4 */
    char congestion[16]; /* cc=cubic: this controller, though tcp_congestion_control says another */
    int64_t giveup_s;    /* giveup_s=300: how long a call that must not wait may */
    bool is_traced;      /* trace=1: calls on stderr */
    char pcap[256];      /* pcap=FILE */
};

/* Ends the program, saying why, when @flags cannot be understood: a typo must not pass as a result. */
void adapter_opts_parse(struct adapter_opts *ret, const char *flags);
/* Gives @fd of @face the options that the sysctls ask for. */
void adapter_apply_sysctls(struct face *face, int fd);
/* cc=, for every socket. */
void adapter_apply_congestion(const struct adapter_opts *opts, struct face *face, int fd);
/* What tcp_fastopen and tcp_fastopen_key say: of a client's socket, and when @fd begins to listen. */
void adapter_apply_fastopen(struct face *face, int fd);
void adapter_apply_listen_sysctls(struct face *face, int fd, int backlog);
