"""The demo: two real services, a real gateway before them, and people who shop while the traffic fades over."""
