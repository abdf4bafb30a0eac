"""Every check of a published answer finds the ledger's verdict, and could have found another."""

from dataclasses import replace
from importlib import resources

import pytest

from hpml_lab.claims import published
from hpml_lab.claims.ledger import ledger
from hpml_lab.labs.claim_decisions import all_checks, decide

# Checks that train for seconds.
TRAIN = {
    "000-Q2a-order", "000-Q2b-adam-most", "001-4b-premise", "001-4b-why", "001-4c-gen",
    "001-4d-mlp", "001-4d-premise", "001-4d-spatial", "001-4e-observe",
}  # fmt: skip
OPPOSITE = {"confirmed": "refuted", "refuted": "confirmed"}


def marks_of(claim_id):
    """Returns the marks of a check's test."""
    claim = pytest.mark.claim(claim_id)
    return [claim, pytest.mark.integration] if claim_id in TRAIN else [claim]


@pytest.mark.parametrize(
    "claim_id", [pytest.param(name, marks=marks_of(name)) for name in all_checks()]
)
def test_the_computed_verdict_is_the_ledgers(claim_id):
    """What the check computes confirms or refutes the claim as the ledger says."""
    decision = decide(ledger()[claim_id])
    assert decision.how == "computed"
    assert decision.evidence
    assert decision.agrees, f"computed {decision.verdict}: {decision.evidence}"


@pytest.mark.parametrize("claim_id", ["002-Q1", "004-Q2", "004-C8-net", "000-Q2b-why"])
def test_a_flipped_verdict_is_found(claim_id):
    """A ledger that says the opposite is contradicted, whichever verdict is the true one."""
    claim = ledger()[claim_id]
    decision = decide(replace(claim, verdict=OPPOSITE[claim.verdict]))
    assert not decision.agrees
    assert decision.verdict == claim.verdict


@pytest.fixture
def publish(monkeypatch):
    """Puts other text in the place of what was printed."""

    def put(changes):
        text = resources.files("hpml_lab.claims").joinpath("published.yaml").read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        changed = published.parse(text.encode())
        monkeypatch.setattr(published, "published", lambda: changed)

    return put


@pytest.mark.parametrize(
    ("claim_id", "old", "new"),
    [
        ("004-C6-adagrad-acc", "value: 42.828", "value: 43.028"),
        ("004-C6-adam-acc", "value: 25.978", "value: 25.988"),
        ("004-C3-totals", "value: 10.1038", "value: 10.1048"),
        ("004-C5-gpu", "value: 11.19", "value: 11.20"),
        ("004-C8-perbatch", "0.0472, 0.0128", "0.0472, 0.0120"),
        ("004-C8-eager-loss", "[1.0892, ", "[1.9892, "),
        ("003-C2-train", "13.949", "12.949"),
        ("000-Q1a-size", "value: 58.16,", "value: 232.66,"),
        ("000-Q1b-total", "value: 0.23,", "value: 8.59,"),
        ("000-Q3a-linear", "per: run, value: 7818,", "per: run, value: 9998,"),
        ("002-Q1", "unit: layers, value: 18", "unit: layers, value: 20"),
        (
            "002-tab-total",
            "[BatchNorm2d-47, [512, 4, 4], 1024]",
            "[BatchNorm2d-47, [512, 4, 4], 1]",
        ),
    ],
)
def test_a_changed_number_flips_its_check(publish, claim_id, old, new):
    """With another number in print, the verdict is the other one: the check reads that number."""
    publish({old: new})
    assert decide(ledger()[claim_id]).verdict == OPPOSITE[ledger()[claim_id].verdict]


def test_losses_divided_by_all_batches_pass(publish):
    """Means of the same losses over 391 batches, as the claim has it, would have been confirmed."""
    printed = [
        "1.2479867635332809", "1.1525002196583214", "1.4970790893751746", "1.8776330136522954",
        "1.477071694026188",
    ]  # fmt: skip
    publish({text: repr(float(text) * 392 / 391) for text in printed})
    assert decide(ledger()["002-loss-div"]).verdict == "confirmed"
