"""Drives Eclipse Paho for Python."""

import socket

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from lines import answer, commands, event, fail, text_of

NAMES = {
    "payloadFormat": "PayloadFormatIndicator",
    "contentType": "ContentType",
    "responseTopic": "ResponseTopic",
    "correlationData": "CorrelationData",
    "userProperties": "UserProperty",
    "messageExpiry": "MessageExpiryInterval",
    "topicAlias": "TopicAlias",
}


def sent(packet_type, properties):
    result = Properties(packet_type)
    for name, value in (properties or {}).items():
        if name == "correlationData":
            value = value.encode()
        if name == "userProperties":
            value = [tuple(pair) for pair in value]
        setattr(result, NAMES[name], value)
    return result


def received(properties):
    result = {}
    for name, theirs in NAMES.items():
        value = getattr(properties, theirs, None)
        if value is None or name == "topicAlias":
            continue
        result[name] = value.decode() if name == "correlationData" else value
    return result


class Connection:
    def __init__(self, number, options):
        self.number = number
        self.options = options
        self.v5 = options["version"] == 5
        self.waiting = {}
        self.early = {}
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            options["clientId"],
            clean_session=None if self.v5 else options["cleanStart"],
            protocol=mqtt.MQTTv5 if self.v5 else mqtt.MQTTv311,
            transport="websockets" if options["transport"] == "ws" else "tcp",
            reconnect_on_failure=options.get("reconnects", False),
        )
        self.client = client
        client.reconnect_delay_set(0.05, 0.2)
        if options["transport"] == "tls":
            client.tls_set(options["caFile"])
        if "username" in options:
            client.username_pw_set(options["username"], options.get("password"))
        if "will" in options:
            self.set_will(options["will"])
        client.on_connect = self.on_connect
        client.on_disconnect = self.on_disconnect
        client.on_message = self.on_message
        client.on_publish = lambda _c, _u, mid, code, _p: self.done(mid, [code.value])
        client.on_subscribe = lambda _c, _u, mid, codes, _p: self.done(mid, [code.value for code in codes])
        client.on_unsubscribe = lambda _c, _u, mid, codes, _p: self.done(mid, [])

    def set_will(self, will):
        properties = None
        if self.v5:
            properties = sent(PacketTypes.WILLMESSAGE, will.get("properties"))
            properties.WillDelayInterval = will.get("delay", 0)
        self.client.will_set(will["topic"], will["payload"], will.get("qos", 0), will.get("retain", False), properties)

    def connect(self, command_id):
        self.connecting = command_id
        more = {}
        if self.v5:
            properties = Properties(PacketTypes.CONNECT)
            if "sessionExpiry" in self.options:
                properties.SessionExpiryInterval = self.options["sessionExpiry"]
            if "receiveMaximum" in self.options:
                properties.ReceiveMaximum = self.options["receiveMaximum"]
            more = {"clean_start": self.options["cleanStart"], "properties": properties}
        self.client.connect(self.options["host"], self.options["port"], keepalive=30, **more)
        self.client.loop_start()

    def on_connect(self, _client, _userdata, flags, reason_code, properties):
        code = reason_code.value
        if not self.v5 and code >= 0x80:
            # The library turns the return codes of MQTT 3.1.1 into reason codes of MQTT 5.
            code = {0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5}.get(code, code)
        if code == 0:
            connack = {"reasonCode": 0, "sessionPresent": flags.session_present}
            assigned = getattr(properties, "AssignedClientIdentifier", None)
            if assigned is not None:
                connack["assignedClientId"] = assigned
            event("connected", self.number, connack=connack)
        if self.connecting is not None:
            answer(self.connecting, [code])
            self.connecting = None
        if code != 0:
            self.client.disconnect()

    def on_disconnect(self, _client, _userdata, flags, reason_code, _properties):
        from_server = flags.is_disconnect_packet_from_server
        event("closed", self.number, reasonCode=reason_code.value if from_server else None)

    def on_message(self, _client, _userdata, message):
        properties = message.properties if self.v5 else None
        event(
            "message",
            self.number,
            topic=message.topic,
            payload=text_of(message.payload),
            qos=message.qos,
            retain=bool(message.retain),
            dup=bool(message.dup),
            properties=received(properties),
            subscriptionIdentifiers=getattr(properties, "SubscriptionIdentifier", []),
        )

    # An acknowledgement may arrive before the call that sent the packet returns its number.
    def wait(self, mid, command_id):
        codes = self.early.pop(mid, None)
        if codes is None:
            self.waiting[mid] = command_id
        else:
            answer(command_id, codes)

    def done(self, mid, codes):
        command_id = self.waiting.pop(mid, None)
        if command_id is None:
            self.early[mid] = codes
        else:
            answer(command_id, codes)

    def subscribe(self, command):
        properties = None
        if self.v5:
            topics = [
                (
                    each["filter"],
                    SubscribeOptions(
                        each.get("qos", 0),
                        each.get("noLocal", False),
                        each.get("retainAsPublished", False),
                        each.get("retainHandling", 0),
                    ),
                )
                for each in command["filters"]
            ]
            if "identifier" in command:
                properties = Properties(PacketTypes.SUBSCRIBE)
                properties.SubscriptionIdentifier = command["identifier"]
        else:
            topics = [(each["filter"], each.get("qos", 0)) for each in command["filters"]]
        _, mid = self.client.subscribe(topics, properties=properties)
        self.wait(mid, command["id"])

    def publish(self, command):
        publication = command["publication"]
        properties = sent(PacketTypes.PUBLISH, publication.get("properties")) if self.v5 else None
        info = self.client.publish(
            publication["topic"],
            publication["payload"],
            publication.get("qos", 0),
            publication.get("retain", False),
            properties,
        )
        self.wait(info.mid, command["id"])

    def unsubscribe(self, command):
        _, mid = self.client.unsubscribe(command["filter"])
        self.wait(mid, command["id"])

    def cut(self, command):
        raw = self.client.socket()
        if raw is not None:
            getattr(raw, "_socket", raw).shutdown(socket.SHUT_RDWR)
        answer(command["id"], [])

    def close(self, command):
        self.client.disconnect()
        self.client.loop_stop()
        answer(command["id"], [])


def main():
    connections = {}
    for command in commands():
        try:
            if command["op"] == "connect":
                connection = Connection(command["connection"], command["options"])
                connections[connection.number] = connection
                connection.connect(command["id"])
            else:
                getattr(connections[command["connection"]], command["op"])(command)
        except Exception as error:  # noqa: BLE001: the test reports it
            fail(command["id"], error)
    for connection in connections.values():
        connection.client.loop_stop()


main()
