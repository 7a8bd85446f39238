{#-
    What discounts take off lines, discount by discount in the order they are written, each on what
    the one before it left: a recursive relation, to be named `applied`, of the relation `steps`.

    What is payable counts in minor units, of which a fixed amount is dealt out by largest remainder,
    among the lines of an invoice that are for the same period. No line falls below zero, nor do the
    lines that share an amount fall below it together.
-#}
{% macro discounts_in_order() -%}
    select
        invoice_line_id,
        0 as step,
        null::text as discount_id,
        0 as discount_number,
        false as is_amount,
        minor_units,
        0::numeric(38, 12) as exact_base,
        0::numeric(38, 12) as exact_discount,
        0::numeric(38, 0) as discount,
        case when units = 0 then 0 else exact_amount end::numeric(38, 12) as exact_rest,
        units as rest
    from steps
    where step = 1

    union all

    select
        dealt.invoice_line_id,
        dealt.step,
        dealt.discount_id,
        dealt.discount_number,
        dealt.units_due is not null as is_amount,
        dealt.minor_units,
        dealt.exact_base,
        dealt.exact_discount::numeric(38, 12) as exact_discount,
        dealt.discount::numeric(38, 0) as discount,
        case
            when dealt.discount = dealt.base then 0
            else dealt.exact_base - dealt.exact_discount
        end::numeric(38, 12) as exact_rest,
        (dealt.base - dealt.discount)::numeric(38, 0) as rest
    from (
        select
            shared.*,
            coalesce(
                shared.exact_percent, {{ from_minor('shared.share', 'shared.minor_units') }}
            ) as exact_discount,
            -- Rounding takes no more than there is, and leaves nothing of what is taken whole.
            case
                when shared.percent is null then shared.share
                when shared.exact_percent = shared.exact_base then shared.base
                else sign(shared.base) * least(
                    abs(shared.base),
                    abs({{ to_minor(
                        'round(shared.exact_percent, shared.minor_units)', 'shared.minor_units'
                    ) }})
                )
            end as discount
        from (
            select
                cut_off.*,
                cut_off.units_cut_off + case
                    when
                        cut_off.units_due is not null
                        and row_number() over by_remainder
                        <= cut_off.pool - sum(cut_off.units_cut_off) over sharing
                        then 1
                    else 0
                end as share
            from (
                select
                    pooled.*,
                    coalesce(div(pooled.pool * pooled.room, pooled.rooms), 0) as units_cut_off,
                    coalesce(mod(pooled.pool * pooled.room, pooled.rooms), 0) as remainder
                from (
                    select
                        steps.*,
                        applied.exact_rest as exact_base,
                        applied.rest as base,
                        {{ divide(
                            'applied.exact_rest * steps.percent * steps.discounted_days',
                            '100 * steps.line_days'
                        ) }} as exact_percent,
                        case when steps.units_due is null then 0 else greatest(applied.rest, 0) end
                            as room,
                        nullif(
                            sum(greatest(applied.rest, 0)) filter (
                                where steps.units_due is not null
                            ) over sharing,
                            0
                        ) as rooms,
                        greatest(
                            0,
                            least(
                                sum(applied.rest) filter (
                                    where steps.units_due is not null
                                ) over sharing,
                                steps.units_due
                            )
                        ) as pool
                    from applied
                    inner join steps
                        on
                            applied.invoice_line_id = steps.invoice_line_id
                            and steps.step = applied.step + 1
                    window
                        sharing as (partition by steps.invoice_id, steps.service_start)
                ) as pooled
            ) as cut_off
            window
                sharing as (partition by cut_off.invoice_id, cut_off.service_start),
                by_remainder as (
                    partition by cut_off.invoice_id, cut_off.service_start
                    order by cut_off.remainder desc, cut_off.invoice_line_id asc
                )
        ) as shared
    ) as dealt
{%- endmacro %}
