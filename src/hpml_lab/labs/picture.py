"""A picture of a saved run."""

import io
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

from hpml_lab.labs.answer import records_fit

_DOTS_PER_INCH = 110


@dataclass(frozen=True)
class Picture:
    """A figure with a file name and a caption."""

    name: str
    caption: str
    figure: Figure

    def png(self) -> bytes:
        """Returns the picture as PNG.

        Raises:
            RunFileError: if the saved records cannot be drawn.
        """
        written = io.BytesIO()
        with records_fit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # missing glyphs of the font
            self.figure.savefig(written, format="png", dpi=_DOTS_PER_INCH)
        return written.getvalue()


def no_formulas() -> AbstractContextManager[None]:
    """Returns a context in which a dollar sign in a text starts no formula."""
    return rc_context({"text.parse_math": False})
