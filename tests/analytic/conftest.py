"""How far theory and oracle were apart.

With -v the largest deviations are listed, how often intervals covered, and how often verdicts were
wrong.
"""

from support import verdict_trials
from support.coverage_trials import TABLE, table
from support.laws import LARGEST


def pytest_terminal_summary(terminalreporter):
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
    if verdict_trials.VERDICTS:
        terminalreporter.section("suites with a false alarm, and changes seen, in %")
        for line in verdict_trials.table():
            terminalreporter.write_line(line)
