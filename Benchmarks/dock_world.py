"""What Benchmarks/docks works with: cards in image files that are really mounted, and what is on them.

Mounts lie in a mount namespace of their own (unshare(2)), so that nobody else sees them, and none outlives the script.
"""
import ctypes, hashlib, os, pathlib, shutil, struct, subprocess, time

MIB, GIB = 1 << 20, 1 << 30
MS_RDONLY, MS_REC, MS_PRIVATE, MNT_DETACH, CLONE_NEWNS = 1, 1 << 14, 1 << 18, 2, 0x20000
GROUPS = 16                                                 # what is copied comes in so many folders
PHOTO_BYTES = [2 * MIB, 5 * MIB // 2, 7 * MIB // 2]         # of each of them
PROGRAMS = 'mkfs.ext4', 'mkfs.vfat', 'mcopy', 'fusefat', 'losetup', 'cp', 'sync', 'ffmpeg'
libc = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """A sentence for who ran it."""


def call(name, *arguments):
    """A function of libc; its error is an OSError."""
    given = [os.fsencode(each) if isinstance(each, (str, os.PathLike)) else each for each in arguments]
    result = getattr(libc, name)(*given)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f'{name} {arguments}: {os.strerror(code)}')
    return result


def run(*command, **options):
    subprocess.run([str(each) for each in command], check=True, stdout=subprocess.DEVNULL, **options)


def drop_caches():
    os.sync()
    pathlib.Path('/proc/sys/vm/drop_caches').write_text('3')


def warm(path):
    with open(path, 'rb', buffering=0) as file:
        while file.read(8 * MIB):
            pass


