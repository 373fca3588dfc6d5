"""The shared runtime of every service; it knows none of them.

`serve()` is the only way to start, serve, drain and stop; `channel()` on the
kit it hands out is the only way to call another service.
"""
