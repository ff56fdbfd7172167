#pragma once
/*
 * The error map. Functions that can fail return int: >= 0 is success (a count where one is useful), < 0 an
 * enum rn_err. Above the core a host's errno e travels as -(1000 + e), so that both kinds fit one int.
 */
#include <runnel/attr.h>

/* name, value, POSIX errno, text */
#define RN_ERR_MAP(X)                                                                              \
    X(NOMEM, -1, ENOMEM, "out of memory")                                                          \
    X(WOULD_BLOCK, -2, EAGAIN, "operation would block")                                            \
    X(PORT_IN_USE, -3, EADDRINUSE, "port is in use")                                               \
    X(ABORTED, -4, EPIPE, "operation aborted")                                                     \
    X(ADDR_FAMILY, -5, EAFNOSUPPORT, "address family not supported here")                          \
    X(ALREADY_BOUND, -6, EINVAL, "endpoint is already bound")                                      \
    X(ALREADY_CONNECTED, -7, EISCONN, "endpoint is already connected")                             \
    X(ALREADY_CONNECTING, -8, EALREADY, "endpoint is already connecting")                          \
    X(BAD_ADDR, -9, EFAULT, "bad address")                                                         \
    X(BAD_BUFFER, -10, EFAULT, "bad buffer")                                                       \
    X(BAD_LOCAL_ADDR, -11, EADDRNOTAVAIL, "local address is not available")                        \
    X(BROADCAST_DISABLED, -12, EACCES, "broadcast is disabled on this endpoint")                   \
    X(CLOSED_FOR_RECV, -13, EIO, "endpoint is closed for receiving")                               \
    X(CLOSED_FOR_SEND, -14, EPIPE, "endpoint is closed for sending")                               \
    X(CONNECT_STARTED, -15, EINPROGRESS, "connection attempt started")                             \
    X(CONN_ABORTED, -16, ECONNABORTED, "connection aborted")                                       \
    X(CONN_REFUSED, -17, ECONNREFUSED, "connection refused")                                       \
    X(CONN_RESET, -18, ECONNRESET, "connection reset by peer")                                     \
    X(DEST_REQUIRED, -19, EDESTADDRREQ, "destination address is required")                         \
    X(DUP_ADDR, -20, EEXIST, "address is already assigned")                                        \
    X(DUP_NIC, -21, EEXIST, "NIC already exists")                                                  \
    X(BAD_NIC, -22, EINVAL, "NIC or its device is not usable")                                     \
    X(BAD_STATE, -23, EINVAL, "endpoint is in the wrong state for this")                           \
    X(BAD_OPTION, -24, EINVAL, "option value is out of range")                                     \
    X(BAD_PORT_RANGE, -25, EINVAL, "port range is invalid")                                        \
    X(MALFORMED, -26, EINVAL, "malformed header or message")                                       \
    X(MSG_TOO_LONG, -27, EMSGSIZE, "message is too long")                                          \
    X(NET_UNREACH, -28, ENETUNREACH, "network is unreachable")                                     \
    X(HOST_UNREACH, -29, EHOSTUNREACH, "no route to host")                                         \
    X(HOST_DOWN, -30, EHOSTDOWN, "host is down")                                                   \
    X(NO_NET, -31, ENONET, "machine is not on the network")                                        \
    X(NO_FILE, -32, ENOENT, "no such file")                                                        \
    X(NOT_CONNECTED, -33, ENOTCONN, "endpoint is not connected")                                   \
    X(NOT_PERMITTED, -34, EPERM, "operation is not permitted")                                     \
    X(NOT_SUPPORTED, -35, EOPNOTSUPP, "operation is not supported")                                \
    X(NO_PORT, -36, EAGAIN, "no local port is available")                                          \
    X(QUEUE_SIZE_UNSUPPORTED, -37, ENOTTY, "queue size is not available here")                     \
    X(TIMED_OUT, -38, ETIMEDOUT, "connection timed out")                                           \
    X(NO_BUFFER, -39, ENOBUFS, "no buffer space is available")                                     \
    X(NO_DEVICE, -40, ENODEV, "no such device")                                                    \
    X(NO_NIC, -41, ENODEV, "no such NIC")                                                          \
    X(NO_PROTO, -42, EPROTONOSUPPORT, "protocol is not supported")                                 \
    X(NO_PROTO_OPTION, -43, ENOPROTOOPT, "option is not known to this protocol")                   \
    X(MISSING_FIELDS, -44, EINVAL, "required fields are missing")                                  \
    X(MCAST_LOOP, -45, EADDRINUSE, "multicast input NIC would also be an output")                  \
    X(ENDPOINT_BUSY, -46, EBUSY, "endpoint is busy")                                               \
    X(PARSE, -47, EINVAL, "text cannot be parsed")                                                 \
    X(EXISTS, -48, EEXIST, "object exists already")                                                \
    X(NOT_FOUND, -49, ENOENT, "object was not found")                                              \
    X(LIMIT, -50, ENOBUFS, "a configured limit is reached")                                        \
    X(CANCELLED, -51, ECANCELED, "operation was cancelled")                                        \
    X(VERSION, -52, EPROTO, "version is not supported")

enum rn_err {
    RN_OK = 0,
#define X(name, value, posix, text) RN_E_##name = (value),
    RN_ERR_MAP(X)
#undef X
};

/* Host errnos above the core: rn_err_from_errno(ENOENT) is -1002. Total; @host_errno must be > 0. */
#define RN_ERR_HOST_BASE              1000
#define rn_err_from_errno(host_errno) (-(RN_ERR_HOST_BASE + (host_errno)))

/* Text of @err, also for host errnos ("host error": the core knows no strerror; io does). Never NULL. */
RN_PUBLIC const char *rn_err_text(int err);
/* Name without prefix, e.g. "PORT_IN_USE"; "OK" for >= 0, "HOST" for host errnos, "UNKNOWN" else. */
RN_PUBLIC const char *rn_err_name(int err);
/* The POSIX errno (positive) a socket API should report for @err; 0 for success. */
RN_PUBLIC int rn_err_to_errno(int err);
