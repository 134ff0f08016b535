"""Fill an empty eggs/ by one run of pip: `.venv/bin/python tools/eggs.py [index URL]`, as bootstrap.py does.

Buildout runs pip once for each of some 130 eggs, which is most of the time of a first build.  What this has
not made, for any reason, buildout makes.
"""

import configparser
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

from zc.buildout.easy_install import make_egg_after_pip_install

CHECKOUT = Path(__file__).resolve().parent.parent
EGGS = CHECKOUT / "eggs" / "v5"  # where buildout 6 looks
IN_VENV = ("packaging", "pip", "platformdirs", "ruff", "setuptools", "wheel")  # see requirements.txt


def main() -> None:
    """Make the eggs of all pins, unless there are eggs already."""
    if EGGS.is_dir() and any(EGGS.iterdir()):
        return
    with tempfile.TemporaryDirectory(prefix="eggs-", dir=CHECKOUT) as folder:
        if not fetch(Path(folder, "wheels"), sys.argv[1:]):
            print("eggs: pip could not fetch all packages at once; buildout goes on one by one", flush=True)
            return
        EGGS.mkdir(parents=True, exist_ok=True)
        for wheel in sorted(Path(folder, "wheels").glob("*.whl")):
            if wheel.name.partition("-")[0] not in IN_VENV:
                make_egg(wheel, Path(folder, wheel.stem))


def fetch(folder: Path, index: list[str]) -> bool:
    """Whether `folder` now has wheels of all that the project needs on this Python, as they are pinned."""
    wanted, pins = folder.with_name("wanted.txt"), folder.with_name("pins.txt")
    wanted.write_text("\n".join(read_requirements()))
    pins.write_text("\n".join(read_pins()))
    print(f"eggs: fetching up to {len(read_pins())} packages", flush=True)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-qq",
        "-r",
        wanted,
        "-c",
        pins,
        "-w",
        folder,
    ]
    options = [f"--index-url={one}" for one in index]
    return subprocess.run([*command, *options], check=False).returncode == 0


def read_requirements() -> list[str]:
    """All that pyproject.toml asks for, of itself and of its extras."""
    project = tomllib.loads(CHECKOUT.joinpath("pyproject.toml").read_text())["project"]
    return sorted({*project["dependencies"], *chain(*project["optional-dependencies"].values())})


def read_pins() -> list[str]:
    """The lines of versions.cfg as requirements."""
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # names keep their case
    parser.read(CHECKOUT / "versions.cfg")
    return [f"{name}=={pin}" for name, pin in parser["versions"].items()]


def make_egg(wheel: Path, folder: Path) -> None:
    """Unpack a wheel in the new `folder`, and move it into eggs/ in the shape that buildout gives it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for data in folder.glob("*.data/*"):
        if data.name in ("purelib", "platlib"):
            for path in data.iterdir():
                path.rename(folder / path.name)
    (info,) = (path.name for path in folder.glob("*.dist-info"))
    for egg in make_egg_after_pip_install(str(folder), info):
        Path(egg).rename(EGGS / Path(egg).name)


if __name__ == "__main__":
    main()
