with

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

spans as (

    select
        invoice_id,
        charge_id,
        part_number,
        tenant_id,
        dimension_id,
        usage_filter,
        span_start_at,
        span_end_at,
        convert_multiply,
        convert_divide,
        rounding_decimals,
        rounding_mode,
        unit_amount,
        fixed_amount,
        free_records,
        free_amount,
        record_minimum,
        record_maximum
    from {{ ref('int_record_spans') }}

),

keys as (

    {{ keys_by_dimension() }}

),

days as (

    select distinct days_of_span.started_at
    from spans
    cross join lateral generate_series(
        {{ utc_day('spans.span_start_at') }},
        spans.span_end_at - interval '1 microsecond',
        interval '1 day'
    ) as days_of_span (started_at)

),

-- Of the journal, the days of these spans are read and nothing else.
entries as (

    select
        entries.record_key,
        entries.is_reversal,
        entries.tenant_id,
        entries.dimension_id,
        entries.occurred_at,
        entries.value,
        entries.sign,
        {{ usage_group('entries.metadata', 'keys.metadata_keys') }} as usage_group
    from days
    {{
        look_through(
            ref('jnl_usage_entries'),
            'entries',
            'occurred_at',
            'days.started_at',
            "days.started_at + interval '1 day'"
        )
    }}
    inner join parameters
        on entries.build_number <= parameters.journal_watermark
    left join keys
        on entries.dimension_id = keys.dimension_id
    where
        (entries.tenant_id, entries.dimension_id) in (
            select
                spans.tenant_id,
                spans.dimension_id
            from spans
        )

),

-- A reversal stands at the time of what it reverses: both are here, or neither.
records as (

    select
        spans.*,
        entries.record_key,
        entries.occurred_at,
        {{ round_by_mode(
            divide('entries.value * spans.convert_multiply', 'spans.convert_divide', 18),
            'spans.rounding_decimals',
            'spans.rounding_mode'
        ) }} as record_value
    from entries
    inner join spans
        on
            entries.tenant_id = spans.tenant_id
            and entries.dimension_id = spans.dimension_id
            and entries.occurred_at >= spans.span_start_at
            and entries.occurred_at < spans.span_end_at
            and {{ meets_filter('entries.usage_group', 'spans.usage_filter') }}
    left join entries as reversals
        on
            entries.record_key = reversals.record_key
            and reversals.is_reversal
    where
        entries.sign = 1
        and reversals.record_key is null

),

-- What is free is free once in the period: the first records, then the first amount. What is paid
-- back is none of them.
numbered as (

    select
        records.*,
        records.record_value >= 0 as is_payment,
        count(*) filter (where records.record_value >= 0) over records_until as record_number
    from records
    window records_until as (
        partition by records.invoice_id, records.charge_id
        order by records.occurred_at, records.record_key
        rows between unbounded preceding and current row
    )

),

running as (

    select
        numbered.*,
        numbered.is_payment and numbered.record_number <= numbered.free_records as is_free_record,
        sum(
            case
                when numbered.is_payment and numbered.record_number > numbered.free_records
                    then numbered.record_value
                else 0
            end
        ) over (
            partition by numbered.invoice_id, numbered.charge_id
            order by numbered.occurred_at, numbered.record_key
            rows between unbounded preceding and current row
        ) as amount_until
    from numbered

),

charged as (

    select
        running.*,
        case
            when not running.is_payment then running.record_value
            when running.is_free_record or running.amount_until <= running.free_amount then 0
            else least(running.record_value, running.amount_until - running.free_amount)
        end as charged_value,
        running.is_payment
        and not running.is_free_record
        and (running.free_amount = 0 or running.amount_until > running.free_amount) as is_charged
    from running

),

asked as (

    select
        charged.*,
        charged.charged_value * charged.unit_amount
        + case when charged.is_charged then charged.fixed_amount else 0 end as asked_amount
    from charged

),

capped as (

    select
        asked.*,
        greatest(
            least(asked.asked_amount, coalesce(asked.record_maximum, asked.asked_amount)),
            coalesce(-asked.record_maximum, asked.asked_amount)
        ) as capped_amount
    from asked

),

amounts as (

    select
        capped.*,
        case
            when capped.is_charged
                then greatest(
                    capped.capped_amount,
                    coalesce(capped.record_minimum, capped.capped_amount)
                )
            else capped.capped_amount
        end as exact_amount
    from capped

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    record_key::uuid as record_key,
    tenant_id::text as tenant_id,
    occurred_at::timestamptz as occurred_at,
    record_value::numeric(38, 9) as record_value,
    charged_value::numeric(38, 9) as charged_value,
    is_charged::boolean as is_charged,
    unit_amount::numeric(38, 12) as unit_amount,
    fixed_amount::numeric(38, 12) as fixed_amount,
    exact_amount::numeric(58, 20) as exact_amount
from amounts
