with

lines as (

    select
        invoice_line_id,
        invoice_id,
        customer_id,
        charge_id,
        currency,
        explanation
    from {{ ref('fct_invoice_lines') }}
    where explanation -> 'groups' is not null

),

line_groups as (

    select
        lines.invoice_line_id,
        lines.invoice_id,
        lines.customer_id,
        lines.charge_id,
        lines.currency,
        found.line_group
    from lines
    cross join lateral jsonb_array_elements(lines.explanation -> 'groups') as found (line_group)

)

select
    invoice_line_id::text as invoice_line_id,
    md5((line_group -> 'group')::text)::uuid as group_key,
    (line_group -> 'group')::jsonb as line_group,
    invoice_id::text as invoice_id,
    customer_id::text as customer_id,
    charge_id::text as charge_id,
    (line_group ->> 'quantity')::numeric(38, 9) as quantity,
    (line_group ->> 'amount')::numeric(20, 3) as amount,
    currency::text as currency
from line_groups
