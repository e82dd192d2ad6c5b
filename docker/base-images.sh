#!/usr/bin/env bash
# Build stand-ins for images that can't be pulled: Debian 12 from packages, and the recorded engine in each version.
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

debian() { # build Debian 12 from packages
    if docker image inspect "$NAME/debian:12" >/dev/null 2>&1; then return; fi
    command -v debootstrap >/dev/null || "$here/install.sh" debootstrap ||
        fail "debootstrap is missing: install it (Debian, Ubuntu: apt-get install debootstrap) and run make again."
    [ "$(id -u)" = 0 ] || fail "debootstrap works for root only: run make base-images once as root."
    echo "==> $NAME/debian:12, built from Debian's packages (about a minute)"
    debootstrap --variant=minbase bookworm "$scratch/root" >"$scratch/log" 2>&1 ||
        fail "debootstrap failed, because it can't reach Debian's packages or lacks their keys: $(tail -n 1 "$scratch/log")"
    tar --create --numeric-owner --directory "$scratch/root" \
        --exclude './var/cache/apt/*' --exclude './var/lib/apt/lists/*' --exclude './dev/*' . |
        docker import --change 'CMD ["bash"]' - "$NAME/debian:12" >/dev/null
}

camunda() { # build the recorded engine of a version, with the paths of the official image
    local target=camunda
    case $1 in
        8.6.*) target=zeebe ;;
        8.8.* | 8.9.* | 8.10.*) ;;
        *) fail "There is no stand-in for Camunda $1: use 8.6, 8.8, 8.9 or 8.10." ;;
    esac
    echo "==> $NAME/camunda:$1, the recorded engine of devkit/, without Camunda's software"
    docker build --quiet --file "$here/standin/Dockerfile" --target "$target" --tag "$NAME/camunda:$1" \
        --build-arg "BASE_IMAGE=$NAME/debian:12" --build-arg "VERSION=$1" "$here/.." >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        fail "The image $NAME/camunda:$1 can't be built, see above."
    }
}

# Trust this machine's own authorities (on Debian and Ubuntu) in the build, for proxies that inspect TLS.
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$here/certs/" \; 2>/dev/null || true
debian
[ $# -gt 0 ] || set -- 8.6.0 8.8.21 8.9.0 8.10.9
for version; do
    if [ "$version" != debian ]; then camunda "$version"; fi
done
