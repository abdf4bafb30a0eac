"""Marks of a student's answers: right, wrong, or for a person to decide."""

import json
from pathlib import Path

import pytest
import yaml

from hpml_lab.claims.ledger import claims_of, ledger
from hpml_lab.labs import claim_decisions

SAVED = Path(__file__).parents[2] / "benchmarks/intel-r-xeon-r-processor-2cpu-9549db88"


@pytest.fixture
def mark(run, tmp_path):
    """Returns a function that marks answers: exit status and marks by id."""

    def mark(*answers, more=()):
        path = tmp_path / "answers.yaml"
        path.write_text(yaml.safe_dump(list(answers)))
        status, out, _ = run("claims", "--check", str(path), *more, "--json")
        record = json.loads(out)
        return status, record, {answer["id"]: answer["mark"] for answer in record["answers"]}

    return mark


def test_the_answers_of_write_up_002_have_ten_known_mistakes(mark):
    """Of 35 published answers 4 are confirmed, 10 refuted; 21 depend on the machine."""
    published = [{"id": claim.id, "claim": claim.claim} for claim in claims_of("002")]
    status, record, marks = mark(*published)
    assert (status, record["right"], record["wrong"], record["open"]) == (1, 4, 10, 21)
    wrong = {claim.id for claim in claims_of("002") if claim.verdict == "refuted"}
    assert {name for name, word in marks.items() if word == "wrong"} == wrong


@pytest.mark.parametrize("field", ["claim", "verdict"])
def test_a_perfect_file_has_full_marks(mark, field):
    """Right statements, or right verdicts on the published ones."""
    answers = [
        {"id": claim.id, "verdict": claim.verdict}
        if field == "verdict"
        else {
            "id": claim.id,
            "claim": claim.claim if claim.verdict == "confirmed" else claim.right_answer,
        }
        for claim in claims_of("002")
    ]
    status, record, _ = mark(*answers)
    assert (status, record["right"], record["of"]) == (0, 35, 35)


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("It has 58,164,298 parameters.", "right"),
        ("58164298", "right"),
        ("58.16 million", "open"),  # the ledger has no such number
        ("58,164,299 parameters", "open"),
        ("Many parameters.", "open"),
        ("1e9999999 parameters, or 1e-9999999", "open"),
    ],
)
def test_a_statement_of_one_s_own_is_right_by_its_numbers_alone(mark, statement, word):
    """Every number must be one of the right answer's; what is not told is left to a person."""
    assert mark({"id": "000-Q1a-params", "claim": statement})[2] == {"000-Q1a-params": word}


def test_numbers_may_be_rounded(mark):
    """232.657 MB as 232.66, as 232.7, and as 233, but not as 232."""
    for number, word in (
        ("232.66", "right"),
        ("232.7", "right"),
        ("233", "right"),
        ("232", "open"),
    ):
        assert mark({"id": "000-Q1a-size", "claim": f"{number} MB"})[2] == {"000-Q1a-size": word}


def test_a_wrong_verdict_is_wrong(mark):
    """To call a refuted claim confirmed, and a confirmed one refuted."""
    for name, verdict in (("000-Q1a-size", "confirmed"), ("000-Q1a-params", "refuted")):
        assert mark({"id": name, "verdict": verdict})[2] == {name: "wrong"}


def test_an_unknown_id_is_open(mark):
    """Nothing is known of it, so it is neither right nor wrong."""
    status, record, _ = mark({"id": "999-x", "claim": "1"})
    assert (status, record["answers"][0]["why"]) == (0, "no such id in the ledger")


def test_a_run_shows_its_values_beside_what_depends_on_the_machine(mark):
    """The quantity that the ledger names, over the run's cases; and says so where it has none."""
    name = "000-Q2a-sgd"
    assert ledger()[name].quantity.startswith("memory_plan: counters.first_peak_bytes, ")
    for file, words in (
        ("0001_bench.json", "counters.first_peak_bytes 3,585,208 to 950,210,492"),
        ("0002_edges.json", "not in this run"),
    ):
        _, record, _ = mark({"id": name}, more=[str(SAVED / file)])
        assert record["answers"][0]["mark"] == "open"
        assert words in record["answers"][0]["why"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b", "is no file of answers: Expected `array`, got `object`"),
        ("- claim: x", "missing required field `id`"),
        ("- {id: a, verdict: maybe}", "Invalid enum value 'maybe'"),
        ("- {id: a}\n- {id: a}", "answers 'a' twice"),
        ("[", "is no file of answers"),
        ("\x00", "is no file of answers"),
    ],
)
def test_a_file_of_no_answers_is_one_line(run, tmp_path, text, message):
    """What is wrong and what to give, exit status 2."""
    path = tmp_path / "answers.yaml"
    path.write_text(text)
    status, out, errors = run("claims", "--check", str(path))
    assert (status, out, len(errors)) == (2, "", 1)
    assert message in errors[0]


def test_a_run_stands_beside_claims_about_a_machine(run, monkeypatch):
    """Values of a committed run where it has the quantity; what it lacks is said."""
    monkeypatch.setattr(claim_decisions, "all_checks", dict)  # the others are not computed
    status, out, _ = run("claims", str(SAVED / "0001_bench.json"), "--json")
    claims = {claim["id"]: claim for claim in json.loads(out)["claims"]}
    machine = [c for c in claims.values() if c["how"] == "saved quantity"]
    assert status == 0
    assert len(machine) == 96
    assert sum("in this run" in claim["evidence"] for claim in machine) == 96
    assert any(claim["evidence"].startswith("not in this run: ") for claim in machine)
    assert any(" to " in claim["evidence"] for claim in machine)


def test_text_says_what_is_wrong_first(run, tmp_path):
    """Counts, then each wrong answer with the right one."""
    path = tmp_path / "answers.yaml"
    path.write_text("- {id: 000-Q1a-params}\n- {id: 000-Q1a-size}\n")
    status, out, _ = run("claims", "--check", str(path))
    lines = [line for line in out.splitlines() if line]
    assert status == 1
    assert lines[0] == "1 of 2 right, 1 wrong, 0 open."
    assert lines[1].startswith("000-Q1a-size: wrong. ")
    assert lines[-1] == "Right: 000-Q1a-params"
