-- A credit pays no more than it holds, over all invoices, drafts included.
with

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

spent as (

    select
        contract_id,
        reference_id as credit_id,
        sum(amount) as amount
    from {{ ref('fct_invoice_lines') }}
    where kind = 'credit'
    group by contract_id, reference_id

),

held as (

    select
        credit_grants.contract_id,
        credit_grants.credit_id,
        credit_grants.amount
    from {{ source('catalog', 'credit_grants') }} as credit_grants
    inner join parameters
        on credit_grants.catalog_version = parameters.catalog_version

)

select
    spent.contract_id,
    spent.credit_id,
    held.amount as held,
    spent.amount as spent
from spent
left join held
    on
        spent.contract_id = held.contract_id
        and spent.credit_id = held.credit_id
where coalesce(held.amount, 0) + spent.amount < 0
