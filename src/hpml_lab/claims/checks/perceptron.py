"""The edge lab's MLP 784-50-10-3, trained as in the lab, many random seeds at once."""

from dataclasses import replace

from hpml_lab.claims.checks.edge_outcomes import outcome
from hpml_lab.claims.checks.formulas import show
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.workloads.edge_training import EdgeTraining

_MLP = EdgeTraining(network="mlp", epochs=30)
MLP_100 = replace(_MLP, per_class=100)
SHIFTED_MLP = replace(_MLP, per_class=50, shifted=True)
_CHANCE = 1 / 3


@decides("001-4c-loss")
def _confident_mistakes() -> Finding:
    early, late = (outcome(replace(_MLP, per_class=10, epochs=epochs)) for epochs in (30, 100))
    evidence = f"30 and 100 epochs on 10 images a class: {_rising('loss', early.loss, late.loss)}"
    evidence += f", {_rising('accuracy', early.accuracy, late.accuracy)}"
    evidence += f", {_rising('loss of a wrong answer', early.loss_of_wrong, late.loss_of_wrong)}"
    holds = late.loss > early.loss and late.accuracy > early.accuracy
    # Wrong answers alone must carry the rise.
    share = (1 - late.accuracy) * late.loss_of_wrong / late.loss
    holds = holds and late.loss_of_wrong > early.loss_of_wrong and share > 0.9
    return Finding(holds, f"{evidence}, {100 * share:.0f} % of the loss")


@decides("001-4c-gen")
def _only_memorises() -> Finding:
    many = outcome(MLP_100)
    fitted, unseen = many.training_accuracy, many.accuracy
    evidence = f"100 images a class: {100 * fitted:.1f} % of those, {100 * unseen:.1f} % of others"
    # Memorised answers would help as little on other images as chance.
    return Finding(unseen - _CHANCE < fitted - unseen, f"{evidence}, chance {100 * _CHANCE:.1f} %")


@decides("001-4d-mlp")
def _tied_to_positions() -> Finding:
    same, shifted = outcome(SHIFTED_MLP, at_home=True), outcome(SHIFTED_MLP)
    evidence = f"trained on the near half: {100 * same.accuracy:.1f} % right there"
    evidence += f", {100 * shifted.accuracy:.1f} % in the far half"
    holds = same.accuracy > 2 * _CHANCE and shifted.accuracy < _CHANCE + 0.02
    return Finding(holds, evidence)


@decides("001-4d-spatial")
def _blind_to_orientation() -> Finding:
    same, shifted = outcome(MLP_100), outcome(SHIFTED_MLP)
    right, swapped, _ = same.stripes
    evidence = f"of stripes {100 * right:.0f} % keep and {100 * swapped:.0f} % change orientation"
    kept, moved, _ = shifted.stripes
    evidence += f"; in the far half {100 * kept:.0f} and {100 * moved:.0f} %"
    # Whoever cannot tell the two apart takes one for the other as often as not.
    return Finding(swapped > right / 2, evidence)


def _rising(what: str, *values: float) -> str:
    return f"{what} {show(values, 3)}"
