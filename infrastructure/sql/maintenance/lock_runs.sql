lock table app.jobs, app.runs in access exclusive mode
