"""Which test shows what a connector does under each fault, or why there can be none: a row for whatever is registered.

`telemetry` is no fault but what every connector owes: a test in which its counters and its health are held against what the test
knows (FaultTest.assert_told).

A connector may have faults of its own besides (MORE_FAULTS).

A cell is shown(NAME…) or never(WHY). A NAME is `Class.test_…` of a class in faults_test.py, `Class.test_…[case]` where the test
has a table of cases, or `path/of_test.cc: title` where only fakes can bring the fault about.
"""
import collections
import pathlib

FAULTS = ("slow", "frozen", "refused", "reset_mid_body", "http_4xx", "http_5xx", "http_429_seconds", "http_429_date", "garbage",
          "partial_outcomes", "close_in_flight", "telemetry")

# Of connectors of that name, be it a source or a destination.
MORE_FAULTS = {"kafka": ("throttled", "one_topic_fails", "one_topic_forbidden", "partitions_added", "topic_deleted", "leader_lost")}

Shown = collections.namedtuple("Shown", "tests")
Never = collections.namedtuple("Never", "why")


def shown(*tests):
    return Shown(tests)


def never(why):
    return Never(why)


def statuses(cell):
    return dict.fromkeys(("http_4xx", "http_5xx", "http_429_seconds", "http_429_date"), cell)


NO_HTTP = statuses(never("what it talks to has no status codes of HTTP"))
CC = "connectors/{}_test.cc: {}".format
OUTAGE = "Outages.test_an_outage_of_any_kind_is_named_and_counted_and_loses_nothing[{}]".format
REFUSAL = "Answers.test_refused_events_are_dead_letters_and_no_others[{}]".format
FILE = "Files.test_whatever_happens_to_a_file_is_named_and_loses_nothing_of_what_came_later[{}]".format
REFUSED = "BadRequests.test_what_cannot_be_taken_is_answered_and_not_stored[{}]".format
WAIT = "Outages.test_the_wait_that_a_rate_limit_asks_for_is_kept_in_both_its_forms[{}]".format
UNREACHED = CC("sources/kafka/kafka_source", "without a broker, or without the topic, it warns once and waits")
BREAKS = "{}.test_connections_that_break_in_the_middle_of_requests_and_of_answers_lose_and_double_nothing".format

