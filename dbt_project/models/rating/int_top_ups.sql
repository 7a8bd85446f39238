with

parameters as (

    select
        as_of,
        catalog_version
    from {{ source('ops', 'parameters') }}

),

standing_invoices as (

    select
        invoice_id,
        invoice_key
    from {{ ref('int_closed_invoices') }}
    where not is_void

),

closed_lines as (

    select
        invoice_id,
        customer_id,
        contract_id,
        plan_id,
        reference_id,
        catalog_version,
        period_start,
        amount
    from {{ source('billing', 'closed_lines') }}
    where kind = 'top_up'

),

wallet_top_ups as (

    select
        catalog_version,
        contract_id,
        wallet_id,
        due_on,
        amount
    from {{ source('catalog', 'wallet_top_ups') }}

),

wallets as (

    select
        catalog_version,
        contract_id,
        wallet_id,
        priority,
        valid_days,
        is_limited
    from {{ source('catalog', 'wallets') }}

),

contracts as (

    select
        catalog_version,
        contract_id,
        customer_id,
        plan_id
    from {{ source('catalog', 'contracts') }}

),

customers as (

    select
        catalog_version,
        customer_id,
        timezone
    from {{ source('catalog', 'customers') }}

),

-- What was invoiced stays as it was.
closed as (

    select
        standing_invoices.invoice_key,
        closed_lines.contract_id,
        closed_lines.customer_id,
        closed_lines.plan_id,
        split_part(closed_lines.reference_id, ':', 1) as wallet_id,
        closed_lines.reference_id as grant_id,
        closed_lines.catalog_version,
        closed_lines.period_start as issued_on,
        closed_lines.amount,
        true as is_final
    from closed_lines
    inner join standing_invoices
        on closed_lines.invoice_id = standing_invoices.invoice_id

),

due as (

    select
        wallet_top_ups.*,
        contracts.customer_id,
        contracts.plan_id,
        wallet_top_ups.wallet_id || ':' || wallet_top_ups.due_on as grant_id
    from wallet_top_ups
    inner join parameters
        on wallet_top_ups.catalog_version = parameters.catalog_version
    inner join contracts
        on
            wallet_top_ups.catalog_version = contracts.catalog_version
            and wallet_top_ups.contract_id = contracts.contract_id
    inner join customers
        on
            contracts.catalog_version = customers.catalog_version
            and contracts.customer_id = customers.customer_id
    where {{ start_of_day('wallet_top_ups.due_on', 'customers.timezone') }} < parameters.as_of

),

top_ups as (

    select *
    from closed

    union all

    select
        due.contract_id || ':top_up:' || due.grant_id as invoice_key,
        due.contract_id,
        due.customer_id,
        due.plan_id,
        due.wallet_id,
        due.grant_id,
        due.catalog_version,
        due.due_on as issued_on,
        due.amount,
        false as is_final
    from due
    left join closed
        on
            due.contract_id = closed.contract_id
            and due.grant_id = closed.grant_id
    where closed.grant_id is null

)

select
    top_ups.invoice_key::text as invoice_key,
    top_ups.contract_id::text as contract_id,
    top_ups.customer_id::text as customer_id,
    top_ups.plan_id::text as plan_id,
    top_ups.wallet_id::text as wallet_id,
    top_ups.grant_id::text as grant_id,
    top_ups.catalog_version::text as catalog_version,
    top_ups.issued_on::date as issued_on,
    (top_ups.issued_on + wallets.valid_days)::date as expires_on,
    top_ups.amount::numeric(20, 3) as amount,
    wallets.priority::integer as priority,
    wallets.is_limited::boolean as is_limited,
    top_ups.is_final::boolean as is_final
from top_ups
inner join wallets
    on
        top_ups.catalog_version = wallets.catalog_version
        and top_ups.contract_id = wallets.contract_id
        and top_ups.wallet_id = wallets.wallet_id
