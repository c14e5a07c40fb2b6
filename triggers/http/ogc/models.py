"""What OGC API - Processes 1.0 says: the documents of its part 1."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from core.insights.views import Moment
from core.states import JobStatus

JSON = "application/json"
SPEC = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"
REL = "http://www.opengis.net/def/rel/ogc/1.0"


class Document(BaseModel):
    """A document of the standard."""

    model_config = ConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )


class Link(Document):
    """Where something is found, and what it is to the document that names it."""

    href: str
    rel: str
    type: str = JSON
    title: str = ""


class Landing(Document):
    """The entrance."""

    title: str
    description: str
    links: list[Link]


class Conformance(Document):
    """The parts of the standard that are kept."""

    conforms_to: list[str]


class Summary(Document):
    """A process in a list."""

    id: str
    title: str
    description: str
    version: str = "1.0.0"
    job_control_options: list[str] = ["sync-execute", "async-execute", "dismiss"]
    output_transmission: list[str] = ["value", "reference"]
    links: list[Link]


class Summaries(Document):
    """A page of processes."""

    processes: list[Summary]
    links: list[Link]


class Input(Document):
    """A parameter of a process."""

    title: str
    description: str = ""
    schema_: dict[str, Any] = Field(alias="schema")
    min_occurs: int
    max_occurs: int = 1


class Output(Document):
    """What a process gives."""

    title: str
    description: str = ""
    schema_: dict[str, Any] = Field(alias="schema")


class Process(Summary):
    """A process with its inputs and outputs."""

    inputs: dict[str, Input]
    outputs: dict[str, Output]


class Transmission(StrEnum):
    """How a result is handed over: as it is, or as a link."""

    VALUE = "value"
    REFERENCE = "reference"


class Wanted(Document):
    """What is asked of an output."""

    transmission_mode: Transmission = Transmission.VALUE
    format: dict[str, Any] | None = None


class Execute(BaseModel):
    """A request to run a process."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    inputs: dict[str, Any] = {}
    outputs: dict[str, Wanted] = {}
    response: Literal["raw", "document"] = "raw"
    subscriber: dict[str, Any] | None = None
    """Not supported: webhooks tell of every job."""


class Status(StrEnum):
    """Where a job stands, in the words of the standard."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"


STATUS = {
    JobStatus.QUEUED: Status.ACCEPTED,
    JobStatus.PROCESSING: Status.RUNNING,
    JobStatus.PAUSED: Status.RUNNING,
    JobStatus.COMPLETED: Status.SUCCESSFUL,
    JobStatus.COMPLETED_WITH_ERRORS: Status.SUCCESSFUL,
    JobStatus.FAILED: Status.FAILED,
    JobStatus.CANCELLED: Status.DISMISSED,
}


class StatusInfo(Document):
    """Where a job stands."""

    job_id: str = Field(validation_alias="job_id", serialization_alias="jobID")
    process_id: str = Field(validation_alias="process_id", serialization_alias="processID")
    type: Literal["process"] = "process"
    status: Status
    message: str
    created: Moment
    started: Moment | None = None
    finished: Moment | None = None
    updated: Moment
    progress: int | None = None
    links: list[Link]


class Jobs(Document):
    """A page of jobs."""

    jobs: list[StatusInfo]
    links: list[Link]
