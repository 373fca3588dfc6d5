from pathlib import Path

import pytest
from prometheus_client import generate_latest

from servicekit.instruments import Instruments, Undeclared

SHOP = """
metrics:
  - {name: orders_total, type: counter, unit: "1", help: Orders., user: "issue:2",
     labels: {outcome: [done, lost]}}
  - {name: sales_total, type: counter, unit: "1", help: Sales., user: "issue:2", labels: {sku: {bounded: 2}}}
  - {name: faults_total, type: counter, unit: "1", help: Faults., user: "issue:2",
     labels: {kind: [disk, other]}}
  - {name: starts_total, type: counter, unit: "1", help: Starts., user: "issue:2"}
  - {name: queue_jobs, type: gauge, unit: "1", help: Jobs., user: "issue:2"}
  - {name: wait_seconds, type: histogram, unit: seconds, help: Time., user: "issue:2", buckets: [0.1, 1]}
"""


@pytest.fixture
def instruments(tmp_path: Path) -> Instruments:
    (tmp_path / "shop.yaml").write_text(SHOP)
    return Instruments("shop", folder=tmp_path)


def shown(instruments: Instruments, name: str) -> dict[tuple[str, ...], float]:
    samples = (sample for metric in instruments.registry.collect() for sample in metric.samples)
    return {tuple(sample.labels.values()): sample.value for sample in samples if sample.name == name}


def test_a_counter_with_closed_labels_starts_at_zero_for_each(instruments: Instruments) -> None:
    instruments.counter("orders_total").labels(outcome="done").inc()

    assert shown(instruments, "orders_total") == {("done",): 1, ("lost",): 0}


def test_a_metric_without_labels_is_used_directly(instruments: Instruments) -> None:
    instruments.counter("starts_total").inc()
    instruments.gauge("queue_jobs").set(7)
    instruments.histogram("wait_seconds").observe(0.5)

    assert shown(instruments, "starts_total") == {(): 1}
    assert shown(instruments, "queue_jobs") == {(): 7}
    assert shown(instruments, "wait_seconds_bucket") == {("0.1",): 0, ("1.0",): 1, ("+Inf",): 1}


def test_a_value_outside_a_closed_set_is_refused(instruments: Instruments) -> None:
    with pytest.raises(Undeclared, match="orders_total has no outcome='stolen'"):
        instruments.counter("orders_total").labels(outcome="stolen")


def test_a_value_outside_a_set_with_other_becomes_other(instruments: Instruments) -> None:
    instruments.counter("faults_total").labels(kind="flood").inc()

    assert shown(instruments, "faults_total") == {("disk",): 0, ("other",): 1}


def test_a_bounded_label_names_its_first_values_and_calls_the_rest_other(instruments: Instruments) -> None:
    for sku in ("a", "b", "c", "d", "a"):
        instruments.counter("sales_total").labels(sku=sku).inc()

    assert shown(instruments, "sales_total") == {("a",): 2, ("b",): 1, ("other",): 2}


def test_values_without_end_take_no_memory(instruments: Instruments) -> None:
    sales = instruments.counter("sales_total")

    for number in range(1000):
        sales.labels(sku=str(number)).inc()

    assert len(sales._children) == 2
    assert sum(len(named) for named in sales._named.values()) == 2


def test_other_labels_than_the_declared_are_refused(instruments: Instruments) -> None:
    orders = instruments.counter("orders_total")

    with pytest.raises(Undeclared, match="orders_total has labels"):
        orders.labels(result="done")
    with pytest.raises(Undeclared, match="orders_total has labels"):
        orders.inc()


def test_a_metric_nobody_declared_does_not_exist(instruments: Instruments) -> None:
    with pytest.raises(Undeclared, match=r"no counter bugs_total in shop\.yaml or servicekit\.yaml"):
        instruments.counter("bugs_total")


def test_a_metric_of_another_type_does_not_exist(instruments: Instruments) -> None:
    with pytest.raises(Undeclared, match="no gauge starts_total"):
        instruments.gauge("starts_total")


def test_two_processes_in_one_do_not_share_a_registry(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP)
    first, second = Instruments("shop", folder=tmp_path), Instruments("shop", folder=tmp_path)

    second.counter("starts_total")
    first.counter("starts_total").inc()

    assert shown(second, "starts_total") == {(): 0}


def test_what_is_never_asked_for_is_not_shown(instruments: Instruments) -> None:
    instruments.counter("starts_total")

    assert [metric.name for metric in instruments.registry.collect()] == ["starts"]


def test_only_declared_names_are_shown(instruments: Instruments) -> None:
    for name, declaration in instruments.declarations.items():
        getattr(instruments, declaration.type)(name)

    page = generate_latest(instruments.registry).decode()

    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert names == set(instruments.declarations)
    assert "_created" not in page
