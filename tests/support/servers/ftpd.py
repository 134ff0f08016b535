"""FTP servers as Debian has them, each a process of its own, insisting on TLS and on session reuse."""

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import SkipTest

from tests.support.servers.certificates import Authority
from tools.runner.left_out import left_out

SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin"
PASSWORD = "secret"  # of no real account

VSFTPD = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=YES
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
anonymous_enable=YES
anon_root={root}
anon_upload_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
no_anon_password=YES
write_enable=YES
secure_chroot_dir={folder}
xferlog_enable=NO
log_ftp_protocol=YES
vsftpd_log_file={folder}/log
ssl_enable=YES
implicit_ssl={implicit}
allow_anon_ssl=YES
force_anon_data_ssl=YES
force_anon_logins_ssl=YES
require_ssl_reuse=YES
ssl_ciphers=HIGH
debug_ssl=YES
rsa_cert_file={certificate}
rsa_private_key_file={certificate}
"""

PROFTPD = """\
ServerType standalone
DefaultServer on
DefaultAddress 127.0.0.1
Port {port}
User {user}
Group {group}
ModulePath {modules}
LoadModule mod_tls.c
LoadModule mod_digest.c
DigestEngine on
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
SystemLog {folder}/log
DelayEngine off
WtmpLog off
UseReverseDNS off
RequireValidShell off
RootLogin on
AuthOrder mod_auth_file.c
AuthUserFile {folder}/passwd
AllowOverwrite on
AllowStoreRestart on
TLSEngine on
TLSRequired on
TLSLog {folder}/tls.log
TLSECCertificateFile {certificate}
TLSECCertificateKeyFile {certificate}
{implicit}
"""


class Daemon:
    """A server that is running; `root` is the directory to exchange files in, there and here."""

    user: str

    def __init__(self, *, implicit: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-ftpd-"))
        self.root = self.folder / "root"
        self.root.mkdir()
        self.authority = Authority(self.folder)
        self.port = _free_port()
        command = self.configure(self.authority.leaf("localhost"), implicit)
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        self._wait_until_it_listens()

    def configure(self, certificate: Path, implicit: bool) -> list[str]:
        """Write the configuration; the command that starts the server in the foreground."""
        raise NotImplementedError

    def settings(self, *, implicit: bool = False) -> dict[str, Any]:
        """What an export to this server needs to know."""
        return {
            "host": "localhost",
            "port": self.port,
            "user": self.user,
            "password": PASSWORD,
            "path": str(self.root),
            "tls": "implicit" if implicit else "explicit",
            "ca_file": self.authority.ca_file,
        }

    def files(self) -> dict[str, bytes]:
        """What lies on the server, by name."""
        return {path.name: path.read_bytes() for path in sorted(self.root.iterdir())}

    def log(self) -> str:
        """What the server has to say."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*log")))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder)

    def _wait_until_it_listens(self) -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.02)
        raise RuntimeError(f"the server did not start: {(self.folder / 'output').read_text()}")


class VsFTPD(Daemon):
    """vsftpd; its user is anonymous, as any other user needs PAM and root.  It is not confined to `root`."""

    program = shutil.which("vsftpd", path=SBIN)
    user = "anonymous"

    def configure(self, certificate: Path, implicit: bool) -> list[str]:
        file = self.folder / "vsftpd.conf"
        file.write_text(
            VSFTPD.format(
                port=self.port,
                folder=self.folder,
                root=self.root,
                certificate=certificate,
                implicit="YES" if implicit else "NO",
            )
        )
        return [str(self.program), str(file)]


class ProFTPD(Daemon):
    """ProFTPD; it can tell digests."""

    program = shutil.which("proftpd", path=SBIN)
    modules = Path(os.environ.get("PROFTPD_MODULES", "/usr/lib/proftpd"))
    user = "publisher"

    def configure(self, certificate: Path, implicit: bool) -> list[str]:
        file = self.folder / "proftpd.conf"
        user = pwd.getpwuid(os.getuid())
        file.write_text(
            PROFTPD.format(
                port=self.port,
                user=user.pw_name,
                group=grp.getgrgid(os.getgid()).gr_name,
                modules=self.modules,
                folder=self.folder,
                certificate=certificate,
                implicit="TLSOptions UseImplicitSSL" if implicit else "",
            )
        )
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True
        ).stdout.strip()
        passwd = self.folder / "passwd"
        passwd.write_text(f"{self.user}:{hashed}:{user.pw_uid}:{user.pw_gid}::{self.root}:/bin/false\n")
        passwd.chmod(0o600)
        return [str(self.program), "-n", "-q", "-c", str(file)]


def available() -> type[Daemon] | None:
    """A server this machine has.  (Debian lets only one of them be installed.)"""
    if VsFTPD.program is not None:
        return VsFTPD
    if ProFTPD.program is not None and (ProFTPD.modules / "mod_tls.so").exists():
        return ProFTPD
    return None


def running(*, implicit: bool = False) -> Daemon:
    """A server; where this machine has none, SkipTest."""
    program = available()
    if program is None:
        raise SkipTest(left_out("Debian's FTP servers", MISSING))
    return program(implicit=implicit)


MISSING = "neither vsftpd nor proftpd with mod_tls is installed (Debian: vsftpd)"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
