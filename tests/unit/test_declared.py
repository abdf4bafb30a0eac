"""A training by its name, and its settings from the command line."""

import sys

import pytest
from torch import nn

from hpml_lab.errors import InputError
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.workload import built, check_workload, parse_setting, parsed, workload

FILE = """
    import torch
    from torch import nn
    from hpml_lab import TrainingStep
    from width import WIDTH

    NUMBER = 3

    def training(batch_size=4, rate=0.1, name="sgd", deep=False, seed=None, sizes=(1, 2)):
        model = nn.Linear(WIDTH, 1)
        optimizer = torch.optim.SGD(model.parameters(), rate)
        batch = torch.zeros(batch_size, WIDTH)
        return TrainingStep(model, optimizer, batch=batch, compute_loss=lambda m, b: m(b).sum())

    def needs(batch_size, rate=0.1):
        pass

    def fails():
        raise KeyError("no such layer")

    def other():
        return 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with workloads in a file and a module that it imports."""
    import textwrap

    (tmp_path / "mine.py").write_text(textwrap.dedent(FILE))
    (tmp_path / "width.py").write_text("WIDTH = 5\n")
    (tmp_path / "broken.py").write_text("import width\n\nraise OSError('no data')\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("mine", "width", "broken", "hpml_workload_mine", "hpml_workload_broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("place", ["mine.py", "mine", "{folder}/mine.py"])
def test_a_function_is_named_by_its_file_or_its_module(folder, place):
    """What it imports from beside it is found, from whichever folder the file is named."""
    function = workload(f"{place.format(folder=folder)}:training")
    assert isinstance(built(function, {}), TrainingStep)
    assert built(function, {"batch_size": 7}).samples == 7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("training", "workload 'training' is not FILE.py:NAME or package.module:NAME"),
        ("mine.py:", "workload 'mine.py:' is not FILE.py:NAME"),
        (
            "mine.py",
            "workload 'mine.py' is not FILE.py:NAME or package.module:NAME; give one of: mine.py:",
        ),
        (":training", "workload ':training' is not FILE.py:NAME"),
        ("none.py:training", "no file 'none.py'; a workload is FILE.py:NAME"),
        ("no.such.module:training", "no.such.module cannot be imported: ModuleNotFoundError"),
        ("broken.py:training", "broken.py cannot be imported at broken.py:3: OSError: no data"),
        ("mine.py:trainin", "mine.py has no 'trainin'; did you mean 'training'?"),
        ("mine.py:xyz", "mine.py has no 'xyz'; there are: training, needs, fails, other"),
        ("mine.py:NUMBER", "mine.py:NUMBER is a int; name a function"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_name_that_means_no_workload_is_refused(name, said):
    """One line that says what there is."""
    with pytest.raises(InputError) as refused:
        workload(name)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("function", "settings", "said"),
    [
        ("needs", {}, "needs needs a value for 'batch_size'; give each parameter of a workload"),
        ("fails", {}, "fails failed at mine.py:19: KeyError: 'no such layer'"),
        ("other", {}, "other returned a int; a workload returns a TrainingStep"),
        ("training", {"bach": 3}, "training has no setting 'bach'; there are: batch_size, rate"),
        ("training", {"batchsize": 3}, "training has no setting 'batchsize'; did you mean"),
        ("fails", {"a": 3}, "fails has no setting 'a'; there are none"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_workload_that_cannot_be_made_is_refused(function, settings, said):
    """Also where the user's own code fails: where, and with what."""
    with pytest.raises(InputError) as refused:
        built(check_workload(workload(f"mine.py:{function}")), settings)
    assert str(refused.value).startswith(said)


@pytest.mark.usefixtures("folder")
def test_settings_are_read_by_the_type_of_their_defaults():
    """A whole number, a number, a text, a truth value, and whatever None stands for."""
    texts = {"batch_size": "8", "rate": "1e-3", "name": "adam", "deep": "true", "seed": "3"}
    assert parsed(workload("mine.py:training"), texts) == {
        "batch_size": 8, "rate": 0.001, "name": "adam", "deep": True, "seed": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "default", "value"),
    [("3", None, 3), ("0.5", None, 0.5), ("mean", None, "mean"), ("false", True, False)],
)
def test_a_text_becomes_a_value(text, default, value):
    """Where nothing is the default, a number is taken for one."""
    assert parse_setting("x", text, default) == value


@pytest.mark.parametrize(
    ("text", "default", "said"),
    [
        ("8.5", 4, "x '8.5' is not a whole number"),
        ("much", 0.1, "x 'much' is not a number"),
        ("yes", False, "x 'yes' is neither true nor false"),
        ("1,2", (1, 2), "x is a tuple by default, which no text can give; set it in Python"),
    ],
)
def test_a_text_of_another_type_is_refused(text, default, said):
    """One line each."""
    with pytest.raises(InputError, match=said):
        parse_setting("x", text, default)


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_a_truth_is_read_in_any_case(text):
    """As Python and YAML write it."""
    assert parse_setting("x", text, False) is True


def test_an_object_that_can_be_called_is_a_workload():
    """A class whose instances return a step, or a partial function."""
    from functools import partial

    import torch

    def make(width):
        model = nn.Linear(width, 1)
        optimizer = torch.optim.SGD(model.parameters())
        return TrainingStep(
            model, optimizer, batch=torch.zeros(2, width), compute_loss=lambda m, b: m(b).sum()
        )

    assert built(check_workload(partial(make, width=3)), {}).samples == 2
