"""Errors that the standard names by addresses of its own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from core.errors import BadInput, CoreMachineError, JobNotFound, ResultNotReady, UnknownJobType

EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"


class NoSuchProcess(CoreMachineError):
    """No process has that id."""

    code, status = "no_such_process", 404
    about = f"{EXCEPTIONS}/no-such-process"


class NoSuchJob(CoreMachineError):
    """No job has that id."""

    code, status = "no_such_job", 404
    about = f"{EXCEPTIONS}/no-such-job"


class NotReady(CoreMachineError):
    """The job has no result yet."""

    code, status = "result_not_ready", 404
    about = f"{EXCEPTIONS}/result-not-ready"


class BadExecution(BadInput):
    """The request to run a process is not one that this service understands."""

    code, status = "bad_execution", 400


@contextmanager
def standard() -> Generator[None]:
    """Our errors, by the names that the standard has for them."""
    try:
        yield
    except UnknownJobType as error:
        raise NoSuchProcess(str(error)) from error
    except JobNotFound as error:
        raise NoSuchJob(str(error)) from error
    except ResultNotReady as error:
        raise NotReady(str(error)) from error
