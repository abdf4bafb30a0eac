"""The printed numbers as data: every digit kept, and one clear error for what is not there."""

from decimal import Decimal

import pytest

from hpml_lab.claims import published
from hpml_lab.claims.checking import about, adds_up, averages, rounds, same, together
from hpml_lab.errors import DataError, InputError


def test_trailing_zeros_are_kept():
    """A number has as many places as were printed, so a comparison knows how exact it is."""
    times = published.values("004-C7-nobn", "train_time")
    assert [str(time) for time in times] == ["5.9585", "5.4392", "5.3925", "5.4917", "5.3910"]


def test_one_number_is_a_value():
    """A quantity printed once is one exact number."""
    assert published.value("002-C6-adadelta", "train_loss_mean") == Decimal("71.0148")


def test_runs_are_found_by_write_up_and_configuration():
    """Fifteen runs of write-up 004 trained with SGD and batch norm."""
    result = published.runs("004", optimizer="sgd", batch_norm="true")
    assert len(result) == 15
    assert {run.config["optimizer"] for run in result} == {"sgd"}


def test_a_repeated_table_has_the_rows_of_the_first():
    """A layer table that says it is the same as another one has its 49 rows."""
    rows = published.layer_rows("003-layers-bn")
    assert rows == published.layer_rows("002-layers")
    assert (len(rows), rows[-1]) == (49, ("Linear-49", (10,), 5130))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: published.run("005-C1"), "no published run '005-C1'; the ids are in"),
        (lambda: published.value("000-Q1", "size"), "run 000-Q1 has no 'size'; it has: parameters"),
        (
            lambda: published.value("002-summary", "last_linear_input"),
            "last_linear_input of run 002-summary is '512 x 4 x 4'; not a plain number",
        ),
        (
            lambda: published.value("002-C2", "train_loss"),
            r"train_loss of run 002-C2 has 5 values; use values\(\)",
        ),
        (lambda: published.layer_rows("001-layers"), "no published layer table '001-layers'"),
    ],
)
def test_what_was_not_printed_is_refused(call, message):
    """The error names what was asked for and what there is."""
    with pytest.raises(InputError, match=f"^{message}"):
        call()


EMPTY = "write_ups: {}\nruns: []\nlayer_tables: []\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read: while parsing"),
        (f"format: 2\n{EMPTY}", r"Invalid enum value '2' - at `\$.format`"),
        (f"format: 1\nspeed: 3\n{EMPTY}", "unknown field `speed`"),
        ("format: 1\n", "missing required field"),
    ],
)
def test_another_file_is_refused(text, message):
    """A file that is not of this form is one error that names the place."""
    with pytest.raises(DataError, match=message):
        published.parse(text.encode())
    assert published.parse(f"format: 1\n{EMPTY}".encode()).runs == []


def numbers(*texts):
    """Returns exact numbers."""
    return [Decimal(text) for text in texts]


@pytest.mark.parametrize(
    ("stated", "rows", "holds"),
    [
        ("0.3", ("0.1", "0.2"), True),
        ("0.5", ("0.1", "0.2"), False),
        ("0.45", ("0.1", "0.2"), False),
        ("1.00", ("0.334", "0.333", "0.333"), True),
        ("1.01", ("0.334", "0.333", "0.333"), False),
        ("1000", ("400", "600"), True),
    ],
)
def test_sums_hold_within_what_was_printed(stated, rows, holds):
    """A sum holds if some numbers that round to the printed ones add up to it, and not else."""
    assert adds_up("sum", Decimal(stated), numbers(*rows)).holds is holds


def test_findings_show_both_numbers_where_they_differ():
    """Evidence is the computed value, and behind it the stated one only if it is another."""
    assert same("layers", 20, 20) == (true := same("layers", 20, 20))
    assert true.evidence == "layers 20"
    assert same("layers", 18, 20).evidence == "layers 20, not 18"
    assert rounds("MB", Decimal("58.16"), 232.657).evidence == "MB 232.66, not 58.16"
    rows = numbers("1.0", "2.0")
    assert averages("mean", Decimal("1.7"), rows).evidence == "mean 1.5 from the rows, not 1.7"
    assert about("mean", 3, rows).evidence == "mean 1.50, not about 3"


def test_a_claim_of_parts_holds_if_all_of_them_do():
    """One part that fails is enough, and the evidence of all is kept."""
    both = together(same("a", 1, 1), same("b", 1, 2))
    assert (both.holds, both.evidence) == (False, "a 1; b 2, not 1")
    assert together(same("a", 1, 1), same("b", 2, 2)).holds
