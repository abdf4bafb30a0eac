"""The ledger of published answers: its fields, how a claim is decided, and the command."""

import json
import re
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from hpml_lab.claims import checking
from hpml_lab.claims.checking import Finding
from hpml_lab.claims.ledger import Claim, claims_of, ledger
from hpml_lab.labs.claim_decisions import all_checks, decide
from hpml_lab.runs.machine import Machine
from hpml_lab.runs.schema import Measurement

SOURCE = Path(__file__).parents[2] / "src" / "hpml_lab"
BENCHES = [path.read_text() for path in SOURCE.glob("labs/*/bench.py")]
WRITERS = [
    path.read_text()
    for folder in ("measure/*.py", "memory/*.py", "labs/*/*.py")
    for path in SOURCE.glob(folder)
]
CODE = WRITERS
ENTRIES = msgspec.yaml.decode(
    resources.files("hpml_lab.claims").joinpath("ledger.yaml").read_bytes()
)
CLAIMS = list(ledger().values())


def of_verdict(verdict):
    """Returns the claims of one verdict, each under its id."""
    return [pytest.param(claim, id=claim.id) for claim in CLAIMS if claim.verdict == verdict]


def test_ids_are_unique_and_start_with_the_write_up():
    """No claim hides another one, and an id says where it comes from."""
    ids = [entry["id"] for entry in ENTRIES]
    assert len(ids) == len(set(ids)) == len(CLAIMS)
    assert all(claim.id.startswith(f"{claim.write_up}-") for claim in CLAIMS)


def test_the_file_has_no_other_fields():
    """A misspelt field is found: reading the ledger would pass over it."""
    known = {field.name for field in fields(Claim)}
    assert [entry["id"] for entry in ENTRIES if not entry.keys() <= known] == []


@pytest.mark.parametrize("claim", of_verdict("machine-dependent"))
def test_a_claim_for_a_machine_names_its_quantity(claim):
    """The quantity is in a saved run, at keys that its record has, or still to be measured."""
    kind, _, rest = claim.quantity.partition(": ")
    assert rest
    if kind == "to measure":
        return
    groups = re.findall(r'group="(\w+)"', "".join(BENCHES))
    assert kind == "machine" or kind in groups
    for key in rest.split(", "):
        look_up(inspect.type_info(Machine if kind == "machine" else Measurement), key)


def look_up(info, key):
    """Follows a key such as ``epochs[].parts.wait_s``; a KeyError says where it leads nowhere.

    What a dict holds is not in the schema: there the name must stand somewhere in our code.
    """
    for name in key.replace("[]", "").split("."):
        info = getattr(info, "item_type", info)
        if isinstance(info, inspect.DictType):
            if not any(name in code for code in CODE):
                raise KeyError(name)
            info = info.value_type
            continue
        records = [kind for kind in getattr(info, "types", [info]) if hasattr(kind, "fields")]
        info = {field.name: field.type for record in records for field in record.fields}[name]


@pytest.mark.parametrize(
    "key",
    [
        "epochs[].parts.wait",
        "epochs[].total_s.parts",
        "peak_bytes",
        "memory.peek_allocated_bytes",
        "counters.largest_batch.more",
    ],
)
def test_a_key_that_no_run_has_is_found(key):
    """The test above can fail: these keys lead nowhere."""
    with pytest.raises(KeyError):
        look_up(inspect.type_info(Measurement), key)


def test_only_claims_for_a_machine_name_a_quantity():
    """What a computation or nothing decides has no quantity."""
    named = [claim.id for claim in CLAIMS if claim.quantity]
    assert named == [claim.id for claim in CLAIMS if claim.verdict == "machine-dependent"]


@pytest.mark.parametrize("claim", of_verdict("unverifiable"))
def test_what_cannot_be_verified_says_why(claim):
    """The answer names what is missing."""
    assert re.search(r"\b([Nn]ot?|[Nn]othing|[Uu]ntested|[Cc]onfound(ed)?)\b", claim.right_answer)


def test_every_exact_claim_is_computed():
    """No count and no closed form rests on the ledger's word."""
    exact = [
        claim.id
        for claim in CLAIMS
        if claim.kind in ("exact-count", "closed-form")
        and claim.verdict in ("confirmed", "refuted")
    ]
    assert [name for name in exact if name not in all_checks()] == []


def test_checks_are_of_claims_that_can_hold_or_not():
    """Every check belongs to a claim of the ledger, confirmed or refuted."""
    assert {ledger()[name].verdict for name in all_checks()} == {"confirmed", "refuted"}


