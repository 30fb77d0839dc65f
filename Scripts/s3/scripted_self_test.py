"""What scripted.py promises, asked by a client that signs by hand: every line of `self_test` is one promise."""
import hashlib, http.client, json, os, subprocess, sys, time

from scripted import signature
from scripted_store import CHECKSUMS, encoded


class Client:
    def __init__(self):
        program = os.path.join(os.path.dirname(__file__), 'scripted.py')
        self.process = subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.tell('bucket b')

    def tell(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def ask(self, method, path, body=b'', secret='secret', payload=None, late=0, **more):
        """Status, body and headers of one signed request; status 0 where the connection broke."""
        path, _, query = path.partition('?')
        at = time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(time.time() + late))
        headers = {name.replace('_', '-'): value for name, value in more.items()}
        headers |= {'host': f'127.0.0.1:{self.port}', 'x-amz-date': at,
                    'x-amz-content-sha256': payload or hashlib.sha256(body).hexdigest()}
        names = sorted(headers)
        scope = f'{at[:8]}/us-east-1/s3/aws4_request'
        signed = signature(secret, (method, path, query, headers), scope, names, at)
        headers['authorization'] = (f'AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders={";".join(names)}, '
                                    f'Signature={signed}')
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=10)
        try:
            connection.request(method, path + ('?' + query if query else ''), body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        except (OSError, http.client.HTTPException):
            return 0, b'', {}
        finally:
            connection.close()

    def upload(self, *parts):
        body = self.ask('POST', '/b/k?uploads=')[1].decode()
        token = body.partition('<UploadId>')[2].partition('<')[0]
        tags = [self.ask('PUT', f'/b/k?partNumber={number}&uploadId={token}', part)[2].get('etag')
                for number, part in enumerate(parts, 1)]
        return token, tags

    def complete(self, token, tags, **headers):
        body = '<X>' + ''.join(f'<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>'
                               for number, tag in enumerate(tags, 1)) + '</X>'
        return self.ask('POST', f'/b/k?uploadId={token}', body.encode(), **headers)

    def witness(self):
        return json.loads(self.tell('witness'))


def strict(client, expect):
    expect('a wrong secret is refused', b'SignatureDoesNotMatch' in client.ask('PUT', '/b/a', b'x', secret='no')[1])
    expect('a wrong time is refused', b'RequestTimeTooSkewed' in client.ask('PUT', '/b/a', b'x', late=1000)[1])
    expect('other bytes are refused', b'SHA256Mismatch' in client.ask('PUT', '/b/a', b'x', payload='0' * 64)[1])
    expect('a wrong MD5 is refused', b'BadDigest' in client.ask('PUT', '/b/a', b'x', content_md5=encoded(bytes(16)))[1])
    for name, of in CHECKSUMS.items():
        header = {f'x_amz_checksum_{name}': encoded(of(b'123456789'))}
        expect(f'{name} is taken', client.ask('PUT', '/b/a', b'123456789', **header)[0] == 200)
        expect(f'a wrong {name} is refused', client.ask('PUT', '/b/a', b'12345678', **header)[0] == 400)
    expect("the CRCs are those of the catalogue of CRCs",
           CHECKSUMS['crc64nvme'](b'123456789').hex() == 'ae8b14860a799888'
           and CHECKSUMS['crc32c'](b'123456789').hex() == 'e3069283')
    expect('If-None-Match is held', client.ask('PUT', '/b/a', b'y', if_none_match='*')[0] == 412)
    expect('a range', client.ask('GET', '/b/a', range='bytes=1-3')[:2] == (206, b'234'))
    expect('another bucket', b'NoSuchBucket' in client.ask('PUT', '/c/a', b'x')[1])
    expect('removed', client.ask('DELETE', '/b/a')[0] == 204 and client.ask('HEAD', '/b/a')[0] == 404)


def multipart(client, expect):
    token, tags = client.upload(b'x' * 10, b'y')
    expect('a small part is refused', b'EntityTooSmall' in client.complete(token, tags)[1])
    client.tell('set min_part 5')
    expect('a strange tag is refused', b'InvalidPart' in client.complete(token, [tags[0], tags[0]])[1])
    expect('a strange upload is refused', b'NoSuchUpload' in client.complete('x', tags)[1])
    client.tell('set page 1')
    pages, marker = [], ''
    while marker is not None:
        page = client.ask('GET', f'/b/k?uploadId={token}' if not marker else
                          f'/b/k?part-number-marker={marker}&uploadId={token}')[1].decode()
        pages.append(page.count('<Part>'))
        marker = page.partition('<NextPartNumberMarker>')[2].partition('<')[0] or None
    expect('parts come by pages', pages == [1, 1])
    client.upload()
    expect('uploads come by pages', b'<IsTruncated>true' in client.ask('GET', '/b?uploads=')[1])
    expect('the object', client.complete(token, tags)[0] == 200
           and client.ask('GET', '/b/k')[1] == b'x' * 10 + b'y')
    digest = hashlib.sha256(b'x' * 10 + b'y').hexdigest()
    expect('the witness', [entry['sha256'] for entry in client.witness()['objects']] == [digest])
    other = client.upload(b'z')[0]
    expect('given up', client.ask('DELETE', f'/b/k?uploadId={other}')[0] == 204)


def kept(client, expect):
    client.tell('profile aws')
    client.tell('set versions true')
    lock = {'x_amz_object_lock_mode': 'COMPLIANCE', 'x_amz_object_lock_retain_until_date': '2999-01-01T00:00:00Z'}
    version = client.ask('PUT', '/b/l', b'x', **lock)[2]['x-amz-version-id']
    expect('a locked version stays', client.ask('DELETE', f'/b/l?versionId={version}')[0] == 403)
    expect('its lock', b'2999' in client.ask('GET', '/b/l?retention=')[1])
    past = {**lock, 'x_amz_object_lock_retain_until_date': '2001-01-01T00:00:00Z'}
    expect('a lock in the past', client.ask('PUT', '/b/m', b'x', **past)[0] == 400)
    client.ask('DELETE', '/b/l')
    expect('a delete marker hides', client.ask('HEAD', '/b/l')[0] == 404
           and client.ask('HEAD', f'/b/l?versionId={version}')[0] == 200)
    client.tell('profile ceph16')
    body = client.ask('POST', '/b/n?uploads=', **lock)[1].decode()
    token = body.partition('<UploadId>')[2].partition('<')[0]
    tag = client.ask('PUT', f'/b/n?partNumber=1&uploadId={token}', b'x')[2]['etag']
    client.ask('POST', f'/b/n?uploadId={token}', f'<Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>'.encode())
    expect('ceph16 drops locks of uploads', client.ask('GET', '/b/n?retention=')[0] == 404)
    client.tell('profile r2')
    expect('r2 knows no checksums', client.ask('PUT', '/b/a', b'x', x_amz_checksum_crc64nvme='x')[0] == 501)
    client.tell('profile rclone')
    expect('rclone takes wrong hashes', client.ask('PUT', '/b/a', b'x', payload='0' * 64)[0] == 200)
    token, tags = client.upload(b'x', b'y')
    expect('and replaces no part', client.ask('PUT', f'/b/k?partNumber=1&uploadId={token}', b'z')[0] == 501)
    client.complete(token, ['"0"'])
    expect('and its uploads break', b'NoSuchUpload' in client.complete(token, tags)[1])
    client.tell('profile aws')
    client.tell('set room 1')
    expect('full', client.ask('PUT', '/b/a', b'x')[0] == 507)
    client.tell('set room null')


def faults(client, expect):
    client.tell('set min_part 0')

    def put(fault, body=b'0123456789'):
        client.tell('clear')
        client.tell('delete ')
        client.tell('fault ' + fault)
        return client.ask('PUT', '/b/f', body)

    def has(body=b'0123456789'):
        return client.ask('GET', '/b/f')[1] == body
    expect('refused', put('PutObject 1 status 503 SlowDown retry-after=7')[2]['retry-after'] == '7' and not has())
    expect('refused early', put('PutObject 1 early 403 AccessDenied')[0] == 403)
    expect('the second time', put('PutObject 2 status 500')[0] == 200 and client.ask('PUT', '/b/f', b'')[0] == 500
           and client.ask('PUT', '/b/f', b'')[0] == 200)
    expect('200 with an error', b'<Code>X' in put('PutObject * error-200 X')[1] and not has())
    expect('and carried out', b'<Code>X' in put('PutObject * error-200 X applied')[1] and has())
    for cut in ('cut-before', 'cut-middle', 'cut-head'):
        expect(cut, put(f'PutObject * {cut}')[0] == 0)
    expect('an answer lost', put('PutObject * lose-answer')[0] == 0 and has())
    put('PutObject * late-apply 1')
    client.tell('settled')
    expect('carried out late', has())
    expect('no ETag', 'etag' not in put('PutObject * no-etag')[2])
    expect('another ETag', put('PutObject * etag "x"')[2]['etag'] == '"x"')
    expect('acknowledged and forgotten', put('PutObject * forget')[0] == 200 and not has())
    expect('acknowledged and spoiled', put('PutObject * flip')[0] == 200 and not has()
           and client.ask('HEAD', '/b/f')[2]['content-length'] == '10')
    expect('another date', '20' in put('PutObject * date 86400000')[2]['date'])
    expect('slow and late', put('PutObject * slow 5 1')[0] == 200 and put('PutObject * delay 1')[0] == 200)
    client.tell('clear')
    token, tags = client.upload(b'x' * 10, b'y')
    client.tell('fault CompleteMultipartUpload 1 blanks 3 1')
    expect('white space first', client.complete(token, tags)[1].startswith(b'   <Complete'))
    token, tags = client.upload(b'x')
    client.tell('restart keep')
    expect('uploads kept', client.ask('GET', f'/b/k?uploadId={token}')[0] == 200)
    client.tell('lose-part 1')
    expect('a part lost', client.witness()['uploads'][-1]['parts'] == [])
    client.tell('restart lose')
    expect('uploads lost', client.ask('GET', f'/b/k?uploadId={token}')[0] == 404)
    client.tell('clock 5000')
    expect('another clock', client.ask('HEAD', '/b/k')[0] == 403 and client.ask('HEAD', '/b/k', late=5000)[0] == 200)
    client.tell('clock 0')
    expect('a record', json.loads(client.tell('log'))[-1]['operation'] == 'HeadObject')


def self_test():
    failed = []

    def expect(what, holds):
        if not holds:
            failed.append(what)

    client = Client()
    try:
        for part in (strict, multipart, kept, faults):
            part(client, expect)
    finally:
        client.process.kill()
    for what in failed:
        print(f'scripted.py: not so: {what}', file=sys.stderr)
    return 1 if failed else 0
