#pragma once
/* Who holds a port of the host: for the error message about it. */
#include <runnel/addr.h>

/* Writes "nginx (pid 812)" into @buf. false: not found, or not ours to see. */
bool rn_holder_of(const struct rn_endpoint *at, bool is_udp, char *buf, size_t cap);
