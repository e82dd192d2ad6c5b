#!/usr/bin/env bash
# Build both images and print their names: distribution, then standalone. Their base images are printed on stderr.
#   CAMUNDA_IMAGE, BASE_IMAGE   the base images; if a pull fails, a stand-in replaces the image (STAND_INS=no: an error)
#   IMAGE                       their name without a tag
#   PLATFORMS, PUSH=yes         with buildx: build for several platforms, and push what was built
set -euo pipefail
cd "$(dirname "$0")/.."

default() { # print the default of a build argument
    sed -n "s/^ARG $1=//p" docker/Dockerfile
}

CAMUNDA_IMAGE=${CAMUNDA_IMAGE:-$(default CAMUNDA_IMAGE)}
BASE_IMAGE=${BASE_IMAGE:-$(default BASE_IMAGE)}
IMAGE=${IMAGE:-app-integrations-exporter}

pull() { # pull $1; fail if the registry doesn't answer within 10 s. The download itself has no limit
    local answer process
    exec {answer}< <(exec docker pull "$1" 2>&1)
    process=$!
    if read -r -t 10 -u "$answer" _; then
        cat <&"$answer" >/dev/null
        docker image inspect "$1" >/dev/null 2>&1
    else
        kill "$process"
        return 1
    fi
}

obtain() { # print $1 if it exists or can be pulled; else build and print the stand-in $2
    case $1 in
        camunda/* | */camunda/*) local terms=", Camunda's image under Camunda's licence, which isn't open source" ;;
    esac
    if docker image inspect "$1" >/dev/null 2>&1; then
        echo "$1"
        return
    fi
    echo "==> pulling $1${terms:-}" >&2
    if pull "$1"; then
        echo "$1"
    elif [ "${STAND_INS:-yes}" = no ]; then
        echo "$1 can't be pulled: check its name and the connection to its registry." >&2
        exit 1
    else
        echo "==> $1 can't be pulled: using the stand-in $2" >&2
        docker/base-images.sh "$3" >&2 || exit
        echo "$2"
    fi
}

tag() { # print the tag of an image built on $1. The official chart requires that it starts with Camunda's version
    local reference=${1%@*} suffix=
    case $1 in app-integrations-standin/*) suffix=-standin ;; esac
    reference=${reference##*/}
    case $reference in *:*) ;; *) reference+=:latest ;; esac
    echo "${reference#*:}-app-integrations-$version$suffix"
}

build() { # build the stage $1 as the image $2
    local -a command=(docker build --quiet)
    if [ -n "${PLATFORMS:-}" ]; then
        command=(docker buildx build --platform "$PLATFORMS")
        if [ "${PUSH:-no}" = yes ]; then command+=(--push); else command+=(--output type=cacheonly); fi
    fi
    "${command[@]}" --file docker/Dockerfile --target "$1" --tag "$2" \
        --build-arg "BASE_IMAGE=$base" --build-arg "CAMUNDA_IMAGE=$camunda" \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" . >"$log" 2>&1 || {
        cat "$log" >&2
        echo "The image $2 can't be built, see above. If a proxy inspects TLS, see docker/certs/README.md." >&2
        exit 1
    }
}

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' exporter/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
docker/daemon.sh
# Trust this machine's own authorities (on Debian and Ubuntu) in the build, for proxies that inspect TLS.
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} docker/certs/ \; 2>/dev/null || true

if [ -n "${PLATFORMS:-}" ]; then # buildx pulls the images itself
    base=$BASE_IMAGE camunda=$CAMUNDA_IMAGE
else
    base=$(obtain "$BASE_IMAGE" app-integrations-standin/debian:12 debian)
    camunda=$(obtain "$CAMUNDA_IMAGE" "app-integrations-standin/camunda:${CAMUNDA_IMAGE##*:}" "${CAMUNDA_IMAGE##*:}")
fi
echo "==> images from $camunda and $base" >&2
distribution=$IMAGE:$(tag "$camunda")
standalone=$IMAGE:$version
build standalone "$standalone"
build distribution "$distribution"
echo "$distribution"
echo "$standalone"
