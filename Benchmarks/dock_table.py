"""The table of Benchmarks/docks, and waiting until nobody else works here."""
import os, pathlib, time

QUIET_CORES = 0.3                                           # that others may use while something is measured


class Table:
    """Rows for people and for programs."""

    def __init__(self, out):
        self.rows, self.out = [], out

    def say(self, sentence):
        print(sentence, file=self.out, flush=True)

    def add(self, case, ours, peer=None, target=None, holds=None):
        ratio = None if peer is None else ours / peer
        self.rows.append({'case': case, 'ours': ours, 'peer': peer, 'ratio': ratio, 'target': target, 'holds': holds})

    def below(self, case, ours, limit, unit):
        """A row whose target is to stay below a limit."""
        self.add(case, ours, None, f'< {limit} {unit}', ours < limit)

    @property
    def holds(self):
        return all(row['holds'] is not False for row in self.rows)

    def show(self):
        words = {True: 'yes', False: 'NO', None: ''}
        number = lambda value: '' if value is None else f'{value:.0f}' if value >= 100 else f'{value:.2f}'
        lines = [('case', 'ours', 'peer', 'ratio', 'target', 'holds')]
        lines += [(row['case'], number(row['ours']), number(row['peer']), number(row['ratio']), row['target'] or '',
                   words[row['holds']]) for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*lines)]
        for line in lines:
            cells = [cell.rjust(width) if index in (1, 2, 3) else cell.ljust(width)
                     for index, (cell, width) in enumerate(zip(line, widths))]
            self.say('| ' + ' | '.join(cells) + ' |')
            if line is lines[0]:
                self.say('|' + '|'.join('-' * (width + 1) + (':' if index in (1, 2, 3) else '-')
                                        for index, width in enumerate(widths)) + '|')


def busy_cores(seconds=1.0):
    """Processors that are in use, as /proc/stat counts."""
    def look():
        fields = list(map(int, pathlib.Path('/proc/stat').read_text().split()[1:9]))
        return sum(fields), fields[3] + fields[4]
    total, idle = look()
    time.sleep(seconds)
    total_now, idle_now = look()
    return os.cpu_count() * (1 - (idle_now - idle) / max(1, total_now - total))


def wait_for_quiet(table, options, case):
    """The load average would not do: it remembers our own last case for minutes."""
    until = time.monotonic() + options.patience
    while (busy := busy_cores()) > QUIET_CORES and time.monotonic() < until:
        pass
    note = '' if busy <= QUIET_CORES else ' — NOT QUIET, its numbers say little'
    table.say(f'{case}: others use {busy:.2f} of {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}{note}')
