#!/usr/bin/env bash
# Everything that `make test` checks, stage by stage, then one line per stage.
#
#   tools/test.sh                 all stages
#   tools/test.sh checks unit     these stages and what they need
#
# A failed stage does not hide the later ones, except those that need what it would have made.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

jobs=$(nproc)
names=() results=() seconds=() notes=()

say() { printf '\n=== %s\n' "$*"; }

# is_ok STAGE... : none of them failed
is_ok() {
  local index wanted
  for wanted in "$@"; do
    for index in "${!names[@]}"; do
      if [[ ${names[index]} == "$wanted" && ${results[index]} != ok ]]; then return 1; fi
    done
  done
}

# stage NAME FUNCTION [NEEDED STAGE...]
stage() {
  local name=$1 function=$2 needed start=$SECONDS
  shift 2
  for needed in "$@"; do
    if ! is_ok "$needed"; then
      names+=("$name") results+=("not run") seconds+=(0) notes+=("needs '$needed'")
      return 0
    fi
  done
  say "$name"
  note=
  if "$function"; then results+=(ok); else results+=(FAILED); fi
  names+=("$name") seconds+=($((SECONDS - start))) notes+=("$note")
}

# all COMMAND... : runs each line of standard input; fails if any failed, after all of them
all() {
  local line failed=0
  while IFS= read -r line; do
    [[ $line ]] || continue
    # shellcheck disable=SC2086 # words of a fixed list
    $line || { echo "failed: $line" >&2; failed=1; }
  done
  return "$failed"
}

generated() {
  all <<'END'
python3 crds/testdata/bounds.py --check
python3 crds/schema_version.py --check
python3 crds/reference.py --check
python3 charts/generate.py --check
python3 charts/readme.py --check
python3 tools/pages.py --check
python3 tools/check_links.py
END
}

format() { tools/format.sh --check; }

build() { cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; return 1; }; ninja -C build -j"$jobs"; }

rooms() { python3 tools/check_rooms.py --self-test && python3 tools/check_rooms.py; }

# run_tests FOLDER [CTEST ARGUMENT...]: in the pinned Python, which some of the tests need
run_tests() {
  local folder=$1 report code
  shift
  report=$(E2E_PARTS=python e2e/tools.sh ctest --test-dir "$folder" --output-on-failure --no-tests=error -j"$jobs" "$@" 2>&1)
  code=$?
  printf '%s\n' "$report"
  note=$(sed -n 's/^\([0-9]*% tests passed, .*\)/\1/p' <<<"$report")
  return $code
}
unit() { run_tests build; }
mutants() { tools/mutants.py build core/policy; }

# What the sanitizers need is most of all that is compiled, and Valgrind is slow. Where the end-to-end tests run too, both are
# done beside them by what they leave of the cores (SCHED_IDLE: it gives way at once): they wait more than they compute.
under_valgrind() { REQUESTS=10000 tools/soak.sh valgrind >build/soak-valgrind.log 2>&1; }
export -f under_valgrind
ahead= valgrind=  # pids; empty: nobody began
run_ahead() {
  setsid chrt --idle 0 bash -c 'tools/sanitizers.sh build asan; tools/sanitizers.sh build tsan' >build/ahead.log 2>&1 &
  ahead=$!
  setsid chrt --idle 0 bash -c under_valgrind &
  valgrind=$!
}
await_ahead() {
  [[ -z $ahead ]] || wait "$ahead" || true  # what is wrong with it, the stage says that needs it
  ahead=
}
end_ahead() {
  local pid
  for pid in $ahead $valgrind; do kill -- -"$pid"; done
}
trap end_ahead EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

sanitized() {
  await_ahead
  tools/sanitizers.sh build "$1" && run_tests "build/$1" -R "^($(tools/sanitizers.sh list "$1" | cut -d' ' -f1 | paste -sd'|'))\$"
}
# The agent's tests start nginx, which can load no sanitized module: it gets the plain one.
export MESH_AUTH_MODULE=$PWD/build/modules/ngx_http_mesh_auth_module.so
asan() { ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1} UBSAN_OPTIONS=print_stacktrace=1 sanitized asan; }
tsan() { TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$PWD/tools/tsan.supp} sanitized tsan; }

