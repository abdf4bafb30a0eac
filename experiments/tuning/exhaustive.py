"""What tune finds, against every configuration of the same settings.

    python experiments/tuning/exhaustive.py WORKLOAD SECONDS TURNS [NAME=VALUE] [--keep NAME]

Tune runs first, for so many seconds. Then every configuration is measured in as many turns, in
random order, by the same trials; the best is that of the median trial. Of what tune found, and of
two recipes without a measurement, the speed is that of these trials too.
"""

import itertools
import random
import statistics
import sys
import time

from hpml_lab.training.workload import parsed, workload
from hpml_lab.tuning import trial
from hpml_lab.tuning.beside import Trials
from hpml_lab.tuning.process import TrialError, in_process
from hpml_lab.tuning.settings import Facts, go_together, merged, space
from hpml_lab.tuning.tune import tune

# All that PyTorch's performance tuning guide advises, and compiling alone; see peer.py for a tool.
RECIPES = {
    "compile": {"compile_mode": "default"},
    "guide": {
        "memory_format": "channels_last",
        "precision": "bfloat16",
        "compile_mode": "default",
        "optimizer_implementation": "fused",
        "workers": 2,
        "persistent_workers": True,
    },
}


def main() -> None:
    """Prints both results."""
    name, budget_s, turns, *rest = sys.argv[1:]
    keep = rest[rest.index("--keep") + 1 :] if "--keep" in rest else []
    texts = dict(text.split("=") for text in rest if "=" in text)
    function = workload(name)
    parameters = parsed(function, texts)
    found = tune(name, function, parameters, budget_s=float(budget_s), keep=keep, say=print)
    facts = Facts(**in_process(trial.facts, name, parameters, timeout_s=600))
    options = merged(space(function, facts, {}, keep).settings)
    grid = [
        config
        for values in itertools.product(*[[None, *known] for known in options.values()])
        if go_together(
            config := frozenset((n, v) for n, v in zip(options, values, strict=True) if v),
            facts.workers,
        )
    ]
    began_s, seen = time.monotonic(), {config: [] for config in grid}
    with Trials(
        name, parameters, seconds=1.0, limit_s=120, has_loader=facts.loader, shared=True
    ) as trials:
        for turn in range(int(turns)):
            random.Random(turn).shuffle(grid)
            for config in grid:
                try:
                    seen[config].append(trials.take(dict(config), 120)["sample_s"])
                except TrialError as error:
                    print(dict(config), error)
    spent_s = time.monotonic() - began_s
    typical = {config: statistics.median(values) for config, values in seen.items() if values}
    best = min(typical, key=typical.__getitem__)
    mine, plain = typical[frozenset(found.best.items())], typical[frozenset()]
    print(f"grid of {len(grid)}, {turns} turns: {spent_s:.0f} s; best {dict(best)}")
    print(
        f"tune: {found.spent_s:.0f} s ({found.spent_s / spent_s:.0%}); found {found.best}, "
        f"{typical[best] / mine:.3f} of the best speed, {plain / mine:.2f}x the plain loop "
        f"(says {found.speedup}, {found.interval}; {found.trials} trials)"
    )
    likely = frozenset((found.best | found.likely).items())
    print(f"with what is likely, {dict(likely)}: {typical[best] / typical[likely]:.3f} of the best")
    for name, recipe in RECIPES.items():
        config = frozenset((n, v) for n, v in recipe.items() if v in options.get(n, []))
        speed = plain / typical[config] if config in typical else float("nan")
        print(f"{name}: {dict(config)}, {speed:.2f}x the plain loop")


if __name__ == "__main__":
    main()
