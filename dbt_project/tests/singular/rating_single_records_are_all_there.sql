{{ config(sql_header=hash_joins() ~ ';') }}
-- Where records are priced one by one, each that is counted has its price: none left the journal.
with

parts as (

    select distinct
        invoice_id,
        charge_id,
        part_number
    from {{ ref('int_record_spans') }}

),

quantities as (

    select
        invoice_id,
        charge_id,
        part_number,
        record_count
    from {{ ref('int_charge_quantities') }}

),

records as (

    select
        invoice_id,
        charge_id,
        part_number,
        count(*) as record_count
    from {{ ref('int_record_amounts') }}
    group by invoice_id, charge_id, part_number

)

select
    quantities.invoice_id,
    quantities.charge_id,
    quantities.part_number,
    quantities.record_count,
    records.record_count as priced_record_count
from parts
inner join quantities
    on
        parts.invoice_id = quantities.invoice_id
        and parts.charge_id = quantities.charge_id
        and parts.part_number = quantities.part_number
left join records
    on
        parts.invoice_id = records.invoice_id
        and parts.charge_id = records.charge_id
        and parts.part_number = records.part_number
where quantities.record_count <> coalesce(records.record_count, 0)
