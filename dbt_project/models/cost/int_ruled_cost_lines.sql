with

cost_lines as (

    select
        cost_line_id,
        source,
        service_name,
        charge_category,
        charge_period_start,
        charge_period_end,
        billed_cost,
        effective_cost,
        billing_currency,
        tags,
        is_estimated
    from {{ ref('jnl_cost_lines') }}

),

rules as (

    select
        rule_id,
        position,
        source,
        service_name,
        charge_category,
        tag_key,
        tag_value,
        method,
        tenant_tag,
        dimension_id,
        cost_kind
    from {{ source('catalog', 'cost_rules') }}
    where {{ is_current_version() }}

),

-- A direct rule matches only lines that carry its tag: the others are left to the rules behind it.
matches as (

    select
        cost_lines.cost_line_id,
        rules.rule_id,
        rules.method,
        rules.dimension_id,
        rules.cost_kind,
        case
            when rules.method = 'direct'
                then {{ tag_value('cost_lines.tags', 'rules.tenant_tag') }}
        end as direct_tenant_id,
        row_number() over (
            partition by cost_lines.cost_line_id
            order by rules.position, rules.rule_id
        ) as match_rank
    from cost_lines
    inner join rules
        on
            (rules.source is null or cost_lines.source = rules.source)
            and (rules.service_name is null or cost_lines.service_name = rules.service_name)
            and (
                rules.charge_category is null
                or cost_lines.charge_category = rules.charge_category
            )
            and (
                rules.tag_key is null
                or (
                    {{ tag_value('cost_lines.tags', 'rules.tag_key') }} is not null
                    and (
                        rules.tag_value is null
                        or {{ tag_value('cost_lines.tags', 'rules.tag_key') }} = rules.tag_value
                    )
                )
            )
            and (
                rules.method <> 'direct'
                or {{ tag_value('cost_lines.tags', 'rules.tenant_tag') }} is not null
            )

)

select
    cost_lines.cost_line_id::text as cost_line_id,
    cost_lines.source::text as source,
    cost_lines.service_name::text as service_name,
    cost_lines.charge_period_start::timestamptz as charge_period_start,
    cost_lines.charge_period_end::timestamptz as charge_period_end,
    cost_lines.billed_cost::numeric(38, 12) as billed_cost,
    cost_lines.effective_cost::numeric(38, 12) as effective_cost,
    cost_lines.billing_currency::text as currency,
    cost_lines.is_estimated::boolean as is_estimated,
    matches.rule_id::text as rule_id,
    coalesce(matches.method, 'unallocated')::text as method,
    coalesce(matches.cost_kind, 'fixed')::text as cost_kind,
    matches.dimension_id::text as dimension_id,
    matches.direct_tenant_id::text as direct_tenant_id
from cost_lines
left join matches
    on
        cost_lines.cost_line_id = matches.cost_line_id
        and matches.match_rank = 1
