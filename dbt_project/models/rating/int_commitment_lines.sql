with

periods as (

    select
        invoice_id,
        commitment_number,
        minor_units,
        period_start,
        period_end,
        is_last,
        is_prepaid,
        commitment_amount,
        overage_factor,
        used_before,
        used_amount,
        minimum_amount
    from {{ ref('int_commitment_periods') }}

),

-- What of this period exceeds the commitment. A period that takes usage back takes this back too.
drawn as (

    select
        periods.*,
        greatest(periods.used_before + periods.used_amount - periods.commitment_amount, 0)
        - greatest(periods.used_before - periods.commitment_amount, 0) as overage,
        periods.used_before + periods.used_amount + periods.minimum_amount as paid_amount
    from periods

),

lines as (

    select
        drawn.invoice_id,
        drawn.commitment_number,
        drawn.minor_units,
        drawn.period_start,
        drawn.period_end,
        'overage' as part,
        drawn.overage * (drawn.overage_factor - 1) as exact_amount,
        'Beyond the commitment of ' || trim_scale(drawn.commitment_amount) || ', at '
        || trim_scale(drawn.overage_factor) || ' times the price' as description,
        jsonb_build_object(
            'commitment', drawn.commitment_amount,
            'used_before', drawn.used_before,
            'used', drawn.used_amount,
            'overage', drawn.overage,
            'overage_factor', drawn.overage_factor
        ) as explanation
    from drawn

    union all

    select
        drawn.invoice_id,
        drawn.commitment_number,
        drawn.minor_units,
        drawn.period_start,
        drawn.period_end,
        'remainder' as part,
        greatest(drawn.commitment_amount - drawn.paid_amount, 0) as exact_amount,
        'Remainder of the commitment of ' || trim_scale(drawn.commitment_amount) as description,
        jsonb_build_object(
            'commitment', drawn.commitment_amount,
            'used', drawn.used_before + drawn.used_amount,
            'minimums', drawn.minimum_amount
        ) as explanation
    from drawn
    where drawn.is_last and not drawn.is_prepaid

    union all

    -- What instalments have paid before.
    select
        drawn.invoice_id,
        drawn.commitment_number,
        drawn.minor_units,
        drawn.period_start,
        drawn.period_end,
        'prepaid' as part,
        drawn.overage - drawn.used_amount as exact_amount,
        'Drawn from the commitment of ' || trim_scale(drawn.commitment_amount) as description,
        jsonb_build_object(
            'commitment', drawn.commitment_amount,
            'used_before', drawn.used_before,
            'used', drawn.used_amount,
            'overage', drawn.overage,
            'drawn', drawn.used_amount - drawn.overage
        ) as explanation
    from drawn
    where drawn.is_prepaid

)

select
    (invoice_id || '/commitment/' || commitment_number || '/' || part)::text as invoice_line_id,
    invoice_id::text as invoice_id,
    'commitment'::text as kind,
    commitment_number::integer as position,
    commitment_number::text as reference_id,
    period_start::date as period_start,
    period_end::date as period_end,
    exact_amount::numeric(38, 12) as exact_amount,
    {{ round_to_currency('exact_amount', 'minor_units') }} as amount,
    description::text as description,
    explanation::jsonb as explanation
from lines
where exact_amount <> 0
