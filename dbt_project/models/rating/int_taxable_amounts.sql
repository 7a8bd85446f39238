with

lines as (

    select
        invoice_id,
        charge_id,
        amount
    from {{ ref('int_taxed_lines') }}

),

subtotals as (

    select
        invoice_id,
        sum(amount) as subtotal
    from lines
    group by invoice_id

),

charged as (

    select
        invoice_id,
        charge_id,
        sum(amount) as charged_amount
    from lines
    where charge_id is not null
    group by invoice_id, charge_id

),

-- What is of no charge (a credit, a minimum), and a charge that was given back more than it comes
-- to, is shared by the charges that are left. So none of them is taxed below zero.
weighed as (

    select
        charged.invoice_id,
        charged.charge_id,
        charged.charged_amount,
        subtotals.subtotal
    from charged
    inner join subtotals
        on charged.invoice_id = subtotals.invoice_id
    where charged.charged_amount > 0

),

shares as (

    {{ split_amounts('weighed', ['invoice_id'], 'charge_id', 'charged_amount', ['subtotal']) }}

),

taxable as (

    select
        shares.invoice_id,
        shares.charge_id,
        weighed.charged_amount,
        shares.subtotal as taxable_amount
    from shares
    inner join weighed
        on
            shares.invoice_id = weighed.invoice_id
            and shares.charge_id = weighed.charge_id

    union all

    select
        subtotals.invoice_id,
        null as charge_id,
        1 as charged_amount,
        subtotals.subtotal as taxable_amount
    from subtotals
    where not exists (
        select weighed.invoice_id
        from weighed
        where weighed.invoice_id = subtotals.invoice_id
    )

)

select
    invoice_id::text as invoice_id,
    charge_id::text as charge_id,
    charged_amount::numeric(20, 3) as charged_amount,
    taxable_amount::numeric(38, 12) as taxable_amount
from taxable
