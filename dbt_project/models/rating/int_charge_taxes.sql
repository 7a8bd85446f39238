with

taxable as (

    select
        invoice_id,
        charge_id,
        taxable_amount
    from {{ ref('int_taxable_amounts') }}

),

taxes as (

    select
        invoice_id,
        catalog_version,
        tax_id,
        rate_number,
        percent,
        is_inclusive,
        is_of_customer,
        scope
    from {{ ref('int_invoice_taxes') }}

),

named_charges as (

    select
        catalog_version,
        tax_id,
        rate_number,
        charge_id
    from {{ source('catalog', 'tax_rate_charges') }}

),

lines_with_own_taxes as (

    select invoice_line_id
    from {{ ref('int_off_cycle_lines') }}
    where has_own_taxes

),

line_taxes as (

    select
        invoice_line_id,
        tax_id
    from {{ ref('int_off_cycle_taxes') }}

),

-- A line that names its own taxes has those. What has no charge is taxed by what is on
-- everything, or on all charges but some.
charge_taxes as (

    select
        taxable.invoice_id,
        taxable.charge_id,
        taxable.taxable_amount,
        taxes.tax_id,
        taxes.percent,
        taxes.is_inclusive
    from taxable
    inner join taxes
        on taxable.invoice_id = taxes.invoice_id
    left join named_charges
        on
            taxes.catalog_version = named_charges.catalog_version
            and taxes.tax_id = named_charges.tax_id
            and taxes.rate_number = named_charges.rate_number
            and taxable.charge_id = named_charges.charge_id
    left join lines_with_own_taxes
        on taxable.charge_id = lines_with_own_taxes.invoice_line_id
    left join line_taxes
        on
            taxable.charge_id = line_taxes.invoice_line_id
            and taxes.tax_id = line_taxes.tax_id
    where
        case
            when lines_with_own_taxes.invoice_line_id is not null
                then line_taxes.tax_id is not null
            when not taxes.is_of_customer then false
            when taxes.scope = 'only' then named_charges.charge_id is not null
            when taxes.scope = 'except' then named_charges.charge_id is null
            else true
        end

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    tax_id::text as tax_id,
    taxable_amount::numeric(38, 12) as taxable_amount,
    is_inclusive::boolean as is_inclusive,
    percent::numeric(9, 6) as percent,
    coalesce(
        sum(percent) filter (where is_inclusive) over (partition by invoice_id, charge_id), 0
    )::numeric(9, 6) as inclusive_percent
from charge_taxes
