#!/usr/bin/env bash
# Installs the Debian packages of tools/packages.txt that are missing. Nothing is downloaded when all are there.
#
#   tools/deps.sh [PART...]            installs (as root), or prints the command that would (otherwise)
#   tools/deps.sh --check [PART...]    installs nothing; fails when something is missing
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
check=
if [[ ${1:-} == --check ]]; then
  check=yes
  shift
fi

# packages PART...: the names of those parts; of all parts without an argument
packages() {
  awk -v wanted=" $* " '
    /^#/ { next }
    /^\[/ { part = $0; gsub(/[][]/, "", part); next }
    NF && (wanted ~ /^ *$/ || index(wanted, " " part " "))' "$here/packages.txt"
}

if ! command -v dpkg-query >/dev/null; then
  echo "deps: this is no Debian system; what is needed is listed in tools/packages.txt" >&2
  [[ $check ]] && exit 0 # someone installed it all by other means, or the build will say what is missing
  exit 1
fi

mapfile -t wanted < <(packages "$@")
((${#wanted[@]})) || { echo "deps: tools/packages.txt has no part named $*" >&2; exit 2; }
mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort) \
  <(dpkg-query -W -f '${Status} ${Package}\n' "${wanted[@]}" 2>/dev/null | awk '$3 == "installed" { print $4 }' | sort))
if ((${#missing[@]} == 0)); then
  [[ $check ]] || echo "deps: all ${#wanted[@]} packages are there"
  exit 0
fi
if [[ $check ]]; then
  echo "deps: missing: ${missing[*]}; run \`make deps\`" >&2
  exit 1
fi
if ((EUID != 0)); then
  echo "deps: missing; run as root:" >&2
  echo "  apt-get update && apt-get install --no-install-recommends -y ${missing[*]}" >&2
  exit 1
fi

# nginx, etcd and containerd are wanted as programs, not as services of this machine: Debian asks policy-rc.d before it starts one.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
install=(apt-get install --no-install-recommends -y "${missing[@]}")
echo "deps: installing ${missing[*]}"
if ! "${install[@]}" --simulate >/dev/null 2>&1; then
  apt-get update # no list yet, or one that does not know these packages
fi
if ! "${install[@]}"; then
  apt-get update # a list so old that the files are gone
  "${install[@]}"
fi
# Nor at the next start of the machine, where it was us who brought them.
if [[ -d /run/systemd/system ]]; then
  for service in nginx etcd containerd; do
    [[ " ${missing[*]} " == *" $service"* ]] && systemctl disable --quiet "$service" || true
  done
fi
