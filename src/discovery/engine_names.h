#pragma once
/* Inside of how containers get their names: what engines answer, and what their files say. */
#include "discovery/load.h"

#include <jansson.h>

/* An OCI runtime configuration that gives the container all of the machine. */
bool rn_oci_is_privileged(const json_t *config);
/* A CNI network list names the links that its plugins made. */
void rn_engine_cni(struct rn_load *l, const struct rn_fact_blob *blob, const json_t *doc);
