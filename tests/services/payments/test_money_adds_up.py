"""Money adds up: whatever is asked in whatever order, the service does what the pure model says.

After each step every payment stands as its sketch does, refusals are the same, and the
ledger, rebuilt, says of each payment and gift card what the rows say.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import SecretStr
from typing_extensions import override

from servicekit.clock import Clock, uuid7
from servicekit.errors import Refusal
from servicekit.postgres import Database
from servicekit.settings import PostgresSettings
from services.payments.model import Method, Money, OrderId, Payment, Posting, payment_id
from services.payments.ports import Store
from services.payments.store.memory import MemoryStore, MemoryUnit
from tests.services.payments.fakes import EMPTY_CARD, VISA, Misfortune, Shop
from tests.services.payments.real import postgres_store
from tests.services.payments.sketch import Sketch, World

SLOTS = st.integers(0, 5)
AMOUNTS = st.sampled_from([1, 250, 400, 999, 1000, 1001])
NAMES = st.integers(0, 2)
TENDERS = (
    ("card", True),
    ("card", True),
    ("card", False),
    ("cash", True),
    ("gift_card", True),
    ("gift_card", True),
)
"""What the payment in each slot is paid with."""


class Till(RuleBasedStateMachine):
    """A shop that is asked for anything, beside the model of it."""

    store: ClassVar[Callable[[Clock], Store]] = lambda _: MemoryStore()
    runner: ClassVar[asyncio.Runner]

    @initialize(worth=st.sampled_from([500, 1500, 3000]), amounts=st.lists(AMOUNTS, min_size=6, max_size=6))
    def open(self, worth: int, amounts: list[int]) -> None:
        self.shop = Shop(type(self).store)
        self.shop.provider.prefix = f"pi_{uuid7()}"  # Runs share a database.
        self.world = World({"gift": worth})
        issued = self.run(self.shop.gift_cards.issue(Money("EUR", worth), subject=uuid7(), key="k"))
        self.code = issued.code
        self.orders = [OrderId(uuid7()) for _ in TENDERS]
        self.refund_names = [[uuid7() for _ in range(3)] for _ in TENDERS]
        self.sketches = [
            Sketch(method, amount, pays, gift_card="gift" if method == "gift_card" else "")
            for (method, pays), amount in zip(TENDERS, amounts, strict=True)
        ]

    @rule(slot=SLOTS)
    def authorize(self, slot: int) -> None:
        sketch = self.sketches[slot]
        handle = {"card": VISA if sketch.pays else EMPTY_CARD, "cash": "", "gift_card": self.code}
        amount = Money("EUR", sketch.amount)
        call = self.shop.payments.authorize(
            self.orders[slot], amount, handle[sketch.method], method=Method(sketch.method)
        )
        self.both(call, lambda: self.world.authorize(sketch))

    @rule(slot=SLOTS, minor=st.none() | AMOUNTS)
    def capture(self, slot: int, minor: int | None) -> None:
        call = self.shop.payments.capture(self.name(slot), self.money(minor))
        self.both(call, lambda: self.world.capture(self.sketches[slot], minor))

    @rule(slot=SLOTS)
    def void(self, slot: int) -> None:
        call = self.shop.payments.void(self.name(slot))
        self.both(call, lambda: self.world.void(self.sketches[slot]))

    @rule(slot=SLOTS, name=NAMES, minor=st.none() | AMOUNTS)
    def refund(self, slot: int, name: int, minor: int | None) -> None:
        refund_id = self.refund_names[slot][name]
        call = self.shop.refunds.refund(self.name(slot), refund_id, self.money(minor))
        self.both(call, lambda: self.world.refund(self.sketches[slot], refund_id, minor))

    @rule(misfortune=st.sampled_from([Misfortune.LOST_ON_THE_WAY, Misfortune.LOST_ON_THE_WAY_BACK]))
    def be_unlucky(self, misfortune: Misfortune) -> None:
        self.shop.provider.misfortunes.clear()
        self.shop.provider.misfortunes.append(misfortune)
        self.world.unlucky = True

    @rule()
    def reconcile(self) -> None:
        self.shop.provider.misfortunes.clear()
        self.world.unlucky = False
        self.run(self.shop.reconcile())
        for sketch in self.sketches:
            self.world.settle(sketch)

    @invariant()
    def each_payment_stands_as_the_model_says(self) -> None:
        stand = [self.run(self.shop.store.find(self.name(slot))) for slot in range(len(self.sketches))]
        assert [_told(payment) for payment in stand] == [sketch.told for sketch in self.sketches]

    @invariant()
    def the_books_say_what_the_payments_say(self) -> None:
        assert self.run(self.shop.bookkeeping.compare()) == []

    def both(self, call: Awaitable[Payment], model: Callable[[], None]) -> None:
        with _refusal() as real:
            self.run(call)
        with _refusal() as modelled:
            model()
        assert real == modelled

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def name(self, slot: int) -> Any:
        return payment_id(self.orders[slot])

    @staticmethod
    def money(minor: int | None) -> Money | None:
        return None if minor is None else Money("EUR", minor)


@contextmanager
def _refusal() -> Iterator[list[type[Refusal]]]:
    refused: list[type[Refusal]] = []
    try:
        yield refused
    except Refusal as refusal:
        refused.append(type(refusal))


def _told(payment: Payment | None) -> tuple[str, int, int, int]:
    if payment is None:
        return "", 0, 0, 0
    return str(payment.state), payment.held_minor, payment.captured_minor, payment.refunded_minor


def prove(till: type[Till], examples: int, steps: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    start = Random().randrange(2**32)
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    with asyncio.Runner() as runner:
        till.runner = runner
        run_state_machine_as_test(seed(start)(till), settings=bounds)
    print(f"seed {start}: {examples} runs of up to {steps} steps, 0 violations")


def test_money_adds_up() -> None:
    prove(Till, 30, 20)


@pytest.mark.torture  # not in `make proof` until it has been seen to end there, in its time (issue 3)
@pytest.mark.timeout(3600)
def test_money_adds_up_in_thousands_of_runs(torture: bool) -> None:
    prove(Till, 20_000 if torture else 2_000, 40)


@pytest.mark.parametrize("examples", [5, pytest.param(200, marks=pytest.mark.torture)])
@pytest.mark.timeout(900)
def test_money_adds_up_in_postgresql(make_database: Callable[[str], str], examples: int) -> None:
    url = SecretStr(make_database("services.payments"))
    database = Database(PostgresSettings(database_url=url))

    class PostgresTill(Till):
        store = lambda clock: postgres_store(database, clock)  # noqa: E731

    prove(PostgresTill, examples, 20)


def test_a_posting_that_is_forgotten_shows() -> None:
    """The negative control: books that are not kept do not agree."""

    class Forgetful(MemoryUnit):
        @override
        async def post(self, posting: Posting, now: datetime) -> None:
            if any(entry.account == "revenue" for entry in posting.entries):
                return
            await super().post(posting, now)

    class ForgetfulStore(MemoryStore):
        unit = Forgetful

    class ForgetfulTill(Till):
        store = lambda _: ForgetfulStore()  # noqa: E731

    with pytest.raises(AssertionError):
        prove(ForgetfulTill, 1_000, 20, [Phase.generate])  # it ends at the first that shows it
