"""Serves the web app over a database in a process of its own, which a test may let die: DSN PORT [CRASH]."""

import sys

import uvicorn

from core.crashpoints import arm
from tests.http.house import house_of

if __name__ == "__main__":
    dsn, port, *crash = sys.argv[1:]
    if crash:
        arm(crash[0])
    with house_of(dsn) as house:
        uvicorn.run(house.app(), port=int(port), log_level="warning", access_log=False)
