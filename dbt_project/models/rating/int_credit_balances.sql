with

open_periods as (

    select
        contract_id,
        currency,
        min(period_start) as open_from
    from {{ ref('int_contract_invoices') }}
    where not is_closed
    group by contract_id, currency

),

standing_invoices as (

    select invoice_id
    from {{ ref('int_closed_invoices') }}
    where not is_void

),

closed_lines as (

    select
        invoice_id,
        contract_id,
        currency,
        reference_id,
        amount
    from {{ source('billing', 'closed_lines') }}
    where kind = 'credit'

),

grants as (

    select
        contract_id,
        grant_id,
        credit_id,
        catalog_version,
        amount,
        valid_from,
        expires_on,
        priority,
        is_limited
    from {{ ref('int_credit_grants') }}

),

-- Credit spent or carried in one currency says nothing about another.
closed_credit_lines as (

    select
        closed_lines.contract_id,
        closed_lines.reference_id as grant_id,
        sum(closed_lines.amount) as amount
    from closed_lines
    inner join standing_invoices
        on closed_lines.invoice_id = standing_invoices.invoice_id
    inner join open_periods
        on
            closed_lines.contract_id = open_periods.contract_id
            and closed_lines.currency = open_periods.currency
    group by closed_lines.contract_id, closed_lines.reference_id

),

-- What a negative invoice left over comes before every grant: it is the customer's own money.
balances as (

    select
        closed_credit_lines.contract_id,
        closed_credit_lines.grant_id,
        null as credit_id,
        null as catalog_version,
        0 as precedence,
        0 as priority,
        null::date as valid_from,
        null::date as expires_on,
        false as is_limited,
        closed_credit_lines.amount as remaining
    from closed_credit_lines
    where closed_credit_lines.grant_id = 'carried'

    union all

    select
        grants.contract_id,
        grants.grant_id,
        grants.credit_id,
        grants.catalog_version,
        1 as precedence,
        grants.priority,
        grants.valid_from,
        grants.expires_on,
        grants.is_limited,
        grants.amount + coalesce(closed_credit_lines.amount, 0) as remaining
    from grants
    inner join open_periods
        on
            grants.contract_id = open_periods.contract_id
            and coalesce(grants.expires_on > open_periods.open_from, true)
    left join closed_credit_lines
        on
            grants.contract_id = closed_credit_lines.contract_id
            and grants.grant_id = closed_credit_lines.grant_id

)

select
    contract_id::text as contract_id,
    grant_id::text as grant_id,
    credit_id::text as credit_id,
    catalog_version::text as catalog_version,
    row_number() over (
        partition by contract_id
        order by precedence, priority, expires_on nulls last, grant_id
    )::integer as grant_rank,
    valid_from::date as valid_from,
    expires_on::date as expires_on,
    is_limited::boolean as is_limited,
    remaining::numeric(20, 3) as remaining
from balances
where remaining > 0
