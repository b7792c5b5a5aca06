"""The lines between a driver and the tests: one JSON object a line, commands in, answers and events out."""

import base64
import json
import sys
import threading

_lock = threading.Lock()


def write(line):
    with _lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def answer(command_id, codes):
    write({"id": command_id, "codes": codes})


def fail(command_id, error):
    write({"id": command_id, "error": f"{type(error).__name__}: {error}"})


def event(kind, connection, **fields):
    present = {name: value for name, value in fields.items() if value is not None}
    write({"event": kind, "connection": connection, **present})


def commands():
    for line in sys.stdin:
        yield json.loads(line)


def text_of(payload):
    return base64.b64encode(payload).decode()
