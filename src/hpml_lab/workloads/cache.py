"""Where files are kept that can be made again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns the user's cache folder for this library: ``$XDG_CACHE_HOME/hpml_lab``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hpml_lab"
