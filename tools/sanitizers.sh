#!/usr/bin/env bash
# The unit tests under the sanitizers.
#
#   tools/sanitizers.sh build asan   builds the tests that run under AddressSanitizer and UndefinedBehaviorSanitizer
#   tools/sanitizers.sh list tsan    their names, each with its program: here those that run under ThreadSanitizer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# All that are a program of a room; for threads those that have some.
plain='^(nginx_module_in_nginx|meshauthctl_version|kubectl_mesh_auth_help)$'
declare -A pattern=([asan]='.' [tsan]='^(operator_.*|agent)$')
action=$1 preset=$2

# By name, since ctest knows no program before it is built.
list() {
  local found
  found=$(ctest --test-dir "build/$preset" -N -R "${pattern[$preset]}" -E "$plain" | sed -n 's/^ *Test *#[0-9]*: *//p')
  [[ $found ]] || { echo "no test matches ${pattern[$preset]}" >&2; return 1; }
  while read -r name; do
    case $name in
      fuzz_*) echo "$name fuzz/$name" ;;
      *) echo "$name test/${name}_test" ;;
    esac
  done <<<"$found"
}

build() {
  cmake --preset "$preset" >"build/$preset.log" 2>&1 || { cat "build/$preset.log"; return 1; }
  local found
  found=$(list)
  # shellcheck disable=SC2046 # names without spaces
  ninja -C "build/$preset" -j"$(nproc)" $(cut -d' ' -f2 <<<"$found")
}

case $action in
  list | build) "$action" ;;
  *) echo "$0: $action is neither list nor build" >&2; exit 2 ;;
esac
