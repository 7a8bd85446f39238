with

lines as (

    select
        invoice_line_id,
        invoice_id,
        kind,
        customer_id,
        contract_id,
        charge_id,
        dimension_id,
        exact_amount,
        amount,
        currency,
        description,
        explanation
    from {{ ref('fct_invoice_lines') }}

),

-- What the line's models noted while they made it, and what each note adds to the amount.
terms as (

    select *
    from (
        values
        ('minimum', 'minimum_due', 'minimum_due', 1, 1, 'minimum'),
        ('minimum', 'minimum_due', 'charged', 2, -1, 'charged already'),
        ('discount', 'maximum_due', 'maximum_due', 1, 1, 'maximum'),
        ('discount', 'maximum_due', 'charged', 2, -1, 'charged'),
        ('commitment', 'minimums', 'commitment', 1, 1, 'commitment'),
        ('commitment', 'minimums', 'used', 2, -1, 'used in the term'),
        ('commitment', 'minimums', 'minimums', 3, -1, 'minimums paid in the term'),
        ('commitment', 'drawn', 'drawn', 1, -1, 'used, and paid by instalments'),
        ('credit', 'subtotal', 'subtotal', 1, -1, 'what the invoice is below zero'),
        ('adjustment', 'rated_now', 'rated_now', 1, 1, 'rated now'),
        ('adjustment', 'rated_now', 'invoiced', 2, -1, 'invoiced'),
        ('adjustment', 'rated_now', 'adjusted_before', 3, -1, 'adjusted before')
    ) as terms (kind, marker, note, place, sign, words)

),

usage_steps as (

    select
        lines.invoice_line_id,
        found.place,
        found.notes,
        found.notes ->> 'step' as step,
        (found.notes ->> 'tier')::integer as tier_number,
        (found.notes ->> 'from')::numeric as from_quantity,
        (found.notes ->> 'up_to')::numeric as up_to,
        (found.notes ->> 'records')::bigint as record_count,
        (found.notes ->> 'quantity')::numeric as quantity,
        (found.notes ->> 'unit_amount')::numeric as unit_amount,
        (found.notes ->> 'days')::integer as days,
        (found.notes ->> 'of_days')::integer as of_days,
        (found.notes ->> 'amount')::numeric as amount,
        case
            when found.notes ->> 'dimension' <> lines.dimension_id
                then (found.notes ->> 'dimension') || ': '
            else ''
        end as prefix
    from lines
    cross join
        lateral jsonb_array_elements(lines.explanation -> 'steps')
        with ordinality as found (notes, place)

),

noted_steps as (

    select
        lines.invoice_line_id,
        terms.place,
        terms.note as step,
        terms.words
        || case
            when terms.note in ('minimum_due', 'maximum_due')
                then
                    ' of '
                    || trim_scale(
                        coalesce(lines.explanation ->> 'minimum', lines.explanation ->> 'maximum')
                        ::numeric
                    )
                    || ' for ' || (lines.explanation ->> 'billed_days')
                    || ' of ' || (lines.explanation ->> 'full_period_days') || ' days'
            else ''
        end as words,
        terms.sign * (lines.explanation ->> terms.note)::numeric as amount
    from lines
    inner join terms
        on
            lines.kind = terms.kind
            and jsonb_exists(lines.explanation, terms.marker)

),

-- What is one step: a quantity, or an amount of which a part is due, times a price, for its days.
whole_steps as (

    select
        invoice_line_id,
        kind,
        exact_amount,
        explanation,
        jsonb_exists(explanation, 'full_period_days') and kind = 'fee' as is_fee,
        jsonb_exists(explanation, 'percent') and kind = 'discount' as is_percent,
        jsonb_exists(explanation, 'percent')
        and kind = 'tax'
        and not jsonb_exists(explanation, 'included') as is_tax,
        jsonb_exists(explanation, 'overage_factor') as is_overage,
        jsonb_exists(explanation, 'unit_amount') as is_quantity
    from lines
    where
        explanation -> 'steps' is null
        and invoice_line_id not in (select noted_steps.invoice_line_id from noted_steps)

),

