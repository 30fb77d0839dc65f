"""What Benchmarks/compare measures with: files, servers that take them, and the three clients."""
import hashlib, json, os, pathlib, shutil, signal, statistics, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MIB, GIB = 1 << 20, 1 << 30
PART_MIB, AT_ONCE = 16, 4                                   # of the peers
SMALL_BYTES = 16 << 10


def die(sentence):
    print(f'compare: {sentence}', file=sys.stderr)
    sys.exit(2)


class FileSet:
    """Files to upload: name → (size, SHA-256)."""

    def __init__(self, name, folder, count, size):
        self.name, self.folder, self.files = name, folder, {}
        folder.mkdir(parents=True)
        for number in range(count):
            file, digest, left = folder / f'{name}-{number:05}.bin', hashlib.sha256(), size
            with open(file, 'wb') as out:
                while left:
                    block = os.urandom(min(left, 8 * MIB))
                    digest.update(block)
                    left -= out.write(block)
            os.utime(file, (time.time() - 3600,) * 2)       # nobody needs to wait for it to settle
            self.files[file.name] = (size, digest.hexdigest())
        self.bytes = count * size

    def warm(self):
        """Into the page cache again, where a client may have sent it out of it."""
        for name in self.files:
            with open(self.folder / name, 'rb', buffering=0) as file:
                while file.read(8 * MIB):
                    pass


class Server:
    """One of Scripts/s3, started in a folder of its own; it ends with this script."""
    bucket = 'bench'

    def __init__(self, script, folder, **settings):
        self.script, self.folder = ROOT / 'Scripts/s3' / script, folder
        answer = subprocess.run([self.script, 'start', folder], stdout=subprocess.PIPE, text=True,
                                env={**os.environ, **settings, 'S3_OWNER': str(os.getpid())})
        if answer.returncode:
            die(f'{script} did not start.')
        self.env = dict(line.split('=', 1) for line in answer.stdout.split())
        self.endpoint = self.env['AWS_ENDPOINT_URL']
        self.ca_file = self.env.get('AWS_CA_BUNDLE')
        import boto3
        from botocore.config import Config
        self.s3 = boto3.client(
            's3', endpoint_url=self.endpoint, region_name=self.env['AWS_DEFAULT_REGION'],
            aws_access_key_id=self.env['AWS_ACCESS_KEY_ID'], aws_secret_access_key=self.env['AWS_SECRET_ACCESS_KEY'],
            verify=self.ca_file, config=Config(s3={'addressing_style': 'path'}))
        self.s3.create_bucket(Bucket=self.bucket)

    def wipe(self):
        subprocess.run([self.script, 'wipe', self.folder], check=True)


class Sink(Server):
    """Keeps nothing: the client is what is measured. `settings` are those of Scripts/s3/s3sink."""

    def __init__(self, folder, **settings):
        super().__init__('s3sink', folder, SINK_CPU=str(max(os.sched_getaffinity(0))), **settings)

    def bytes_taken(self):
        """Asks the sink for its counters."""
        log = self.folder / 's3sink.log'
        before = log.stat().st_size
        os.kill(int((self.folder / 's3sink.pid').read_text().split()[0]), signal.SIGUSR1)
        for _ in range(200):
            text = log.read_text()[before:]
            if text.endswith('\n'):
                return int(text.split()[-1])
            time.sleep(0.01)
        die('the sink does not tell its counters.')

    def before(self):
        self.taken = self.bytes_taken()

    def settled(self):
        """Its counter of bytes, once nothing that a dead client sent is still on its way."""
        taken = -1
        while taken != (taken := self.bytes_taken()):
            time.sleep(0.2)
        return taken

    def missing(self, prefix, files, last):
        """What is not there, as a sentence; None where all is."""
        taken = self.bytes_taken() - self.taken
        return None if taken >= files.bytes else f'the sink was sent {taken} of {files.bytes} bytes'


class Swift(Server):
    """OpenStack Swift keeps and checks, and is the limit itself."""

    def __init__(self, folder):
        super().__init__('openstack-swift', folder)

    def before(self):
        pass

    def objects(self, prefix):
        for page in self.s3.get_paginator('list_objects_v2').paginate(Bucket=self.bucket, Prefix=prefix):
            yield from page.get('Contents', [])

    def digest(self, key):
        digest, body = hashlib.sha256(), self.s3.get_object(Bucket=self.bucket, Key=key)['Body']
        for block in body.iter_chunks(4 * MIB):
            digest.update(block)
        return digest.hexdigest()

    def missing(self, prefix, files, last):
        there = {}
        for found in self.objects(prefix):
            name = found['Key'].rpartition('/')[2]
            if name in files.files:
                there.setdefault(name, []).append(found)
        try:
            for name, (size, digest) in files.files.items():
                found = there.get(name, [])
                if len(found) != 1 or found[0]['Size'] != size:
                    return f'{name}: {len(found)} objects of {[each["Size"] for each in found]} bytes, not one of {size}'
                if last and self.digest(found[0]['Key']) != digest:
                    return f'{name}: the bytes read back are others'
        finally:
            for found in list(self.objects(prefix)):
                self.s3.delete_object(Bucket=self.bucket, Key=found['Key'])
        return None


