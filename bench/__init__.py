"""What Crossfade costs, one file per question. Nothing here is part of the installed package.

``python -m bench`` compares it with other proxies (`bench.cpu_per_request`); the other questions are modules of their
own: ``python -m bench.memory_idle``, ``bench.big_bodies``, ``bench.routes``, ``bench.reload_under_load``,
``bench.decision``. Everything runs on loopback, on free ports, in temporary folders, and stops by itself.
"""
