"""Couriers: send what the mailroom holds, side by side, so that a slow target delays nobody but itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from core.crashpoints import crashpoint
from core.errors import ServiceUnavailable
from core.guard import Caller, Unreachable, UrlRefused
from core.patience import pause, persist
from core.webhooks.mailroom import Mailroom
from core.webhooks.rules import Attempt, Parcel, consequence, readable, retry_after

log = logging.getLogger(__name__)

BELL = "webhooks"
LEASE = 120.0
"""Seconds after which a sender that said nothing is taken for dead: far more than a call and a look-up may take."""
IDLE = 1.0
PRUNED_EVERY = 600.0
CHUNK = 1_000


class Courier:
    """Sends one parcel, and writes down what came of it."""

    def __init__(self, mailroom: Mailroom, caller: Caller, base: str = "") -> None:
        """`base`: what links in messages begin with."""
        self.mailroom = mailroom
        self.caller = caller
        self.base = base

    def deliver(self, parcel: Parcel, stopping: threading.Event | None = None) -> None:
        crashpoint("webhook.before_send")
        attempt = self._try(parcel)
        crashpoint("webhook.after_send")
        then = consequence(attempt, parcel.tries)
        persist(lambda: self.mailroom.settle(parcel, attempt, then), stopping)
        if not attempt.succeeded:
            log.info(
                "webhook %s: delivery %d, attempt %d: %s",
                parcel.webhook,
                parcel.delivery,
                parcel.attempt,
                attempt.error or attempt.status_code,
            )

    def _try(self, parcel: Parcel) -> Attempt:
        body = parcel.body(self.base)
        began = time.monotonic()

        def took() -> timedelta:
            return timedelta(seconds=time.monotonic() - began)

        try:
            answer = self.caller.call("POST", parcel.url, parcel.headers(body), body)
        except (UrlRefused, Unreachable) as error:
            return Attempt(took(), error=str(error))
        return Attempt(
            took(),
            answer.status,
            "redirects are not followed" if 300 <= answer.status < 400 else "",
            readable(answer.body),
            retry_after(answer.headers.get("retry-after"), parcel.now),
        )


class Bell(Protocol):
    """Rings when something was written down for a webhook."""

    def wait(self, name: str, seen: int, seconds: float) -> int: ...
    def ring(self, *names: str) -> None: ...


class Pump:
    """Keeps a number of senders busy. Any number of pumps may run, in any number of processes.

    Half of the senders never wait for a target that is failing, slow, or not proven yet.
    """

    def __init__(
        self, courier: Courier, bell: Bell, *, senders: int = 16, keep_days: int = 30
    ) -> None:
        self.courier = courier
        self.bell = bell
        self.senders = senders
        self.keep_days = keep_days
        self._stopping = threading.Event()
        self._round = threading.Lock()
        self._count = threading.Condition()
        self._busy = {True: 0, False: 0}
        self._pruned = time.monotonic()
        self._thread: threading.Thread | None = None

    def start(self) -> Pump:
        if self.senders:
            self._thread = threading.Thread(target=self._run, name=BELL, daemon=True)
            self._thread.start()
        return self

    def stop(self, grace: float = 5.0) -> None:
        """Claim nothing more. What is not sent by then is sent again by another, when its lease is over."""
        self._stopping.set()
        self.bell.ring(BELL)
        if self._thread is not None:
            self._thread.join(grace)
        self.settled(grace)

    def settled(self, seconds: float) -> bool:
        """Wait until no sender is busy."""
        with self._count:
            return self._count.wait_for(lambda: not self._sending(), seconds)

    def round(self) -> int:
        """Hand what is due to free senders, without waiting for them; how many parcels that were."""
        with self._round:
            self._prune()
            free, doubtful = self._free()
            if free <= 0 or self._stopping.is_set():
                return 0
            parcels = self.courier.mailroom.claim(free, doubtful, LEASE)
            for parcel in parcels:
                self._add(parcel, 1)
                threading.Thread(
                    target=self._send, args=[parcel], name=f"{BELL}-{parcel.delivery}", daemon=True
                ).start()
            return len(parcels)

    def run_for(self, seconds: float) -> None:
        """Rounds until nothing is due or the time is over, for hosts without a thread of their own."""
        end = time.monotonic() + seconds
        while (self.round() or self._sending()) and time.monotonic() < end:
            busy = self._sending()
            with self._count:
                self._count.wait_for(
                    lambda busy=busy: not busy or self._sending() < busy, end - time.monotonic()
                )

    def _sending(self) -> int:
        with self._count:
            return sum(self._busy.values())

    def _free(self) -> tuple[int, int]:
        with self._count:
            free = self.senders - self._sending()
            lane = max(self.senders // 2, 1)
            return free, max(0, min(free, lane - self._busy[True]))

    def _add(self, parcel: Parcel, count: int) -> None:
        with self._count:
            self._busy[parcel.doubtful] += count
            self._count.notify_all()

    def _send(self, parcel: Parcel) -> None:
        try:
            self.courier.deliver(parcel, self._stopping)
        except Exception:  # the outermost frame; the lease ends, and another attempt follows
            log.exception("delivery %d was not settled", parcel.delivery)
        finally:
            self._add(parcel, -1)
            self.bell.ring(BELL)  # a sender is free again

    def _prune(self) -> None:
        if time.monotonic() - self._pruned > PRUNED_EVERY:
            self._pruned = time.monotonic()
            while self.courier.mailroom.prune(self.keep_days, CHUNK) == CHUNK:
                pass

    def _run(self) -> None:
        seen, failures = -1, 0
        while not self._stopping.is_set():
            seen = self.bell.wait(BELL, seen, IDLE)
            failures = failures + 1 if self._safely(self.round) else 0
            if failures:
                self._stopping.wait(pause(failures))

    def _safely(self, act: Callable[[], object]) -> bool:
        """Whether it failed."""
        try:
            act()
        except ServiceUnavailable as error:
            log.warning("webhooks: %s", error)
        except Exception:
            log.exception("webhooks: a round failed")
        else:
            return False
        return True
