with recursive

needs as (

    select
        invoice_id,
        contract_id,
        period_start,
        period_end,
        need_number,
        charge_id,
        amount
    from {{ ref('int_credit_needs') }}

),

grants as (

    select
        contract_id,
        grant_id,
        credit_id,
        catalog_version,
        grant_rank,
        valid_from,
        expires_on,
        is_limited,
        remaining
    from {{ ref('int_credit_balances') }}

),

credit_charges as (

    select
        catalog_version,
        contract_id,
        credit_id,
        charge_id
    from {{ source('catalog', 'credit_charges') }}

),

scopes as (

    select
        grants.contract_id,
        grants.grant_id,
        credit_charges.charge_id
    from grants
    inner join credit_charges
        on
            grants.catalog_version = credit_charges.catalog_version
            and grants.contract_id = credit_charges.contract_id
            and grants.credit_id = credit_charges.credit_id

),

-- Grant by grant in the order they are spent; each covers its periods in order of time, so that
-- what one grant leaves open is all the next one sees.
waterfall as (

    select
        invoice_id,
        contract_id,
        period_start,
        period_end,
        need_number,
        charge_id,
        0 as grant_rank,
        null::text as grant_id,
        0::numeric(20, 3) as remaining_before,
        0::numeric(20, 3) as drawn,
        amount as need
    from needs

    union all

    select
        covered.invoice_id,
        covered.contract_id,
        covered.period_start,
        covered.period_end,
        covered.need_number,
        covered.charge_id,
        covered.grant_rank,
        covered.grant_id,
        covered.remaining_before::numeric(20, 3) as remaining_before,
        least(covered.usable_need, covered.remaining_before)::numeric(20, 3) as drawn,
        (covered.need - least(covered.usable_need, covered.remaining_before))::numeric(20, 3)
            as need
    from (
        select
            usable.*,
            greatest(
                usable.remaining - coalesce(
                    sum(usable.usable_need) over (
                        partition by usable.contract_id
                        order by usable.need_number
                        rows between unbounded preceding and 1 preceding
                    ),
                    0
                ),
                0
            ) as remaining_before
        from (
            select
                waterfall.invoice_id,
                waterfall.contract_id,
                waterfall.period_start,
                waterfall.period_end,
                waterfall.need_number,
                waterfall.charge_id,
                grants.grant_rank,
                grants.grant_id,
                grants.remaining,
                waterfall.need,
                case
                    when
                        coalesce(grants.valid_from < waterfall.period_end, true)
                        and coalesce(grants.expires_on > waterfall.period_start, true)
                        and (not grants.is_limited or scopes.charge_id is not null)
                        then waterfall.need
                    else 0
                end as usable_need
            from waterfall
            inner join grants
                on
                    waterfall.contract_id = grants.contract_id
                    and grants.grant_rank = waterfall.grant_rank + 1
            left join scopes
                on
                    grants.contract_id = scopes.contract_id
                    and grants.grant_id = scopes.grant_id
                    and waterfall.charge_id = scopes.charge_id
        ) as usable
    ) as covered

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    grant_id::text as grant_id,
    grant_rank::integer as grant_rank,
    period_start::date as period_start,
    period_end::date as period_end,
    remaining_before::numeric(20, 3) as remaining_before,
    drawn::numeric(20, 3) as amount
from waterfall
where drawn > 0
