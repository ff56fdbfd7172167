#include "discovery/model.h"

static const char *const kind_texts[RN_KIND_N] = {
    [RN_KIND_OTHER] = "other",         [RN_KIND_DEVICE] = "device",
    [RN_KIND_LOOPBACK] = "loopback",   [RN_KIND_VETH] = "veth",
    [RN_KIND_BRIDGE] = "bridge",       [RN_KIND_BOND] = "bond",
    [RN_KIND_TEAM] = "team",           [RN_KIND_VRF] = "vrf",
    [RN_KIND_VLAN] = "vlan",           [RN_KIND_MACVLAN] = "macvlan",
    [RN_KIND_MACVTAP] = "macvtap",     [RN_KIND_IPVLAN] = "ipvlan",
    [RN_KIND_IPVTAP] = "ipvtap",       [RN_KIND_VXLAN] = "vxlan",
    [RN_KIND_GENEVE] = "geneve",       [RN_KIND_TUNTAP] = "tun",
    [RN_KIND_WIREGUARD] = "wireguard", [RN_KIND_TUNNEL] = "tunnel",
    [RN_KIND_DUMMY] = "dummy",         [RN_KIND_IFB] = "ifb",
    [RN_KIND_NETKIT] = "netkit",
};

/* Kinds that share RN_KIND_TUNNEL's attributes in meaning, if not in number. */
static const char *const tunnel_names[] = {
    "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan", "ipip",
    "sit", "ip6tnl", "vti",    "vti6",      "xfrm",   "bareudp",   "gtp",
};

static bool view_is(struct rn_view v, const char *s)
{
    size_t len = strlen(s);

    return v.len == len && (len == 0 || memcmp(v.ptr, s, len) == 0);
}

enum rn_map_kind rn_map_kind_of(struct rn_view kind_name)
{
    if (kind_name.len == 0)
        return RN_KIND_DEVICE;
    for (size_t i = RN_KIND_VETH; i < RN_KIND_N; i++) {
        if (i != RN_KIND_TUNNEL && view_is(kind_name, kind_texts[i]))
            return (enum rn_map_kind)i;
    }
    for (size_t i = 0; i < RN_ARRAY_LEN(tunnel_names); i++) {
        if (view_is(kind_name, tunnel_names[i]))
            return RN_KIND_TUNNEL;
    }
    return RN_KIND_OTHER;
}

const char *rn_map_kind_text(enum rn_map_kind kind)
{
    if (kind == RN_KIND_TUNTAP)
        return "tuntap";
    return (unsigned)kind < RN_KIND_N ? kind_texts[kind] : "other";
}

const char *rn_map_oper_text(uint8_t oper)
{
    static const char *const texts[] = { "unknown", "not-present", "down", "lower-layer-down",
                                         "testing", "dormant",     "up" };

    return oper < RN_ARRAY_LEN(texts) ? texts[oper] : "unknown";
}

const char *rn_map_proto_text(uint8_t proto)
{
    static const char *const texts[RN_PROTO_N] = { "tcp", "udp",  "udplite", "mptcp", "sctp",
                                                   "raw", "ping", "packet",  "unix" };

    return proto < RN_PROTO_N ? texts[proto] : "unknown";
}

const char *rn_map_state_text(uint8_t state)
{
    static const char *const texts[] = { "unknown",     "established", "syn-sent",  "syn-recv",
                                         "fin-wait-1",  "fin-wait-2",  "time-wait", "close",
                                         "close-wait",  "last-ack",    "listen",    "closing",
                                         "new-syn-recv" };

    return state < RN_ARRAY_LEN(texts) ? texts[state] : "unknown";
}

const char *rn_map_engine_text(enum rn_map_engine_kind kind)
{
    static const char *const texts[] = { "other", "docker", "podman", "containerd",
                                         "cri-o", "lxc",    "nspawn", "systemd" };

    return (unsigned)kind < RN_ARRAY_LEN(texts) ? texts[kind] : "other";
}

const char *rn_map_found_by_text(enum rn_map_found_by found_by)
{
    static const char *const texts[] = { "process", "thread", "fd", "socket", "bind", "nsid" };

    return (unsigned)found_by < RN_ARRAY_LEN(texts) ? texts[found_by] : "process";
}