SOURCES = {
    "file": {
        "slow": shown("FollowedFiles.test_garbage_and_a_line_that_takes_its_time"),
        "frozen": shown("FollowedFiles.test_garbage_and_a_line_that_takes_its_time",
                        "FilesReadOnce.test_what_is_no_file_is_a_warning_and_not_waited_for"),
        "refused": shown("FilesReadOnce.test_what_cannot_be_opened_is_a_warning"),
        "reset_mid_body": shown("FilesReadOnce.test_of_a_damaged_archive_the_whole_lines_are_read", "FollowedFiles.test_truncated"),
        **NO_HTTP,
        "garbage": shown("FilesReadOnce.test_garbage_and_huge_lines_are_dead_letters"),
        "partial_outcomes": shown("FilesReadOnce.test_garbage_and_huge_lines_are_dead_letters"),
        "telemetry": shown("FollowedFiles.test_garbage_and_a_line_that_takes_its_time"),
        "close_in_flight": shown("FollowedFiles.test_a_stop_while_lines_come_leaves_none_out_and_reads_none_twice",
                                 "FilesReadOnce.test_a_stop_in_the_middle_of_a_file_is_gone_on_from"),
    },
    "http": {
        "slow": shown("OddClients.test_slow_and_idle_and_half_closed_clients_are_served_and_hold_up_nobody"),
        "frozen": shown("OddClients.test_slow_and_idle_and_half_closed_clients_are_served_and_hold_up_nobody",
                        "OddClients.test_a_client_that_does_not_take_its_answers_holds_up_nobody"),
        "refused": shown(CC("sources/http/http_source", "an address in use is named")),
        "reset_mid_body": shown("BadRequests.test_what_is_broken_off_is_not_stored"),
        "http_4xx": shown(REFUSED("binary_body"), REFUSED("wrong_path"), REFUSED("too_large")),
        "http_5xx": shown(CC("sources/http/http_source", "an intake that takes nothing now is a 503 to repeat")),
        "http_429_seconds": never("it answers and is not answered; who is to come again gets a 503 with Retry-After"),
        "http_429_date": never("it answers and is not answered, and gives seconds, not dates"),
        "garbage": shown(REFUSED("garbage"), REFUSED("tls"), REFUSED("bad_gzip")),
        "partial_outcomes": shown("BadRequests.test_bad_events_among_good_ones_are_dead_letters_with_a_reason"),
        "telemetry": shown("BadRequests.test_bad_events_among_good_ones_are_dead_letters_with_a_reason"),
        "close_in_flight": shown("OddClients.test_a_request_that_is_half_there_when_it_stops_is_answered_truly",
                                 "OddClients.test_what_many_clients_were_promised_while_it_stopped_is_there_once"),
    },
    "kafka": {
        "slow": shown("KafkaInputRoads.test_a_slow_connection_is_read_as_it_comes"),
        "frozen": shown("KafkaInputOutages.test_a_source_whose_broker_is_frozen_or_gone_reads_on_when_it_is_back"),
        "refused": shown("KafkaInputOutages.test_a_source_whose_broker_is_frozen_or_gone_reads_on_when_it_is_back", UNREACHED),
        "reset_mid_body": shown(BREAKS("KafkaInputRoads"), BREAKS("KafkaLogRoads")),
        **NO_HTTP,
        "garbage": shown("KafkaInput.test_messages_that_are_no_events_are_dead_letters_with_their_place"),
        "partial_outcomes": shown("KafkaInput.test_messages_that_are_no_events_are_dead_letters_with_their_place"),
        "telemetry": shown("KafkaInput.test_messages_that_are_no_events_are_dead_letters_with_their_place"),
        "close_in_flight": shown(CC("sources/kafka/kafka_source", "kafka keeps the contract of polled sources"),
                                 "KafkaInputOutages.test_a_source_whose_broker_is_frozen_or_gone_reads_on_when_it_is_back"),
        "throttled": shown("KafkaInputRoads.test_a_broker_that_holds_a_client_back_is_told_and_waited_for",
                           "KafkaLogRoads.test_a_broker_that_holds_it_back_is_told_and_waited_for"),
        "one_topic_fails": shown("KafkaInputChanges.test_one_topic_that_is_not_there_holds_up_no_other"),
        "one_topic_forbidden": shown(
            "KafkaInputChanges.test_one_topic_that_is_forbidden_holds_up_no_other_and_is_read_on_when_it_is_allowed"),
        "partitions_added": shown("KafkaInputChanges.test_partitions_that_are_added_are_read_from_their_beginning"),
        "topic_deleted": shown("KafkaInputChanges.test_one_topic_that_is_deleted_holds_up_no_other_and_is_read_from_its_beginning_"
                               "when_it_is_made_anew"),
        "leader_lost": shown("KafkaWithoutLeader.test_all_that_use_it_wait_and_go_on_by_themselves"),
    },
    "stdin": {
        "slow": shown("StandardInput.test_a_writer_that_says_nothing_holds_up_no_other_source"),
        "frozen": shown("StandardInput.test_a_writer_that_says_nothing_holds_up_no_other_source"),
        "refused": shown("StandardInput.test_one_that_was_closed_is_an_error_and_no_other_file_is_taken_for_it"),
        "reset_mid_body": shown("StandardInput.test_a_last_line_that_is_cut_is_a_dead_letter"),
        **NO_HTTP,
        "garbage": shown("StandardInput.test_garbage_between_lines"),
        "partial_outcomes": shown("StandardInput.test_garbage_between_lines"),
        "telemetry": shown("StandardInput.test_a_writer_that_says_nothing_holds_up_no_other_source"),
        "close_in_flight": shown("StandardInput.test_a_stop_while_lines_come_takes_whole_lines_up_to_one_and_no_other"),
    },
}

