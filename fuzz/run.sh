#!/bin/sh
# fuzz/run.sh SECONDS [NAME...]: builds the fuzzers and runs each for so long. New inputs are kept under build/fuzzing/found;
# a finding ends the run with its file, which belongs into fuzz/corpus/NAME once it is mended.
set -eu
seconds=${1:?usage: fuzz/run.sh SECONDS [NAME...]}
shift
cd "$(dirname "$0")/.."
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzzers
if [ $# -eq 0 ]; then
  for program in build/fuzzing/fuzz/fuzz_*; do set -- "$@" "${program##*/fuzz_}"; done
fi
for name in "$@"; do
  echo "== $name"
  mkdir -p "build/fuzzing/found/$name"
  build/fuzzing/fuzz/"fuzz_$name" -max_total_time="$seconds" -max_len=20000 -rss_limit_mb=2048 -timeout=10 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="build/fuzzing/found/$name-" $( [ -f "fuzz/dict/$name.dict" ] && echo "-dict=fuzz/dict/$name.dict" || echo "-dict=fuzz/dict/jose.dict" ) \
    "build/fuzzing/found/$name" "fuzz/corpus/$name"
done
