with

pieces as (

    select
        invoice_id,
        contract_id,
        charge_id,
        part_number,
        tenant_id,
        dimension_id,
        quantity_sum,
        record_count,
        quantity_min,
        quantity_max,
        quantity_last,
        last_recorded_at
    from {{ ref('int_usage_pieces') }}
    where status = 'rated'

),

dimensions as (

    select
        dimension_id,
        aggregation
    from {{ source('catalog', 'dimensions') }}
    where {{ is_current_version() }}

),

-- Hours add up to a part's usage for sums and counts; of levels, the highest and the last count.
part_quantities as (

    select
        pieces.invoice_id,
        pieces.contract_id,
        pieces.charge_id,
        pieces.part_number,
        pieces.tenant_id,
        dimensions.aggregation,
        sum(pieces.quantity_sum) as quantity_sum,
        sum(pieces.record_count) as record_count,
        min(pieces.quantity_min) as quantity_min,
        max(pieces.quantity_max) as quantity_max,
        {{ latest_by(
            'pieces.quantity_last',
            'pieces.last_recorded_at',
            'pieces.last_recorded_at is not null'
        ) }} as quantity_last
    from pieces
    inner join dimensions
        on pieces.dimension_id = dimensions.dimension_id
    group by
        pieces.invoice_id,
        pieces.contract_id,
        pieces.charge_id,
        pieces.part_number,
        pieces.tenant_id,
        dimensions.aggregation

)

select
    invoice_id::text as invoice_id,
    contract_id::text as contract_id,
    charge_id::text as charge_id,
    part_number::integer as part_number,
    tenant_id::text as tenant_id,
    ({{ quantity_by_aggregation('aggregation', 'part_quantities') }})::numeric(38, 9) as quantity
from part_quantities
