"""What a host reads before it starts an app: the app settings and host.json."""

import json
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from triggers.listening import is_ours

_PLACEHOLDER = re.compile(r"%([^%]+)%")


class CannotStart(Exception):
    """The host cannot run this app. The message says what to change."""


class _Section(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class RetryOptions(_Section, extra="forbid"):
    """`clientRetryOptions`: how the extension itself talks to Service Bus."""

    mode: Literal["fixed", "exponential", "Fixed", "Exponential"] = "exponential"
    try_timeout: timedelta = timedelta(minutes=1)
    delay: timedelta = timedelta(seconds=0.8)
    max_delay: timedelta = timedelta(minutes=1)
    max_retries: int = 3


class ServiceBusOptions(_Section, extra="forbid"):
    """Every option of the Service Bus extension 5.x. It ignores others, nested ones too, without a word."""

    auto_complete_messages: bool = True
    max_auto_lock_renewal_duration: timedelta = timedelta(minutes=5)
    max_concurrent_calls: int = Field(default=16, ge=1)
    max_concurrent_sessions: int = Field(default=8, ge=1)
    max_concurrent_calls_per_session: int = Field(default=1, ge=1)
    max_message_batch_size: int = 1000
    min_message_batch_size: int = 1
    max_batch_wait_time: timedelta = timedelta(seconds=30)
    session_idle_timeout: timedelta | None = None
    prefetch_count: int = Field(default=0, ge=0)
    transport_type: Literal["amqpTcp", "amqpWebSockets"] = "amqpTcp"
    web_proxy: str | None = None
    enable_cross_entity_transactions: bool = False
    client_retry_options: RetryOptions = RetryOptions()


class HttpOptions(_Section, extra="forbid"):
    """The options of HTTP triggers."""

    route_prefix: str = "api"
    max_outstanding_requests: int = 200
    max_concurrent_requests: int = 100
    dynamic_throttles_enabled: bool = False
    hsts: dict[str, object] = {}
    custom_headers: dict[str, str] = {}


class Extensions(_Section):
    """The extensions this host knows; the options of others are passed over."""

    http: HttpOptions = HttpOptions()
    service_bus: ServiceBusOptions = ServiceBusOptions()


class HostConfig(_Section):
    """host.json, as far as this host honours it."""

    version: Literal["2.0"]
    function_timeout: timedelta = timedelta(minutes=5)
    extensions: Extensions = Extensions()


def read_host_json(app: Path) -> HostConfig:
    """The host.json of an app; an option the Service Bus extension would ignore is refused."""
    file = app / "host.json"
    try:
        return HostConfig.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise CannotStart(
            f"There is no {file}. A function app needs at least {{'version': '2.0'}}."
        ) from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise CannotStart(f"{file} is not what the host understands: {wrong}") from None


def app_settings(app: Path) -> Mapping[str, str]:
    """The environment, filled up from local.settings.json as `func start` does it."""
    file = app / "local.settings.json"
    environment = os.environ  # noqa: TID251 - a host's settings are the environment it gives its app
    if file.exists():
        for name, value in json.loads(file.read_bytes()).get("Values", {}).items():
            environment.setdefault(name, str(value))
    return environment


def check_identity(host: str) -> None:
    """An app cannot know where its host listens, so the host tells it that this is loopback, or does not listen."""
    environment = os.environ  # noqa: TID251 - as above
    said = environment.get("CM_IDENTITY") or (
        "required" if environment.get("CM_ENTRA_TENANT") else None
    )
    if is_ours(host):
        environment["CM_IDENTITY"] = said or "local"
    elif said in (None, "local"):
        raise CannotStart(f"{host} can be reached from outside; set CM_IDENTITY=required, or open")


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Put app settings in the place of their names between percent signs."""
    return _PLACEHOLDER.sub(lambda name: _setting(name[1], settings), text)


def connection(name: str, settings: Mapping[str, str]) -> str:
    """The app setting a binding's `connection` names, under the names the host looks for."""
    for known in (f"AzureWebJobs{name}", name, f"{name}__fullyQualifiedNamespace"):
        if settings.get(known):
            return settings[known]
    raise CannotStart(f"the app setting {name} is missing; set it to a connection string")


def is_disabled(function: str, settings: Mapping[str, str]) -> bool:
    """Whether an app setting switches the function off."""
    names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
    return any(settings.get(name, "").lower() in {"true", "1"} for name in names)


def _setting(name: str, settings: Mapping[str, str]) -> str:
    if name not in settings:
        raise CannotStart(f"the app setting {name} is missing; %{name}% does not resolve")
    return settings[name]
