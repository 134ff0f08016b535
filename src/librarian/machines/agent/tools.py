"""Running git, hg and svn: with a clean environment, and their output in a log of limited size."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import IO

from librarian.machines.agent.interfaces import ToolFailed, ToolMissing

SECONDS_BETWEEN_PROGRESS_LINES = 10
TAIL_BYTES = 2000
LINE_ENDS = re.compile(rb"(?<=[\r\n])")

# The variables that a tool inherits.  The only credentials are those of an ssh agent.
INHERITED = ("PATH", "SSH_AUTH_SOCK", "TMPDIR", "http_proxy", "https_proxy", "no_proxy")


class Log:
    """The log of one job, cut off at `limit` bytes; close() adds a line with the number of bytes dropped."""

    def __init__(self, path: Path, limit: int) -> None:
        self._file = path.open("ab", buffering=0)
        self._left = limit
        self._dropped = 0
        self._progress_at = 0.0

    def say(self, text: str) -> None:
        """Append a line with the time, in UTC."""
        self.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n".encode(errors="replace"))

    def write(self, data: bytes) -> None:
        """Append bytes, as far as the log's limit allows; the rest is counted as dropped."""
        kept = data[: self._left]
        self._left -= len(kept)
        self._dropped += len(data) - len(kept)
        self._file.write(kept)

    def write_line(self, line: bytes) -> None:
        """Append a line of output; of progress lines, which end in CR, at most one each 10 seconds."""
        if line.endswith(b"\r"):
            if time.monotonic() - self._progress_at < SECONDS_BETWEEN_PROGRESS_LINES:
                return
            self._progress_at = time.monotonic()
            line = line[:-1] + b"\n"
        self.write(line)

    def close(self) -> None:
        """Close the log, with a last line that says how many bytes were dropped."""
        if self._dropped:
            self._file.write(f"... and {self._dropped} bytes more, not kept\n".encode())
        self._file.close()


class Tools:
    """Runs programs in one directory, which is their HOME too: no personal configuration is read."""

    def __init__(self, directory: Path, log: Log) -> None:
        self.directory = directory
        self.log = log
        self.environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environment |= {"HOME": str(directory), "LC_ALL": "C.UTF-8"}

    def run(self, *command: str, stdin: Path | None = None, stdout: Path | None = None) -> None:
        """Run `command` to its end; its output goes to the log, or standard output to the file `stdout`.

        Raises ToolMissing and ToolFailed.
        """
        self.log.say("$ " + " ".join(command))
        source = stdin.open("rb") if stdin else None
        target = stdout.open("wb") if stdout else None
        try:
            process = self._start(command, source, target or subprocess.PIPE, subprocess.STDOUT)
            output = process.stderr if stdout else process.stdout
            assert output is not None
            tail = self._pump(output)
        finally:
            for file in (source, target):
                if file is not None:
                    file.close()
        if process.wait() != 0:
            raise ToolFailed(command[0], process.returncode, tail)

    def ask(self, *command: str) -> str:
        """Run `command` to its end; its standard output, stripped.  Raises ToolMissing and ToolFailed."""
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

    def _pump(self, output: IO[bytes]) -> str:
        """Copy output to the log, line by line; its last 2,000 bytes."""
        tail = pending = b""
        with output:
            while chunk := os.read(output.fileno(), 65536):
                tail = (tail + chunk)[-TAIL_BYTES:]
                *lines, pending = LINE_ENDS.split(pending + chunk)
                for line in lines:
                    self.log.write_line(line)
                if len(pending) > TAIL_BYTES:
                    self.log.write(pending)
                    pending = b""
        if pending:
            self.log.write_line(pending + b"\n")
        return tail.decode(errors="replace")
