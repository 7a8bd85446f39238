{#-
    Splits amounts by weight so that the parts add up to the whole, to the last of `decimals` digits:
    each part is cut off towards zero, and the units left over go, one each, to the parts that lost
    most; of equals, to the first `part`. Signs do not matter: a credit is split like a charge.

    `relation` has one row per `whole` (columns) and `part` (a column, unique within the whole), with
    the part's weight and the whole's amounts on each of its rows. Weights are not negative and add up
    to more than zero. Only whole numbers are divided, so nothing depends on the engine's precision.
-#}
{% macro split_amounts(relation, whole, part, weight, amounts, decimals=12) -%}
select
    {{ whole | join(', ') }},
    {{ part }},
    {%- for amount in amounts %}
    (
        sign({{ amount }})
        * (
            {{ amount }}_units
            + case when {{ amount }}_rank <= {{ amount }}_missing then 1 else 0 end
        )
        * {{ unit_of(decimals) }}
    )::numeric(38, {{ decimals }}) as {{ amount }}{{ "," if not loop.last }}
    {%- endfor %}
from (
    select
        {{ whole | join(', ') }},
        {{ part }},
        {%- for amount in amounts %}
        {{ amount }},
        {{ amount }}_units,
        row_number() over (
            partition by {{ whole | join(', ') }}
            order by {{ amount }}_remainder desc, {{ part }}
        ) as {{ amount }}_rank,
        abs({{ amount }}) * {{ units_per_one(decimals) }}
        - sum({{ amount }}_units) over (
            partition by {{ whole | join(', ') }}
        ) as {{ amount }}_missing{{ "," if not loop.last }}
        {%- endfor %}
    from (
        select
            {{ whole | join(', ') }},
            {{ part }},
            {%- for amount in amounts %}
            {{ amount }},
            div(
                abs({{ amount }}) * {{ units_per_one(decimals) }} * {{ weight }}, total_weight
            ) as {{ amount }}_units,
            mod(
                abs({{ amount }}) * {{ units_per_one(decimals) }} * {{ weight }}, total_weight
            ) as {{ amount }}_remainder{{ "," if not loop.last }}
            {%- endfor %}
        from (
            select
                {{ whole | join(', ') }},
                {{ part }},
                {{ weight }},
                {%- for amount in amounts %}
                {{ amount }},
                {%- endfor %}
                sum({{ weight }}) over (partition by {{ whole | join(', ') }}) as total_weight
            from {{ relation }}
        ) as weighed
    ) as cut_off
) as ranked
{%- endmacro %}


{% macro unit_of(decimals) -%}
    {{ "0." ~ "0" * (decimals - 1) ~ "1" if decimals else "1" }}
{%- endmacro %}


{% macro units_per_one(decimals) -%}
    1{{ "0" * decimals }}::numeric
{%- endmacro %}
