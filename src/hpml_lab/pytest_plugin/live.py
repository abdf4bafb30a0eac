"""How progress is shown: one line with a bar in a terminal, a line for each case elsewhere."""

from collections.abc import Callable
from typing import Any, Protocol

from hpml_lab.text import printable, short
from hpml_lab.units import clock_time, seconds

_NAME, _BAR = 60, 20  # characters


class Live(Protocol):
    """Shows cases as they begin and end."""

    def say(self, text: str) -> None:
        """Shows a sentence about the run as a whole."""
        ...

    def begin(self, number: int, total: int, process: int, nodeid: str) -> None:
        """Shows the case that runs now; the first has number 1."""
        ...

    def end(self, how: str, spent_s: float, left: int, left_s: float) -> None:
        """Shows the outcome of that case, the number of cases left, and their estimated time."""
        ...

    def close(self) -> None:
        """Ends, whether or not all cases have run."""
        ...


class Lines:
    """A line for each case: its name when it begins, its outcome when it has ended.

    Args:
        write: writes text.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def say(self, text: str) -> None:
        """Writes a line of its own."""
        self._write(f"\n{text}")

    def begin(self, number: int, total: int, process: int, nodeid: str) -> None:
        """Begins the case's line."""
        self._write(f"\n[{number}/{total}] process {process}: {short(nodeid)} ... ")

    def end(self, how: str, spent_s: float, left: int, left_s: float) -> None:
        """Ends it."""
        outlook = f", {left} left: about {clock_time(left_s)}" if left else ""
        self._write(f"{how} in {seconds(spent_s)}{outlook}")

    def close(self) -> None:
        """Nothing is open."""


class Bar:
    """One line with a bar, drawn again when a case begins or ends, and never while one runs.

    Args:
        file: the terminal.
    """

    def __init__(self, file: Any) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            BarColumn(_BAR),
            TextColumn("{task.completed:.0f}/{task.total:.0f}{task.description}", markup=False),
            console=Console(file=file, force_terminal=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._case = self._left = ""
        self._task: Any = None
        self._total = 0

    def say(self, text: str) -> None:
        """Writes a line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def begin(self, number: int, total: int, process: int, nodeid: str) -> None:
        """Draws the bar with the case's name."""
        if self._task is None:
            self._total = total
            self._bar.start()
            self._task = self._bar.add_task("", total=total)
        self._case = f"process {process}: {printable(nodeid.rpartition('/')[2])[:_NAME]}"
        self._draw(number - 1)

    def end(self, how: str, spent_s: float, left: int, left_s: float) -> None:
        """Draws the bar; a case that has not passed keeps a line above it."""
        if how != "passed":
            self.say(f"{self._case}: {how} in {seconds(spent_s)}")
        self._left = f", about {clock_time(left_s)} left" if left else ""
        self._draw(self._total - left)

    def close(self) -> None:
        """Removes the bar."""
        self._bar.stop()

    def _draw(self, done: int) -> None:
        description = f"{self._left}; {self._case}"
        self._bar.update(self._task, completed=done, description=description)
        self._bar.refresh()
