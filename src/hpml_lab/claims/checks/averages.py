"""Averages and sums that the write-ups printed, recomputed from their printed rows."""

from decimal import Decimal
from functools import partial
from itertools import product

from hpml_lab.claims import published
from hpml_lab.claims.checking import (
    Finding,
    about,
    adds_up,
    averages,
    decides,
    mean,
    rounds,
    together,
)

_MEANS = {
    "time": ("train_time_mean", "train_time"),
    "loss": ("train_loss_mean", "train_loss"),
    "acc": ("train_accuracy_mean", "train_accuracy_top1"),
}
_MEAN_RUNS = [f"004-C6-{name}" for name in ("adam", "adagrad", "sgd", "nesterov", "adadelta")]
_MEAN_RUNS += ["004-C7-bn", "004-C7-nobn"]


def _average(run_id: str, stated: str, rows: str) -> Finding:
    return averages(stated, published.value(run_id, stated), published.values(run_id, rows))


for _run, (_end, (_stated, _rows)) in product(_MEAN_RUNS, _MEANS.items()):
    decides(f"{_run}-{_end}")(partial(_average, _run, _stated, _rows))
for _device in ("gpu", "cpu"):
    decides(f"004-C5-{_device}")(
        partial(_average, f"004-C5-{_device}", "run_time_mean", "epoch_time")
    )


def _compile_table(run_id: str) -> Finding:
    times = published.values(run_id, "train_time")
    first, later = (
        published.value(run_id, name) for name in ("table_first_epoch", "table_epochs_6_to_10")
    )
    return together(
        rounds("first epoch", first, times[0]), averages("epochs 6-10", later, times[5:])
    )


for _mode in ("default", "reduce-overhead", "max-autotune", "eager"):
    decides(f"004-C8-{_mode}-tab")(partial(_compile_table, f"004-C8-{_mode}"))


@decides("004-C3-totals")
def totals_by_workers() -> Finding:
    """Adds up the run time and the loading time for each worker count."""
    pairs = (("run_time_total", "epoch_time"), ("data_wait_time_total", "data_wait_time"))
    runs = [f"004-C3-w{workers}" for workers in (0, 4, 8, 12)]
    return together(
        *(
            adds_up(f"{run} {rows}", published.value(run, total), published.values(run, rows))
            for run, (total, rows) in product(runs, pairs)
        )
    )


def _sum_of_timers(run_id: str, stated: str, *timers: str) -> Finding:
    rows = [row for timer in timers or _TIMERS for row in published.values(run_id, timer)]
    return adds_up("sum of both timers", Decimal(stated), rows)


_TIMERS = ("train_time", "copy_time")
decides("003-C2-total")(
    partial(_sum_of_timers, "003-C2", "66.814367", "train_time_log", "copy_time_log")
)
decides("003-C4-w1")(partial(_sum_of_timers, "003-C4-w1", "17.831"))
decides("003-C4-w18")(partial(_sum_of_timers, "003-C4-w18", "17.319"))
decides("003-C5-cpu-text")(partial(_sum_of_timers, "003-C5-cpu", "998.17"))
decides("003-C5-gpu")(partial(_sum_of_timers, "003-C5-gpu", "84.04"))


@decides("003-C5-cpu-raw")
def total_and_range_on_cpu() -> Finding:
    """Adds up both timers, for the run and for each epoch."""
    timers = (published.values("003-C5-cpu", timer) for timer in _TIMERS)
    epochs = [train + copy for train, copy in zip(*timers, strict=True)]
    return together(
        _sum_of_timers("003-C5-cpu", "997.1711"),
        rounds("shortest epoch", Decimal("195.9"), min(epochs)),
        rounds("longest epoch", Decimal("202.6"), max(epochs)),
    )


def _one_and_four_workers(rows: str, one: int, four: int) -> Finding:
    return together(
        about(f"{rows} with 1 worker", one, published.values("004-C4-w1", rows)),
        about(f"{rows} with 4 workers", four, published.values("004-C4-w4", rows)),
    )


decides("004-C4-data")(partial(_one_and_four_workers, "data_wait_time", 15, 2))
decides("004-C4-compute")(partial(_one_and_four_workers, "train_time", 6, 8))


@decides("004-C4-half")
def run_time_halves() -> Finding:
    """Compares the mean epoch times of one and four workers."""
    one, four = (mean(published.values(f"004-C4-w{n}", "epoch_time")) for n in (1, 4))
    halved = Finding(round(one / four, 1) == 2, f"ratio {one / four:.2f}")
    return together(_one_and_four_workers("epoch_time", 22, 11), halved)


@decides("003-C2-train")
def table_against_log() -> Finding:
    """Rounds the logged training times to the decimal places of the table."""
    pairs = zip(
        published.values("003-C2", "train_time_table"),
        published.values("003-C2", "train_time_log"),
        strict=True,
    )
    return together(*(rounds(f"epoch {n}", *pair) for n, pair in enumerate(pairs, 1)))


@decides("000-Q3-final")
def list_repeated() -> Finding:
    """Compares the closing table with the list above it."""
    names = ("device_memory_used", "device_memory_used_final_table")
    listed, closing = (
        [published.value(f"000-Q3a-b{batch}", name) for batch in (4, 16, 64, 256)] for name in names
    )
    return Finding(listed == closing, f"listed {', '.join(map(str, listed))} MB, repeated alike")
