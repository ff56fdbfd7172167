#!/bin/sh
# What is installed is enough for a user: a program is compiled with the installed headers by the flags of
# pkg-config, linked with the shared and with the static library, and run; and every function that a header
# declares is there.
#
# usage: check-install.sh BUILD COMPILER
set -eu

build=$1
compiler=$2
if ! command -v pkg-config >/dev/null; then
    echo "pkg-config is not installed"
    exit 77
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
DESTDIR=$place meson install -C "$build" --no-rebuild --quiet >/dev/null

cat >"$place/user.c" <<'USER'
#include <runnel/addr.h>
#include <runnel/err.h>
#include <stdio.h>

int main(void)
{
    char text[RN_ADDR_TEXT_BYTES];
    struct rn_addr addr;

    if (rn_addr_parse("2001:db8::1", &addr) < 0)
        return 1;
    return puts(rn_addr_print(addr, text)) < 0;
}
USER

pc=$(dirname "$(find "$place" -name runnel.pc)")
lib=$(dirname "$pc")
export PKG_CONFIG_LIBDIR="$pc" PKG_CONFIG_SYSROOT_DIR="$place"
flags=$(pkg-config --cflags --libs runnel)
# shellcheck disable=SC2086  # flags are words
$compiler -std=c17 -Wall -Wextra -Werror -o "$place/shared" "$place/user.c" $flags
# shellcheck disable=SC2086
$compiler -std=c17 -static -o "$place/static" "$place/user.c" $flags

for kind in shared static; do
    said=$(LD_LIBRARY_PATH=$lib "$place/$kind")
    if [ "$said" != "2001:db8::1" ]; then
        echo "the $kind program said: $said"
        exit 1
    fi
done

# Every public header compiles as the first of a user's file, without our sources in sight.
headers=$(cd "$place" && find . -path '*/runnel/*.h')
for header in $headers; do
    echo "#include <runnel/$(basename "$header")>" |
        $compiler -std=c17 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags runnel) -x c - ||
        { echo "runnel/$(basename "$header") cannot be used"; exit 1; }
done
# map.h is librunnel-host's, the others are librunnel's.
declared() {
    cat "$@" | tr '\n' ' ' | grep -o 'RN_PUBLIC[^;]*;' | sed 's/(.*//' | grep -o 'rn_[a-z0-9_]*$'
}

links() {
    library=$1
    shift
    names=$(declared "$@")
    {
        echo "$names" | sed 's/.*/extern void &(void);/'
        echo 'void (*const all[])(void) = {'
        echo "$names" | sed 's/$/,/'
        echo '};'
        echo 'int main(void) { return all[0] == 0; }'
    } >"$place/all.c"
    # shellcheck disable=SC2086
    $compiler -std=c17 -o "$place/all" "$place/all.c" -L"$lib" "-l$library" $flags || exit 1
    echo "$names" | wc -l
}

include=$(dirname "$(find "$place" -path '*/runnel/device.h')")
map=$include/map.h
mv "$map" "$place/map.h"
stack=$(links runnel "$include"/*.h) || { echo "librunnel lacks a function of its headers: $stack"; exit 1; }
host=$(links runnel-host "$place/map.h") || { echo "librunnel-host lacks a function of map.h: $host"; exit 1; }

echo "$stack and $host functions are there; shared and static programs run; $(echo "$headers" | wc -l) headers can be used"
