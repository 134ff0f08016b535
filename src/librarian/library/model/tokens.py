"""The stored object of a time-limited token."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlsplit

from persistent import Persistent

from librarian.clock import LEFT_ALONE
from librarian.library.filenames import canonical_path
from librarian.library.model.client_downloads import ClientDownload, Piece

TOKEN_ID = 8  # bytes of a token's hash that name it in lists


class TimeLimitedToken(Persistent):
    """The hash of a token, the path it opens, and the downloads it was used for."""

    # Of tokens that were stored before downloads were counted by the piece.
    _downloads: dict[str, ClientDownload] = MappingProxyType({})  # type: ignore[assignment]

    def __init__(
        self,
        key: bytes,
        path: str,
        *,
        created: datetime,
        lifetime: timedelta,
        max_uses: int | None,
        asked_by: str,
    ) -> None:
        self.key = key
        self.path = path
        self.created = created
        self.lifetime = lifetime
        self.max_uses = max_uses
        self.asked_by = asked_by
        self.uses = 0
        self.last_used: datetime | None = None
        self._downloads: dict[str, ClientDownload] = {}  # by client_key()

    @staticmethod
    def path_of(url: str) -> str:
        """The path that a token for `url` is bound to, in its canonical spelling.

        That of a file is ``/<id>/<name>``, wherever in its host the endpoint lies.
        """
        path = canonical_path(urlsplit(url).path)
        above, _slash, name = path.rpartition("/")
        number = above.rpartition("/")[2]
        return f"/{number}/{name}" if number.isdigit() else path

    @property
    def id(self) -> str:
        """16 hex digits, which lists show and revoke() takes."""
        return self.key[:TOKEN_ID].hex()

    @property
    def alias_id(self) -> int:
        """The id of the alias in the token's path; 0 if the path begins with none."""
        first = self.path.split("/")[1]
        return int(first) if first.isdigit() else 0

    @property
    def expires(self) -> datetime:
        """The moment from which the token is refused, aware."""
        return self.created + self.lifetime

    def alive_for(self, now: datetime, client: str) -> bool:
        """Whether `client` may download anything at `now`; at the moment `expires` it may not.

        The clock of the node that made the token may be a little ahead of the one that is asked.
        """
        if not self.created - 2 * LEFT_ALONE <= now < self.expires:
            return False
        under_way = self._downloads.get(client)
        return not self._exhausted or (under_way is not None and under_way.unfinished(now))

    def use(self, now: datetime, client: str, pieces: Sequence[Piece], size: int) -> int | None:
        """Count `pieces` that `client` is about to be sent of a file of `size` bytes.

        Returns the number of the use that they belong to, which take_back() takes, or 0 where uses are not
        limited.  None: they may not be sent.
        """
        if not self.alive_for(now, client):
            return None
        self.last_used = now
        if self.max_uses is None:
            self.uses += 1
            return 0
        under_way = self._downloads.get(client)
        if under_way is None or under_way.size != size or not under_way.allows(pieces, now):
            if self._exhausted:
                return None
            self.uses += 1
            under_way = ClientDownload(self.uses, size, now)
        self._downloads = {**self._downloads, client: under_way.give(pieces, now)}
        return under_way.use

    def take_back(self, now: datetime, client: str, use: int, unsent: Piece, in_flight: int) -> None:
        """`unsent` of what use() counted was not sent, and `in_flight` bytes before it may be lost."""
        under_way = self._downloads.get(client)
        if under_way is not None and under_way.use == use:
            self._downloads = {**self._downloads, client: under_way.take_back(unsent, in_flight, now)}

    @property
    def _exhausted(self) -> bool:
        return self.max_uses is not None and self.uses >= self.max_uses
