-- Every cell there is: reads the journal from end to end, so it is run on demand.
{{ config(tags=['on_demand']) }}
{{ differing_rollups(sampled=false) }}
