#!/usr/bin/env python3
"""An S3 store on loopback that holds requests strictly against the rules and breaks on command: for tests alone.

    scripted.py [--port PORT] [--key ID:SECRET]      prints `listening PORT`; ends with its standard input
    scripted.py --self-test

Signatures (Signature Version 4) and payload hashes are checked, as are Content-MD5 and x-amz-checksum-*. Commands come
as lines on standard input; each is answered with one line: `ok`, `error: ...` or JSON.

    bucket NAME                make a bucket
    profile NAME               aws, r2, minio, ceph16, rclone: how this store differs (scripted_store.py)
    set OPTION JSON            one of its options: min_part, page, versions, room, ...
    key ID SECRET              other credentials from now on
    clock SECONDS              the store's clock is so far ahead
    fault OPERATION WHICH ACTION [ARGUMENT...]
    clear                      forget the faults
    restart keep|lose          break every connection, with the unfinished uploads kept or lost
    lose-part NUMBER           of every unfinished upload
    duplicate-uploads          every unfinished upload gets a twin without parts
    corrupt SUBSTRING          flip a byte of the objects whose key contains it
    claim SUBSTRING UPLOAD     the objects say of themselves that they are of another upload (x-amz-meta-capture-upload)
    delete [SUBSTRING]         the objects are gone
    empty                      forget every object, unfinished upload and entry of the log
    taken                      bytes of the parts that were taken, as a number
    settled                    answers once no request is being carried out any more
    log                        [{operation, key, part, upload, status, code, bytes, fault}, ...] in the order of their ends
    witness                    {objects: [{key, size, sha256, ...}], uploads: [{key, upload, parts: [[number, size, serial]]}]}

OPERATION is S3's name (PutObject, UploadPart, ListParts, ...), `UploadPart#3` for one part, or `*`. WHICH counts the
operation's requests from now on: `2`, `2-4`, `3-` or `*`. ACTION:

    status CODE [S3CODE] [retry-after=SECONDS] [region=NAME] [empty]  refuse after the body; `empty`: without a document
    early CODE [S3CODE]        refuse before the body is read, and close
    error-200 S3CODE [applied] 200 with an error document; `applied`: and yet carried out
    answer CODE TEXT...        any body, not carried out; \\n is a line feed
    empty                      carried out, 200 without a body
    truncated                  carried out, half of the answer's body and a proper end
    blanks COUNT MILLISECONDS  white space before the body, so many times, and then the answer
    cut-before                 reset before the body is read
    cut-middle                 reset in the middle of the body
    cut-head                   reset after half of the answer's head
    cut-body                   reset in the middle of the answer's body
    lose-answer                carry out, then reset
    late-apply MILLISECONDS    reset, and carry out so much later
    twice                      carry out two times, answer the second
    delay MILLISECONDS         answer so much later
    slow BYTES MILLISECONDS    read the body in such pieces, with such pauses
    no-etag | etag VALUE | list-etag VALUE | upper-etag | plain-etag
    date SECONDS               the answer's Date is so far ahead
    forget                     acknowledge, and keep nothing
    flip                       acknowledge, and keep another byte
    half-list | same-page | strange-list     of ListParts: the first half; the same page for ever; parts nobody sent
    no-continue | continue MILLISECONDS      never answer, or late, to Expect: 100-continue
"""
import argparse, asyncio, datetime, hashlib, hmac, json, re, socket, struct, sys, urllib.parse

from scripted_store import Answer, Refusal, Store

SKEW_SECONDS = 900


class Reset(Exception):
    """The connection is to break now."""


def operation(method, has_key, query):
    """S3's name for a request."""
    if not has_key:
        if 'uploads' in query:
            return 'ListMultipartUploads'
        if 'object-lock' in query or 'versioning' in query:
            return 'bucket_setting'
        return {'PUT': 'CreateBucket', 'HEAD': 'HeadBucket', 'GET': 'ListObjectsV2'}[method]
    if 'retention' in query:
        return {'GET': 'GetObjectRetention', 'PUT': 'PutObjectRetention'}[method]
    if 'uploads' in query:
        return 'CreateMultipartUpload'
    if 'uploadId' in query:
        return {'PUT': 'UploadPart', 'GET': 'ListParts', 'POST': 'CompleteMultipartUpload',
                'DELETE': 'AbortMultipartUpload'}[method]
    return {'PUT': 'PutObject', 'GET': 'GetObject', 'HEAD': 'HeadObject', 'DELETE': 'DeleteObject'}[method]


