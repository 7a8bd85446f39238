with

periods as (

    select
        contract_id,
        customer_id,
        currency,
        timezone,
        kind,
        period_start,
        is_closed
    from {{ ref('int_contract_invoices') }}

),

grants as (

    select
        contract_id,
        grant_id,
        credit_id,
        amount,
        valid_from,
        expires_on,
        is_paid,
        is_final
    from {{ ref('int_credit_grants') }}

),

movements as (

    select
        contract_id,
        customer_id,
        currency,
        grant_id,
        amount,
        moved_at,
        is_void
    from {{ ref('int_credit_movements') }}
    where grant_id <> 'carried'

),

contracts as (

    select
        contract_id,
        customer_id,
        currency,
        timezone,
        row_number() over (
            partition by contract_id
            -- The opening invoice comes before the period that begins on the same day.
            order by period_start desc, kind desc
        ) as recency
    from periods

),

open_until as (

    select
        contract_id,
        min(period_start) as open_from
    from periods
    where not is_closed
    group by contract_id

),

spent as (

    select
        contract_id,
        grant_id,
        min(customer_id) as customer_id,
        min(currency) as currency,
        min(moved_at) as first_moved_at,
        coalesce(-sum(amount) filter (where not is_void), 0) as amount
    from movements
    group by contract_id, grant_id

),

-- What has left the catalog, or was lowered, has been what it has paid.
held as (

    select
        coalesce(grants.contract_id, spent.contract_id) as contract_id,
        coalesce(contracts.customer_id, spent.customer_id) as customer_id,
        coalesce(contracts.currency, spent.currency) as currency,
        coalesce(grants.grant_id, spent.grant_id) as grant_id,
        coalesce(grants.credit_id, spent.grant_id) as credit_id,
        coalesce(grants.is_paid, false) as is_paid,
        coalesce(grants.is_final, true) as is_final,
        greatest(grants.amount, spent.amount) as amount,
        coalesce(spent.amount, 0) as spent_amount,
        coalesce(
            {{ start_of_day('grants.valid_from', 'contracts.timezone') }}, spent.first_moved_at
        ) as granted_at,
        {{ start_of_day('grants.expires_on', 'contracts.timezone') }} as expires_at,
        coalesce(open_until.open_from >= grants.expires_on, true) as is_settled
    from grants
    inner join contracts
        on
            grants.contract_id = contracts.contract_id
            and contracts.recency = 1
    full join spent
        on
            grants.contract_id = spent.contract_id
            and grants.grant_id = spent.grant_id
    left join open_until
        on grants.contract_id = open_until.contract_id

)

select
    contract_id::text as contract_id,
    customer_id::text as customer_id,
    currency::text as currency,
    grant_id::text as grant_id,
    credit_id::text as credit_id,
    is_paid::boolean as is_paid,
    is_final::boolean as is_final,
    amount::numeric(20, 3) as amount,
    spent_amount::numeric(20, 3) as spent_amount,
    granted_at::timestamptz as granted_at,
    expires_at::timestamptz as expires_at,
    is_settled::boolean as is_settled
from held
