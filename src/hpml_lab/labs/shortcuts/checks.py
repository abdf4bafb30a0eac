"""Checks of the dropout lab: how far the printed accuracies rely on the label pixels."""

from hpml_lab.claims.checking import Finding, decides
from hpml_lab.claims.published import value

_CHANCE, _TEST_IMAGES = 0.1, 10_000
# Far beyond the sampling error of 10,000 images; runs differ by more, see the caveats.
_DEVIATIONS = 5


@decides("001-1i-order")
def _relies_less() -> Finding:
    with_pixels, clean = (
        {run: float(value(run, name)) for run in ("001-1i-nodrop", "001-1i-drop")}
        for name in ("accuracy_with_label_pixels", "accuracy_clean")
    )
    lost = {run: with_pixels[run] - clean[run] for run in clean}
    chance = 100 * (_CHANCE * (1 - _CHANCE) / _TEST_IMAGES) ** 0.5
    above = (clean["001-1i-drop"] - 100 * _CHANCE) / chance
    evidence = f"without the pixels {lost['001-1i-nodrop']:g} points are lost, with dropout"
    evidence += f" {lost['001-1i-drop']:g}; clean accuracy with dropout is {above:.0f} deviations"
    holds = lost["001-1i-drop"] < lost["001-1i-nodrop"] and above > _DEVIATIONS
    return Finding(holds, f"{evidence} of {chance:.1g} points above chance")
