with

periods as (

    select
        invoice_id,
        kind,
        contract_id,
        period_start,
        period_end,
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

-- An invoice that was voided and made again finds later ones beside it: what they bill of the days
-- behind its own leaves its own due.
invoiced_before as (

    select
        periods.invoice_id,
        fees_invoiced.charge_id,
        max(fees_invoiced.invoiced_until) filter (
            where fees_invoiced.invoiced_from < periods.period_end
        ) as invoiced_until,
        max(fees_invoiced.invoiced_until) filter (
            where fees_invoiced.invoiced_from < periods.next_period_end
        ) as next_invoiced_until
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

-- A draft behind another draft: what that one bills, for the period at hand or once, is not in any
-- invoice yet. The opening invoice comes before the period that begins on the same day.
open_periods as (

    select
        invoice_id,
        row_number() over drafts as open_number,
        lag(next_period_start) over drafts as paid_from,
        lag(next_period_end) over drafts as paid_until
    from periods
    where not is_closed
    window drafts as (
        partition by contract_id
        order by period_start, kind
    )

),

opening_prices as (

    select
        parts.invoice_id,
        parts.charge_id,
        prices.timing,
        prices.is_prorated and prices.timing <> 'once' as is_prorated,
        case prices.timing
            when 'arrears' then false
            when 'once' then coalesce(open_periods.open_number > 1, false)
            else coalesce(
                open_periods.paid_from <= parts.part_start
                and parts.part_start < open_periods.paid_until,
                false
            )
        end as is_billed_by_a_draft
    from parts
    inner join prices
        on
            parts.catalog_version = prices.catalog_version
            and parts.price_id = prices.price_id
    left join open_periods
        on parts.invoice_id = open_periods.invoice_id
    where parts.part_number = 1

),

-- The fee of the invoice's own period, as far as nobody has billed it. When it is due, and whether
-- by day, is decided by the price with which the period begins.
own_period as (

    select
        parts.invoice_id,
        parts.charge_id,
        parts.part_number,
        parts.position,
        parts.name,
        case
            when opening_prices.timing = 'once' then parts.part_start
            else greatest(parts.part_start, invoiced_before.invoiced_until)
        end as fee_start,
        case when opening_prices.is_prorated then parts.part_end else parts.period_end end
            as fee_end,
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
    left join invoiced_before
        on
            parts.invoice_id = invoiced_before.invoice_id
            and parts.charge_id = invoiced_before.charge_id
    where
        -- A fee that is not prorated is due once a period, at the price the period begins with.
        (parts.part_number = 1 or opening_prices.is_prorated)
        and not opening_prices.is_billed_by_a_draft
        and case
            when opening_prices.timing = 'once' then invoiced_before.charge_id is null
            when invoiced_before.invoiced_until is null then true
            when opening_prices.is_prorated then invoiced_before.invoiced_until < parts.part_end
            else invoiced_before.invoiced_until <= parts.part_start
        end

),

next_period as (

    select
        advance_prices.invoice_id,
        advance_prices.charge_id,
        0 as part_number,
        advance_prices.position,
        advance_prices.name,
        greatest(advance_prices.next_period_start, invoiced_before.next_invoiced_until)
            as fee_start,
        advance_prices.next_period_end as fee_end,
        advance_prices.next_full_period_days as full_period_days,
        advance_prices.flat_amount,
        advance_prices.is_prorated
    from advance_prices
    left join invoiced_before
        on
            advance_prices.invoice_id = invoiced_before.invoice_id
            and advance_prices.charge_id = invoiced_before.charge_id
    where
        case
            when advance_prices.timing = 'once' then invoiced_before.charge_id is null
            when invoiced_before.next_invoiced_until is null then true
            when advance_prices.is_prorated
                then invoiced_before.next_invoiced_until < advance_prices.next_period_end
            else invoiced_before.next_invoiced_until <= advance_prices.next_period_start
        end

),

fees as (

    select *
    from own_period

    union all

    select *
    from next_period

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
    (case when is_prorated then fee_end - fee_start else full_period_days end)::integer
        as billed_days,
    full_period_days::integer as full_period_days,
    (
        case
            when is_prorated
                then {{ divide('flat_amount * (fee_end - fee_start)', 'full_period_days', 12) }}
            else flat_amount
        end
    )::numeric(38, 12) as exact_amount
from fees
