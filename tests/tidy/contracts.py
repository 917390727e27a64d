"""Every connector keeps the contract of its kind: its own tests call a suite of tests/conformance."""
import re

# By the kinds of connectors/: the suites of which one must be called.
SUITES = {
    "sources": ["source_conformance", "pushed_source_conformance"],
    "destinations": ["destination_conformance"],
    "logs": ["log_conformance"],
}

CONNECTOR = re.compile(r"connectors/([^/]+)/[^/]+/CMakeLists\.txt$")


def problems(texts):
    """`texts` by path. (path, line, what) for each connector whose tests call no suite."""
    for path in texts:
        found = CONNECTOR.match(path)
        if not found:
            continue
        folder, kind = path[:path.rindex("/") + 1], found.group(1)
        if kind not in SUITES:
            yield path, 1, f"connectors of the kind {kind} have no contract: write a suite, and name it in tests/tidy/contracts.py"
            continue
        call = re.compile(r"\b(?:%s)\(" % "|".join(SUITES[kind]))
        if not any(test.startswith(folder) and test.endswith("_test.cc") and call.search(text) for test, text in texts.items()):
            yield path, 1, f"no test of this connector calls {' or '.join(SUITES[kind])} of tests/conformance"
