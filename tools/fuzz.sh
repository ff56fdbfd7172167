#!/bin/sh
# Runs fuzz targets with libFuzzer, one after another on all cores, and says what each did.
#
# usage: fuzz.sh BUILD SECONDS [TARGET...]
set -eu

build=$1
seconds=$2
shift 2
here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- $(awk '!/^#/ && NF { print $1 }' "$here/tests/fuzz/targets.txt")

# What an input freed stays forbidden while it runs; the usual 256 MiB only drive everything else out of the caches.
export ASAN_OPTIONS="${ASAN_OPTIONS:-quarantine_size_mb=16}"

failed=0
for target in "$@"; do
    program=$build/tests/fuzz/fuzz_$target
    found=$build/corpus/$target
    log=$build/fuzz-$target.log
    flags=$(grep -v '^#' "$here/tests/fuzz/$target.flags" 2>/dev/null || true)
    if [ ! -x "$program" ]; then
        echo "$target: no such target (tests/fuzz/targets.txt names them)"
        exit 1
    fi
    mkdir -p "$found"
    # shellcheck disable=SC2086 # one word for each flag
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -max_len=8192 $flags \
        -artifact_prefix="$build/$target-" "$found" "$here/tests/fuzz/corpus/$target" >"$log" 2>&1; then
        word=ok
    else
        word=FAILED
        failed=1
        grep -E 'ERROR|SUMMARY|Test unit written' "$log" | sed 's/^/    /'
    fi
    units=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    covered=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    echo "$word  $target: ${units:-?} inputs, ${rate:-?}/s, ${covered:-?} edges, log $log"
done
exit $failed
