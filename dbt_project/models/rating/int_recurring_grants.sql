with

periods as (

    select
        catalog_version,
        contract_id,
        period_start,
        period_end
    from {{ ref('int_contract_periods') }}

),

credits as (

    select
        catalog_version,
        contract_id,
        credit_id,
        amount,
        valid_from,
        expires_on,
        every_periods,
        rollover_amount,
        rollover_periods,
        priority,
        is_paid,
        is_limited
    from {{ source('catalog', 'credit_grants') }}
    where every_periods is not null

),

contracts as (

    select
        catalog_version,
        contract_id,
        plan_id,
        billing_start_date,
        anchor_day
    from {{ source('catalog', 'contracts') }}

),

plans as (

    select
        catalog_version,
        plan_id,
        {{ period_length('interval') }}
    from {{ source('catalog', 'plans') }}

),

-- Closed periods keep the credits of the version they were priced with.
valid_periods as (

    select
        credits.*,
        periods.period_start,
        row_number() over (
            partition by credits.contract_id, credits.credit_id
            order by periods.period_start
        ) as period_number
    from periods
    inner join credits
        on
            periods.catalog_version = credits.catalog_version
            and periods.contract_id = credits.contract_id
            and periods.period_end > credits.valid_from
            and coalesce(periods.period_start < credits.expires_on, true)

),

first_periods as (

    select
        valid_periods.*,
        contracts.billing_start_date,
        contracts.anchor_day,
        plans.months_per_period,
        plans.days_per_period,
        coalesce(
            (valid_periods.period_start - contracts.billing_start_date) / plans.days_per_period,
            (
                12 * extract(year from valid_periods.period_start)::integer
                + extract(month from valid_periods.period_start)::integer
                - 12 * extract(year from contracts.billing_start_date)::integer
                - extract(month from contracts.billing_start_date)::integer
            ) / plans.months_per_period
        ) as periods_before
    from valid_periods
    inner join contracts
        on
            valid_periods.catalog_version = contracts.catalog_version
            and valid_periods.contract_id = contracts.contract_id
    inner join plans
        on
            contracts.catalog_version = plans.catalog_version
            and contracts.plan_id = plans.plan_id
    where (valid_periods.period_number - 1) % valid_periods.every_periods = 0

),

-- The period at hand may be a part of a full one, which begins before it or ends after it.
granted as (

    select
        first_periods.*,
        first_periods.credit_id || ':' || first_periods.period_start as grant_id,
        greatest(first_periods.valid_from, first_periods.period_start) as granted_on,
        first_periods.periods_before + first_periods.every_periods
        - case
            when
                {{ period_boundary('first_periods', 'first_periods.periods_before') }}
                > first_periods.period_start
                then 1
            else 0
        end as last_period
    from first_periods

),

-- What ends sooner is spent first, so that the rest is what may roll over.
grants as (

    select
        granted.*,
        granted.grant_id as part_id,
        granted.amount - granted.rollover_amount as part_amount,
        {{ period_boundary('granted', 'granted.last_period') }} as ends_on,
        '' as part_name
    from granted
    where granted.amount > granted.rollover_amount

    union all

    select
        granted.*,
        granted.grant_id || ':rollover' as part_id,
        granted.rollover_amount as part_amount,
        {{ period_boundary('granted', '(granted.last_period + granted.rollover_periods)') }}
            as ends_on,
        ', which may roll over' as part_name
    from granted
    where granted.rollover_amount > 0

)

select
    contract_id::text as contract_id,
    part_id::text as grant_id,
    credit_id::text as credit_id,
    catalog_version::text as catalog_version,
    part_amount::numeric(20, 3) as amount,
    granted_on::date as valid_from,
    least(ends_on, expires_on)::date as expires_on,
    priority::integer as priority,
    is_paid::boolean as is_paid,
    is_limited::boolean as is_limited,
    ('Credit ' || credit_id || ' of ' || granted_on || part_name)::text as description
from grants
