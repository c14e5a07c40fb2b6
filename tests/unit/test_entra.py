"""Tokens of Microsoft Entra ID, from an issuer that serves its own keys: what is taken, and everything that is not."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import ServiceUnavailable, Unauthenticated
from core.identity import Kind, Role
from infrastructure.entra import LEEWAY, EntraTokens, Expected
from infrastructure.jwks import ASK_AGAIN, FRESH, KEPT, Jwks
from infrastructure.settings import Settings
from tests.support.issuer import APP, AUDIENCE, TENANT, USER, Issuer, issuing, rsa_key
from tests.support.waiting import eventually


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer on a busy machine is not away."""
    monkeypatch.setattr("infrastructure.jwks.PATIENCE", 120.0)


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    running.is_away, running.hold = False, None
    running.asked.clear()
    return running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(issuer: Issuer, clock: Clock) -> EntraTokens:
    return reader(issuer, clock)


def reader(issuer: Issuer, clock: Clock, **more: Any) -> EntraTokens:
    given = Settings(
        entra_tenant=TENANT, entra_audience=AUDIENCE, entra_authority=issuer.authority, **more
    )
    expected = Expected(given.issuers(), given.audiences(), given.roles())
    return EntraTokens(Jwks(given.keys_url(), clock=clock), expected)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def refusal(tokens: EntraTokens, token: str) -> str:
    """Refused, whether the keys are known already or not."""
    with pytest.raises(Unauthenticated) as refused:
        tokens.identify(token)
    with pytest.raises(Unauthenticated):
        tokens.recall(token)
    return str(refused.value)


def test_a_user_is_known_by_an_id_that_stays_and_a_name_to_read(
    tokens: EntraTokens, issuer: Issuer
) -> None:
    actor = tokens.identify(issuer.token("reader", "Approver"))
    assert (actor.kind, actor.role, actor.job_types) == (Kind.USER, Role.APPROVER, None)
    assert actor.name == f"user:{USER['oid']} ada@example.org"


def test_an_application_is_known_by_its_id(tokens: EntraTokens, issuer: Issuer) -> None:
    actor = tokens.identify(issuer.app_token("Submitter"))
    assert (actor.kind, actor.role) == (Kind.APP, Role.SUBMITTER)
    assert actor.name == f"app:{APP['azp']}"


def test_tokens_of_version_1_are_taken_too(tokens: EntraTokens, issuer: Issuer) -> None:
    old = {"iss": f"https://sts.windows.net/{TENANT}/", "azp": None, "ver": "1.0"}
    user = tokens.identify(
        issuer.token("reader", **old, appid="x", preferred_username=None, upn="ada@example.org")
    )
    assert user.name == f"user:{USER['oid']} ada@example.org"
    app = tokens.identify(issuer.app_token("reader", **old, idtyp=None, appid="nightly"))
    assert app.name == "app:nightly"


def test_roles_that_an_organisation_has_named_are_ours(issuer: Issuer, clock: Clock) -> None:
    tokens = reader(issuer, clock, entra_roles="Contoso.Admin=operator, Map.User=reader")
    assert tokens.identify(issuer.token("contoso.admin", "Map.User")).role is Role.OPERATOR
    assert tokens.identify(issuer.token("Map.User")).role is Role.READER


@pytest.mark.parametrize(
    "roles", [None, [], ["Owner"], "operator", {"operator": 1}, [["operator"]]]
)
def test_a_token_without_a_role_of_ours_gives_none(
    tokens: EntraTokens, issuer: Issuer, roles: object
) -> None:
    assert tokens.identify(issuer.token(roles=roles)).role is None


def test_a_name_cannot_break_a_line_of_the_audit(tokens: EntraTokens, issuer: Issuer) -> None:
    actor = tokens.identify(issuer.token(preferred_username="ada\nuser:2 \x1b[31m" + "x" * 500))
    assert "\n" not in actor.name
    assert "\x1b" not in actor.name
    assert len(actor.name) < 200


WRONG = {
    "expired": ({"exp": -LEEWAY - 5}, "expired"),
    "not yet good": ({"nbf": LEEWAY + 60}, "not good yet"),
    "from the future": ({"iat": LEEWAY + 60}, "not good yet"),
    "for another": ({"aud": "api://other"}, "aud"),
    "for nobody": ({"aud": None}, "aud"),
    "of another tenant": ({"iss": "https://login.microsoftonline.com/other/v2.0"}, "iss"),
    "of nobody": ({"iss": None}, "iss"),
    "without end": ({"exp": None}, "exp"),
    "an ID token": ({"scp": None}, "access token"),
    "an ID token with a nonce": ({"scp": None, "azp": None, "nonce": "n"}, "access token"),
}


