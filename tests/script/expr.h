#pragma once
/* %{ assert tcpi_snd_cwnd == 10 and not tcpi_lost, "message" }%: the part of Python that such blocks use. */
#include <stdbool.h>
#include <stddef.h>

union face_info;

/* Runs every assertion of @text, one a line or separated by ';'. false: @why says which does not hold and the value of
 * each name in it, or what could not be understood. */
bool expr_run(const char *text, const union face_info *info, char *why, size_t why_max);
