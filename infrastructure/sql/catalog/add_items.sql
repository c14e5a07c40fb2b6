insert into pgstac.items (id, geometry, collection, datetime, end_datetime, content)
select t.id, public.st_setsrid(public.st_geomfromgeojson(t.geometry), 4326), %(name)s, t.first, t.last, t.content::jsonb
from unnest(
    %(id)s::text[], %(geometry)s::text[], %(datetime)s::timestamptz[], %(end_datetime)s::timestamptz[],
    %(content)s::text[]
) t (id, geometry, first, last, content)
