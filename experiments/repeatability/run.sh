#!/usr/bin/env bash
# Saves RUNS runs of each suite, in turn: bash experiments/repeatability/run.sh RUNS FOLDER
set -euo pipefail
runs=$1
folder=$(realpath -m "$2")
cd "$(dirname "$0")"
for _ in $(seq "$runs"); do
    pytest -q test_measured.py --benchmark-quiet --benchmark-save=measured \
        --benchmark-storage="file://$folder/measured"
    pytest -q test_stock.py -p no:hpml_lab --benchmark-quiet --benchmark-save=stock \
        --benchmark-precision=0.01 --benchmark-storage="file://$folder/stock"
done
