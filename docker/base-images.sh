#!/usr/bin/env bash
# Make stand-ins for images that can't be pulled: Debian 12 from its packages, and the recorded engine as each version.
#   docker/base-images.sh [debian|VERSION ...]
set -euo pipefail

NAME=app-integrations-standin
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

debian() { # Debian 12, from its packages
    if docker image inspect "$NAME/debian:12" >/dev/null 2>&1; then return; fi
    command -v debootstrap >/dev/null || "$here/install.sh" debootstrap ||
        fail "debootstrap is missing: install it (Debian, Ubuntu: apt-get install debootstrap) and run make again."
    [ "$(id -u)" = 0 ] || fail "debootstrap works for root only: run make base-images once as root."
    echo "==> $NAME/debian:12, from Debian's packages (about a minute)"
    debootstrap --variant=minbase bookworm "$scratch/root" >"$scratch/log" 2>&1 ||
        fail "debootstrap failed, because it can't reach Debian's packages or lacks their keys: $(tail -n 1 "$scratch/log")"
    tar --create --numeric-owner --directory "$scratch/root" \
        --exclude './var/cache/apt/*' --exclude './var/lib/apt/lists/*' --exclude './dev/*' . |
        docker import --change 'CMD ["bash"]' - "$NAME/debian:12" >/dev/null
}

camunda() { # the recorded engine of a version, in the places of the official image
    local target=camunda
    case $1 in
        8.6.*) target=zeebe ;;
        8.8.* | 8.9.* | 8.10.*) ;;
        *) fail "Nothing stands in for Camunda $1: 8.6, 8.8 and 8.9 were recorded, and 8.9 also plays 8.10." ;;
    esac
    echo "==> $NAME/camunda:$1, the recorded engine of devkit/ with nothing of Camunda's image"
    docker build --quiet --file "$here/standin/Dockerfile" --target "$target" --tag "$NAME/camunda:$1" \
        --build-arg "BASE_IMAGE=$NAME/debian:12" --build-arg "VERSION=$1" "$here/.." >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        fail "The image $NAME/camunda:$1 can't be built, see above."
    }
}

# Whom this machine's administrator trusts (on Debian and Ubuntu), the build trusts: there may be a proxy in between.
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$here/certs/" \; 2>/dev/null || true
debian
[ $# -gt 0 ] || set -- 8.6.0 8.8.21 8.9.0 8.10.9
for version; do
    if [ "$version" != debian ]; then camunda "$version"; fi
done
