#!/usr/bin/env python3
"""Random S3 requests and what botocore signs them with: a second opinion on S3Signer.

    .build/test-tools/bin/python Scripts/s3/signatures.py COUNT SEED

One JSON line per request: its parts as S3Signer takes them, and the path, query and Authorization of botocore.
"""
import datetime, json, random, sys, urllib.parse

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NAMES = ['a', 'clip 1.mp4', '100%.mov', '%2F', 'a+b', 'ÄÖÜ', '日本語', '😀', "it's", 'x=y&z', '~t_-.', '*', '(1)', '$@:,;!',
         'e\u0301', '\u0e31.mp4', '%E3%81%82', 'a\\b', '"q"', '#?', '[]{}|^`<>']


def case(source):
    path = ['bucket'] + [source.choice(NAMES) + source.choice(NAMES) for _ in range(source.randint(0, 4))]
    query = [(name, source.choice(['', '2', 'x y+z/=%', 'ü', '~'])) for name in
             source.sample(['uploads', 'partNumber', 'uploadId', 'prefix', 'max-parts', 'Zz', 'a-b', 'ab'], source.randint(0, 4))]
    headers = {name: source.choice(['a', 'b  c', 'x:y', 'bytes=0-9']) for name in
               source.sample(['x-amz-meta-a', 'x-amz-meta-capture-upload', 'range', 'x-amz-acl', 'x-amz-meta-a-b'], source.randint(0, 3))}
    body = source.randbytes(source.choice([0, 1, 1000]))
    token = source.choice([None, 'token/+=' + source.randbytes(9).hex()])
    at = datetime.datetime.fromtimestamp(source.randint(0, 4_000_000_000), datetime.timezone.utc)
    host = source.choice(['127.0.0.1:9000', 's3.example.org'])
    method = source.choice(['GET', 'PUT', 'POST', 'DELETE', 'HEAD'])
    region = source.choice(['us-east-1', 'eu-central-1'])

    quoted = '/' + '/'.join(urllib.parse.quote(segment, safe='~') for segment in path)
    request = AWSRequest(method=method, url=f'http://{host}{quoted}', headers=headers, data=body, params=dict(query))
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: at.replace(tzinfo=None)
    signer = botocore.auth.S3SigV4Auth(Credentials('test:tester', 'secret/Key+1', token), 's3', region)
    signer.add_auth(request)
    return {'method': method, 'host': host, 'path': path, 'query': query, 'headers': headers, 'body': body.hex(),
            'token': token, 'at': int(at.timestamp()), 'region': region, 'quoted': quoted,
            'canonicalQuery': signer.canonical_query_string(request), 'authorization': request.headers['Authorization']}


def main():
    source = random.Random(int(sys.argv[2]))
    for _ in range(int(sys.argv[1])):
        print(json.dumps(case(source)))


if __name__ == '__main__':
    main()
