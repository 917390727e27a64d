"""The published JSON Schema, judged by a validator that is not ours: it is a schema, it takes what the program takes, and it
refuses what the program refuses (but for what only a program can know, such as whether an app exists)."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PENSTOCK_BINARY", str(ROOT / "build/release/penstock"))

MINIMAL = """
sources: [{ name: web, type: http, listen: 127.0.0.1:0 }]
destinations: [{ name: out, type: file, path: ./out.ndjson }]
"""

# What each line adds to the minimal file, or replaces in it.
BAD = {
    "an unknown key": "dta: ./data",
    "a size without a unit": "log: { segment: 64 }",
    "an unknown log": "log: { type: floppy }",
    "a number out of range": "ingest: { commit_events: 0 }",
    "a duration without a unit": "ingest: { commit_within: 100 }",
    "a text for a number": "delivery: { threads: many }",
    "an unknown source": "sources: [{ name: web, type: htpt }]",
    "a source without a name": "sources: [{ type: http }]",
    "a key of another source": "sources: [{ name: web, type: stdin, listen: 127.0.0.1:0 }]",
    "a destination without its path": "destinations: [{ name: out, type: file }]",
    "an unknown key of a destination": "destinations: [{ name: out, type: file, path: x, pth: y }]",
    "an unknown key in a batch": "destinations: [{ name: out, type: file, path: x, batch: { event: 5 } }]",
    "a map for a list": "destinations: { name: out, type: file, path: x }",
    "an app without a name": "apps: [{ with: {} }]",
    "an unknown choice": "apps: [{ use: set_fields, on_error: panic }]",
}

GOOD = {
    "sizes, times and environment": "ingest: { commit_bytes: 4MiB, commit_within: 250ms, commit_events: 500 }",
    "a substitution for a number": "delivery: { threads: '${env:THREADS:-3}' }",
    "a map of facts": "sources: [{ name: lines, type: file, path: x, map: { event: type, distinct_id: user.id } }]",
    "common settings of destinations":
        "destinations: [{ name: out, type: file, path: x, events: [a, 'b*'], batch: { events: 5, bytes: 1KiB, within: 1s } }]",
}


def defaults_of(schema):
    """What a configuration would say that writes down every default that the schema tells, outside of lists."""
    told = {}
    for name, field in schema.get("properties", {}).items():
        if "default" in field:
            told[name] = field["default"]
        elif defaults := defaults_of(field):
            told[name] = defaults
    return told


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = json.loads(subprocess.run([BINARY, "schema"], capture_output=True, text=True, check=True).stdout)
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def refused(self, text):
        return [error.message for error in self.validator.iter_errors(yaml.safe_load(text))]

    def program_refuses(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "penstock.yaml")
            path.write_text(text)
            return subprocess.run([BINARY, "validate", path], capture_output=True, text=True).stderr

    def with_line(self, line):
        key = line.split(":")[0]
        return "\n".join(l for l in MINIMAL.splitlines() if not l.startswith(key + ":")) + "\n" + line + "\n"

    def test_is_a_schema_of_its_draft(self):
        self.assertEqual(self.schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_takes_what_the_program_takes(self):
        self.assertEqual(self.refused(MINIMAL), [])
        for name, line in GOOD.items():
            with self.subTest(name):
                self.assertEqual(self.program_refuses(self.with_line(line)), "")
                self.assertEqual(self.refused(self.with_line(line)), [])
        for path in [*(ROOT / "examples").glob("*.yaml"), *(ROOT / "bench").glob("*/*.yaml")]:
            with self.subTest(path.name):
                self.assertEqual(self.refused(path.read_text()), [])

    def test_takes_every_default_that_it_tells(self):
        for name, default in defaults_of(self.schema).items():
            with self.subTest(name):
                line = f"{name}: {json.dumps(default)}"
                self.assertEqual(self.program_refuses(self.with_line(line)), "")
                self.assertEqual(self.refused(self.with_line(line)), [])

    def test_refuses_what_the_program_refuses(self):
        for name, line in BAD.items():
            with self.subTest(name):
                self.assertNotEqual(self.program_refuses(self.with_line(line)), "")
                self.assertNotEqual(self.refused(self.with_line(line)), [])


if __name__ == "__main__":
    unittest.main()
