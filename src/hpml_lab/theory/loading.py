"""Model of loader workers: time per batch, epoch time, and number of workers needed.

A worker needs `load_s` for a batch on one core, and the training `step_s`, in which it keeps
`step_cores` of the machine's `cores` busy. Without workers the time per batch is load_s + step_s.
With w workers (no more than cores) and a step on one core at most, as beside a GPU or with one
thread, it is the largest of

    step_s                                           bound by the training
    load_s / w                                       bound by the workers
    (load_s + step_cores step_s) / cores             bound by the cores

A step on several cores has threads in lock step, such as OpenMP's. It leaves f = cores - step_cores
cores free. With w <= f the time is that of the first two lines. More workers load what the free
cores do not during a step, rest = max(0, load_s - f step_s), at the cost of the threads:

    step_s + max(min(rest / (1 + f), step_s), rest / w)

A worker then takes half of a core from one thread, and the other threads wait for that one: while
the step does half of its work, each worker does as much. The rest is loaded while the threads wait.
So with f = 0 one worker gains nothing, and no number does if loading is shorter than the step:
fewer threads may be faster then.

Assumptions: a fair scheduler, no cost of switching, batches of equal cost, queues that never run
full or empty by chance, and workers that use one core each. So this is the best case.
"""

from dataclasses import dataclass

from hpml_lab.errors import InputError
from hpml_lab.theory.validation import check_int, check_not_negative, check_positive

LOADING = "loading"
COPY = "copy"
COMPUTE = "compute"
CORES = "cores"


@dataclass(frozen=True)
class Pipeline:
    """Loading and training of batches on a machine.

    Attributes:
        load_s: Seconds of one worker per batch, 0 or more.
        step_s: Seconds of the training per batch on the device: copy and compute.
        cores: Number of processors of the machine, 1 or more.
        step_cores: Number of processors that the training keeps busy: all on the CPU, 1 on a GPU.

    Raises:
        InputError: for a time below 0, a step of 0, no core, or more `step_cores` than cores.
    """

    load_s: float
    step_s: float
    cores: int
    step_cores: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("load_s", self.load_s)
        check_positive("step_s", self.step_s)
        check_int("cores", self.cores, least=1)
        if check_not_negative("step_cores", self.step_cores) > self.cores:
            raise InputError(f"step_cores is {self.step_cores!r}; it must be at most {self.cores}")

    @property
    def floor_s(self) -> float:
        """Seconds per batch with enough workers."""
        return self.batch_s(self.cores)

    def batch_s(self, workers: int) -> float:
        """Returns the seconds per batch.

        Raises:
            InputError: for a count below 0.
        """
        if not check_int("workers", workers):
            return self.load_s + self.step_s
        workers = min(workers, self.cores)
        free = self.cores - self.step_cores
        if self.step_cores > 1 and workers > free:
            rest_s = max(0.0, self.load_s - free * self.step_s)
            return self.step_s + max(min(rest_s / (1 + free), self.step_s), rest_s / workers)
        bound_s = self._shared_s if self.step_cores <= 1 else 0.0
        return max(self.step_s, self.load_s / workers, bound_s)

    @property
    def _shared_s(self) -> float:
        return (self.load_s + self.step_cores * self.step_s) / self.cores

    def enough_workers(self) -> int:
        """Returns the smallest count with which loading no longer bounds the step.

        Never more than there are cores.
        """
        return next(n for n in range(self.cores + 1) if self.batch_s(n) <= self.floor_s)

    def epoch_s(
        self, batches: int, workers: int, start_s: float = 0.0, fork_s: float = 0.0
    ) -> float:
        """Returns the seconds of an epoch.

        The first batch is loaded and trained on, the others follow at `batch_s`.

        Args:
            batches: Batches in the epoch, 1 or more.
            workers: Number of loader processes, without the main one.
            start_s: Seconds to start one of them.
            fork_s: Additional seconds of the first step if workers were started: a forked process
                shares its pages with the training, which copies those that it writes to.

        Raises:
            InputError: for an invalid count or time.
        """
        following = check_int("batches", batches, least=1) - 1
        started_s = workers * check_not_negative("start_s", start_s)
        started_s += check_not_negative("fork_s", fork_s) if workers else 0.0
        first_s = self.load_s + self.step_s + started_s
        return first_s + following * self.batch_s(workers)

    def best_workers(
        self, batches: int, counts: list[int], start_s: float = 0.0, fork_s: float = 0.0
    ) -> int:
        """Returns the given count with the shortest epoch, the smallest if there are several."""
        return min(counts, key=lambda n: (self.epoch_s(batches, n, start_s, fork_s), n))

    def bound(self, workers: int, copy_s: float = 0.0) -> str:
        """Returns the bottleneck of the pipeline.

        Args:
            workers: Number of loader processes.
            copy_s: Part of `step_s` that copies the batch to the device.

        Returns:
            `LOADING` if more workers would help, `CORES` if workers and training compete, else the
            longer part of the step, `COPY` or `COMPUTE`. Without workers the longest of the three
            parts, which then run one after the other.
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
    """Stalls of a training by loading, as differences of times; noise can make one negative.

    Attributes:
        prep_s: Additional seconds with the data in memory, compared with batches on the device.
        fetch_s: Additional seconds with the data only on storage; None if not measured.
        utilisation: Share of the time in which the device has its batch.
    """

    prep_s: float
    fetch_s: float | None
    utilisation: float


def stalls(ready_s: float, cached_s: float, cold_s: float | None = None) -> Stalls:
    """Returns the stalls of an epoch.

    The differences are those of J. Mohan, A. Phanishayee, A. Raniwala, V. Chidambaram: Analyzing
    and mitigating data stalls in DNN training. PVLDB 14(5), 2021.

    Args:
        ready_s: Seconds with every batch on the device already.
        cached_s: Seconds of the real pipeline with the data in memory.
        cold_s: Seconds of the real pipeline with the data only on storage.

    Raises:
        InputError: for a time that is not above 0.
    """
    ready, cached = check_positive("ready_s", ready_s), check_positive("cached_s", cached_s)
    fetch = None if cold_s is None else check_positive("cold_s", cold_s) - cached
    return Stalls(cached - ready, fetch, ready / cached)
