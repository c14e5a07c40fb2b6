"""`python -m tests.pages.pictures`: takes the pictures of docs/pictures anew, of pages over made-up work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from playwright.sync_api import Browser

from core.blobs import BlobRef
from core.registry import Registry
from tests.http.house import House, house_of, serving
from tests.pages.catalogued import fill
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
"""


@contextmanager
def working_house() -> Iterator[House]:
    services = Services.create()
    try:
        server = services.postgres()
        services.migrated_template()
        with (
            psycopg.connect(server.dsn(), autocommit=True) as admin,
            fresh_database(server, admin) as dsn,
            house_of(dsn, Registry.of(*JOBS)) as house,
            working(house),
        ):
            yield house
    finally:
        services.stop()


def furnish(house: House) -> dict[str, str]:
    """Work as an installation has it; the pages to show, by the names of their pictures."""
    fill(house.catalog)
    gate = house.submit(Reviewed(name="Kigali hills"))
    good = house.submit(Survey(area="Lake Kivu", parts=40))
    bad = house.submit(Fragile(name="bridge"))
    for job_id in (good, bad):
        eventually(lambda job_id=job_id: house.insights.job(job_id).status.is_final)
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
    }


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
                if name == "home":
                    page.locator("[data-map][data-ready]").wait_for()
                if name == "job":
                    page.locator("#times .band").first.wait_for()
                page.wait_for_timeout(1_000)  # maps fade in
                page.screenshot(path=INTO / f"{name}{ending}.png")


def main() -> int:
    with (
        working_house() as house,
        serving(app_of(house)) as url,
        chromium() as browser,
    ):
        take(browser, url, furnish(house))
    return 0


if __name__ == "__main__":
    sys.exit(main())
