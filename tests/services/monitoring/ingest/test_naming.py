import pytest

from services.monitoring.ingest import Kind, bound, label_name, metric_name, normalised_bound

NAMES = [
    ("http.server.request.duration", "s", Kind.HISTOGRAM, "http_server_request_duration_seconds"),
    ("http_server_request_duration_seconds", "s", Kind.HISTOGRAM, "http_server_request_duration_seconds"),
    ("orders_created_total", "1", Kind.COUNTER, "orders_created_total"),
    ("orders.created", "{order}", Kind.COUNTER, "orders_created_total"),
    ("process_cpu_seconds_total", "s", Kind.COUNTER, "process_cpu_seconds_total"),
    ("network.io", "By", Kind.COUNTER, "network_io_bytes_total"),
    ("network.rate", "By/s", Kind.GAUGE, "network_rate_bytes_per_second"),
    ("system.memory.utilization", "1", Kind.GAUGE, "system_memory_utilization_ratio"),
    ("mesh_node_state", "1", Kind.GAUGE, "mesh_node_state"),
    ("job:requests:rate5m", "", Kind.GAUGE, "job:requests:rate5m"),
    ("2xx", "", Kind.GAUGE, "_2xx"),
    ("a..b", "", Kind.GAUGE, "a_b"),
    ("", "s", Kind.GAUGE, ""),
]


@pytest.mark.parametrize(("name", "unit", "kind", "expected"), NAMES)
def test_a_metric_has_the_name_that_prometheus_would_give_it(
    name: str, unit: str, kind: Kind, expected: str
) -> None:
    assert metric_name(name, unit, kind) == expected


@pytest.mark.parametrize(("name", "unit", "kind", "_"), NAMES)
def test_a_name_that_was_made_is_kept(name: str, unit: str, kind: Kind, _: str) -> None:
    made = metric_name(name, unit, kind)

    assert metric_name(made, unit, kind) == made


@pytest.mark.parametrize(
    ("name", "expected"), [("http.method", "http_method"), ("2nd", "key_2nd"), ("_x", "key_x"), ("ok", "ok")]
)
def test_a_label_has_the_name_that_prometheus_would_give_it(name: str, expected: str) -> None:
    assert label_name(name) == expected


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1", "1.0"), ("1.0", "1.0"), ("0.5", "0.5"), (".005", "0.005"), ("1000000", "1e+06"),
        ("1e6", "1e+06"),
        ("100000", "100000.0"), ("0.00001", "1e-05"), ("1234567.5", "1.2345675e+06"), ("Inf", "+Inf"),
        ("+Inf", "+Inf"), ("0", "0.0"), ("-1", "-1.0"), ("NaN", "NaN"), ("many", "many"),
    ],
)  # fmt: skip
def test_bounds_are_written_one_way(sent: str, kept: str) -> None:
    assert normalised_bound(sent) == kept


def test_the_bound_of_a_bucket_is_written_as_that_of_one_that_was_sent() -> None:
    assert [bound(limit) for limit in (0.005, 1, 1e6)] == ["0.005", "1.0", "1e+06"]
