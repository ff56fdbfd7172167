#pragma once
/* Man page and shell completions, made from the verbs table when runnel is built: `runnel --manual man|bash|zsh|fish`. */
#include <stdio.h>

/* Returns an exit status: usage for an unknown @kind. */
int rn_manual_print(const char *kind, FILE *to);
