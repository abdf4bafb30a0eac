"""What each technique gives, from runs made up so that the answer is known."""

import pytest

from hpml_lab.errors import InputError
from hpml_lab.labs.techniques import SIZES, TECHNIQUES, recipes
from hpml_lab.labs.techniques.bench import NAMES
from hpml_lab.labs.techniques.figure import pictures
from hpml_lab.labs.techniques.table import answers, speeds
from hpml_lab.training.profiles import PROFILES
from hpml_lab.training.training import Training
from support.runs import benchmark, epoch, run_of


def case(recipe, *seconds, loss=2.0):
    """Returns a case of one process; each round is an epoch of so many seconds."""
    epochs = [epoch(index, second, loss=loss) for index, second in enumerate(seconds, 1)]
    return benchmark("techniques", epochs=epochs, recipe=recipe)


# bfloat16 halves the time, layout takes a quarter off the rest; together they take 3/8.
RUN = run_of(
    case("plain", 8.0, 8.0),
    case("only bfloat16", 4.0, 4.0, loss=2.01),
    case("only channels last", 6.0, 6.0),
    case("all", 3.0, 3.0, loss=1.9),
    case("all but bfloat16", 6.0, 6.0),
    case("all but channels last", 4.0, 4.0),
)


def test_a_technique_has_its_speed_alone_and_in_the_recipe():
    """8 s to 4 s alone is 2x; in the recipe 6 s to 3 s is 2x, 4 s to 3 s is 1.33x."""
    (answer,) = answers(RUN)
    assert answer.rows == [
        ["channels last", "1.33x", "1.33x", "2.000"],
        ["bfloat16", "2.00x", "2.00x", "2.010"],
    ]
    assert answer.sentences[0] == "All together are 2.67x as fast as the plain loop."
    assert "plain 2.000, all together 1.900" in answer.sentences[-1]


def test_the_ends_of_an_interval_change_places_with_the_ratio():
    """Three processes whose times are 0.4, 0.5 and 0.6 of the plain ones: faster by 1.7 to 2.5."""
    plain, bfloat16 = case("plain", 1.0), case("only bfloat16", 1.0)
    plain.measurement.processes[:] = [[1.0], [1.0], [1.0]]
    bfloat16.measurement.processes[:] = [[0.4], [0.5], [0.6]]
    speed = speeds(run_of(plain, bfloat16), "cpu")["only bfloat16"]
    low, high = speed.interval
    assert low < 1 / 0.6 < speed.value < 1 / 0.4 < high
    assert speed.value == pytest.approx((1 / (0.4 * 0.5 * 0.6)) ** (1 / 3))


def test_a_part_of_the_cases_is_answered_too():
    """What was not measured is a dash; without a plain loop there is nothing to say."""
    (answer,) = answers(run_of(case("plain", 8.0), case("only bfloat16", 4.0)))
    assert answer.rows == [["bfloat16", "2.00x", "-", "2.000"]]
    assert pictures_of(run_of(case("only bfloat16", 4.0))) == []


def pictures_of(run):
    """Returns the captions of a run's pictures."""
    return [picture.caption for picture in pictures(run)]


def test_the_picture_has_a_bar_for_each_technique_and_for_all():
    """From zero, on one scale, with the plain loop at 1."""
    (picture,) = pictures(RUN)
    (panel,) = picture.figure.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == [
        "bfloat16", "channels last", "all",
    ]  # fmt: skip
    assert panel.get_xlim()[0] == 0
    assert picture.caption == "What each technique gives (cpu)"


@pytest.mark.parametrize("device", TECHNIQUES)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_recipe_is_a_training(device, profile):
    """Its fields are allowed; all but one lacks that one alone."""
    known = recipes(device, SIZES[profile])
    for fields in known.values():
        Training(device=device, **fields)
    for name in (name for name in known if name.startswith("all but ")):
        technique = TECHNIQUES[device][name.removeprefix("all but ")]
        assert known[name] | technique == known["all"] | technique
        assert known[name] != known["all"]
    assert set(known) <= set(NAMES)


def test_what_compiles_takes_no_part_in_the_quick_profile():
    """It would take minutes of two cores."""
    assert not any("compile_mode" in fields for fields in recipes("cpu", SIZES["quick"]).values())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pipeline": "fast"}, "unknown pipeline 'fast'; choose one of: lab, batched, resident"),
        (
            {"optimizer": "adadelta", "optimizer_implementation": "fused"},
            "adadelta has no fused implementation; these have one: sgd, sgd-momentum, nesterov, "
            "adagrad, adam, adamw",
        ),
        ({"optimizer_implementation": "loop"}, "unknown optimizer_implementation 'loop'"),
        ({"float32_matmul_precision": "low"}, "unknown float32_matmul_precision 'low'"),
    ],
)
def test_a_field_that_there_is_not_is_refused(fields, message):
    """In one line, with what is allowed."""
    with pytest.raises(InputError, match=message):
        Training(**fields)
