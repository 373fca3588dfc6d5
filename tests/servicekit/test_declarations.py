from pathlib import Path

import pytest

from servicekit.declarations import BadDeclaration, Bounded, declared, read

GOOD = """
metrics:
  - {name: orders_created_total, type: counter, unit: "1", help: Orders., user: "issue:2",
     labels: {outcome: [completed, rejected], sku: {bounded: 100}}}
  - {name: order_duration_seconds, type: histogram, unit: seconds, help: Time., user: "issue:2",
     buckets: [0.1, 1]}
"""


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(text)
    return file


def entry(**changes: str) -> str:
    fields = {"name": "orders_total", "type": "counter", "unit": '"1"', "help": "Orders.", "user": "issue:2"}
    body = ", ".join(f"{name}: {value}" for name, value in (fields | changes).items())
    return f"metrics: [{{{body}}}]"


def test_a_file_says_what_may_be_emitted(tmp_path: Path) -> None:
    created, duration = read(written(tmp_path, "orders", GOOD))

    assert created.labels == {"outcome": ("completed", "rejected"), "sku": Bounded(bounded=100)}
    assert not created.is_closed
    assert duration.buckets == (0.1, 1.0)
    assert duration.is_closed


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (entry(name="orders"), "orders.yaml: orders: counters, and nothing else, end in _total"),
        (entry(type="gauge"), "orders.yaml: orders_total: counters, and nothing else, end in _total"),
        (entry(unit="seconds"), "orders.yaml: orders_total: the name must end in its unit, seconds"),
        (entry(buckets="[1]"), "orders.yaml: orders_total: histograms, and nothing else, have buckets"),
        (
            entry(name="wait_seconds", type="histogram", unit="seconds"),
            "orders.yaml: wait_seconds: histograms, and nothing else, have buckets",
        ),
        (
            entry(name="wait_seconds", type="histogram", unit="seconds", buckets="[2, 1]"),
            "orders.yaml: wait_seconds: buckets rise",
        ),
        (
            entry(name="wait_seconds", type="histogram", unit="seconds", buckets="[1, .inf]"),
            "orders.yaml: wait_seconds: buckets are finite: the one without end is added by itself",
        ),
        (entry(labels="{le: [a]}"), "orders.yaml: orders_total: the label le is reserved"),
        (entry(labels="{a: [b, b]}"), "orders.yaml: orders_total: the label a lists a value twice"),
        (entry(extra="1"), "orders.yaml: orders_total: extra: Extra inputs are not permitted"),
        (entry(user='""'), "orders.yaml: orders_total: user: String should have at least 1 character"),
        ("metrics: [3]", "orders.yaml: ?: Input should be a valid dictionary or instance of Declaration"),
        ("orders: []", "orders.yaml: must hold one key, metrics"),
    ],
)
def test_a_fault_names_file_and_metric(tmp_path: Path, text: str, fault: str) -> None:
    file = written(tmp_path, "orders", text)

    with pytest.raises(BadDeclaration) as refused:
        read(file)

    assert refused.value.faults == (fault,)


def test_words_that_yaml_takes_for_truth_values_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "orders", entry(labels="{state: [on, off]}"))

    with pytest.raises(BadDeclaration, match=r"labels\.state\..*valid string"):
        read(file)


def test_every_fault_of_a_file_is_listed(tmp_path: Path) -> None:
    file = written(tmp_path, "orders", "metrics: [{name: a, type: gauge}, {name: b}]")

    with pytest.raises(BadDeclaration) as refused:
        read(file)

    assert [fault.rsplit(":", 1)[0] for fault in refused.value.faults] == [
        "orders.yaml: a: unit",
        "orders.yaml: a: help",
        "orders.yaml: a: user",
        "orders.yaml: b: type",
        "orders.yaml: b: unit",
        "orders.yaml: b: help",
        "orders.yaml: b: user",
    ]


def test_what_is_no_yaml_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadDeclaration, match=r"orders\.yaml: "):
        read(written(tmp_path, "orders", "metrics: ["))


def test_a_service_may_emit_its_own_metrics_and_those_of_every_process(tmp_path: Path) -> None:
    written(tmp_path, "servicekit", entry())
    written(tmp_path, "orders", GOOD)

    assert set(declared("orders", tmp_path)) == {
        "orders_total",
        "orders_created_total",
        "order_duration_seconds",
    }
    assert set(declared("new_service", tmp_path)) == {"orders_total"}


def test_a_name_is_declared_once(tmp_path: Path) -> None:
    written(tmp_path, "servicekit", entry())
    written(tmp_path, "orders", entry())

    with pytest.raises(BadDeclaration, match=r"orders\.yaml: orders_total: is declared twice"):
        declared("orders", tmp_path)
