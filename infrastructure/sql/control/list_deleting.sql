select job_id, keeps_outputs from app.jobs where deleting_at is not null order by job_id limit %(limit)s
