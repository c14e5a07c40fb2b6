"""Calls to URLs of users, against real servers on loopback: pinned, limited in time and size, and never led astray."""

import socket
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network

import pytest

from core.guard import Unreachable, UrlRefused, UrlRules
from infrastructure.calling import GuardedCaller
from tests.support.target import Reply, Target, certified, serving
from triggers.local import ports

HERE = (ip_network("127.0.0.1/32"),)
RULES = UrlRules(plain_http=True, networks=HERE)
HOST = "hooks.example.com"


@pytest.fixture
def target() -> Iterator[Target]:
    with serving() as target:
        yield target


@pytest.fixture
def named(monkeypatch) -> Callable[..., list[str]]:
    """Lets names lead to these addresses, the next at each look-up; the look-ups so far."""

    def name(*addresses: str) -> list[str]:
        asked: list[str] = []

        def look_up(host, port, *_, **__):
            if host.replace(".", "").isdigit():  # an address is its own
                found = host
            else:
                found = addresses[min(len(asked), len(addresses) - 1)]
                asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return name


def post(url: str, caller: GuardedCaller | None = None, **more):
    return (caller or GuardedCaller(RULES)).call("POST", url, {"X-One": "1"}, b"{}", **more)


def test_a_call_brings_headers_body_and_the_begin_of_the_answer(target):
    target.reply = Reply(201, {"Retry-After": "7"}, b"x" * 5000)
    answer = post(target.url("/in?a=1"))
    (asked,) = target.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/in?a=1", b"{}")
    assert (asked.headers["x-one"], asked.headers["host"]) == ("1", f"127.0.0.1:{target.port}")
    assert (answer.status, answer.headers["retry-after"]) == (201, "7")
    assert answer.body == b"x" * 1024


def test_loopback_is_refused_unless_a_setting_allows_it(target):
    """R123."""
    for rules in (UrlRules(), UrlRules(plain_http=True), UrlRules(ports=frozenset({target.port}))):
        with pytest.raises(UrlRefused):
            post(target.url(), GuardedCaller(rules))
        with pytest.raises(UrlRefused):
            GuardedCaller(rules).check(target.url())
    assert target.asked == []


def test_a_name_is_looked_up_once_and_the_line_goes_to_what_was_checked(target, named):
    """R123, DNS rebinding: at the second look-up the name would lead to where the guard forbids."""
    with serving("127.0.0.2") as inside:
        asked = named("127.0.0.1", "127.0.0.2")
        assert post(target.url(host=HOST)).status == 200
        assert asked == [HOST]
        assert target.asked[0].headers["host"] == f"{HOST}:{target.port}"
        named("127.0.0.2", "127.0.0.1")
        with pytest.raises(UrlRefused):
            post(inside.url(host=HOST))
        assert inside.asked == []


def test_each_call_looks_and_checks_anew(target, named):
    """A name that was harmless when the webhook was registered may not be so any more."""
    caller = GuardedCaller(RULES)
    named("127.0.0.1", "10.0.0.1")
    caller.check(target.url(host=HOST))
    with pytest.raises(UrlRefused):
        post(target.url(host=HOST), caller)


def test_a_redirect_is_an_answer_and_is_not_followed(target):
    """Fault 50, R123: to the metadata of the cloud, or anywhere."""
    target.reply = Reply(302, {"Location": "http://169.254.169.254/latest/meta-data/"})
    assert post(target.url()).status == 302
    assert len(target.asked) == 1


def test_a_redirect_that_may_be_followed_meets_the_guard_again(target):
    """R123."""
    target.reply = lambda asked: (
        Reply(200, {}, b"there") if asked.path == "/b" else Reply(307, {"Location": "/b"})
    )
    assert post(target.url("/a"), redirects=1).body == b"there"
    for leads in ("http://169.254.169.254/", "http://10.0.0.1/", "file:///etc/passwd"):
        target.reply = Reply(302, {"Location": leads})
        with pytest.raises(UrlRefused):
            post(target.url(), redirects=3)
    target.reply = Reply(302, {"Location": "/again"})
    assert post(target.url(), redirects=3).status == 302


def test_a_target_that_is_down_or_unknown_is_unreachable(named):
    with pytest.raises(Unreachable):
        post(f"http://127.0.0.1:{ports.free()}/")
    with pytest.raises(Unreachable, match="not found"):
        post("http://nobody.invalid/")
    GuardedCaller(RULES).check("http://nobody.invalid/")  # it may be found later


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_target_that_drips_is_cut_off(tls):
    """Fault 50: a byte now and then resets every timeout but that of the whole."""
    both = certified("127.0.0.1") if tls else None
    with serving(tls=both.server if both else None) as target:
        caller = GuardedCaller(RULES, seconds=1.5, tls=both.client if both else None)
        target.reply = Reply(drip=0.05, head_drips=True)
        began = time.monotonic()
        with pytest.raises(Unreachable, match="in time"):
            post(target.url(), caller)
        target.reply = Reply(202, body=b"x" * 1000, drip=0.05)
        patient = GuardedCaller(RULES, seconds=10, tls=both.client if both else None)
        answer = post(target.url(), patient)
        assert answer.status == 202, "the status has come: the target has it"
        assert 0 < len(answer.body) < 1000
        assert time.monotonic() - began < 45, "whole, it would drip for fifty seconds"


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_target_that_takes_the_call_and_says_nothing_is_cut_off(secure):
    """Also while TLS is being agreed on."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(Unreachable, match="in time"):
            post(f"http{'s' * secure}://127.0.0.1:{port}/", GuardedCaller(RULES, seconds=0.3))


def test_what_is_not_http_is_unreachable(target):
    target.reply = Reply(200, {f"X-{n}": "1" for n in range(200)})
    with pytest.raises(Unreachable):
        post(target.url())


def test_tls_proves_the_name_though_the_line_goes_to_an_address(named):
    both = certified(HOST)
    rules = UrlRules(networks=HERE)
    with serving(tls=both.server) as target:
        named("127.0.0.1")
        caller = GuardedCaller(rules, tls=both.client)
        assert post(target.url(host=HOST), caller).status == 200
        assert target.asked[0].headers["host"] == f"{HOST}:{target.port}"
        with pytest.raises(Unreachable, match="certificate"):
            post(target.url(host="other.example.com"), caller)
        with pytest.raises(Unreachable, match="certificate"):
            post(target.url(host=HOST), GuardedCaller(rules))


def test_no_proxy_of_the_environment_is_used(target, monkeypatch):
    """A proxy would look the name up again, behind the guard."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{ports.free()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{ports.free()}")
    assert post(target.url()).status == 200
