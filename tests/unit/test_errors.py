"""Errors carry what they are about, for programs that read no sentences."""

import copy
from pathlib import Path

import pytest

from hpml_lab import InputError, RunFileError, read_run
from hpml_lab.errors import DataError, one_line, unknown
from hpml_lab.training.images import open_images


def test_an_unknown_name_has_those_that_are_known():
    """Also from something that can be read only once."""
    error = unknown("colour", "rad", (name for name in ("red", "green")))
    assert str(error) == "unknown colour 'rad'; choose one of: red, green"
    assert error.allowed == ("red", "green")
    assert InputError("batch is 0; it must be 1 or more").allowed == ()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\nb"), "ValueError: a"),
        (MemoryError(), "MemoryError"),
        (RuntimeError("\n two \n"), "RuntimeError: two"),
        (
            OSError("Caught OSError in DataLoader worker process 0.\nTraceback:\nOSError: gone\n"),
            "OSError: gone",
        ),
    ],
)
def test_any_error_is_one_line(error, line):
    """Its first one; of a worker's, which begins with where it was, the last one."""
    assert one_line(error) == line


def test_a_run_that_cannot_be_read_has_its_path(tmp_path):
    """A file that is none, and one that is not there."""
    for name, text in (("broken.json", "{"), ("none.json", None)):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        with pytest.raises(RunFileError, match="run file") as caught:
            read_run(path)
        assert caught.value.path == path


def test_data_that_are_not_there_have_their_folder(tmp_path):
    """As it was given, opened up."""
    with pytest.raises(DataError, match="no data folder") as caught:
        open_images(str(tmp_path / "none"))
    assert caught.value.path == tmp_path / "none"
    assert caught.value.allowed == ()


def test_errors_can_be_copied():
    """As where a worker's error is raised again in its parent: with sentence and path."""
    error = copy.copy(DataError("no file", Path("x")))
    assert (type(error), str(error), error.path) == (DataError, "no file", Path("x"))
