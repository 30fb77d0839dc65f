#!/usr/bin/env python3
"""A tus 1.0.0 server in memory, strict to the letter of https://tus.io/protocols/resumable-upload, that breaks on command.

    strict.py            prints "listening PORT" and takes commands on standard input, one line each, one line of answer
    strict.py --self-test

Commands:
    extensions WORD...     what OPTIONS offers and the server does: creation termination expiration checksum concatenation
    algorithms WORD...     of the checksum extension: sha1 sha256
    downloads yes|no       whether GET gives a finished upload back     ranges yes|no   whether it knows Range
    most BYTES             Tus-Max-Size; 0 for none
    token WORD             a bearer token that every request must have; "-" for none
    absolute URL           Location is below this; "-" for a path
    fault METHOD COUNT STATUS   answers the next COUNT requests of METHOD so, and does nothing
    lose METHOD COUNT      does what the next COUNT requests of METHOD ask for, and closes the connection without a word
    cut BYTES              of the next PATCH takes so many bytes, keeps them, and closes the connection
    flip                   changes one byte of every finished upload
    forget                 all uploads
    bytes                  how many bytes it has taken
    asked                  how many requests of each method came, as JSON
    witness                all uploads, as JSON
    violations             what a client did that the protocol forbids, as JSON
"""

import base64
import collections
import hashlib
import json
import sys
import threading
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BASE = "/files/"
EVERYTHING = {"creation", "termination", "expiration", "checksum", "concatenation"}


class State:
    def __init__(self):
        self.lock = threading.RLock()
        self.extensions = set(EVERYTHING)
        self.algorithms = ["sha1", "sha256"]
        self.downloads, self.ranges, self.most, self.token, self.absolute = True, True, 0, None, None
        self.uploads = {}
        self.faults, self.losses, self.cut = {}, collections.Counter(), None
        self.bytes, self.asked, self.violations = 0, collections.Counter(), []

    def command(self, line):
        name, *words = line.split()
        with self.lock:
            if name == "extensions":
                self.extensions = set(words)
            elif name == "algorithms":
                self.algorithms = words
            elif name in ("downloads", "ranges"):
                setattr(self, name, words[0] == "yes")
            elif name == "most":
                self.most = int(words[0])
            elif name in ("token", "absolute"):
                setattr(self, name, None if words[0] == "-" else words[0])
            elif name == "fault":
                self.faults[words[0]] = [int(words[1]), int(words[2])]
            elif name == "lose":
                self.losses[words[0]] = int(words[1])
            elif name == "cut":
                self.cut = int(words[0])
            elif name == "flip":
                for upload in self.uploads.values():
                    if upload["data"] and len(upload["data"]) == upload["length"]:
                        upload["data"][0] ^= 1
            elif name == "forget":
                self.uploads.clear()
            elif name == "bytes":
                return str(self.bytes)
            elif name == "asked":
                return json.dumps(self.asked)
            elif name == "violations":
                return json.dumps(self.violations)
            elif name == "witness":
                return json.dumps([
                    {"id": key, "concat": upload["concat"] or "", "length": upload["length"],
                     "offset": len(upload["data"]), "sha256": hashlib.sha256(upload["data"]).hexdigest(),
                     "metadata": metadata(upload["metadata"])} for key, upload in self.uploads.items()])
            else:
                return f"error: no command {name}"
        return "ok"


def metadata(header):
    pairs = (pair.split(" ") for pair in header.split(",") if pair)
    return {pair[0]: base64.b64decode(pair[1], validate=True).decode() for pair in pairs}


