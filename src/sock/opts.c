/* Options that all sockets have. Public set and get ask here first, then the protocol. */
#include "sock/sock.h"

#include <runnel/err.h>

static int set_flag(struct rn_sock *sock, enum rn_sock_flag flag, int64_t value)
{
    if (value != 0 && value != 1)
        return RN_E_BAD_OPTION;
    if (value == 1)
        sock->flags = (uint8_t)(sock->flags | flag);
    else
        sock->flags = (uint8_t)(sock->flags & ~(unsigned)flag);
    return RN_OK;
}

/* What decides about conflicts of names cannot change once there is one. */
static int set_name_flag(struct rn_sock *sock, enum rn_sock_flag flag, int64_t value)
{
    if ((sock->flags & RN_SOCK_BOUND) != 0)
        return RN_E_BAD_STATE;
    return set_flag(sock, flag, value);
}

static int set_u8(uint8_t *field, int64_t value, int64_t min, int64_t max)
{
    if (value < min || value > max)
        return RN_E_BAD_OPTION;
    *field = (uint8_t)value;
    return RN_OK;
}

static int bind_nic(struct rn_sock *sock, int64_t value)
{
    if ((sock->flags & RN_SOCK_BOUND) != 0)
        return RN_E_BAD_STATE;
    if (value < 0 || value > UINT16_MAX)
        return RN_E_BAD_OPTION;
    if (value != 0 && rn_nic_find(sock->stack, (uint16_t)value) == NULL)
        return RN_E_NO_NIC;
    sock->demux.key.nic = (uint16_t)value;
    return RN_OK;
}

int rn_sock_set_common_opt(struct rn_sock *sock, enum rn_sock_opt opt, int64_t value)
{
    switch ((int)opt) {
    case RN_SO_REUSEADDR:
        return set_name_flag(sock, RN_SOCK_REUSEADDR, value);
    case RN_SO_REUSEPORT:
        return set_name_flag(sock, RN_SOCK_REUSEPORT, value);
    case RN_IPV6_V6ONLY:
        return set_name_flag(sock, RN_SOCK_V6ONLY, value);
    case RN_SO_BROADCAST:
        return set_flag(sock, RN_SOCK_BROADCAST, value);
    case RN_SO_BIND_NIC:
        return bind_nic(sock, value);
    case RN_IP_TTL:
        return set_u8(&sock->ttl, value, 1, 255);
    case RN_IP_TOS:
        return set_u8(&sock->tos, value, 0, 255);
    case RN_IP_MTU_DISCOVER:
        return set_u8(&sock->pmtud, value, RN_PMTUD_DONT, RN_PMTUD_PROBE);
    default:
        return RN_E_NO_PROTO_OPTION;
    }
}

int rn_sock_get_common_opt(const struct rn_sock *sock, enum rn_sock_opt opt, int64_t *ret)
{
    switch ((int)opt) {
    case RN_SO_REUSEADDR:
        *ret = (sock->flags & RN_SOCK_REUSEADDR) != 0;
        return RN_OK;
    case RN_SO_REUSEPORT:
        *ret = (sock->flags & RN_SOCK_REUSEPORT) != 0;
        return RN_OK;
    case RN_IPV6_V6ONLY:
        *ret = (sock->flags & RN_SOCK_V6ONLY) != 0;
        return RN_OK;
    case RN_SO_BROADCAST:
        *ret = (sock->flags & RN_SOCK_BROADCAST) != 0;
        return RN_OK;
    case RN_SO_BIND_NIC:
        *ret = sock->demux.key.nic;
        return RN_OK;
    case RN_IP_TTL:
        *ret = sock->ttl != 0 ? sock->ttl : sock->stack->opts.default_ttl;
        return RN_OK;
    case RN_IP_TOS:
        *ret = sock->tos;
        return RN_OK;
    case RN_IP_MTU_DISCOVER:
        *ret = sock->pmtud;
        return RN_OK;
    default:
        return RN_E_NO_PROTO_OPTION;
    }
}

int rn_sock_set_opt(struct rn_sock *sock, enum rn_sock_opt opt, int64_t value)
{
    int err = rn_sock_set_common_opt(sock, opt, value);

    if (err != RN_E_NO_PROTO_OPTION || sock->ops->set_opt == NULL)
        return err;
    return sock->ops->set_opt(sock, opt, value);
}

int rn_sock_get_opt(const struct rn_sock *sock, enum rn_sock_opt opt, int64_t *ret)
{
    int err = rn_sock_get_common_opt(sock, opt, ret);

    if (err != RN_E_NO_PROTO_OPTION || sock->ops->get_opt == NULL)
        return err;
    return sock->ops->get_opt(sock, opt, ret);
}
