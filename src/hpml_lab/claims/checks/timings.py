"""Checks of the printed times against each other."""

from decimal import Decimal
from itertools import pairwise
from statistics import stdev

from hpml_lab.claims import models, published
from hpml_lab.claims.checking import Finding, decides, mean
from hpml_lab.measure.epochs import LARGEST_GAP

_BATCHES = 391  # 50,000 images in batches of 128
_ELEMENT_PASSES = (
    12  # passes over each parameter in Adadelta's update, the most expensive of the five
)


@decides("002-C2-train")
def training_time_covers_the_epoch() -> Finding:
    """Adds up the timers over the five epochs; seconds outside both timers are training too."""
    data, train, run = (
        sum(published.values("002-C2", name))
        for name in ("data_wait_time", "train_time", "run_time")
    )
    share = (data + train) / run
    return Finding(share >= 1 - LARGEST_GAP, f"both timers cover {share:.1%} of {run:.1f} s")


@decides("002-C2-sum")
def parts_make_the_total() -> Finding:
    """Adds up the loading and training time of each epoch."""
    names = ("data_wait_time", "train_time", "run_time")
    epochs = zip(*(published.values("002-C2", name) for name in names), strict=True)
    shares = [(data + train) / run for data, train, run in epochs]
    evidence = f"data + training are {min(shares):.1%} to {max(shares):.1%} of an epoch"
    return Finding(min(shares) >= 1 - LARGEST_GAP, evidence)


@decides("002-C3-opt")
def least_wait() -> Finding:
    """Finds the least loading time among all worker counts that the write-up ran."""
    waits: dict[int, Decimal] = {}
    for run in published.runs("002", device="gpu"):
        if (workers := str(run.config["workers"])).isdigit():
            name = "data_wait_time" if run.id == "002-C2" else "data_wait_time_total"
            wait = sum(published.values(run.id, name), Decimal())
            waits[int(workers)] = min(wait, waits.get(int(workers), wait))
    best = min(waits, key=waits.__getitem__)
    listed = ", ".join(f"{workers}: {waits[workers]:.2f} s" for workers in sorted(waits))
    return Finding(best == 4, f"least wait with {best} ({listed})")


@decides("003-C2-data")
def loading_needs_no_device() -> Finding:
    """Compares the timer on the GPU with that on the CPU, where nothing is copied."""
    gpu = mean(published.values("003-C2", "copy_time_log"))
    cpu = mean(published.values("003-C5-cpu", "copy_time"))
    evidence = (
        f"{1e3 * float(gpu) / _BATCHES:.2f} ms a batch on the GPU, {cpu / gpu:.1%} of it on the CPU"
    )
    return Finding(cpu > gpu / 2, evidence)


@decides("003-C3-best")
def best_beyond_noise() -> Finding:
    """Compares the lead of the best worker count with the standard deviation of all times.

    The first value, a cold run, is left out.
    """
    workers = [int(count) for count in published.run("003-C3").config["workers"]][1:]
    times = [float(time) for time in published.values("003-C3", "construction_time")][1:]
    (first, best), (second, runner_up) = sorted(zip(times, workers, strict=True))[:2]
    lead, deviation = second - first, stdev(times)
    evidence = f"{best} leads {runner_up} by {1e3 * lead:.1f} ms; "
    evidence += f"standard deviation {1e3 * deviation:.0f} ms"
    return Finding(best == 18 and lead > deviation, evidence)


@decides("003-C6-tot")
def totals_of_one_epoch() -> Finding:
    """Computes the steps between the totals: equal steps mean a counter that was never reset."""
    steps = {}
    for run in ("003-C6-adadelta", "003-C6-adam", "003-C7"):
        totals = published.values(run, "time_since_start")
        steps[run] = [later - earlier for earlier, later in pairwise(totals)]
    climbing = all(0.8 * float(max(s)) < min(s) for s in steps.values())
    listed = ", ".join(f"{mean(step):.1f} s" for step in steps.values())
    return Finding(not climbing, f"the totals climb by {listed} an epoch")


@decides("004-C3-stop")
def no_faster_after_four() -> Finding:
    """Compares the run times of four and more workers."""
    totals = [published.value(f"004-C3-w{n}", "run_time_total") for n in (4, 8, 12)]
    return Finding(totals == sorted(totals), f"4, 8, 12 workers: {', '.join(map(str, totals))} s")


@decides("004-C7-slower")
def batch_norm_costs_time() -> Finding:
    """Compares the mean training times without and with batch norm."""
    without, with_norm = (
        mean(published.values(f"004-C7-{run}", "train_time")) for run in ("nobn", "bn")
    )
    evidence = f"without {without:.2f} s, with {with_norm:.2f} s"
    return Finding(without > with_norm, f"{evidence}: {with_norm - without:+.2f} s for batch norm")


@decides("004-C6-close")
def updates_are_light() -> Finding:
    """Compares the epochs of the five optimizers, and the work of a pass with that of an update.

    The write-up's maps have at least a quarter of the lab's area, so a quarter of the work is a
    lower bound.
    """
    names = ("adam", "adagrad", "sgd", "nesterov", "adadelta")
    epochs = [mean(published.values(f"004-C6-{name}", "epoch_time")) for name in names]
    lab = models.summary(models.LAB)
    ratio = 128 * lab.flops_per_sample / 4 / (_ELEMENT_PASSES * lab.parameters)
    excess = max(epochs) / min(epochs) - 1
    evidence = (
        f"means {min(epochs):.2f} to {max(epochs):.2f} s; passes do {ratio:.0f}x the update's work"
    )
    return Finding(excess < 0.1 and ratio > 100, evidence)
