"""Every page there is. A new one has its router here, its row in triggers/http/roles.py and in docs/reference/http-pages.md."""

from triggers.pages import assets, fire, home, job, jobs, operate, sign_in, status, submit

ROUTERS = (
    home.router,
    status.router,
    jobs.router,
    job.router,
    submit.router,
    fire.router,
    operate.router,
    sign_in.router,
    assets.router,
)
