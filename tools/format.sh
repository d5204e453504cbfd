#!/usr/bin/env bash
# Formats our sources in place; with --check it changes nothing and fails where something would change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

how=(-i)
[[ ${1:-} == --check ]] && how=(--dry-run -Werror)
folders=()
for name in core operator sidecar cli fuzz bench cmake; do [[ -d $name ]] && folders+=("$name"); done
find "${folders[@]}" \( -name '*.cc' -o -name '*.h' -o -name '*.c' \) -print0 | xargs -0 clang-format "${how[@]}"
