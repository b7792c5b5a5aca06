"""Drives gmqtt, which shares no code with Paho. It speaks over TCP and TLS, and hides the codes of acknowledgements."""

import asyncio
import ssl
import sys
import json

import gmqtt
from gmqtt.mqtt.constants import MQTTv50, MQTTv311

from lines import answer, event, fail, text_of

NAMES = {
    "payloadFormat": "payload_format_id",
    "contentType": "content_type",
    "responseTopic": "response_topic",
    "correlationData": "correlation_data",
    "userProperties": "user_property",
    "messageExpiry": "message_expiry_interval",
    "topicAlias": "topic_alias",
}


def sent(properties):
    result = {}
    for name, value in (properties or {}).items():
        if name == "correlationData":
            value = value.encode()
        if name == "userProperties":
            value = [tuple(pair) for pair in value]
        result[NAMES[name]] = value
    return result


def received(properties):
    result = {}
    for name, theirs in NAMES.items():
        value = properties.get(theirs)
        if not value or name == "topicAlias":
            continue
        if name == "userProperties":
            result[name] = [list(pair) for pair in value]
            continue
        # All others come once, in a list.
        value = value[0]
        result[name] = value.decode() if isinstance(value, bytes) else value
    return result


class Connection:
    def __init__(self, number, options):
        self.number = number
        self.options = options
        self.v5 = options["version"] == 5
        self.waiting = {}
        more = {}
        if "will" in options:
            will = options["will"]
            properties = sent(will.get("properties")) if self.v5 else {}
            if self.v5:
                properties["will_delay_interval"] = will.get("delay", 0)
            more["will_message"] = gmqtt.Message(
                will["topic"], will["payload"], will.get("qos", 0), will.get("retain", False), **properties
            )
        if self.v5:
            if "sessionExpiry" in options:
                more["session_expiry_interval"] = options["sessionExpiry"]
            if "receiveMaximum" in options:
                more["receive_maximum"] = options["receiveMaximum"]
        client = gmqtt.Client(options["clientId"], clean_session=options["cleanStart"], **more)
        self.client = client
        client.set_config({"reconnect_retries": 0})
        if "username" in options:
            client.set_auth_credentials(options["username"], options.get("password"))
        client.on_connect = self.on_connect
        client.on_disconnect = self.on_disconnect
        client.on_message = self.on_message
        client.on_subscribe = lambda _c, mid, codes, _p: self.done(mid, list(codes))
        client.on_unsubscribe = lambda _c, mid, codes=None, _p=None: self.done(mid, [])

    async def connect(self, command):
        secure = False
        if self.options["transport"] == "tls":
            secure = ssl.create_default_context(cafile=self.options["caFile"])
        version = MQTTv50 if self.v5 else MQTTv311
        try:
            await self.client.connect(
                self.options["host"], self.options["port"], ssl=secure, keepalive=30, version=version
            )
        except gmqtt.MQTTConnectError as error:
            answer(command["id"], [error._code])  # noqa: SLF001: there is no other way to it
            return
        answer(command["id"], [0])

    def on_connect(self, _client, flags, code, properties):
        if code != 0:
            return
        connack = {"reasonCode": code, "sessionPresent": bool(flags & 1)}
        if "assigned_client_identifier" in properties:
            connack["assignedClientId"] = properties["assigned_client_identifier"][0]
        event("connected", self.number, connack=connack)

    def on_disconnect(self, _client, packet, exc=None):
        event("closed", self.number)

    async def on_message(self, _client, topic, payload, qos, properties):
        event(
            "message",
            self.number,
            topic=topic,
            payload=text_of(payload),
            qos=qos,
            retain=bool(properties.get("retain")),
            dup=bool(properties.get("dup")),
            properties=received(properties),
            subscriptionIdentifiers=list(properties.get("subscription_identifier", [])),
        )
        return 0

    def done(self, mid, codes):
        command_id = self.waiting.pop(mid, None)
        if command_id is not None:
            answer(command_id, codes)

    async def subscribe(self, command):
        subscriptions = [
            gmqtt.Subscription(
                each["filter"],
                each.get("qos", 0),
                no_local=each.get("noLocal", False),
                retain_as_published=each.get("retainAsPublished", False),
                retain_handling_options=each.get("retainHandling", 0),
            )
            for each in command["filters"]
        ]
        more = {"subscription_identifier": command["identifier"]} if "identifier" in command else {}
        mid = self.client.subscribe(subscriptions, **more)
        self.waiting[mid] = command["id"]

    async def unsubscribe(self, command):
        mid = self.client.unsubscribe(command["filter"])
        self.waiting[mid] = command["id"]

    async def publish(self, command):
        publication = command["publication"]
        properties = sent(publication.get("properties")) if self.v5 else {}
        self.client.publish(
            publication["topic"],
            publication["payload"],
            qos=publication.get("qos", 0),
            retain=publication.get("retain", False),
            **properties,
        )
        # What is stored has no acknowledgement yet.
        while not self.client._persistent_storage.is_empty:  # noqa: SLF001
            await asyncio.sleep(0.005)
        answer(command["id"], [0])

    async def cut(self, command):
        self.client._connection._transport.abort()  # noqa: SLF001
        answer(command["id"], [])

    async def close(self, command):
        await self.client.disconnect()
        answer(command["id"], [])


async def run(connections, command):
    try:
        if command["op"] == "connect":
            connection = Connection(command["connection"], command["options"])
            connections[connection.number] = connection
            await connection.connect(command)
        else:
            await getattr(connections[command["connection"]], command["op"])(command)
    except Exception as error:  # noqa: BLE001: the test reports it
        fail(command["id"], error)


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=8 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    connections = {}
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(run(connections, json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
