"""What people tell a pipeline while it is being killed: replays, dead letters once more, backups."""
import json
import random
import subprocess
import threading


class Replay:
    """One that was accepted, so no kill may lose it."""

    def __init__(self, there_before, odd_too):
        self.there_before, self.odd_too = there_before, odd_too


class Backup:
    """A folder that came to be, although perhaps nobody was told; `accepted` are those of which a 200 came before."""

    def __init__(self, folder, accepted):
        self.folder, self.accepted = folder, accepted


class Orders(threading.Thread):
    """Gives orders of all kinds, each round in another order, until `stop` is set. Kills fall before, into and after them."""

    def __init__(self, penstock, receiver, clients, stop):
        super().__init__(daemon=True)
        self.penstock, self.receiver, self.clients, self.stop_flag = penstock, receiver, clients, stop
        self.replays, self.backups, self.backups_begun, self.letters_sent_again = [], [], 0, 0
        self.random = random.Random(random.random())  # the seed's, whatever other threads draw

    def run(self):
        kinds = [self.replay, self.dead_replay, self.dead_replay, self.turn_lenience, self.back_up]
        while not self.stop_flag.is_set():
            self.random.shuffle(kinds)
            for give in kinds:
                if self.stop_flag.wait(self.random.uniform(0.02, 0.25)):
                    return
                give()

    def make_up(self):
        """What no life was long enough for; once the last one is there, and the thread has ended."""
        if not self.replays:
            self.replay()
        if not self.backups:
            self.back_up()

    def cli(self, *arguments):
        """Its output, or None when it was not told that the order is taken."""
        answer = subprocess.run([self.penstock.binary, *arguments], cwd=self.penstock.folder, capture_output=True, text=True,
                                timeout=60)
        return answer.stdout if answer.returncode == 0 else None

    def replay(self):
        there, odd_too = self.receiver.delivered_so_far(), self.random.random() < 0.5
        where = [] if odd_too else ["--where", "event.properties.sequence % 2 == 0"]
        if self.cli("replay", "plain", "--from", "earliest", "--rate", "20000", *where, "--data",
                    self.penstock.data) is not None:
            self.replays.append(Replay(there, odd_too))

    def dead_replay(self):
        stage = self.random.choice(["fussy", "ordered", "made"])
        answer = self.cli("dead", "replay", "--stage", stage, "--data", self.penstock.data)
        if answer is not None:
            self.letters_sent_again += int(answer.split()[0])

    def turn_lenience(self):
        with self.receiver.lock:
            self.receiver.lenient = not self.receiver.lenient

    def back_up(self):
        accepted = [u for client in self.clients for batch in list(client.acknowledged) for u, _ in batch]
        folder = self.penstock.folder / f"backup-{self.backups_begun}"
        try:
            control = json.loads((self.penstock.folder / self.penstock.data / "control.json").read_text())
        except (OSError, ValueError):
            return  # it is just beginning
        self.backups_begun += 1
        # Of the process that runs: without an address, the command would take the folder from the one that is about to start.
        self.cli("backup", str(folder), "--url", control["url"], "--token", control["token"])
        if folder.exists():
            self.backups.append(Backup(folder, accepted))
