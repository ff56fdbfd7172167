#!/bin/sh
# Runs a test that was built with ThreadSanitizer: the first race ends it. Kernels that scatter a program's memory more widely than
# the sanitizer's runtime knows are asked not to; where that is forbidden, too, the test is skipped.
set -u
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS-}"
setarch "$(uname -m)" -R true 2>/dev/null && set -- setarch "$(uname -m)" -R "$@"
"$@" >"$log" 2>&1
status=$?
cat "$log"
grep -q 'ThreadSanitizer: unexpected memory mapping' "$log" && exit 77
exit $status
