"""Herbie at the same task, run by its own Python: a line of JSON per run. It writes to its home, so it gets another one."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from herbie import Herbie
from herbie import models as templates

AWS = "https://noaa-gfs-bdp-pds.s3.amazonaws.com"


def main(server: str, date: str, hour: str, search: str, rounds: str) -> None:
    usual = templates.gfs.template

    def redirected(self) -> None:
        usual(self)
        place = AWS.removeprefix("https://")
        self.SOURCES = {"aws": self.SOURCES["aws"].replace(AWS, f"{server}/{place}")}

    templates.gfs.template = redirected
    for _ in range(int(rounds)):
        folder = Path(tempfile.mkdtemp())
        began = time.perf_counter()
        found = Herbie(
            date, model="gfs", product="pgrb2.0p25", fxx=int(hour), save_dir=folder, verbose=False
        ).xarray(search, remove_grib=False, verbose=False)
        sets = found if isinstance(found, list) else [found]
        cut = [
            each.sel(latitude=slice(40.3, 39.7), longitude=slice(254.4, 255.0)).load()
            for each in sets
        ]
        print(
            json.dumps(
                {"seconds": time.perf_counter() - began, "variables": sum(len(c) for c in cut)}
            )
        )
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
