with

comparison as (

    select
        window_start,
        window_end
    from {{ source('backtest', 'comparison') }}

),

invoices as (

    select
        'old' as side,
        customer_id,
        currency,
        period_start,
        total,
        reporting_total,
        reporting_currency
    from {{ source('backtest_old', 'fct_invoices') }}

    union all

    select
        'new' as side,
        customer_id,
        currency,
        period_start,
        total,
        reporting_total,
        reporting_currency
    from {{ ref('fct_invoices') }}

),

bills as (

    select
        invoices.customer_id,
        invoices.currency,
        date_trunc('month', invoices.period_start::timestamp)::date as bill_month,
        coalesce(sum(invoices.total) filter (where invoices.side = 'old'), 0) as bill_old,
        coalesce(sum(invoices.total) filter (where invoices.side = 'new'), 0) as bill_new,
        {{ reporting_sum('invoices.reporting_total', 'old') }} as reporting_bill_old,
        {{ reporting_sum('invoices.reporting_total', 'new') }} as reporting_bill_new,
        max(invoices.reporting_currency) as reporting_currency
    from invoices
    inner join comparison
        on
            invoices.period_start >= comparison.window_start
            and invoices.period_start < comparison.window_end
    group by
        invoices.customer_id,
        invoices.currency,
        date_trunc('month', invoices.period_start::timestamp)::date

),

currencies as (

    select
        customer_id,
        count(distinct currency) as currency_count
    from bills
    group by customer_id

),

compared as (

    select
        bills.*,
        case when currencies.currency_count = 1 then bills.bill_new - bills.bill_old end
            as bill_change
    from bills
    inner join currencies
        on bills.customer_id = currencies.customer_id

),

ranked as (

    select
        compared.*,
        case
            when compared.bill_change > 0 then row_number() over (
                partition by compared.currency
                order by
                    compared.bill_change desc nulls last,
                    compared.customer_id asc,
                    compared.bill_month asc
            )
        end as shock_rank
    from compared

)

select
    customer_id::text as customer_id,
    currency::text as currency,
    bill_month::date as bill_month,
    bill_old::numeric(20, 3) as bill_old,
    bill_new::numeric(20, 3) as bill_new,
    bill_change::numeric(20, 3) as bill_change,
    ({{ percent_of('bill_change', 'bill_old') }})::numeric(38, 4) as bill_change_percent,
    shock_rank::integer as shock_rank,
    reporting_bill_old::numeric(38, 12) as reporting_bill_old,
    reporting_bill_new::numeric(38, 12) as reporting_bill_new,
    reporting_currency::text as reporting_currency
from ranked
