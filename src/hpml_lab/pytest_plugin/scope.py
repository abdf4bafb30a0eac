"""Which cases of a baseline a selection of tests is about."""

from collections.abc import Iterable
from pathlib import Path

import pytest


class Scope:
    """Registered as a plugin of its own, so that it sees what is deselected.

    A case is out of scope if it is collected and deselected, if no argument of the command reaches
    it, or if ``--ignore`` does. Any other is in scope, collected or not: so a renamed test is
    missed, with ``-k`` too.

    Args:
        config: of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._deselected: set[str] = set()

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Takes what ``-k``, ``-m``, ``--deselect`` or a conftest leave out."""
        self._deselected.update(item.nodeid for item in items)

    def __contains__(self, nodeid: str) -> bool:
        ignored = self._config.getoption("ignore") or []
        return (
            nodeid not in self._deselected
            and self._reached(self._config.args, nodeid)
            and not self._reached(ignored, nodeid)
        )

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
