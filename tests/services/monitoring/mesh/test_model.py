"""What the graph says, drawn from what services say: tables, no I/O."""

from datetime import UTC, datetime, timedelta

import pytest

from services.monitoring.mesh import Edge, NodeState, root_causes
from services.monitoring.mesh.model import Heard, Mesh, Node, Report, Silent, draw

UP, DOWN, UNKNOWN = NodeState.SERVING, NodeState.NOT_SERVING, NodeState.UNKNOWN
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def says(whole: NodeState = UP, **needs: NodeState) -> Heard:
    """A service that answers: how it is, and how it sees what it needs."""
    return Heard({"": whole} | {f"dependency/{name}": state for name, state in needs.items()})


def healthy() -> dict[str, Report]:
    return {
        "gateway": says(orders=UP, payments=UP, auth=UP),
        "orders": says(postgres=UP, payments=UP, auth=UP),
        "payments": says(postgres=UP, stripe=UP, auth=UP),
        "auth": says(postgres=UP, redis=UP),
    }


def drawn(**changed: Report) -> Mesh:
    return draw(healthy() | changed, {}, NOON)


def node(mesh: Mesh, name: str) -> Node:
    return next(node for node in mesh.nodes if node.name == name)


SCENARIOS: dict[str, tuple[dict[str, Report], tuple[str, ...]]] = {
    "all is well": ({}, ()),
    "the provider is down": ({"payments": says(postgres=UP, stripe=DOWN, auth=UP)}, ("stripe",)),
    "payments' database is down": (
        {
            "payments": says(DOWN, postgres=DOWN, stripe=UP, auth=UP),
            "orders": says(postgres=UP, payments=DOWN, auth=UP),
            "gateway": says(orders=UP, payments=DOWN, auth=UP),
        },
        ("postgres",),
    ),
    "every database is down": (
        {
            "payments": says(DOWN, postgres=DOWN, stripe=UP, auth=DOWN),
            "orders": says(DOWN, postgres=DOWN, payments=DOWN, auth=DOWN),
            "auth": says(DOWN, postgres=DOWN, redis=UP),
            "gateway": says(orders=DOWN, payments=DOWN, auth=DOWN),
        },
        ("postgres",),
    ),
    "Redis is down": (
        {
            "auth": says(DOWN, postgres=UP, redis=DOWN),
            "gateway": says(orders=UP, payments=UP, auth=DOWN),
        },
        ("redis",),
    ),
    "orders is gone, and the gateway says so": (
        {"orders": Silent("cannot be reached"), "gateway": says(orders=DOWN, payments=UP, auth=UP)},
        ("orders",),
    ),
    "orders cannot be heard by us, but works for the gateway": ({"orders": Silent("cannot be reached")}, ()),
    "nobody can be heard": (dict.fromkeys(healthy(), Silent("cannot be reached")), ()),
    "orders fails by itself": ({"orders": says(DOWN, postgres=UP, payments=UP, auth=UP)}, ("orders",)),
    "two things fail that have nothing to do with each other": (
        {
            "auth": says(DOWN, postgres=UP, redis=DOWN),
            "payments": says(postgres=UP, stripe=DOWN, auth=DOWN),
        },
        ("redis", "stripe"),
    ),
    "a service fails while it sees nothing wrong with a neighbour that fails": (
        {
            "orders": says(DOWN, postgres=UP, payments=UP, auth=UP),
            "payments": says(DOWN, postgres=UP, stripe=UP, auth=UP),
        },
        ("orders", "payments"),
    ),
}


@pytest.mark.parametrize(("changed", "causes"), SCENARIOS.values(), ids=SCENARIOS)
def test_the_root_cause_is_named_and_only_it(changed: dict[str, Report], causes: tuple[str, ...]) -> None:
    assert drawn(**changed).root_causes == causes


def sees_down(*pairs: str) -> list[Edge]:
    return [Edge(pair[0], pair[1], DOWN) for pair in pairs]


CIRCLES: dict[str, tuple[str, list[Edge], tuple[str, ...]]] = {
    "a chain": ("abc", sees_down("ab", "bc"), ("c",)),
    "a circle is to blame together": ("ab", sees_down("ab", "ba"), ("a", "b")),
    "whoever only needs the circle is not": ("abc", sees_down("ab", "ba", "ca"), ("a", "b")),
    "a circle that somebody outside explains is not": ("abc", sees_down("ab", "ba", "bc"), ("c",)),
    "two circles, one explaining the other": ("abcd", sees_down("ab", "ba", "bc", "cd", "dc"), ("c", "d")),
    "a node that needs itself": ("a", sees_down("aa"), ("a",)),
    "a node that explains two": ("abc", sees_down("ac", "bc"), ("c",)),
    "a node that two explain": ("abc", sees_down("ab", "ac"), ("b", "c")),
}


