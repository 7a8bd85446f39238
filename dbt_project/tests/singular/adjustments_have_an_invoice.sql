-- What a closed invoice would be today reaches the customer: an open invoice can adjust it.
select
    adjusted_line_id,
    amount
from {{ ref('int_adjustments') }}
where invoice_id is null
