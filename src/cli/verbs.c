#include "cli/verbs.h"

const struct rn_verb *const rn_verbs[] = { &rn_verb_run,    &rn_verb_demo,    &rn_verb_map,
                                           &rn_verb_doctor, &rn_verb_version, NULL };
