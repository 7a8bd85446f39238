with

rates as (

    select
        currency,
        valid_from,
        rate,
        reporting_currency
    from {{ source('catalog', 'currency_rates') }}
    where {{ is_current_version() }}

)

select
    currency::text as currency,
    valid_from::date as valid_from,
    lead(valid_from) over (
        partition by currency
        order by valid_from
    )::date as valid_to,
    rate::numeric(18, 9) as rate,
    reporting_currency::text as reporting_currency
from rates
