#!/bin/sh
# What the linker promised stands in the file: position independent, relocations read-only and bound at start, no
# executable stack, nothing writable and executable, no search path. The library exports rn_* and needs libc only.
#
# usage: check-hardening.sh FILE...
set -eu

failed=0

complain() {
    echo "$1: $2"
    failed=1
}

check() {
    file=$1
    header=$(readelf -hW "$file")
    segments=$(readelf -lW "$file")
    dynamic=$(readelf -dW "$file")
    case $header in *'DYN ('*) ;; *) complain "$file" "not position independent" ;; esac
    case $segments in *GNU_RELRO*) ;; *) complain "$file" "no RELRO" ;; esac
    printf '%s\n' "$dynamic" | grep -Eq 'BIND_NOW|FLAGS.* NOW' || complain "$file" "relocations are not bound at start"
    printf '%s\n' "$segments" | grep -Eq 'GNU_STACK .* RW +0x' || complain "$file" "executable stack"
    ! printf '%s\n' "$segments" | grep -Eq 'LOAD .* RWE ' || complain "$file" "memory writable and executable"
    ! printf '%s\n' "$dynamic" | grep -Eq 'TEXTREL' || complain "$file" "code is relocated"
    case $file in
    */librunnel.so*) check_library "$file" ;;
    *.so*) check_exports "$file" ;;
    *) check_program "$file" ;;
    esac
}

check_program() {
    ! readelf -dW "$1" | grep -Eq 'RPATH|RUNPATH' || complain "$1" "carries a search path"
    readelf -sW "$1" | grep -q __stack_chk_fail || complain "$1" "no stack protector"
}

check_exports() {
    foreign=$(nm -D --defined-only "$1" | awk '$3 !~ /^rn_/ { print $3 }')
    [ -z "$foreign" ] || complain "$1" "exports $foreign"
}

check_library() {
    check_exports "$1"
    needed=$(readelf -dW "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -Ev '^(libc\.so\.6|ld-linux.*)$' || true)
    [ -z "$needed" ] || complain "$1" "needs $needed"
}

[ $# -gt 0 ] || complain "check-hardening" "no files"
for built in "$@"; do
    check "$built"
done
[ $failed -ne 0 ] || echo "$# files are hardened"
exit $failed
