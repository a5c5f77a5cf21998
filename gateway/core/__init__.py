"""The pure core: decisions as functions of their arguments. No I/O, no clock, no chance, no logging."""