steps as (

    select
        usage_steps.invoice_line_id,
        usage_steps.place,
        usage_steps.step,
        usage_steps.prefix || {{ step_words('usage_steps') }} as description,
        usage_steps.notes -> 'group' as price_group,
        usage_steps.tier_number,
        usage_steps.record_count,
        usage_steps.quantity,
        usage_steps.unit_amount,
        usage_steps.days,
        usage_steps.of_days,
        usage_steps.amount
    from usage_steps

    union all

    select
        invoice_line_id,
        place,
        step,
        words as description,
        null as price_group,
        null as tier_number,
        null as record_count,
        null as quantity,
        null as unit_amount,
        null as days,
        null as of_days,
        amount
    from noted_steps
    where amount <> 0

    union all

    select
        invoice_line_id,
        1 as place,
        kind as step,
        case
            when is_fee then 'fee'
            when is_percent then {{ noted('percent') }} || ' % of what is left'
            when is_tax then {{ noted('percent') }} || ' % of the net amount'
            when is_overage then 'beyond the commitment'
            when is_quantity then 'price'
            when kind = 'discount' and jsonb_exists(explanation, 'discounted_days')
                then
                    'share of ' || {{ noted('amount') }}
                    || ' for ' || {{ noted('discounted_days') }}
                    || ' of ' || {{ noted('full_period_days') }} || ' days'
            when kind = 'credit' and jsonb_exists(explanation, 'remaining_before')
                then 'of ' || {{ noted('remaining_before') }} || ' that were left'
            else kind
        end as description,
        null as price_group,
        null as tier_number,
        null as record_count,
        case
            when is_fee then 1
            when is_percent or is_tax then (explanation ->> 'base')::numeric
            when is_overage then (explanation ->> 'overage')::numeric
            when is_quantity then (explanation ->> 'quantity')::numeric
        end as quantity,
        case
            when is_fee then (explanation ->> 'full_amount')::numeric
            when is_percent then {{ divide("-(explanation ->> 'percent')::numeric", '100') }}
            when is_tax then {{ divide("(explanation ->> 'percent')::numeric", '100') }}
            when is_overage then (explanation ->> 'overage_factor')::numeric - 1
            when is_quantity then (explanation ->> 'unit_amount')::numeric
        end as unit_amount,
        case
            when is_fee then (explanation ->> 'billed_days')::integer
            when is_percent then (explanation ->> 'discounted_days')::integer
        end as days,
        case
            when is_fee then (explanation ->> 'full_period_days')::integer
            when is_percent then (explanation ->> 'line_days')::integer
        end as of_days,
        exact_amount as amount
    from whole_steps

    union all

    -- A line is rounded once.
    select
        invoice_line_id,
        null as place,
        'rounding' as step,
        'rounded to ' || trim_scale(amount) || ' ' || currency as description,
        null as price_group,
        null as tier_number,
        null as record_count,
        null as quantity,
        null as unit_amount,
        null as days,
        null as of_days,
        amount - exact_amount as amount
    from lines
    where amount <> exact_amount

)

select
    steps.invoice_line_id::text as invoice_line_id,
    row_number() over (
        partition by steps.invoice_line_id
        order by steps.place nulls last
    )::integer as step_number,
    steps.step::text as step,
    lines.invoice_id::text as invoice_id,
    lines.customer_id::text as customer_id,
    lines.contract_id::text as contract_id,
    lines.charge_id::text as charge_id,
    steps.description::text as description,
    steps.price_group::jsonb as price_group,
    steps.tier_number::integer as tier_number,
    steps.record_count::bigint as record_count,
    steps.quantity::numeric(38, 12) as quantity,
    steps.unit_amount::numeric(38, 12) as unit_amount,
    case when steps.days <> steps.of_days then steps.days end::integer as days,
    case when steps.days <> steps.of_days then steps.of_days end::integer as of_days,
    steps.amount::numeric(38, 12) as amount,
    lines.currency::text as currency
from steps
inner join lines
    on steps.invoice_line_id = lines.invoice_line_id
