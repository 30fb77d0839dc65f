"""The agent that Benchmarks/docks measures, and what can be seen of it from outside."""
import json, os, pathlib, re, select, signal, sqlite3, subprocess, threading, time

from dock_world import MIB, Trouble, call

IN_OPEN, IN_ISDIR = 0x20, 0x40000000


class Agent:
    """`capture-agent run` over the docks and one folder, the desk. Its target is not there, so that nothing is sent:
    recordings are described and wait."""

    def __init__(self, world, desk='settle_seconds: 0.1', keep_free_bytes=256 * MIB):
        self.world, self.lines, self.news = world, [], threading.Condition()
        self.database = world.state / 'station.sqlite'
        quoted = json.dumps                                 # a JSON string is a YAML string
        configuration = world.base / 'capture-agent.yaml'
        configuration.write_text(f'''\
station: {{id: bench, name: bench, time_zone: UTC}}
state_directory: {quoted(str(world.state))}
spool: {{keep_free_bytes: {keep_free_bytes}}}
sources:
  - {{name: docks, mounts_under: {quoted(str(world.dock))}, settle_seconds: 0.1}}
  - {{name: desk, directory: {quoted(str(world.desk))}, {desk}}}
targets:
  - {{name: away, directory: {{path: {quoted(str(world.base / 'nowhere'))}}}}}
''')
        self.process = subprocess.Popen([world.program, 'run', '--config', configuration], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True)
        world.processes.append(self.process)
        threading.Thread(target=self.listen, daemon=True).start()
        self.wait('a source is there', 1, 20)
        time.sleep(1)                                       # what it does at its start is over
        self.cpu_before = self.cpu_seconds()

    def listen(self):
        for line in self.process.stderr:
            with self.news:
                self.lines.append((time.time(), line))
                self.news.notify()
        with self.news:
            self.news.notify()

    def told(self, sentence):
        """(second, line) of every line with that sentence."""
        return [each for each in self.lines if sentence in each[1]]

    def wait(self, sentence, count, seconds):
        """The second of the line that was wanted last."""
        until = time.monotonic() + seconds
        with self.news:
            while len(found := self.told(sentence)) < count:
                if self.process.poll() is not None or not self.news.wait(until - time.monotonic()):
                    tail = ''.join(line for _, line in self.lines[-10:])
                    raise Trouble(f'the agent said "{sentence}" {len(found)} times of {count}; its last words:\n{tail}')
        return found[count - 1][0]

    def collected(self):
        """Recording → the second at which the agent said that it is durable and in the catalogue."""
        return {re.search(r'recording\.id=([0-9a-f-]{36})', line)[1]: second
                for second, line in self.told('a file is collected')}

    def ask(self, query, *values):
        """Rows of its database, which is opened read-only."""
        with sqlite3.connect(f'file:{self.database}?mode=ro', uri=True, timeout=10) as database:
            return database.execute(query, values).fetchall()

    def cpu_seconds(self):
        """Of the agent and of its workers."""
        total = 0
        for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):
            try:
                fields = stat.read_text().rpartition(')')[2].split()
            except OSError:
                continue
            if self.process.pid in (int(stat.parent.name), int(fields[1])):
                total += sum(map(int, fields[11:13]))
                # What workers that have ended used.
                total += sum(map(int, fields[13:15])) if int(stat.parent.name) == self.process.pid else 0
        return total / os.sysconf('SC_CLK_TCK')

    def memory_bytes(self, field):
        """`VmRSS` or `VmHWM`, the peak; of the agent alone."""
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(rf'{field}:\s+(\d+)', status)[1]) << 10

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            raise Trouble('the agent did not stop within 20 s.') from None


class Openings:
    """Tells when somebody opens a folder: inotify(7)."""

    def __init__(self, folder):
        self.descriptor = call('inotify_init1', os.O_NONBLOCK | os.O_CLOEXEC)
        call('inotify_add_watch', self.descriptor, folder, IN_OPEN)

    def wait(self, seconds):
        """The second of the next one."""
        until = time.monotonic() + seconds
        while select.select([self.descriptor], [], [], max(0, until - time.monotonic()))[0]:
            second = time.time()
            # struct inotify_event: the mask is the second word; the folder itself has no name behind it.
            if int.from_bytes(os.read(self.descriptor, 4096)[4:8], 'little') & IN_ISDIR:
                return second
        raise Trouble(f'the agent did not look into its folder within {seconds} s.')

    def forget(self):
        try:
            while os.read(self.descriptor, 4096):
                pass
        except BlockingIOError:
            pass
