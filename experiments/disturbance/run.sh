#!/bin/bash
# Saves quiet runs, runs beside busy processes on this side only, and runs of 10 % more work.
#     bash experiments/disturbance/run.sh FOLDER [QUIET RUNS] [RUNS A LOAD]
set -u
folder=$(realpath -m "$1") quiet=${2:-10} loaded=${3:-10}
cd "$(dirname "$0")" || exit 2
save() { # name, processes
    python -m pytest -q -p no:cacheprovider test_steps.py --benchmark-max-time=0.3 --hpml-quiet-wait="$WAIT" \
        --hpml-processes="$2" --benchmark-storage="$folder" --benchmark-save="$1" > "$folder/$1.log" 2>&1
}
mkdir -p "$folder"
WAIT=20
for _ in $(seq "$quiet"); do save quiet 5; done
for _ in $(seq $((loaded / 2))); do SLOWER=1.1 save slower 5; done
WAIT=0
for busy in 1 2 3; do
    pids=()
    for _ in $(seq "$busy"); do (while :; do :; done) & pids+=($!); done
    for _ in $(seq "$loaded"); do save "busy$busy" 3; done
    kill "${pids[@]}"
done
