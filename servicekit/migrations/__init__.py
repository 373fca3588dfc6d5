"""Brings databases to their newest schema: `python -m servicekit.migrations services.orders`.

A process of its own, so that no service carries Alembic and SQLAlchemy in its memory.
Each package keeps plain SQL in `store/migrations/versions/`; the one `env.py` here
serves them all. The versions of one run are one transaction, and of several
migrators at once one works while the others wait and then find nothing to do.
"""
