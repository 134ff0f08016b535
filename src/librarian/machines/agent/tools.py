"""Running git, hg and svn: an environment of their own, their output in a bounded log."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import IO

from librarian.interfaces import LibrarianError

SECONDS_BETWEEN_PROGRESS_LINES = 10
TAIL_BYTES = 2000
LINE_ENDS = re.compile(rb"(?<=[\r\n])")

# What a tool may see of our own environment.  Credentials come from an ssh agent or not at all.
INHERITED = ("PATH", "SSH_AUTH_SOCK", "TMPDIR", "http_proxy", "https_proxy", "no_proxy")


class ToolMissing(LibrarianError, RuntimeError):
    """The program is not installed on this machine."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"{tool} is not installed")
        self.tool = tool


class ToolFailed(LibrarianError, RuntimeError):
    """The program ended with another status than 0; `output` is the end of what it said."""

    def __init__(self, command: str, status: int, output: str) -> None:
        super().__init__(f"{command} ended with status {status}")
        self.command = command
        self.status = status  # negative: the signal that ended it
        self.output = output


class Log:
    """The log of one job, cut off at `limit` bytes; writing to it goes on and is counted."""

    def __init__(self, path: Path, limit: int) -> None:
        self._file = path.open("ab", buffering=0)
        self._left = limit
        self._dropped = 0
        self._progress_at = 0.0

    def say(self, text: str) -> None:
        self.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n".encode(errors="replace"))

    def write(self, data: bytes) -> None:
        kept = data[: self._left]
        self._left -= len(kept)
        self._dropped += len(data) - len(kept)
        self._file.write(kept)

    def write_line(self, line: bytes) -> None:
        """Progress, which ends in a carriage return, is let through now and then only."""
        if line.endswith(b"\r"):
            if time.monotonic() - self._progress_at < SECONDS_BETWEEN_PROGRESS_LINES:
                return
            self._progress_at = time.monotonic()
            line = line[:-1] + b"\n"
        self.write(line)

    def close(self) -> None:
        if self._dropped:
            self._file.write(f"... and {self._dropped} bytes more, not kept\n".encode())
        self._file.close()


class Tools:
    """Runs programs in one directory, which is their HOME too, so that no personal file is read."""

    def __init__(self, directory: Path, log: Log) -> None:
        self.directory = directory
        self.log = log
        self.environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environment |= {"HOME": str(directory), "LC_ALL": "C.UTF-8"}

    def run(self, *command: str, stdin: Path | None = None, stdout: Path | None = None) -> None:
        """Run to the end; output goes to the log, or standard output to a file.

        Raises ToolMissing and ToolFailed.
        """
        self.log.say("$ " + " ".join(command))
        source = stdin.open("rb") if stdin else None
        target = stdout.open("wb") if stdout else None
        try:
            process = self._start(command, source, target or subprocess.PIPE, subprocess.STDOUT)
            said = process.stderr if stdout else process.stdout
            assert said is not None
            tail = self._pump(said)
        finally:
            for file in (source, target):
                if file is not None:
                    file.close()
        if process.wait() != 0:
            raise ToolFailed(command[0], process.returncode, tail)

    def ask(self, *command: str) -> str:
        """Run to the end; what it wrote to standard output, stripped."""
        answer = self.directory / "answer"
        self.run(*command, stdout=answer)
        return answer.read_text(errors="replace").strip()

    def _start(
        self, command: tuple[str, ...], source: IO[bytes] | None, target: IO[bytes] | int, errors: int
    ) -> "subprocess.Popen[bytes]":
        to_file = target is not subprocess.PIPE
        try:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env=self.environment,
                stdin=source or subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.PIPE if to_file else errors,
            )
        except FileNotFoundError:
            raise ToolMissing(command[0]) from None

    def _pump(self, said: IO[bytes]) -> str:
        tail = pending = b""
        with said:
            while chunk := os.read(said.fileno(), 65536):
                tail = (tail + chunk)[-TAIL_BYTES:]
                *lines, pending = (
                    (pending + chunk).replace(b"\r", b"\r\0").replace(b"\n", b"\n\0").split(b"\0")
                )
                for line in lines:
                    self.log.write_line(line)
                if len(pending) > TAIL_BYTES:
                    self.log.write(pending)
                    pending = b""
        if pending:
            self.log.write_line(pending + b"\n")
        return tail.decode(errors="replace")
