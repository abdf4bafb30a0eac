"""Which cases of a baseline a selection of tests is about."""

from collections.abc import Generator, Iterable
from pathlib import Path

import pytest


class Scope:
    """Registered as a plugin of its own, so that it sees what is deselected.

    A case is out of scope if it is collected and deselected, if no argument of the command reaches
    it, or if its file is there and collection leaves it out (``--ignore``, ``--ignore-glob``,
    ``collect_ignore``, ``--lf``). Any other is in scope, collected or not: so a renamed test is
    missed, with ``-k`` too.

    Args:
        config: of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._deselected: set[str] = set()
        self._left_out: set[Path] = set()
        self._collected: set[Path] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_ignore_collect(
        self, collection_path: Path
    ) -> Generator[None, bool | None, bool | None]:
        """Takes the files and folders that options and conftests leave out."""
        ignored = yield
        if ignored:
            self._left_out.add(collection_path.resolve())
        return ignored

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Takes what ``-k``, ``-m``, ``--deselect`` or a conftest leave out."""
        self._deselected.update(item.nodeid for item in items)

    def __contains__(self, nodeid: str) -> bool:
        return (
            nodeid not in self._deselected
            and self._reached(self._config.args, nodeid)
            and not self._is_left_out(nodeid)
        )

    def _is_left_out(self, nodeid: str) -> bool:
        file = Path(self._config.rootpath, nodeid.partition("::")[0]).resolve()
        if not self._left_out.isdisjoint({file, *file.parents}):
            return True
        # Of files without failures --lf collects nothing, and says so to nobody.
        failed_only = self._config.getoption("lf", default=False)
        return bool(failed_only and file.is_file() and file not in self._collected)

    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        """Takes the files of which anything was collected."""
        self._collected = {item.path.resolve() for item in items}

    def _reached(self, arguments: Iterable[str], nodeid: str) -> bool:
        return any(_begins(nodeid, self._node(argument)) for argument in arguments)

    def _node(self, argument: str) -> str:
        """Returns the node id that an argument names; an empty one for everything."""
        path, colons, inside = argument.partition("::")
        absolute = Path(self._config.invocation_params.dir, path).resolve()
        root = self._config.rootpath.resolve()
        # A module's name or a folder elsewhere: rather too much is missed than too little.
        if absolute == root or not absolute.is_relative_to(root) or not absolute.exists():
            return ""
        return f"{absolute.relative_to(root).as_posix()}{colons}{inside}"


def _begins(nodeid: str, start: str) -> bool:
    return (
        not start or nodeid == start or nodeid.startswith((f"{start}/", f"{start}::", f"{start}["))
    )
