#pragma once
/* Sockets of the filesystem (unix(7)), for devices that begin with one. */
#include <sys/un.h>

/* Errors: BAD_OPTION (longer than sun_path holds). */
int rn_unix_address(const char *path, struct sockaddr_un *ret);
/* A socket of @type (SOCK_STREAM, SOCK_DGRAM), bound to @local unless NULL and connected to @remote. Returns its descriptor, owned.
 * Errors: BAD_OPTION, host. */
int rn_unix_connect(int type, const char *local, const char *remote);
