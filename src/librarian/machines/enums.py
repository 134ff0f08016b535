"""The enumerations of code imports, and the transitions between the states of a machine."""

from enum import Enum


class CodeImportMachineState(Enum):
    """Whether a machine gets jobs."""

    OFFLINE = 10  # has no jobs
    ONLINE = 20  # gets jobs
    QUIESCING = 30  # finishes the jobs it has and gets no more


TRANSITIONS = {
    CodeImportMachineState.OFFLINE: frozenset({CodeImportMachineState.ONLINE}),
    CodeImportMachineState.ONLINE: frozenset(
        {CodeImportMachineState.OFFLINE, CodeImportMachineState.QUIESCING}
    ),
    CodeImportMachineState.QUIESCING: frozenset(
        {CodeImportMachineState.OFFLINE, CodeImportMachineState.ONLINE}
    ),
}


class CodeImportMachineOfflineReason(Enum):
    """Why a machine went offline."""

    STOPPED = 110  # its daemon stopped in good order, or a person set it OFFLINE
    QUIESCED = 120  # it was QUIESCING, and its last job ended
    WATCHDOG = 210  # it gave no sign of life for too long


class CodeImportEventType(Enum):
    """The kinds of events."""

    CREATE = 110
    MODIFY = 120
    DELETE = 130
    START = 210
    FINISH = 220
    PUBLISH = 230  # a new bundle became the import's own
    RECLAIM = 240
    REQUEST = 310
    KILL = 320
    ONLINE = 410
    OFFLINE = 420
    QUIESCE = 430
    CORDON = 440
    UNCORDON = 450


class CodeImportEventDataType(Enum):
    """The kinds of details of an event; an ``OLD_`` one is the value before a change."""

    MESSAGE = 10
    CODE_IMPORT = 110
    OWNER = 210
    OLD_OWNER = 211
    REVIEW_STATUS = 220
    OLD_REVIEW_STATUS = 221
    ASSIGNEE = 230
    OLD_ASSIGNEE = 231
    UPDATE_INTERVAL = 240
    OLD_UPDATE_INTERVAL = 241
    URL = 320
    OLD_URL = 321
    OFFLINE_REASON = 410
    RECLAIMED_JOB_ID = 510


class RevisionControlSystem(Enum):
    """The kinds of repository an import can read."""

    GIT = "git"
    HG = "hg"
    SVN = "svn"


class CodeImportReviewStatus(Enum):
    """Whether an import runs: only REVIEWED ones have a job."""

    NEW = 1
    INVALID = 10
    REVIEWED = 20
    SUSPENDED = 30
    FAILING = 40  # too many failures in a row


class CodeImportJobState(Enum):
    """The progress of a job."""

    PENDING = 10  # in the queue until its due date, and until a machine polls
    SCHEDULED = 20  # given to a machine that has not started it
    RUNNING = 30


class CodeImportResultStatus(Enum):
    """The end of a job: success, or the kind of failure."""

    SUCCESS = 100
    SUCCESS_NOCHANGE = 110
    FAILURE = 200
    INTERNAL_FAILURE = 210  # a fault of the machine: disk full, tool missing
    FAILURE_INVALID = 230  # there is no repository of that kind
    FAILURE_FORBIDDEN = 250  # it wants credentials, or the URL is not allowed
    RECLAIMED = 310  # the machine was silent or went OFFLINE
    KILLED = 320  # a person ended it

    @property
    def succeeded(self) -> bool:
        """Whether the import has what the repository has: a new bundle, or no change."""
        return self in _SUCCESSES

    @property
    def blames_import(self) -> bool:
        """Whether it counts towards FAILING; the acts of a machine or a person do not."""
        return self in _FAILURES


_SUCCESSES = frozenset({CodeImportResultStatus.SUCCESS, CodeImportResultStatus.SUCCESS_NOCHANGE})
_FAILURES = frozenset(
    {
        CodeImportResultStatus.FAILURE,
        CodeImportResultStatus.FAILURE_INVALID,
        CodeImportResultStatus.FAILURE_FORBIDDEN,
    }
)
