with

delivery_counts as (

    select
        source,
        delivered_count,
        journaled_count,
        duplicate_count,
        quarantined_count,
        is_journaled
    from {{ ref('fct_delivery_counts') }}

),

control_totals as (

    select
        dimension_id,
        quantity,
        build_number
    from {{ ref('jnl_control_totals') }}

),

parameters as (

    select journal_watermark
    from {{ source('ops', 'parameters') }}

),

journal as (

    select
        control_totals.dimension_id,
        sum(control_totals.quantity) as quantity
    from control_totals
    inner join parameters
        on control_totals.build_number <= parameters.journal_watermark
    group by control_totals.dimension_id

),

usage_months as (

    select
        dimension_id,
        sum(quantity_sum) as quantity
    from {{ ref('fct_usage_monthly') }}
    group by dimension_id

),

pieces as (

    select
        dimension_id,
        sum(quantity_sum) as quantity
    from {{ ref('int_usage_pieces') }}
    group by dimension_id

),

comparisons as (

    select
        'deliveries' as subject,
        source as scope_id,
        'records' as unit,
        'delivered' as left_name,
        sum(delivered_count) as left_amount,
        'journaled + duplicates + quarantined' as right_name,
        sum(journaled_count + duplicate_count + quarantined_count) as right_amount,
        case when not bool_and(is_journaled) then 'not journaled yet' end as pending_cause,
        'records were lost or doubled between landing and journal' as failure_cause
    from delivery_counts
    group by source

    union all

    select
        'usage' as subject,
        coalesce(journal.dimension_id, usage_months.dimension_id) as scope_id,
        'raw units' as unit,
        'journal' as left_name,
        coalesce(journal.quantity, 0) as left_amount,
        'usage rollups' as right_name,
        coalesce(usage_months.quantity, 0) as right_amount,
        null as pending_cause,
        'the rollups do not say what the journal says' as failure_cause
    from journal
    full join usage_months
        on journal.dimension_id = usage_months.dimension_id

    union all

    select
        'rating' as subject,
        coalesce(usage_months.dimension_id, pieces.dimension_id) as scope_id,
        'raw units' as unit,
        'usage rollups' as left_name,
        coalesce(usage_months.quantity, 0) as left_amount,
        'rated + unassigned + excluded' as right_name,
        coalesce(pieces.quantity, 0) as right_amount,
        null as pending_cause,
        'rating lost or doubled usage' as failure_cause
    from usage_months
    full join pieces
        on usage_months.dimension_id = pieces.dimension_id

)

select
    subject::text as subject,
    scope_id::text as scope_id,
    unit::text as unit,
    left_name::text as left_name,
    left_amount::numeric(50, 12) as left_amount,
    right_name::text as right_name,
    right_amount::numeric(50, 12) as right_amount,
    pending_cause::text as pending_cause,
    failure_cause::text as failure_cause
from comparisons
