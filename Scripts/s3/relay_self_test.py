"""What relay.py promises, tried on a small server: every line of `self_test` is one promise."""
import hashlib, http.client, http.server, json, os, subprocess, sys, tempfile, threading, time


class Store(http.server.BaseHTTPRequestHandler):
    """Keeps what is PUT, gives it back, and counts what it was asked."""
    protocol_version = 'HTTP/1.1'
    bodies, seen = {}, []

    def body(self):
        if self.headers.get('Transfer-Encoding') != 'chunked':
            length = int(self.headers.get('Content-Length') or 0)
            data = self.rfile.read(length)
            if len(data) < length:
                raise ConnectionError('cut off')
            return data
        data = b''
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def answer(self, status, data, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(data)

    def do_PUT(self):
        self.seen.append((self.command, self.path, self.headers['Host']))
        self.bodies[self.path] = self.body()
        self.answer(200, b'', ETag='"%s"' % hashlib.md5(self.bodies[self.path]).hexdigest())

    def do_GET(self):
        self.seen.append((self.command, self.path, self.headers['Host']))
        data = self.bodies.get(self.path)
        self.answer(404, b'none') if data is None else self.answer(200, data)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass                           # connections that break are what is tested


def self_test():
    store = Server(('127.0.0.1', 0), Store)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    folder = tempfile.TemporaryDirectory()
    log = os.path.join(folder.name, 'log')
    relay = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'relay.py'),
                              '--to', '127.0.0.1:%d' % store.server_port, '--log', log, '--stdin'],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(relay.stdout.readline().split()[1])
    wrong = []

    def tell(command):
        relay.stdin.write(command + '\n')
        relay.stdin.flush()
        return relay.stdout.readline().strip()

    def ask(method, path, body=None, connection=None, **headers):
        """Status, body and ETag; or the name of the error."""
        own = connection or http.client.HTTPConnection('127.0.0.1', port, timeout=20)
        try:
            own.request(method, path, body, headers, encode_chunked='Transfer-Encoding' in headers)
            answer = own.getresponse()
            return answer.status, answer.read(), answer.headers.get('ETag')
        except (OSError, http.client.HTTPException):
            return 'broken'
        finally:
            if connection is None:
                own.close()

    def entries():
        with open(log, encoding='utf-8') as lines:
            return [json.loads(line) for line in lines]

    def expect(promise, truth):
        if not truth:
            wrong.append(promise)
            print('not kept:', promise, file=sys.stderr)

    def later(*request):
        result = []
        thread = threading.Thread(target=lambda: result.append(ask(*request)))
        thread.start()
        return thread, result

    def until(condition):
        end = time.monotonic() + 5
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)

    big = os.urandom(3 << 20)
    kept = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    expect('a body arrives unchanged', ask('PUT', '/b/k?partNumber=1', big, kept)[0] == 200
           and Store.bodies['/b/k?partNumber=1'] == big)
    expect('an answer comes back unchanged, on the same connection', ask('GET', '/b/k?partNumber=1', None, kept)[1] == big)
    expect('HEAD has no body and the connection goes on', ask('HEAD', '/b/k?partNumber=1', None, kept)[:2] == (200, b'')
           and ask('GET', '/none', None, kept)[:2] == (404, b'none'))
    expect('the Host header is forwarded as it is', Store.seen[0][2] == '127.0.0.1:%d' % port)
    first = entries()[0]
    expect('the log tells bytes, status and ETag', (first['method'], first['target'], first['body_bytes'], first['status'])
           == ('PUT', '/b/k?partNumber=1', len(big), 200) and first['etag'] == '"%s"' % hashlib.md5(big).hexdigest())
    chunks = (big[i:i + 100_000] for i in range(0, len(big), 100_000))
    expect('a chunked body arrives', ask('PUT', '/b/chunked', chunks, **{'Transfer-Encoding': 'chunked'})[0] == 200
           and Store.bodies['/b/chunked'] == big)
    expect('the next N requests fail, the server sees none', tell('fail 2 503 uploads') == 'ok'
           and ask('GET', '/x')[0] == 404 and b'<Code>SlowDown</Code>' in ask('PUT', '/y?uploads', b'12')[1]
           and ask('PUT', '/y?uploads', b'12')[0] == 503 and ask('PUT', '/y?uploads', b'12')[0] == 200
           and sum(path == '/y?uploads' for _, path, _ in Store.seen) == 1)
    expect('a failure may have a code', tell('fail 1 400/RequestTimeTooSkewed') == 'ok'
           and b'RequestTimeTooSkewed' in ask('GET', '/x')[1])
    expect('a dropped answer was carried out', tell('drop-answer PUT /b/dropped') == 'ok'
           and ask('PUT', '/b/dropped', b'done') == 'broken' and Store.bodies['/b/dropped'] == b'done'
           and entries()[-1]['status'] == 200 and entries()[-1]['fault'] == 'answer dropped'
           and ask('PUT', '/b/dropped', b'done')[0] == 200)
    expect('reset-after breaks the upload once', tell('reset-after 1000000') == 'ok'
           and ask('PUT', '/b/reset', big) == 'broken' and '/b/reset' not in Store.bodies
           and entries()[-1]['status'] is None and ask('PUT', '/b/reset', big)[0] == 200)
    tell('rate 2000000')
    began = time.monotonic()
    ask('PUT', '/b/slow', big[:1_000_000])
    expect('the rate limits', 0.4 < time.monotonic() - began < 2)
    tell('rate 0')
    tell('hold /b/held')
    thread, result = later('PUT', '/b/held', b'1')
    until(lambda: json.loads(tell('status'))['held'] == 1)
    expect('a held request does not reach the server', '/b/held' not in Store.bodies)
    tell('release')
    thread.join()
    expect('a released request does', result[0][0] == 200 and Store.bodies['/b/held'] == b'1')
    tell('hold /b/killed')
    killed = http.client.HTTPConnection('127.0.0.1', port)
    killed.request('PUT', '/b/killed', b'1')
    until(lambda: json.loads(tell('status'))['held'] == 1)
    killed.close()
    time.sleep(0.1)
    tell('release')
    until(lambda: entries()[-1]['target'] == '/b/killed')
    expect('a held request whose client went is never sent', entries()[-1]['fault'] == 'client gone'
           and '/b/killed' not in Store.bodies)
    kept.close()
    tell('rate 3000000')
    gone = http.client.HTTPConnection('127.0.0.1', port)
    gone.request('PUT', '/b/gone', big[:1_000_000])
    until(lambda: json.loads(tell('status'))['in_flight'] == 1)
    gone.close()
    expect('settled waits for what a client left behind', tell('settled') == 'ok'
           and Store.bodies.get('/b/gone') == big[:1_000_000])
    tell('rate 500000')
    thread, result = later('PUT', '/b/cut', big)
    until(lambda: json.loads(tell('status'))['in_flight'] == 1)
    tell('down')
    thread.join()
    expect('down resets what runs and refuses the rest', result == ['broken'] and ask('GET', '/x') == 'broken')
    expect('clear is up again, on the same port', tell('clear') == 'ok' and ask('GET', '/x')[0] == 404)
    expect('a wrong command is told', tell('fail x').startswith('error') and tell('burn').startswith('error'))
    relay.stdin.close()
    expect('it ends with its standard input', relay.wait(5) == 0)
    relay.stdout.close()
    folder.cleanup()
    print('relay: %s' % ('%d promises not kept' % len(wrong) if wrong else 'every promise kept'))
    return bool(wrong)
