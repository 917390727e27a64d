"""Which room may include which. Arrows point one way; a stage meets another only where this table says so."""

FOUNDATION = {"base", "event", "ports", "telemetry"}

# room: the rooms under pipeline/ that it may include, besides itself.
ROOMS = {
    "base": set(),
    "event": {"base"},
    "ports": {"base", "event"},
    "config": {"base"},
    "registry": {"base", "event", "ports", "config"},
    "http": {"base", "event", "ports", "config"},
    "telemetry": {"base"},
    "kafka": {"base", "ports", "config", "http", "telemetry"},
    # Stages. They do not include each other: they meet at the log.
    "log": FOUNDATION,
    "database": {"base"},
    "dead": FOUNDATION | {"database"},
    "catalog": {"base"},
    "state": FOUNDATION | {"dead", "database"},  # dead letters: both live in one database
    "scripting": FOUNDATION | {"config"},
    "ingest": FOUNDATION | {"config", "scripting", "log"},
    "delivery": FOUNDATION | {"config", "scripting", "log", "dead", "state", "database"},
}
# Composition: these know everything below them.
ROOMS["topology"] = set(ROOMS)
ROOMS["control"] = set(ROOMS)
ROOMS["cli"] = set(ROOMS)

# A log is chosen by the composition root, and read by the command that prints one; it is in no registry.
LOG_BUILDERS = (["pipeline", "topology"], ["pipeline", "cli"])

# What every connector may include besides its own folder, and what one kind or one connector may in addition.
CONNECTOR = {"base", "event", "ports", "config", "registry", "http"}
CONNECTOR_EXTRA = {"logs": {"log"}, "destinations/kafka": {"kafka", "telemetry"},
                   "sources/kafka": {"kafka", "telemetry"}, "logs/kafka": {"kafka", "telemetry"}}

# Rooms that may include connectors of a kind. Sources and destinations register themselves and are named by nobody; a log
# is what everything else is built on.
KNOWS_CONNECTORS = {"topology": {"logs"}, "cli": {"logs"}}

TEST_ENDINGS = ("_test.cc", "_rig.h", "_rig.cc", "/testing.h", "/testing.cc")


def problem(includer, included):
    """Why `includer` (a path from the root) must not include `included`, or None. Tests and what they stand on may."""
    if includer.startswith(("tests/", "bench/")) or includer.endswith(TEST_ENDINGS):
        return None
    if included.startswith("tests/"):
        return "only tests include tests"
    source, target = includer.split("/"), included.split("/")
    if target[0] == "connectors":
        if source[:3] == target[:3] or target[1] in KNOWS_CONNECTORS.get(source[1], ()):
            return None
        return "nothing includes a connector: it registers itself"
    if target[0] != "pipeline" or len(target) < 3:
        return None
    if source[0] == "connectors" and len(source) > 3:
        extra = CONNECTOR_EXTRA.get(source[1], set()) | CONNECTOR_EXTRA.get("/".join(source[1:3]), set())
        return _judge("a connector", CONNECTOR | extra, target[1])
    if source[0] == "pipeline" and len(source) > 2:
        if source[1] not in ROOMS:
            return f"the room {source[1]} is not in tests/tidy/rooms.py: say there what it may include"
        return _judge(source[1], ROOMS[source[1]] | {source[1]}, target[1])
    return None


def _judge(who, allowed, room):
    return None if room in allowed else f"{who} may not include {room} (see tests/tidy/rooms.py)"
