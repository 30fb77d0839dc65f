import DockWatch
import EvidenceModel
import StationTesting
import Testing

@Suite("Mount table")
struct MountTableTests {
    private func parse(_ text: String) -> MountTable { MountTable.parse(Array(text.utf8)) }

    @Test func readsTheLineOfTheManual() throws {
        let table = parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n")
        #expect(
            table.entries == [
                MountEntry(
                    mountID: 36, device: 98 << 8, directory: RawPath("/mnt1"), mountPoint: RawPath("/mnt2"),
                    fileSystemType: "ext3", source: RawPath("/dev/root"))
            ])
        #expect(table.malformedLines == 0)
    }

    @Test(arguments: [
        ("42 27 8:17 / /media/CAM01 rw,nosuid,nodev,relatime shared:308 - vfat /dev/sdb1 rw,fmask=0022", "vfat"),
        ("42 27 7:0 / /media/b rw,relatime - fuseblk /dev/loop0 rw,user_id=0,blksize=4096", "fuseblk"),
        ("43 27 0:39 / /media/c rw,nosuid - fuse.fusefat fusefat rw,user_id=0,group_id=0", "fuse.fusefat"),
        (
            "44 1 0:5 / / rw shared:1 master:2 propagate_from:3 unbindable - overlay overlay rw,lowerdir=/a:/b",
            "overlay"
        ),
        ("45 1 0:44 / /media/nas rw - nfs4 nas:/export/a rw,vers=4.2", "nfs4"),
        ("46 1 0:50 /@home /media/d rw - btrfs /dev/sdc1 rw,subvol=/@home", "btrfs"),
    ])
    func readsRealLines(line: String, type: String) throws {
        let entry = try #require(parse(line).entries.first)
        #expect(entry.fileSystemType == type)
        #expect(!entry.isReadOnly)
    }

    @Test func undoesEscapes() throws {
        let entry = try #require(
            parse(#"42 27 8:17 / /media/a\040b\011c\012d\134e\043f rw - vfat /dev/disk\040one rw"#).entries.first)
        #expect(entry.mountPoint == RawPath("/media/a b\tc\nd\\e#f"))
        #expect(entry.source == RawPath("/dev/disk one"))
    }

    @Test func leavesAloneWhatIsNoEscape() throws {
        let entry = try #require(parse(#"42 27 8:17 / /m\04 rw - vfat s\777\9 rw"#).entries.first)
        #expect(entry.mountPoint == RawPath(#"/m\04"#))
        #expect(entry.source == RawPath(#"s\777\9"#))
    }

    @Test func keepsBytesThatAreNoText() throws {
        let line = Array("42 27 8:17 / /media/".utf8) + [0xd6, 0xb4, 0xff] + Array(" rw - vfat /dev/sdb1 rw".utf8)
        let entry = try #require(MountTable.parse(line).entries.first)
        #expect(entry.mountPoint.bytes == Array("/media/".utf8) + [0xd6, 0xb4, 0xff])
    }

    @Test func anEmptySourceIsASource() throws {
        let entry = try #require(parse("42 27 0:40 / /media/a rw - tmpfs  rw,size=4k").entries.first)
        #expect(entry.fileSystemType == "tmpfs")
        #expect(entry.source == RawPath(""))
    }

    @Test(arguments: ["ro,nosuid - vfat /dev/sdb1 rw", "rw,nosuid - vfat /dev/sdb1 ro,errors=remount-ro"])
    func isReadOnlyByMountOrByFileSystem(rest: String) throws {
        #expect(try #require(parse("42 27 8:17 / /media/a " + rest).entries.first).isReadOnly)
    }

    @Test func anOptionThatBeginsWithRoIsNotReadOnly() throws {
        let entry = try #require(
            parse("42 27 8:17 / /media/a rw - ext4 /dev/sdb1 rw,rosy,errors=remount-ro").entries.first)
        #expect(!entry.isReadOnly)
    }

    @Test(arguments: [
        "x", "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1", "36 35 98 / /m rw - ext4 s rw",
        "36 35 98:x / /m rw - ext4 s rw",
        "-6 35 98:0 / /m rw - ext4 s rw", "36 35 98:0 / m rw - ext4 s rw", "36 35 98:0 / /m rw - ext4 s",
        "36 35 99999999999:0 / /m rw - ext4 s rw", "36 35 4294967296:0 / /m rw - ext4 s rw", "36 35 8:1 / /m rw - ",
        " ",
    ])
    func leavesOutMalformedLines(line: String) {
        let table = parse(
            "42 27 8:17 / /media/a rw - vfat /dev/sdb1 rw\n\(line)\n43 27 8:18 / /media/b rw - vfat s rw\n")
        #expect(table.entries.map(\.mountID) == [42, 43])
        #expect(table.malformedLines == 1)
    }

    @Test func bytesAtRandomAreNoCrash() throws {
        var random = SeededRandom(seed: 11)
        let line = Array(#"42 27 8:17 / /media/a\040b rw shared:1 - vfat /dev/sdb1 rw"#.utf8)
        for _ in 0..<2000 {
            var bytes = line
            for _ in 0..<3 {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = MountTable.parse(bytes)
        }
    }

    @Test(arguments: [(0, 39, 39), (8, 17, 0x811), (259, 3, 0x10303), (0x1234, 0x56789, 0x1000_5672_3489)])
    func deviceNumbersAreThoseOfMakedev(major: UInt32, minor: UInt32, device: UInt64) {
        #expect(DeviceNumber.make(major: major, minor: minor) == device)
        #expect(DeviceNumber.major(device) == major)
    }
}
