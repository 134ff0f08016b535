"""The closed vocabularies of code imports, and which state may follow which."""

from enum import Enum


class CodeImportMachineState(Enum):
    """What a machine is doing, as far as anybody may rely on it."""

    OFFLINE = 10  # runs no job
    ONLINE = 20  # takes jobs
    QUIESCING = 30  # finishes the jobs it has and takes no more


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

    STOPPED = 110  # its daemon was stopped in good order, or a person said so
    QUIESCED = 120  # a person asked it to quiesce, and its last job is done
    WATCHDOG = 210  # nothing was heard from it for too long


class CodeImportEventType(Enum):
    """What happened."""

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
    """What an item of an event tells; an ``OLD_`` item is the value before a change."""

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
    """Whether an import runs, and if not, who waits for whom.  Only REVIEWED ones have a job."""

    NEW = 1
    INVALID = 10
    REVIEWED = 20
    SUSPENDED = 30
    FAILING = 40  # too many failures in a row


class CodeImportJobState(Enum):
    """How far a job has come."""

    PENDING = 10  # waits for its due date and for a machine
    SCHEDULED = 20  # given to a machine that has not yet said it started
    RUNNING = 30


class CodeImportResultStatus(Enum):
    """How a job ended."""

    SUCCESS = 100
    SUCCESS_NOCHANGE = 110
    FAILURE = 200
    INTERNAL_FAILURE = 210  # the machine is to blame: no disk, no tool
    FAILURE_INVALID = 230  # no repository of that kind is there
    FAILURE_FORBIDDEN = 250  # it wants credentials, or the URL is one we do not follow
    RECLAIMED = 310  # the machine fell silent or went offline
    KILLED = 320  # a person ended it

    @property
    def succeeded(self) -> bool:
        return self in _SUCCESSES

    @property
    def blames_import(self) -> bool:
        """Whether it counts towards FAILING.  What a machine or a person did does not."""
        return self in _FAILURES


_SUCCESSES = frozenset({CodeImportResultStatus.SUCCESS, CodeImportResultStatus.SUCCESS_NOCHANGE})
_FAILURES = frozenset(
    {
        CodeImportResultStatus.FAILURE,
        CodeImportResultStatus.FAILURE_INVALID,
        CodeImportResultStatus.FAILURE_FORBIDDEN,
    }
)
