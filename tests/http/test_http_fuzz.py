"""Whatever the OpenAPI document allows to ask, and much that it does not, is answered as it says, and never with a 500."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.http.fuzzed import Installation, installation, schemathesis
from tests.http.table import Operation, operations
from tests.support import chance
from tests.support.services import numbered_database
from triggers.local.postgres import PostgresServer

from schemathesis.checks import not_a_server_error  # isort: skip
from schemathesis.specs.openapi.checks import (  # isort: skip
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
pytestmark = pytest.mark.hypothesis

FEW = 6
"""Questions to each operation. `make fuzz` asks far more, and other ones each time."""
UNENDING = "/api/status/stream"
"""It ends when the caller has enough, whatever is asked; the pages' tests read it."""
ENDLESS = ("/api/jobs/{job_id}/events/stream",)
"""The stream of a job that is there ends when the caller has enough; test_http_events.py reads it."""
BEFORE_US = "Invalid HTTP request received."
"""What uvicorn says to what is no HTTP, such as an address of 64 KB: no app has seen it."""

CREDENTIALS = {"Authorization", "X-API-Key"}
"""Made up for some cases; ours beside them would be two, and all that is told then is that one is enough."""

rounds = settings(
    max_examples=chance.EXAMPLES or FEW,
    phases=(Phase.generate,) if chance.FIXED else (Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def asked(
    postgres_server: PostgresServer, postgres_admin: psycopg.Connection, azurite: str
) -> Iterator[Installation]:
    with (
        numbered_database(postgres_server, postgres_admin) as dsn,
        installation(dsn, azurite) as found,
    ):
        yield found


def cases(asked: Installation, operation: Operation) -> st.SearchStrategy:
    """What fits the document and what does not, for names that exist and for others."""
    described = asked.schema[operation.path][operation.method]
    known = {} if operation.path in ENDLESS else asked.known
    here = {name: known[name] for name in operation.parameters if name in known}

    def named(case, names):
        for credential in CREDENTIALS & set(case.headers or ()):
            del case.headers[credential]
        if names is not None:
            case.path_parameters = {**(case.path_parameters or {}), **names}
        return case

    modes = [
        described.as_strategy(generation_mode=mode)
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
        if mode is schemathesis.GenerationMode.POSITIVE or _may_be_wrong(described)
    ]
    names = st.fixed_dictionaries({n: st.sampled_from(v) for n, v in here.items()})
    return st.builds(named, st.one_of(modes), st.none() | names if here else st.none())


def _may_be_wrong(described) -> bool:
    """Whether there is anything that can be given wrongly."""
    return bool(list(described.query) or list(described.body) or list(described.path_parameters))


@pytest.mark.parametrize(
    "operation", [each for each in operations() if each.path != UNENDING], ids=str
)
def test_whatever_is_asked_is_answered_as_the_document_says(
    asked: Installation, operation: Operation
) -> None:
    """R122, R132, R135: no 500, no status, media type or shape that is not described."""

    @rounds
    @given(case=cases(asked, operation))
    def ask(case) -> None:
        answer = case.call(
            base_url=asked.url, session=asked.session, headers={"X-API-Key": asked.key}, timeout=120
        )
        if answer.status_code == 400 and answer.text == BEFORE_US:
            return
        assert answer.status_code != 401, (
            "an operator asks, so that what lies behind the door is asked"
        )
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400 and operation.method != "HEAD":
            assert answer.headers["content-type"][0] == "application/problem+json"
            assert answer.json()["code"]

    ask()
