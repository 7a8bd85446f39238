-- The totals of every month, and each cell of one hour, of its day and of its month.
{{ differing_rollups(sampled=true) }}