# Two lanes, since each is one nginx and one client.
module_soak() {
  local asan=build/soak-asan.log memory=build/soak-memory.log lanes=() lane failed=0
  REQUESTS=100000 tools/soak.sh asan >"$asan" 2>&1 &
  lanes+=($!)
  REQUESTS=1000 SWAPS=20 RELOADS=2 tools/soak.sh memory >"$memory" 2>&1 &
  lanes+=($!)
  for lane in "${lanes[@]}"; do wait "$lane" || failed=1; done
  cat "$asan" "$memory"
  soaked "$asan" "$memory"
  return "$failed"
}
soaked() { note=$(sed -n 's/^=== \(.*\): ok, \(.*\)/\1 \2/p' "$@" | paste -sd,); }

valgrind_soak() {
  local code=0
  if [[ $valgrind ]]; then wait "$valgrind" || code=1; else under_valgrind || code=1; fi
  valgrind=
  cat build/soak-valgrind.log
  soaked build/soak-valgrind.log
  return "$code"
}

e2e() {
  local report=build/e2e/report.txt
  mkdir -p build/e2e
  e2e/tools.sh pytest --durations=10 -c e2e/pytest.ini e2e/tests 2>&1 | tee "$report"
  local code=${PIPESTATUS[0]}
  note=$(tail -n1 "$report" | tr -d '=' | sed 's/^ *//; s/ *$//')
  return "$code"
}

node_tests() {
  local report=build/e2e/node-report.txt
  mkdir -p build/e2e
  make --no-print-directory e2e-node ARGS=--durations=10 2>&1 | tee "$report"
  local code=${PIPESTATUS[0]}
  note=$(grep '^=.* in [0-9]' "$report" | tail -n1 | tr -d '=' | sed 's/^ *//; s/ *$//')
  return "$code"
}

tools() { E2E_PARTS="kube helm gitops certmanager node machine earlier python" e2e/tools.sh >build/tools.log 2>&1 || { cat build/tools.log; return 1; }; }

demo() { E2E_PARTS=python e2e/tools.sh pytest -q -p no:cacheprovider -c e2e/pytest.ini demo/tests; }
tour() { python3 tools/tour.py; }

# --- which

wanted=" ${*:-checks unit e2e} "
wants() { [[ $wanted == *" $1 "* ]]; }
mkdir -p build
free() { df -m --output=avail build | awk 'NR == 2 { printf "%.1f GB of the disk are free\n", $1 / 1024 }'; }
free
if wants checks; then
  stage "generated files are current" generated
  stage "clang-format" format
fi
stage "release build" build
if wants checks; then stage "rooms include what they may" rooms "release build"; fi
if wants unit; then
  stage "unit tests" unit "release build"
  stage "every mutant of the policy engine is caught" mutants "release build"
  stage "the module amid swaps and reloads: AddressSanitizer, its memory" module_soak "release build"
fi
if wants e2e; then
  stage "the programs that the tests start" tools
  if wants unit && is_ok "release build"; then run_ahead; fi
  stage "end-to-end tests" e2e "release build" "the programs that the tests start"
fi
if wants unit; then
  stage "unit tests, address and undefined behaviour sanitizers" asan "release build"
  stage "unit tests of the rooms with threads, thread sanitizer" tsan "release build"
  stage "the module amid swaps and reloads: Valgrind" valgrind_soak "release build"
fi
if wants e2e; then
  stage "images, and end-to-end tests on a real node" node_tests "release build" "the programs that the tests start"
  stage "the demo, and each of its steps spoilt" demo "release build"
  stage "the tour of the control plane" tour "release build"
fi

# --- what came of it

say "summary"
free
failed=0
for index in "${!names[@]}"; do
  printf '%-8s %5d s  %s%s\n' "${results[index]}" "${seconds[index]}" "${names[index]}" "${notes[index]:+ (${notes[index]})}"
  [[ ${results[index]} == ok ]] || failed=$((failed + 1))
done
if ((failed)); then
  printf '%d of %d stages failed or could not run, after %d s.\n' "$failed" "${#names[@]}" "$SECONDS"
  exit 1
fi
printf 'All %d stages passed, in %d s.\n' "${#names[@]}" "$SECONDS"