def rclone(programs, server, files, prefix, work):
    return [programs / 'rclone', '--config', '/dev/null', 'copy', files.folder, f':s3:{server.bucket}/{prefix}',
            '--s3-provider', 'Other', '--s3-env-auth', '--s3-endpoint', server.endpoint, '--s3-force-path-style',
            '--s3-no-check-bucket', '--s3-chunk-size', f'{PART_MIB}Mi', '--s3-upload-concurrency', str(AT_ONCE),
            '--transfers', '16', '--no-traverse', '--retries', '1', '--stats', '0',
            *(['--ca-cert', server.ca_file] if server.ca_file else [])]


def s5cmd(programs, server, files, prefix, work):
    return [programs / 's5cmd', '--endpoint-url', server.endpoint, '--log', 'error', 'cp', '--part-size', str(PART_MIB),
            '--concurrency', str(AT_ONCE), f'{files.folder}/*', f's3://{server.bucket}/{prefix}']


def capture_agent(agent, *arguments, profile='default'):
    def command(programs, server, files, prefix, work):
        quoted = json.dumps                                 # a JSON string is a YAML string
        configuration = work / 'capture-agent.yaml'
        configuration.write_text(f'''\
station:
  id: bench
  name: bench
  time_zone: UTC
state_directory: {quoted(str(work / 'state'))}
sources:
  - name: files
    directory: {quoted(str(files.folder))}
    collect: direct
    settle_seconds: 0.2
targets:
  - name: store
    s3:
      endpoint: {quoted(server.endpoint)}
      region: {server.env['AWS_DEFAULT_REGION']}
      bucket: {server.bucket}
      prefix: {quoted(prefix)}
      path_style: true
{f'      ca_file: {quoted(server.ca_file)}' if server.ca_file else ''}
{'' if profile == 'default' else f'upload: {{profile: {profile}}}'}
''')
        (work / 'state').mkdir(exist_ok=True)
        return [agent, 'run', *arguments, '--config', configuration]
    return command


# A process starts with the peak memory of the one it was forked from, and this one is large: so a small one (8 MiB)
# starts the client and tells: exit code, wall seconds, processor seconds, peak KiB.
LAUNCHER = '''
import os, sys, time
began = time.monotonic()
client = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(client, 0)
with open(sys.argv[1], 'w') as told:
    print(os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss,
          file=told)
'''


def run(name, command, server, work):
    """Wall seconds, processor seconds and peak resident bytes of the client; its children count too."""
    command, log, told = list(map(str, command)), work / 'log', work / 'told'
    with open(log, 'wb') as out:
        subprocess.run([sys.executable, '-I', '-S', '-c', LAUNCHER, told, *command], stdin=subprocess.DEVNULL,
                       stdout=out, stderr=out, cwd=work, env={**os.environ, **server.env}, check=True)
    code, wall, processor, peak = map(float, told.read_text().split())
    if code:
        tail = log.read_text(errors='replace')[-2000:]
        die(f'{name} ended with {code:.0f}: {" ".join(command)}\n{tail}')
    return wall, processor, peak * 1024


def measure(clients, programs, server, files, runs, base):
    """One row per client: the medians of its runs."""
    results = {name: [] for name in clients}
    for number in range(runs):
        for name, command in clients.items():
            prefix = f'{files.name}-{name}-{number}/'
            work = fresh(base)
            files.warm()
            server.before()
            results[name].append(run(name, command(programs, server, files, prefix, work), server, work))
            missing = server.missing(prefix, files, number == runs - 1)
            if missing:
                die(f'{name}, {files.name}, {type(server).__name__}: {missing}.')
    rows = {}
    for name, measured in results.items():
        wall, processor, resident = (statistics.median(column) for column in zip(*measured))
        rows[name] = {'wall_seconds': wall, 'mib_per_second': files.bytes / MIB / wall,
                      'files_per_second': len(files.files) / wall,
                      'cpu_seconds_per_gib': processor / (files.bytes / GIB), 'cpu_seconds': processor,
                      'peak_rss_bytes': resident}
    return rows


def fresh(base):
    """An empty folder for one run."""
    work = base / 'work'
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    return work
