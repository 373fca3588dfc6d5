"""Stripe as far as we use it: PaymentIntents, Refunds, Events and signed webhooks.

Promises what https://docs.stripe.com/api promises for them, idempotency included,
and adds what Stripe has not: a ledger to judge by, and faults to switch on.
"""
