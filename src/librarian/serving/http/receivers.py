"""What takes the body of a request: the byte store, or a parser of forms that puts their files there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from librarian.serving.http.bodies import Receiving
from librarian.serving.http.environ import fields_by_variable
from librarian.serving.http.heads import Head
from librarian.store.interfaces import IByteStore
from librarian.web.requests.form_files import FormReceiving, is_form_with_files
from librarian.web.requests.promises import promised_hashes


@dataclass(frozen=True)
class Bodies:
    """Where the bodies of one endpoint go.

    `takes_forms`: the body of a POST may be a form; elsewhere it is a file, whatever its type.
    """

    store: IByteStore
    takes_forms: bool = False

    def receiver(self, head: Head) -> Callable[[int | None], Receiving]:
        """What is called, in a disk thread, with the declared size in bytes or None."""
        if not (self.takes_forms and head.method == "POST"):
            return self.store.receive
        fields = fields_by_variable(head.meaning.fields)
        if not is_form_with_files(fields):
            return self.store.receive
        return partial(FormReceiving, self.store, fields["CONTENT_TYPE"], promised_hashes(fields))
