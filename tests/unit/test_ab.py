"""`hpml-lab ab` from outside: a small repository, real worktrees and processes, simulated times."""

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from hpml_lab.comparison.ab.process import Revision
from hpml_lab.errors import MeasurementError
from support.clocks import CONFTEST
from support.environment import clear_options
from support.repositories import git

pytestmark = pytest.mark.integration

TEST = """
    from paced import SECONDS

    def test_a(measure, work):
        measure(work(0.010))

    def test_b(measure, work):
        measure(work(SECONDS))
"""
# Neither reads what a further process would add to the other: each worktree counts for itself.
FAST, SLOW = "SECONDS = 0.020\n", "SECONDS = 0.025\n"
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from hpml_lab.cli import main; main()"
)
PYTEST = ["--", "-p", "no:hypothesispytest", "--benchmark-max-time=0.2", "tests"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A project whose code is in src, not installed; its second commit is slower."""
    clear_options(monkeypatch)
    folder = tmp_path / "project"
    for name, text in {
        "pytest.ini": "[pytest]\n",
        ".gitignore": "*.times\n__pycache__\n.pytest_cache\n",
        "src/paced/__init__.py": FAST,
        "tests/conftest.py": CONFTEST,
        "tests/test_t.py": TEST,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    git(tmp_path, "init", "--quiet", "--initial-branch=trunk", str(folder))
    commit(folder)
    (folder / "src/paced/__init__.py").write_text(SLOW)
    commit(folder)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    return folder


def commit(folder):
    """Commits everything."""
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "c")


def ab(folder, *arguments):
    """Runs the command in a folder; nothing may be left of it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "ab", *arguments, *PYTEST],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert_nothing_is_left(folder)
    return done


def assert_nothing_is_left(folder):
    """No worktree, registered or not, and no temporary file."""
    top = git(folder, "rev-parse", "--show-toplevel")
    assert git(folder, "worktree", "list").splitlines()[0].split()[0] == top
    assert len(git(folder, "worktree", "list").splitlines()) == 1
    assert not list(Path(os.environ["TMPDIR"]).iterdir())


def test_a_slower_commit_is_found(repository):
    """Three pairs settle both cases; each side imports its own code."""
    done = ab(repository, "HEAD~1", "HEAD", "--json", "--seed=7")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    verdicts = {one["fullname"]: one for one in answer["verdicts"]}
    assert verdicts["tests/test_t.py::test_a"]["verdict"] == "unchanged"
    slower = verdicts["tests/test_t.py::test_b"]
    assert slower["verdict"] == "regressed"
    assert slower["ratio"] == pytest.approx(1.25, rel=1e-6)
    assert answer["pairs"] == 3
    assert answer["seed"] == 7
    assert answer["base"] == git(repository, "rev-parse", "HEAD~1")
    assert answer["exit"] == 1


