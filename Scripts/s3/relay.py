#!/usr/bin/env python3
"""An HTTP/1.1 relay between a client and a server, which keeps a record and breaks things on demand.

    relay.py --to HOST:PORT [--listen PORT] [--log FILE] [--control SOCKET] [--stdin]
    relay.py --send SOCKET COMMAND...        give a running relay a command, print its answer
    relay.py --self-test

Prints `listening PORT` once it does. Requests and answers pass byte for byte (also the Host header, which S3 clients
sign), so a client's endpoint is the relay's address. Commands come as lines on standard input (--stdin; its end ends
the relay, so that it never outlives a test) or on a Unix socket (--control); each is answered with one line, `ok`,
`error: ...` or JSON:

    rate BYTES_PER_SECOND      limit what clients send, all connections together; 0: no limit
    delay SECONDS              let every request wait before it is passed on
    down                       refuse new connections, reset those there are
    up
    fail N STATUS[/CODE] [SUBSTRING]   answer the next N requests oneself, with an S3 error body; the server sees nothing
    drop-answer SUBSTRING      pass the next such request on, then reset instead of passing the answer back
    reset-after BYTES          reset the connection on which that many bytes of bodies, counted from now, are reached
    hold SUBSTRING             such requests wait, unsent, until `release`; one whose client has gone is never sent
    release                    let held requests go
    clear                      forget all of the above, and be up
    status                     counters as JSON: requests, body_bytes, in_flight, held
    settled                    answers once no connection of a client is left, and what they sent is carried through

SUBSTRING is looked for in "METHOD path?query"; none means every request. One JSON line is logged per request, also
for those that did not come to their end: n, method, target, body_bytes (as received from the client), status and etag
(as the server answered; null where it did not), seconds, at (RFC 3339), and fault: null, "failed", "answer dropped",
"reset", "down", "client gone", "server gone".
"""
import argparse, asyncio, datetime, json, socket, struct, sys, time

CHUNK = 64 << 10
CODES = {400: 'InvalidRequest', 403: 'AccessDenied', 404: 'NoSuchKey', 409: 'OperationAborted', 412: 'PreconditionFailed',
         429: 'TooManyRequests', 500: 'InternalError', 501: 'NotImplemented', 503: 'SlowDown', 507: 'InsufficientStorage'}


class Broken(Exception):
    """The connection cannot go on; says why, in the words of the log."""


