with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

credits as (

    select
        catalog_version,
        contract_id,
        credit_id,
        amount,
        valid_from,
        expires_on,
        priority,
        is_paid,
        is_limited
    from {{ source('catalog', 'credit_grants') }}
    where every_periods is null

),

-- A credit that is granted once is what the catalog says now.
granted_once as (

    select
        credits.contract_id,
        credits.credit_id as grant_id,
        credits.credit_id,
        credits.catalog_version,
        credits.amount,
        credits.valid_from,
        credits.expires_on,
        credits.priority,
        credits.is_paid,
        credits.is_limited,
        true as is_final,
        'Credit ' || credits.credit_id as description
    from credits
    inner join parameters
        on credits.catalog_version = parameters.catalog_version

),

grants as (

    select *
    from granted_once

    union all

    select
        contract_id,
        grant_id,
        credit_id,
        catalog_version,
        amount,
        valid_from,
        expires_on,
        priority,
        is_paid,
        is_limited,
        true as is_final,
        description
    from {{ ref('int_recurring_grants') }}

    union all

    select
        contract_id,
        grant_id,
        wallet_id as credit_id,
        catalog_version,
        amount,
        issued_on as valid_from,
        expires_on,
        priority,
        true as is_paid,
        is_limited,
        is_final,
        'Credit ' || wallet_id || ' of ' || issued_on as description
    from {{ ref('int_top_ups') }}

)

select
    contract_id::text as contract_id,
    grant_id::text as grant_id,
    credit_id::text as credit_id,
    catalog_version::text as catalog_version,
    amount::numeric(20, 3) as amount,
    valid_from::date as valid_from,
    expires_on::date as expires_on,
    priority::integer as priority,
    is_paid::boolean as is_paid,
    is_limited::boolean as is_limited,
    is_final::boolean as is_final,
    description::text as description
from grants
