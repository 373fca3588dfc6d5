"""Money, through a payment provider: held, then taken, and never twice."""
