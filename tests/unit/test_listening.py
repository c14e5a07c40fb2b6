"""Without identity a process listens on loopback, or not at all."""

import pytest

from triggers.devhost.settings import CannotStart, check_identity
from triggers.http.door.loopback import refuse_other_sites
from triggers.listening import Mode, UnsafeAddress, is_ours, mode_for

OUTSIDE = ["0.0.0.0", "::", "192.0.2.1", "", "no.such.host.invalid"]  # noqa: S104 - what is refused
OURS = ["127.0.0.1", "localhost", "::1", "127.0.0.53"]


@pytest.mark.parametrize("host", OUTSIDE)
@pytest.mark.parametrize("given", [None, "local"])
def test_nobody_listens_to_the_network_without_identity(host: str, given: str | None) -> None:
    with pytest.raises(UnsafeAddress, match="CM_IDENTITY=required"):
        mode_for(given, has_issuer=False, host=host)


@pytest.mark.parametrize("host", OURS)
def test_loopback_is_open_to_this_machine(host: str) -> None:
    assert mode_for(None, has_issuer=False, host=host) is Mode.LOCAL


@pytest.mark.parametrize("host", [*OUTSIDE, *OURS, None])
def test_what_is_said_holds(host: str | None) -> None:
    assert mode_for("required", has_issuer=False, host=host) is Mode.REQUIRED
    assert mode_for("open", has_issuer=False, host=host) is Mode.OPEN
    assert mode_for(None, has_issuer=True, host=host) is Mode.REQUIRED


def test_where_a_platform_listens_nobody_is_answered_before_somebody_says_who_may() -> None:
    assert mode_for(None, has_issuer=False, host=None) is Mode.UNDECIDED
    assert mode_for("local", has_issuer=False, host=None) is Mode.LOCAL


def test_a_name_that_means_two_machines_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("127.0.0.1", 0)), (2, 1, 6, "", ("192.0.2.1", 0))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **more: found)
    assert not is_ours("both")


def test_a_development_host_tells_its_app_that_it_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CM_IDENTITY", "")
    monkeypatch.delenv("CM_ENTRA_TENANT", raising=False)
    check_identity("127.0.0.1")
    assert mode_for(_said(), has_issuer=False, host=None) is Mode.LOCAL


@pytest.mark.parametrize("said", ["", "local"])
def test_a_development_host_does_not_listen_to_the_network(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("CM_IDENTITY", said)
    with pytest.raises(CannotStart, match="CM_IDENTITY"):
        check_identity("0.0.0.0")  # noqa: S104 - what is refused
    monkeypatch.setenv("CM_IDENTITY", "required")
    check_identity("0.0.0.0")  # noqa: S104 - allowed, since callers are known
    assert _said() == "required"


def _said() -> str:
    import os  # noqa: PLC0415

    return os.environ["CM_IDENTITY"]


def test_a_reading_page_of_another_site_is_stopped_by_the_browser_alone() -> None:
    refuse_other_sites("GET", {"origin": "https://evil.example.org", "host": "localhost"})
