with

drafts as (

    select
        invoice_id,
        minor_units
    from {{ ref('int_draft_invoices') }}

),

tax_totals as (

    select
        invoice_id,
        reference_id as tax_id,
        included_amount
    from {{ ref('int_tax_lines') }}
    where included_amount <> 0

),

contained as (

    select
        invoice_id,
        invoice_line_id,
        tax_id,
        exact_amount
    from {{ ref('int_line_taxes') }}

),

-- Each part is cut off towards zero; the units that are missing go, one each, to the parts that
-- lost most.
cut_off as (

    select
        contained.invoice_line_id,
        contained.exact_amount,
        trunc(contained.exact_amount, drafts.minor_units) as amount,
        round(power(10::numeric, -drafts.minor_units), drafts.minor_units) as unit,
        coalesce(tax_totals.included_amount, 0)
        - sum(trunc(contained.exact_amount, drafts.minor_units)) over (
            partition by contained.invoice_id, contained.tax_id
        ) as missing,
        contained.invoice_id,
        contained.tax_id
    from contained
    inner join drafts
        on contained.invoice_id = drafts.invoice_id
    left join tax_totals
        on
            contained.invoice_id = tax_totals.invoice_id
            and contained.tax_id = tax_totals.tax_id

),

ranked as (

    select
        invoice_line_id,
        amount,
        unit,
        missing,
        row_number() over (
            partition by invoice_id, tax_id
            order by sign(missing) * (exact_amount - amount) desc, invoice_line_id
        ) as rank
    from cut_off

)

select
    invoice_line_id::text as invoice_line_id,
    sum(
        amount
        + case when rank * unit <= abs(missing) then sign(missing) * unit else 0 end
    )::numeric(20, 3) as included_amount
from ranked
group by invoice_line_id
