"""What a usage record says, as one hash: what remains of the content of an archived record.

Two records have the same hash where, and only where, the macro ``is_same_record`` calls them the
same. Instants and numbers are hashed as such, whatever their zone and scale, and metadata as JSON,
whatever the order of its keys and the scale of its numbers: ``jsonb`` sorts keys and writes numbers
out, so that only zeros at the end of a fraction are left to be cut off. Of the expression that does
so, the first part takes strings whole and leaves them as they are.
"""

CANONICAL_JSON = r"""
create or replace function ops.canonical_json(document json) returns text
language sql immutable parallel safe
return case
    when document::jsonb::text ~ '\.\d*0(?!\d)'
        then regexp_replace(
            document::jsonb::text,
            '("(?:[^"\\]|\\.)*")|(\.\d*[1-9])0+(?!\d)|\.0+(?!\d)',
            '\1\2',
            'g'
        )
    else document::jsonb::text
end
"""

# Words are preceded by their length, so that no two records are written alike.
CONTENT_HASH = """
create or replace function ops.content_hash(
    occurred_at timestamptz, tenant_id text, dimension_id text, value numeric, metadata json,
    corrects_key uuid
) returns uuid
language sql immutable parallel safe
return md5(
    extract(epoch from occurred_at)::text
    || ' ' || trim_scale(value)::text
    || ' ' || coalesce(corrects_key::text, '')
    || ' ' || length(tenant_id)::text || ':' || tenant_id
    || length(dimension_id)::text || ':' || dimension_id
    || coalesce(ops.canonical_json(metadata), '')
)::uuid
"""