@pytest.mark.parametrize(
    ("claim_id", "verdict", "how", "evidence"),
    [
        ("002-Q1", "refuted", "computed", "convolutions 20, not 18"),
        ("004-C3-opt-run", "machine-dependent", "saved quantity", "workers: epochs[].total_s"),
        ("003-C5-avg", "unverifiable", "not verifiable", "Not given; 199.43 s vs 16.81 s."),
        ("004-Q5-2", "confirmed", "not computed", "torch.compile documentation"),
    ],
)
def test_a_decision_says_how_it_came_about(claim_id, verdict, how, evidence):
    """A check computes; a saved quantity, a reason or a hint stands where there is none."""
    decision = decide(ledger()[claim_id])
    assert (decision.verdict, decision.how, decision.evidence) == (verdict, how, evidence)
    assert decision.agrees


def test_two_checks_of_one_claim_are_refused(monkeypatch):
    """The second check of an id does not replace the first."""
    monkeypatch.setattr(checking, "CHECKS", {})
    checking.decides("x")(lambda: Finding(True, "first"))
    with pytest.raises(ValueError, match=r"^claim x has two checks; keep one$"):
        checking.decides("x")(lambda: Finding(True, "second"))
    assert checking.CHECKS["x"]().evidence == "first"


def test_claims_of_a_write_up_keep_their_order():
    """All of a write-up's claims and no others, in the order of the ledger."""
    parts = [claims_of(write_up) for write_up in ("000", "001", "002", "003", "004")]
    assert [claim for part in parts for claim in part] == claims_of() == CLAIMS


@pytest.fixture
def ledger_of(monkeypatch):
    """Puts other claims in the place of the ledger."""

    def put(*claims):
        changed = {claim.id: claim for claim in claims}
        monkeypatch.setattr("hpml_lab.claims.ledger.ledger", lambda: changed)

    return put


def test_the_command_prints_a_write_up(run):
    """Verdict, answer and computed value of each claim, then the counts, in 80 columns."""
    status, out, _ = run("claims", "--write-up", "002")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    assert (
        "002-Q2: refuted (computed)\n"
        "  Claim      The final linear layer has 512x4x4 inputs.\n"
        "  Answer     512: the 4x4 map is average-pooled to 1x1 first; 5,130 = 512*10+10.\n"
        "  Computed   inputs of the linear layer 512, not 8,192\n"
    ) in out
    assert " ".join(out.split()).endswith(
        "35 claims: 21 machine-dependent, 10 refuted, 4 confirmed; 14 computed. No check disagrees."
    )


def test_the_command_as_json_has_the_same(run):
    """Every field of a claim, what decided it, counts by verdict and how many were computed."""
    status, out, _ = run("claims", "--write-up", "002", "--json")
    record = json.loads(out)
    assert status == 0
    assert record["counts"] == {"machine-dependent": 21, "refuted": 10, "confirmed": 4}
    assert record["computed"] == 14
    (claim,) = [claim for claim in record["claims"] if claim["id"] == "002-Q2"]
    assert claim["verdict"] == claim["decided"] == "refuted"
    assert claim["agrees"] is True
    assert claim["how"] == "computed"
    assert claim["evidence"] == "inputs of the linear layer 512, not 8,192"
    assert claim.keys() >= {field.name for field in fields(Claim)}


def test_a_disagreement_is_exit_status_1(run, ledger_of):
    """A ledger with a wrong verdict is contradicted by name, in text and in JSON."""
    ledger_of(ledger()["004-Q1"], replace(ledger()["004-Q2"], verdict="refuted"))
    status, out, _ = run("claims")
    assert status == 1
    assert "004-Q2: confirmed, but the ledger says refuted\n" in out
    assert out.endswith("Checks disagree on: 004-Q2.\n")
    status, out, _ = run("claims", "--json")
    assert status == 1
    assert [claim["agrees"] for claim in json.loads(out)["claims"]] == [True, False]


def test_an_unknown_write_up_is_one_line(run):
    """A write-up that is not there ends with exit status 2 and the ones that are."""
    status, out, errors = run("claims", "--write-up", "007")
    assert (status, out) == (2, "")
    assert errors == ["hpml-lab: unknown write-up '007'; choose one of: 000, 001, 002, 003, 004"]


def test_control_characters_and_markup_are_not_passed_on(run, ledger_of):
    """What a terminal would act on is shown as a question mark, and markup as it stands."""
    ledger_of(replace(ledger()["003-C5-avg"], claim="a\x1b[2Jb [red]c[/red]"))
    _, out, _ = run("claims")
    assert "a?[2Jb [red]c[/red]" in out
