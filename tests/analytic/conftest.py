"""How many examples a law is tried on, and how far theory and oracle were apart.

`pytest tests/analytic --hypothesis-profile=thorough`, or HYPOTHESIS_PROFILE=thorough for any
command, tries 20 times as many and other ones each time. With -v the largest deviations are listed,
how often intervals covered, and how often verdicts were wrong.
"""

import os

import judging
import pytest
from agreement import LARGEST
from covering import TABLE, table
from hypothesis import settings

EXAMPLES = 100

# The same examples in every run, so that a red test is a change of the code and nothing else.
settings.register_profile("fast", max_examples=EXAMPLES, deadline=None, derandomize=True)
settings.register_profile(
    "thorough", max_examples=20 * EXAMPLES, deadline=None, derandomize=False, print_blob=True
)


def pytest_configure(config: pytest.Config) -> None:
    """Chooses the profile: by option, by environment, or the fast one."""
    asked = config.getoption("--hypothesis-profile", None)
    settings.load_profile(asked or os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists deviations of laws, how often intervals covered, how often verdicts were wrong."""
    if terminalreporter.verbosity <= 0:
        return
    if LARGEST:
        terminalreporter.section("largest relative deviation from the oracle")
        for law, deviation in sorted(LARGEST.items()):
            terminalreporter.write_line(f"{deviation:8.1e}  {law}")
    if TABLE:
        terminalreporter.section("how often an interval holds the next process, in %")
        for line in table():
            terminalreporter.write_line(line)
    if judging.VERDICTS:
        terminalreporter.section("suites with a false alarm, and changes seen, in %")
        for line in judging.table():
            terminalreporter.write_line(line)
