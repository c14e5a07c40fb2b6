"""The orchestrator: jobs, stages, tasks, and the machine that moves them."""

from core.admission.terms import Concurrency
from core.blobs import BlobRef
from core.context import Context
from core.decorators import fan_in, fan_out, gate, single
from core.errors import BadInput, RetryLater
from core.job import JobBase
from core.queues import HEAVY, LIGHT
from core.results import Failure, Results
from core.schedules.schedule import CatchUp, Overlap, Schedule
from core.stages import FAIL, Decision, Retry, keep_going, minutes

__all__ = [
    "FAIL",
    "HEAVY",
    "LIGHT",
    "BadInput",
    "BlobRef",
    "CatchUp",
    "Concurrency",
    "Context",
    "Decision",
    "Failure",
    "JobBase",
    "Overlap",
    "Results",
    "Retry",
    "RetryLater",
    "Schedule",
    "fan_in",
    "fan_out",
    "gate",
    "keep_going",
    "minutes",
    "single",
]
