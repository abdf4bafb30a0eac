"""How often `hpml-lab ab` is wrong, and what it finds, on this machine.

    python experiments/repeatability/ab.py RUNS SLOWDOWN FILE [BUDGET_S]

Each run compares HEAD with itself, or with a commit in which every other case of the suite takes
SLOWDOWN longer (0.05 for 5 %). The answers are appended to FILE, a line of JSON each; a summary is
printed. One run takes 40 s or what is given. HEAD must hold this folder; no branch and no file is
changed.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from light_work import WORK

SUITE = "experiments/repeatability/test_light.py"
SOURCE = Path("experiments/repeatability/light_work.py")
BUDGET_S = "40"
PYTEST = [SUITE, "-p", "no:hypothesispytest"]


def git(*arguments, at="."):
    """Returns what git prints."""
    done = subprocess.run(["git", *arguments], cwd=at, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def slowed(slowdown):
    """Returns a commit on top of HEAD, on no branch, with the slowdown planted."""
    with TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git("worktree", "add", "--quiet", "--detach", str(tree), "HEAD")
        try:
            work = tree / SOURCE
            text = work.read_text()
            planted = text.replace("SLOWDOWN = 0.0 ", f"SLOWDOWN = {slowdown} ")
            assert planted != text
            work.write_text(planted)
            git("commit", "--quiet", "--no-verify", "-am", "Plant a slowdown", at=tree)
            return git("rev-parse", "HEAD", at=tree)
        finally:
            git("worktree", "remove", "--force", str(tree))


def compared(new, budget_s):
    """Returns the answer of one comparison of HEAD with a commit."""
    command = ["hpml-lab", "ab", "HEAD", new, f"--budget={budget_s}", "--json", "--", *PYTEST]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def is_slowed(verdict):
    """Returns whether a case is one of those that `light_work` slows down."""
    return any(verdict["fullname"].endswith(f"[{work.__name__}]") for work in WORK[::2])


def main(runs, slowdown, file, budget_s=BUDGET_S):
    """Runs the comparisons and prints what was said how often."""
    new = slowed(slowdown) if slowdown else git("rev-parse", "HEAD")
    said, suites = Counter(), 0
    for number in range(1, runs + 1):
        answer = compared(new, budget_s)
        with file.open("a") as kept:
            print(json.dumps(answer), file=kept)
        verdicts = answer["verdicts"]
        words = [(slowdown > 0 and is_slowed(one), one["verdict"]) for one in verdicts]
        said.update(words)
        suites += any(word in ("regressed", "improved") for slow, word in words if not slow)
        print(f"run {number}, {answer['pairs']} pairs: {[word for _, word in words]}", flush=True)
    print(f"runs with a false alarm: {suites} of {runs}")
    for (slow, word), times in sorted(said.items()):
        print(f"{'slowed' if slow else 'equal'} cases {word}: {times}")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