def signature(secret, request, scope, names, at):
    """The signature of a request ("Signature Calculations for the Authorization Header", Amazon S3 API Reference)."""
    method, path, query, headers = request
    canonical_query = '&'.join(sorted(pair if '=' in pair else pair + '=' for pair in query.split('&') if pair))
    lines = ''.join(f'{name}:{re.sub(" +", " ", headers.get(name, "")).strip()}\n' for name in names)
    canonical = '\n'.join([method, path, canonical_query, lines, ';'.join(names), headers['x-amz-content-sha256']])
    text = '\n'.join(['AWS4-HMAC-SHA256', at, scope, hashlib.sha256(canonical.encode('latin-1')).hexdigest()])
    key = ('AWS4' + secret).encode()
    for word in scope.split('/'):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Fault:
    def __init__(self, words):
        self.operation, which, self.action, self.arguments = words[0], words[1], words[2], words[3:]
        first, dash, last = which.partition('-')
        self.first = 1 if which == '*' else int(first)
        self.last = float('inf') if which == '*' or (dash and not last) else int(last or first)
        self.seen = 0

    def takes(self, name, part):
        if self.operation not in ('*', name, f'{name}#{part}'):
            return False
        self.seen += 1
        return self.first <= self.seen <= self.last

    def number(self, index):
        return float(self.arguments[index])

    async def pause(self, index=0):
        await asyncio.sleep(self.number(index) / 1000)


class Request:
    """A request's head, and what a fault may change about how it is answered."""

    def __init__(self, head):
        lines = head.decode('latin-1').split('\r\n')
        self.method, self.target = lines[0].split(' ')[:2]
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(':')
            if colon:
                self.headers[name.lower()] = value.strip()
        path, _, self.raw_query = self.target.partition('?')
        self.raw_path, self.path = path, urllib.parse.unquote(path)
        self.query = dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))
        bucket, _, key = self.path.lstrip('/').partition('/')
        self.name = (bucket, key)
        self.operation = operation(self.method, bool(key), self.query)
        self.part = self.query.get('partNumber')
        self.length = int(self.headers.get('content-length', 0))
        self.body = b''
        self.entry = {'operation': self.operation, 'key': key, 'part': self.part and int(self.part),
                      'upload': self.query.get('uploadId'), 'status': None, 'code': None, 'bytes': 0, 'fault': None}


