with recursive

parameters as (

    select catalog_version
    from {{ source('ops', 'parameters') }}

),

periods as (

    select
        invoice_id,
        contract_id,
        currency,
        period_start,
        period_end
    from {{ ref('int_contract_periods') }}
    where not is_closed

),

subtotals as (

    select
        invoice_id,
        amount
    from {{ ref('int_subtotals') }}

),

needs as (

    select
        periods.invoice_id,
        periods.contract_id,
        periods.currency,
        periods.period_start,
        periods.period_end,
        coalesce(sum(subtotals.amount), 0) as amount
    from periods
    left join subtotals
        on periods.invoice_id = subtotals.invoice_id
    group by
        periods.invoice_id,
        periods.contract_id,
        periods.currency,
        periods.period_start,
        periods.period_end

),

closed_periods as (

    select invoice_id
    from {{ ref('int_closed_invoices') }}
    where not is_void

),

closed_lines as (

    select
        invoice_id,
        contract_id,
        currency,
        reference_id,
        amount
    from {{ source('billing', 'closed_lines') }}
    where kind = 'credit'

),

credit_grants as (

    select
        catalog_version,
        contract_id,
        credit_id,
        amount,
        priority,
        valid_from,
        expires_on
    from {{ source('catalog', 'credit_grants') }}

),

-- Credit spent or carried in one currency says nothing about another.
currencies as (

    select distinct
        contract_id,
        currency
    from periods

),

closed_credit_lines as (

    select
        closed_lines.contract_id,
        closed_lines.reference_id,
        sum(closed_lines.amount) as amount
    from closed_lines
    inner join closed_periods
        on closed_lines.invoice_id = closed_periods.invoice_id
    inner join currencies
        on
            closed_lines.contract_id = currencies.contract_id
            and closed_lines.currency = currencies.currency
    group by closed_lines.contract_id, closed_lines.reference_id

),

-- What a negative invoice left over comes before every grant: it is the customer's own money.
grants as (

    select
        closed_credit_lines.contract_id,
        'carried' as credit_id,
        0 as precedence,
        0 as priority,
        null::date as valid_from,
        null::date as expires_on,
        sum(closed_credit_lines.amount) as remaining
    from closed_credit_lines
    where closed_credit_lines.reference_id = 'carried'
    group by closed_credit_lines.contract_id

    union all

    select
        credit_grants.contract_id,
        credit_grants.credit_id,
        1 as precedence,
        credit_grants.priority,
        credit_grants.valid_from,
        credit_grants.expires_on,
        credit_grants.amount + coalesce(closed_credit_lines.amount, 0) as remaining
    from credit_grants
    inner join parameters
        on credit_grants.catalog_version = parameters.catalog_version
    left join closed_credit_lines
        on
            credit_grants.contract_id = closed_credit_lines.contract_id
            and credit_grants.credit_id = closed_credit_lines.reference_id

),

ranked_grants as (

    select
        contract_id,
        credit_id,
        valid_from,
        expires_on,
        remaining,
        row_number() over (
            partition by contract_id
            order by precedence, priority, expires_on nulls last, credit_id
        ) as grant_rank
    from grants
    where remaining > 0

),

-- Grant by grant in the order they are spent; each covers its periods in order of time, so that
-- what one grant leaves open is all the next one sees.
waterfall as (

    select
        invoice_id,
        contract_id,
        period_start,
        period_end,
        0::bigint as grant_rank,
        null::text as credit_id,
        0::numeric as remaining_before,
        greatest(amount, 0) as need_before,
        greatest(amount, 0) as need_after
    from needs

    union all

    select
        covered.invoice_id,
        covered.contract_id,
        covered.period_start,
        covered.period_end,
        covered.grant_rank,
        covered.credit_id,
        greatest(covered.remaining - covered.need_of_earlier_periods, 0) as remaining_before,
        covered.need_before,
        covered.need_before - greatest(
            least(covered.usable_need, covered.remaining - covered.need_of_earlier_periods), 0
        ) as need_after
    from (
        select
            usable.*,
            coalesce(
                sum(usable.usable_need) over (
                    partition by usable.contract_id
                    order by usable.period_start
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) as need_of_earlier_periods
        from (
            select
                waterfall.invoice_id,
                waterfall.contract_id,
                waterfall.period_start,
                waterfall.period_end,
                ranked_grants.grant_rank,
                ranked_grants.credit_id,
                ranked_grants.remaining,
                waterfall.need_after as need_before,
                case
                    when
                        coalesce(ranked_grants.valid_from < waterfall.period_end, true)
                        and coalesce(ranked_grants.expires_on > waterfall.period_start, true)
                        then waterfall.need_after
                    else 0
                end as usable_need
            from waterfall
            inner join ranked_grants
                on
                    waterfall.contract_id = ranked_grants.contract_id
                    and ranked_grants.grant_rank = waterfall.grant_rank + 1
        ) as usable
    ) as covered

),

draws as (

    select
        waterfall.invoice_id,
        waterfall.credit_id,
        waterfall.grant_rank as position,
        waterfall.period_start,
        waterfall.period_end,
        waterfall.need_after - waterfall.need_before as amount,
        case
            when waterfall.credit_id = 'carried' then 'Credit carried from an earlier invoice'
            else 'Credit ' || waterfall.credit_id
        end as description,
        jsonb_build_object('remaining_before', waterfall.remaining_before) as explanation
    from waterfall
    where waterfall.need_before <> waterfall.need_after

    union all

    -- A negative invoice is brought to zero; what it owes the customer is carried on.
    select
        invoice_id,
        'carried' as credit_id,
        0 as position,
        period_start,
        period_end,
        -amount as amount,
        'Credit carried to the next invoice' as description,
        jsonb_build_object('subtotal', amount) as explanation
    from needs
    where amount < 0

)

select
    (invoice_id || '/credit/' || credit_id)::text as invoice_line_id,
    invoice_id::text as invoice_id,
    'credit'::text as kind,
    position::integer as position,
    credit_id::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    amount::numeric(38, 12) as exact_amount,
    amount::numeric(20, 3) as amount,
    description::text as description,
    explanation::jsonb as explanation
from draws
