"""Release of what a failed test keeps alive: frames with tensors, loaders and their workers."""

import gc
import sys

from hpml_lab.errors import clear_frames

_NAMES = ("last_exc", "last_value")  # where pytest keeps the last error, for a debugger


def release_leftovers() -> None:
    """Clears the frames of the last error and collects cycles; does nothing without an error."""
    errors = [error for name in _NAMES if (error := getattr(sys, name, None)) is not None]
    if not errors:
        return
    for error in errors:
        clear_frames(error)
    for name in (*_NAMES, "last_type", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    gc.collect()
