"""A picture of a saved run."""

import io
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from hpml_lab.labs.answer import records_fit

_DOTS_PER_INCH = 110
INK, BLUE = "#1b1b1b", "#0072b2"  # text and lines; bars
# On a dark page what is drawn in ink is light. Colours of lines are told apart on both.
_DARK = (
    "<style>@media(prefers-color-scheme:dark){[style*='fill: #1b1b1b']{fill:#e8e8e8!important}"
    "[style*='stroke: #1b1b1b']{stroke:#e8e8e8!important}}</style>"
)
_STYLE: Any = {
    "text.parse_math": False,  # a dollar sign in a name starts no formula
    "svg.fonttype": "none",
    "svg.hashsalt": "hpml_lab",
    "font.size": 9,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    ),
    **dict.fromkeys(("axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize"), 9),
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Picture:
    """A figure with a file name and a caption."""

    name: str
    caption: str
    figure: Figure

    def svg(self) -> str:
        """Returns the picture as an SVG document that is readable on light and dark pages.

        Raises:
            RunFileError: if the saved records cannot be drawn.
        """
        written = io.StringIO()
        with records_fit(), figure_style(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # missing glyphs of the font
            self.figure.savefig(
                written, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
            )
        return written.getvalue().replace("<defs>", f"{_DARK}<defs>", 1)

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


def figure_style() -> AbstractContextManager[None]:
    """Returns the context in which all figures are drawn: one size of type, no formulas."""
    return rc_context(_STYLE)
