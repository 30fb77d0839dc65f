#!/usr/bin/env python3
"""Says what an S3 store holds, by boto3: the independent witness of the tests. Keys and endpoint from the environment.
One command a line on standard input; one line an answer, its number before the JSON, which counts from 1:
    create BUCKET     makes a bucket
    parts BUCKET      parts of unfinished uploads: [[upload, number, etag, time it was stored], ...]
    objects BUCKET    objects read back, but manifests: [[key, size, sha256], ...]
    manifests BUCKET  manifests read back: [[key, metadata, text], ...]"""
import hashlib, json, re, sys
import boto3
from botocore.config import Config

TRIAL = '.capture-probe/'      # what a trial that was cut has left is nobody's recording
MANIFEST = re.compile(r'/manifest-[0-9]+[.]json$')
store = boto3.client('s3', config=Config(s3={'addressing_style': 'path'}, retries={'max_attempts': 5}))


def parts(bucket):
    for upload in store.list_multipart_uploads(Bucket=bucket).get('Uploads', []):
        if TRIAL in upload['Key']:
            continue
        pages = store.get_paginator('list_parts').paginate(Bucket=bucket, Key=upload['Key'], UploadId=upload['UploadId'])
        for part in (part for page in pages for part in page.get('Parts', [])):
            yield [upload['UploadId'], part['PartNumber'], part['ETag'], part['LastModified'].isoformat()]


def objects(bucket):
    for page in store.get_paginator('list_objects_v2').paginate(Bucket=bucket):
        for entry in page.get('Contents', []):
            if MANIFEST.search(entry['Key']) or TRIAL in entry['Key']:
                continue
            digest = hashlib.sha256()
            for block in store.get_object(Bucket=bucket, Key=entry['Key'])['Body'].iter_chunks(1 << 20):
                digest.update(block)
            yield [entry['Key'], entry['Size'], digest.hexdigest()]


def manifests(bucket):
    for page in store.get_paginator('list_objects_v2').paginate(Bucket=bucket):
        for entry in page.get('Contents', []):
            if MANIFEST.search(entry['Key']):
                found = store.get_object(Bucket=bucket, Key=entry['Key'])
                yield [entry['Key'], found['Metadata'], found['Body'].read().decode()]


def answer(command, bucket):
    if command == 'create':
        store.create_bucket(Bucket=bucket)
        return []
    return list({'parts': parts, 'objects': objects, 'manifests': manifests}[command](bucket))


for number, line in enumerate(sys.stdin, 1):
    print(number, json.dumps(answer(*line.split())), flush=True)