class Media:
    """Films and photos of any size that are what they say, so that describing them costs what it costs with real ones:
    a clip in front of a box of random bytes that players skip, a picture with random comments."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        source = 'testsrc2=size=1280x720:rate=25:duration=4'
        ffmpeg = 'ffmpeg', '-v', 'error', '-y', '-f', 'lavfi', '-i', source
        run(*ffmpeg, '-c:v', 'mpeg4', '-movflags', '+faststart', folder / 'film.mp4')
        run(*ffmpeg, '-frames:v', '1', folder / 'photo.jpg')
        self.clip, self.picture = (folder / 'film.mp4').read_bytes(), (folder / 'photo.jpg').read_bytes()

    def film(self, path, size):
        """ISO/IEC 14496-12, 8.1.2: a free space box."""
        left = size - len(self.clip) - 8
        with open(path, 'wb') as out:
            out.write(self.clip + struct.pack('>I4s', left + 8, b'free'))
            while left:
                left -= out.write(os.urandom(min(left, 8 * MIB)))

    def photo(self, path, size):
        """ITU-T T.81, B.2.4.5: COM segments behind the first marker."""
        left = size - len(self.picture)
        with open(path, 'wb') as out:
            out.write(self.picture[:2])
            while left > 4:
                content = min(left - 4, 65_533)
                out.write(struct.pack('>HH', 0xFFFE, content + 2) + os.urandom(content))
                left -= content + 4
            out.write(self.picture[2:])


class Card:
    """An image file with a file system, as a card in its reader: a device that is mounted and unmounted."""

    def __init__(self, world, name, kind, size):
        self.world, self.name, self.kind = world, name, kind
        self.image, self.point = world.base / 'images' / f'{name}.img', world.dock / name
        self.loop, self.process, self.is_mounted = None, None, False
        self.image.parent.mkdir(exist_ok=True)
        self.point.mkdir(parents=True)
        with open(self.image, 'wb') as out:
            out.truncate(size // MIB * MIB)
        run('mkfs.ext4', '-qF', '-m0', self.image) if kind == 'ext4' else run('mkfs.vfat', '-F32', self.image)
        world.cards.append(self)

    def fill(self, folders):
        """The folders' files, each folder below DCIM."""
        if self.kind == 'ext4':
            with self.writable() as point:
                for folder in folders:
                    shutil.copytree(folder, point / 'DCIM' / folder.name)
        else:
            run('mmd', '-i', self.image, '::DCIM')
            run('mcopy', '-s', '-i', self.image, *folders, '::DCIM')

    def writable(self):
        return Writable(self)

    def insert(self, read_only=True):
        """The kernel has a block device for it. Fusefat reads the image itself."""
        for attempt in range(5) if self.kind == 'ext4' else ():
            found = subprocess.run(['losetup', *(['-r'] if read_only else []), '-f', '--show', self.image],
                                   stdout=subprocess.PIPE, text=True)
            if not found.returncode:
                self.loop = found.stdout.strip()
                return
            time.sleep(0.2)                                 # somebody else took the one that was free
        if self.kind == 'ext4':
            raise Trouble('there is no free loop device; see losetup(8).')

    def mount(self, read_only=True):
        """mount(2) of ext4 returns when it is mounted; FUSE file systems come when they come."""
        if self.kind == 'ext4':
            call('mount', self.loop, self.point, 'ext4', MS_RDONLY if read_only else 0, None)
        else:
            self.process = subprocess.Popen(['fusefat', '-f', '-o', 'ro', self.image, self.point],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.is_mounted = True

    def wait_mounted(self):
        for _ in range(1000):
            if os.path.ismount(self.point):
                return
            time.sleep(0.005)
        raise Trouble(f'{self.name} was not mounted within 5 s.')

    def unmount(self):
        if self.is_mounted and (not self.process or os.path.ismount(self.point)):
            call('umount2', self.point, MNT_DETACH)
        self.is_mounted = False
        if self.process:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def remove(self):
        self.unmount()
        if self.loop:
            subprocess.run(['losetup', '-d', self.loop])
            self.loop = None


class Writable:
    """A card that is written to as long as this lasts."""

    def __init__(self, card):
        self.card = card

    def __enter__(self):
        self.card.insert(read_only=False)
        self.card.mount(read_only=False)
        return self.card.point

    def __exit__(self, *_):
        os.sync()
        self.card.remove()


class Recordings:
    """GROUPS folders of two films and three photos, as they are dealt out to cards."""

    def __init__(self, folder, mib):
        media = Media(folder / 'samples')
        self.folders, self.digests, self.bytes, self.files = [], set(), 0, 0
        films = mib * MIB // GROUPS - sum(PHOTO_BYTES)
        sizes = [films * 3 // 10, films - films * 3 // 10, *PHOTO_BYTES]
        names = ['MOVI0001.MP4', 'MOVI0002.MP4', 'IMAG0001.JPG', 'IMAG0002.JPG', 'IMAG0003.JPG']
        for number in range(GROUPS):
            self.folders.append(folder / f'{100 + number}MEDIA')
            self.folders[-1].mkdir()
            for name, size in zip(names, sizes):
                file = self.folders[-1] / name
                media.film(file, size) if name.endswith('MP4') else media.photo(file, size)
                with open(file, 'rb') as opened:
                    self.digests.add(hashlib.file_digest(opened, 'sha256').digest())
                self.bytes, self.files = self.bytes + file.stat().st_size, self.files + 1

    def deal(self, world, kind, count):
        each = GROUPS // count
        cards = [Card(world, f'card{number:02}', kind, self.bytes // count * 21 // 20 + 64 * MIB)
                 for number in range(count)]
        for number, card in enumerate(cards):
            card.fill(self.folders[number * each:(number + 1) * each])
        return cards


class World:
    """One folder with everything in it; all of it is gone when it is closed."""

    def __init__(self, base, agent):
        self.base, self.program, self.cards, self.processes = base, agent, [], []
        self.dock, self.desk, self.state = base / 'dock', base / 'desk', base / 'state'
        self.remove_left_over()
        base.mkdir(parents=True)
        call('unshare', CLONE_NEWNS)
        call('mount', 'none', '/', None, MS_REC | MS_PRIVATE, None)

    def remove_left_over(self):
        """Of a run that was killed: its mounts went with it, its loop devices did not."""
        for file in pathlib.Path('/sys/block').glob('loop*/loop/backing_file'):
            try:
                if file.read_text().startswith(f'{self.base}/'):
                    run('losetup', '-d', f'/dev/{file.parent.parent.name}')
            except OSError:
                pass                                        # just taken down by its owner
        shutil.rmtree(self.base, ignore_errors=True)

    def remove_cards(self):
        for card in self.cards:
            card.remove()
        self.cards = []
        for folder in 'dock', 'images':
            shutil.rmtree(self.base / folder, ignore_errors=True)

    def fresh(self):
        """Neither state nor copies of an earlier run."""
        for folder in 'state', 'copies', 'desk':
            shutil.rmtree(self.base / folder, ignore_errors=True)
            (self.base / folder).mkdir()
        self.dock.mkdir(exist_ok=True)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.remove_cards()
        shutil.rmtree(self.base, ignore_errors=True)
