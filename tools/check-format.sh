#!/bin/sh
# Every C file is as clang-format 14 would write it. `make format` mends what this finds.
#
# usage: check-format.sh ROOT        exit 77 (skipped) without clang-format 14
set -eu

cd "$1"
case $(clang-format --version 2>/dev/null) in
*' 14.'*) ;;
*)
    echo "clang-format 14 is not installed"
    exit 77
    ;;
esac

files=$(find src include tests examples -name '*.[ch]' 2>/dev/null | sort)
# shellcheck disable=SC2086  # a list of names
wrong=$(clang-format --dry-run $files 2>&1 | sed -n 's/^\([^:]*\):.*-Wclang-format-violations.*/\1/p' | sort | uniq -c)
if [ -n "$wrong" ]; then
    echo "not formatted (places, file):"
    echo "$wrong"
    exit 1
fi
echo "$(echo "$files" | wc -l) files are formatted"
