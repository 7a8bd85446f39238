"""Rehearsals: the same models, run beside the warehouse on another instant or another catalog."""
