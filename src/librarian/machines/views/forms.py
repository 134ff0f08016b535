"""The forms of the pages of machines and imports."""

from datetime import timedelta
from typing import Any, ClassVar

from wtforms import SelectChoice
from wtforms.fields import BooleanField, HiddenField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from librarian.machines.enums import CodeImportReviewStatus, RevisionControlSystem
from librarian.machines.interfaces import (
    BadCodeImport,
    CodeImportExists,
    MachineCordoned,
    MachinePinned,
    NoCordonReason,
    NotCordoned,
    NotRequestable,
    WrongMachineState,
)
from librarian.machines.views.description import title
from librarian.quantities import parse_duration
from librarian.web.forms import PageForm, readable, sentence

_PLAIN = {"autocapitalize": "none"}


class StateForm(PageForm):
    """The next state of a machine, which each button sends."""

    blames: ClassVar = {WrongMachineState: "", MachineCordoned: "", MachinePinned: ""}

    state = HiddenField()
    message = StringField("Reason", [Length(max=500)])

    def blame(self, error: Exception) -> None:
        """A person is told of the state that the machine has by now."""
        super().blame(error)
        if isinstance(error, WrongMachineState):
            self.problem = (
                f"{error.hostname} is {title(error.state.name)} by now and was not set"
                f" {title(self.state.data)}. This page shows its present state."
            )


class CordonForm(PageForm):
    """A cordon, with what the other operators are to know."""

    blames: ClassVar = {NoCordonReason: "reason", MachineCordoned: ""}

    reason = StringField("Give it no jobs, because", [DataRequired("Say why."), Length(max=500)])


class ButtonForm(PageForm):
    """A button alone: to lift a cordon, to forget a machine, to request or to end a job."""

    blames: ClassVar = {NotCordoned: "", WrongMachineState: "", NotRequestable: ""}


class SourceForm(PageForm):
    """Where an import is fetched from, and how often."""

    blames: ClassVar = {BadCodeImport: "", CodeImportExists: "name"}

    url = StringField(
        "URL", [DataRequired("Where is it fetched from?"), Length(max=2000)], render_kw={"size": 60, **_PLAIN}
    )
    update_interval = StringField(
        "Fetched every", [readable(parse_duration)], default="6h", description="Such as 90m, 6h or 7d"
    )

    def blame(self, error: Exception) -> None:
        """Such a refusal names its field."""
        if isinstance(error, BadCodeImport) and error.field in self:
            self[error.field].errors = [sentence(ValueError(error.why))]
        else:
            super().blame(error)


class ChangeForm(SourceForm):
    """What can be changed of an import."""

    owner = StringField("Owner", [DataRequired("A name is needed.")], render_kw=_PLAIN)
    assignee = StringField("Looked after by", render_kw=_PLAIN)
    review_status = SelectField(
        "Status",
        choices=[SelectChoice(one.name, title(one.name)) for one in CodeImportReviewStatus],
        validate_choice=False,
    )


class AddForm(SourceForm):
    """A new import."""

    name = StringField("Name", [DataRequired("A name is needed."), Length(max=100)], render_kw=_PLAIN)
    rcs_type = SelectField(
        "Kind",
        choices=[SelectChoice(kind.name, kind.name.lower()) for kind in RevisionControlSystem],
        validate_choice=False,
    )
    private = BooleanField(
        "Private: only people with a link or a right may download it", render_kw={"value": "yes"}
    )
    review_status = BooleanField(
        "Reviewed: start at once", default=True, render_kw={"value": CodeImportReviewStatus.REVIEWED.name}
    )


def change_form(code_import: Any) -> ChangeForm:
    """The form with the present values of an import."""
    interval, unit = code_import.update_interval, timedelta(seconds=1)
    units = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": unit}
    letter, unit = next((each for each in units.items() if not interval % each[1]), ("s", unit))
    return ChangeForm(
        data={
            "url": code_import.url,
            "owner": code_import.owner,
            "assignee": code_import.assignee,
            "update_interval": f"{interval // unit}{letter}",
            "review_status": code_import.review_status.name,
        }
    )
