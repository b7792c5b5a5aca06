"""
Speaks MQTT as Home Assistant does: Paho for Python in one asyncio loop and without its locks, a birth message and a
will on one topic, subscriptions gathered into few packets, and after each connection all subscriptions again.
"""

import asyncio
import functools
import json
import sys

import paho.mqtt.client as mqtt

from lines import answer, event, fail, text_of

FILTERS_PER_PACKET = 500
GATHER_SECONDS = 0.1
RECONNECT_SECONDS = 0.2


class NoLock:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def acquire(self):
        pass

    def release(self):
        pass


class LocklessClient(mqtt.Client):
    def remove_locks(self):
        for name in (
            "_in_callback_mutex",
            "_callback_mutex",
            "_msgtime_mutex",
            "_out_message_mutex",
            "_in_message_mutex",
            "_reconnect_delay_mutex",
            "_mid_generate_mutex",
        ):
            setattr(self, name, NoLock())


class HomeAssistant:
    def __init__(self, number, options):
        self.number = number
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.waiting = {}
        self.filters = {}
        self.pending = {}
        self.gathering = None
        self.connected = False
        self.ending = False
        self.first = asyncio.Event()
        protocol = mqtt.MQTTv5 if options["version"] == 5 else mqtt.MQTTv311
        client = LocklessClient(
            mqtt.CallbackAPIVersion.VERSION2,
            options["clientId"],
            protocol=protocol,
            transport="websockets" if options["transport"] == "ws" else "tcp",
            reconnect_on_failure=False,
        )
        client.remove_locks()
        self.client = client
        client.username_pw_set(options["username"], options["password"])
        if options["transport"] == "tls":
            client.tls_set(options["caFile"])
        will = options["will"]
        client.will_set(will["topic"], "offline", will.get("qos", 0), will.get("retain", False))
        client.suppress_exceptions = True
        client.on_socket_open = self.on_socket_open
        client.on_socket_close = lambda _c, _u, sock: self.loop.remove_reader(sock)
        client.on_socket_register_write = lambda _c, _u, sock: self.loop.add_writer(sock, self.write)
        client.on_socket_unregister_write = lambda _c, _u, sock: self.loop.remove_writer(sock)
        client.on_connect = self.on_connect
        client.on_disconnect = self.on_disconnect
        client.on_message = self.on_message
        client.on_publish = lambda _c, _u, mid, code, _p: self.done(mid, [code.value])
        client.on_subscribe = lambda _c, _u, mid, codes, _p: self.done(mid, [code.value for code in codes])
        client.on_unsubscribe = lambda _c, _u, mid, codes, _p: self.done(mid, [])

    async def run(self):
        self.client.connect_async(self.options["host"], self.options["port"], 60)
        while not self.ending:
            if not self.connected:
                try:
                    self.client.reconnect()
                except OSError:
                    pass
            await asyncio.sleep(RECONNECT_SECONDS)
            self.client.loop_misc()

    def on_socket_open(self, _client, _userdata, sock):
        self.loop.add_reader(sock, self.read)

    def read(self):
        self.client.loop_read()

    def write(self):
        self.client.loop_write()

    def on_connect(self, _client, _userdata, flags, reason_code, _properties):
        if reason_code.is_failure:
            return
        self.connected = True
        connack = {"reasonCode": 0, "sessionPresent": flags.session_present}
        event("connected", self.number, connack=connack)
        self.first.set()
        # Everything again, whatever the broker remembers; then the birth message, which devices wait for.
        self.pending.update(self.filters)
        self.send_subscriptions()
        will = self.options["will"]
        self.client.publish(will["topic"], "online", will.get("qos", 0), will.get("retain", False))

    def on_disconnect(self, _client, _userdata, _flags, _reason_code, _properties):
        self.connected = False
        event("closed", self.number)

    def on_message(self, _client, _userdata, message):
        event(
            "message",
            self.number,
            topic=message.topic,
            payload=text_of(message.payload),
            qos=message.qos,
            retain=bool(message.retain),
            dup=bool(message.dup),
            properties={},
            subscriptionIdentifiers=[],
        )

    def done(self, mid, codes):
        for command_id, pick in self.waiting.pop(mid, []):
            answer(command_id, pick(codes))

    async def subscribe(self, command):
        for each in command["filters"]:
            self.filters[each["filter"]] = each.get("qos", 0)
            self.pending[each["filter"]] = each.get("qos", 0)
        self.waiting.setdefault("next", []).append((command["id"], [each["filter"] for each in command["filters"]]))
        if self.gathering is None:
            self.gathering = self.loop.call_later(GATHER_SECONDS, self.send_subscriptions)

    def send_subscriptions(self):
        self.gathering = None
        asked = self.waiting.pop("next", [])
        pending = list(self.pending.items())
        self.pending = {}
        for start in range(0, len(pending), FILTERS_PER_PACKET):
            part = pending[start : start + FILTERS_PER_PACKET]
            _, mid = self.client.subscribe(part)
            names = [name for name, _ in part]
            for command_id, filters in asked:
                if filters[-1] in names:
                    pick = functools.partial(lambda places, codes: [codes[i] for i in places], [
                        names.index(name) for name in filters if name in names
                    ])
                    self.waiting.setdefault(mid, []).append((command_id, pick))

    async def unsubscribe(self, command):
        self.filters.pop(command["filter"], None)
        _, mid = self.client.unsubscribe([command["filter"]])
        self.waiting[mid] = [(command["id"], lambda codes: codes)]

    async def publish(self, command):
        publication = command["publication"]
        info = self.client.publish(
            publication["topic"], publication["payload"], publication.get("qos", 0), publication.get("retain", False)
        )
        if publication.get("qos", 0) == 0:
            answer(command["id"], [0])
        else:
            self.waiting[info.mid] = [(command["id"], lambda codes: codes)]

    async def cut(self, command):
        sock = self.client.socket()
        self.loop.remove_reader(sock)
        self.client._sock_close()  # noqa: SLF001: as when the network breaks
        self.connected = False
        event("closed", self.number)
        answer(command["id"], [])

    async def close(self, command):
        # It ends without a DISCONNECT, so that the broker sends the will.
        self.ending = True
        self.client._sock_close()  # noqa: SLF001
        event("closed", self.number)
        answer(command["id"], [])


async def run(clients, tasks, command):
    try:
        if command["op"] == "connect":
            client = HomeAssistant(command["connection"], command["options"])
            clients[client.number] = client
            tasks.add(asyncio.create_task(client.run()))
            await asyncio.wait_for(client.first.wait(), 10)
            answer(command["id"], [0])
        else:
            await getattr(clients[command["connection"]], command["op"])(command)
    except Exception as error:  # noqa: BLE001: the test reports it
        fail(command["id"], error)


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=8 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    clients = {}
    tasks = set()
    while line := await reader.readline():
        tasks.add(asyncio.create_task(run(clients, tasks, json.loads(line))))


asyncio.run(main())
