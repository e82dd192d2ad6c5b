#!/usr/bin/env bash
# Wait until a Docker daemon answers. Start it where that is allowed, or else print a message with the remedy.
#   INSTALL_DOCKER=yes (or CI=true)   install missing packages (on Debian and Ubuntu, as root)
set -euo pipefail

state=${XDG_STATE_HOME:-${HOME:-/root}/.local/state}/app-integrations-exporter
here=$(cd "${0%/*}" && pwd)

fail() {
    echo "$1" >&2
    exit 1
}

answers() {
    docker version >/dev/null 2>&1
}

install() {
    "$BASH" "$here/install.sh" docker.io
}

if answers; then exit; fi
command -v docker >/dev/null || install ||
    fail "Docker is missing: install it (Debian, Ubuntu: make INSTALL_DOCKER=yes ... as root does) and run make again."
if answers; then exit; fi
[ -z "${DOCKER_HOST:-}" ] || fail "No Docker daemon answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset the variable."
[ "$(id -u)" = 0 ] ||
    fail "No Docker daemon answers: start it, or let your user reach it (group docker), and run make again."
command -v dockerd >/dev/null || install ||
    fail "No Docker daemon answers, and dockerd isn't installed (Debian, Ubuntu: apt-get install docker.io)."

mkdir -p "$state"
echo "==> dockerd (log: $state/dockerd.log)" >&2
setsid dockerd >"$state/dockerd.log" 2>&1 </dev/null &
echo $! >"$state/dockerd.pid"
for _ in {1..60}; do
    if answers; then exit; fi
    kill -0 "$(cat "$state/dockerd.pid")" 2>/dev/null || break
    sleep 0.5
done
fail "dockerd doesn't start; $state/dockerd.log says why: $(tail -n 1 "$state/dockerd.log")"
