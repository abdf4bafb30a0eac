"""The versions that are promised are those that are tried."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pins(name):
    """Returns the version of each package that a file of constraints pins."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if "==" in line and line[0] != "#")


def bounds():
    """Returns the lower bound of each package that a user or a test needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["labs"] + extras["test"]
    return dict(text.split(">=") for text in wanted if ">=" in text)


def begins_with(version, bound):
    """Returns whether a version is its lower bound, or a correction of it."""
    return f"{version}.".startswith(f"{bound}.")


def test_the_oldest_versions_are_the_lower_bounds():
    """A bound that is raised or lowered is tried anew; no package is left out."""
    oldest = pins("constraints-oldest.txt")
    assert oldest.keys() == bounds().keys()
    assert all(begins_with(oldest[name], bound) for name, bound in bounds().items())


def test_the_versions_of_ci_are_within_the_bounds():
    """Each package that a user or a test needs is pinned, and not below its bound."""

    def numbers(version):
        return [int(digits) for digits in re.findall(r"\d+", version)]

    newest = pins("constraints.txt")
    assert all(numbers(newest[name]) >= numbers(bound) for name, bound in bounds().items())


def test_a_version_that_is_no_correction_is_found():
    """2.1 is not 2.11."""
    assert begins_with("2.11.0", "2.11")
    assert not begins_with("2.11.0", "2.1")
