"""The functions of an app by what triggers them."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from triggers.devhost.schedule import Schedule
from triggers.devhost.settings import CannotStart, connection, is_disabled, resolve

log = logging.getLogger(__name__)

_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class HttpFunction:
    """Runs on a request to its route."""

    name: str
    id: str
    argument: str
    route: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class QueueFunction:
    """Runs on each message of a Service Bus queue."""

    name: str
    id: str
    argument: str
    queue: str


@dataclass(frozen=True)
class TimerFunction:
    """Runs on a schedule."""

    name: str
    id: str
    argument: str
    schedule: Schedule
    on_startup: bool


Function = HttpFunction | QueueFunction | TimerFunction


def functions_of(metadata: Iterable[Any], settings: Mapping[str, str]) -> list[Function]:
    """What there is to run. A function that lacks a setting is left out and logged, as the host does it."""
    return list(_startable(metadata, settings))


def _startable(metadata: Iterable[Any], settings: Mapping[str, str]) -> Iterator[Function]:
    for record in metadata:
        if is_disabled(record.name, settings):
            log.info("function %s is disabled by an app setting", record.name)
            continue
        try:
            yield _function(record, settings)
        except CannotStart as error:
            log.error("function %s is not started: %s", record.name, error)  # noqa: TRY400 - it names the cause


def _function(record: Any, settings: Mapping[str, str]) -> Function:
    trigger = next(b for b in map(json.loads, record.raw_bindings) if b["type"].endswith("Trigger"))
    identity = (record.name, record.function_id, trigger["name"])
    match trigger["type"]:
        case "httpTrigger":
            return HttpFunction(*identity, _route(record.name, trigger), _methods(trigger))
        case "serviceBusTrigger" if "queueName" in trigger:
            connection(trigger["connection"], settings)
            return QueueFunction(*identity, resolve(trigger["queueName"], settings))
        case "timerTrigger":
            schedule = Schedule.parse(resolve(trigger["schedule"], settings))
            return TimerFunction(*identity, schedule, bool(trigger.get("runOnStartup")))
        case other:
            raise CannotStart(f"this host does not know the trigger {other}")


def _route(name: str, trigger: Mapping[str, Any]) -> str:
    route: str = trigger.get("route") or name
    if route.startswith("/"):
        raise CannotStart(
            f"the route {route!r} begins with a slash, which the Functions host refuses"
        )
    if route.split("/")[0].lower() == "admin":
        raise CannotStart(
            f"the route {route!r} begins with admin, which the Functions host keeps for itself"
        )
    return route


def _methods(trigger: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(method.upper() for method in trigger.get("methods") or _ALL_METHODS)
