"""Reading of saved runs: pytest-benchmark's own JSON, with or without our record in it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hpml_lab.errors import RunFileError
from hpml_lab.runs.schema import Run
from hpml_lab.text import whole_text

LARGEST_FILE_BYTES = 256 * 2**20

T = TypeVar("T")


_DECODER = msgspec.json.Decoder(Run)


def run_of(record: Mapping[str, Any]) -> Run:
    """The run in a record of pytest-benchmark that is not saved yet."""
    return msgspec.convert(whole_text(json.loads(json.dumps(record, default=str))), Run)


def read_run(path: Path) -> Run:
    """Returns the run saved in a file.

    Raises:
        RunFileError: if the file cannot be read, is too large, or is not a saved run.
    """
    return decoded(path, _DECODER)


def decoded(path: Path, decoder: msgspec.json.Decoder[T]) -> T:
    """Content of a run file, decoded.

    Raises:
        RunFileError: if the file cannot be read, is too large, or does not fit the decoder's type.
    """
    try:
        if (size := path.stat().st_size) > LARGEST_FILE_BYTES:
            raise RunFileError(
                f"run file {str(path)!r} has {size:,} bytes; at most "
                f"{LARGEST_FILE_BYTES:,} are read",
                path,
            )
        return _decoded(path.read_bytes(), decoder)
    except OSError as error:
        raise RunFileError(
            f"run file {str(path)!r} cannot be read: {error.strerror}", path
        ) from error
    except (ValueError, RecursionError) as error:
        raise RunFileError(f"run file {str(path)!r} is not a saved run: {error}", path) from error


def _decoded(content: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decoded content.

    Other tools write NaN and lone surrogates, as Python's JSON does: NaN is an unknown value.
    """
    try:
        return decoder.decode(content)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        try:
            loose = json.loads(content)
            has_our_record = "hpml" in loose["machine_info"]
        except (ValueError, RecursionError, KeyError, TypeError):
            raise error from None
        if has_our_record:
            raise
        return msgspec.convert(whole_text(loose), decoder.type)
