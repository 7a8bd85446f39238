with

lines as (

    select
        invoice_line_id,
        invoice_id,
        charge_id,
        amount
    from {{ ref('int_taxed_lines') }}

),

taxable as (

    select
        invoice_id,
        charge_id,
        charged_amount,
        sum(charged_amount) over (partition by invoice_id) as total_charged_amount
    from {{ ref('int_taxable_amounts') }}

),

included_taxes as (

    select
        invoice_id,
        charge_id,
        tax_id,
        percent,
        inclusive_percent
    from {{ ref('int_charge_taxes') }}
    where is_inclusive

),

-- A line of a charge contains that charge's taxes; any other contains each charge's part of them,
-- as it is shared by the charges.
contained as (

    select
        lines.invoice_id,
        lines.invoice_line_id,
        included_taxes.tax_id,
        sum(
            {{ divide(
                'lines.amount * included_taxes.percent'
                ' * case when own.charge_id is null then taxable.charged_amount else 1 end',
                '(100 + included_taxes.inclusive_percent)'
                ' * case when own.charge_id is null then taxable.total_charged_amount else 1 end'
            ) }}
        ) as exact_amount
    from lines
    left join taxable as own
        on
            lines.invoice_id = own.invoice_id
            and lines.charge_id = own.charge_id
    inner join taxable
        on
            lines.invoice_id = taxable.invoice_id
            and (own.charge_id is null or own.charge_id = taxable.charge_id)
    inner join included_taxes
        on
            taxable.invoice_id = included_taxes.invoice_id
            and taxable.charge_id is not distinct from included_taxes.charge_id
    group by lines.invoice_id, lines.invoice_line_id, included_taxes.tax_id

)

select
    invoice_id::text as invoice_id,
    invoice_line_id::text as invoice_line_id,
    tax_id::text as tax_id,
    exact_amount::numeric(38, 12) as exact_amount
from contained
