#!/usr/bin/env bash
# What takes long, part by part; each part says how long it took, and the first that fails ends it.
#
#   tools/soak.sh                    all parts, hours
#   REQUESTS=10000 tools/soak.sh asan valgrind
#
#   decisions   the policy engine against the reference: DECISIONS (10^8)
#   mutants     every check of tokens, requests and policies, taken away one by one: a test must notice each
#   memory      one worker over STEADY (1000) swaps, after REQUESTS mixed and hostile requests: grows by at most 5 %
#   asan        the module under AddressSanitizer and UndefinedBehaviorSanitizer: REQUESTS amid SWAPS and RELOADS
#   valgrind    the same under memcheck
#   kids        KIDS (10^6) forged tokens, each with a random kid, to a sidecar: its provider is asked once an interval at most
#   containerfile  images/Containerfile.sidecar from its first line, in a Debian of its own (root; Debian's mirror)
#
# REQUESTS (10^6), SWAPS (1000) and RELOADS (100) count for memory, asan and valgrind. Needs a release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jobs=$(nproc)
module=modules/ngx_http_mesh_auth_module.so

# soak STEADY ARGUMENT... : sidecar/nginx/tests/soak.py
soak() {
  local steady=$1
  shift
  flock build/soak.lock ninja -C build -j"$jobs" mesh-auth-bundle-tool ngx_http_mesh_auth_module >/dev/null
  MESH_AUTH_BUILD=$PWD/build E2E_PARTS=python e2e/tools.sh python3 sidecar/nginx/tests/soak.py \
    --requests "${REQUESTS:-1000000}" --swaps "${SWAPS:-1000}" --reloads "${RELOADS:-100}" --steady "$steady" "$@"
}

decisions() {
  ninja -C build -j"$jobs" core_policy_test >/dev/null
  MESH_AUTH_DECISIONS=${DECISIONS:-100000000} build/test/core_policy_test --duration=true --test-case='*reference*'
}

mutants() {
  local room
  for room in core/base core/bundle core/policy core/jose core/engine core/render core/inject; do
    ninja -C build -j"$jobs" "${room/\//_}_test" >/dev/null
    tools/mutants.py build "$room"
  done
  ninja -C build -j"$jobs" nginx_module_test agent_test mesh-auth-bundle-tool ngx_http_mesh_auth_module >/dev/null
  for room in sidecar/nginx sidecar/agent; do
    tools/mutants.py build "$room"
  done
  for room in sidecar/nginx/module templates; do
    E2E_PARTS=python e2e/tools.sh python tools/mutants.py build "$room"
  done
}

memory() { soak "${STEADY:-1000}"; }

asan() {
  cmake --preset asan >/dev/null
  ninja -C build/asan -j"$jobs" ngx_http_mesh_auth_module
  MESH_AUTH_NGINX_PRELOAD=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so) soak 0 "$PWD/build/asan/$module"
}

kids() {
  ninja -C build -j"$jobs" mesh-auth-operator mesh-auth-agent ngx_http_mesh_auth_module >/dev/null
  UNKNOWN_KIDS=${KIDS:-1000000} e2e/tools.sh pytest -q -rP --timeout=0 -c e2e/pytest.ini e2e/tests/test_unknown_kids.py -k random_kids
}

valgrind() {
  type -P valgrind >/dev/null || { echo "soak: valgrind is missing; run \`make deps\`" >&2; return 1; }
  MESH_AUTH_SLOWNESS=20 soak 0 --wrapper valgrind
}

containerfile() {
  flock build/soak.lock ninja -C build -j"$jobs" mesh-auth-operator mesh-auth-agent meshauthctl ngx_http_mesh_auth_module >/dev/null
  E2E_PARTS=python e2e/tools.sh pytest -q -c e2e/pytest.ini images/tests/whole_containerfile.py
}

(($#)) || set -- decisions mutants memory asan valgrind kids containerfile
for part; do
  case $part in
    decisions | mutants | memory | asan | valgrind | kids | containerfile) ;;
    *) echo "soak: no part is called $part" >&2; exit 2 ;;
  esac
done
for part; do
  printf '=== %s\n' "$part"
  start=$SECONDS
  "$part"
  printf '=== %s: ok, %d s\n' "$part" $((SECONDS - start))
done