DESTINATIONS = {
    "discard": {
        **dict.fromkeys(FAULTS, never("it has no peer, opens nothing, and a batch is delivered before its call returns")),
        "telemetry": shown("Discarded.test_what_is_thrown_away_is_counted"),
    },
    "file": {
        "slow": never("a write to a disk is one call of the system, which nothing outside can make take longer"),
        "frozen": never("the same: a call of the system that does not return can be neither waited out nor ended by who made it"),
        "refused": shown(FILE("read_only"), FILE("folder_in_its_place"), FILE("locked")),
        "reset_mid_body": shown(CC("destinations/file/file_destination",
                                   "a torn end is cut at open, wherever the kill fell, and nothing whole is lost")),
        **NO_HTTP,
        "garbage": never("a file answers nothing; one that holds something else is the fault `refused`"),
        "partial_outcomes": shown(FILE("full"), CC("destinations/file/file_destination",
                                                   "a full disk is unavailable, leaves only whole batches, and goes on when there is room")),
        "telemetry": shown(FILE("full"), FILE("removed")),
        "close_in_flight": shown("Files.test_a_stop_while_it_is_written_repeats_and_leaves_out_nothing"),
    },
    "kafka": {
        "slow": shown("KafkaRoads.test_a_slow_connection_is_waited_for",
                      "KafkaRoads.test_a_connection_that_is_too_slow_for_the_timeout_is_named_and_nothing_is_lost"),
        "frozen": shown("KafkaOutages.test_a_broker_that_is_gone_or_frozen_is_named_and_nothing_is_lost"),
        "refused": shown("KafkaOutages.test_a_broker_that_is_gone_or_frozen_is_named_and_nothing_is_lost",
                         "KafkaTopics.test_a_topic_that_is_not_there_is_named_until_somebody_makes_it"),
        "reset_mid_body": shown(BREAKS("KafkaRoads"),
                                CC("destinations/kafka/kafka_destination",
                                   "a broker that goes away makes it unavailable, and what was held arrives when it is back")),
        **NO_HTTP,
        "garbage": never("librdkafka reads what brokers answer: what is no answer to it is a connection that broke"),
        "partial_outcomes": shown("KafkaTopics.test_events_that_a_topic_finds_too_large_are_dead_letters_and_no_others",
                                  CC("destinations/kafka/kafka_destination", "what the broker answers becomes the outcome of each event")),
        "telemetry": shown("KafkaTopics.test_events_that_a_topic_finds_too_large_are_dead_letters_and_no_others"),
        "close_in_flight": shown(CC("destinations/kafka/kafka_destination", "closing waits for no broker")),
        "throttled": shown("KafkaRoads.test_a_broker_that_holds_a_client_back_is_told_and_waited_for"),
        "one_topic_fails": shown("KafkaTopicChanges.test_one_topic_that_is_not_there_holds_up_no_other",
                                 "KafkaTopicChanges.test_one_topic_that_stays_away_ends_in_dead_letters_that_go_when_it_is_there"),
        "one_topic_forbidden": shown("KafkaTopicChanges.test_one_topic_that_is_forbidden_holds_up_no_other"),
        "partitions_added": shown("KafkaTopicChanges.test_partitions_that_are_added_are_written_to"),
        "topic_deleted": shown(
            "KafkaTopicChanges.test_one_topic_that_is_deleted_holds_up_no_other_and_goes_on_when_it_is_made_anew"),
        "leader_lost": shown("KafkaWithoutLeader.test_all_that_use_it_wait_and_go_on_by_themselves"),
    },
    "stdout": {
        "slow": shown("StandardOutput.test_a_slow_reader_gets_everything_once"),
        "frozen": shown("StandardOutput.test_a_reader_that_stops_reading_holds_up_nothing_else_and_not_the_end"),
        "refused": shown("StandardOutput.test_one_that_is_closed_from_the_start_never_takes_another_file_for_it"),
        "reset_mid_body": shown("StandardOutput.test_a_reader_that_goes_away_is_an_outage_and_the_next_one_gets_the_rest"),
        **NO_HTTP,
        "garbage": never("a reader answers nothing"),
        "partial_outcomes": never("a batch is written or it is not: a reader cannot refuse an event"),
        "telemetry": shown("StandardOutput.test_a_reader_that_goes_away_is_an_outage_and_the_next_one_gets_the_rest"),
        "close_in_flight": shown("StandardOutput.test_a_reader_that_stops_reading_holds_up_nothing_else_and_not_the_end"),
    },
    "webhook": {
        "slow": shown(OUTAGE("slow_headers"), OUTAGE("slow_body"), "Answers.test_odd_answers_that_say_yes_are_a_yes[slow]"),
        "frozen": shown(OUTAGE("frozen"), OUTAGE("stops_reading")),
        "refused": shown(OUTAGE("refused")),
        "reset_mid_body": shown(OUTAGE("reset_in_request"), OUTAGE("reset_in_answer")),
        "http_4xx": shown(REFUSAL("invalid"), REFUSAL("unprocessable"), OUTAGE("unauthorised"), OUTAGE("not_found")),
        "http_5xx": shown(OUTAGE("internal"), OUTAGE("overloaded"),
                          "Answers.test_an_event_that_a_receiver_chokes_on_is_told_from_an_outage_once_others_come"),
        "http_429_seconds": shown(OUTAGE("limited_for_a_second"), WAIT("seconds")),
        "http_429_date": shown(WAIT("date")),
        "garbage": shown(OUTAGE("garbage"), OUTAGE("tls"), OUTAGE("bad_chunk")),
        "partial_outcomes": shown(REFUSAL("one_by_one"),
                                  "Answers.test_of_a_batch_that_is_broken_off_in_the_middle_nothing_goes_twice"),
        "telemetry": shown(REFUSAL("invalid"), REFUSAL("one_by_one"), OUTAGE("frozen"), OUTAGE("limited")),
        "close_in_flight": shown("Stops.test_answers_that_come_while_it_stops_count",
                                 "Stops.test_answers_that_never_come_hold_it_up_no_longer_than_drain"),
    },
}

