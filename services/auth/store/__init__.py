"""What auth keeps, and where: PostgreSQL, Redis, and faithful fakes of both."""