@pytest.mark.parametrize(("claims", "reason"), WRONG.values(), ids=WRONG)
def test_a_token_that_is_not_for_us_now_is_refused(
    tokens: EntraTokens, issuer: Issuer, claims: dict[str, Any], reason: str
) -> None:
    now = issuer.claims()["iat"]
    moved = {n: v + now if isinstance(v, float) else v for n, v in claims.items()}
    assert reason in refusal(tokens, issuer.token("operator", **moved))


def test_clocks_may_differ_a_little(tokens: EntraTokens, issuer: Issuer) -> None:
    now = issuer.claims()["iat"]
    assert tokens.identify(issuer.token("reader", exp=now - LEEWAY + 25)).role is Role.READER
    assert tokens.identify(issuer.token("reader", nbf=now + LEEWAY - 5)).role is Role.READER


def test_a_token_without_signature_is_refused(tokens: EntraTokens, issuer: Issuer) -> None:
    claims = issuer.claims("operator")
    for alg in ("none", "None", "NONE"):
        head = segment({"alg": alg, "typ": "JWT", "kid": issuer.kid})
        assert "RS256" in refusal(tokens, f"{head}.{segment(claims)}.")
    good = issuer.token("operator")
    assert "signature" in refusal(tokens, good.rpartition(".")[0] + ".")


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    tokens: EntraTokens, issuer: Issuer
) -> None:
    """The confusion of HS256 with RS256: the public key is no secret."""
    head = segment({"alg": "HS256", "typ": "JWT", "kid": issuer.kid})
    signed = f"{head}.{segment(issuer.claims('operator'))}"
    mac = hmac.new(issuer.public_pem(), signed.encode(), hashlib.sha256).digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    assert "RS256" in refusal(tokens, forged)


def test_a_token_signed_by_another_key_under_a_known_name_is_refused(
    tokens: EntraTokens, issuer: Issuer
) -> None:
    assert "signature" in refusal(tokens, issuer.token("operator", key=rsa_key()))


@pytest.mark.parametrize("alg", ["RS384", "PS256", "ES256"])
def test_other_algorithms_are_refused(tokens: EntraTokens, issuer: Issuer, alg: str) -> None:
    key: Any = (
        ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else issuer.keys[issuer.kid]
    )
    token = jwt.encode(issuer.claims("operator"), key, alg, headers={"kid": issuer.kid})
    assert "RS256" in refusal(tokens, token)


def test_a_key_that_a_token_brings_itself_is_not_used(tokens: EntraTokens, issuer: Issuer) -> None:
    """jwk, jku and x5u in the header are the sender's words."""
    own = rsa_key()
    brought = jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key(), as_dict=True)
    head = {"kid": issuer.kid, "jwk": brought, "jku": "http://127.0.0.1:9/keys"}
    assert "signature" in refusal(
        tokens, jwt.encode(issuer.claims("operator"), own, "RS256", headers=head)
    )


@pytest.mark.parametrize(
    "text", ["a.b.c", "..", f"{segment({'alg': 'RS256'})}.e30.x", "x" * 20_000 + ".."]
)
def test_what_is_no_token_is_refused(tokens: EntraTokens, text: str) -> None:
    assert refusal(tokens, text)


# keys that change, and issuers that are away


def test_the_issuer_is_asked_once_in_an_hour(
    tokens: EntraTokens, issuer: Issuer, clock: Clock
) -> None:
    for _ in range(5):
        token = issuer.token("reader")
        actor = tokens.recall(token) or tokens.identify(token)
        assert actor.role is Role.READER
    assert len(issuer.asked) == 2  # the configuration, and the keys
    clock.now += FRESH + 1
    token = issuer.token("reader")
    assert tokens.recall(token) is None
    tokens.identify(token)
    assert len(issuer.asked) == 4


def test_a_new_key_is_fetched_when_a_token_names_it(
    tokens: EntraTokens, issuer: Issuer, clock: Clock
) -> None:
    old = issuer.token("reader")
    tokens.identify(old)
    issuer.rotate()
    new = issuer.token("reader")
    clock.now += ASK_AGAIN + 1
    assert tokens.recall(new) is None
    assert tokens.identify(new).role is Role.READER
    assert "does not have" in refusal(tokens, old)


