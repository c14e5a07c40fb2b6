"""`python -m tests.pages.pictures`: takes the pictures of docs/pictures anew, of pages over made-up work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import Browser

from core.blobs import BlobRef
from core.registry import Registry
from tests.http.house import House, house_of, serving
from tests.pages import weathered
from tests.pages.burning import FireForecast, burning
from tests.pages.catalogued import hang
from tests.pages.conftest import app_of, working
from tests.pages.sample_jobs import JOBS, Fragile, Reviewed, Survey
from tests.support.browser import DESKTOP, PHONE, chromium
from tests.support.services import Services, fresh_database
from tests.support.waiting import eventually

INTO = Path(__file__).parents[2] / "docs" / "pictures"
PAST = """
insert into app.runs (run_id, job_id, job_type, number, request, status, plan, parameters, created_at, started_at, finished_at, swept)
select 2000 - n, md5(n::text) || md5((n + 1)::text), (array['process_raster', 'weather_patch', 'fire_forecast'])[1 + n * 7 % 3],
       1, gen_random_uuid(), case when n % 17 = 0 then 'failed' else 'completed' end,
       (select plan from app.runs where job_type = 'survey' limit 1), '{}', at, at, at + (3 + n % 90) * interval '1 s', true
from (select n, now() - interval '10 min' - (n * 95 + sin(n / 40.0) * 9000 + 9000) * interval '1 s' as at
      from generate_series(1, 900) n) made;
insert into app.jobs (job_id, job_type, run_id) select job_id, job_type, run_id from app.runs where run_id > 1000;
insert into app.stages (run_id, stage, name, status, verdict, queue, total, completed, attempts, timeout, closed_at)
select run_id, 0, 'convert', 'closed', 'ok', 'tasks-light', 3 + run_id % 40, 3, 3, interval '1 min', now()
from app.runs where run_id > 1000;
insert into app.tasks (run_id, stage, idx, queue, status, attempt, started_at, finished_at, error)
select run_id, 0, 0, 'tasks-light', 'failed', 1, started_at, finished_at,
       jsonb_build_object('type', (array['BadInput', 'TimedOut'])[1 + run_id % 2],
                          'message', (array['no CRS; pass input_crs', 'took longer than 600 s'])[1 + run_id % 2])
from app.runs where run_id > 1000 and status = 'failed';
insert into app.traffic (hour, job_type, bytes_in, bytes_out)
select date_trunc('hour', created_at), job_type, sum(run_id % 97) * 40000000, sum(run_id % 89) * 9000000
from app.runs where run_id > 1000 group by 1, 2;
"""
SHOWN = {
    "kigali-hills": (29.9, -2.1, 30.2, -1.8),
    "lake-kivu": (28.8, -2.5, 29.4, -1.5),
    "alps-dem": (6.0, 45.0, 11.0, 47.5),
    "andes-snow": (-71.0, -34.0, -69.0, -31.0),
}
STORED = {"visualization": 31_000_000_000, "analysis": 212_000_000_000, "archive": 140_000_000_000}
FIRE: dict[str, Any] = {
    "point": (-105.3, 40.0),
    "radius_m": 12_000,
    "horizons_hours": [3, 6, 12, 24],
    "members": 20,
}


@contextmanager
def working_house() -> Iterator[House]:
    services = Services.create()
    try:
        server = services.postgres()
        services.migrated_template()
        with (
            psycopg.connect(server.dsn(), autocommit=True) as admin,
            fresh_database(server, admin) as dsn,
            house_of(dsn, Registry.of(*JOBS, FireForecast)) as house,
            working(house),
        ):
            yield house
    finally:
        services.stop()


def furnish(house: House) -> dict[str, str]:
    """Work as an installation has it; the pages to show, by the names of their pictures."""
    for name, box in SHOWN.items():
        viewer = hang(
            house.blobs, house.catalog, name, box, "Analysis", **{"coremachine:bytes": STORED}
        )
    items = weathered.fill(house)
    house.catalog.remove("weather", items["cube"])  # its box is the whole world
    weather = f"/catalog/weather/{items['degrees']}"
    lon, lat = weathered.PLACE
    fire = house.submit(FireForecast(reference_time=datetime.now(UTC), **FIRE))
    gate = house.submit(Reviewed(name="Kigali hills"))
    good = house.submit(Survey(area="Lake Kivu", parts=40))
    bad = house.submit(Fragile(name="bridge"))
    for job_id in (good, bad, fire):
        eventually(lambda job_id=job_id: house.insights.job(job_id).status.is_final, 240)
    eventually(lambda: any(each.job_id == gate for each in house.insights.gates()))
    with house.database.transaction() as conn:
        for statement in PAST.split(";\n"):
            if statement.strip():
                conn.execute(statement.encode())
    for name in ("dem/kigali.tif", "dem/kivu.tif", "stations.csv", "lakes.geojson", "readme.txt"):
        house.blobs.write(BlobRef(f"bronze/rasters/{name}"), name.encode() * 4_000)
    return {
        "home": "/",
        "status": "/status",
        "jobs": "/jobs",
        "job": f"/jobs/{good}",
        "submit": "/submit/survey",
        "storage": "/storage?container=bronze-rasters",
        "history": "/history",
        "viewer": viewer,
        "weather": f"{weather}?at={lon + 0.004},{lat + 0.004}",
        "fire": f"/fire?job={fire}",
    }


READY = {
    "home": ["[data-map][data-ready]"],
    "job": ["#times .band"],
    "viewer": ["#viewer[data-ready]"],
    "weather": ["#viewer[data-ready]", "#series svg"],
    "fire": ["#fire-map[data-still]"],
}
"""What has to be there before a picture is taken."""
BELOW = {"weather": "#series"}
"""What is scrolled to."""


def take(browser: Browser, url: str, addresses: dict[str, str]) -> None:
    looks = {"": (DESKTOP, "light"), "-dark": (DESKTOP, "dark"), "-phone": (PHONE, "light")}
    for ending, (size, scheme) in looks.items():
        with browser.new_context(base_url=url, viewport=size, color_scheme=scheme) as context:
            page = context.new_page()
            page.set_default_timeout(60_000)
            for name, address in addresses.items():
                if ending and name not in ("home", "history"):
                    continue
                page.goto(address)
                for waited in READY.get(name, ()):
                    page.locator(waited).first.wait_for()
                if name in BELOW:
                    page.locator(BELOW[name]).scroll_into_view_if_needed()
                page.wait_for_timeout(1_000)  # maps fade in
                page.screenshot(path=INTO / f"{name}{ending}.png")


def main() -> int:
    with (
        working_house() as house,
        burning(house) as more,
        serving(app_of(house, **more)) as url,
        chromium() as browser,
    ):
        take(browser, url, furnish(house))
    return 0


if __name__ == "__main__":
    sys.exit(main())
