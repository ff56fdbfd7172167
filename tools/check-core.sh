#!/bin/sh
# The core (L0-L2) has no outside world: its archive asks the linker for nothing but mem*, strlen and what the
# compiler itself inserts, and holds no byte that can be written. So it makes no system call, reads no clock, starts
# no thread and shares no state.
#
# usage: check-core.sh COMPILER ROOT SOURCE...     sources in ROOT, absolute or relative to it
set -eu

compiler=$1
root=$2
shift 2

# bcmp: clang makes it of memcmp() == 0. __cpu_model: libgcc's CPU flags, read by __builtin_cpu_supports() in
# checksum.c. The rest: fortified mem*, the stack protector, position independence.
allowed='^(mem(cpy|move|set|cmp|chr)|bcmp|strlen|__[a-z]+_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__cpu_model)$'
# .data.rel.ro is written by the loader only; it holds const tables of pointers.
writable='^\.(data|bss|tdata|tbss|data\.rel|data\.rel\.local)(\.|$)'
read_only='^\.data\.rel\.ro'

objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

if [ $# -eq 0 ]; then
    echo "the core has no sources"
    exit 1
fi

# One object per source; the name keeps the folder, since ip/icmp4.c and wire/icmp4.c both exist.
export compiler root objects
# shellcheck disable=SC2016  # expanded by the inner shell
printf '%s\n' "$@" | xargs -P "$(nproc)" -I {} sh -c '
    source=${1#"$root"/}
    object=$(echo "$source" | tr / _).o
    exec $compiler -std=c17 -O2 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=3 -fno-strict-aliasing \
        -I"$root/include" -I"$root/src" -c "$root/$source" -o "$objects/$object"' compile {}
ar rcs "$objects/librn_core.a" "$objects"/*.o

nm "$objects/librn_core.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$objects/defined"
nm -u "$objects/librn_core.a" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u >"$objects/wanted"
foreign=$(comm -23 "$objects/wanted" "$objects/defined" | grep -Ev "$allowed" || true)
common=$(nm "$objects/librn_core.a" 2>/dev/null | awk '$2 == "C" { print $3 }')
state=$(size -A "$objects/librn_core.a" | awk -v writable="$writable" -v read_only="$read_only" '
    / : *$|\(ex / { object = $1 }
    $1 ~ writable && $1 !~ read_only && $2 > 0 { print object " " $1 " " $2 " bytes" }')

failed=0
for symbol in $foreign; do
    users=$(cd "$objects" && for o in *.o; do nm -u "$o" | grep -qw "$symbol" && printf '%s ' "$o"; done || true)
    echo "the core calls $symbol (in $users)"
    failed=1
done
if [ -n "$state$common" ]; then
    echo "the core has state of its own:"
    printf '%s\n' "$state" "$common"
    failed=1
fi
echo "$# sources by $compiler: $(wc -l <"$objects/defined") symbols defined," \
    "foreign: $(comm -23 "$objects/wanted" "$objects/defined" | tr '\n' ' ')"
exit $failed
