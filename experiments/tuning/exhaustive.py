"""What tune finds, against every configuration of the same settings.

    python experiments/tuning/exhaustive.py WORKLOAD SECONDS TURNS [NAME=VALUE] [--keep NAME]

Tune runs first, for so many seconds. Then every configuration is measured in as many turns, in
random order, by the same trials; the best is that of the median trial. As the best of many is
partly luck, it is measured again, in turn with the plain loop, what tune found and two recipes
without a measurement; speeds are those of these trials alone.
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
from hpml_lab.tuning.race import Config
from hpml_lab.tuning.settings import Facts, go_together, merged, space
from hpml_lab.tuning.tune import tune

AGAIN = 5  # turns of those that are compared
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
    options = merged(space(function, facts, {}, keep, parameters).settings)
    grid = [
        config
        for values in itertools.product(*[[None, *known] for known in options.values()])
        if go_together(
            config := frozenset((n, v) for n, v in zip(options, values, strict=True) if v),
            facts.workers,
        )
    ]
    began_s = time.monotonic()
    with Trials(
        name, parameters, seconds=1.0, limit_s=120, has_loader=facts.loader, shared=True
    ) as trials:
        searched = _medians(trials, grid, int(turns))
        spent_s = time.monotonic() - began_s
        best = min(searched, key=searched.__getitem__)
        recipes = {
            key: frozenset((n, v) for n, v in recipe.items() if v in options.get(n, []))
            for key, recipe in RECIPES.items()
        }
        compared = {
            "the best": best,
            "plain": frozenset(),
            "tune": frozenset(found.best.items()),
            "tune, with what is likely": frozenset((found.best | found.likely).items()),
            **recipes,
        }
        typical = _medians(trials, list(dict.fromkeys(compared.values())), AGAIN)
    print(
        f"grid of {len(grid)}, {turns} turns: {spent_s:.0f} s; tune: {found.spent_s:.0f} s "
        f"({found.spent_s / spent_s:.0%}), {found.trials} trials; it says {found.speedup}, "
        f"{found.interval}"
    )
    for key, config in compared.items():
        of_best = typical[best] / typical[config]
        over_plain = typical[frozenset()] / typical[config]
        print(f"{key:26} {of_best:5.2f} of the best, {over_plain:5.2f}x plain  {dict(config)}")


def _medians(trials: Trials, configs: list[Config], turns: int) -> dict[Config, float]:
    """Returns the median seconds of a sample of each configuration."""
    seen: dict[Config, list[float]] = {}
    for turn in range(turns):
        for config in random.Random(turn).sample(configs, len(configs)):
            try:
                seen.setdefault(config, []).append(trials.take(dict(config), 120)["sample_s"])
            except TrialError as error:
                print(dict(config), error)
    return {config: statistics.median(values) for config, values in seen.items() if values}


if __name__ == "__main__":
    main()
