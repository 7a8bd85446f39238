{#-
    Fixes which deliveries this build journals. The journal's models must all see the same ones,
    while sources may go on landing: a record that only the later models saw would look refused.
-#}
{% macro claim_deliveries() -%}
    delete from ops.claimed_deliveries;
    insert into ops.claimed_deliveries (delivery_id, source, landed_on)
    select
        deliveries.delivery_id,
        deliveries.source,
        (deliveries.landed_at at time zone 'UTC')::date as landed_on
    from raw.deliveries
    left join ops.journaled_deliveries
        on deliveries.delivery_id = journaled_deliveries.delivery_id
    where
        deliveries.kind = 'usage'
        and journaled_deliveries.delivery_id is null;
    analyze ops.claimed_deliveries
{%- endmacro %}
