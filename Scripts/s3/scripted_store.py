"""What scripted.py keeps: buckets, objects with their versions, unfinished uploads; and how stores differ (PROFILES).

Every operation takes a request and gives `Answer`, or raises `Refusal`, an S3 error. None of them waits for anything.
"""
import base64, datetime, hashlib, itertools, re, zlib
from xml.sax.saxutils import escape

MOST_CRC_BYTES = 1 << 20      # a CRC of more, in Python, takes seconds: what is larger rests on its SHA-256

# min_part: bytes of every part but the last; payload_hash: whether a wrong x-amz-content-sha256 is refused; checksums:
# 'checked', 'ignored' or 'refused' (501); equal_parts: all parts but the last of one size; multipart_lock: whether
# CreateMultipartUpload keeps lock headers; replace_part: whether a part may be sent again with other bytes; fragile: a
# failed completion ends the upload; conditional…: If-None-Match; page: entries of a list; room: bytes, in all;
# opaque_tags: ETags are no MD5, as with SSE-KMS.
PROFILES = {
    'aws': {},
    'r2': {'checksums': 'refused', 'equal_parts': True},
    'minio': {},
    'ceph16': {'checksums': 'ignored', 'multipart_lock': False, 'conditional_complete': False},
    'rclone': {'checksums': 'ignored', 'payload_hash': False, 'replace_part': False, 'fragile': True, 'min_part': 0,
               'conditional': False, 'conditional_complete': False},
}
DEFAULTS = {'min_part': 5 << 20, 'payload_hash': True, 'checksums': 'checked', 'equal_parts': False, 'multipart_lock': True,
            'replace_part': True, 'fragile': False, 'conditional': True, 'conditional_complete': True, 'versions': False,
            'page': 1000, 'room': None, 'opaque_tags': False}


class Refusal(Exception):
    def __init__(self, status, code, message=''):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


class Answer:
    def __init__(self, body='', headers=None, status=200):
        self.status, self.headers = status, dict(headers or {})
        self.body = body if isinstance(body, bytes) else body.encode()


def reversed_table(polynomial, bits):
    """The table of a reflected CRC, from its polynomial as written most significant bit first."""
    mirrored = int(f'{polynomial:0{bits}b}'[::-1], 2)
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (mirrored if value & 1 else 0)
        table.append(value)
    return table


CRC64NVME = reversed_table(0xAD93D23594C93659, 64)
CRC32C = reversed_table(0x1EDC6F41, 32)