def test_made_up_keys_do_not_make_us_ask_the_issuer_all_the_time(
    tokens: EntraTokens, issuer: Issuer, clock: Clock
) -> None:
    tokens.identify(issuer.token("reader"))
    asked = len(issuer.asked)
    for number in range(50):
        refusal(tokens, issuer.token("operator", kid=f"made up {number}"))
    assert len(issuer.asked) == asked
    clock.now += ASK_AGAIN + 1
    for number in range(50):
        refusal(tokens, issuer.token("operator", kid=f"made up {number}"))
    assert len(issuer.asked) == asked + 2


def test_while_the_issuer_is_away_its_keys_are_believed_for_a_day(
    tokens: EntraTokens, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token("reader")
    tokens.identify(token)
    issuer.is_away = True
    clock.now += FRESH + 1
    assert tokens.identify(token).role is Role.READER
    asked = len(issuer.asked)
    assert tokens.recall(token) is not None, "until it is time to ask again, nobody waits"
    assert len(issuer.asked) == asked
    clock.now += KEPT - FRESH
    with pytest.raises(ServiceUnavailable):
        tokens.identify(token)
    issuer.is_away = False
    clock.now += ASK_AGAIN + 1
    assert tokens.identify(token).role is Role.READER


def test_without_ever_having_had_keys_nobody_is_called_a_stranger(
    tokens: EntraTokens, issuer: Issuer
) -> None:
    issuer.is_away = True
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            tokens.identify(issuer.token("reader"))
    with pytest.raises(ServiceUnavailable):
        tokens.recall(issuer.token("reader"))
    assert len(issuer.asked) == 1


def test_a_crowd_with_a_new_key_waits_for_one_fetch(
    tokens: EntraTokens, issuer: Issuer, clock: Clock
) -> None:
    tokens.identify(issuer.token("reader"))
    issuer.rotate()
    clock.now += ASK_AGAIN + 1
    issuer.asked.clear()
    issuer.hold = threading.Event()
    token = issuer.token("reader")
    with ThreadPoolExecutor(8) as crowd:
        asking = [crowd.submit(tokens.identify, token) for _ in range(4)]
        eventually(lambda: issuer.asked)
        assert tokens.recall(token) is None, "it may be among the keys that are being fetched"
        issuer.hold.set()
        assert {each.result(120).role for each in asking} == {Role.READER}
    assert len(issuer.asked) == 2


def test_keys_of_another_kind_are_left_out(issuer: Issuer, clock: Clock) -> None:
    secret = {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}
    own = issuer.answer

    def answer(path: str) -> dict[str, Any] | None:
        found = own(path)
        return (
            {"keys": [secret, {"kty": "EC", "kid": "e"}, *found["keys"]]}
            if found and "keys" in found
            else found
        )

    issuer.answer = answer  # type: ignore[method-assign]
    try:
        tokens = reader(issuer, clock)
        assert tokens.identify(issuer.token("reader")).role is Role.READER
        assert "does not have" in refusal(tokens, issuer.token("reader", kid="s"))
    finally:
        del issuer.answer


# settings


def test_an_issuer_that_is_not_reached_safely_is_refused() -> None:
    with pytest.raises(ValueError, match="https"):
        Settings(
            entra_tenant=TENANT, entra_audience="x", entra_authority="http://login.example.org"
        )
    with pytest.raises(ValueError, match="https"):
        Settings(entra_tenant=TENANT, entra_audience="x", entra_jwks="http://localhost.evil.org/")


def test_a_tenant_is_an_id_and_needs_an_audience() -> None:
    for tenant in ("common", "organizations", "contoso.onmicrosoft.com"):
        with pytest.raises(ValueError, match="entra_tenant"):
            Settings(entra_tenant=tenant, entra_audience="x")
    with pytest.raises(ValueError, match="CM_ENTRA_AUDIENCE"):
        Settings(entra_tenant=TENANT)


def test_national_clouds_have_their_own_issuers() -> None:
    given = Settings(
        entra_tenant=TENANT, entra_audience="x", entra_authority="https://login.microsoftonline.us/"
    )
    assert given.issuers()[0] == f"https://login.microsoftonline.us/{TENANT}/v2.0"
    assert given.keys_url().startswith(
        f"https://login.microsoftonline.us/{TENANT}/v2.0/.well-known"
    )
    other = Settings(
        entra_tenant=TENANT,
        entra_audience="x",
        entra_issuer="https://a, https://b",
        entra_jwks="https://c/keys",
    )
    assert (other.issuers(), other.keys_url()) == (("https://a", "https://b"), "https://c/keys")
