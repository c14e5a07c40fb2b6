"""Decides whether a request may pass: who calls, how often, and with which role."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from core.errors import (
    Forbidden,
    IdentityNotConfigured,
    RateLimited,
    Unauthenticated,
    UnknownJobType,
)
from core.identity import ANYBODY, NOBODY, Actor, Identifier, Role
from core.machine import CoreMachine
from core.rates import MOST, Buckets
from triggers.http.door.loopback import refuse_foreign, refuse_other_sites
from triggers.http.door.roles import Open, Rule
from triggers.http.door.sessions import (
    READING,
    SESSION,
    TOKEN,
    cookie_in,
    refuse_foreign_page,
    refuse_wrong_token,
)
from triggers.listening import Mode

LONGEST = 16 * 1024
ASKING = 8
"""How many callers are looked up at the same time; the rest wait without a thread."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How much a caller may ask: requests a second on average, and at once. 0: no limit."""

    caller: float = 100.0
    caller_burst: float = 500.0
    address: float = 20.0
    address_burst: float = 100.0
    failures: float = 20.0
    """Credentials that are not good, of one address in a minute."""


@dataclass(frozen=True, slots=True)
class Access:
    """How this installation treats its callers."""

    mode: Mode = Mode.LOCAL
    identifiers: Sequence[Identifier] = ()
    rates: Rates = Rates()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as it decides who may pass."""

    rule: Rule | None
    """None: no route answers, so nothing can be had."""
    method: str
    parameters: Mapping[str, str]
    client: str
    headers: Mapping[str, str]


class Doorkeeper:
    """Lives on the event loop. What identifies callers may wait for others, so it runs in threads."""

    def __init__(self, access: Access, machine: CoreMachine) -> None:
        rates = access.rates
        self.mode = access.mode
        self._identifiers = access.identifiers
        self._machine = machine
        self._callers = Buckets(rates.caller, rates.caller_burst)
        self._addresses = Buckets(rates.address, rates.address_burst)
        self._failures = Buckets(rates.failures / 60, rates.failures)
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._askers = CapacityLimiter(ASKING)

    async def admit(self, asked: Asked) -> Actor:
        """The caller, if the request may pass."""
        match self.mode:
            case Mode.LOCAL:
                refuse_foreign(asked.client, asked.headers)
                refuse_other_sites(asked.method, asked.headers)
                return ANYBODY
            case Mode.OPEN:
                refuse_other_sites(asked.method, asked.headers)
                _spend(self._callers, address_of(asked.client))
                return ANYBODY
            case Mode.UNDECIDED | Mode.REQUIRED:
                return await self._known(asked)

    async def _known(self, asked: Asked) -> Actor:
        rule = asked.rule
        if rule is None or rule.needs is Open.PUBLIC:
            return self._unknown(asked)
        if self.mode is Mode.UNDECIDED:
            raise IdentityNotConfigured
        credential = credential_in(asked.headers) or _kept(asked, rule)
        if credential is None:
            self._unknown(asked)
            if rule.needs is Open.ANYONE:
                return NOBODY
            raise Unauthenticated(
                "Say who you are: X-API-Key: cm_..., or Authorization: Bearer with a key or a token."
            )
        actor = await self.recognise(credential, asked.client)
        _spend(self._callers, actor.key)
        self._check(actor, rule, asked.parameters)
        return actor

    def _unknown(self, asked: Asked) -> Actor:
        _spend(self._addresses, address_of(asked.client))
        return NOBODY

    def permits(self, actor: Actor, rule: Rule, parameters: Mapping[str, str]) -> bool:
        """Whether this caller may use that route: pages offer nothing else."""
        try:
            self._check(actor, rule, parameters)
        except Forbidden:
            return False
        return True

    async def recognise(self, credential: str, client: str) -> Actor:
        """An address that has guessed too often is not listened to, but for credentials that were good before."""
        address, digest = address_of(client), hashlib.sha256(credential.encode()).digest()
        if digest not in self._good and (seconds := self._failures.wait(address)):
            raise RateLimited("Too many credentials from there were not good.", seconds)
        try:
            actor = await self._asked(credential)
        except Unauthenticated:
            self._failures.take(address)
            self._good.pop(digest, None)
            raise
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > MOST:
            self._good.popitem(last=False)
        return actor

    async def _asked(self, credential: str) -> Actor:
        for identifier in self._identifiers:
            if identifier.reads(credential):
                if (actor := identifier.recall(credential)) is not None:
                    return actor
                return await to_thread.run_sync(
                    identifier.identify, credential, limiter=self._askers
                )
        raise Unauthenticated("This is no credential that this installation knows.")

    def _check(self, actor: Actor, rule: Rule, parameters: Mapping[str, str]) -> None:
        needed = rule.needs
        if isinstance(needed, Role) and (actor.role is None or not actor.role.covers(needed)):
            has = f"has the role {actor.role}" if actor.role else "has no role"
            raise Forbidden(f"This needs the role {needed}; {actor.name} {has}.")
        if actor.job_types is not None and not rule.is_free:
            self._check_type(actor.job_types, parameters)

    def _check_type(self, allowed: frozenset[str], parameters: Mapping[str, str]) -> None:
        """What names no job type could be of any."""
        name = parameters.get("job_type") or parameters.get("process_id")
        if name is not None:
            try:
                name = self._machine.registry[name].job_type
            except UnknownJobType:
                name = None
        if name not in allowed:
            types = ", ".join(sorted(allowed))
            raise Forbidden(f"This key is for submitting jobs of these types only: {types}.")


def _kept(asked: Asked, rule: Rule) -> str | None:
    """The credential that a browser keeps. It sends it by itself, so a change needs proof that a page of ours asked.

    Forms of pages prove it in a field, which their routes look at.
    """
    credential = cookie_in(asked.headers, SESSION)
    if credential is not None and asked.method not in READING:
        refuse_foreign_page(asked.headers)
        if not rule.is_page:
            refuse_wrong_token(asked.headers.get(TOKEN.lower()), asked.headers)
    return credential


def credential_in(headers: Mapping[str, str]) -> str | None:
    """The one credential of a request: X-API-Key, a bearer, or the password of a client that knows nothing else."""
    found = {key.strip() for key in (headers.get("x-api-key"),) if key is not None}
    if (given := headers.get("authorization")) is not None:
        scheme, _, rest = given.partition(" ")
        match scheme.lower():
            case "bearer":
                found.add(rest.strip())
            case "basic":
                found.add(_password(rest.strip()))
            case _:
                raise Unauthenticated("Authorization takes Bearer.")
    if len(found) > 1:
        raise Unauthenticated("Send one credential, not two.")
    credential = next(iter(found), None)
    if credential is not None and not (credential.isascii() and 0 < len(credential) <= LONGEST):
        raise Unauthenticated("This is no credential that this installation knows.")
    return credential


def _password(encoded: str) -> str:
    """The key that stands where a password would, as in curl -u and in QGIS. The user's name is nothing."""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        raise Unauthenticated("Authorization is not what Basic says it is.") from None


def address_of(client: str) -> str:
    """Who shares a bucket: an IPv4 address, or the network that one IPv6 customer gets."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def _spend(buckets: Buckets, who: str) -> None:
    if seconds := buckets.take(who):
        raise RateLimited("You ask too often; wait as long as Retry-After says.", seconds)