CELLS = {"sources": SOURCES, "destinations": DESTINATIONS}
ROOT = pathlib.Path(__file__).resolve().parents[2]


def problems(cells, registered, classes):
    """What is wrong with the table. `registered` and `classes`: kind → names, kind → name → classes of tests that are run."""
    found = []
    for kind in sorted(registered.keys() | cells.keys()):
        rows, names = cells.get(kind, {}), registered.get(kind, set())
        found += [f"{kind}: {name} is registered and has no row" for name in sorted(names - rows.keys())]
        found += [f"{kind}: {name} has a row and is not registered" for name in sorted(rows.keys() - names)]
        for name, row in rows.items():
            mine = {each.__name__: each for each in classes.get(kind, {}).get(name, [])}
            faults = FAULTS + MORE_FAULTS.get(name, ())
            found += [f"{kind}: {name}: {fault}: a hole" for fault in faults if fault not in row]
            found += [f"{kind}: {name}: {fault} is no fault" for fault in row if fault not in faults]
            found += [f"{kind}: {name}: {fault}: {problem}" for fault, cell in row.items() for problem in of_cell(cell, mine)]
    return found


def of_cell(cell, classes):
    if isinstance(cell, Never):
        return [] if cell.why.strip() else ["a hole with a reason that says nothing"]
    return [f"there is no test {test}" for test in cell.tests if not exists(test, classes)] if cell.tests else ["a hole"]


def exists(test, classes):
    if ".cc: " in test:
        path, title = test.split(": ", 1)
        return (ROOT / path).is_file() and f'TEST_CASE("{title}"' in (ROOT / path).read_text(encoding="utf-8")
    name, _, case = test.removesuffix("]").partition("[")
    owner, _, method = name.partition(".")
    test = getattr(classes.get(owner), method, None) if method.startswith("test_") else None
    return test is not None and (not case or case in getattr(test, "cases", ()))
