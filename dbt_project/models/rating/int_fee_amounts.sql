with

periods as (

    select
        invoice_id,
        kind,
        contract_id,
        period_start,
        next_period_start,
        next_period_end,
        is_closed
    from {{ ref('int_contract_invoices') }}

),

parts as (

    select
        invoice_id,
        charge_id,
        part_number,
        catalog_version,
        position,
        name,
        price_id,
        part_start,
        part_end,
        max(part_end) over (partition by invoice_id, charge_id) as period_end,
        full_period_days
    from {{ ref('int_charge_parts') }}
    where dimension_id is null

),

advance_prices as (

    select
        invoice_id,
        charge_id,
        position,
        name,
        timing,
        next_period_start,
        next_period_end,
        next_full_period_days,
        flat_amount,
        is_prorated
    from {{ ref('int_advance_prices') }}
    where model = 'flat'

),

prices as (

    select
        catalog_version,
        price_id,
        flat_amount,
        timing,
        is_prorated
    from {{ source('catalog', 'prices') }}
    where model = 'flat'

),

invoices as (

    select
        invoice_id,
        contract_id,
        invoice_sequence,
        voided_at_sequence
    from {{ ref('int_closed_invoices') }}

),

invoice_lines as (

    select
        invoice_id,
        charge_id,
        period_start,
        period_end
    from {{ source('billing', 'closed_lines') }}
    where kind = 'fee' and dimension_id is null

),

-- What has been invoiced decides what is still due, not what today's catalog would have invoiced:
-- contracts are renewed, moved and repriced after their first invoices.
fees_invoiced as (

    select
        invoices.invoice_id,
        invoices.contract_id,
        invoices.invoice_sequence,
        invoices.voided_at_sequence,
        invoice_lines.charge_id,
        invoice_lines.period_start as invoiced_from,
        invoice_lines.period_end as invoiced_until
    from invoice_lines
    inner join invoices
        on invoice_lines.invoice_id = invoices.invoice_id

),

-- The days of a fee that invoices bill. One that is made again finds later ones beside it.
invoiced_before as (

    select
        periods.invoice_id,
        fees_invoiced.charge_id,
        range_agg(daterange(fees_invoiced.invoiced_from, fees_invoiced.invoiced_until)) as days
    from periods
    inner join fees_invoiced
        on periods.contract_id = fees_invoiced.contract_id
    left join invoices as own
        on periods.invoice_id = own.invoice_id
    -- A closed invoice was rated by what stood then: voids and revisions since do not count.
    where
        case
            when own.invoice_id is null then fees_invoiced.voided_at_sequence is null
            else
                fees_invoiced.invoice_sequence < own.invoice_sequence
                and coalesce(fees_invoiced.voided_at_sequence >= own.invoice_sequence, true)
        end
    group by periods.invoice_id, fees_invoiced.charge_id

),

-- What a draft bills, until the end of the period that follows it or once, is not in any invoice
-- yet. The opening invoice comes before the period that begins on the same day.
invoices_before as (

    select
        invoice_id,
        contract_id,
        next_period_start,
        max(next_period_end) over earlier as paid_until,
        case
            when not is_closed then max(next_period_end) filter (where not is_closed) over earlier
        end as drafted_until,
        not is_closed and coalesce(bool_or(not is_closed) over earlier, false) as follows_a_draft
    from periods
    window earlier as (
        partition by contract_id
        order by period_start, kind
        rows between unbounded preceding and 1 preceding
    )

),

-- When a fee is due, and whether by day, is decided by the price with which the period begins. One
-- of nothing has no line, and is found by its price.
opening_prices as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_start,
        prices.timing,
        prices.is_prorated and prices.timing <> 'once' as is_prorated,
        invoices_before.next_period_start,
        case when prices.timing = 'advance' then invoices_before.drafted_until end as drafted_until,
        case prices.timing
            when 'advance'
                then
                    prices.flat_amount = 0
                    and coalesce(parts.part_start < invoices_before.paid_until, false)
            when 'once'
                then
                    invoices_before.follows_a_draft
                    or coalesce(bool_or(prices.flat_amount = 0) over earlier, false)
            else false
        end as is_settled
    from parts
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id
    inner join invoices_before
        on parts.invoice_id = invoices_before.invoice_id
    where parts.part_number = 1
    window earlier as (
        partition by invoices_before.contract_id, parts.charge_id
        order by parts.part_start
        rows between unbounded preceding and 1 preceding
    )

),

