-- The newest secret stays valid for a while; older ones end now, so that there are two at most.
update app.webhook_secrets s
set valid_until = case when s.created_at = (
        select max(n.created_at) from app.webhook_secrets n where n.webhook_id = s.webhook_id)
    then clock_timestamp() + %(overlap)s else '-infinity' end
where s.webhook_id = %(webhook)s
