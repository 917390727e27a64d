#!/usr/bin/env python3
"""Tidy finds one planted offence of every kind, says where, and leaves clean code alone."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cpp_text  # noqa: E402
import tidy  # noqa: E402

HEADER = "#pragma once\n"
LONG_BODY = "  step();\n" * 70


def offences(files):
    """What tidy says of a tree with these files: ["path:line: what", …]."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return [f"{path}:{line}: {what}" for path, line, what in tidy.check(root)]


class Planted(unittest.TestCase):
    TABLE = [
        # the file's path, its text, where and how tidy complains
        ("pipeline/base/long.cc", "int x;\n" * 401, "pipeline/base/long.cc:1: pipeline/base/long.cc has 401 lines"),
        ("pipeline/base/f.cc", "int x;\nvoid f() {\n" + LONG_BODY + "}\n", "pipeline/base/f.cc:2: pipeline/base/f.cc::f has 72"),
        ("tools/f.py", "def f():\n" + "    g()\n" * 70, "tools/f.py:1: tools/f.py::f has 71 lines"),
        ("pipeline/utils/a.cc", "", "pipeline/utils/a.cc:1: 'utils' is a drawer"),
        ("pipeline/log/helpers.h", HEADER, "pipeline/log/helpers.h:1: 'helpers.h' is a drawer"),
        ("pipeline/log/a.cc", '#include "pipeline/delivery/b.h"\n', "pipeline/log/a.cc:1: includes"),
        ("pipeline/base/a.cc", '#include "pipeline/event/b.h"\n', "base may not include event"),
        ("pipeline/novel/a.cc", '#include "pipeline/event/b.h"\n', "the room novel is not in"),
        ("pipeline/log/a.cc", '\n#include "tests/fakes/b.h"\n', "pipeline/log/a.cc:2: includes"),
        ("pipeline/log/a.cc", '#include "connectors/logs/local/b.h"\n', "nothing includes a connector"),
        ("connectors/sources/x/a.cc", '#include "pipeline/delivery/b.h"\n', "a connector may not include delivery"),
        ("connectors/sources/x/a.cc", '#include "connectors/sources/y/b.h"\n', "nothing includes a connector"),
        ("connectors/sources/x/CMakeLists.txt", "connector()\n", "no test of this connector calls source_conformance or pushed"),
        ("connectors/stores/x/CMakeLists.txt", "connector()\n", "connectors of the kind stores have no contract"),
        ("plugins/a/app.lua", "\n-- TODO later\n", "plugins/a/app.lua:2: a marker"),
        ("pipeline/log/a.cc", "// not implemented\n", "pipeline/log/a.cc:1: a marker"),
        ("docs/a.md", "see /home/me/x\n", "docs/a.md:1: the path of one machine"),
        ("pipeline/log/a.h", "int x;\n", "pipeline/log/a.h:1: a header without"),
        ("pipeline/log/a.cc", "\tint x;\n", "pipeline/log/a.cc:1: a tab"),
        ("pipeline/log/a.cc", "int x; \n", "pipeline/log/a.cc:1: spaces at the end"),
        ("pipeline/log/a.cc", "int x;", "pipeline/log/a.cc:1: the last line does not end"),
        ("pipeline/log/a_test.cc", "std::this_thread::sleep_for(1s);\n", "pipeline/log/a_test.cc:1: a sleep"),
        ("tests/flow/a.py", "time.sleep(1)\n", "tests/flow/a.py:1: a sleep"),
        ("pipeline/log/a.cc", "\nbool x = std::filesystem::exists(f(a));\n", "pipeline/log/a.cc:2: exists throws"),
        ("pipeline/log/a.cc", "for (auto& f : fs::directory_iterator(a, error)) g(f);\n", "directory_iterator throws"),
        ("tests/flow/a.sh", "sleep 3\n", "tests/flow/a.sh:1: a sleep"),
    ]

    def test_every_kind_is_found_once_and_where(self):
        for path, text, complaint in self.TABLE:
            with self.subTest(path=path, complaint=complaint):
                found = offences({path: text})
                self.assertEqual(len(found), 1, found)
                self.assertIn(complaint, found[0])

    def test_clean_code_passes(self):
        self.assertEqual([], offences({
            "pipeline/log/a.cc": '#include "pipeline/base/b.h"\nvoid f() {\n' + LONG_BODY[:-20] + "}\n",
            "connectors/logs/local/a.cc": '#include "pipeline/log/b.h"\n#include "connectors/logs/local/c.h"\n',
            "connectors/sources/x/CMakeLists.txt": "connector()\n",
            "connectors/sources/x/x_test.cc": "TEST_CASE() { conformance::pushed_source_conformance({}); }\n",
            "pipeline/log/b.cc": "bool x = fs::exists(fs::symlink_status(f(a), error));\nfs::directory_iterator it(a, error);\n",
            "pipeline/log/b_test.cc": "fs::remove(a);\n",
            "pipeline/topology/a.cc": '#include "pipeline/delivery/b.h"\n',
            "pipeline/log/a_test.cc": '#include "tests/fakes/b.h"\n#include "pipeline/delivery/b.h"\n',
            "tests/flow/wait.py": "time.sleep(0.05)  # polls the port\n",
            "docs/a.md": "https://example.com/home/x and mktemp -d a-XXXXXX\n",
            "build/utils/a.cc": "\t// TODO\n",
        }))


class Ratchet(unittest.TestCase):
    def complaints(self, entry, lines):
        return offences({"pipeline/base/a.cc": "int x;\n" * lines, tidy.RATCHET: entry + "\n"})

    def test_an_entry_allows_exactly_its_number(self):
        self.assertEqual([], self.complaints("pipeline/base/a.cc | 450 | one table", 450))

    def test_growing_past_the_entry_fails(self):
        self.assertIn("has 451 lines, allowed are 450", self.complaints("pipeline/base/a.cc | 450 | one table", 451)[0])

    def test_shrinking_asks_for_a_lower_number(self):
        self.assertIn("shrunk to 449", self.complaints("pipeline/base/a.cc | 450 | one table", 449)[0])

    def test_an_entry_no_longer_needed_must_go(self):
        self.assertIn("remove the entry", self.complaints("pipeline/base/a.cc | 450 | one table", 400)[0])
        self.assertIn("remove the entry", self.complaints("pipeline/base/gone.cc | 450 | one table", 1)[0])

    def test_an_entry_needs_a_reason(self):
        self.assertIn("expected `path", self.complaints("pipeline/base/a.cc | 450 |", 1)[0])


class Functions(unittest.TestCase):
    TEXT = '''namespace a {
// void commented() {
struct S : T {
  int inline_one() const { return 1; }
  S(int a) : a_{a}, b_(1'000) {
    if (a) {
    }
  }
};
auto text = R"(void f() { )";
Result<int> S::two(std::string s = "}") {
  auto g = [&](int x) {
    return x;
  };
  return g(1);
}
TEST_CASE("a behaviour") {
  CHECK(f('{'));
}
}
'''

    def test_names_lines_and_lengths(self):
        self.assertEqual([f for f in cpp_text.functions(self.TEXT) if f[0] not in ("S", "b_")],
                         [("inline_one", 4, 1), ("S::two", 11, 6), ("a behaviour", 17, 3)])


if __name__ == "__main__":
    unittest.main()
