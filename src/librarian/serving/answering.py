"""Answers that wait for a slow client: small in memory, large in the byte store's folder.

waitress puts them into the system's temporary folder, and where that is full, the answer ends there.
"""

from typing import Any

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel

from librarian.serving.receiving import Spool


class Outgoing(Spool):
    """An answer, or a part of one; where no file can be had it stays in memory."""

    def _set_large_buffer(self) -> None:
        small = self.buf
        position = small.getfile().tell() if small is not None else 0
        try:
            super()._set_large_buffer()
        except OSError:
            if small is None:
                self._set_small_buffer()
            else:
                small.getfile().seek(position)
            self.overflowed = True  # not to be tried again


class AnsweringChannel(HTTPChannel):
    """A connection whose answers are kept so."""

    current_outbuf_count: int  # bytes in the last buffer

    def write_soon(self, data: Any) -> Any:
        with self.outbuf_lock:
            if self.current_outbuf_count >= self.adj.outbuf_high_watermark:
                # waitress would go on with its own kind of buffer
                self.outbufs.append(self._new_buffer())
                self.current_outbuf_count = 0
            elif type(self.outbufs[-1]) is OverflowableBuffer and not self.outbufs[-1]:
                self.outbufs[-1] = self._new_buffer()
        return super().write_soon(data)

    def _new_buffer(self) -> Outgoing:
        return Outgoing(self.adj.outbuf_overflow, self.server.store.spool)