class Server:
    def __init__(self, key, secret):
        self.key, self.secret, self.store = key, secret, Store()
        self.ahead, self.faults, self.log = 0.0, [], []
        self.writers, self.busy, self.idle, self.later = set(), 0, asyncio.Event(), set()
        self.idle.set()

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.ahead)

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while True:
                request = Request(await reader.readuntil(b'\r\n\r\n'))
                self.busy += 1
                self.idle.clear()
                try:
                    if not await self.one(request, reader, writer):
                        break
                finally:
                    self.log.append(request.entry)
                    self.done()
        except (Reset, OSError, asyncio.IncompleteReadError):
            abort(writer)
        finally:
            self.writers.discard(writer)
            writer.close()

    def done(self):
        self.busy -= 1
        if self.busy == 0:
            self.idle.set()

    async def one(self, request, reader, writer):
        """Carry one request out; False where the connection ends after it."""
        matching = [fault for fault in self.faults if fault.takes(request.operation, request.part)]
        fault = matching[0] if matching else None
        action = fault.action if fault else None
        request.entry['fault'] = action
        if action == 'cut-before':
            raise Reset
        if action == 'early':
            await self.send(request, refusal(fault), writer)
            return False
        await self.read_body(request, fault, reader, writer)
        if action == 'late-apply':
            self.apply_later(request, fault)
            raise Reset
        answer = self.answer(request, fault)
        if action == 'delay':
            await fault.pause()
        if action == 'lose-answer':
            request.entry['status'] = answer.status
            raise Reset
        await self.send(request, answer, writer, fault)
        return request.headers.get('connection', '').lower() != 'close'

    async def read_body(self, request, fault, reader, writer):
        action = fault.action if fault else None
        if request.headers.get('expect', '').lower() == '100-continue' and action != 'no-continue':
            if action == 'continue':
                await fault.pause()
            writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        if action == 'cut-middle':
            await reader.readexactly(request.length // 2)
            raise Reset
        pieces = []
        piece = int(fault.number(0)) if action == 'slow' else 256 << 10
        while request.entry['bytes'] < request.length:
            data = await reader.readexactly(min(piece, request.length - request.entry['bytes']))
            request.entry['bytes'] += len(data)
            pieces.append(data)
            if action == 'slow':
                await fault.pause(1)
        request.body = b''.join(pieces)

    def apply_later(self, request, fault):
        async def apply():
            await fault.pause()
            self.carry_out(request)
            self.done()
        self.busy += 1
        task = asyncio.ensure_future(apply())
        self.later.add(task)
        task.add_done_callback(self.later.discard)

    def answer(self, request, fault):
        """What comes of the request, with the fault's part in it."""
        action = fault.action if fault else None
        if action == 'status':
            return refusal(fault)
        if action == 'error-200' and 'applied' not in fault.arguments:
            return error(200, fault.arguments[0])
        if action == 'answer':
            return Answer(' '.join(fault.arguments[1:]).replace('\\n', '\n'), {'Content-Type': 'text/html'},
                          int(fault.arguments[0]))
        if action == 'flip' and request.body:
            answer = self.carry_out(request)
            self.spoil(request)
            return answer
        answer = self.carry_out(request)
        if action == 'twice':
            answer = self.carry_out(request)
        elif action == 'forget' and request.operation == 'UploadPart':
            self.store.uploads[request.query['uploadId']].parts.pop(int(request.part), None)
        elif action == 'forget':
            self.store.objects.pop(request.name, None)
        elif action == 'error-200':
            return error(200, fault.arguments[0])
        elif action:
            changed(answer, fault)
        return answer

    def spoil(self, request):
        if request.operation == 'UploadPart':
            kept = self.store.uploads[request.query['uploadId']].parts[int(request.part)]
        else:
            kept = self.store.current(request.name)
        kept['data'] = flipped(kept['data'])

    def carry_out(self, request):
        try:
            self.check_signature(request)
            if request.operation != 'CreateBucket' and request.name[0] not in self.store.buckets:
                raise Refusal(404, 'NoSuchBucket')
            handler = getattr(self.store, request.operation)
            return handler(request.name, request.query, request.headers, request.body)
        except Refusal as found:
            return error(found.status, found.code, found.message)

    def check_signature(self, request):
        headers = request.headers
        given = re.fullmatch(r'AWS4-HMAC-SHA256 Credential=([^/]+)/(\S+), ?SignedHeaders=(\S+), ?Signature=(\w+)',
                             headers.get('authorization', ''))
        if not given:
            raise Refusal(403, 'AccessDenied')
        key, scope, names, their = given.groups()
        if key != self.key:
            raise Refusal(403, 'InvalidAccessKeyId')
        names = names.split(';')
        unsigned = [name for name in headers if (name.startswith('x-amz-') or name in ('host', 'content-md5'))
                    and name not in names]
        if unsigned:
            raise Refusal(403, 'AccessDenied', f'not signed: {unsigned}')
        at = headers['x-amz-date']
        when = datetime.datetime.strptime(at, '%Y%m%dT%H%M%SZ').replace(tzinfo=datetime.timezone.utc)
        ours = signature(self.secret, (request.method, request.raw_path, request.raw_query, headers), scope, names, at)
        if not hmac.compare_digest(ours, their):
            raise Refusal(403, 'SignatureDoesNotMatch')
        if abs((self.now() - when).total_seconds()) > SKEW_SECONDS:
            raise Refusal(403, 'RequestTimeTooSkewed')
        wanted = headers['x-amz-content-sha256']
        if self.store.options['payload_hash'] and wanted != 'UNSIGNED-PAYLOAD':
            if wanted != hashlib.sha256(request.body).hexdigest():
                raise Refusal(400, 'XAmzContentSHA256Mismatch')

    async def send(self, request, answer, writer, fault=None):
        action = fault.action if fault else None
        request.entry['status'] = answer.status
        request.entry['code'] = answer.headers.pop('code', None)
        when = self.now() + datetime.timedelta(seconds=fault.number(0) if action == 'date' else 0)
        fields = {'Date': when.strftime('%a, %d %b %Y %H:%M:%S GMT'), **answer.headers}
        length = len(answer.body)
        blanks = action == 'blanks'
        fields['Transfer-Encoding' if blanks else 'Content-Length'] = 'chunked' if blanks else str(length)
        head = f'HTTP/1.1 {answer.status} X\r\n' + ''.join(f'{name}: {value}\r\n' for name, value in fields.items()) + '\r\n'
        body = b'' if request.method == 'HEAD' or answer.status == 204 else answer.body
        if action == 'cut-head':
            writer.write(head.encode()[:len(head) // 2])
            await writer.drain()
            raise Reset
        writer.write(head.encode('utf-8'))
        if blanks:
            for _ in range(int(fault.number(0))):
                writer.write(b'1\r\n \r\n')
                await fault.pause(1)
            writer.write(b'%x\r\n%s\r\n0\r\n\r\n' % (length, body))
        else:
            writer.write(body[:length // 2] if action == 'cut-body' else body)
        await writer.drain()
        if action == 'cut-body':
            raise Reset

    # Commands.

    async def command(self, text):
        word, *words = text.split()
        match word:
            case 'fault': self.faults.append(Fault(words))
            case 'clear': self.faults = []
            case 'bucket': self.store.buckets.add(words[0])
            case 'profile': self.store.profile(words[0])
            case 'set': self.store.options[words[0]] = json.loads(words[1])
            case 'key': self.key, self.secret = words
            case 'clock': self.ahead = float(words[0])
            case 'restart': self.restart(words[0] == 'keep')
            case 'settled': await self.idle.wait()
            case 'empty':
                self.store.objects, self.store.uploads, self.log = {}, {}, []
            case 'taken':
                return str(sum(entry['bytes'] for entry in self.log
                               if entry['operation'] == 'UploadPart' and entry['status'] == 200))
            case 'log': return json.dumps(self.log)
            case 'witness': return json.dumps(self.store.witness())
            case _: return self.tamper(word, words)
        return 'ok'

    def tamper(self, word, words):
        uploads, objects = self.store.uploads, self.store.objects
        match word:
            case 'lose-part':
                for upload in uploads.values():
                    upload.parts.pop(int(words[0]), None)
            case 'duplicate-uploads':
                for token, upload in list(uploads.items()):
                    uploads[token + '-twin'] = type(upload)(upload.key, upload.headers)
            case 'corrupt' | 'claim':
                for versions in (versions for name, versions in objects.items() if words[0] in name[1]):
                    if word == 'corrupt':
                        versions[-1]['data'] = flipped(versions[-1]['data'])
                    else:
                        versions[-1]['headers']['x-amz-meta-capture-upload'] = words[1]
            case 'delete':
                for name in [name for name in objects if (words or [''])[0] in name[1]]:
                    del objects[name]
            case _:
                return f'error: no command {word}'
        return 'ok'

    def restart(self, keeps):
        if not keeps:
            self.store.uploads.clear()
        for writer in list(self.writers):
            abort(writer)


def flipped(data):
    return data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:]


def error(status, code, message=''):
    return Answer(f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>',
                  {'Content-Type': 'application/xml', 'code': code}, status)


def refusal(fault):
    """The answer of `status` and `early`."""
    status, *words = fault.arguments
    named = dict(word.split('=') for word in words if '=' in word)
    plain = [word for word in words if '=' not in word and word != 'empty']
    answer = error(int(status), plain[0] if plain else 'InternalError', 'told to fail')
    if 'empty' in words:
        answer.body = b''
    if 'retry-after' in named:
        answer.headers['Retry-After'] = named['retry-after']
    if 'region' in named:
        answer.headers['x-amz-bucket-region'] = named['region']
    return answer


def changed(answer, fault):
    """A success, told in another way."""
    match fault.action:
        case 'empty': answer.body = b''
        case 'truncated': answer.body = answer.body[:len(answer.body) // 2]
        case 'no-etag':
            answer.headers.pop('ETag', None)
            answer.body = re.sub(b'<ETag>.*?</ETag>', b'', answer.body)
        case 'etag':
            if 'ETag' in answer.headers:
                answer.headers['ETag'] = fault.arguments[0]
            answer.body = re.sub(b'<ETag>.*?</ETag>', f'<ETag>{fault.arguments[0]}</ETag>'.encode(), answer.body)
        case 'upper-etag': answer.headers['ETag'] = answer.headers['ETag'].upper()
        case 'plain-etag': answer.headers['ETag'] = answer.headers['ETag'].strip('"')
        case 'list-etag':
            answer.body = re.sub(b'<ETag>.*?</ETag>', f'<ETag>{fault.arguments[0]}</ETag>'.encode(), answer.body)
        case 'half-list':
            parts = re.findall(b'<Part>.*?</Part>', answer.body)
            for part in parts[len(parts) // 2:]:
                answer.body = answer.body.replace(part, b'')
        case 'same-page':
            answer.body = re.sub(b'<IsTruncated>.*?</IsTruncated>(<NextPartNumberMarker>.*?</NextPartNumberMarker>)?',
                                 b'<IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>', answer.body)
        case 'strange-list':
            part = (b'<Part><PartNumber>9999</PartNumber><ETag>"x"</ETag><Size>7</Size></Part>'
                    b'<Part><PartNumber>1</PartNumber><ETag>"y"</ETag><Size>3</Size></Part>')
            answer.body = answer.body.replace(b'</ListPartsResult>', part + b'</ListPartsResult>')


def abort(writer):
    """End a connection with a reset."""
    raw = writer.get_extra_info('socket')
    if raw is not None:
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        except OSError:
            pass
    writer.transport.abort()


async def run(options):
    server = Server(*options.key.split(':', 1))
    listening = await asyncio.start_server(server.serve, '127.0.0.1', options.port, limit=1 << 20)
    print('listening', listening.sockets[0].getsockname()[1], flush=True)
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            print(await server.command(line.decode()), flush=True)
        except (ValueError, LookupError, TypeError) as problem:
            print(f'error: {problem}', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--key', default='test:secret', metavar='ID:SECRET')
    parser.add_argument('--self-test', action='store_true')
    options = parser.parse_args()
    if options.self_test:
        from scripted_self_test import self_test
        sys.exit(self_test())
    asyncio.run(run(options))


if __name__ == '__main__':
    main()
