"""What is refused, with which exit code, and what is to be written instead."""
import signal
import subprocess
import unittest

from rig import BINARY, FlowTest, event, free_port, wait_until

FILE_OUT = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"
BROKEN = "data: ./data\nsources:\n  - { name: web, type: http\ndestinations: [\n"


class Refusals(FlowTest):
    def setUp(self):
        super().setUp()
        self.config(FILE_OUT)

    def refused(self, code, *arguments):
        done = self.cli(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr

    def test_a_syntax_error_is_told_by_every_command_as_validate_tells_it(self):
        process = self.start()
        self.write("penstock.yaml", BROKEN)
        diagnosis = self.refused(1, "validate", "penstock.yaml").splitlines()[0]
        self.assertRegex(diagnosis, r"^penstock\.yaml:\d+:\d+: ")
        for command in ("reload", "status"):
            with self.subTest(command):
                said = self.refused(1, command)
                self.assertIn(diagnosis, said)
                self.assertIn("--data", said)
        self.assertEqual(self.cli("status", "--data", "data").returncode, 0)
        self.assertIn(diagnosis, self.refused(1, "reload", "--data", "data"))
        self.config(FILE_OUT)
        self.stop(process)

    def test_an_empty_or_inverted_stretch_of_a_replay(self):
        process = self.start()
        self.accept([event(n) for n in range(5)])
        said = self.refused(2, "replay", "out", "--from", "1h", "--to", "2h")
        self.assertIn("--from 2h --to 1h", said)
        self.assertIn("say a --to that is later", self.refused(2, "replay", "out", "--from", "1h", "--to", "1h"))
        self.refused(2, "replay", "out", "--from", "now")
        self.assertIn("expected now, earliest", self.refused(2, "replay", "out", "--from", "yesterday"))
        self.assertEqual(self.cli("replay", "out", "--from", "2h", "--to", "now").returncode, 0)
        self.stop(process)

    def test_a_stage_that_there_never_was(self):
        process = self.start()
        for command in (("list",), ("replay",), ("discard",)):
            with self.subTest(command):
                said = self.refused(2, "dead", *command, "--stage", "nope")
                self.assertIn("there is no stage 'nope'; there are: 'ingest', 'out'", said)
        self.assertEqual(self.cli("dead", "list", "--stage", "out").returncode, 0)
        self.assertEqual(self.cli("dead", "list", "--stage", "ingest").returncode, 0)
        self.stop(process)
        self.assertIn("there is no stage 'nope'", self.refused(2, "dead", "list", "--stage", "nope"))

    def test_a_backup_to_a_folder_without_a_name(self):
        self.assertIn("is empty", self.refused(2, "backup", ""))

    def test_a_backup_into_the_data_folder_or_over_something(self):
        self.write("full/of", "something")
        process = self.start()
        for running in (True, False):
            for folder in ("data/backup", "data", "./data/../data/log/x"):
                with self.subTest(folder=folder, running=running):
                    self.assertIn("inside the data folder", self.refused(3, "backup", folder))
                    self.assertFalse((self.folder / "data/backup").exists())
            self.assertIn("not an empty folder", self.refused(3, "backup", "full"))
            if running:
                self.stop(process)

    def test_an_address_of_the_control_api_that_is_none(self):
        for url in ("garbage", "127.0.0.1:7700", "http://", "ftp://127.0.0.1"):
            self.assertIn("is no address", self.refused(2, "status", "--url", url, "--token", "t"))

    def test_dead_letters_that_block_where_shards_move(self):
        log = "log: {{ type: kafka, brokers: [\"127.0.0.1:9\"], prefix: p, shards: {} }}\n"
        out = "destinations:\n  - { name: out, type: file, path: ./out.ndjson, order: key, on_dead: block }\n"
        self.write("penstock.yaml", f"data: ./data\n{log.format(8)}sources: []\n{out}")
        said = self.refused(1, "validate", "penstock.yaml")
        self.assertIn("`block` does not go with `log.shards`: dead letters stay with the process that made them", said)
        self.write("penstock.yaml", f"data: ./data\n{log.format(1)}sources: []\n{out}")
        self.assertEqual(self.cli("validate", "penstock.yaml").returncode, 0)

    def test_two_that_write_one_file_or_listen_at_one_place(self):
        port = free_port()
        self.config(f"{FILE_OUT}\n  - {{ name: twin, type: file, path: out.ndjson }}\n"
                    "  - { name: inner, type: file, path: ./data/log/out.ndjson }",
                    sources=f'  - {{ name: web, type: http, listen: "127.0.0.1:{port}" }}\n'
                            f'  - {{ name: web2, type: http, listen: "0.0.0.0:{port}" }}\n'
                            f'  - {{ name: web3, type: http, listen: "127.0.0.1:{self.port}" }}',
                    extra=f'control: {{ listen: "127.0.0.1:{self.port}" }}\n')
        said = self.refused(1, "validate", "penstock.yaml")
        *lines, count = said.splitlines()
        self.assertEqual(count, "penstock.yaml: 4 problems")
        self.assertEqual(self.refused(1, "run", "penstock.yaml").splitlines(), lines)
        self.assertRegex(lines[0], r"^penstock\.yaml:4:\d+: sources\[1\] \(web2\)\.listen: sources\[0\] \(web\) at penstock\.yaml:3:\d+ ")
        self.assertRegex(lines[1], r"^penstock\.yaml:5:\d+: sources\[2\] \(web3\)\.listen: control at penstock\.yaml:6:\d+ ")
        self.assertRegex(lines[2], r"^penstock\.yaml:9:\d+: destinations\[1\] \(twin\)\.path: destinations\[0\] \(out\) at "
                                   r"penstock\.yaml:8:\d+ writes this file too")
        self.assertRegex(lines[3], r"^penstock\.yaml:10:\d+: destinations\[2\] \(inner\)\.path: .*data folder")


class ShortLives(FlowTest):
    def start_and_end(self, after):
        """Asked to end when `after` is true, however early."""
        log = open(self.folder / "penstock.log", "ab")
        process = subprocess.Popen([BINARY, "run", "penstock.yaml"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log)
        log.close()
        self.processes.append(process)
        wait_until(after, "the process is as far as it should be")
        self.stop(process, signal.SIGTERM)

    def test_a_life_shorter_than_a_second_that_ends_well_delivers_nothing_again(self):
        self.config(FILE_OUT)
        for life in range(5):
            self.start_and_end(lambda: self.sent(life))
        process = self.start()
        wait_until(lambda: len(self.lines()) >= 5 and self.destination("out")["lag_events"] == 0, "all of it is delivered")
        self.stop(process)
        numbers = [line["properties"]["n"] for line in self.lines()]
        self.assertEqual(sorted(numbers), [0, 1, 2, 3, 4])

    def sent(self, n):
        try:
            return self.post([event(n)])[0] == 200
        except OSError:
            return False  # it does not listen yet

    def test_asked_to_end_while_it_opens_its_data(self):
        self.config(FILE_OUT)
        self.start_and_end(lambda: self.sent(0))
        for _ in range(3):
            self.start_and_end(lambda: (self.folder / "data/LOCK").read_text() == f"{self.processes[-1].pid}\n")
        process = self.start()
        wait_until(lambda: self.destination("out")["lag_events"] == 0, "all is settled")
        self.stop(process)
        self.assertEqual([line["properties"]["n"] for line in self.lines()], [0])


if __name__ == "__main__":
    unittest.main()
