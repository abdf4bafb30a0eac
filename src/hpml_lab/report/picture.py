"""One picture that a saved run gives."""

import io
import warnings
from dataclasses import dataclass

from matplotlib.figure import Figure

from hpml_lab.report.answers.answer import records_fit

_DOTS_PER_INCH = 110


@dataclass(frozen=True)
class Picture:
    """A figure with a name for its file and a line for people."""

    name: str
    caption: str
    figure: Figure

    def png(self) -> bytes:
        """Returns the picture as PNG.

        Raises:
            RunFileError: if what was saved cannot be drawn.
        """
        written = io.BytesIO()
        with records_fit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters that the font lacks
            self.figure.savefig(written, format="png", dpi=_DOTS_PER_INCH)
        return written.getvalue()
