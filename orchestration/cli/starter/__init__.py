"""The files that ``meterhouse init`` writes, as templates."""
