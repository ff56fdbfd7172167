#!/bin/sh
# Every header compiles alone, and twice: it includes what it uses, and can be read without knowing who includes it.
#
# usage: check-headers.sh COMPILER ROOT
set -eu

compiler=$1
root=$2
cd "$root"

headers=$(find include src tests examples -name '*.h' 2>/dev/null | sort)
if [ -z "$headers" ]; then
    echo "no headers"
    exit 1
fi

export compiler
# shellcheck disable=SC2016  # expanded by the inner shell
printf '%s\n' "$headers" | xargs -P "$(nproc)" -I {} sh -c '
    case $1 in
    src/base/* | src/wire/* | src/dev/* | src/stack/* | src/ip/* | src/sock/* | src/tcp/* | src/filter/* | src/save/*)
        platform= ;;
    include/*) platform= ;;
    tests/*) platform="-D_GNU_SOURCE -DRN_SOURCE_DIR=\"\"" ;;
    *) platform=-D_GNU_SOURCE ;;
    esac
    printf "#include \"%s\"\n#include \"%s\"\ntypedef int not_empty;\n" "$PWD/$1" "$PWD/$1" |
        $compiler -std=c17 -fsyntax-only -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-const-variable \
            $platform -Iinclude -Isrc -Itests/support -x c - ||
        { echo "$1 does not compile alone"; exit 1; }' check {}
echo "$(printf '%s\n' "$headers" | wc -l) headers compile alone with $compiler"
