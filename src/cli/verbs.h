#pragma once
/* The verbs table: what `runnel` can do, in the order users meet it. */
#include "cli/opts.h"

extern const struct rn_verb rn_verb_run;
extern const struct rn_verb rn_verb_demo;
extern const struct rn_verb rn_verb_map;
extern const struct rn_verb rn_verb_doctor;
extern const struct rn_verb rn_verb_version;

/* NULL-terminated. */
extern const struct rn_verb *const rn_verbs[];
/* NULL if there is none. */
const struct rn_verb *rn_verb_find(const char *name);