def reflected_crc(data, table, bits):
    crc = ones = (1 << bits) - 1
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return (crc ^ ones).to_bytes(bits // 8, 'big')


CHECKSUMS = {
    'crc64nvme': lambda data: reflected_crc(data, CRC64NVME, 64),
    'crc32c': lambda data: reflected_crc(data, CRC32C, 32),
    'crc32': lambda data: zlib.crc32(data).to_bytes(4, 'big'),
    'sha1': lambda data: hashlib.sha1(data).digest(),
    'sha256': lambda data: hashlib.sha256(data).digest(),
}


def encoded(data):
    return base64.b64encode(data).decode()


class Upload:
    def __init__(self, key, headers):
        self.key, self.headers, self.parts = key, headers, {}      # number -> {data, etag, serial}


class Store:
    def __init__(self):
        self.options = dict(DEFAULTS)
        self.buckets = set()
        self.objects = {}          # (bucket, key) -> [version, ...], the newest last; a version of data None: a delete marker
        self.uploads = {}          # upload id -> Upload; the key has the bucket in front
        self.serials = itertools.count(1)

    def profile(self, name):
        self.options = {**DEFAULTS, **PROFILES[name]}

    # What bodies are held against.

    def check_hashes(self, headers, body):
        """Content-MD5 and x-amz-checksum-*; the signature's own hash is checked by whoever checks signatures."""
        if 'content-md5' in headers and headers['content-md5'] != encoded(hashlib.md5(body).digest()):
            raise Refusal(400, 'BadDigest')
        for name, value in headers.items():
            algorithm = name.removeprefix('x-amz-checksum-')
            if algorithm == name or algorithm in ('algorithm', 'type', 'mode'):
                continue
            if self.options['checksums'] == 'refused':
                raise Refusal(501, 'NotImplemented', f'Header {name} is not implemented')
            if self.options['checksums'] == 'ignored' or algorithm.startswith('crc64') and len(body) > MOST_CRC_BYTES:
                continue
            if algorithm not in CHECKSUMS:
                raise Refusal(501, 'NotImplemented', f'Header {name} is not implemented')
            if value != encoded(CHECKSUMS[algorithm](body)):
                raise Refusal(400, 'BadDigest')

    def tag(self, body):
        return f'"{hashlib.md5((b"sealed" if self.options["opaque_tags"] else b"") + body).hexdigest()}"'

    def require_room(self, size):
        room = self.options['room']
        if room is not None and self.bytes() + size > room:
            raise Refusal(507, 'XMinioStorageFull')

    def bytes(self):
        whole = sum(len(version['data'] or b'') for versions in self.objects.values() for version in versions)
        return whole + sum(len(part['data']) for upload in self.uploads.values() for part in upload.parts.values())

    def kept_headers(self, headers):
        names = ('x-amz-meta-', 'x-amz-object-lock-', 'content-type')
        kept = {name: value for name, value in headers.items() if name.startswith(names)}
        until = kept.get('x-amz-object-lock-retain-until-date')
        if until and moment(until) <= datetime.datetime.now(datetime.timezone.utc):
            raise Refusal(400, 'InvalidArgument', 'The retain until date must be in the future!')
        return kept

    def require_absent(self, name, headers, option):
        if self.options[option] and headers.get('if-none-match') == '*' and self.current(name):
            raise Refusal(412, 'PreconditionFailed')

    def keep(self, name, data, etag, headers, sums):
        version = {'data': data, 'etag': etag, 'headers': headers, 'sums': sums, 'version': f'v{next(self.serials)}'}
        if self.options['versions']:
            self.objects.setdefault(name, []).append(version)
        else:
            self.objects[name] = [version]
        return version

    def version_headers(self, version):
        return {'x-amz-version-id': version['version']} if self.options['versions'] else {}

    def current(self, name, version_id=None):
        versions = self.objects.get(name, [])
        if version_id:
            versions = [version for version in versions if version['version'] == version_id]
        return versions[-1] if versions and versions[-1]['data'] is not None else None

    def require(self, name, version_id=None):
        found = self.current(name, version_id)
        if not found:
            raise Refusal(404, 'NoSuchKey')
        return found

    # Operations on objects.

    def PutObject(self, name, query, headers, body):
        self.check_hashes(headers, body)
        self.require_absent(name, headers, 'conditional')
        self.require_room(len(body))
        etag = self.tag(body)
        version = self.keep(name, body, etag, self.kept_headers(headers), given_sums(headers))
        return Answer(headers={'ETag': etag, **given_sums(headers), **self.version_headers(version)})

    def HeadObject(self, name, query, headers, body):
        found = self.require(name, query.get('versionId'))
        sums = found['sums'] if headers.get('x-amz-checksum-mode', '').upper() == 'ENABLED' else {}
        answer = {'ETag': found['etag'], **found['headers'], **sums, **self.version_headers(found)}
        return Answer(found['data'], answer)

    def GetObject(self, name, query, headers, body):
        answer = self.HeadObject(name, query, headers, body)
        span = re.fullmatch(r'bytes=(\d+)-(\d*)', headers.get('range', ''))
        if span:
            size, first = len(answer.body), int(span[1])
            last = min(int(span[2] or size), size - 1)
            if first >= size:
                raise Refusal(416, 'InvalidRange')
            answer.body, answer.status = answer.body[first:last + 1], 206
            answer.headers['Content-Range'] = f'bytes {first}-{last}/{size}'
        return answer

    def DeleteObject(self, name, query, headers, body):
        version_id = query.get('versionId')
        versions = self.objects.get(name, [])
        if self.options['versions'] and not version_id:
            self.keep(name, None, '', {}, {})
        else:
            for version in versions:
                until = version['headers'].get('x-amz-object-lock-retain-until-date')
                if until and moment(until) > datetime.datetime.now(datetime.timezone.utc) and (
                        not version_id or version['version'] == version_id):
                    raise Refusal(403, 'AccessDenied', 'the object is locked')
            self.objects[name] = [version for version in versions if version_id and version['version'] != version_id]
        return Answer(status=204)

    def GetObjectRetention(self, name, query, headers, body):
        kept = self.require(name, query.get('versionId'))['headers']
        mode = kept.get('x-amz-object-lock-mode')
        if not mode:
            raise Refusal(404, 'NoSuchObjectLockConfiguration')
        until = kept['x-amz-object-lock-retain-until-date']
        return Answer(f'<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>')

    def PutObjectRetention(self, name, query, headers, body):
        found = self.require(name, query.get('versionId'))
        mode, until = (re.search(f'<{tag}>(.*?)</{tag}>'.encode(), body) for tag in ('Mode', 'RetainUntilDate'))
        if not mode or not until:
            raise Refusal(400, 'MalformedXML')
        found['headers'] |= {'x-amz-object-lock-mode': mode[1].decode(),
                             'x-amz-object-lock-retain-until-date': until[1].decode()}
        return Answer()

    # Operations on uploads.

    def CreateMultipartUpload(self, name, query, headers, body):
        kept = self.kept_headers(headers)
        if not self.options['multipart_lock']:
            kept = {key: value for key, value in kept.items() if not key.startswith('x-amz-object-lock-')}
        if self.options['checksums'] == 'refused' and 'x-amz-checksum-algorithm' in headers:
            raise Refusal(501, 'NotImplemented')
        token = f'upload-{next(self.serials)}'
        self.uploads[token] = Upload(name, kept)
        return Answer(f'<InitiateMultipartUploadResult><Bucket>{escape(name[0])}</Bucket><Key>{escape(name[1])}</Key>'
                      f'<UploadId>{token}</UploadId></InitiateMultipartUploadResult>')

    def open(self, name, query):
        upload = self.uploads.get(query.get('uploadId'))
        if not upload or upload.key != name:
            raise Refusal(404, 'NoSuchUpload')
        return upload

    def UploadPart(self, name, query, headers, body):
        upload, number = self.open(name, query), int(query['partNumber'])
        if not 1 <= number <= 10_000:
            raise Refusal(400, 'InvalidArgument')
        self.check_hashes(headers, body)
        self.require_room(len(body))
        old = upload.parts.get(number)
        if old and old['data'] != body and not self.options['replace_part']:
            raise Refusal(501, 'NotImplemented', 'already been streamed to the backend')
        etag = self.tag(body)
        upload.parts[number] = {'data': body, 'etag': etag, 'serial': next(self.serials), 'sums': given_sums(headers)}
        return Answer(headers={'ETag': etag, **given_sums(headers)})

    def ListParts(self, name, query, headers, body):
        upload = self.open(name, query)
        after, most = int(query.get('part-number-marker', 0)), min(int(query.get('max-parts', 1000)), self.options['page'])
        numbers = [number for number in sorted(upload.parts) if number > after]
        page = numbers[:most]
        more = len(numbers) > len(page)
        parts = ''.join(
            f'<Part><PartNumber>{number}</PartNumber><ETag>{escape(upload.parts[number]["etag"])}</ETag>'
            f'<Size>{len(upload.parts[number]["data"])}</Size></Part>' for number in page)
        marker = f'<NextPartNumberMarker>{page[-1]}</NextPartNumberMarker>' if more else ''
        return Answer(f'<ListPartsResult><IsTruncated>{str(more).lower()}</IsTruncated>{marker}{parts}</ListPartsResult>')

    def ListMultipartUploads(self, name, query, headers, body):
        prefix, after = query.get('prefix', ''), (query.get('key-marker', ''), query.get('upload-id-marker', ''))
        found = sorted((upload.key[1], token) for token, upload in self.uploads.items()
                       if upload.key[0] == name[0] and upload.key[1].startswith(prefix))
        found = [entry for entry in found if (entry > after if after[1] else entry[0] > after[0])]
        page = found[:min(int(query.get('max-uploads', 1000)), self.options['page'])]
        more = len(found) > len(page)
        uploads = ''.join(f'<Upload><Key>{escape(key)}</Key><UploadId>{token}</UploadId></Upload>' for key, token in page)
        marker = (f'<NextKeyMarker>{escape(page[-1][0])}</NextKeyMarker>'
                  f'<NextUploadIdMarker>{page[-1][1]}</NextUploadIdMarker>') if more else ''
        return Answer('<ListMultipartUploadsResult>'
                      f'<IsTruncated>{str(more).lower()}</IsTruncated>{marker}{uploads}</ListMultipartUploadsResult>')

    def CompleteMultipartUpload(self, name, query, headers, body):
        try:
            return self.completed(name, query, headers, body)
        except Refusal as refusal:
            if self.options['fragile'] and refusal.code != 'NoSuchUpload':
                self.uploads.pop(query.get('uploadId'), None)
            raise

    def completed(self, name, query, headers, body):
        upload = self.open(name, query)
        named = [(int(number), etag) for number, etag in re.findall(
            r'<PartNumber>(\d+)</PartNumber>\s*<ETag>(?:&quot;|")?([^<"&]*)', body.decode())]
        numbers = [number for number, _ in named]
        if not numbers:
            raise Refusal(400, 'MalformedXML')
        if numbers != sorted(set(numbers)):
            raise Refusal(400, 'InvalidPartOrder')
        for number, etag in named:
            if number not in upload.parts or upload.parts[number]['etag'].strip('"') != etag:
                raise Refusal(400, 'InvalidPart')
        parts = [upload.parts[number] for number in numbers]
        sizes = [len(part['data']) for part in parts]
        if any(size < self.options['min_part'] for size in sizes[:-1]):
            raise Refusal(400, 'EntityTooSmall')
        if self.options['equal_parts'] and (len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]):
            raise Refusal(400, 'InvalidPart', 'all parts but the last must be of one size')
        self.require_absent(name, headers, 'conditional_complete')
        wanted = headers.get('x-amz-mp-object-size')
        if wanted and int(wanted) != sum(sizes):
            raise Refusal(400, 'InvalidRequest')
        data = b''.join(part['data'] for part in parts)
        # A CRC of the whole object; one that begins otherwise is a sum of sums, which is not looked at.
        if headers.get('x-amz-checksum-type', 'FULL_OBJECT') == 'FULL_OBJECT':
            self.check_hashes({key: value for key, value in headers.items() if key.startswith('x-amz-checksum-')}, data)
        etag = hashlib.md5(b''.join(bytes.fromhex(part['etag'].strip('"')) for part in parts)).hexdigest()
        sums = {**given_sums(headers), 'x-amz-checksum-type': 'FULL_OBJECT'} if given_sums(headers) else {}
        version = self.keep(name, data, f'"{etag}-{len(parts)}"', upload.headers, sums)
        del self.uploads[query['uploadId']]
        shown = ''.join(f'<Checksum{key.rpartition("-")[2].upper()}>{value}</Checksum{key.rpartition("-")[2].upper()}>'
                        for key, value in given_sums(headers).items())
        return Answer(f'<CompleteMultipartUploadResult><Key>{escape(name[1])}</Key>{shown}'
                      f'<ETag>{escape(version["etag"])}</ETag></CompleteMultipartUploadResult>', self.version_headers(version))

    def AbortMultipartUpload(self, name, query, headers, body):
        self.open(name, query)
        del self.uploads[query['uploadId']]
        return Answer(status=204)

    # Operations on buckets.

    def CreateBucket(self, name, query, headers, body):
        self.buckets.add(name[0])
        return Answer()

    def HeadBucket(self, name, query, headers, body):
        return Answer()

    def ListObjectsV2(self, name, query, headers, body):
        keys = sorted(key for bucket, key in self.objects
                      if bucket == name[0] and key.startswith(query.get('prefix', '')) and self.current((bucket, key)))
        shown = ''.join(f'<Contents><Key>{escape(key)}</Key><Size>{len(self.current((name[0], key))["data"])}</Size></Contents>'
                        for key in keys)
        return Answer(f'<ListBucketResult><IsTruncated>false</IsTruncated>{shown}</ListBucketResult>')

    def bucket_setting(self, name, query, headers, body):
        """Object lock and versioning, as far as they are asked for."""
        if 'versioning' in query:
            state = '<Status>Enabled</Status>' if self.options['versions'] else ''
            return Answer(f'<VersioningConfiguration>{state}</VersioningConfiguration>')
        if not self.options['versions']:
            raise Refusal(404, 'ObjectLockConfigurationNotFoundError')
        return Answer('<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>')

    # What a witness sees.

    def witness(self):
        objects = [{'key': key, 'size': len(version['data']), 'sha256': hashlib.sha256(version['data']).hexdigest(),
                    'version': version['version'], 'headers': version['headers']}
                   for (_, key), versions in sorted(self.objects.items()) for version in versions if version['data'] is not None]
        uploads = [{'key': upload.key[1], 'upload': token,
                    'parts': [[number, len(part['data']), part['serial']] for number, part in sorted(upload.parts.items())]}
                   for token, upload in sorted(self.uploads.items())]
        return {'objects': objects, 'uploads': uploads}


def given_sums(headers):
    return {name: value for name, value in headers.items()
            if name.startswith('x-amz-checksum-') and name.rpartition('-')[2] in CHECKSUMS}


def moment(text):
    return datetime.datetime.fromisoformat(text.replace('Z', '+00:00'))
