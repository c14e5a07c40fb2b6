"""What clients send as inputs, as the parameters of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from core.blobs import BlobRef
from core.errors import BadInput
from triggers.http.ogc.describing import RESULT
from triggers.http.ogc.errors import BadExecution
from triggers.http.ogc.models import Execute

QUALIFIED = {"value", "mediaType", "encoding", "schema", "format"}
REFERENCE = {"href", "type", "rel", "hreflang", "title"}


def parameters_of(request: Execute) -> dict[str, Any]:
    """Inputs, unpacked; a request for what this service does not do is refused by name."""
    if unknown := [name for name in request.outputs if name != RESULT]:
        raise BadExecution(f"There is no output {unknown[0]!r}; the only one is {RESULT!r}.")
    if request.subscriber is not None:
        raise BadExecution("Callbacks are not supported here; register a webhook instead.")
    return {name: _value(name, given) for name, given in request.inputs.items()}


def _value(name: str, given: Any) -> Any:
    if isinstance(given, list):
        return [_value(name, each) for each in cast(list[Any], given)]
    if not isinstance(given, dict):
        return given
    told = cast(Mapping[str, Any], given)
    if "value" in told and told.keys() <= QUALIFIED:
        return told["value"]
    if "bbox" in told and told.keys() <= {"bbox", "crs"}:
        return _box(name, told)
    if "href" in told and told.keys() <= REFERENCE:
        return _reference(name, str(told["href"]))
    return dict(told)


def _box(name: str, told: Mapping[str, Any]) -> Any:
    crs = str(told.get("crs", "CRS84"))
    if not crs.endswith("CRS84"):
        raise BadExecution(f"The box of input {name!r} is in {crs}; send it in CRS84.")
    return told["bbox"]


def _reference(name: str, href: str) -> str:
    """Only what lies in this storage is read by reference."""
    try:
        return BlobRef(href)
    except BadInput:
        raise BadExecution(
            f"Input {name!r} refers to {href[:200]}, which is no blob of this storage; "
            "upload it, and name it as zone/container/path."
        ) from None
