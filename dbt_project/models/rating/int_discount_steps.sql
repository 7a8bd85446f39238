with

lines as (

    select
        invoice_line_id,
        invoice_id,
        contract_id,
        catalog_version,
        charge_id,
        minor_units,
        is_advance,
        service_start,
        service_end,
        service_full_days,
        period_start,
        period_end,
        exact_amount,
        amount
    from {{ ref('int_line_periods') }}

),

discounts as (

    select
        catalog_version,
        contract_id,
        discount_id,
        discount_number,
        charge_id,
        percent,
        amount,
        valid_from,
        valid_to
    from {{ ref('int_discount_terms') }}

),

-- Percent is taken for those days of the line on which it holds, an amount for those of the period.
matching as (

    select
        lines.invoice_line_id,
        lines.invoice_id,
        lines.service_start,
        lines.is_advance,
        lines.minor_units,
        lines.service_full_days,
        discounts.discount_id,
        discounts.discount_number,
        discounts.percent,
        discounts.amount as full_amount,
        least(lines.period_end, discounts.valid_to)
        - greatest(lines.period_start, discounts.valid_from) as discounted_days,
        lines.period_end - lines.period_start as line_days,
        least(lines.service_end, discounts.valid_to)
        - greatest(lines.service_start, discounts.valid_from) as service_days
    from lines
    inner join discounts
        on
            lines.catalog_version = discounts.catalog_version
            and lines.contract_id = discounts.contract_id
            and lines.charge_id = discounts.charge_id
            and lines.period_end > discounts.valid_from
            and (discounts.valid_to is null or lines.period_start < discounts.valid_to)

),

discounted_lines as (

    select distinct invoice_line_id
    from matching

),

-- Each invoice has the discounts of its own catalog, on what it bills in advance and on the rest.
ordered as (

    select
        invoice_id,
        service_start,
        is_advance,
        discount_id,
        discount_number,
        row_number() over (
            partition by invoice_id, service_start, is_advance
            order by discount_number
        ) as step
    from matching
    group by invoice_id, service_start, is_advance, discount_id, discount_number

)

select
    lines.invoice_line_id::text as invoice_line_id,
    lines.invoice_id::text as invoice_id,
    lines.contract_id::text as contract_id,
    lines.service_start::date as service_start,
    ordered.step::integer as step,
    ordered.discount_id::text as discount_id,
    ordered.discount_number::integer as discount_number,
    lines.is_advance::boolean as is_advance,
    lines.minor_units::integer as minor_units,
    lines.exact_amount::numeric(38, 12) as exact_amount,
    {{ to_minor('lines.amount', 'lines.minor_units') }}::numeric(38, 0) as units,
    matching.percent::numeric(9, 6) as percent,
    matching.discounted_days::integer as discounted_days,
    matching.line_days::integer as line_days,
    matching.full_amount::numeric(20, 3) as full_amount,
    matching.service_days::integer as service_days,
    matching.service_full_days::integer as service_full_days,
    {{ to_minor(
        round_to_currency(
            divide('matching.full_amount * matching.service_days', 'matching.service_full_days'),
            'matching.minor_units'
        ),
        'matching.minor_units'
    ) }}::numeric(38, 0) as units_due
from discounted_lines
inner join lines
    on discounted_lines.invoice_line_id = lines.invoice_line_id
inner join ordered
    on
        lines.invoice_id = ordered.invoice_id
        and lines.service_start = ordered.service_start
        and lines.is_advance = ordered.is_advance
left join matching
    on
        lines.invoice_line_id = matching.invoice_line_id
        and ordered.discount_number = matching.discount_number
