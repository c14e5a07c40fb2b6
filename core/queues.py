"""The queues by the names that stages, workers and dashboards use."""

from enum import StrEnum


class QueueName(StrEnum):
    """Control tasks, many short tasks, few long ones."""

    JOBS = "jobs"
    LIGHT = "tasks-light"
    HEAVY = "tasks-heavy"


LIGHT = QueueName.LIGHT
HEAVY = QueueName.HEAVY