class Faults:
    """What is to go wrong, and the commands that say so."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.rate, self.rate_ready_at, self.delay = 0, 0.0, 0.0
        self.failures, self.dropped = [], []          # [left, status, code, substring], [substring]
        self.bytes_to_reset = None
        self.held, self.released = [], asyncio.Event()

    def take_failure(self, line):
        for failure in self.failures:
            if failure[3] in line:
                failure[0] -= 1
                if failure[0] <= 0:
                    self.failures.remove(failure)
                return failure[1], failure[2]
        return None

    def take_drop(self, line):
        for substring in self.dropped:
            if substring in line:
                self.dropped.remove(substring)
                return True
        return False

    def holds(self, line):
        return any(substring in line for substring in self.held)

    async def pass_body(self, count):
        """Wait until `count` bytes of a body may pass; raise where the connection is to break."""
        if self.bytes_to_reset is not None:
            self.bytes_to_reset -= count
            if self.bytes_to_reset <= 0:
                self.bytes_to_reset = None
                raise Broken('reset')
        if self.rate:
            now = time.monotonic()
            self.rate_ready_at = max(self.rate_ready_at, now) + count / self.rate
            await asyncio.sleep(self.rate_ready_at - now)

    def chunk(self):
        return max(256, min(CHUNK, self.rate // 20)) if self.rate else CHUNK


class Head:
    """The head of a request or an answer: its bytes, and what they say about the body."""

    def __init__(self, data):
        self.data = data
        lines = data.decode('latin-1').split('\r\n')
        self.first = lines[0].split(' ', 2)
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(':')
            self.fields[name.lower()] = value.strip()
        self.chunked = 'chunked' in self.fields.get('transfer-encoding', '').lower()
        self.length = None if self.chunked else self.fields.get('content-length')
        self.length = None if self.length is None else int(self.length)
        self.closes = self.fields.get('connection', '').lower() == 'close'

    @staticmethod
    async def read(reader, who):
        try:
            return Head(await reader.readuntil(b'\r\n\r\n'))
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                return None
            raise Broken(who) from error
        except (OSError, asyncio.LimitOverrunError, ValueError) as error:
            raise Broken(who) from error


def expects_continue(head):
    return head.fields.get('expect', '').lower() == '100-continue'


async def pieces(reader, head, until_close, chunk):
    """The bytes of a body as they stand on the wire, chunk framing included."""
    if head.chunked:
        while True:
            line = await reader.readuntil(b'\r\n')
            yield line
            left = int(line.split(b';')[0], 16)
            if left == 0:                              # trailers, up to the empty line
                while line != b'\r\n':
                    line = await reader.readuntil(b'\r\n')
                    yield line
                return
            left += 2
            while left:
                data = await reader.readexactly(min(left, chunk()))
                left -= len(data)
                yield data
    elif head.length is not None:
        left = head.length
        while left:
            data = await reader.read(min(left, chunk()))
            if not data:
                raise asyncio.IncompleteReadError(b'', left)
            left -= len(data)
            yield data
    elif until_close:
        while data := await reader.read(CHUNK):
            yield data


def abort(writer):
    """End a connection with a reset, as a crash or a cut cable would."""
    raw = writer.get_extra_info('socket')
    if raw is not None:
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        except OSError:
            pass
    writer.transport.abort()


class Relay:
    def __init__(self, upstream, port, log):
        self.upstream, self.port, self.log = upstream, port, log
        self.faults = Faults()
        self.server, self.writers, self.is_down = None, set(), False
        self.clients, self.settled = 0, asyncio.Event()
        self.settled.set()
        self.requests = self.body_bytes = self.in_flight = self.held_now = 0

    async def up(self):
        self.is_down = False
        if self.server is None:
            self.server = await asyncio.start_server(self.serve, '127.0.0.1', self.port, limit=1 << 20)
            self.port = self.server.sockets[0].getsockname()[1]

    def down(self):
        self.is_down = True
        if self.server is not None:
            self.server.close()
            self.server = None
        for writer in list(self.writers):
            abort(writer)

    # One connection of a client; each of its requests gets a connection of its own to the server.
    async def serve(self, reader, writer):
        self.writers.add(writer)
        self.clients += 1
        self.settled.clear()
        try:
            while not self.is_down:
                head = await Head.read(reader, 'client gone')
                if head is None or not await self.one(head, reader, writer):
                    break
        except (Broken, OSError):
            pass
        finally:
            self.writers.discard(writer)
            try:
                writer.close()
                await writer.wait_closed()
            except (OSError, asyncio.CancelledError):
                pass
            self.clients -= 1
            if self.clients == 0:
                self.settled.set()

    async def one(self, head, reader, writer):
        """Carry one request and its answer; False where the connection ends after it."""
        self.requests += 1
        self.in_flight += 1
        began = time.monotonic()
        entry = {'n': self.requests, 'method': head.first[0], 'target': head.first[1], 'body_bytes': 0, 'status': None,
                 'etag': None, 'seconds': None,
                 'at': datetime.datetime.now().astimezone().isoformat(timespec='milliseconds'), 'fault': None}
        line = entry['method'] + ' ' + entry['target']
        try:
            failure = self.faults.take_failure(line)
            if failure:
                return await self.fail(failure, entry, head, reader, writer)
            await self.wait_in_front(line, reader)
            return await self.forward(line, entry, head, reader, writer)
        except (Broken, OSError, asyncio.IncompleteReadError, ValueError) as error:
            entry['fault'] = 'down' if self.is_down else str(error) if isinstance(error, Broken) else 'client gone'
            abort(writer)
            return False
        finally:
            self.in_flight -= 1
            entry['seconds'] = round(time.monotonic() - began, 4)
            if self.log:
                self.log.write(json.dumps(entry, ensure_ascii=False) + '\n')
                self.log.flush()

    async def wait_in_front(self, line, reader):
        if self.faults.delay:
            await asyncio.sleep(self.faults.delay)
        if self.faults.holds(line):
            self.held_now += 1
            try:
                await self.faults.released.wait()
            finally:
                self.held_now -= 1
            if reader._eof:            # no public name says "ended, but with bytes still to read"
                raise Broken('client gone')

    async def fail(self, failure, entry, head, reader, writer):
        status, code = failure
        if expects_continue(head):
            writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        await self.pump(reader, head, None, entry)
        body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
                f'<Message>The relay was told to fail.</Message></Error>').encode()
        entry['status'], entry['fault'] = status, 'failed'
        answer = f'HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n'
        writer.write(answer.encode() + (b'' if head.first[0] == 'HEAD' else body))
        await writer.drain()
        return not head.closes

    async def pump(self, reader, head, server, entry):
        """The request's body to the server, or away."""
        async for data in pieces(reader, head, False, self.faults.chunk):
            entry['body_bytes'] += len(data)
            self.body_bytes += len(data)
            await self.faults.pass_body(len(data))
            if server is not None:
                try:
                    server.write(data)
                    await server.drain()
                except OSError as error:
                    raise Broken('server gone') from error

    async def forward(self, line, entry, head, reader, writer):
        try:
            server_reader, server = await asyncio.open_connection(*self.upstream, limit=1 << 20)
        except OSError as error:
            raise Broken('server gone') from error
        self.writers.add(server)
        sending = None
        try:
            server.write(head.data)
            sending = asyncio.ensure_future(self.pump(reader, head, server, entry))
            answering = asyncio.ensure_future(self.answer(line, entry, head, server_reader, writer))
            await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done() and sending.exception():
                if str(sending.exception()) != 'server gone':
                    raise sending.exception()
                await asyncio.wait({answering}, timeout=5)   # it may have answered before it closed
                if not answering.done():
                    raise sending.exception()
            keeps = await answering
            if not sending.done() and expects_continue(head) and entry['body_bytes'] == 0:
                return False                                 # refused before the body, which will not come
            await asyncio.wait({sending})
            if sending.exception() and str(sending.exception()) != 'server gone':
                raise sending.exception()
            return keeps and not sending.exception() and not head.closes
        finally:
            for task in (sending, answering) if sending else ():
                task.cancel()
            self.writers.discard(server)
            server.transport.abort()

    async def answer(self, line, entry, head, server_reader, writer):
        drops = self.faults.take_drop(line)
        try:
            while True:
                answer = await Head.read(server_reader, 'server gone')
                if answer is None:
                    raise Broken('server gone')
                status = int(answer.first[1])
                if status >= 200:
                    break
                writer.write(answer.data)
            entry['status'], entry['etag'] = status, answer.fields.get('etag')
            bodiless = head.first[0] == 'HEAD' or status in (204, 304)
            if not drops:
                writer.write(answer.data)
            if not bodiless:
                async for data in pieces(server_reader, answer, True, lambda: CHUNK):
                    if not drops:
                        writer.write(data)
                        await writer.drain()
        except asyncio.IncompleteReadError as error:
            raise Broken('server gone') from error
        if drops:
            raise Broken('answer dropped')
        await writer.drain()
        delimited = bodiless or answer.chunked or answer.length is not None
        return delimited and not answer.closes

    async def command(self, text):
        """Carry out one command; its answer."""
        word, _, rest = text.strip().partition(' ')
        faults, rest = self.faults, rest.strip()
        try:
            if word == 'rate':
                faults.rate, faults.rate_ready_at = int(rest), 0.0
            elif word == 'delay':
                faults.delay = float(rest)
            elif word == 'down':
                self.down()
            elif word == 'up':
                await self.up()
            elif word == 'fail':
                count, status, *substring = rest.split(' ', 2)
                status, _, code = status.partition('/')
                faults.failures.append([int(count), int(status), code or CODES.get(int(status), 'InternalError'),
                                        substring[0] if substring else ''])
            elif word == 'drop-answer':
                faults.dropped.append(rest)
            elif word == 'reset-after':
                faults.bytes_to_reset = int(rest)
            elif word == 'hold':
                faults.held.append(rest)
            elif word == 'release':
                faults.held = []
                faults.released.set()
                faults.released = asyncio.Event()
            elif word == 'clear':
                faults.released.set()
                faults.clear()
                await self.up()
            elif word == 'status':
                return json.dumps({'requests': self.requests, 'body_bytes': self.body_bytes,
                                   'in_flight': self.in_flight, 'held': self.held_now, 'down': self.is_down})
            elif word == 'settled':
                await asyncio.sleep(0)                         # who waits to be accepted is
                await self.settled.wait()
            else:
                return f'error: no command {word!r}'
            return 'ok'
        except (ValueError, OSError) as error:
            return f'error: {text.strip()}: {error}'

    async def obey(self, reader, writer):
        while line := await reader.readline():
            writer.write((await self.command(line.decode()) + '\n').encode())
            await writer.drain()
        writer.close()


