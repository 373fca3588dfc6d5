"""Work that is promised in a transaction and done after it, at least once, whatever dies.

A service adds a job in the transaction that makes it necessary; a worker of any
replica leases it, does it, and finishes it in the transaction that keeps the result.
Each lease has a fencing token: whoever lost its lease (stopped, swapped out, cut
off) can no longer finish the job, so the result of one lease only is kept. What a
job does *outside* the database may happen more than once and must be idempotent.

The table `outbox` belongs to the service: its first migration executes `TABLE`.
"""

from servicekit.outbox.handling import Retries
from servicekit.outbox.jobs import DeadJob, Job, Leased, LeaseLost, Outbox
from servicekit.outbox.table import TABLE
from servicekit.outbox.worker import OutboxWorker, Pace

__all__ = ["TABLE", "DeadJob", "Job", "LeaseLost", "Leased", "Outbox", "OutboxWorker", "Pace", "Retries"]
