"""Fuzzes what reads files of others, guided by the branches that a file reaches (atheris).

    pip install atheris
    python experiments/fuzz.py journal --seconds 120

Atheris is no dependency. A finding ends the fuzzer with its traceback and a file that repeats it;
`tests/unit/test_fuzz.py` tries random damage in every run of the tests.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["hpml_lab"]):
    from hpml_lab.claims.student import read_answers
    from hpml_lab.errors import HpmlError
    from hpml_lab.report.answers import answers
    from hpml_lab.runs.journal import read_journal
    from hpml_lab.runs.reading import read_run
    from hpml_lab.runs.summary import summary
    from hpml_lab.training.cifar10 import read, write_binary

ROOT = Path(__file__).parents[1]
SAVED = sorted(ROOT.glob("benchmarks/*/0002_*.json"))[0]


def run(path: Path) -> None:
    """Reads a saved run and answers from it."""
    summary(path)
    answers(read_run(path))


def seed_of(target: str, folder: Path) -> bytes:
    """Returns a file that is whole."""
    if target == "run":
        whole = json.loads(SAVED.read_bytes())
        return json.dumps(whole | {"benchmarks": whole["benchmarks"][:1]}).encode()
    if target == "journal":
        sys.path.insert(0, str(ROOT / "tests"))
        from support.journals import journal_of, measured

        return journal_of(folder, [("t.py::a", measured(1))]).read_bytes()
    if target == "answers":
        return b"- {id: 001-C1, claim: '1 s'}\n- id: 002-C3\n  verdict: refuted\n"
    for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
        write_binary(folder / name, np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.uint8))
    return (folder / "test_batch.bin").read_bytes()


READERS: dict[str, Callable[[Path], Any]] = {
    "run": run,
    "journal": read_journal,
    "answers": read_answers,
    "cifar": lambda path: read(path.parent, "test"),
}
NAMES = {"run": "0001_run.json", "journal": "a.journal", "answers": "a.yaml"}


def main() -> None:
    """Fuzzes one reader for some time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=READERS)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, corpus = Path(temporary, "cifar-10-batches-bin"), Path(temporary, "corpus")
        folder.mkdir()
        corpus.mkdir()
        (corpus / "whole").write_bytes(seed_of(given.target, folder))
        path = folder / NAMES.get(given.target, "test_batch.bin")

        def one(content: bytes) -> None:
            path.write_bytes(content)
            try:
                READERS[given.target](path)
            except HpmlError as error:
                if "\n" in str(error):
                    raise

        limits = [f"-max_total_time={given.seconds}", "-timeout=20", "-rss_limit_mb=8192"]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
