"""A comparison of two revisions from checking them out to the last look."""

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hpml_lab.ab.pairs import Finish, Measuring, Pairs
from hpml_lab.ab.process import Process, Revision
from hpml_lab.ab.worktrees import worktree
from hpml_lab.history.git import commit_of, git
from hpml_lab.history.run import Run
from hpml_lab.measure.termination import termination_interrupts
from hpml_lab.units import seconds
from hpml_lab.verdict.comparison import Comparison

WORKING_TREE = "working tree"
_LEAST_LIMIT_S = 60  # of a process, where the budget is less


@dataclass(frozen=True)
class Asked:
    """What is to be compared, and how.

    Attributes:
        base: the baseline's revision.
        new: the contender's; None for the working tree as it is.
        arguments: of pytest.
        at: where pytest would be started, in the repository.
        budget_s: no pair begins that would likely end later.
        alpha: the chance of any false alarm.
        margin: changes up to this share are none.
        seed: of the order within pairs, and of cases.
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
class Answer:
    """What came of it.

    Attributes:
        commits: of baseline and contender; empty for the working tree.
        pairs: how many were measured.
        comparison: the verdicts.
    """

    commits: tuple[str, str]
    pairs: int
    comparison: Comparison


def side_by_side(asked: Asked, tell: Callable[[str], object]) -> Answer:
    """Measures two revisions in random pairs; worktrees and processes are gone in the end.

    Args:
        asked: what is to be compared.
        tell: takes a line of progress.

    Raises:
        InputError: if a revision is none, or git cannot check it out.
        MeasurementError: if a side cannot run.
    """
    began_s = time.monotonic()
    with (
        termination_interrupts(),
        _revisions(asked) as (base, new, scratch),
        _killed_at_the_end() as running,
    ):
        pairs = Pairs(
            _measuring(base, asked.seed, scratch / "base", tell, running),
            _measuring(new, asked.seed, scratch / "new", tell, running),
            asked.seed,
            asked.alpha,
            asked.margin,
        )

        def enough() -> bool:
            spent_s = time.monotonic() - began_s
            tell(f"{pairs.count} pairs in {seconds(spent_s)}")
            return spent_s * (pairs.count + 1) / pairs.count > asked.budget_s

        comparison = pairs.run(enough)
        return Answer((base.commit, new.commit), pairs.count, comparison)


@contextmanager
def _killed_at_the_end() -> Iterator[list[Process]]:
    """Yields a list for what runs; what has ended leaves it: its number may be another's then."""
    running: list[Process] = []
    try:
        yield running
    finally:
        for process in running:
            process.kill()


@contextmanager
def _revisions(asked: Asked) -> Iterator[tuple[Revision, Revision, Path]]:
    """Checks both sides out, into folders whose names are equally long."""
    root = Path(git("rev-parse", "--show-toplevel", at=asked.at)).resolve()
    below = asked.at.resolve().relative_to(root)
    commits = [commit_of(name, asked.at) if name else "" for name in (asked.base, asked.new)]
    limit_s = max(asked.budget_s, _LEAST_LIMIT_S)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="hpml-ab-"))).resolve()

        def checked_out(name: str | None, commit: str, folder: str) -> Revision:
            if not name:
                return Revision(WORKING_TREE, "", root, None, below, asked.arguments, limit_s)
            tree = stack.enter_context(worktree(root, commit, scratch / folder))
            return Revision(name, commit, tree, root, below, asked.arguments, limit_s)

        base = checked_out(asked.base, commits[0], "a")
        yield base, checked_out(asked.new, commits[1], "b"), scratch


def _measuring(
    side: Revision, seed: int, scratch: Path, tell: Callable[[str], object], running: list[Process]
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
            tell(f"pair {pair}, {side.name}: {len(run.benchmarks)} cases in {spent}")
            return run

        return finish

    return start
