"""`python -m triggers.keys`: make, list and revoke API keys, on the database itself. The first key is made this way."""

from __future__ import annotations

import argparse
import getpass
import sys

from core.errors import CoreMachineError
from core.identity import Role
from core.keys import Keys, NewKey, Secret
from triggers import wiring


def main(arguments: list[str] | None = None) -> int:
    """Do what was asked. A new key is all that stands on standard output."""
    asked = _parser().parse_args(arguments)
    try:
        with wiring.key_store(wiring.settings()) as keys:
            return asked.action(keys, asked)
    except CoreMachineError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def create(keys: Keys, asked: argparse.Namespace) -> int:
    """Make a key and show it, once."""
    types = [wiring.job_type(wiring.settings(), name) for name in asked.job_type or ()]
    secret = Secret.make()
    days = None if asked.days == 0 else asked.days
    new = NewKey(
        secret.id, secret.digest, asked.name, asked.role, tuple(sorted(set(types))) or None, days
    )
    view = keys.add(new, _who())
    until = f"until {view.expires_at:%Y-%m-%d}" if view.expires_at else "until it is revoked"
    sys.stderr.write(f"{view.role} {view.name!r}, good {until}. It is shown only now:\n")
    sys.stdout.write(f"{secret}\n")
    return 0


def show(keys: Keys, asked: argparse.Namespace) -> int:
    """List keys, newest first, without their secrets."""
    after = None
    while page := keys.list(after, 100):
        for view in page:
            state = "revoked" if view.revoked_at else f"expires {view.expires_at or 'never'}"
            sys.stdout.write(f"{view.id}  {view.role:<9}  {state}  {view.name}\n")
        after = page[-1].id
    return 0


def revoke(keys: Keys, asked: argparse.Namespace) -> int:
    """Revoke a key: running processes believe it for a few seconds more."""
    view, changed = keys.revoke(asked.id, _who())
    said = "is revoked" if changed else "had been revoked before"
    sys.stderr.write(f"{view.id} {view.name!r} {said}\n")
    return 0


def _who() -> str:
    return f"cli:{getpass.getuser()}"


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days <= 3650:
        raise ValueError(text)
    return days


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > 100:
        raise ValueError(text)
    return text.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m triggers.keys", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="create|list|revoke")
    make = actions.add_parser("create", help=create.__doc__, description=create.__doc__)
    make.add_argument("--role", type=Role, choices=list(Role), required=True)
    make.add_argument("--name", type=_name, required=True, help="who or what will use it")
    make.add_argument(
        "--days", type=_days, default=90.0, help="how long it is good (90); 0: no end"
    )
    make.add_argument("--job-type", action="append", help="may submit this only; may be repeated")
    make.set_defaults(action=create)
    lists = actions.add_parser("list", help=show.__doc__, description=show.__doc__)
    lists.set_defaults(action=show)
    drop = actions.add_parser("revoke", help=revoke.__doc__, description=revoke.__doc__)
    drop.add_argument("id", help="its 12 hex digits, the middle part of the key")
    drop.set_defaults(action=revoke)
    return parser


if __name__ == "__main__":
    sys.exit(main())
