"""host.json against the options that the Functions host and its extensions really read."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from triggers.devhost.settings import CannotStart, ServiceBusOptions, read_host_json

ROOT = Path(__file__).parents[2]

# The settable properties of the class ServiceBusOptions of Microsoft.Azure.WebJobs.Extensions.ServiceBus
# 5.x, which bundle 4 carries. Whatever else stands under extensions.serviceBus is ignored in silence.
SERVICE_BUS_5 = {
    "autoCompleteMessages",
    "clientRetryOptions",
    "enableCrossEntityTransactions",
    "maxAutoLockRenewalDuration",
    "maxBatchWaitTime",
    "maxConcurrentCalls",
    "maxConcurrentCallsPerSession",
    "maxConcurrentSessions",
    "maxMessageBatchSize",
    "minMessageBatchSize",
    "prefetchCount",
    "sessionIdleTimeout",
    "transportType",
    "webProxy",
}
TOP_LEVEL = {
    "aggregator",
    "concurrency",
    "customHandler",
    "extensionBundle",
    "extensions",
    "functionTimeout",
    "functions",
    "healthMonitor",
    "logging",
    "managedDependency",
    "retry",
    "singleton",
    "telemetryMode",
    "version",
    "watchDirectories",
    "watchFiles",
}


@pytest.fixture
def host_json() -> dict[str, Any]:
    return json.loads((ROOT / "host.json").read_text())


def write(directory: Path, host_json: dict[str, Any]) -> Path:
    (directory / "host.json").write_text(json.dumps(host_json))
    return directory


def test_every_key_is_one_the_host_reads(host_json: dict[str, Any]) -> None:
    """R04: an option the extension does not know is an option that does nothing."""
    assert set(host_json) <= TOP_LEVEL
    assert set(host_json["extensions"]["serviceBus"]) <= SERVICE_BUS_5


def test_the_development_host_knows_the_same_options() -> None:
    aliases = {field.alias for field in ServiceBusOptions.model_fields.values()}
    assert aliases == SERVICE_BUS_5


def test_options_nested_as_in_the_old_extension_are_refused(
    host_json: dict[str, Any], tmp_path: Path
) -> None:
    """R04: the form of extension 2.x to 4.x, which 5.x ignores."""
    options = host_json["extensions"]["serviceBus"]
    host_json["extensions"]["serviceBus"] = {"messageHandlerOptions": options}
    with pytest.raises(CannotStart, match="messageHandlerOptions: Extra inputs"):
        read_host_json(write(tmp_path, host_json))


@pytest.mark.parametrize("old", ["autoComplete", "maxAutoRenewDuration", "MaxConcurrentCalls "])
def test_the_old_names_are_refused(host_json: dict[str, Any], tmp_path: Path, old: str) -> None:
    """R04: the names of extension 2.x to 4.x."""
    host_json["extensions"]["serviceBus"][old] = True
    with pytest.raises(CannotStart, match=old):
        read_host_json(write(tmp_path, host_json))


def test_a_lock_outlives_the_longest_function() -> None:
    config = read_host_json(ROOT)
    assert config.extensions.service_bus.max_auto_lock_renewal_duration > config.function_timeout


def test_the_timeout_is_one_that_every_plan_accepts() -> None:
    assert read_host_json(ROOT).function_timeout <= timedelta(minutes=10)


def test_nothing_is_prefetched_so_no_lock_runs_while_a_message_waits() -> None:
    assert read_host_json(ROOT).extensions.service_bus.prefetch_count == 0


def test_the_bundle_is_the_one_with_service_bus_5(host_json: dict[str, Any]) -> None:
    bundle = host_json["extensionBundle"]
    assert bundle["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert bundle["version"] == "[4.*, 5.0.0)"


def test_pages_stand_at_the_root_and_the_platform_shows_none_of_its_own(
    host_json: dict[str, Any],
) -> None:
    assert host_json["extensions"]["http"]["routePrefix"] == ""
    values = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
    assert values["AzureWebJobsDisableHomepage"] == "true"


def test_an_app_without_host_json_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"There is no .*host\.json"):
        read_host_json(tmp_path)


def test_the_example_settings_hold_no_secret_and_name_the_bindings_settings() -> None:
    values = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
    assert {"SERVICEBUS_CONNECTION_STRING", "CM_QUEUE_JOBS", "CM_QUEUE_LIGHT"} <= set(values)
    assert not [name for name, value in values.items() if "key" in str(value).lower()]
