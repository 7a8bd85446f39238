with

drafts as (

    select
        invoice_id,
        kind,
        currency,
        minor_units,
        period_start,
        period_end
    from {{ ref('int_draft_invoices') }}

),

taxes as (

    select
        invoice_id,
        tax_id,
        position,
        tax_name,
        tax_exempt,
        percent,
        is_inclusive,
        scope
    from {{ ref('int_invoice_taxes') }}

),

charge_taxes as (

    select
        invoice_id,
        charge_id,
        tax_id,
        percent,
        inclusive_percent,
        taxable_amount
    from {{ ref('int_charge_taxes') }}

),

charges as (

    select
        invoice_id,
        tax_id,
        jsonb_object_agg(charge_id, trim_scale(taxable_amount)) as taxable_amounts
    from charge_taxes
    where charge_id is not null
    group by invoice_id, tax_id

),

-- Amounts that are divided alike are added up first: a sum of quotients would lose digits.
taxable as (

    select
        invoice_id,
        tax_id,
        percent,
        inclusive_percent,
        sum(taxable_amount) as taxable_amount
    from charge_taxes
    group by invoice_id, tax_id, percent, inclusive_percent

),

-- Every tax is on the net amount, which is what a price is without the taxes that it contains.
taxed as (

    select
        invoice_id,
        tax_id,
        sum({{ divide('taxable_amount * 100', '100 + inclusive_percent') }}) as net_amount,
        round(
            sum({{ divide('taxable_amount * percent', '100 + inclusive_percent', 24) }}), 12
        ) as tax_amount
    from taxable
    group by invoice_id, tax_id

),

lines as (

    select
        drafts.invoice_id,
        drafts.currency,
        drafts.minor_units,
        drafts.period_start,
        drafts.period_end,
        taxes.tax_id,
        taxes.position,
        taxes.tax_name,
        taxes.tax_exempt,
        taxes.percent,
        taxes.is_inclusive and taxes.tax_exempt = 'none' as is_included,
        taxed.net_amount,
        case
            when taxes.scope <> 'all' or drafts.kind in ('manual', 'top_up')
                then charges.taxable_amounts
        end as charges,
        case when taxes.is_inclusive then 0 else taxed.tax_amount end as added_amount,
        round(case when taxes.is_inclusive then taxed.tax_amount else 0 end, drafts.minor_units)
            as included_amount
    from drafts
    inner join taxes
        on drafts.invoice_id = taxes.invoice_id
    inner join taxed
        on
            taxes.invoice_id = taxed.invoice_id
            and taxes.tax_id = taxed.tax_id
    left join charges
        on
            taxes.invoice_id = charges.invoice_id
            and taxes.tax_id = charges.tax_id
    where taxed.net_amount <> 0

)

-- A tax that prices contain is shown and adds nothing.
select
    (invoice_id || '/tax/' || tax_id)::text as invoice_line_id,
    invoice_id::text as invoice_id,
    'tax'::text as kind,
    position::integer as position,
    tax_id::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    added_amount::numeric(38, 12) as exact_amount,
    {{ round_to_currency('added_amount', 'minor_units') }} as amount,
    included_amount::numeric(20, 3) as included_amount,
    (
        case
            when tax_exempt = 'exempt' then tax_name || ' 0 %: exempt from tax'
            when tax_exempt = 'reverse'
                then tax_name || ' 0 %: reverse charge, the customer owes the tax'
            when is_included
                then
                    'Including ' || tax_name || ' ' || trim_scale(percent) || ' %: '
                    || included_amount || ' ' || currency
            else tax_name || ' ' || trim_scale(percent) || ' %'
        end
    )::text as description,
    jsonb_strip_nulls(
        jsonb_build_object(
            'percent', trim_scale(percent),
            'base', trim_scale(net_amount),
            'charges', charges,
            'included', case when is_included then included_amount end,
            'exempt', nullif(tax_exempt, 'none')
        )
    ) as explanation
from lines
