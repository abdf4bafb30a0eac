"""Which saved run is meant by what a user calls a baseline."""

import json
import re

import pytest

from hpml_lab.errors import InputError
from hpml_lab.runs.baselines import find_baseline, runs_before
from support.repositories import git
from support.runs import run_json


@pytest.fixture
def folder(tmp_path):
    """A machine's folder with four runs, one of them beyond the four digits."""
    made = tmp_path / "runs" / "machine"
    made.mkdir(parents=True)
    for stem in ("0002_main", "0010_main", "0009_other", "10001_2"):
        (made / f"{stem}.json").write_text("{}")
    (made / ".saving-x").write_text("half")
    return made


@pytest.mark.parametrize(
    ("wanted", "stem"),
    [
        ("latest", "10001_2"),
        ("main", "0010_main"),
        ("0002_main", "0002_main"),
        ("0002_main.json", "0002_main"),
        ("9", "0009_other"),
        ("0009", "0009_other"),
        ("2", "0002_main"),  # a number before the name 2
        ("10001", "10001_2"),
    ],
)
def test_a_run_is_found_by_what_it_is_called(folder, tmp_path, wanted, stem):
    """Latest is the highest number; a name is its latest run; a number comes before a name."""
    assert find_baseline(wanted, [folder], tmp_path) == folder / f"{stem}.json"


def test_a_file_comes_before_everything(folder, tmp_path):
    """Wherever it is, even if it is called like a run."""
    for name in ("latest", "else.json"):
        (tmp_path / name).write_text("{}")
        assert find_baseline(name, [folder], tmp_path) == tmp_path / name
    elsewhere = str(tmp_path / "else.json")
    assert find_baseline(elsewhere, [folder], folder) == tmp_path / "else.json"


@pytest.mark.parametrize("wanted", ["7", "nobody", "gone.json", "origin/main", "--help", "-f"])
def test_what_is_not_there_is_refused_with_what_is(folder, tmp_path, wanted):
    """The error names the latest runs; what looks like an option is a name like any other."""
    offer = f"'{folder}' has 4, the latest: 0002_main, "
    with pytest.raises(InputError, match=f"{re.escape(wanted)}'.*{re.escape(offer)}"):
        find_baseline(wanted, [folder], tmp_path)


@pytest.mark.parametrize("wanted", ["", "latest", "main"])
def test_a_machine_without_runs_is_told_how_to_save_one(tmp_path, wanted):
    """Also where its folder does not exist."""
    offer = f"no saved run under '{tmp_path / 'none'}'; make one on the baseline's code "
    with pytest.raises(InputError, match=f"{re.escape(offer)}.*and --benchmark-save=NAME"):
        find_baseline(wanted, [tmp_path / "none"], tmp_path)


@pytest.fixture
def repository(tmp_path):
    """A repository of three commits around the folder; there is a tag on the first one."""
    git(tmp_path, "init", "--quiet", "--initial-branch=trunk")
    commits = []
    for _ in range(3):
        git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "c")
        commits.append(git(tmp_path, "rev-parse", "HEAD"))
    git(tmp_path, "tag", "v1", commits[0])
    return commits


def made_at(folder, stem, commit, *, dirty=False):
    """Saves a run made at a commit."""
    info = {"id": commit, "dirty": dirty}
    (folder / f"{stem}.json").write_text(json.dumps(run_json({}, commit=info)))


def test_a_revision_is_its_latest_clean_run(folder, tmp_path, repository):
    """One with uncommitted changes is none of it, and damaged files are passed over."""
    made_at(folder, "10002_a", repository[0])
    made_at(folder, "10003_b", repository[0])
    made_at(folder, "10004_c", repository[0], dirty=True)
    (folder / "10005_d.json").write_text("[" * 100_000)
    for revision in ("v1", "HEAD~2", repository[0][:8]):
        assert find_baseline(revision, [folder], tmp_path) == folder / "10003_b.json"


def test_a_revision_without_a_run_is_refused(folder, tmp_path, repository):
    """Its neighbours do not stand in for it."""
    made_at(folder, "10002_a", repository[0])
    message = f"no run of commit {repository[1][:12]} without uncommitted changes.* has 5"
    with pytest.raises(InputError, match=message):
        find_baseline("HEAD~1", [folder], tmp_path)


def test_history_is_the_latest_other_runs(folder):
    """Oldest first, without the baseline."""
    result = runs_before(folder / "0010_main.json", folder, 2)
    assert [path.stem for path in result] == ["0009_other", "10001_2"]


def test_a_run_of_the_stock_plugin_is_found_behind_our_own(tmp_path):
    """A project's earlier runs lie in pytest-benchmark's folder; one of ours comes first."""
    ours, stock = tmp_path / "ours", tmp_path / "Linux-CPython-3.11-64bit"
    for folder, stem in ((stock, "0001_main"), (stock, "0002_old"), (ours, "0001_main")):
        folder.mkdir(exist_ok=True)
        (folder / f"{stem}.json").write_text("{}")
    folders = [ours, stock]
    assert find_baseline("main", folders, tmp_path) == ours / "0001_main.json"
    assert find_baseline("old", folders, tmp_path) == stock / "0002_old.json"
    assert find_baseline("latest", folders, tmp_path) == ours / "0001_main.json"
    assert find_baseline("latest", [tmp_path / "none", stock], tmp_path) == stock / "0002_old.json"
