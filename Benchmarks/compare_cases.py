"""The cases of Benchmarks/compare that are more than an upload: a kill, a restart with a full queue, an idle agent."""
import os, pathlib, signal, socket, sqlite3, subprocess, time

from compare_world import SMALL_BYTES, FileSet, Sink, die, fresh, run

IDLE_SECONDS = 30


class Running:
    """A client in a session of its own; it is gone afterwards."""

    def __init__(self, command, work, env):
        with open(work / 'log', 'ab') as log:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=work, env={**os.environ, **env}, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def end(self, number):
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)             # a peer may be a script that started the program
        self.process.wait(60)

    def wait(self, what, is_so, seconds, pause=0.01):
        until = time.monotonic() + seconds
        while not is_so():
            if self.process.poll() is not None or time.monotonic() > until:
                die(f'{self.process.args[0]}: not {what}; see .build/bench/work/log.')
            time.sleep(pause)

    def processes(self):
        """It and its children."""
        number = self.process.pid
        children = [child for task in pathlib.Path(f'/proc/{number}/task').iterdir()
                    for child in (task / 'children').read_text().split()]
        return [number, *children]


def killed(programs, server, files, name, command, base):
    """Bytes that are sent twice by a client that is killed with an eighth of a file sent, and started again."""
    work = fresh(base)
    arguments = command(programs, server, files, f'kill-{name}/', work)
    files.warm()
    before = server.bytes_taken()
    with Running(arguments, work, server.env) as client:
        client.wait('at an eighth', lambda: server.bytes_taken() - before >= files.bytes // 8, 120)
        client.end(signal.SIGKILL)
    if server.settled() - before >= files.bytes:
        die(f'{name} was done before it was killed; take a larger --large-mib.')
    run(name, arguments, server, work)
    # A client that begins anew has sent all of the first time in vain.
    return server.settled() - before - files.bytes


def free_port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


class NoServer:
    """Nobody listens there."""
    bucket, ca_file = 'bench', None

    def __init__(self, port):
        self.endpoint = f'http://127.0.0.1:{port}'
        self.env = {'AWS_ACCESS_KEY_ID': 'test', 'AWS_SECRET_ACCESS_KEY': 'test', 'AWS_DEFAULT_REGION': 'us-east-1'}


def restart(programs, command, count, base):
    """Seconds from the agent's start with `count` recordings in its queue to the first byte of one at the server."""
    work, files, port = fresh(base), FileSet('queued', base / 'files' / 'queued', count, SMALL_BYTES), free_port()
    nobody = NoServer(port)
    arguments = command(programs, nobody, files, 'queued/', work)
    with Running(arguments, work, nobody.env) as agent:
        agent.wait(f'with {count} uploads in its queue', lambda: uploads(work) >= count, 600, 0.5)
        agent.end(signal.SIGTERM)
    sink = Sink(base / f'sink-{os.getpid()}', S3_PORT=str(port))
    try:
        began = time.monotonic()
        with Running(arguments, work, sink.env) as agent:
            # What tries the server out is shorter than a recording.
            agent.wait('sending', lambda: sink.bytes_taken() >= SMALL_BYTES, 120, 0.002)
            return time.monotonic() - began
    finally:
        sink.wipe()


def uploads(work):
    """How many there are; 0 while there is no table."""
    try:
        database = sqlite3.connect(f'file:{work}/state/station.sqlite?mode=ro', uri=True, timeout=10)
        try:
            return database.execute('SELECT count(*) FROM upload').fetchone()[0]
        finally:
            database.close()
    except sqlite3.OperationalError:
        return 0


def idle(programs, server, command, base):
    """Voluntary context switches per second of an agent with nothing to do, and its resident bytes."""
    work, nothing = fresh(base), FileSet('nothing', base / 'files' / 'nothing', 0, 0)
    with Running(command(programs, server, nothing, 'idle/', work), work, server.env) as agent:
        agent.wait('ready', (work / 'state/station.sqlite').exists, 30)
        time.sleep(10)                                      # it has looked around, and settled
        before = switches(agent.processes())
        time.sleep(IDLE_SECONDS)
        wakes = (switches(agent.processes()) - before) / IDLE_SECONDS
        status = pathlib.Path(f'/proc/{agent.process.pid}/status').read_text()
        agent.end(signal.SIGTERM)
    return wakes, int(status.split('VmRSS:')[1].split()[0]) * 1024


def switches(processes):
    """Times that a thread has gone to sleep and was woken."""
    return sum(int((task / 'status').read_text().split('\nvoluntary_ctxt_switches:')[1].split()[0])
               for process in processes for task in pathlib.Path(f'/proc/{process}/task').iterdir())
