"""`ihomer run` against a real broker: killed, fenced, poisoned, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from streams.kafka import KafkaEventSink
from tests.killing import differences, read_all, run_and_kill, wait_for
from tests.poison import mixed_with_poison, outcome_of_poison, write_raw

kafka_client, kafka_codec = pytest.importorskip("kafka"), pytest.importorskip("kafka.codec")

ROOT = Path(__file__).resolve().parents[1]
IHOMER = [sys.executable, "-c", "from streams.cli import main; main()"]


@pytest.fixture
def cluster(kafka, request):
    """The cluster's address, and a name for topics that no other test uses."""
    return f"kafka://{kafka}", f"{request.node.name[:60]}-{os.getpid()}".replace("[", "-").replace("]", "")


def run_arguments(cluster, folder, *more):
    address, name = cluster
    ends = ["--source", f"{address}/{name}", "--sink", f"{address}/{name}-answers", "--dead-letter", f"{address}/{name}-dead"]
    return ["run", *ends, "--checkpoint", str(folder), "--commit-every", "0.05", *more]


def start(arguments):
    return subprocess.Popen(
        [*IHOMER, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process, seconds=120):
    out, told = process.communicate(timeout=seconds)
    return process.returncode, out, told


def wait_until(process, word):
    """Read what a process tells until a word stands in it."""
    told = ""
    while word not in told:
        line = process.stderr.readline()
        assert line, f"it ended and said: {told}"
        told += line
    return told


def generate(cluster, n_events, *more):
    arguments = ["generate", "--to", "/".join(cluster), "--events", str(n_events), "--partitions", "3", "--quiet", *more]
    assert subprocess.run([*IHOMER, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL).returncode == 0


def test_a_run_that_is_killed_leaves_what_an_undisturbed_one_would(kafka, cluster, tmp_path):
    generate(cluster, 3000, "--late-share", "0.05")
    arguments = run_arguments(cluster, tmp_path, "--every", "300", "--keep", "10000", "--idle-exit", "3")
    lives = run_and_kill(arguments, n_kills=4, seed=1)
    assert lives.errors == []
    code, _, told = finish(start(arguments))
    assert code == 0, told
    _, name = cluster
    found = differences(kafka, tmp_path, name, f"{name}-answers", f"{name}-dead")
    assert found["answers"] == 3000
    wrong = ("answered_twice", "not_answered", "answers_that_differ", "dead_letters", "dead_letters_that_differ")
    assert [found[part] for part in wrong] == [0] * len(wrong)
    assert found["last_checkpoint_is_equal"]


def test_the_older_of_two_runs_is_fenced(kafka, cluster, tmp_path):
    generate(cluster, 4000)
    arguments = run_arguments(cluster, tmp_path, "--every", "200", "--keep", "10000")
    older = start(arguments)
    wait_until(older, "event=checkpoint messages=")
    nowhere = ["--sink", "kafka://127.0.0.1:1/answers", "--dead-letter", "kafka://127.0.0.1:1/dead"]
    code, _, told = finish(start([*arguments, *nowhere, "--patience", "1"]))
    assert code == 2, told
    assert older.poll() is None, "a newer run without a sink has ended it"
    newer = start([*arguments, "--idle-exit", "5"])
    code, _, told = finish(older)
    assert code == 3, told
    assert "another process" in told
    code, _, told = finish(newer)
    assert code == 0, told
    _, name = cluster
    found = differences(kafka, tmp_path, name, f"{name}-answers", f"{name}-dead")
    assert (found["answers"], found["answered_twice"], found["answers_that_differ"]) == (4000, 0, 0)
    assert found["last_checkpoint_is_equal"]


def test_poison_is_reported_and_stops_nothing(kafka, cluster, tmp_path):
    values, codes = mixed_with_poison(1000)
    _, name = cluster
    write_raw(kafka, name, values)
    code, _, told = finish(start(run_arguments(cluster, tmp_path, "--idle-exit", "3")))
    assert code == 0, told
    assert outcome_of_poison(kafka, name, values, codes) == {
        "answers": 1000, "answered_twice": 0, "dead_letters": 100, "wrong_code_or_place": 0,
    }  # fmt: skip


def is_healthy(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").status == 200
    except urllib.error.HTTPError as refused:
        refused.close()
        return False


def test_sigterm_commits_and_a_restart_goes_on(kafka, cluster, tmp_path):
    generate(cluster, 2500)
    _, name = cluster
    arguments = run_arguments(cluster, tmp_path, "--every", "500", "--keep", "1000", "--metrics-port", "0")
    run = start(arguments)
    told = wait_until(run, "event=serving")
    port = int(told.rsplit("port=", 1)[1].split()[0])
    wait_until(run, "event=checkpoint messages=")
    wait_for(lambda: is_healthy(port), 20)
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert "ihomer_events_read_total" in metrics
    run.send_signal(signal.SIGTERM)
    code, _, told = finish(run)
    assert code == 0, told
    n_before = len(read_all(kafka, f"{name}-answers"))
    stopped = int(told.rsplit("event=stopped messages=", 1)[1].split()[0])
    assert n_before == stopped
    code, _, told = finish(start([*arguments, "--idle-exit", "3"]))
    assert code == 0, told
    found = differences(kafka, tmp_path, name, f"{name}-answers", f"{name}-dead")
    assert (found["answers"], found["answered_twice"], found["answers_that_differ"]) == (2500, 0, 0)


def test_what_is_in_a_checkpoint_can_be_shown(kafka, cluster, tmp_path):
    generate(cluster, 500)
    code, _, told = finish(start(run_arguments(cluster, tmp_path, "--idle-exit", "3")))
    assert code == 0, told
    shown = subprocess.run([*IHOMER, "inspect", str(tmp_path), "--json"], cwd=ROOT, capture_output=True, text=True)
    found = json.loads(shown.stdout)
    assert found["counts"]["n_read"] == found["model"]["n_learned"] == 500
    assert sum(place["offset"] for place in found["positions"]) == 500


def test_a_broker_that_is_not_there_is_told_in_one_line(tmp_path):
    before = time.monotonic()
    arguments = ["run", "--source", "kafka://127.0.0.1:1/clicks", "--sink", "-", "--checkpoint", str(tmp_path)]
    code, _, told = finish(start([*arguments, "--patience", "1"]))
    assert code == 2
    assert told.rstrip().rsplit("\n", 1)[-1].startswith("ihomer: Kafka: ")
    assert time.monotonic() - before < 25


def test_a_compacted_topic_that_refuses_answers_without_a_key_ends_the_run(kafka, cluster, tmp_path):
    _, name = cluster
    with closing(kafka_client.KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        admin.create_topics({f"{name}-answers": {"num_partitions": 1, "configs": {"cleanup.policy": "compact"}}})
        admin.wait_for_topics([f"{name}-answers"])
    with closing(KafkaEventSink(kafka, name)) as sink:
        for record in ({"id": "before", "x": {"a": 1}}, {"x": {"a": 1}}, {"id": "behind", "x": {"a": 1}}):
            sink.write(record)
    before = time.monotonic()
    code, _, told = finish(start(run_arguments(cluster, tmp_path)))
    assert code == 2
    assert told.rstrip().rsplit("\n", 1)[-1] == (
        "ihomer: Kafka refuses what is written: Compacted topic cannot accept message without key in topic partition "
        f"{name}-answers-0"
    )
    assert time.monotonic() - before < 60


def test_a_compression_without_a_library_is_refused_with_what_to_install(kafka, cluster, tmp_path):
    if kafka_codec.has_zstd():
        pytest.skip("there is a library for zstd")
    (tmp_path / "run.toml").write_text('[kafka]\ncompression_type = "zstd"\n')
    generate(cluster, 1)
    code, _, told = finish(start([*run_arguments(cluster, tmp_path), "--config", str(tmp_path / "run.toml")]))
    assert code == 2
    assert told.splitlines()[-1] == (
        "ihomer: there is no library for the Kafka setting 'compression_type': pip install 'kafka-python[lz4,snappy,zstd]'"
    )


def test_a_new_folder_goes_on_with_the_model_and_the_offsets_of_another(kafka, cluster, tmp_path):
    generate(cluster, 1500)
    _, name = cluster
    group, model, lost, new = ["--group", f"{name}-group"], tmp_path / "model", tmp_path / "lost", tmp_path / "new"
    code, _, told = finish(start(run_arguments(cluster, lost, *group, "--max-events", "900")))
    assert code == 0, told
    assert finish(start(["inspect", str(lost), "--model-to", str(model)]))[0] == 0
    more = ["--model-from", str(model), *group, "--group-offsets", "--idle-exit", "3"]
    code, _, told = finish(start(run_arguments(cluster, new, *more)))
    assert code == 0, told
    answers = [json.loads(message.value) for message in read_all(kafka, f"{name}-answers")]
    places = {(answer["source"]["partition"], answer["source"]["offset"]) for answer in answers}
    assert (len(answers), len(places)) == (1500, 1500)
    assert {answer["learned"] for answer in answers} == set(range(1500))
