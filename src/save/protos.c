#include "ip/ip.h"
#include "sock/echo.h"
#include "sock/udp.h"
#include "tcp/conn.h"

const struct rn_protos rn_protos_all = {
    .l3 = { &rn_ipv4_ops, &rn_ipv6_ops },
    .l4 = { &rn_icmp4_ops, &rn_icmp6_ops, &rn_udp_ops, &rn_tcp_ops },
    .echo = &rn_ping_echo_ops,
};
