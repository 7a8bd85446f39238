with

rates as (

    select
        catalog_version,
        price_id,
        match
    from {{ source('catalog', 'price_rates') }}

)

select
    rates.catalog_version::text as catalog_version,
    rates.price_id::text as price_id,
    jsonb_agg(distinct matched.key)::jsonb as metadata_keys
from rates
cross join lateral jsonb_object_keys(rates.match) as matched (key)
group by rates.catalog_version, rates.price_id