@pytest.mark.slow
def test_the_working_tree_is_the_contender(repository):
    """With what is not committed, and from a folder below the top: the same code passes."""
    (repository / "src/paced/__init__.py").write_text(FAST)
    below = repository / "below"
    below.mkdir()
    (below / "tests").symlink_to(repository / "tests")
    git(repository, "add", "below")
    git(repository, "commit", "--quiet", "-m", "c")
    done = ab(repository, "HEAD~2", "--budget=300")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passes." in done.stdout
    assert "pair 3, working tree: 2 cases in" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "hpml-lab: revision 'nothing' is no commit of"),
        (["--output=x"], "hpml-lab: No such option"),
        (["HEAD", "--budget=0"], "hpml-lab: Invalid value for '--budget'"),
        ([], "hpml-lab: Missing argument 'BASE_REV'"),
    ],
)
def test_what_cannot_be_compared_is_refused(repository, arguments, said):
    """Exit status 2 and one line."""
    done = ab(repository, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_a_base_that_cannot_run_says_why(repository):
    """The last lines of pytest's output, and exit status 2."""
    (repository / "src/paced/__init__.py").write_text("raise RuntimeError('broken')\n")
    commit(repository)
    done = ab(repository, "HEAD", "HEAD~1")
    assert done.returncode == 2
    assert "hpml-lab: pytest at HEAD ended with status 2; its last lines:" in done.stderr
    assert "RuntimeError: broken" in done.stderr


@pytest.mark.slow
def test_a_case_that_fails_on_one_side_is_missing(repository):
    """The other side and the other case are kept, and the failure is the reason."""
    test = repository / "tests/test_t.py"
    test.write_text(test.read_text() + "    assert False, 'planted'\n")
    done = ab(repository, "HEAD", "--json")
    verdicts = {load["fullname"]: load for load in json.loads(done.stdout)["verdicts"]}
    assert done.returncode == 1
    assert verdicts["tests/test_t.py::test_b"]["verdict"] == "missing"
    assert "planted" in verdicts["tests/test_t.py::test_b"]["reason"]
    assert verdicts["tests/test_t.py::test_a"]["verdict"] == "unchanged"


@pytest.mark.slow
def test_a_test_that_is_alone_gets_an_interpreter_of_its_own(repository):
    """And the pair leaves no journal in the working tree."""
    test = repository / "tests/test_t.py"
    alone = test.read_text().replace("def test_b", "@pytest.mark.hpml_alone\ndef test_b")
    test.write_text(f"import pytest\n{alone}")
    commit(repository)
    done = ab(repository, "HEAD", "--json")
    assert done.returncode == 0, done.stderr
    words = [load["verdict"] for load in json.loads(done.stdout)["verdicts"]]
    assert words == ["unchanged", "unchanged"]
    assert not [*(repository / ".benchmarks").rglob("*")]


def test_code_of_the_working_tree_is_refused(repository, monkeypatch):
    """A base that imports it would be the contender under another name."""
    git(repository, "mv", "src", "elsewhere")
    commit(repository)
    path = [str(repository / "elsewhere"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    done = ab(repository, "HEAD", "HEAD")
    assert done.returncode == 2
    assert f"paced was imported from {repository}/elsewhere/paced/__init__.py" in done.stderr


def test_an_installed_copy_is_refused(repository, tmp_path):
    """Two sides of one copy would always be alike."""
    installed = tmp_path / "installed" / "paced"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text(FAST)
    conftest = repository / "tests/conftest.py"
    first = f"import sys\nsys.path.insert(0, {str(installed.parent)!r})\n"
    conftest.write_text(first + conftest.read_text())
    done = ab(repository, "HEAD")
    assert done.returncode == 2
    assert f"paced was imported from {installed}/__init__.py" in done.stderr


def assert_ended(pid):
    """The kernel kills a worker whose parent is gone, and in its own time: it is waited for."""
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        ended, _, _ = select.select([process], [], [], 60)
        os.close(process)
        assert ended


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_comparison_leaves_nothing(repository, sent):
    """Neither worktrees nor processes; exit status 130."""
    test = repository / "tests/test_t.py"
    hang = "\n\ndef test_hanging():\n    import os, signal\n    print('here', os.getpid())\n"
    pid = repository.parent / "pid"
    hang += f"    open({str(pid)!r}, 'w').write(str(os.getpid()))\n    signal.pause()\n"
    test.write_text(test.read_text() + hang)
    commit(repository)
    command = [sys.executable, "-c", PROGRAM, "ab", "HEAD", *PYTEST]
    with subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True) as running:
        while not (pid.exists() and pid.read_text()):
            assert running.poll() is None, running.stderr.read()
        running.send_signal(sent)
        running.communicate()
    assert running.returncode == 130
    assert_nothing_is_left(repository)
    assert_ended(int(pid.read_text()))


def test_a_process_that_hangs_is_given_up(repository, tmp_path):
    """It is killed at the limit, and the error says what to do."""
    side = Revision("HEAD", "", repository, None, Path(), PYTEST[1:], limit_s=0.01)
    with pytest.raises(MeasurementError, match=r"HEAD took longer than 0\.01 s, give --budget"):
        side.start(1, 0, [], tmp_path, tmp_path / "turns").finish()
