#!/usr/bin/env bash
# fuzz.sh TIME: every fuzz target of the tree for TIME (30s; 1000x are inputs), as many at once as there are cores, one worker each.
# Each package is compiled once with coverage, which go test -fuzz would do again for each target. An input that
# fails stays in the package's testdata/fuzz, and what the target said is printed.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT

one() { # PACKAGE-FOLDER TARGET TIME
  cd "$1"
  # Minimizing what is merely interesting would take the whole of a short run.
  out=$("$bin/${1//\//_}" -test.run='^$' -test.fuzz="^$2\$" -test.fuzztime="$3" -test.fuzzminimizetime=10x \
    -test.fuzzcachedir="$bin/cache" -test.parallel=1 2>&1) && failed= || failed=1
  # The end of the time itself is now and then reported as a failure; one that was found names its input or panics.
  [ -z "$failed" ] || { grep -q '^    context deadline exceeded$' <<<"$out" && ! grep -qE 'Failing input|panic|fatal error' <<<"$out"; } ||
    { echo "fuzz $1 $2 FAILED"; echo "$out"; return 1; }
  echo "fuzz $1 $2: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
}
export -f one
export bin

dirs=$(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u)
# Two links at once: each of them keeps one core busy.
for dir in $dirs; do echo "$bin/${dir//\//_} ./$dir"; done | xargs -P 2 -L 1 go test -c -vet=off -fuzz=. -o
targets=$(for dir in $dirs; do grep -hoE '^func Fuzz[A-Za-z0-9]+' "$dir"/*_test.go | sed "s|^func |$dir |"; done)
xargs -P "$(nproc)" -L 1 bash -c 'one "$0" "$1" '"$1" <<<"$targets"
echo "fuzz: $(wc -l <<<"$targets") targets for $1 each, no crash"
