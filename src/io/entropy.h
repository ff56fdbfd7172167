#pragma once
/* The only source of secrets: seeds of turns, hash keys and ISN secrets of stacks. */
#include <runnel/attr.h>
#include <stddef.h>

/* Fills @out with @len random bytes of the kernel. Blocks only before the kernel's pool was first seeded. Errors: host. */
RN_MUST_USE int rn_entropy(void *out, size_t len);
