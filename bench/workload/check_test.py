#!/usr/bin/env python3
"""The judge of the workload finds every kind of fault, and none in what is right."""
import copy
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check  # noqa: E402
import generate  # noqa: E402


class Compare(unittest.TestCase):
    def setUp(self):
        rng = random.Random(7)
        self.sent = [generate.shop_event(index, rng) for index in range(200)]
        self.right = [dict(check.expected_of(event), received_at="2026-08-01T00:00:00Z") for event in self.sent
                      if check.kept(event)]

    def faults(self, arrived):
        expected, *faults = check.compare(self.sent, copy.deepcopy(arrived))
        self.assertEqual(len(self.right), expected)
        return faults

    def test_right_output_has_no_fault(self):
        self.assertLess(len(self.right), len(self.sent))
        self.assertEqual([0, 0, 0, 0], self.faults(self.right))

    def test_each_fault_is_counted_under_its_name(self):
        first, rest = self.right[0], self.right[1:]
        dropped = next(event for event in self.sent if not check.kept(event))
        table = [
            ("missing", [1, 0, 0, 0], rest),
            ("repeated", [0, 1, 0, 0], [first, first, *rest]),
            ("wrong value", [0, 0, 1, 0], [dict(first, env="qa"), *rest]),
            ("extra field", [0, 0, 1, 0], [dict(first, ip="10.0.0.1"), *rest]),
            ("no received_at", [0, 0, 1, 0], [dict(first, received_at=None), *rest]),
            ("one that was to be dropped", [0, 0, 0, 1], [dict(check.expected_of(dropped), received_at="x"), *self.right]),
            ("one without an id", [0, 0, 0, 1], [{}, *self.right]),
        ]
        for name, faults, arrived in table:
            with self.subTest(name):
                self.assertEqual(faults, self.faults(arrived))


if __name__ == "__main__":
    unittest.main()
