#!/usr/bin/env bash
# Print the command for Docker Compose. Install it where that is allowed, or else print a message with the remedy.
set -euo pipefail

here=$(cd "${0%/*}" && pwd)

found() {
    local command
    for command in "docker compose" docker-compose; do
        # shellcheck disable=SC2086 # `docker compose` is two words
        if $command version >/dev/null 2>&1; then
            echo "$command"
            return
        fi
    done
    return 1
}

if found; then exit; fi
if "$BASH" "$here/install.sh" docker-compose && found; then exit; fi
echo "Docker Compose is missing: install it (Debian, Ubuntu: apt-get install docker-compose) and try again." >&2
exit 1
