"""What `compare` says of each pair of runs that `run.sh` saved: python verdicts.py FOLDER."""

import sys
from collections import Counter, defaultdict
from itertools import permutations
from pathlib import Path

from hpml_lab.comparison.compare import compare
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.store import saved_runs


def main(folder: Path) -> None:
    """Prints a line a pair of kinds: comparisons, those with a firm verdict, words of cases."""
    runs = defaultdict(list)
    for path in saved_runs(folder):
        runs[path.stem.partition("_")[2]].append(read_run(path))
    kinds = [kind for kind in ("quiet", "busy1", "busy2", "busy3") if kind in runs]
    pairs = {"quiet, quiet": [*permutations(runs["quiet"], 2)]}
    for kind in kinds[1:]:
        pairs[f"quiet, {kind}"] = [(a, b) for a in runs["quiet"] for b in runs[kind]]
        pairs[f"{kind}, quiet"] = [(b, a) for a in runs["quiet"] for b in runs[kind]]
    pairs["quiet, slower"] = [(a, b) for a in runs["quiet"] for b in runs["slower"]]
    print("baseline, contender  comparisons  with a firm verdict  cases")
    for name, chosen in pairs.items():
        result = [[verdict.verdict for verdict in compare([a], [b]).verdicts] for a, b in chosen]
        firm = sum(not {"regressed", "improved"}.isdisjoint(words) for words in result)
        words = Counter(word for case in result for word in case)
        print(f"{name:20} {len(chosen):12} {firm:20}  {dict(words)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
