"""For documents on other applications: their packages, written while the document runs."""

import sys
from collections.abc import Callable
from pathlib import Path


def package(folder: Path, name: str) -> Callable[[str, str], Path]:
    """A function that writes a file of a new package, by name and text; the layer makes Python forget it."""
    place = folder / name
    place.mkdir()
    (place / "__init__.py").touch()
    sys.path.insert(0, str(folder))

    def write(filename: str, text: str) -> Path:
        path = place / filename
        path.write_text(text)
        return path

    return write
