"""A stateful stand-in for the part of Stripe that Meterhouse uses."""