-- The fee of the invoice's own period. One in advance is for all days until the next one begins:
-- what closed periods hold of them may have been paid with an invoice that was voided.
own_period as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.position,
        parts.name,
        opening_prices.timing,
        greatest(parts.part_start, opening_prices.drafted_until) as due_from,
        case
            when not opening_prices.is_prorated then parts.period_end
            when opening_prices.timing = 'advance' and parts.part_end = parts.period_end
                then coalesce(opening_prices.next_period_start, parts.part_end)
            else parts.part_end
        end as due_until,
        parts.full_period_days,
        prices.flat_amount,
        opening_prices.is_prorated
    from parts
    inner join opening_prices
        on
            parts.invoice_id = opening_prices.invoice_id
            and parts.charge_id = opening_prices.charge_id
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id
    where
        -- A fee that is not prorated is due once a period, at the price the period begins with.
        (parts.part_number = 1 or opening_prices.is_prorated)
        and not opening_prices.is_settled

),

next_period as (

    select
        advance_prices.invoice_id,
        advance_prices.charge_id,
        0 as part_number,
        advance_prices.position,
        advance_prices.name,
        advance_prices.timing,
        greatest(advance_prices.next_period_start, invoices_before.drafted_until) as due_from,
        advance_prices.next_period_end as due_until,
        advance_prices.next_full_period_days as full_period_days,
        advance_prices.flat_amount,
        advance_prices.is_prorated
    from advance_prices
    inner join invoices_before
        on advance_prices.invoice_id = invoices_before.invoice_id

),

fees as (

    select
        own_period.*,
        daterange(least(own_period.due_from, own_period.due_until), own_period.due_until) as span
    from own_period

    union all

    select
        next_period.*,
        daterange(least(next_period.due_from, next_period.due_until), next_period.due_until)
            as span
    from next_period

),

-- What is due once, and is billed: by an invoice before, whatever its price was then, or once by a
-- later one that an invoice made again finds beside it. A closed invoice keeps what it has billed.
billed_once as (

    select distinct
        fees.invoice_id,
        fees.charge_id
    from fees
    inner join periods
        on fees.invoice_id = periods.invoice_id
    inner join fees_invoiced
        on
            periods.contract_id = fees_invoiced.contract_id
            and fees.charge_id = fees_invoiced.charge_id
            and fees_invoiced.voided_at_sequence is null
    left join opening_prices as later
        on
            fees_invoiced.invoice_id = later.invoice_id
            and fees_invoiced.charge_id = later.charge_id
            and fees_invoiced.invoiced_from = later.part_start
    where
        fees.timing = 'once'
        and case
            when periods.is_closed
                then
                    fees_invoiced.invoice_id = periods.invoice_id
                    and fees_invoiced.invoiced_from = fees.due_from
            else fees_invoiced.invoiced_from <= fees.due_from or later.timing = 'once'
        end

),

-- Of a fee by day, invoiced days may lie before, between and behind those that are left.
uncovered as (

    select
        fees.*,
        case
            when fees.is_prorated
                then datemultirange(fees.span) - coalesce(invoiced_before.days, '{}')
            when not coalesce(fees.span && invoiced_before.days, false)
                then datemultirange(fees.span)
        end as days
    from fees
    left join invoiced_before
        on
            fees.invoice_id = invoiced_before.invoice_id
            and fees.charge_id = invoiced_before.charge_id
    inner join periods
        on fees.invoice_id = periods.invoice_id
    left join billed_once
        on
            fees.invoice_id = billed_once.invoice_id
            and fees.charge_id = billed_once.charge_id
    where fees.timing <> 'once' or periods.is_closed = (billed_once.charge_id is not null)

),

due as (

    select
        uncovered.*,
        lower(uncovered.days) as fee_start,
        upper(uncovered.days) as fee_end,
        (
            select sum(upper(stretch.days) - lower(stretch.days))
            from unnest(uncovered.days) as stretch (days)
        ) as due_days
    from uncovered
    where not isempty(uncovered.days)

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    position::integer as position,
    name::text as name,
    fee_start::date as fee_start,
    fee_end::date as fee_end,
    flat_amount::numeric(38, 12) as full_amount,
    (case when is_prorated then due_days else full_period_days end)::integer as billed_days,
    full_period_days::integer as full_period_days,
    (
        case
            when is_prorated
                then {{ divide('flat_amount * due_days', 'full_period_days', 12) }}
            else flat_amount
        end
    )::numeric(38, 12) as exact_amount
from due
