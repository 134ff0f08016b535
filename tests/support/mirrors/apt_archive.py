"""A small APT archive made with Debian's own tools: dpkg-deb, apt-ftparchive and gpg."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from hashlib import md5, sha256
from pathlib import Path

from tests.support.folders import remove_folder

TOOLS = ("dpkg-deb", "apt-ftparchive", "gpg", "gpgv")


def missing_tools() -> list[str]:
    """The tools this machine lacks."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


class AptArchive:
    """An archive below `root`: put packages in, publish a suite, and a mirror could copy it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root.parent / f"{root.name}-gnupg"
        root.mkdir(parents=True)

    def add_deb(self, component: str, name: str, version: str, kind: str = "deb", source: str = "") -> Path:
        """Build a binary package of a few hundred bytes into the pool."""
        folder = self._pool(component, source or name)
        tree = self.root.parent / f"{name}-tree"
        (tree / "DEBIAN").mkdir(parents=True)
        lines = [f"Package: {name}", f"Version: {version}", "Architecture: i386"]
        lines += ["Maintainer: Sample Person <sample@example.com>", "Description: a sample"]
        if source:
            lines.append(f"Source: {source}")
        (tree / "DEBIAN" / "control").write_text("\n".join(lines) + "\n")
        target = folder / f"{name}_{version}_i386.{kind}"
        _run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(target))
        shutil.rmtree(tree)
        return target

    def add_source(self, component: str, name: str, version: str) -> Path:
        """Write a source package (format 1.0, one tarball) into the pool; its .dsc."""
        folder = self._pool(component, name)
        tarball = folder / f"{name}_{version}.tar.gz"
        tarball.write_bytes(f"not really a tarball of {name} {version}\n".encode())
        body = tarball.read_bytes()
        dsc = folder / f"{name}_{version}.dsc"
        dsc.write_text(
            f"Format: 1.0\nSource: {name}\nBinary: {name}\nArchitecture: any\nVersion: {version}\n"
            f"Maintainer: Sample Person <sample@example.com>\nStandards-Version: 4.6.2\n"
            f"Checksums-Sha256:\n {sha256(body).hexdigest()} {len(body)} {tarball.name}\n"
            f"Files:\n {md5(body).hexdigest()} {len(body)} {tarball.name}\n"
        )
        return dsc

    def publish(
        self,
        suite: str,
        components: Sequence[str],
        *,
        date: datetime,
        valid_until: datetime | None = None,
        compress: Sequence[str] = (".gz", ".xz"),
        by_hash: bool = False,
        installer: bool = False,
    ) -> None:
        """Write the indices and the Release file of `suite`, unsigned.

        With `installer`, udebs are in indices of their own below `<component>/debian-installer`, as in the
        archives of Debian and Ubuntu.
        """
        dists = self.root / "dists" / suite
        shutil.rmtree(dists, ignore_errors=True)
        for component in components:
            self._index(dists / component / "binary-i386" / "Packages", "packages", component, compress)
            self._index(dists / component / "source" / "Sources", "sources", component, compress)
            if installer:
                self._move_udebs(dists / component, compress)
        fields = {
            "Suite": suite,
            "Codename": suite,
            "Components": " ".join(components),
            "Architectures": "i386",
            "Acquire-By-Hash": "yes" if by_hash else "no",
        }
        options = [f"-oAPT::FTPArchive::Release::{key}={value}" for key, value in fields.items()]
        release = _run("apt-ftparchive", *options, "release", str(dists)).decode().splitlines()
        # apt-ftparchive dates the file by its own clock, whatever it is told.
        lines = [f"Date: {date:%a, %d %b %Y %H:%M:%S} UTC"]
        if valid_until is not None:
            lines.append(f"Valid-Until: {valid_until:%a, %d %b %Y %H:%M:%S} UTC")
        lines += [line for line in release if not line.startswith("Date:")]
        (dists / "Release").write_text("\n".join(lines) + "\n")
        if by_hash:
            _link_by_hash(dists)

    def sign(self, suite: str, key: str = "archive@example.com") -> None:
        """Sign the Release file of `suite`: InRelease, and Release.gpg beside Release."""
        release = self.root / "dists" / suite / "Release"
        for name, how in (("InRelease", "--clearsign"), ("Release.gpg", "--detach-sign")):
            self.gpg(
                "--local-user",
                key,
                "--yes",
                "--armor",
                "--output",
                str(release.parent / name),
                how,
                str(release),
            )

    def keyring(self, key: str = "archive@example.com", *, armor: bool = False) -> Path:
        """A file with the public key of `key`, which is made if need be."""
        target = self.root.parent / f"{key}.{'asc' if armor else 'gpg'}"
        if not self.home.exists():
            self.home.mkdir(mode=0o700)
        if subprocess.run(self._gpg("--list-secret-keys", key), capture_output=True, check=False).returncode:
            self.gpg("--quick-generate-key", key, "ed25519", "sign", "never")
        self.gpg("--yes", *(["--armor"] if armor else []), "--output", str(target), "--export", key)
        return target

    def gpg(self, *arguments: str) -> None:
        """Run gpg with a home of this archive's own."""
        _run(*self._gpg(*arguments))

    def close(self) -> None:
        """End the agent that gpg left running, and remove its folder with it."""
        subprocess.run(
            ["gpgconf", "--homedir", str(self.home), "--kill", "all"], capture_output=True, check=False
        )
        remove_folder(self.home)

    def files(self) -> dict[str, bytes]:
        """Everything a mirror would copy, by path."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file()
        }

    def _gpg(self, *arguments: str) -> list[str]:
        return ["gpg", "--homedir", str(self.home), "--batch", "--passphrase", "", *arguments]

    def _pool(self, component: str, source: str) -> Path:
        folder = self.root / "pool" / component / source[0] / source
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _index(self, target: Path, what: str, component: str, compress: Sequence[str]) -> None:
        target.parent.mkdir(parents=True)
        pool = f"pool/{component}"
        (self.root / pool).mkdir(parents=True, exist_ok=True)
        target.write_bytes(_run("apt-ftparchive", what, pool, cwd=self.root))
        _pack(target, compress)

    def _move_udebs(self, folder: Path, compress: Sequence[str]) -> None:
        """Take the udebs of a component out of its index, into that of its installer."""
        packed = next((folder / "binary-i386").glob("Packages*"))
        tool = {".gz": ["gzip", "-dc"], ".xz": ["xz", "-dc"]}.get(packed.suffix, ["cat"])
        paragraphs = _run(*tool, str(packed)).decode().strip().split("\n\n")
        for where, is_udeb in (("binary-i386", False), ("debian-installer/binary-i386", True)):
            target = folder / where / "Packages"
            shutil.rmtree(target.parent, ignore_errors=True)
            target.parent.mkdir(parents=True)
            chosen = [each for each in paragraphs if (".udeb\n" in f"{each}\n") is is_udeb]
            target.write_text("".join(f"{each}\n\n" for each in chosen))
            _pack(target, compress)


def _pack(index: Path, compress: Sequence[str]) -> None:
    """Replace an index by its compressed forms; without any it stays."""
    for extension, tool in ((".gz", "gzip"), (".xz", "xz")):
        if extension in compress:
            _run(tool, "-kn" if tool == "gzip" else "-k", str(index))
    if compress:
        index.unlink()


def _link_by_hash(dists: Path) -> None:
    """Give every index its second name, which it keeps when the first comes to mean another."""
    for index in [path for path in dists.rglob("*") if path.is_file() and path.parent != dists]:
        target = index.parent / "by-hash" / "SHA256" / sha256(index.read_bytes()).hexdigest()
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(index, target)


def _run(*command: str, cwd: Path | None = None) -> bytes:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True).stdout