class Refused(Exception):
    def __init__(self, status, text, violation=False):
        super().__init__(text)
        self.status, self.text, self.violation = status, text, violation


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None

    def log_message(self, *_):
        pass

    def answer(self, status, headers=(), body=b""):
        if self.silent:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Tus-Resumable", "1.0.0")
        for name, value in headers:
            self.send_header(name, value)
        if status != 204 and not (self.command == "HEAD" and status == 200):
            self.send_header("Content-Length", str(len(body)))
        if self.command == "HEAD" and status == 200:
            self.send_header("Content-Length", "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        state, self.silent = self.state, False
        self.length = int(self.headers.get("Content-Length") or 0)
        with state.lock:
            state.asked[self.command] += 1
            fault = state.faults.get(self.command)
            if fault and fault[0] > 0:
                fault[0] -= 1
                self.rfile.read(self.length)
                return self.answer(fault[1], [("Retry-After", "1")] if fault[1] == 503 else [])
            if state.losses[self.command] > 0:
                state.losses[self.command] -= 1
                self.silent = True
        try:
            self.check()
            getattr(self, "tus_" + self.command)()
        except Refused as refused:
            if refused.violation:
                with state.lock:
                    state.violations.append(f"{self.command} {self.path}: {refused.text}")
            self.rfile.read(self.length)
            self.answer(refused.status, body=refused.text.encode())

    do_OPTIONS = do_POST = do_HEAD = do_PATCH = do_DELETE = do_GET = handle_any

    def check(self):
        token = self.state.token
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            raise Refused(401, "the token is missing or wrong")
        version = self.headers.get("Tus-Resumable")
        if self.command not in ("OPTIONS", "GET") and version != "1.0.0":
            raise Refused(412, f"Tus-Resumable is {version}", violation=True)
        if not self.path.startswith(BASE):
            raise Refused(404, "nothing is here")

    def find(self, location=None):
        path = urllib.parse.urlparse(location or self.path).path
        upload = self.state.uploads.get(path.removeprefix(BASE))
        if upload is None:
            raise Refused(404 if "expiration" not in self.state.extensions else 410, "no such upload")
        return upload

    def body(self):
        data, self.length = self.rfile.read(self.length), 0
        return data

    def tus_OPTIONS(self):
        state = self.state
        headers = [("Tus-Version", "1.0.0"), ("Tus-Extension", ",".join(sorted(state.extensions)))]
        if state.most:
            headers.append(("Tus-Max-Size", str(state.most)))
        if "checksum" in state.extensions:
            headers.append(("Tus-Checksum-Algorithm", ",".join(state.algorithms)))
        self.answer(204, headers)

    def tus_POST(self):
        state, concat = self.state, self.headers.get("Upload-Concat")
        if self.path != BASE or "creation" not in state.extensions:
            raise Refused(405, "nothing is created here")
        if self.body():
            raise Refused(400, "creation-with-upload is not offered", violation=True)
        try:
            metadata(self.headers.get("Upload-Metadata") or "")
        except (ValueError, IndexError):
            raise Refused(400, "Upload-Metadata cannot be read", violation=True) from None
        length, data = self.headers.get("Upload-Length"), bytearray()
        with state.lock:
            if concat and "concatenation" not in state.extensions:
                raise Refused(400, "concatenation is not offered", violation=True)
            if concat and concat.startswith("final;"):
                if length is not None:
                    raise Refused(400, "a final upload with an Upload-Length", violation=True)
                for name in concat.removeprefix("final;").split(" "):
                    part = self.find(name)
                    if part["concat"] != "partial" or len(part["data"]) != part["length"]:
                        raise Refused(400, f"{name} is no finished partial upload")
                    data += part["data"]
                length = len(data)
            elif concat not in (None, "partial"):
                raise Refused(400, f"Upload-Concat: {concat}", violation=True)
            elif length is None or not length.isdigit():
                raise Refused(400, "no Upload-Length", violation=True)
            if state.most and int(length) > state.most:
                raise Refused(413, "larger than Tus-Max-Size")
            key = uuid.uuid4().hex
            state.uploads[key] = {"length": int(length), "data": data, "concat": concat,
                                  "metadata": self.headers.get("Upload-Metadata") or "", "busy": False}
        self.answer(201, [("Location", (state.absolute or "") + BASE + key)])

    def tus_HEAD(self):
        with self.state.lock:
            upload = self.find()
            headers = [("Upload-Offset", str(len(upload["data"]))), ("Upload-Length", str(upload["length"])),
                       ("Cache-Control", "no-store")]
            for name, value in (("Upload-Concat", upload["concat"]), ("Upload-Metadata", upload["metadata"])):
                if value:
                    headers.append((name, value))
        self.answer(200, headers)

    def tus_PATCH(self):
        state, upload = self.state, self.find()
        if self.headers.get("Content-Type") != "application/offset+octet-stream":
            raise Refused(415, "Content-Type is not application/offset+octet-stream", violation=True)
        if (upload["concat"] or "").startswith("final"):
            raise Refused(403, "a final upload is not changed", violation=True)
        checksum = self.headers.get("Upload-Checksum")
        if checksum and "checksum" not in state.extensions:
            raise Refused(400, "checksums are not offered", violation=True)
        with state.lock:
            if upload["busy"]:
                raise Refused(423, "another request has it")
            if self.headers.get("Upload-Offset") != str(len(upload["data"])):
                raise Refused(409, "Upload-Offset is another")
            if len(upload["data"]) + self.length > upload["length"]:
                raise Refused(400, "more than Upload-Length", violation=True)
            upload["busy"] = True
            cut, state.cut = state.cut, None
        try:
            if cut is not None:
                taken, self.length, self.silent = self.rfile.read(min(cut, self.length)), 0, True
            else:
                taken = self.body()
                if checksum:
                    self.compare(checksum, taken)
            with state.lock:
                upload["data"] += taken
                state.bytes += len(taken)
        finally:
            upload["busy"] = False
        self.answer(204, [("Upload-Offset", str(len(upload["data"])))])

    def compare(self, checksum, taken):
        algorithm, _, value = checksum.partition(" ")
        if algorithm not in self.state.algorithms:
            raise Refused(400, f"checksum {algorithm} is not offered", violation=True)
        if base64.b64encode(hashlib.new(algorithm, taken).digest()).decode() != value:
            raise Refused(460, "the checksum is another")

    def tus_DELETE(self):
        with self.state.lock:
            if "termination" not in self.state.extensions:
                raise Refused(405, "termination is not offered", violation=True)
            self.find()
            del self.state.uploads[self.path.removeprefix(BASE)]
        self.answer(204)

    def tus_GET(self):
        with self.state.lock:
            if not self.state.downloads:
                raise Refused(405, "uploads are not given back")
            upload = self.find()
            data = bytes(upload["data"])
        if len(data) != upload["length"]:
            raise Refused(404, "not finished")
        span = self.headers.get("Range")
        if span and self.state.ranges:
            first, _, last = span.removeprefix("bytes=").partition("-")
            return self.answer(206, body=data[int(first):int(last) + 1])
        self.answer(200, body=data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve():
    state = State()
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, state


def self_test():
    import http.client
    server, state = serve()

    def ask(method, path, headers=(), body=b""):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
        connection.request(method, path, body, {"Tus-Resumable": "1.0.0", **dict(headers)})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    typed = {"Content-Type": "application/offset+octet-stream"}
    parts = []
    for text in (b"one", b"two"):
        status, headers, _ = ask("POST", BASE, {"Upload-Length": "3", "Upload-Concat": "partial"})
        assert status == 201
        parts.append(headers["Location"])
        assert ask("PATCH", parts[-1], {**typed, "Upload-Offset": "1"}, text)[0] == 409
        wrong = "sha1 " + base64.b64encode(hashlib.sha1(b"other").digest()).decode()
        assert ask("PATCH", parts[-1], {**typed, "Upload-Offset": "0", "Upload-Checksum": wrong}, text)[0] == 460
        assert ask("HEAD", parts[-1])[1]["Upload-Offset"] == "0"
        assert ask("PATCH", parts[-1], {**typed, "Upload-Offset": "0"}, text)[0] == 204
    status, headers, _ = ask("POST", BASE, {"Upload-Concat": "final;" + " ".join(parts)})
    assert status == 201 and ask("GET", headers["Location"])[2] == b"onetwo"
    assert ask("DELETE", parts[0])[0] == 204 and ask("HEAD", parts[0])[0] == 410
    assert not state.violations, state.violations
    assert ask("PATCH", headers["Location"], {"Upload-Offset": "0"}, b"x")[0] == 415 and state.violations
    server.shutdown()


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    server, state = serve()
    print(f"listening {server.server_address[1]}", flush=True)
    for line in sys.stdin:
        if line.strip():
            print(state.command(line), flush=True)


if __name__ == "__main__":
    main()
