#!/usr/bin/env bash
# Install packages on Debian or Ubuntu, only as root with INSTALL_DOCKER=yes or CI=true.
set -euo pipefail

if [ "${INSTALL_DOCKER:-no}" != yes ] && [ "${CI:-}" != true ]; then exit 1; fi
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1
echo "==> apt-get install $*" >&2
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes "$@"; } >/dev/null 2>&1
