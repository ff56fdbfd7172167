#!/bin/sh
# Makes sure that the Debian packages of some groups of packages.txt are here. Root: installs them, and says which.
# Anyone else: prints the one command that does. Needs nothing but sh, dpkg and apt.
#
# usage: packages.sh GROUP...       exit 1 if a package of the group `build` is missing
set -eu

list=$(dirname "$0")/packages.txt

packages_of() {
    for group in "$@"; do
        awk -v group="$group" '$1 == group { print $2 }' "$list"
    done | sort -u
}

missing_of() {
    for package in $(packages_of "$@"); do
        dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

# Servers among the packages are for our namespaces: the host must not start serving because it ran a test.
without_services() {
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    trap 'rm -f "$policy"' EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    "$@"
}

install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q </dev/null || echo "apt-get update failed; trying with the lists that are here" >&2
    # shellcheck disable=SC2086  # a list of names
    without_services apt-get install -q -y --no-install-recommends $1 </dev/null
}

if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian system: nothing is installed. What is needed stands in tools/packages.txt." >&2
    exit 0
fi

missing=$(missing_of "$@")
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    echo "Installing Debian packages: $missing"
    install "$missing"
    exit
fi

echo "Missing Debian packages. This command installs them:" >&2
echo "    sudo apt-get install --no-install-recommends $missing" >&2
[ -z "$(missing_of build)" ] || exit 1
echo "Going on without; what needs them is skipped and says so." >&2
