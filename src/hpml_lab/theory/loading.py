"""How many loader workers a training step needs, and what an epoch takes with any number.

A batch takes one worker `load_s` on one core, and the training `step_s`, for which it keeps
`step_cores` of the machine's `cores` busy. Without workers batches follow each other in
load_s + step_s. With w workers, if the step leaves a core to them, in the largest of

    step_s                                           the training takes one after the other
    load_s / w                                       the workers make them
    (load_s + step_cores step_s) / cores             the cores do all that work

and if it takes all cores, with threads in lock step such as OpenMP's, in

    step_s + max(min(load_s, step_s), load_s / w)    for no more workers than cores

A worker then takes half of a core from one thread, and the others wait for that one: in the time in
which the step does half of its work, each worker does as much. What is not loaded by the end of the
step is loaded while the threads wait. So one worker wins nothing where the training takes all
cores, and no number does where loading is shorter than the step.

Assumed: a fair scheduler, no cost of switching, batches that all cost the same, queues that never
run full or empty by chance, and workers that use one core each. All of that makes it the best case.
"""

from dataclasses import dataclass

from hpml_lab.errors import InputError
from hpml_lab.theory.scalars import not_negative, positive, whole

LOADING = "loading"
COPY = "copy"
COMPUTE = "compute"
CORES = "cores"


@dataclass(frozen=True)
class Pipeline:
    """One training's batches, their cost and the cores they are worked on.

    Attributes:
        load_s: seconds that one worker takes for a batch, 0 or more.
        step_s: seconds that the training takes for a batch on the device: copy and compute.
        cores: processors of the machine, 1 or more.
        step_cores: how many of them the training keeps busy: all on the CPU, 1 on a GPU.

    Raises:
        InputError: for a time below 0, a step of 0, no core, or more `step_cores` than cores.
    """

    load_s: float
    step_s: float
    cores: int
    step_cores: float = 1.0

    def __post_init__(self) -> None:
        not_negative("load_s", self.load_s)
        positive("step_s", self.step_s)
        whole("cores", self.cores, least=1)
        if not_negative("step_cores", self.step_cores) > self.cores:
            raise InputError(f"step_cores is {self.step_cores!r}; it must be at most {self.cores}")

    @property
    def floor_s(self) -> float:
        """Seconds a batch with as many workers as one likes."""
        return self.batch_s(self.cores)

    def batch_s(self, workers: int) -> float:
        """Returns the seconds from batch to batch.

        Raises:
            InputError: for a count below 0.
        """
        if not whole("workers", workers):
            return self.load_s + self.step_s
        share_s = self.load_s / min(workers, self.cores)
        if self.step_cores == self.cores:
            return self.step_s + max(min(self.load_s, self.step_s), share_s)
        return max(self.step_s, share_s, self._shared_s)

    @property
    def _shared_s(self) -> float:
        return (self.load_s + self.step_cores * self.step_s) / self.cores

    def enough_workers(self) -> int:
        """Returns the smallest count with which loading no longer bounds the step.

        Never more than there are cores.
        """
        return next(n for n in range(self.cores + 1) if self.batch_s(n) <= self.floor_s)

    def epoch_s(self, batches: int, workers: int, start_s: float = 0.0) -> float:
        """Returns the seconds of an epoch.

        The first batch is loaded and trained on, the others follow at `batch_s`.

        Args:
            batches: in the epoch, 1 or more.
            workers: loader processes besides the main one.
            start_s: what starting one of them takes.

        Raises:
            InputError: for a count or a time that cannot be one.
        """
        following = whole("batches", batches, least=1) - 1
        first_s = self.load_s + self.step_s + workers * not_negative("start_s", start_s)
        return first_s + following * self.batch_s(workers)

    def best_workers(self, batches: int, counts: list[int], start_s: float = 0.0) -> int:
        """Returns the count of those given with the shortest epoch, the smallest if several."""
        return min(counts, key=lambda n: (self.epoch_s(batches, n, start_s), n))

    def bound(self, workers: int, copy_s: float = 0.0) -> str:
        """Returns what sets the pace.

        Args:
            workers: loader processes.
            copy_s: the part of `step_s` that moves the batch to the device.

        Returns:
            `LOADING` where more workers would help, `CORES` where workers and training compete,
            else the longer part of the step, `COPY` or `COMPUTE`. Without workers the longest of
            the three parts, which then follow each other.
        """
        compute_s = self.step_s - copy_s
        if not workers and self.load_s > max(copy_s, compute_s):
            return LOADING
        step = COPY if copy_s > compute_s else COMPUTE
        if not workers:
            return step
        if self.batch_s(workers) > self.floor_s:
            return LOADING
        return CORES if self.floor_s > self.step_s else step


@dataclass(frozen=True)
class Stalls:
    """What loading costs a training, by difference; noise can make a stall negative.

    Attributes:
        prep_s: more seconds than with batches on the device already, the data in memory.
        fetch_s: more seconds still with the data on storage alone; None if that was not measured.
        utilisation: share of the time in which the device has its batch.
    """

    prep_s: float
    fetch_s: float | None
    utilisation: float


def stalls(ready_s: float, cached_s: float, cold_s: float | None = None) -> Stalls:
    """Returns the stalls of an epoch.

    The differences are those of J. Mohan, A. Phanishayee, A. Raniwala, V. Chidambaram: Analyzing
    and mitigating data stalls in DNN training. PVLDB 14(5), 2021.

    Args:
        ready_s: with every batch on the device already.
        cached_s: by the real pipeline, the data in memory.
        cold_s: by the real pipeline, the data on storage alone.

    Raises:
        InputError: for a time that is not above 0.
    """
    ready, cached = positive("ready_s", ready_s), positive("cached_s", cached_s)
    fetch = None if cold_s is None else positive("cold_s", cold_s) - cached
    return Stalls(cached - ready, fetch, ready / cached)
