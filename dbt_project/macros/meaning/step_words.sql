{#- A step of a usage line in words: `step` is its row, with `notes`, what the line noted of it. -#}
{% macro step_words(step) -%}
    case {{ step }}.step
        when 'aggregate' then {{ words_of_aggregation(step ~ '.notes', step ~ '.record_count') }}
        when 'conversion'
            then
                coalesce('times ' || nullif({{ step }}.notes ->> 'multiply', '1') || ', ', '')
                || coalesce(
                    'divided by ' || nullif({{ step }}.notes ->> 'divide', '1') || ', ', ''
                )
                || 'rounded ' || replace({{ step }}.notes ->> 'mode', '_', ' ')
                || ' to ' || ({{ step }}.notes ->> 'decimals') || ' decimals'
        when 'credits' then 'in credits, ' || ({{ step }}.notes ->> 'rate') || ' for each'
        when 'seats' then 'seats'
        when 'included' then 'of ' || ({{ step }}.notes ->> 'included') || ' included'
        when 'trial'
            then
                'of ' || ({{ step }}.notes ->> 'allowance') || ' in the trial, after '
                || ({{ step }}.notes ->> 'used_before')
        when 'free' then 'free of charge'
        when 'capacity' then 'tier ' || {{ step }}.tier_number || ', the lowest that holds all'
        when 'packages'
            then
                'packages of ' || ({{ step }}.notes ->> 'size')
                || ', rounded ' || replace({{ step }}.notes ->> 'rounding', '_', ' ')
        when 'tier' then {{ words_of_tier(step) }}
        when 'flat' then 'fixed amount, ' || {{ words_of_tier(step) }}
        when 'records' then 'fixed amount of each record'
        when 'bounds' then 'what the least and the most amount of a record change'
    end
{%- endmacro %}


{#- How records become one quantity, in words; a bucket with a price of its own is a group. -#}
{% macro words_of_aggregation(notes, record_count) -%}
    case {{ notes }} ->> 'aggregation'
        when 'sum' then 'sum'
        when 'count' then 'number'
        when 'max' then 'highest'
        when 'min' then 'lowest'
        when 'average' then 'average'
        when 'latest' then 'latest'
        when 'count_distinct' then 'distinct values'
        when 'time_weighted' then 'hours at the level'
        when 'percentile' then 'percentile'
    end
    || case
        when {{ notes }} ->> 'bucket_then' <> 'price' then ' by ' || ({{ notes }} ->> 'bucket_every')
        else ''
    end
    || ' of ' || {{ record_count }} || case {{ record_count }} when 1 then ' record' else ' records' end
    || coalesce(', then ' || nullif({{ notes }} ->> 'bucket_then', 'price'), '')
{%- endmacro %}


{#- Which part of the quantity a tier is about, in words; a price without tiers has one for all. -#}
{% macro words_of_tier(step) -%}
    case
        when {{ step }}.tier_number = 1 and {{ step }}.up_to is null then 'price'
        else
            'tier ' || {{ step }}.tier_number || ':'
            || coalesce(' above ' || trim_scale(nullif({{ step }}.from_quantity, 0)), '')
            || case
                when {{ step }}.from_quantity > 0 and {{ step }}.up_to is not null then ','
                else ''
            end
            || coalesce(' up to ' || trim_scale({{ step }}.up_to), '')
    end
{%- endmacro %}


{#- A number that a line noted, in words. -#}
{% macro noted(name) -%}
    trim_scale((explanation ->> '{{ name }}')::numeric)
{%- endmacro %}