async def standard_input(relay):
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(await relay.command(line.decode()), flush=True)


async def run(options):
    host, _, port = options.to.rpartition(':')
    relay = Relay((host, int(port)), options.listen, open(options.log, 'a', encoding='utf-8') if options.log else None)
    await relay.up()
    if options.control:
        await asyncio.start_unix_server(relay.obey, options.control)
    print('listening', relay.port, flush=True)
    await (standard_input(relay) if options.stdin else asyncio.Event().wait())


def send(path, text):
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        control.sendall(text.encode() + b'\n')
        answer = control.makefile().readline().strip()
    print(answer)
    return answer.startswith('error')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--to', metavar='HOST:PORT')
    parser.add_argument('--listen', type=int, default=0, metavar='PORT')
    parser.add_argument('--log', metavar='FILE')
    parser.add_argument('--control', metavar='SOCKET')
    parser.add_argument('--stdin', action='store_true')
    parser.add_argument('--send', nargs='+', metavar=('SOCKET', 'COMMAND'))
    parser.add_argument('--self-test', action='store_true')
    options = parser.parse_args()
    if options.send:
        sys.exit(send(options.send[0], ' '.join(options.send[1:])))
    if options.self_test:
        from relay_self_test import self_test
        sys.exit(self_test())
    if not options.to:
        parser.error('--to HOST:PORT is missing')
    try:
        asyncio.run(run(options))
    except KeyboardInterrupt:
        pass


if __name__ == '__main__':
    main()
