"""Watches the others: takes in their metrics, follows their health, and says what is the matter.

Cut by subject: `ingest` and `mesh` decide, each behind one public face, and know no
protocol. What surrounds them carries messages in and out.
"""
