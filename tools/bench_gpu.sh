#!/usr/bin/env bash
# The gpu suite in slices: each is killed when its time is over, and the next goes on where it was.
#
#   tools/bench_gpu.sh [PYTEST ARGUMENTS]
#
# OUT      folder for saved runs and logs            (benchmarks)
# SLICE_S  seconds of a slice                        (480)
# SLICES   slices before it stops; call it again     (99)
# PYTHON   interpreter                               (python3)
# Exit status: pytest's, or 75 where slices are left.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${OUT:-benchmarks}")
python=${PYTHON:-python3}
if [ $# -eq 0 ]; then set -- tests/perf -m gpu --hpml-require-gpu; fi
# A machine that installs nothing runs the suite from the source and from wheels that were unpacked.
export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}"
plugin=()
"$python" -c 'from importlib.metadata import version; version("hpml-lab")' 2>/dev/null ||
    plugin=(-p hpml_lab.pytest_plugin)
mkdir -p "$out"

journals() { find "$out" -name '.journal-*' -printf '%f %s\n' | sort; }

for slice in $(seq "${SLICES:-99}"); do
    before=$(journals)
    log="$out/slice-$(date -u +%Y%m%dT%H%M%S)-$slice.log"
    status=0
    timeout --signal=KILL "${SLICE_S:-480}" "$python" -m pytest "${plugin[@]}" "$@" \
        ${before:+--hpml-resume} --benchmark-save=gpu --benchmark-storage="file://$out" \
        --benchmark-quiet >"$log" 2>&1 || status=$?
    tail -n 3 "$log"
    if [ "$status" -ne 137 ]; then
        "$python" -m hpml_lab.cli history --storage "$out" || true
        exit "$status"
    fi
    if [ "$(journals)" = "$before" ]; then
        echo "no case ended within ${SLICE_S:-480} s; give SLICE_S more, see $log" >&2
        exit 1
    fi
done
echo "more is left; call it again to go on"
exit 75
