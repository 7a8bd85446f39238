with

cost_lines as (

    select
        source,
        billing_currency as currency,
        sum(effective_cost) as amount
    from {{ ref('jnl_cost_lines') }}
    group by source, billing_currency

),

tenant_costs as (

    select
        source,
        currency,
        sum(effective_cost) as amount
    from {{ ref('fct_tenant_costs_daily') }}
    group by source, currency

),

invoices as (

    select
        invoice_id,
        document_id,
        status,
        total,
        amount_due,
        currency
    from {{ ref('fct_invoices') }}

),

documents as (

    select
        document_id,
        status,
        currency,
        sum(total) as total,
        sum(amount_due) as amount_due
    from invoices
    where status <> 'draft'
    group by document_id, status, currency

),

line_totals as (

    select
        invoice_id,
        sum(amount) as amount
    from {{ ref('fct_invoice_lines') }}
    group by invoice_id

),

stripe_totals as (

    select
        invoice_id,
        -- What Stripe Tax adds is Stripe's, and not on our invoice.
        sum(total - tax_by_stripe) as total
    from {{ ref('fct_payments') }}
    where payment_status <> 'void'
    group by invoice_id

),

comparisons as (

    select
        'cost' as subject,
        coalesce(cost_lines.source, tenant_costs.source) as scope_id,
        coalesce(cost_lines.currency, tenant_costs.currency) as unit,
        'cost lines' as left_name,
        coalesce(cost_lines.amount, 0) as left_amount,
        'allocated + unallocated' as right_name,
        coalesce(tenant_costs.amount, 0) as right_amount,
        null as pending_cause,
        'the allocation lost or doubled cost' as failure_cause
    from cost_lines
    full join tenant_costs
        on
            cost_lines.source = tenant_costs.source
            and cost_lines.currency = tenant_costs.currency

    union all

    select
        'invoice' as subject,
        invoices.invoice_id as scope_id,
        invoices.currency as unit,
        'invoice total' as left_name,
        invoices.total as left_amount,
        'sum of its lines' as right_name,
        coalesce(line_totals.amount, 0) as right_amount,
        null as pending_cause,
        'the lines do not add up to the invoice' as failure_cause
    from invoices
    left join line_totals
        on invoices.invoice_id = line_totals.invoice_id

    union all

    select
        'stripe' as subject,
        documents.document_id as scope_id,
        documents.currency as unit,
        'invoice total' as left_name,
        documents.total as left_amount,
        'total in Stripe' as right_name,
        stripe_totals.total as right_amount,
        case
            when stripe_totals.invoice_id is not null then null
            when documents.status = 'void' then 'voided'
            when documents.amount_due = 0 then 'nothing to collect'
            when documents.status = 'finalised' then 'not approved yet'
            when documents.status = 'approved' then 'not posted yet'
            else 'not synchronised yet'
        end as pending_cause,
        'Stripe bills another total' as failure_cause
    from documents
    left join stripe_totals
        on documents.document_id = stripe_totals.invoice_id

)

select
    subject::text as subject,
    scope_id::text as scope_id,
    unit::text as unit,
    left_name::text as left_name,
    left_amount::numeric(50, 12) as left_amount,
    right_name::text as right_name,
    right_amount::numeric(50, 12) as right_amount,
    pending_cause::text as pending_cause,
    failure_cause::text as failure_cause
from comparisons
