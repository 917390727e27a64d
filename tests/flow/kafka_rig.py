"""A real Kafka broker, and a reader that is not ours."""
import atexit
import os
import pathlib
import signal
import subprocess
import threading

try:
    import confluent_kafka.admin  # Debian's python3-confluent-kafka
except ImportError:
    confluent_kafka = None  # only tests that start a broker need it

from kafka_proxy import Proxy

COUNTER = """local M = {}
function M.transform(event, app)
  event.properties.count = app.state.incr('count')
  return event
end
return M
"""
COMMAND = pathlib.Path(__file__).resolve().parents[1] / "services/kafka"


LOCK, BROKERS = threading.Lock(), {}


def broker(name, *how):
    """That of the name, started with `how`. It runs until this process ends, or longer when it had been running before."""
    with LOCK:
        if name not in BROKERS:
            BROKERS[name] = Kafka(name, *how)
        return BROKERS[name]


def write_counter(test):
    """The app `counter`, which writes into each event how many its distinct id has had."""
    test.write("apps/counter/app.yaml", "name: counter\nversion: 1.0.0\nsummary: Counts.\npermissions: { state: true }\n")
    test.write("apps/counter/app.lua", COUNTER)


class Kafka:

    def __init__(self, name, *how):
        self.name, self.how = name, how
        self.looking, self.looker, self.doors = threading.Lock(), None, 0
        self.folder = COMMAND.parents[2] / "build/services/kafka/brokers" / name
        running = self._run("topics", check=False).returncode == 0
        self.address = self.start()
        if not running:
            atexit.register(self._run, "stop", "--remove")

    def _run(self, *arguments, check=True):
        done = subprocess.run([COMMAND, "--name", self.name, *arguments], capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(f"kafka {' '.join(arguments)}: {done.stderr}")
        return done

    def start(self):
        return self._run("start", *self.how).stdout.strip()

    def listeners(self):
        return dict(line.split() for line in self._run("listeners").stdout.splitlines())

    def door(self, seed=1):
        """A way to it that nobody else has: a proxy before a listener of its own."""
        with LOCK:
            self.doors += 1
            name = f"DOOR{self.doors}://127.0.0.1:"
        inner, outer = (next(int(each.removeprefix(name)) for each in line.partition("=")[2].split(",") if each.startswith(name))
                        for line in (self.folder / "server.properties").read_text().splitlines()
                        if line.startswith(("listeners=", "advertised.listeners=")))
        return Proxy(outer, inner, seed)

    def limit(self, client, what, rate):
        """So many bytes a second for who calls itself so, of `what`: producer_byte_rate, consumer_byte_rate. None: as many as it likes."""
        how = ["--delete-config", what] if rate is None else ["--add-config", f"{what}={rate}"]
        self.tool("kafka.admin.ConfigCommand", "--alter", "--entity-type", "clients", "--entity-name", client, *how)

    def stop(self):
        self._run("stop")

    def restart(self, *how):
        self._run("restart", *how)

    def create(self, *topics, **settings):
        """topic:partitions; settings with underscores for dots."""
        self._run("topics", *topics, *[word for name, value in settings.items()
                                       for word in ("--set", f"{name.replace('_', '.')}={value}")])

    def grow(self, topic, partitions):
        self.tool("org.apache.kafka.tools.TopicCommand", "--alter", "--topic", topic, "--partitions", str(partitions))

    def delete(self, *topics):
        self._run("topics", "--delete", *topics)

    def names(self):
        """Of all topics."""
        return set(self.writer().list_topics(timeout=20).topics)

    def freeze(self, frozen):
        os.kill(int((self.folder / "pid").read_text()), signal.SIGSTOP if frozen else signal.SIGCONT)

    def tool(self, name, *arguments):
        self._run("tool", name, *arguments)

    def writer(self):
        return confluent_kafka.Producer({"bootstrap.servers": self.address, "linger.ms": 5, "enable.idempotence": True})

    def write(self, topic, messages):
        """(key, value) each, and whatever else the client's produce() takes."""
        writer = self.writer()
        for key, value, *more in messages:
            writer.produce(topic, value, key, **(more[0] if more else {}))
        assert writer.flush(20) == 0

    def group_offsets(self, group, topic, partitions):
        """What the group has committed, summed up."""
        reader = confluent_kafka.Consumer({"bootstrap.servers": self.address, "group.id": group})
        try:
            wanted = [confluent_kafka.TopicPartition(topic, part) for part in range(partitions)]
            return sum(max(0, found.offset) for found in reader.committed(wanted, 20))
        finally:
            reader.close()

    def written(self, topic):
        """About how many messages the topic has had: marks of transactions count too. None while no broker answers."""
        with self.looking:
            self.looker = self.looker or confluent_kafka.Consumer({"bootstrap.servers": self.address, "group.id": "looker"})
        try:
            partitions = self.looker.list_topics(topic, 5).topics[topic].partitions
            return sum(self.looker.get_watermark_offsets(confluent_kafka.TopicPartition(topic, part), 5)[1] for part in partitions)
        except confluent_kafka.KafkaException:
            return None

    def reader(self, topic):
        """Of what is written from now on, committed or not."""
        reader = confluent_kafka.Consumer({"bootstrap.servers": self.address, "group.id": "tail", "enable.auto.commit": False,
                                           "isolation.level": "read_uncommitted", "fetch.wait.max.ms": 20})
        partitions = reader.list_topics(topic, 20).topics[topic].partitions
        reader.assign([confluent_kafka.TopicPartition(topic, part, confluent_kafka.OFFSET_END) for part in partitions])
        return reader

    def messages(self, topic):
        """All there are, by partition and there in order."""
        reader = confluent_kafka.Consumer({"bootstrap.servers": self.address, "group.id": "reader", "enable.auto.commit": False,
                                           "isolation.level": "read_committed", "enable.partition.eof": True})
        try:
            partitions = reader.list_topics(topic, 20).topics[topic].partitions
            reader.assign([confluent_kafka.TopicPartition(topic, part, confluent_kafka.OFFSET_BEGINNING) for part in partitions])
            found, going_on = [], set(partitions)
            while going_on:
                message = reader.poll(20)
                assert message is not None, f"{topic}: no message within 20 s"
                if message.error() is None:
                    found.append(message)
                else:  # markers of transactions take offsets too, so an end is where the broker says that it is
                    assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                    going_on.discard(message.partition())
            return sorted(found, key=lambda message: (message.partition(), message.offset()))
        finally:
            reader.close()