@pytest.mark.parametrize(("failing", "edges", "causes"), CIRCLES.values(), ids=CIRCLES)
def test_nodes_that_explain_each_other_are_causes_together(
    failing: str, edges: list[Edge], causes: tuple[str, ...]
) -> None:
    assert root_causes(dict.fromkeys(failing, DOWN), edges) == causes


def test_a_neighbour_that_fails_explains_nothing_to_who_does_not_see_it_failing() -> None:
    states = {"a": DOWN, "b": DOWN}

    assert root_causes(states, [Edge("a", "b", UP)]) == ("a", "b")
    assert root_causes(states, [Edge("a", "b", UNKNOWN)]) == ("a", "b")


def test_an_unknown_node_is_no_cause_unless_somebody_who_needs_it_says_that_it_fails() -> None:
    states = {"gateway": UP, "orders": UNKNOWN}

    assert root_causes(states, [Edge("gateway", "orders", UP)]) == ()
    assert root_causes(states, [Edge("gateway", "orders", DOWN)]) == ("orders",)


THINGS: dict[str, tuple[list[Report], NodeState, str]] = {
    "all say that it serves": ([says(it=UP), says(it=UP)], UP, ""),
    "one says that it does not": ([says(it=UP), says(it=DOWN)], DOWN, "does not answer user1"),
    "all say that it does not": ([says(it=DOWN), says(it=DOWN)], DOWN, "does not answer user0, user1"),
    "one is not heard": ([says(it=UP), Silent("gone", frozenset({"it"}))], UP, ""),
    "nobody is heard": (
        [Silent("gone", frozenset({"it"}))],
        UNKNOWN,
        "nobody who uses it can be heard",
    ),
    "nobody knows": ([says(it=UNKNOWN)], UNKNOWN, "nobody who uses it can be heard"),
}


@pytest.mark.parametrize(("users", "state", "reason"), THINGS.values(), ids=THINGS)
def test_what_has_no_health_of_its_own_is_as_its_users_say(
    users: list[Report], state: NodeState, reason: str
) -> None:
    mesh = draw({f"user{number}": user for number, user in enumerate(users)}, {}, NOON)

    assert node(mesh, "it") == Node("it", state, NOON, reason=reason)


def test_a_service_speaks_for_itself_whatever_its_users_say() -> None:
    mesh = drawn(gateway=says(orders=DOWN, payments=UP, auth=UP))

    assert node(mesh, "orders").state is UP
    assert Edge("gateway", "orders", DOWN) in mesh.edges
    assert mesh.root_causes == ()


def test_a_service_that_cannot_be_heard_is_unknown_and_so_is_how_it_sees_others() -> None:
    mesh = drawn(auth=Silent("cannot be reached", frozenset({"redis"})))

    assert node(mesh, "auth") == Node("auth", UNKNOWN, NOON, reason="cannot be reached")
    assert Edge("auth", "redis", UNKNOWN) in mesh.edges
    assert node(mesh, "redis").state is UNKNOWN


def test_a_service_that_does_not_serve_says_which_of_its_names_do_not() -> None:
    health = {"": DOWN, "readiness": DOWN, "liveness": UP, "dependency/postgres": DOWN}

    mesh = draw({"orders": Heard(health)}, {}, NOON)

    assert node(mesh, "orders").reason == "says that it does not serve (dependency/postgres, readiness)"
    assert node(mesh, "orders").health == health


def test_a_service_that_publishes_nothing_is_unknown() -> None:
    mesh = draw({"orders": Heard({})}, {}, NOON)

    assert node(mesh, "orders").state is UNKNOWN
    assert node(mesh, "orders").reason == "answers, but does not say whether it serves"


def test_since_moves_only_with_the_state() -> None:
    before = {node.name: node for node in drawn().nodes}
    later = NOON + timedelta(minutes=1)

    mesh = draw(healthy() | {"auth": says(DOWN, postgres=UP, redis=DOWN)}, before, later)

    since = {node.name: node.since for node in mesh.nodes}
    assert since["auth"] == since["redis"] == later
    assert since["orders"] == since["postgres"] == NOON


def test_the_mesh_is_in_the_order_of_names() -> None:
    mesh = drawn()

    assert [node.name for node in mesh.nodes] == [
        "auth", "gateway", "orders", "payments", "postgres", "redis", "stripe",
    ]  # fmt: skip
    assert list(mesh.edges) == sorted(mesh.edges)
