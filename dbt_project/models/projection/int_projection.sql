with

parameters as (

    select as_of
    from {{ source('ops', 'parameters') }}

),

periods as (

    select
        period_start_at,
        period_end_at
    from {{ ref('int_contract_periods') }}
    where not is_closed

),

open_periods as (

    select
        parameters.as_of,
        periods.period_end_at
    from periods
    inner join parameters
        on
            periods.period_start_at <= parameters.as_of
            and periods.period_end_at > parameters.as_of

)

select
    as_of::timestamptz as projected_from,
    max(period_end_at)::timestamptz as projected_until
from open_periods
group by as_of
