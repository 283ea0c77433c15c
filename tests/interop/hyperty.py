# SPDX-License-Identifier: MIT
# A client hyperty in Python, written from the protocol's text and from nothing of ours: a WebSocket with one JSON object a
# message; open, address allocation, the join with the whole Connection object, objects observed by version, updates of our
# own. It knows nothing of media: an offer goes in, an answer comes out.
import asyncio
import itertools
import json
import uuid
from datetime import datetime, timezone

import websockets

ANSWER_S = 20


class Refused(Exception):
    """An answer with a code of 300 or more."""


def now():
    return datetime.now(timezone.utc).isoformat()


def set_path(data, path, value):
    """Sets what a dotted path names; None removes it."""
    *way, last = path.split(".")
    for key in way:
        data = data.setdefault(key, {})
    if value is None:
        data.pop(last, None)
    else:
        data[last] = value


class Observed:
    """An object that somebody else reports: a snapshot, then one change a version."""

    def __init__(self, url):
        self.url, self.version, self.data, self.early = url, None, {}, []

    def restart(self, snapshot):
        self.version, self.data = snapshot["version"], snapshot["data"]
        for body in sorted(self.early, key=lambda body: body["version"]):
            self.apply(body)
        self.early = []

    def apply(self, body):
        """False: a version is missing."""
        if self.version is None:
            self.early.append(body)
            return True
        if body["version"] <= self.version:
            return True
        if body["version"] > self.version + 1:
            return False
        self.version = body["version"]
        set_path(self.data, body["attribute"], body.get("value"))
        return True


class Hyperty:
    def __init__(self, url, name, domain="localhost"):
        self.url, self.name, self.domain = url, name, domain
        self.runtime = f"hyperty-runtime://{domain}/{uuid.uuid4()}"
        self.ids = itertools.count(1)
        self.waiting = {}
        self.observed = {}
        self.version = 0
        self.status = "new"
        self.watching = {}

    # ------------------------------------------------------------------------------------------ messages

    async def open(self):
        self.socket = await websockets.connect(self.url, max_size=2**20)
        self.reading = asyncio.create_task(self._read())
        self.token = (await self._ask("open", "mn:/session", None, self.runtime))["runtimeToken"]
        self.address = await self._allocate("hyperty")
        self.connection = await self._allocate("connection")
        self.participant = self.connection.rsplit("/", 1)[1]

    async def _allocate(self, scheme):
        body = {"scheme": scheme, "value": {"number": 1}}
        answer = await self._ask("create", f"domain://msg-node.{self.domain}/address-allocation", body, self.runtime)
        return answer["value"]["allocated"][0]

    async def _send(self, message):
        await self.socket.send(json.dumps({key: value for key, value in message.items() if value is not None}))

    async def _ask(self, kind, to, body, sender=None):
        number = next(self.ids)
        answer = self.waiting[number] = asyncio.get_running_loop().create_future()
        await self._send({"id": number, "type": kind, "from": sender or self.address, "to": to, "body": body})
        got = await asyncio.wait_for(answer, ANSWER_S)
        if got["code"] >= 300:
            raise Refused(f"{kind} {to}: {got}")
        return got

    async def _read(self):
        async for text in self.socket:
            message = json.loads(text)
            if message["type"] == "response":
                if message["body"]["code"] >= 200:
                    self.waiting.pop(message["id"]).set_result(message["body"])
            elif message["to"].endswith("/changes"):
                self._publication(message)
            else:
                await self._asked(message)

    def _publication(self, message):
        thing = self.observed.get(message["to"][: -len("/changes")])
        if thing and message["type"] == "update" and not thing.apply(message["body"]):
            asyncio.create_task(self._resync(thing))

    async def _asked(self, message):
        """Whoever observes our Connection object asks for it first."""
        ours = message["to"] in (self.connection, f"{self.connection}/subscription")
        body = {"code": 404, "desc": "no such thing"}
        if ours and message["type"] in ("subscribe", "read"):
            body = {"code": 200, "value": self._own(None)}
        await self._send({"id": message["id"], "type": "response", "from": message["to"], "to": message["from"], "body": body})

    # ------------------------------------------------------------------------------------------ rooms

    def _own(self, offer):
        schema = f"hyperty-catalogue://catalogue.{self.domain}/.well-known/dataschema/Connection"
        data = {"status": self.status, "watch": self.watching}
        if offer:
            data["connectionDescription"] = {"type": "offer", "sdp": offer}
        return {"url": self.connection, "schema": schema, "name": self.name, "reporter": self.address, "runtime": self.runtime,
                "created": now(), "lastModified": now(), "version": self.version, "data": data}

    async def join_room(self, room, offer):
        """Joins with this offer; returns the SDP of the answer."""
        self.room = room
        self.version += 1
        value = self._own(offer)
        body = {"source": self.address, "schema": value["schema"], "roomId": room, "mutual": False, "value": value,
                "identity": {"userProfile": {"preferred_username": self.name}}}
        got = await self._ask("create", f"hyperty://{self.domain}/conference", body)
        self.participant = got["participant"]
        self.communication = await self._observe(got["value"]["url"])
        self.answer = await self._observe(got["answer"]["url"])
        return got["answer"]["data"]["connectionDescription"]["sdp"]

    async def _observe(self, url):
        thing = self.observed[url] = Observed(url)
        resources = [f"{url}/changes", f"{url}/children/"]
        await self._ask("subscribe", f"domain://msg-node.{self.domain}/sm", {"resources": resources, "source": self.address})
        await self._resync(thing)
        return thing

    async def _resync(self, thing):
        got = await self._ask("subscribe", f"{thing.url}/subscription", {"source": self.address, "mutual": False},
                              f"{self.runtime}/sm")
        thing.restart(got["value"])

    async def _update(self, attribute, value):
        self.version += 1
        body = {"version": self.version, "source": self.address, "attribute": attribute, "value": value, "lastModified": now()}
        await self._send({"id": next(self.ids), "type": "update", "from": self.connection, "to": f"{self.connection}/changes",
                          "body": body})

    async def tell_status(self, status):
        """The state of ICE, which is part of our Connection object."""
        self.status = status
        if self.socket.open:
            await self._update("status", status)

    async def watch(self, participant):
        """Asks for somebody's picture, where there are fewer slots than people."""
        self.watching = {participant: {"size": "large"}}
        await self._update("watch", self.watching)

    def carried(self, mid):
        """Whose media an m-line of ours carries at present."""
        return self.answer.data.get("slots", {}).get(mid, {}).get("participant")

    async def leave(self):
        await self._ask("execute", f"hyperty://{self.domain}/conference", {"method": "leaveRoom", "params": [self.room]})
        await self._send({"type": "close", "id": next(self.ids), "from": self.runtime, "to": "mn:/session"})
        await self.socket.wait_closed()
