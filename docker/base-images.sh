#!/usr/bin/env bash
# Make a stand-in for Debian's image, which can't be pulled without a registry: Debian 12, from its packages.
# If it is there already, it stays.
set -euo pipefail

DEBIAN=app-integrations-standin/debian:12
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

if docker image inspect "$DEBIAN" >/dev/null 2>&1; then exit; fi
command -v debootstrap >/dev/null || "$here/install.sh" debootstrap ||
    fail "debootstrap is missing: install it (Debian, Ubuntu: apt-get install debootstrap) and run make again."
[ "$(id -u)" = 0 ] || fail "debootstrap works for root only: run make base-images once as root."
echo "==> $DEBIAN, from Debian's packages (about a minute)"
debootstrap --variant=minbase bookworm "$scratch/root" >"$scratch/log" 2>&1 ||
    fail "debootstrap failed, because it can't reach Debian's packages or lacks their keys: $(tail -n 1 "$scratch/log")"
tar --create --numeric-owner --directory "$scratch/root" \
    --exclude './var/cache/apt/*' --exclude './var/lib/apt/lists/*' --exclude './dev/*' . |
    docker import --change 'CMD ["bash"]' - "$DEBIAN" >/dev/null
