"""What invoices must say, worked out a second time: plainly, one customer after the other.

Written from the definitions in ``docs``, not from the SQL that it is compared with.
"""
