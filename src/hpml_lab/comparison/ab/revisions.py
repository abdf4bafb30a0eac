"""An A/B comparison of two git revisions, checked out in separate worktrees."""

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hpml_lab.comparison.ab.pairs import Finish, Measuring, PairedExperiment
from hpml_lab.comparison.ab.process import Process, Revision
from hpml_lab.comparison.verdicts import Comparison
from hpml_lab.errors import InputError
from hpml_lab.measure.termination import termination_interrupts
from hpml_lab.runs.revision import commit_of, git
from hpml_lab.runs.schema import Run
from hpml_lab.units import seconds


@contextmanager
def worktree(repository: Path, commit: str, folder: Path) -> Iterator[Path]:
    """Checks a commit out into a new folder, which is removed in the end, whatever happens.

    Args:
        repository: any folder of the repository.
        commit: hash of the commit.
        folder: the new folder; must not exist.

    Raises:
        InputError: if git cannot.
    """
    try:
        git("worktree", "add", "--quiet", "--detach", str(folder), commit, at=repository)
        yield folder
    finally:
        with suppress(InputError):  # it may not exist
            git("worktree", "remove", "--force", str(folder), at=repository)
        shutil.rmtree(folder, ignore_errors=True)
        git("worktree", "prune", at=repository)


WORKING_TREE = "working tree"
_LEAST_LIMIT_S = 60  # time limit of a process if the budget is smaller


@dataclass(frozen=True)
class AbRequest:
    """Request for an A/B comparison.

    Attributes:
        base: Revision of the baseline.
        new: Revision of the contender; None for the working tree as it is.
        arguments: Arguments of pytest.
        at: Folder in the repository where pytest would be started.
        budget_s: Time budget; no pair begins that would likely end later.
        alpha: Chance of any false alarm.
        margin: Equivalence margin: changes up to this share count as none.
        seed: Seed of the order within pairs, and of the order of cases.
    """

    base: str
    new: str | None
    arguments: Sequence[str]
    at: Path
    budget_s: float
    alpha: float
    margin: float
    seed: int


@dataclass(frozen=True)
class AbResult:
    """Result of an A/B comparison.

    Attributes:
        commits: Commits of baseline and contender; empty for the working tree.
        pairs: Number of measured pairs.
        comparison: The verdicts.
    """

    commits: tuple[str, str]
    pairs: int
    comparison: Comparison


def run_ab(request: AbRequest, progress: Callable[[str], object]) -> AbResult:
    """Measures two revisions in random pairs; worktrees and processes are removed in the end.

    Args:
        request: the request.
        progress: called with a line of progress.

    Raises:
        InputError: if a revision does not exist, or git cannot check it out.
        MeasurementError: if a side cannot run.
    """
    began_s = time.monotonic()
    with (
        termination_interrupts(),
        _revisions(request) as (baseline, contender, scratch),
        _killed_at_the_end() as running,
    ):
        pairs = PairedExperiment(
            _measuring(baseline, request.seed, scratch / "base", progress, running),
            _measuring(contender, request.seed, scratch / "new", progress, running),
            request.seed,
            request.alpha,
            request.margin,
        )

        def enough() -> bool:
            spent_s = time.monotonic() - began_s
            progress(f"{pairs.count} pairs in {seconds(spent_s)}")
            return spent_s * (pairs.count + 1) / pairs.count > request.budget_s

        comparison = pairs.run(enough)
        return AbResult((baseline.commit, contender.commit), pairs.count, comparison)


@contextmanager
def _killed_at_the_end() -> Iterator[list[Process]]:
    """List of running processes, killed at the end.

    A process that has ended is removed from it: its process id may be another's then.
    """
    running: list[Process] = []
    try:
        yield running
    finally:
        for process in running:
            process.kill()


@contextmanager
def _revisions(request: AbRequest) -> Iterator[tuple[Revision, Revision, Path]]:
    """Checks both sides out, into folders with names of equal length."""
    root = Path(git("rev-parse", "--show-toplevel", at=request.at)).resolve()
    below = request.at.resolve().relative_to(root)
    commits = [commit_of(name, request.at) if name else "" for name in (request.base, request.new)]
    limit_s = max(request.budget_s, _LEAST_LIMIT_S)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="hpml-ab-"))).resolve()

        def checked_out(name: str | None, commit: str, folder: str) -> Revision:
            if not name:
                return Revision(WORKING_TREE, "", root, None, below, request.arguments, limit_s)
            tree = stack.enter_context(worktree(root, commit, scratch / folder))
            return Revision(name, commit, tree, root, below, request.arguments, limit_s)

        baseline = checked_out(request.base, commits[0], "a")
        yield baseline, checked_out(request.new, commits[1], "b"), scratch


def _measuring(
    side: Revision,
    seed: int,
    scratch: Path,
    progress: Callable[[str], object],
    running: list[Process],
) -> Measuring:
    def start(pair: int, settled: Collection[str]) -> Finish:
        began_s = time.monotonic()
        folder = scratch / str(pair)
        folder.mkdir(parents=True)
        process = side.start(pair, seed, settled, folder, scratch.parent / f"turns{pair}")
        running.append(process)

        def finish() -> Run:
            run = process.finish()
            running.remove(process)
            shutil.rmtree(folder)
            spent = seconds(time.monotonic() - began_s)
            progress(f"pair {pair}, {side.name}: {len(run.benchmarks)} cases in {spent}")
            return run

        return finish

    return start
