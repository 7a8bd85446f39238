with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

contracts as (

    select
        catalog_version,
        contract_id,
        end_date
    from {{ source('catalog', 'contracts') }}
    where end_date is not null

),

invoices as (

    select
        contract_id,
        max(period_end) as invoiced_until
    from {{ ref('int_closed_invoices') }}
    where kind = 'period' and not is_void
    group by contract_id

)

-- Days that are invoiced stay with their invoice, should the catalog end the contract before them.
select
    contracts.contract_id::text as contract_id,
    greatest(contracts.end_date, invoices.invoiced_until)::date as ended_on
from contracts
inner join parameters
    on contracts.catalog_version = parameters.catalog_version
left join invoices
    on contracts.contract_id = invoices.contract_id
