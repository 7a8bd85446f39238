with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

periods as (

    select
        contract_id,
        currency
    from {{ ref('int_contract_periods') }}
    where not is_closed

),

closed_periods as (

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

credit_grants as (

    select
        catalog_version,
        contract_id,
        credit_id,
        amount,
        priority,
        valid_from,
        expires_on,
        is_limited
    from {{ source('catalog', 'credit_grants') }}

),

-- Credit spent or carried in one currency says nothing about another.
currencies as (

    select distinct
        contract_id,
        currency
    from periods

),

closed_credit_lines as (

    select
        closed_lines.contract_id,
        closed_lines.reference_id,
        sum(closed_lines.amount) as amount
    from closed_lines
    inner join closed_periods
        on closed_lines.invoice_id = closed_periods.invoice_id
    inner join currencies
        on
            closed_lines.contract_id = currencies.contract_id
            and closed_lines.currency = currencies.currency
    group by closed_lines.contract_id, closed_lines.reference_id

),

-- What a negative invoice left over comes before every grant: it is the customer's own money.
grants as (

    select
        closed_credit_lines.contract_id,
        closed_credit_lines.reference_id as credit_id,
        0 as precedence,
        0 as priority,
        null::date as valid_from,
        null::date as expires_on,
        false as is_limited,
        closed_credit_lines.amount as remaining
    from closed_credit_lines
    where closed_credit_lines.reference_id = 'carried'

    union all

    select
        credit_grants.contract_id,
        credit_grants.credit_id,
        1 as precedence,
        credit_grants.priority,
        credit_grants.valid_from,
        credit_grants.expires_on,
        credit_grants.is_limited,
        credit_grants.amount + coalesce(closed_credit_lines.amount, 0) as remaining
    from credit_grants
    inner join parameters
        on credit_grants.catalog_version = parameters.catalog_version
    left join closed_credit_lines
        on
            credit_grants.contract_id = closed_credit_lines.contract_id
            and credit_grants.credit_id = closed_credit_lines.reference_id

)

select
    contract_id::text as contract_id,
    credit_id::text as credit_id,
    row_number() over (
        partition by contract_id
        order by precedence, priority, expires_on nulls last, credit_id
    )::integer as grant_rank,
    valid_from::date as valid_from,
    expires_on::date as expires_on,
    is_limited::boolean as is_limited,
    remaining::numeric(20, 3) as remaining
from grants
where remaining > 0
