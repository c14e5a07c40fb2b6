"""Every page there is. A new one has its router here, its row in triggers/http/door/roles.py and in docs/reference/http-pages.md."""

from triggers.pages import (
    assets,
    catalog,
    fire,
    history,
    home,
    job,
    jobs,
    operate,
    series,
    sign_in,
    status,
    storage,
    submit,
)

ROUTERS = (
    home.router,
    status.router,
    jobs.router,
    job.router,
    submit.router,
    catalog.router,
    fire.router,
    storage.router,
    history.router,
    operate.router,
    series.router,
    sign_in.router,
    assets.router,
)
