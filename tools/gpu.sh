#!/usr/bin/env bash
# The gpu suite on a machine that is lent for minutes. Every part is bounded, and what it has
# written stays if the next one dies.
#
#   tools/gpu.sh [PART ...]
#
# wheels     before: puts msgspec for Python 3.12 and this project into WHEELS; all else that the
#            project needs must be there already
# preflight  the machine, its versions, and what would be measured and how long that takes
# probe      what only a GPU can tell (hpml-lab machine --probe)
# exact      the cases about bytes and exact courses, saved as gpu-exact
# times      all others at the profile short, saved as gpu-times
# suite      the whole suite at the lab's sizes in slices, saved in OUT/suite: each is killed when its
#            time is over, and the next goes on where it was, in a later call too; not run by default
#
# OUT      folder for saved runs and logs                        (benchmarks)
# WHEELS   folder of wheels for a machine without this project   (.whl)
# PYTHON   interpreter                                           (python3)
# PART_S   seconds of each part                                  (preflight 60, probe 150, else 300)
# SLICE_S  seconds of a slice of suite                           (480)
# SLICES   slices of suite before it stops; call it again        (99)
# Exit status: that of the last part that failed; 75 where slices of suite are left.
set -euo pipefail
self=$(realpath "$0")
cd "$(dirname "$self")/.."
out=$(realpath -m "${OUT:-benchmarks}")
wheels=${WHEELS:-.whl}
python=${PYTHON:-python3}
storage="--benchmark-storage=file://$out"
mkdir -p "$out"
export PYTHONUNBUFFERED=1
# Other packages' plugins may warn when they are imported, which is an error in this project.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
plugins=(-p pytest_benchmark.plugin -p hpml_lab.pytest_plugin)

wheels() {
    local names
    names=$(sed -n 's/^\(msgspec==[^ ;]*\).*/\1/p' constraints.txt)
    "$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --dest "$wheels" $names
    "$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$wheels" .
    ls "$wheels"
}

unpack() {
    if compgen -G "$wheels/*.whl" >/dev/null; then
        "$python" -m pip install --quiet --no-index --no-deps --no-compile --upgrade \
            --target "$out/.site" "$wheels"/*.whl
        export PYTHONPATH="$out/.site${PYTHONPATH:+:$PYTHONPATH}"
    else
        export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}"
    fi
}

tests() {
    "$python" -m pytest "${plugins[@]}" -p no:cacheprovider -m gpu --hpml-require-gpu \
        --benchmark-quiet "$storage" "$@"
}

preflight() {
    nvidia-smi || echo "no nvidia-smi"
    df -h /dev/shm
    nproc
    gcc --version | head -n 1 || echo "no compiler"
    "$python" -c 'import torch, torchvision, pytest; print(torch.__version__, torchvision.__version__, pytest.__version__)'
    "$python" -m pytest "${plugins[@]}" -p no:cacheprovider tests/perf -m gpu --hpml-profile=short \
        --collect-only -q "$storage" | tail -n 20
}

probe() {
    "$python" -m hpml_lab.cli machine --probe | tee "$out/probe.jsonl"
}

EXACT=(tests/perf/test_memory.py tests/perf/test_memory_plan.py tests/perf/test_largest_batch.py
    tests/perf/test_dropout.py tests/perf/test_edges.py::test_ensemble)

exact() {
    tests "${EXACT[@]}" --hpml-profile=short --hpml-processes=1 --hpml-case-timeout=90 \
        --benchmark-max-time=0.3 --benchmark-save=gpu-exact
}

times() {
    tests tests/perf "${EXACT[@]/#/--deselect=}" --hpml-profile=short --hpml-processes=1 \
        --hpml-case-timeout=120 --benchmark-max-time=0.5 --benchmark-save=gpu-times
}

journals() { find "$out/suite" -name '.journal-*' -printf '%f %s\n' | sort; }

suite() {
    local before log slice status storage="--benchmark-storage=file://$out/suite"
    mkdir -p "$out/suite"
    for slice in $(seq "${SLICES:-99}"); do
        before=$(journals)
        log="$out/slice-$(date -u +%Y%m%dT%H%M%S)-$slice.log"
        status=0
        timeout --signal=KILL "${SLICE_S:-480}" "$python" -m pytest "${plugins[@]}" tests/perf \
            -m gpu --hpml-require-gpu ${before:+--hpml-resume} --benchmark-save=gpu "$storage" \
            --benchmark-quiet >"$log" 2>&1 || status=$?
        tail -n 3 "$log"
        if [ "$status" -ne 137 ]; then
            "$python" -m hpml_lab.cli history --storage "$out/suite" || true
            return "$status"
        fi
        if [ "$(journals)" = "$before" ]; then
            echo "no case ended within ${SLICE_S:-480} s; give SLICE_S more, see $log" >&2
            return 1
        fi
    done
    echo "more is left; call it again to go on"
    return 75
}

limit_s() {
    case $1 in
    preflight) echo "${PART_S:-60}" ;;
    probe) echo "${PART_S:-150}" ;;
    *) echo "${PART_S:-300}" ;;
    esac
}

# A part is this script again, so that all it has started ends with it.
bounded() {
    local status=0
    timeout --signal=INT --kill-after=20 "$(limit_s "$1")" "$self" --part "$1" >"$out/$1.txt" 2>&1 ||
        status=$?
    echo "== $1: exit status $status; $out/$1.txt ends:"
    tail -n 8 "$out/$1.txt"
    return "$status"
}

if [ "${1:-}" = --part ]; then
    "$2"
    exit
fi
[ $# -gt 0 ] || set -- preflight probe exact times
failed=0
for part in "$@"; do
    case $part in
    wheels) wheels ;;
    preflight | probe | exact | times)
        unpack
        bounded "$part" || failed=$?
        ;;
    suite)
        unpack
        suite || failed=$?
        ;;
    *)
        echo "part '$part' is unknown; choose of: wheels preflight probe exact times suite" >&2
        exit 2
        ;;
    esac
done
exit "$failed"
