"""A drop folder, and its exchange with a partner's FTP server that both sides lock."""

from librarian.spool.exchange.run import export, import_files, run, watch
from librarian.spool.model.filestore import FileStore
from librarian.spool.settings import Target, read_targets

__all__ = ["FileStore", "Target", "export", "import_files", "read_targets", "run", "watch"]
